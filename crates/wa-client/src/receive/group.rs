//! Messages in groups (PROTOCOL.md 11.2): one ciphertext for all, and in front of it, for a device that doesn't have the
//! sender's key yet, one with the key.

use std::borrow::Cow;

use bytes::Bytes;
use wa_binary::Node;

use super::Receiver;
use super::decrypt::{Decrypted, decrypt};
use super::envelope::Envelope;
use super::message::{is_msmsg, is_pairwise, is_recorded, look_up_primary};
use super::receipt::delivery;
use super::sender_key;
use crate::context::Context;
use crate::end::End;
use crate::event::UndecryptableReason;
use crate::keeper::Keeper;

impl Receiver {
    /// Reads all ciphertexts of a message. It is asked for again if the one with its content can't be read, and the key
    /// comes with it then.
    pub(super) async fn on_group_message(
        &mut self,
        context: &mut Context<'_>,
        keeper: &Keeper,
        node: &Node<'_>,
        envelope: &Envelope,
        frame: &Bytes,
    ) -> Result<(), End> {
        let mut is_settled = false;
        let (mut unread, mut foreign) = (None, None);
        for enc in node.children_named("enc") {
            match self.open_in_group(context, node, enc, envelope).await? {
                Opened::Content(plain) => {
                    is_settled = true;
                    self.on_plain(context, node, plain, envelope, frame).await?;
                }
                Opened::Key => {}
                Opened::Known => {
                    is_settled = true;
                    self.answers.push(delivery(envelope, self.is_shown));
                }
                Opened::Unread(reason) => unread = unread.or(Some((enc, reason))),
                Opened::Foreign(reason) => foreign = Some(reason),
            }
        }
        match (unread, foreign) {
            _ if is_settled => Ok(()),
            (Some((enc, reason)), _) => {
                self.on_undecryptable(context, keeper, node, enc, envelope, reason).await
            }
            (None, Some(reason)) => self.on_unreadable(context, node, envelope, reason).await,
            (None, None) => {
                self.answers.push(delivery(envelope, self.is_shown));
                Ok(())
            }
        }
    }

    async fn open_in_group(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        enc: &Node<'_>,
        envelope: &Envelope,
    ) -> Result<Opened, End> {
        let sender = context.signal_jid(&envelope.device).await?;
        let vouched = node.get_child("device-identity").and_then(Node::bytes);
        let (is_pairwise, is_sealed) =
            (is_pairwise(enc), enc.attrs.get("type").is_some_and(|it| *it == "skmsg"));
        let decrypted = match () {
            () if is_pairwise => decrypt(context, enc, &sender, vouched.as_deref()).await?,
            () if is_sealed => sender_key::decrypt(context, enc, &envelope.chat, &sender).await?,
            // With a secret of the message that it answers.
            () if is_msmsg(enc) => return Ok(Opened::Foreign(UndecryptableReason::Bot)),
            () => return Ok(Opened::Foreign(UndecryptableReason::Unknown)),
        };
        Ok(match decrypted {
            Decrypted::Plain(plain) if is_pairwise => {
                let rest = sender_key::keep(context, &envelope.chat, &sender, plain).await?;
                rest.map_or(Opened::Key, Opened::Content)
            }
            Decrypted::Plain(plain) => Opened::Content(plain),
            Decrypted::Repeated if is_recorded(context, node, envelope).await? => Opened::Known,
            // The key came before.
            Decrypted::Repeated if is_pairwise => Opened::Key,
            Decrypted::Repeated => Opened::Unread(UndecryptableReason::Repeated),
            Decrypted::Untrusted(error) => {
                if error.may_be_outdated() {
                    look_up_primary(context, &sender);
                }
                Opened::Unread(UndecryptableReason::Untrusted)
            }
            Decrypted::Failed(reason) => Opened::Unread(reason),
        })
    }

    /// Keeps the key that a message brings which is not read otherwise: whoever has handed one out doesn't do it again.
    pub(super) async fn take_sender_keys(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        envelope: &Envelope,
    ) -> Result<(), End> {
        if envelope.chat.server != wa_binary::Server::Broadcast {
            return Ok(());
        }
        let sender = context.signal_jid(&envelope.sender).await?;
        let vouched = node.get_child("device-identity").and_then(Node::bytes).map(Cow::into_owned);
        for enc in node.children_named("enc").filter(|enc| is_pairwise(enc)) {
            if let Decrypted::Plain(plain) = decrypt(context, enc, &sender, vouched.as_deref()).await? {
                sender_key::keep(context, &envelope.chat, &sender, plain).await?;
            }
        }
        Ok(())
    }
}

/// What became of one ciphertext.
enum Opened {
    /// The content of the message.
    Content(Bytes),
    /// Nothing but the key, now or before.
    Key,
    /// The message came before, and is recorded.
    Known,
    /// It can't be read.
    Unread(UndecryptableReason),
    /// It isn't encrypted for devices like this one: nobody need be asked for it again.
    Foreign(UndecryptableReason),
}
