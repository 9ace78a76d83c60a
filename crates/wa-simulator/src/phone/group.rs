//! What a phone writes to groups and to the status, and reads there (PROTOCOL.md 11.2, 25).

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use rand::Rng;
use wa_binary::Node;
use wa_protobuf::{
    e2e::{Message, SenderKeyDistributionMessage},
    lenient,
};
use wa_signal::sender_key::{DecryptError, EncryptError};

use super::{
    Phone,
    receive::{ReadError, Source},
    say::Composed,
    send::put,
    sessions::{Address, OpenError},
};
use crate::{
    Addressing, ControlError,
    account::{Account, CLOUD},
    world::Circle,
};

/// `sender_key_distribution_message` of a `Message`.
const DISTRIBUTION: u32 = 2;

impl Phone {
    /// `<message>` for many: the content once for all, and the key for those who don't have it.
    pub(super) fn sealed_for_circle(
        &mut self,
        circle: &Circle,
        id: &str,
        composed: &Composed,
    ) -> Result<Node<'static>, ControlError> {
        let numbers: BTreeSet<CompactString> =
            circle.members.iter().map(|member| member.number.clone()).collect();
        self.state.sender_keys.rotate(&circle.id, &numbers);
        let key = self.distribution(circle).map_err(|_| ControlError::Reset)?;
        let key = Message { sender_key_distribution_message: Some(Box::new(key)), ..Default::default() };
        let key = key.encode_to_vec();
        let mut participants = Vec::new();
        for member in &circle.members {
            let keys = self.keys_for(circle, member, &key);
            // From this alone the server learns whom a status is for.
            let is_named = circle.jid.is_status() && keys.is_empty();
            participants.extend(keys);
            participants.extend(is_named.then(|| Node::new("to").attr("jid", member.lid())));
        }
        let mut padded = composed.content.to_vec();
        let state = &mut self.state;
        wa_signal::pad(&mut padded, state.rng.next_u32().to_le_bytes()[0]);
        let sealed = state.sender_keys.seal(&circle.id, &padded, &mut state.rng);
        let sealed = sealed.map_err(|_| ControlError::Reset)?;
        let enc = Node::new("enc").attr("v", "2").attr("type", "skmsg").with_bytes(sealed);
        let is_lid = circle.addressing == Addressing::Lid;
        let keys = (!participants.is_empty()).then(|| Node::new("participants").with_children(participants));
        let is_post = circle.jid.is_status() && composed.envelope.is_post();
        let node = composed
            .envelope
            .message(&circle.jid, id)
            .with_children(is_post.then(|| Node::new("meta").attr("status_setting", "contacts")))
            .opt_attr("addressing_mode", is_lid.then_some("lid"))
            .with_children(keys)
            .child(composed.envelope.sealed(enc));
        Ok(node)
    }

    /// What hands out the key of the group.
    fn distribution(&mut self, circle: &Circle) -> Result<SenderKeyDistributionMessage, EncryptError> {
        let state = &mut self.state;
        let key = state.sender_keys.distribution(&circle.id, &mut state.rng)?;
        Ok(SenderKeyDistributionMessage {
            group_id: Some(circle.jid.to_string()),
            axolotl_sender_key_distribution_message: Some(key),
        })
    }

    /// `<to jid><enc/></to>` for every device of a member that doesn't have the key and can get it.
    fn keys_for(&mut self, circle: &Circle, account: &Arc<Account>, key: &[u8]) -> Vec<Node<'static>> {
        let devices = account.directory().devices();
        let is_self = |device: u16| *account == self.account && device == self.state.device;
        let devices: Vec<u16> = devices
            .into_iter()
            .map(|(device, _)| device)
            .filter(|device| *device != CLOUD && !is_self(*device))
            .collect();
        let mut copies = Vec::new();
        for device in devices {
            let holder = Address { number: account.number.clone(), device };
            let Some(identity) = self.world.identity_of(account, device) else { continue };
            if self.state.sender_keys.is_held_by(&circle.id, &holder, &identity) {
                continue;
            }
            let Some(enc) = self.encrypted(account, device, key) else { continue };
            copies.push(Node::new("to").attr("jid", account.jid(circle.addressing, device)).child(enc));
            self.state.sender_keys.hand(&circle.id, holder, identity);
        }
        copies
    }

    /// The content of a message with the key beside it, for a device that could not read it.
    pub(super) fn with_key(&mut self, circle: &Circle, content: &Bytes) -> Option<Bytes> {
        let distribution = self.distribution(circle).ok()?;
        let mut content = content.to_vec();
        put(&mut content, DISTRIBUTION, &distribution.encode_to_vec());
        Some(content.into())
    }

    /// Reads every ciphertext of a message for many. None if there was nothing in it but a key.
    pub(super) fn open_in_circle(
        &mut self,
        circle: &Circle,
        source: &Source,
        node: &Node<'_>,
    ) -> Result<Option<Bytes>, ReadError> {
        let mut content = None;
        let mut is_repeated = false;
        let mut ciphertexts = node.children_named("enc").peekable();
        ciphertexts.peek().ok_or(ReadError::Empty)?;
        for enc in ciphertexts {
            let is_sealed = enc.attrs.text("type").is_some_and(|kind| kind == "skmsg");
            let plain = if is_sealed {
                self.open_sealed(circle, source, enc)
            } else {
                self.open_one(source, node, enc)
            };
            match plain {
                Ok(plain) if is_sealed => content = Some(plain),
                Ok(plain) => content = self.keep_key(circle, source, plain).or(content),
                Err(ReadError::Open(OpenError::Repeated)) => is_repeated = true,
                Err(error) => return Err(error),
            }
        }
        match content {
            None if is_repeated => Err(OpenError::Repeated.into()),
            content => Ok(content),
        }
    }

    fn open_sealed(&mut self, circle: &Circle, source: &Source, enc: &Node<'_>) -> Result<Bytes, ReadError> {
        let bytes = enc.bytes().ok_or(ReadError::Empty)?;
        let opened = self.state.sender_keys.open(&circle.id, source.address(), &bytes);
        let padded = match opened.ok_or(ReadError::NoKey)? {
            Ok(padded) => padded,
            Err(DecryptError::Duplicate { .. }) => return Err(OpenError::Repeated.into()),
            Err(error) => return Err(ReadError::Sealed(error)),
        };
        let plaintext = wa_signal::unpad(&padded).map_err(|_| ReadError::Padding)?;
        Ok(Bytes::copy_from_slice(plaintext))
    }

    /// Keeps the key that came in a message; what else is in it, if anything.
    fn keep_key(&mut self, circle: &Circle, source: &Source, plain: Bytes) -> Option<Bytes> {
        let (mut message, _) = lenient::decode::<Message>(&plain).ok()?;
        let inside = message.device_sent_message.as_mut().and_then(|sent| sent.message.as_deref_mut());
        let message = match inside {
            Some(message) => message,
            None => &mut message,
        };
        let distribution = message.sender_key_distribution_message.take();
        if let Some(key) = distribution.and_then(|key| key.axolotl_sender_key_distribution_message) {
            self.state.sender_keys.take(&circle.id, source.address(), &key);
        }
        message.message_context_info = None;
        (*message != Message::default()).then_some(plain)
    }
}
