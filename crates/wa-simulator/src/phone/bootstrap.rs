use std::{collections::BTreeSet, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use prost::Message as _;
use wa_binary::Node;
use wa_protobuf::{
    e2e::{
        AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
        AppStateSyncKeyShare, HistorySyncNotification, HistorySyncType, LidMigrationMapping,
        LidMigrationMappingSyncMessage, LidMigrationMappingSyncPayload, Message, ProtocolMessage,
        protocol_message::Type,
    },
    history::{Conversation, HistorySync, PhoneNumberToLidMapping, Pushname},
};

use super::{Phone, Task, send::message_id};
use crate::{Addressing, KeySharing, options::BootstrapStep};

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

impl Phone {
    /// Sends a new companion the keys of the app state and its history (PROTOCOL.md 20).
    pub(super) fn bootstrap(&mut self, device: u16) {
        if self.account.directory().is_silent {
            return;
        }
        let mut chunk = 0;
        for step in self.world.options.bootstrap.clone() {
            let content = match step {
                BootstrapStep::KeyShare => {
                    self.begin_sharing_keys(device);
                    continue;
                }
                BootstrapStep::InitialBootstrap => {
                    self.history(HistorySyncType::InitialBootstrap, &mut chunk)
                }
                BootstrapStep::PushNames => self.history(HistorySyncType::PushName, &mut chunk),
                BootstrapStep::Recent => self.history(HistorySyncType::Recent, &mut chunk),
            };
            self.send_peer(device, content);
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
    }

    /// Tells every own companion the LIDs of those whom the phone has chats with (PROTOCOL.md 16).
    pub(super) fn tell_migration(&mut self) {
        let mapping = self.lid_mapping();
        let devices: Vec<u16> = self.account.directory().companions.keys().copied().collect();
        for device in devices {
            self.send_peer(device, mapping.clone());
        }
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

    /// The one key of the account's app state. It depends on the account alone, so that all companions have
    /// the same.
    fn key_share(&self, share: KeyShare) -> ProtocolMessage {
        let key = self.world.token(&[b"app state key", self.account.number.as_bytes()]);
        let devices = self.account.directory().devices();
        let indexes = devices.into_iter().map(|(_, index)| index.unwrap_or(0)).collect::<Vec<_>>();
        let fingerprint = AppStateSyncKeyFingerprint {
            raw_id: Some(self.account.directory().raw_id),
            current_index: indexes.iter().copied().max(),
            device_indexes: indexes,
        };
        let data = AppStateSyncKeyData {
            key_data: Some(key[..share.key_length()].to_vec().into()),
            fingerprint: Some(fingerprint),
            timestamp: i64::try_from(self.world.clock.unix_millis()).ok(),
        };
        // A device number and a counter, as phones number their keys.
        let id = AppStateSyncKeyId { key_id: Some(vec![0, 0, 0, 0, 0, 1].into()) };
        let key = AppStateSyncKey { key_id: Some(id), key_data: Some(data) };
        ProtocolMessage {
            r#type: Some(Type::AppStateSyncKeyShare.into()),
            app_state_sync_key_share: Some(AppStateSyncKeyShare { keys: vec![key] }),
            ..Default::default()
        }
    }

    /// The chats with what is known about each: both addresses, the token of the other and when its own was given.
    fn add_chats(&self, history: &mut HistorySync) {
        let chats = self.account.directory().trust.chats();
        for other in chats.iter().filter_map(|number| self.world.account(number)) {
            let directory = self.account.directory();
            let token = directory.trust.received(&other.number);
            history.conversations.push(Conversation {
                id: Some(other.lid().to_string()),
                pn_jid: Some(other.pn().to_string()),
                lid_jid: Some(other.lid().to_string()),
                tc_token: token.map(|token| token.bytes.clone()),
                tc_token_timestamp: token.map(|token| token.at),
                tc_token_sender_timestamp: directory.trust.last_given(&other.number),
                ..Default::default()
            });
            history.phone_number_to_lid_mappings.push(PhoneNumberToLidMapping {
                pn_jid: Some(other.pn().to_string()),
                lid_jid: Some(other.lid().to_string()),
            });
        }
    }

    /// A notification that carries its history inside (PROTOCOL.md 20).
    fn history(&self, kind: HistorySyncType, chunk: &mut u32) -> ProtocolMessage {
        *chunk += 1;
        let history = self.history_of(kind, *chunk);
        let plain = history.encode_to_vec();
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        let compressed = encoder.write_all(&plain).and_then(|()| encoder.finish()).unwrap_or_default();
        let notification = HistorySyncNotification {
            // INITIAL_BOOTSTRAP is 0, and Baileys needs it on the wire (PROTOCOL.md 31.1).
            sync_type: Some(kind.into()),
            chunk_order: Some(*chunk),
            progress: history.progress,
            file_length: Some(plain.len() as u64),
            initial_hist_bootstrap_inline_payload: Some(compressed.into()),
            ..Default::default()
        };
        ProtocolMessage {
            r#type: Some(Type::HistorySyncNotification.into()),
            history_sync_notification: Some(notification),
            ..Default::default()
        }
    }

    fn history_of(&self, kind: HistorySyncType, chunk: u32) -> HistorySync {
        let mut history =
            HistorySync { sync_type: Some(kind.into()), chunk_order: Some(chunk), ..Default::default() };
        match kind {
            HistorySyncType::InitialBootstrap => {
                let mapping = PhoneNumberToLidMapping {
                    pn_jid: Some(self.account.pn().to_string()),
                    lid_jid: Some(self.account.lid().to_string()),
                };
                history.phone_number_to_lid_mappings = vec![mapping];
                history.nct_salt = Some(self.world.nct_salt(&self.account).to_vec().into());
                self.add_chats(&mut history);
            }
            HistorySyncType::PushName => {
                let name = self.account.directory().name.clone();
                history.pushnames =
                    vec![Pushname { id: Some(self.account.pn().to_string()), pushname: Some(name) }];
            }
            HistorySyncType::Recent => history.progress = Some(100),
            _ => {}
        }
        history
    }
}
