//! What the own phone tells its companions (PROTOCOL.md 12, 16, 20).

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use prost::Message as _;
use wa_appstate::Collection;
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{AppStateSyncKeyShare, PeerDataOperationRequestResponseMessage, ProtocolMessage};
use wa_store::{AppStateKey, LidMigration, PeerData, PeerDataSort, Store, StoreError};

use super::envelope::Envelope;
use super::meaning::{Answer, Meaning};
use crate::content::Content;
use crate::event::{Event, PeerMessage};
use crate::lid_map;
use crate::mirror::Mirror;

/// Length of an app state key; one of another length opens nothing (PROTOCOL.md 18).
const KEY_LENGTH: usize = 32;

/// Bytes of the largest collection that is taken in the clear; it came in one message.
const MAX_RECOVERY: u64 = 64 << 20;

/// Reads a protocol message of the own account: what it shares is noted in the mirror, to be stored before it is
/// acknowledged. `None` if it is a message for people.
pub(super) async fn of(
    mirror: &mut Mirror,
    store: &Store,
    content: &Content,
    envelope: &Envelope,
) -> Result<Option<Meaning>, StoreError> {
    let message = content.message();
    let sent = message.device_sent_message.as_ref().and_then(|sent| sent.message.as_ref());
    let Some(protocol) = &sent.map_or(message, |sent| sent).protocol_message else { return Ok(None) };
    let kind = protocol.r#type.and_then(|kind| Type::try_from(kind).ok());
    let may_be_for_people = matches!(
        kind,
        None | Some(Type::Revoke | Type::MessageEdit | Type::EphemeralSetting | Type::SharePhoneNumber)
    );
    if may_be_for_people && !envelope.peer && protocol.lid_migration_mapping_sync_message.is_none() {
        return Ok(None);
    }
    let raw = RawProtocolMessage::inside(content.raw());
    let keep = |sort, raw: Option<Bytes>| {
        let timestamp = envelope.timestamp.saturating_mul(1000);
        raw.map(|raw| PeerData { sort, id: envelope.id.as_str().into(), timestamp, raw })
    };
    if let Some(piece) = keep(PeerDataSort::History, raw.history) {
        mirror.changes.peer_data.push(piece);
        mirror.history.look_again();
    }
    if let Some(share) = &protocol.app_state_sync_key_share {
        mirror.changes.app_state_keys.extend(keys(share));
        // What could not be opened so far.
        mirror.stale_collections.extend(Collection::ALL);
    }
    if let Some(answer) = &protocol.peer_data_operation_request_response_message {
        mirror.recoveries.extend(recoveries(answer));
    }
    mirror.must_commit();
    let unreadable = match keep(PeerDataSort::LidMap, raw.lid_map) {
        Some(map) => learn_lids(mirror, store, map).await?,
        None => None,
    };
    let answer = match kind {
        Some(Type::HistorySyncNotification) => Answer::HistoryReceipt,
        _ => Answer::Receipt,
    };
    let told = unreadable.map(PeerMessage::Unreadable).or_else(|| told(kind, protocol));
    Ok(Some(Meaning { event: told.map(Event::Peer), answer }))
}

/// What the embedder is told at once; the history is told as it is read.
fn told(kind: Option<Type>, protocol: &ProtocolMessage) -> Option<PeerMessage> {
    match (kind, &protocol.app_state_sync_key_share) {
        (Some(Type::HistorySyncNotification), _) => None,
        (Some(Type::AppStateSyncKeyShare), Some(share)) => {
            Some(PeerMessage::AppStateKeys(keys(share).collect()))
        }
        _ => Some(PeerMessage::Other(Box::new(protocol.clone()))),
    }
}

/// Learns who is who by a map of the phone's; gives it back if it can't be read, after it was noted to be kept.
async fn learn_lids(
    mirror: &mut Mirror,
    store: &Store,
    map: PeerData,
) -> Result<Option<PeerData>, StoreError> {
    let Some(pairs) = lid_map::pairs(map.sort, &map.raw) else {
        tracing::warn!("a map of LIDs can't be read, and is kept as it came");
        mirror.changes.peer_data.push(map.clone());
        return Ok(Some(map));
    };
    // The phone tells who is who once its chats have moved.
    mirror.set_lid_migration(LidMigration::Done);
    for (pn, lid) in pairs {
        mirror.learn_lid(store, &pn, &lid).await?;
    }
    Ok(None)
}

