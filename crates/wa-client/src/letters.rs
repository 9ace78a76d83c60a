use std::collections::VecDeque;

use bytes::Bytes;
use wa_protobuf::e2e::peer_data_operation_request_message::{
    HistorySyncOnDemandRequest, SyncdCollectionFatalRecoveryRequest,
};
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{
    AppStateSyncKeyId, AppStateSyncKeyRequest, Message, PeerDataOperationRequestMessage,
    PeerDataOperationRequestType, ProtocolMessage,
};

use crate::command::OlderMessages;

/// Questions that wait at most; the oldest makes room.
const MOST: usize = 32;

/// Questions to the own phone (PROTOCOL.md 11.7), in memory only: whoever asked asks again where it matters.
#[derive(Debug, Default)]
pub(crate) struct Letters(VecDeque<ProtocolMessage>);

impl Letters {
    /// Asks for keys of the app state, by their ids.
    pub(crate) fn ask_for_keys(&mut self, ids: &[Bytes]) {
        let key_ids = ids.iter().map(|id| AppStateSyncKeyId { key_id: Some(id.clone()) }).collect();
        self.add(ProtocolMessage {
            r#type: Some(Type::AppStateSyncKeyRequest.into()),
            app_state_sync_key_request: Some(AppStateSyncKeyRequest { key_ids }),
            ..Default::default()
        });
    }

    /// Asks for a collection of the app state in the clear, as of these Unix seconds.
    pub(crate) fn ask_for_collection(&mut self, name: &str, now: i64) {
        let request = SyncdCollectionFatalRecoveryRequest {
            collection_name: Some(name.to_owned()),
            timestamp: Some(now),
        };
        self.request(PeerDataOperationRequestMessage {
            peer_data_operation_request_type: Some(
                PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery.into(),
            ),
            syncd_collection_fatal_recovery_request: Some(request),
            ..Default::default()
        });
    }

    /// Asks for older messages of a chat; `own`: the account's LID (PROTOCOL.md 20).
    pub(crate) fn ask_for_messages(&mut self, wanted: &OlderMessages, own: Option<String>) {
        let request = HistorySyncOnDemandRequest {
            chat_jid: Some(wanted.chat.to_string()),
            oldest_msg_id: Some(wanted.id.to_string()),
            oldest_msg_from_me: Some(wanted.from_me),
            on_demand_msg_count: Some(i32::try_from(wanted.count).unwrap_or(i32::MAX)),
            oldest_msg_timestamp_ms: Some(wanted.timestamp.saturating_mul(1000)),
            account_lid: own,
            support_inline_response: Some(true),
        };
        self.request(PeerDataOperationRequestMessage {
            peer_data_operation_request_type: Some(PeerDataOperationRequestType::HistorySyncOnDemand.into()),
            history_sync_on_demand_request: Some(request),
            ..Default::default()
        });
    }

    /// Asks what only the phone can answer.
    pub(crate) fn request(&mut self, request: PeerDataOperationRequestMessage) {
        self.add(ProtocolMessage {
            r#type: Some(Type::PeerDataOperationRequestMessage.into()),
            peer_data_operation_request_message: Some(request),
            ..Default::default()
        });
    }

    fn add(&mut self, letter: ProtocolMessage) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(letter);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that leave now.
    pub(crate) fn take(&mut self) -> Vec<Message> {
        let wrapped = |letter| Message { protocol_message: Some(Box::new(letter)), ..Default::default() };
        self.0.drain(..).map(wrapped).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_question_makes_room() {
        let mut letters = Letters::default();
        assert!(letters.is_empty());
        for number in 0..=MOST {
            letters.ask_for_keys(&[Bytes::from(vec![u8::try_from(number).unwrap()])]);
        }
        let taken = letters.take();
        assert_eq!(taken.len(), MOST);
        let first = taken[0].protocol_message.as_ref().unwrap().app_state_sync_key_request.as_ref().unwrap();
        assert_eq!(first.key_ids[0].key_id.as_deref(), Some(&[1][..]));
        assert!(letters.is_empty());
    }
}
