use std::{collections::BTreeSet, io::Write};

use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use prost::Message as _;
use rand::Rng as _;
use wa_binary::Node;
use wa_protobuf::{
    e2e::{
        AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
        AppStateSyncKeyShare, HistorySyncNotification, HistorySyncType, LidMigrationMapping,
        LidMigrationMappingSyncMessage, LidMigrationMappingSyncPayload, Message,
        PeerDataOperationRequestResponseMessage, PeerDataOperationRequestType, ProtocolMessage,
        peer_data_operation_request_message::{
            HistorySyncOnDemandRequest, SyncdCollectionFatalRecoveryRequest,
        },
        peer_data_operation_request_response_message::{
            PeerDataOperationResult, SyncdSnapshotFatalRecoveryResponse,
        },
        protocol_message::Type,
    },
    history::{Conversation, HistorySync, PhoneNumberToLidMapping, Pushname, WebMessageInfo},
};

use super::{
    Phone, Task,
    past::{PastChat, size_of},
    send::message_id,
};
use crate::{Addressing, KeySharing, app_state::blob, faults::FaultKind, options::BootstrapStep};

/// Messages of each chat that the first piece of history has.
const LATEST: usize = 3;
/// Messages of one further piece.
const PIECE_MESSAGES: usize = 5_000;
/// Bytes of one further piece, before it is compressed.
const PIECE_BYTES: usize = 512 << 10;

/// A share of the app state's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyShare {
    /// As it should be.
    Right,
    /// Its only key is cut short, so that nothing can be opened with it.
    Wrong,
}

impl KeyShare {
    fn key_length(self) -> usize {
        match self {
            Self::Right => 32,
            Self::Wrong => 16,
        }
    }
}

/// One byte that is no protobuf.
const UNREADABLE: &[u8; 1] = &[0xff];

impl Phone {
    /// Sends a new companion the keys of the app state and its history (PROTOCOL.md 20).
    pub(super) fn bootstrap(&mut self, device: u16) {
        if self.account.directory().is_silent {
            return;
        }
        let mut pieces = Pieces { past: self.past(), count: 0 };
        for step in self.world.options.bootstrap.clone() {
            match step {
                BootstrapStep::KeyShare => self.begin_sharing_keys(device),
                BootstrapStep::InitialBootstrap => {
                    let history = self.initial_history(&pieces.past);
                    self.send_history(device, history, &mut pieces.count, None);
                }
                BootstrapStep::PushNames => {
                    let history = self.push_names(&pieces.past);
                    self.send_history(device, history, &mut pieces.count, None);
                }
                BootstrapStep::Recent => {
                    for history in recent_history(&pieces.past) {
                        self.send_history(device, history, &mut pieces.count, None);
                    }
                }
            }
        }
    }

    /// Shares the keys now, or later, as phones are set to.
    fn begin_sharing_keys(&mut self, device: u16) {
        let KeySharing { late, begins_wrong, repeats } = self.world.options.behaviour.key_share;
        let wrong = begins_wrong.then_some(KeyShare::Wrong);
        let shares = wrong.into_iter().chain((0..=repeats).map(|_| KeyShare::Right));
        if late.is_zero() {
            shares.for_each(|share| self.share_keys(device, share));
            return;
        }
        let (account, age) = (self.account.clone(), self.world.age());
        self.world.runtime.spawn(async move {
            tokio::select! {
                () = age.cancelled() => {}
                () = tokio::time::sleep(late) => {
                    shares.for_each(|share| account.phone.order(Task::ShareKeys { device, share }));
                }
            }
        });
    }

    /// Shares the keys of the app state with a companion.
    pub(super) fn share_keys(&mut self, device: u16, share: KeyShare) {
        let content = self.key_share(share);
        self.send_peer(device, content);
    }

