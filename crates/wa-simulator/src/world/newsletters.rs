//! The newsletters, and what those who follow them are told.

use std::{collections::HashMap, sync::Arc};

use compact_str::{CompactString, format_compact};
use parking_lot::RwLock;
use rand::Rng;
use serde_json::{Value, json};
use wa_binary::{Jid, Node};

use super::{World, groups::invite_code};
use crate::{
    account::Account,
    newsletter::{Newsletter, Post},
    queue::{Class, Stanza},
    routing::Sender,
    stanza,
};

/// All newsletters, by the user part of their address.
#[derive(Default)]
pub(super) struct Newsletters(RwLock<HashMap<CompactString, Arc<Newsletter>>>);

impl Newsletters {
    pub(super) fn clear(&self) {
        self.0.write().clear();
    }
}

impl World {
    pub(crate) fn newsletter(&self, jid: &Jid) -> Option<Arc<Newsletter>> {
        self.newsletters.0.read().get(&jid.user).filter(|_| jid.is_newsletter()).cloned()
    }

    /// All newsletters, oldest first.
    pub(crate) fn newsletters(&self) -> Vec<Arc<Newsletter>> {
        let mut newsletters: Vec<_> = self.newsletters.0.read().values().cloned().collect();
        newsletters.sort_by(|a, b| (a.creation, &a.id).cmp(&(b.creation, &b.id)));
        newsletters
    }

    /// The newsletter that a link leads to.
    pub(crate) fn newsletter_of(&self, code: &str) -> Option<Arc<Newsletter>> {
        self.newsletters().into_iter().find(|newsletter| newsletter.invite == code)
    }

    /// Makes a newsletter.
    pub(crate) fn make_newsletter(&self, by: Sender<'_>, name: &str, description: &str) -> Arc<Newsletter> {
        let mut rng = self.fork_rng();
        let id = format_compact!("120363{:012}", rng.next_u64() % 1_000_000_000_000);
        let names = (id.clone(), invite_code(&mut rng));
        let made = (by.account.number.clone(), self.clock.unix_seconds());
        let newsletter = Arc::new(Newsletter::new(names, made, name.to_owned(), description.to_owned()));
        self.newsletters.0.write().insert(id, newsletter.clone());
        self.tell_following(by, &newsletter, true);
        newsletter
    }

    /// Has an account follow a newsletter, or no longer; its other companions are told.
    pub(crate) fn follow(&self, by: Sender<'_>, newsletter: &Arc<Newsletter>, follows: bool) {
        {
            let mut record = newsletter.record();
            match follows {
                true => record.followers.insert(by.account.number.clone()),
                false => record.followers.remove(&by.account.number),
            };
        }
        self.tell_following(by, newsletter, follows);
    }

    fn tell_following(&self, by: Sender<'_>, newsletter: &Newsletter, follows: bool) {
        let (operation, data) = if follows {
            let joined = self.described(newsletter, by.account);
            ("NotificationNewsletterJoin", json!({"xwa2_notify_newsletter_on_join": joined}))
        } else {
            let left = json!({"id": newsletter.jid().to_string()});
            ("NotificationNewsletterLeave", json!({"xwa2_notify_newsletter_on_leave": left}))
        };
        let body = json!({"data": data}).to_string().into_bytes();
        let update = Node::new("update").attr("op_name", operation).with_bytes(body);
        let notice = Node::new("notification").attr("from", Jid::server()).child(update);
        self.notify(by.account, Some(by.device), "mex", &notice);
    }

    /// A newsletter in the server's words, as an account sees it.
    pub(crate) fn described(&self, newsletter: &Newsletter, account: &Account) -> Value {
        let role = newsletter.role(&account.number);
        let followers = newsletter.record().followers.len();
        let time = format!("{}000000", newsletter.creation);
        json!({
            "id": newsletter.jid().to_string(),
            "state": {"type": "ACTIVE"},
            "thread_metadata": {
                "creation_time": newsletter.creation.to_string(),
                "invite": newsletter.invite.as_str(),
                "name": {"text": newsletter.name, "id": "1", "update_time": time},
                "description": {"text": newsletter.description, "id": "1", "update_time": time},
                "subscribers_count": followers.to_string(),
                "verification": "UNVERIFIED",
                "settings": {"reaction_codes": {"value": "ALL"}},
            },
            "viewer_metadata": {"role": role, "mute": "OFF"},
        })
    }

