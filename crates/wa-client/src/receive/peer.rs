use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{AppStateSyncKeyShare, LidMigrationMappingSyncPayload, Message};

use super::Batch;
use super::envelope::Envelope;
use crate::event::{AppStateKey, Event, PeerMessage};
use crate::instance::End;
use crate::online::Online;

/// Pairs that one mapping sync may bring; more is not believed.
const MAX_MAPPINGS: usize = 100_000;

impl Online<'_> {
    /// What the own phone tells its companions (protocol.md 12, 16, 20). Whether it was that, and not a message
    /// for people.
    pub(super) async fn on_own_protocol_message(
        &mut self,
        message: &Message,
        envelope: &Envelope,
        batch: &mut Batch,
    ) -> Result<bool, End> {
        let Some(protocol) = &message.protocol_message else { return Ok(false) };
        if let Some(sync) = &protocol.lid_migration_mapping_sync_message {
            let payload = sync.encoded_mapping_payload.as_deref().unwrap_or_default();
            self.on_lid_mappings(payload).await?;
        }
        let kind = protocol.r#type.and_then(|kind| Type::try_from(kind).ok());
        let peer = match kind {
            Some(Type::HistorySyncNotification) => {
                let receipt = Node::new("receipt").attr("id", envelope.id.clone()).attr("to", &envelope.from);
                batch.answers.push(receipt.attr("type", "hist_sync"));
                protocol
                    .history_sync_notification
                    .clone()
                    .map(|history| PeerMessage::History(Box::new(history)))
            }
            Some(Type::AppStateSyncKeyShare) => protocol.app_state_sync_key_share.as_ref().map(keys),
            Some(Type::Revoke | Type::MessageEdit | Type::EphemeralSetting | Type::SharePhoneNumber)
            | None => return Ok(false),
            Some(_) => Some(PeerMessage::Other(protocol.clone())),
        };
        batch.events.extend(peer.map(Event::Peer));
        Ok(true)
    }

    async fn on_lid_mappings(&mut self, payload: &[u8]) -> Result<(), End> {
        let Ok(payload) = LidMigrationMappingSyncPayload::decode(payload) else {
            tracing::warn!("an unreadable LID mapping was ignored");
            return Ok(());
        };
        for mapping in payload.pn_to_lid_mappings.iter().take(MAX_MAPPINGS) {
            let lid = mapping.latest_lid.or(mapping.assigned_lid);
            if let (Some(pn), Some(lid)) = (mapping.pn, lid) {
                let (pn, lid) = (Jid::pn(pn.to_string()), Jid::lid(lid.to_string()));
                self.account.learn_lid(&*self.shared.store, &pn, &lid).await?;
            }
        }
        Ok(())
    }
}

fn keys(share: &AppStateSyncKeyShare) -> PeerMessage {
    let keys = share.keys.iter().filter_map(|key| {
        let data = key.key_data.as_ref()?;
        Some(AppStateKey {
            id: key.key_id.as_ref()?.key_id.clone()?,
            data: data.key_data.clone()?,
            timestamp: data.timestamp.unwrap_or(0),
        })
    });
    PeerMessage::AppStateKeys(keys.collect())
}
