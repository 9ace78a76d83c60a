use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey};
use wa_protobuf::companion::ClientPairingProps;
use wa_store::{DeviceAddress, LidMigration};

use crate::adv;
use crate::cause::PairingFailure;
use crate::event::Paired;
use crate::iq;
use crate::mirror::Mirror;
use crate::shared::Random;

/// Highest device number that WhatsApp gives a companion (PROTOCOL.md 6.2).
const MAX_DEVICE: u16 = 99;

/// A pair-success that passed all checks.
pub(super) struct PairSuccess {
    verified: adv::Verified,
    pub(super) paired: Paired,
    migration: LidMigration,
}

impl PairSuccess {
    pub(super) fn read(
        node: &Node<'_>,
        mirror: &Mirror,
        random: &mut Random,
    ) -> Result<Self, PairingFailure> {
        let container = node.get_child("device-identity").and_then(Node::bytes);
        let container = container.ok_or(PairingFailure::Malformed)?;
        let identity = KeyPair::from_private(PrivateKey::from_bytes(mirror.device.identity_key));
        let verified = adv::verify(&container, &mirror.device.adv_secret, &identity, random)?;
        let device = node.get_child("device").ok_or(PairingFailure::Malformed)?;
        let companion = |jid: &Jid| (1..=MAX_DEVICE).contains(&jid.device);
        let jid = device.attrs.jid("jid").filter(|jid| jid.is_pn() && companion(jid));
        let lid = device.attrs.jid("lid").filter(|lid| lid.is_lid() && companion(lid));
        let attribute = |child: &str| {
            Some(node.get_child(child)?.attrs.text("name")?.into_owned()).filter(|name| !name.is_empty())
        };
        let paired = Paired {
            jid: jid.ok_or(PairingFailure::Malformed)?.clone(),
            lid: lid.cloned(),
            platform: attribute("platform").unwrap_or_default(),
            business_name: attribute("biz"),
        };
        Ok(Self { verified, paired, migration: migration(node) })
    }

    /// The answer to the IQ that brought it.
    pub(super) fn answer<'a>(&self, id: &'a str) -> Node<'a> {
        let identity = Node::new("device-identity")
            .attr("key-index", self.verified.key_index)
            .with_bytes(self.verified.answer.to_vec());
        iq::result(id).child(Node::new("pair-device-sign").child(identity))
    }

    pub(super) fn record(&self, mirror: &mut Mirror) {
        let paired = &self.paired;
        mirror.device.jid = Some(paired.jid.clone());
        mirror.device.lid = paired.lid.clone();
        mirror.device.platform.clone_from(&paired.platform);
        mirror.device.business_name.clone_from(&paired.business_name);
        mirror.device.account = Some(self.verified.account.clone());
        mirror.device.lid_migration = self.migration;
        mirror.device_changed();
        if let Some(lid) = &paired.lid {
            mirror.lids.learn(&paired.jid.user, &lid.user);
            mirror.save_identity(DeviceAddress::from(&lid.to_user()), &self.verified.account_key);
        }
    }
}

/// Whether the phone says that the account's chats are keyed by LID (PROTOCOL.md 6.2).
fn migration(success: &Node<'_>) -> LidMigration {
    let props = success.get_child("client-props").and_then(Node::bytes);
    let props = props.and_then(|bytes| <ClientPairingProps as prost::Message>::decode(&bytes[..]).ok());
    match props.and_then(|props| props.is_chat_db_lid_migrated) {
        Some(true) => LidMigration::Done,
        Some(false) => LidMigration::Pending,
        None => LidMigration::Unknown,
    }
}
