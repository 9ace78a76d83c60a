use wa_binary::Node;

use super::{Answer, Answered, Context, IqError, Request, Then};
use crate::account::StatusPrivacy;

/// Longest about text, in bytes.
const MAX_ABOUT: usize = 1_024;

/// Name space `passive`: whether the client wants what comes (PROTOCOL.md 7.1).
pub(super) fn passive(request: &Request<'_>) -> Answered {
    match (request.is_get, request.child()?.tag()) {
        (false, "active") => Ok(Answer::then(Then::Activate)),
        (false, "passive") => Ok(Answer::then(Then::Deactivate)),
        _ => Err(IqError::BadRequest("active or passive is set")),
    }
}

/// Name space `md`: a companion unlinks itself (PROTOCOL.md 7.7).
pub(super) fn companions(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    if request.is_get || !child.is("remove-companion-device") {
        return Err(IqError::NotImplemented);
    }
    let jid = child.require_jid("jid")?;
    child.require_text("reason")?;
    // Only the phone may unlink others.
    if context.account.owns(jid) && jid.device == context.device {
        Ok(Answer::then(Then::Unlink))
    } else {
        Err(IqError::Forbidden)
    }
}

/// Name space `status`: the own about text.
pub(super) fn about(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    if request.is_get && child.is("privacy") {
        // While nobody has set who sees status posts, clients take it for all contacts (PROTOCOL.md 25).
        let set = context.account.directory().status_privacy.clone();
        return set.map(|set| status_privacy(context, &set).into()).ok_or(IqError::NotFound);
    }
    let text = child.content_text().filter(|text| child.is("status") && text.len() <= MAX_ABOUT);
    let text = text.ok_or(IqError::BadRequest("an about text has at most 1024 bytes"))?;
    if request.is_get {
        return Err(IqError::NotImplemented);
    }
    text.clone_into(&mut context.account.directory().about);
    Ok(Answer::empty())
}

fn status_privacy(context: &Context<'_>, set: &StatusPrivacy) -> Node<'static> {
    let (kind, numbers): (_, &[String]) = match set {
        StatusPrivacy::Contacts => ("contacts", &[]),
        StatusPrivacy::AllBut(numbers) => ("blacklist", numbers),
        StatusPrivacy::Only(numbers) => ("whitelist", numbers),
    };
    let accounts = numbers.iter().filter_map(|number| context.world.account(number));
    let users = accounts.map(|account| Node::new("user").attr("jid", account.lid()));
    let list = Node::new("list").attr("type", kind).attr("default", "true").with_children(users);
    Node::new("privacy").child(list)
}

/// Name space `disappearing_mode`: how long messages of new chats are kept (PROTOCOL.md 28).
pub(super) fn disappearing_mode(context: &Context<'_>, request: &Request<'_>) -> Answered {
    if request.is_get {
        return Err(IqError::NotImplemented);
    }
    let mode = request.child()?;
    if !mode.is("disappearing_mode") {
        return Err(IqError::BadRequest("a disappearing_mode is set"));
    }
    context.account.directory().default_expiration = mode.require_number("duration")?;
    Ok(Answer::empty())
}

/// Name space `urn:xmpp:whatsapp:dirty`: the client has brought something up to date (PROTOCOL.md 7.2).
pub(super) fn clean(request: &Request<'_>) -> Answered {
    let clean = request.child()?;
    if request.is_get || !clean.is("clean") {
        return Err(IqError::BadRequest("clean is set"));
    }
    clean.require_text("type")?;
    Ok(Answer::empty())
}