    /// Does what an own companion asks of its phone.
    pub(super) fn take_in_peer(&mut self, device: u16, id: &str, message: &Message) {
        let Some(protocol) = &message.protocol_message else { return };
        if self.account.directory().is_silent {
            return;
        }
        if protocol.r#type == Some(Type::AppStateSyncKeyRequest.into()) {
            self.share_keys(device, KeyShare::Right);
        }
        let wanted = protocol.peer_data_operation_request_message.as_ref();
        if let Some(request) = wanted.filter(|request| !request.placeholder_message_resend_request.is_empty())
        {
            let answer = self.resend(request, id);
            self.send_peer(device, answer);
        }
        let older = wanted.and_then(|wanted| wanted.history_sync_on_demand_request.as_ref());
        if let Some(request) = older {
            let history = self.older_history(request);
            self.send_history(device, history, &mut 0, Some(id));
        }
        let wanted = wanted.and_then(|wanted| wanted.syncd_collection_fatal_recovery_request.as_ref());
        if let Some(request) = wanted {
            let answer = self.recovery(request, id);
            self.send_peer(device, answer);
        }
    }

    /// Tells every own companion the LIDs of those whom the phone has chats with (PROTOCOL.md 16).
    pub(super) fn tell_migration(&mut self) {
        let mapping = self.lid_mapping();
        let devices: Vec<u16> = self.account.directory().companions.keys().copied().collect();
        for device in devices {
            let mut mapping = mapping.clone();
            if let Some(sync) = mapping.lid_migration_mapping_sync_message.as_mut()
                && self.lid_map_is_damaged(device)
            {
                sync.encoded_mapping_payload = Some(bytes::Bytes::from_static(UNREADABLE));
            }
            self.send_peer(device, mapping);
        }
    }

    fn lid_map_is_damaged(&self, device: u16) -> bool {
        let is_it = |kind: &FaultKind| matches!(kind, FaultKind::LidMap).then_some(());
        self.world.faults.strike(&self.account.number, device, is_it).is_some()
    }

    fn lid_mapping(&self) -> ProtocolMessage {
        let inbox = self.state.inbox.borrow().entries().into_iter().map(|entry| entry.chat);
        let outbox = self.state.outbox.borrow().entries().into_iter().map(|entry| entry.to);
        let chats: BTreeSet<String> = inbox.chain(outbox).chain([self.account.pn().to_string()]).collect();
        let accounts = chats.iter().filter_map(|chat| self.world.resolve(&chat.parse().ok()?));
        let mappings = accounts.map(|account| LidMigrationMapping {
            pn: account.number.parse().ok(),
            assigned_lid: account.lid_user().parse().ok(),
            latest_lid: None,
        });
        let payload = LidMigrationMappingSyncPayload {
            pn_to_lid_mappings: mappings.collect(),
            chat_db_migration_timestamp: Some(self.world.clock.unix_seconds()),
        };
        let encoded_mapping_payload = Some(payload.encode_to_vec().into());
        ProtocolMessage {
            r#type: Some(Type::LidMigrationMappingSync.into()),
            lid_migration_mapping_sync_message: Some(LidMigrationMappingSyncMessage {
                encoded_mapping_payload,
            }),
            ..Default::default()
        }
    }

    /// A message about the account, to one own companion.
    fn send_peer(&mut self, device: u16, content: ProtocolMessage) {
        let account = self.account.clone();
        let message = Message { protocol_message: Some(Box::new(content)), ..Default::default() };
        let Some(enc) = self.encrypted(&account, device, &message.encode_to_vec()) else { return };
        let node = Node::new("message")
            .attr("to", account.jid(Addressing::Lid, device))
            .attr("id", message_id(&mut self.state.rng))
            .attr("type", "text")
            .attr("category", "peer")
            .child(Node::new("meta").attr("appdata", "default"))
            .child(enc);
        if let Err(error) = self.submit(&node) {
            tracing::debug!(error, "a peer message is refused");
        }
    }

    /// The keys of the account's app state.
    fn key_share(&self, share: KeyShare) -> ProtocolMessage {
        let devices = self.account.directory().devices();
        let indexes = devices.into_iter().map(|(_, index)| index.unwrap_or(0)).collect::<Vec<_>>();
        let fingerprint = AppStateSyncKeyFingerprint {
            raw_id: Some(self.account.directory().raw_id),
            current_index: indexes.iter().copied().max(),
            device_indexes: indexes,
        };
        let now = self.world.millis();
        let state = self.world.app_state(&self.account);
        // The one that was made last is the newest.
        let keys = (0..).zip(state.shared_keys()).map(|(number, (id, data))| AppStateSyncKey {
            key_id: Some(AppStateSyncKeyId { key_id: Some(id.clone()) }),
            key_data: Some(AppStateSyncKeyData {
                key_data: Some(data[..share.key_length()].to_vec().into()),
                fingerprint: Some(fingerprint.clone()),
                timestamp: Some(now.saturating_add(number)),
            }),
        });
        ProtocolMessage {
            r#type: Some(Type::AppStateSyncKeyShare.into()),
            app_state_sync_key_share: Some(AppStateSyncKeyShare { keys: keys.collect() }),
            ..Default::default()
        }
    }

    /// A collection in the clear, for a companion that can't verify the server's (PROTOCOL.md 18.4).
    fn recovery(&self, request: &SyncdCollectionFatalRecoveryRequest, id: &str) -> ProtocolMessage {
        let recovery = self.world.app_state(&self.account).recovery(request.collection_name());
        let response = recovery.map(|recovery| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let written = encoder.write_all(&recovery.encode_to_vec());
            let compressed = written.and_then(|()| encoder.finish()).unwrap_or_default();
            SyncdSnapshotFatalRecoveryResponse {
                collection_snapshot: Some(compressed.into()),
                is_compressed: Some(true),
            }
        });
        let result = PeerDataOperationResult {
            syncd_snapshot_fatal_recovery_response: response,
            ..Default::default()
        };
        ProtocolMessage {
            r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
            peer_data_operation_request_response_message: Some(PeerDataOperationRequestResponseMessage {
                peer_data_operation_request_type: Some(
                    PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery.into(),
                ),
                stanza_id: Some(id.to_owned()),
                peer_data_operation_result: vec![result],
            }),
            ..Default::default()
        }
    }

    /// Sends a piece of history, inside its notification or as a blob (PROTOCOL.md 20).
    fn send_history(&mut self, device: u16, history: HistorySync, count: &mut u32, request: Option<&str>) {
        *count += 1;
        let history = HistorySync { chunk_order: Some(*count), ..history };
        let mut plain = history.encode_to_vec();
        if !history.phone_number_to_lid_mappings.is_empty() && self.lid_map_is_damaged(device) {
            // One pair more (field 15).
            plain.extend_from_slice(&[(15 << 3) | 2, 1]);
            plain.extend_from_slice(UNREADABLE);
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap_or_default();
        let above = self.world.options.behaviour.history_blobs;
        let head = HistorySyncNotification {
            // INITIAL_BOOTSTRAP is 0, and Baileys needs it on the wire (PROTOCOL.md 31.1).
            sync_type: history.sync_type,
            chunk_order: Some(*count),
            progress: history.progress,
            file_length: Some(compressed.len() as u64),
            peer_data_request_session_id: request.map(str::to_owned),
            ..Default::default()
        };
        let notification = if above.is_some_and(|above| compressed.len() > above) {
            self.published(head, &compressed)
        } else {
            HistorySyncNotification { initial_hist_bootstrap_inline_payload: Some(compressed.into()), ..head }
        };
        let content = ProtocolMessage {
            r#type: Some(Type::HistorySyncNotification.into()),
            history_sync_notification: Some(notification),
            ..Default::default()
        };
        self.send_peer(device, content);
    }

    /// Puts a piece on the media host.
    fn published(&mut self, head: HistorySyncNotification, compressed: &[u8]) -> HistorySyncNotification {
        let mut media_key = [0; 32];
        self.state.rng.fill_bytes(&mut media_key);
        let sealed = blob::seal(&media_key, b"WhatsApp History Keys", compressed);
        let direct_path = self.world.keep_blob("md-msg-hist", &sealed);
        HistorySyncNotification {
            media_key: Some(media_key.to_vec().into()),
            file_sha256: Some(sealed.sha256.to_vec().into()),
            file_enc_sha256: Some(sealed.enc_sha256.to_vec().into()),
            direct_path: Some(direct_path),
            ..head
        }
    }

    /// The chats with what is known about each, and their latest messages.
    fn initial_history(&self, past: &[PastChat]) -> HistorySync {
        let own = PhoneNumberToLidMapping {
            pn_jid: Some(self.account.pn().to_string()),
            lid_jid: Some(self.account.lid().to_string()),
        };
        let mut history = HistorySync {
            phone_number_to_lid_mappings: vec![own],
            nct_salt: Some(self.world.nct_salt(&self.account).to_vec().into()),
            ..of_kind(HistorySyncType::InitialBootstrap)
        };
        for chat in past {
            let first = chat.messages.get(..LATEST).unwrap_or(&chat.messages);
            history.conversations.push(chat.conversation(first, first.len() == chat.messages.len()));
            if let (Some(pn), Some(lid)) = (&chat.pn, &chat.lid) {
                history
                    .phone_number_to_lid_mappings
                    .push(PhoneNumberToLidMapping { pn_jid: Some(pn.clone()), lid_jid: Some(lid.clone()) });
            }
        }
        self.add_tokens(&mut history);
        history
    }

    /// What is known about those whom the account wrote to: both addresses, the token of the other and when its own was
    /// given.
    fn add_tokens(&self, history: &mut HistorySync) {
        let chats = self.account.directory().trust.chats();
        for other in chats.iter().filter_map(|number| self.world.account(number)) {
            let directory = self.account.directory();
            let token = directory.trust.received(&other.number);
            let known = Conversation {
                id: Some(other.lid().to_string()),
                pn_jid: Some(other.pn().to_string()),
                lid_jid: Some(other.lid().to_string()),
                tc_token: token.map(|token| token.bytes.clone()),
                tc_token_timestamp: token.map(|token| token.at),
                tc_token_sender_timestamp: directory.trust.last_given(&other.number),
                ..Default::default()
            };
            let is_there = |chat: &&mut Conversation| chat.lid_jid == known.lid_jid;
            match history.conversations.iter_mut().find(is_there) {
                Some(chat) => {
                    chat.tc_token = known.tc_token;
                    chat.tc_token_timestamp = known.tc_token_timestamp;
                    chat.tc_token_sender_timestamp = known.tc_token_sender_timestamp;
                }
                None => history.conversations.push(known),
            }
            history.phone_number_to_lid_mappings.push(PhoneNumberToLidMapping {
                pn_jid: Some(other.pn().to_string()),
                lid_jid: Some(other.lid().to_string()),
            });
        }
    }

    fn push_names(&self, past: &[PastChat]) -> HistorySync {
        let own = (Some(self.account.pn().to_string()), Some(self.account.directory().name.clone()));
        let others = past.iter().map(|chat| (chat.pn.clone(), chat.push_name.clone()));
        let named = std::iter::once(own).chain(others).filter(|(id, name)| id.is_some() && name.is_some());
        let pushnames = named.map(|(id, pushname)| Pushname { id, pushname }).collect();
        HistorySync { pushnames, ..of_kind(HistorySyncType::PushName) }
    }

    /// What is older than a message of a chat, as many as are wanted.
    fn older_history(&self, request: &HistorySyncOnDemandRequest) -> HistorySync {
        let past = self.past();
        let wanted = request.chat_jid();
        let is_it = |chat: &&PastChat| {
            [Some(&chat.id), chat.pn.as_ref(), chat.lid.as_ref()].into_iter().flatten().any(|id| id == wanted)
        };
        let mut history = of_kind(HistorySyncType::OnDemand);
        let Some(chat) = past.iter().find(is_it) else { return history };
        let id = |message: &WebMessageInfo| message.key.as_ref().and_then(|key| key.id.clone());
        let place = chat
            .messages
            .iter()
            .position(|message| id(message).as_deref() == request.oldest_msg_id.as_deref());
        let older = place.map_or(&chat.messages[..], |place| &chat.messages[place + 1..]);
        let count = usize::try_from(request.on_demand_msg_count()).unwrap_or(0).min(PIECE_MESSAGES);
        let given = older.get(..count).unwrap_or(older);
        history.conversations.push(chat.conversation(given, given.len() == older.len()));
        history
    }
}

