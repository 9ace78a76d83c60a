use wa_binary::Node;

use super::{Answer, Answered, Context, IqError, Request, Then};

/// Longest about text, in bytes.
const MAX_ABOUT: usize = 1_024;
/// Largest profile picture, in bytes.
const MAX_PICTURE: usize = 512 << 10;

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
        // Nobody has set who sees status posts: clients take it for all contacts (PROTOCOL.md 25).
        return Err(IqError::NotFound);
    }
    let text = child.content_text().filter(|text| child.is("status") && text.len() <= MAX_ABOUT);
    let text = text.ok_or(IqError::BadRequest("an about text has at most 1024 bytes"))?;
    if request.is_get {
        return Err(IqError::NotImplemented);
    }
    text.clone_into(&mut context.account.directory().about);
    Ok(Answer::empty())
}

/// Name space `w:profile:picture`. Pictures are kept by their id alone; nobody looks at them.
pub(super) fn picture(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let target = request.node.attrs.jid("target");
    if request.is_get {
        // No picture is served yet, which is what a hidden or missing one looks like.
        return Err(IqError::NotFound);
    }
    if target.is_some_and(|target| !context.account.owns(target)) {
        return Err(IqError::Forbidden);
    }
    let Some(child) = request.node.children().first() else {
        context.account.directory().picture = None;
        return Ok(Answer::empty());
    };
    let bytes = child.require_bytes()?;
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8]) && bytes.len() <= MAX_PICTURE;
    if !child.is("picture") || !is_jpeg {
        return Err(IqError::BadRequest("a picture is a JPEG of at most 512 KiB"));
    }
    let id = context.world.next_id();
    context.account.directory().picture = Some(id.clone());
    Ok(Node::new("picture").attr("id", id).into())
}
