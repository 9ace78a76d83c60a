use wa_binary::{Jid, Node};
use wa_crypto::mac::hmac_sha256;

use super::store_failed;
use crate::context::Context;
use crate::limit::{Acquaintance, Limit, limit_on};
use crate::message::SendError;
use crate::tokens;

/// The limit that forbids to write to this chat now, if any; such a message must not even be looked up. `begun`: strangers
/// to whom messages are on their way.
pub(super) async fn limit(
    context: &mut Context<'_>,
    chat: &Jid,
    begun: &[Jid],
) -> Result<Option<Limit>, SendError> {
    let limits = &context.mirror.limits;
    let is_free = limits.time_lock.is_none() && limits.new_chats.is_none();
    if is_free || !chat.is_user() || context.mirror.is_own_user(chat) {
        return Ok(None);
    }
    let whom = acquaintance(context, chat).await?;
    let others = begun.iter().filter(|begun| *begun != chat).count();
    let others = u32::try_from(others).unwrap_or(u32::MAX);
    Ok(limit_on(&context.mirror.limits, whom, others, context.server_millis()))
}

/// Takes the chat into those that are begun, if it is with a stranger and such chats are counted.
pub(super) async fn begin(
    context: &mut Context<'_>,
    chat: &Jid,
    begun: &mut Vec<Jid>,
) -> Result<(), SendError> {
    let counts = context.mirror.limits.new_chats.is_some() && chat.is_user();
    if counts && !context.mirror.is_own_user(chat) && !begun.contains(chat) {
        let whom = acquaintance(context, chat).await?;
        begun.extend((whom == Acquaintance::Stranger).then(|| chat.clone()));
    }
    Ok(())
}

async fn acquaintance(context: &mut Context<'_>, chat: &Jid) -> Result<Acquaintance, SendError> {
    let store = &context.shared.store;
    let Some(lid) = context.mirror.lids.lid_of(store, &chat.to_user()).await.map_err(store_failed)? else {
        return Ok(Acquaintance::Stranger);
    };
    let now = context.server_millis() / 1000;
    let known = context.mirror.tokens.of(store, &lid.user).await.map_err(store_failed)?;
    Ok(match () {
        () if tokens::is_good(&known, now) => Acquaintance::Trusts,
        () if tokens::is_stranger(&known) => Acquaintance::Stranger,
        () => Acquaintance::Known,
    })
}

/// What a message to this chat shows of its right to arrive (PROTOCOL.md 22): the token that the person gave, or else
/// what follows from the account's salt. A limit may have come up since it was sent. `begun`: as for [`limit`].
pub(super) async fn shown(
    context: &mut Context<'_>,
    chat: &Jid,
    begun: &[Jid],
) -> Result<Option<Node<'static>>, SendError> {
    if let Some(limit) = limit(context, chat, begun).await? {
        return Err(SendError::Limited(limit));
    }
    if !chat.is_lid() || context.mirror.is_own_user(chat) {
        return Ok(None);
    }
    let store = &context.shared.store;
    let known = context.mirror.tokens.of(store, &chat.user).await.map_err(store_failed)?;
    if tokens::is_good(&known, context.server_millis() / 1000) {
        return Ok(Some(Node::new("tctoken").with_bytes(known.token.to_vec())));
    }
    let now = context.server_millis() / 1000;
    context.mirror.tokens.prune(store, &chat.user, now).await.map_err(store_failed)?;
    let derived = |salt: &bytes::Bytes| Node::new("cstoken").with_bytes(derived(salt, &chat.user).to_vec());
    Ok(context.mirror.device.nct_salt.as_ref().map(derived))
}

/// The token for the user with this LID that follows from the account's salt.
fn derived(salt: &[u8], lid: &str) -> [u8; 32] {
    hmac_sha256(salt, &[lid.as_bytes(), b"@lid"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{hex, whatsmeow};

    #[test]
    fn a_derived_token_is_whatsmeows() {
        let vector = &whatsmeow()["cstoken"];
        let lid = vector["lid"].as_str().unwrap().trim_end_matches("@lid");
        assert_eq!(derived(&hex(&vector["salt"]), lid).to_vec(), hex(&vector["token"]));
    }
}