fn keys(share: &AppStateSyncKeyShare) -> impl Iterator<Item = AppStateKey> {
    share.keys.iter().filter_map(|key| {
        let data = key.key_data.as_ref()?;
        let fingerprint = data.fingerprint.as_ref().map(prost::Message::encode_to_vec);
        Some(AppStateKey {
            id: key.key_id.as_ref()?.key_id.clone()?,
            data: data.key_data.clone().filter(|key| key.len() == KEY_LENGTH)?,
            fingerprint: fingerprint.unwrap_or_default().into(),
            timestamp: data.timestamp.unwrap_or(0),
        })
    })
}

/// Collections of the app state in the clear, each a `SyncdSnapshotRecovery`.
fn recoveries(answer: &PeerDataOperationRequestResponseMessage) -> impl Iterator<Item = Bytes> {
    let results = answer.peer_data_operation_result.iter();
    let found = results.filter_map(|result| result.syncd_snapshot_fatal_recovery_response.as_ref());
    found.filter_map(|found| {
        let snapshot = found.collection_snapshot.clone()?;
        if !found.is_compressed() {
            return Some(snapshot);
        }
        let mut inflated = Vec::new();
        GzDecoder::new(&snapshot[..]).take(MAX_RECOVERY).read_to_end(&mut inflated).ok()?;
        Some(inflated.into())
    })
}

/// What is kept for code to come, with the fields that this version doesn't know.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct RawProtocolMessage {
    #[prost(bytes = "bytes", optional, tag = "6")]
    history: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "23")]
    lid_map: Option<Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct RawMessage {
    #[prost(bytes = "bytes", optional, tag = "12")]
    protocol: Option<Bytes>,
    #[prost(message, optional, tag = "31")]
    device_sent: Option<RawDeviceSent>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct RawDeviceSent {
    #[prost(bytes = "bytes", optional, tag = "2")]
    message: Option<Bytes>,
}

impl RawProtocolMessage {
    /// The parts of the protocol message in an encoded message, wrapped for own devices or not.
    fn inside(message: &Bytes) -> Self {
        let message = RawMessage::decode(message.clone()).unwrap_or_default();
        let wrapped = message.device_sent.and_then(|sent| RawMessage::decode(sent.message?).ok());
        let protocol = wrapped.map_or(message.protocol, |wrapped| wrapped.protocol);
        protocol.and_then(|protocol| Self::decode(protocol).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use wa_protobuf::e2e::{DeviceSentMessage, HistorySyncNotification, Message};

    use super::*;

    #[test]
    fn what_is_kept_is_what_came_wrapped_or_not() {
        let history = HistorySyncNotification { chunk_order: Some(3), ..Default::default() };
        let mut raw = history.encode_to_vec();
        // Field 200, which nobody knows.
        raw.extend_from_slice(&[0xc0, 0x0c, 7]);
        let raw = Bytes::from(raw);
        let protocol = RawProtocolMessage { history: Some(raw.clone()), lid_map: None };
        let protocol = protocol.encode_to_vec();
        let message = RawMessage { protocol: Some(protocol.into()), device_sent: None };
        assert!(Message::decode(&message.encode_to_vec()[..]).unwrap().protocol_message.is_some());
        let sent = RawDeviceSent { message: Some(message.encode_to_vec().into()) };
        let wrapped = RawMessage { protocol: None, device_sent: Some(sent) };
        for message in [message, wrapped] {
            let found = RawProtocolMessage::inside(&message.encode_to_vec().into());
            assert_eq!(found, RawProtocolMessage { history: Some(raw.clone()), lid_map: None });
        }
    }

    #[test]
    fn what_is_no_protocol_message_has_no_parts() {
        let sent = DeviceSentMessage { phash: Some("2:x".into()), ..Default::default() };
        let message = Message { device_sent_message: Some(Box::new(sent)), ..Default::default() };
        let nothing = RawProtocolMessage::default();
        assert_eq!(RawProtocolMessage::inside(&message.encode_to_vec().into()), nothing);
        assert_eq!(RawProtocolMessage::inside(&Bytes::from_static(b"\xff")), nothing);
    }
}
