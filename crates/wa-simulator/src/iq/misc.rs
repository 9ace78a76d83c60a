use wa_binary::Node;

use super::{Answered, Context, IqError, Request};

/// The state of the properties below, for clients that ask for changes only.
const PROPS_HASH: &str = "1";

/// Name space `abt`: properties of the experiment that everybody is part of (PROTOCOL.md 22).
pub(super) fn props(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let child = request.child()?;
    if !request.is_get || !child.is("props") {
        return Err(IqError::BadRequest("props are asked for"));
    }
    // Tokens for trusted contacts are on; whether chats are keyed by LID.
    let is_migrated = if context.account.directory().lid_migrated { "1" } else { "0" };
    let props = [("10518", "1"), ("9435", is_migrated)];
    let props = props
        .into_iter()
        .map(|(code, value)| Node::new("prop").attr("config_code", code).attr("config_value", value));
    let answer =
        Node::new("props").attr("protocol", "1").attr("hash", PROPS_HASH).attr("refresh", 86_400_u32);
    Ok(answer.with_children(props).into())
}
