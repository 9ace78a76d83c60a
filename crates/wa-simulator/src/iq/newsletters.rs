//! Newsletters: what is asked about them in JSON, and their posts (PROTOCOL.md 24).

use std::sync::Arc;

use compact_str::CompactString;
use serde_json::{Value, json};
use wa_binary::{Jid, Node};

use super::{Answered, Context, IqError, Request};
use crate::{
    newsletter::{MAX_DESCRIPTION, MAX_NAME, Newsletter},
    routing::Sender,
    stanza,
    world::figures_of,
};
/// For how many seconds a device is told of views and reactions.
const WATCHED_FOR: u64 = 300;
/// Posts of one answer.
const MAX_POSTS: u32 = 100;

/// What is asked, under the numbers that clients have for it: those of WhatsApp Web, and older ones that servers still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Create,
    List,
    Find,
    Follow,
    Unfollow,
}

impl Asked {
    pub(super) fn of(id: &str) -> Option<Self> {
        Some(match id {
            "25149874324715067" | "6234210096708695" | "8823471724422422" => Self::Create,
            "25399611239711790" | "6388546374527196" => Self::List,
            "27456920720571478" | "6563316087068696" => Self::Find,
            "24404358912487870" | "9926858900719341" => Self::Follow,
            "9767147403369991" | "6392786840836363" => Self::Unfollow,
            _ => return None,
        })
    }
}

/// The data of an answer, or the code and the text of an error.
pub(super) fn answer(
    context: &Context<'_>,
    asked: Asked,
    variables: &Value,
) -> Result<Value, (u16, &'static str)> {
    let (world, account) = (context.world, context.account);
    let by = Sender { account, device: context.device };
    match asked {
        Asked::List => {
            let all = world.newsletters().into_iter();
            let mine = all.filter(|newsletter| newsletter.role(&account.number) != "GUEST");
            let mine: Vec<_> = mine.map(|newsletter| world.described(&newsletter, account)).collect();
            Ok(json!({"xwa2_newsletter_subscribed": mine}))
        }
        Asked::Create => {
            let input = variables.get("input").or_else(|| variables.get("newsletter_input"));
            let text = |name: &str| input.and_then(|input| input[name].as_str()).unwrap_or_default();
            let (name, description) = (text("name"), text("description"));
            let is_sound = (1..=MAX_NAME).contains(&name.trim().chars().count())
                && description.chars().count() <= MAX_DESCRIPTION;
            if !is_sound {
                return Err((400, "a newsletter has a name"));
            }
            if !account.directory().has_agreed {
                return Err((403, "the terms were not accepted"));
            }
            let newsletter = world.make_newsletter(by, name, description);
            Ok(json!({"xwa2_newsletter_create": world.described(&newsletter, account)}))
        }
        Asked::Find => {
            let key = variables["input"]["key"].as_str().unwrap_or_default();
            let found = match variables["input"]["type"].as_str() {
                Some("JID") => key.parse().ok().and_then(|jid: Jid| world.newsletter(&jid)),
                Some("INVITE") => world.newsletter_of(key),
                _ => return Err((400, "a newsletter is named by its JID or its invite")),
            };
            let found = found.ok_or((404, "there is no such newsletter"))?;
            Ok(json!({"xwa2_newsletter": world.described(&found, account)}))
        }
        Asked::Follow | Asked::Unfollow => {
            let jid = variables["newsletter_id"].as_str().and_then(|jid| jid.parse::<Jid>().ok());
            let newsletter = jid.and_then(|jid| world.newsletter(&jid));
            let newsletter = newsletter.ok_or((404, "there is no such newsletter"))?;
            if newsletter.owner == account.number {
                return Err((405, "an owner neither follows nor leaves"));
            }
            let follows = asked == Asked::Follow;
            world.follow(by, &newsletter, follows);
            let name = if follows { "xwa2_newsletter_join_v2" } else { "xwa2_newsletter_leave_v2" };
            Ok(json!({ name: world.described(&newsletter, account) }))
        }
    }
}

/// Name space `newsletter`: posts, their figures, and being told of these.
pub(super) fn posts(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    match (request.is_get, child.tag()) {
        (true, "messages") => {
            let jid = child.require_jid("jid")?;
            let newsletter = found(context, jid)?;
            let (count, before) = (child.require_number::<u32>("count")?, optional(child, "before")?);
            let posts = page(&newsletter, count, before, &context.account.number);
            Ok(Node::new("messages").attr("jid", newsletter.jid()).with_children(posts).into())
        }
        (true, "message_updates") => {
            let newsletter = found(context, &request.to)?;
            let after = optional(child, "after")?.unwrap_or(0);
            let record = newsletter.record();
            let posts = record.posts.range(after.saturating_add(1)..).map(|(id, post)| figures_of(*id, post));
            let posts: Vec<_> = posts.take(MAX_POSTS as usize).collect();
            Ok(Node::new("message_updates").child(Node::new("messages").with_children(posts)).into())
        }
        (false, "live_updates") => {
            let newsletter = found(context, &request.to)?;
            let until = context.world.clock.unix_seconds() + WATCHED_FOR;
            let device = (context.account.number.clone(), context.device);
            newsletter.record().watchers.insert(device, until);
            Ok(Node::new("live_updates").attr("duration", WATCHED_FOR).into())
        }
        _ => Err(IqError::BadRequest("posts, their figures or live updates are asked for")),
    }
}

fn found(context: &Context<'_>, jid: &Jid) -> Result<Arc<Newsletter>, IqError> {
    context.world.newsletter(jid).ok_or(IqError::NotFound)
}

fn optional(node: &Node<'_>, name: &str) -> Result<Option<u32>, IqError> {
    match node.attrs.number(name) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(IqError::BadRequest("a post is named by its number")),
    }
}

/// The latest posts, or those before one, the newest last.
fn page(
    newsletter: &Newsletter,
    count: u32,
    before: Option<u32>,
    viewer: &CompactString,
) -> Vec<Node<'static>> {
    let record = newsletter.record();
    let count = usize::try_from(count.min(MAX_POSTS)).unwrap_or(0);
    let is_own = *viewer == newsletter.owner;
    let mut posts: Vec<_> = record
        .posts
        .range(..before.unwrap_or(u32::MAX))
        .rev()
        .take(count)
        .map(|(server_id, post)| {
            figures_of(*server_id, post)
                .opt_attr("is_sender", is_own.then_some("true"))
                .child(Node::new("plaintext").with_bytes(post.content.to_vec()))
        })
        .collect();
    posts.reverse();
    posts
}

/// Name space `tos`: the account's owner has seen a notice.
pub(super) fn agree(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let notice = request.child()?;
    if notice.is("notice") && stanza::text(&notice.attrs, "id") == "20601218" {
        context.account.directory().has_agreed = true;
    }
    Ok(super::Answer::empty())
}