    /// Takes a post, and delivers it to the companions of all who follow; its number.
    pub(crate) fn post_in(&self, by: Sender<'_>, newsletter: &Arc<Newsletter>, post: Post) -> u32 {
        let bare = Node::new("message")
            .attr("from", newsletter.jid())
            .attr("id", post.id.clone())
            .attr("type", post.kind.clone())
            .attr("t", post.timestamp)
            .child(Node::new("plaintext").with_bytes(post.content.to_vec()));
        let id = post.id.clone();
        let server_id = newsletter.record().add(post);
        let bare = bare.attr("server_id", server_id);
        for account in newsletter.readers().iter().filter_map(|number| self.account(number)) {
            let is_own = account == *by.account;
            let node = bare.clone().opt_attr("is_sender", is_own.then_some("true"));
            let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
            for device in devices.into_iter().filter(|device| !(is_own && *device == by.device)) {
                let bytes = stanza::encode(&node);
                let kind = Default::default();
                let class = Class::Message;
                self.deliver(
                    &account,
                    device,
                    Stanza { class, id: id.clone(), kind, is_own_copy: false, bytes },
                );
            }
        }
        server_id
    }

    /// Puts an emoji to a post, or takes it away with an empty one. False if there is no such post.
    pub(crate) fn react_in(
        &self,
        by: &Account,
        newsletter: &Arc<Newsletter>,
        server_id: u32,
        emoji: &str,
    ) -> bool {
        {
            let mut record = newsletter.record();
            let Some(post) = record.posts.get_mut(&server_id) else { return false };
            match emoji {
                "" => post.reactions.remove(&by.number),
                emoji => post.reactions.insert(by.number.clone(), emoji.into()),
            };
        }
        self.tell_counted(newsletter, server_id);
        true
    }

    /// Somebody has looked at these posts.
    pub(crate) fn view_in(&self, by: &Account, newsletter: &Arc<Newsletter>, server_ids: &[u32]) {
        for server_id in server_ids {
            let is_new = {
                let mut record = newsletter.record();
                let post = record.posts.get_mut(server_id);
                post.is_some_and(|post| post.viewers.insert(by.number.clone()))
            };
            if is_new {
                self.tell_counted(newsletter, *server_id);
            }
        }
    }

    /// Tells the devices that watch how often a post was looked at, and what was put to it.
    pub(crate) fn tell_counted(&self, newsletter: &Newsletter, server_id: u32) {
        let now = self.clock.unix_seconds();
        let (figures, watchers) = {
            let record = newsletter.record();
            let Some(post) = record.posts.get(&server_id) else { return };
            let watching = record.watchers.iter().filter(|(_, until)| **until > now);
            (figures_of(server_id, post), watching.map(|(device, _)| device.clone()).collect::<Vec<_>>())
        };
        let messages = Node::new("messages").attr("jid", newsletter.jid()).attr("t", now).child(figures);
        let updates = Node::new("live_updates").child(messages);
        let notice = Node::new("notification").attr("from", newsletter.jid()).child(updates);
        for (number, device) in watchers {
            if let Some(account) = self.account(&number) {
                self.notify_device(&account, device, "newsletter", &notice);
            }
        }
    }
}

/// `<message server_id …>` with the figures of a post, and not with what it says.
pub(crate) fn figures_of(server_id: u32, post: &Post) -> Node<'static> {
    let views = u32::try_from(post.viewers.len()).unwrap_or(u32::MAX);
    let reactions: Vec<_> = post
        .counted()
        .into_iter()
        .map(|(code, count)| Node::new("reaction").attr("code", code.clone()).attr("count", count))
        .collect();
    let reactions = (!reactions.is_empty()).then(|| Node::new("reactions").with_children(reactions));
    Node::new("message")
        .attr("server_id", server_id)
        .attr("id", post.id.clone())
        .attr("type", post.kind.clone())
        .attr("t", post.timestamp)
        .child(Node::new("views_count").attr("count", views))
        .with_children(reactions)
}
