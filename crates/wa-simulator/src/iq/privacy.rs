use compact_str::CompactString;
use wa_binary::Node;

use super::{Answer, Answered, Context, IqError, Request};
use crate::stanza;

/// Name space `privacy`: settings, and tokens for trusted contacts (PROTOCOL.md 22, 28).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    match (request.is_get, child.tag()) {
        (true, "privacy") => Ok(settings(context).into()),
        (false, "privacy") => set(context, child),
        (false, "tokens") => tokens(context, child),
        _ => Err(IqError::BadRequest("privacy or tokens are asked for")),
    }
}

fn settings(context: &Context<'_>) -> Node<'static> {
    let settings = context.account.directory().privacy.clone();
    let categories = settings
        .into_iter()
        .map(|(name, value)| Node::new("category").attr("name", name).attr("value", value));
    Node::new("privacy").with_children(categories)
}

fn set(context: &Context<'_>, privacy: &Node<'_>) -> Answered {
    let category = privacy.require_child("category")?;
    let name = CompactString::from(&*category.require_text("name")?);
    let value = CompactString::from(&*category.require_text("value")?);
    let known = [
        "all",
        "contacts",
        "contact_allowlist",
        "contact_blacklist",
        "match_last_seen",
        "known",
        "none",
        "on_standard",
        "off",
    ];
    {
        let mut directory = context.account.directory();
        let setting = directory.privacy.get_mut(&name).filter(|_| known.contains(&&*value));
        *setting.ok_or(IqError::BadRequest("no such setting or value"))? = value.clone();
    }
    Ok(settings(context).into())
}

/// Passes tokens on: each target learns that the account trusts it (PROTOCOL.md 22).
fn tokens(context: &Context<'_>, tokens: &Node<'_>) -> Answered {
    let mut issued = Vec::new();
    for token in tokens.children_named("token") {
        let time: u64 = token.require_number("t")?;
        if token.require_text("type")? != "trusted_contact" {
            return Err(IqError::BadRequest("tokens are for trusted contacts"));
        }
        issued.push((token.require_jid("jid")?, time));
    }
    for (jid, time) in issued {
        if let Some(target) = context.world.resolve(jid) {
            context.world.issue_token(context.account, &target, time);
        }
    }
    Ok(Answer::empty())
}

/// Name space `blocklist`.
pub(super) fn blocklist(context: &Context<'_>, request: &Request<'_>) -> Answered {
    if request.is_get {
        return Ok(list(context).into());
    }
    let item = request.child()?;
    if !item.is("item") {
        return Err(IqError::BadRequest("an item is blocked or unblocked"));
    }
    let jid = item.require_jid("jid")?;
    let target = context.world.resolve(jid).ok_or(IqError::NotFound)?;
    let action = item.require_text("action")?.into_owned();
    {
        let mut directory = context.account.directory();
        match action.as_str() {
            "block" => directory.blocked.insert(target.number.clone()),
            "unblock" => directory.blocked.remove(&target.number),
            _ => return Err(IqError::BadRequest("block or unblock is expected")),
        };
    }
    let answer = list(context);
    let changed =
        Node::new("item").attr("jid", target.lid()).attr("pn_jid", target.pn()).attr("action", action);
    let changed = Node::new("blocklist")
        .attr("action", "modify")
        .attr("dhash", stanza::text(&answer.attrs, "dhash"))
        .child(changed);
    let notice = Node::new("notification").attr("from", context.account.pn()).child(changed);
    context.world.notify(context.account, Some(context.device), "account_sync", &notice);
    Ok(answer.into())
}

fn list(context: &Context<'_>) -> Node<'static> {
    let blocked = context.account.directory().blocked.clone();
    let joined: Vec<&str> = blocked.iter().map(CompactString::as_str).collect();
    let hash = context.world.token(&[b"blocklist", joined.join(",").as_bytes()]);
    let blocked = blocked.iter().filter_map(|number| context.world.account(number));
    let items = blocked.map(|account| Node::new("item").attr("jid", account.lid()));
    Node::new("list").attr("dhash", hex::encode(&hash[..8])).with_children(items)
}