/// What is sent of the past, piece by piece.
struct Pieces {
    past: Vec<PastChat>,
    count: u32,
}

fn of_kind(kind: HistorySyncType) -> HistorySync {
    HistorySync { sync_type: Some(kind.into()), ..Default::default() }
}

/// The messages that the first piece leaves out, in pieces; the last says that it is the last.
fn recent_history(past: &[PastChat]) -> Vec<HistorySync> {
    let mut pieces = vec![of_kind(HistorySyncType::Recent)];
    let (mut count, mut bytes) = (0, 0);
    for chat in past {
        let mut rest = chat.messages.get(LATEST..).unwrap_or_default();
        while !rest.is_empty() {
            if count >= PIECE_MESSAGES || bytes >= PIECE_BYTES {
                pieces.push(of_kind(HistorySyncType::Recent));
                (count, bytes) = (0, 0);
            }
            let mut taken = 0;
            for message in rest.iter().take(PIECE_MESSAGES - count) {
                if bytes >= PIECE_BYTES {
                    break;
                }
                bytes += size_of(message);
                taken += 1;
            }
            let (now, later) = rest.split_at(taken);
            count += taken;
            if let Some(piece) = pieces.last_mut() {
                piece.conversations.push(chat.conversation(now, later.is_empty()));
            }
            rest = later;
        }
    }
    let all = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    for (number, piece) in (1..).zip(&mut pieces) {
        piece.progress = Some(100 * number / all);
    }
    pieces
}
