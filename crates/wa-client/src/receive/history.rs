//! What a companion keeps of a piece of the history: names, addresses, tokens (PROTOCOL.md 20). The piece itself is
//! stored as it came.

use bytes::Bytes;
use prost::Message as _;
use wa_binary::{Jid, Limits, unpack_with};
use wa_protobuf::e2e::HistorySyncNotification;
use wa_store::{Store, StoreError};

use crate::mirror::Mirror;

/// Chats and names that one piece may bring; more is not believed.
const MOST: usize = 100_000;
/// Longest salt that is kept, in bytes: WhatsApp's has 32.
const LONGEST_SALT: usize = 64;
/// In front of what the codec of stanzas inflates.
const DEFLATED: u8 = 2;

/// Takes in a piece that came inside its notification.
pub(super) async fn take_in(
    mirror: &mut Mirror,
    store: &Store,
    notification: &HistorySyncNotification,
) -> Result<(), StoreError> {
    let Some(deflated) = &notification.initial_hist_bootstrap_inline_payload else { return Ok(()) };
    let Some(piece) = read(deflated) else {
        tracing::warn!("an unreadable piece of the history is kept as it came");
        return Ok(());
    };
    let chats = piece.chats.iter().take(MOST).map(|chat| (&chat.pn, chat.lid.as_ref().or(chat.id.as_ref())));
    let pairs = piece.pairs.iter().take(MOST).map(|pair| (&pair.pn, pair.lid.as_ref()));
    for (pn, lid) in pairs.chain(chats) {
        if let (Some(pn), Some(lid)) = (user(pn.as_ref()), user(lid)) {
            mirror.learn_lid(store, &pn, &lid).await?;
        }
    }
    for chat in piece.chats.into_iter().take(MOST) {
        take_in_tokens(mirror, store, chat).await?;
    }
    if let Some(salt) = piece.salt.filter(|salt| (1..=LONGEST_SALT).contains(&salt.len())) {
        mirror.learn_salt(salt);
    }
    let own = piece
        .names
        .into_iter()
        .take(MOST)
        .find(|name| user(name.id.as_ref()).is_some_and(|jid| mirror.is_own_user(&jid)));
    if let Some(name) = own.and_then(|own| own.name) {
        mirror.learn_name(&name);
    }
    Ok(())
}

async fn take_in_tokens(mirror: &mut Mirror, store: &Store, chat: Chat) -> Result<(), StoreError> {
    let Some(person) = user(chat.lid.as_ref()).or_else(|| user(chat.id.as_ref())) else { return Ok(()) };
    let Some(lid) = mirror.lids.lid_of(store, &person).await? else { return Ok(()) };
    let seconds = |at: Option<u64>| at.and_then(|at| i64::try_from(at).ok()).unwrap_or(0);
    if let Some(token) = chat.token {
        mirror.tokens.receive(store, &lid.user, token, seconds(chat.received_at)).await?;
    }
    if let Some(given) = chat.given_at {
        mirror.tokens.gave(store, &lid.user, seconds(Some(given))).await?;
    }
    Ok(())
}

fn user(text: Option<&String>) -> Option<Jid> {
    text?.parse::<Jid>().ok().filter(|jid| jid.is_pn() || jid.is_lid())
}

fn read(deflated: &Bytes) -> Option<Piece> {
    let mut framed = Vec::with_capacity(deflated.len() + 1);
    framed.push(DEFLATED);
    framed.extend_from_slice(deflated);
    let plain = unpack_with(&framed, &Limits::DEFAULT).ok()?;
    Piece::decode(&*plain).ok()
}

/// The parts of a `HistorySync` that are kept; the rest is skipped without being built.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Piece {
    #[prost(message, repeated, tag = "2")]
    chats: Vec<Chat>,
    #[prost(message, repeated, tag = "7")]
    names: Vec<Name>,
    #[prost(message, repeated, tag = "15")]
    pairs: Vec<Pair>,
    #[prost(bytes = "bytes", optional, tag = "19")]
    salt: Option<Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Chat {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "21")]
    token: Option<Bytes>,
    #[prost(uint64, optional, tag = "22")]
    received_at: Option<u64>,
    #[prost(uint64, optional, tag = "28")]
    given_at: Option<u64>,
    #[prost(string, optional, tag = "39")]
    pn: Option<String>,
    #[prost(string, optional, tag = "42")]
    lid: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Name {
    #[prost(string, optional, tag = "1")]
    id: Option<String>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Pair {
    #[prost(string, optional, tag = "1")]
    pn: Option<String>,
    #[prost(string, optional, tag = "2")]
    lid: Option<String>,
}
