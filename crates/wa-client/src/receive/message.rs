use bytes::Bytes;
use tokio::time::Instant;
use wa_binary::{Jid, Node, Server};
use wa_store::ChatTimer;

use super::Receiver;
use super::decrypt::{Decrypted, decrypt};
use super::envelope::Envelope;
use super::meaning::{self, Answer};
use super::receipt::{ack, delivery};
use super::resent;
use super::retry::retry_receipt;
use crate::content::Kind;
use crate::context::Context;
use crate::end::End;
use crate::event::{Event, UndecryptableReason};
use crate::group::has_sender_keys;
use crate::inbox::EventSource;
use crate::iq;
use crate::keeper::Keeper;
use crate::look_up::Answered;
use crate::mirror::Mirror;
use crate::missed::MissedMessage;
use crate::standing;

/// Nack codes (PROTOCOL.md 13).
const PARSING: u32 = 487;
pub(super) const UNRECOGNIZED: u32 = 488;
const MISSING_SECRET: u32 = 495;

impl Receiver {
    pub(super) async fn on_message(
        &mut self,
        context: &mut Context<'_>,
        keeper: &Keeper,
        node: &Node<'_>,
        frame: &Bytes,
    ) -> Result<(), End> {
        let now = context.server_millis() / 1000;
        let envelope = match Envelope::read(node, context.mirror, now) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::warn!(%error, "a malformed message was refused");
                self.answers.push(ack("message", node).attr("error", PARSING));
                return self.on_malformed(context, node, frame, now).await;
            }
        };
        context.timers.in_use();
        learn_addresses(context, &envelope).await?;
        if !envelope.peer {
            standing::on_written(context, &envelope.chat, envelope.timestamp).await?;
        }
        if envelope.chat.is_newsletter() {
            return self.on_post(context, node, &envelope, frame).await;
        }
        if let Some(reason) = unsupported(&envelope, node) {
            self.take_sender_keys(context, node, &envelope).await?;
            return self.on_unreadable(context, node, &envelope, reason).await;
        }
        if node.get_child("enc").is_none() {
            // Either the server holds nothing but the fact (view-once on another device), or it is malformed.
            let is_placeholder = node.get_child("unavailable").is_some();
            let reason =
                if is_placeholder { UndecryptableReason::Unavailable } else { UndecryptableReason::Empty };
            return self.on_unreadable(context, node, &envelope, reason).await;
        }
        if has_sender_keys(&envelope.chat) {
            return self.on_group_message(context, keeper, node, &envelope, frame).await;
        }
        for enc in node.children_named("enc") {
            self.on_enc(context, keeper, node, enc, &envelope, frame).await?;
        }
        Ok(())
    }

    async fn on_enc(
        &mut self,
        context: &mut Context<'_>,
        keeper: &Keeper,
        node: &Node<'_>,
        enc: &Node<'_>,
        envelope: &Envelope,
        frame: &Bytes,
    ) -> Result<(), End> {
        if !is_pairwise(enc) {
            return self.on_unreadable(context, node, envelope, UndecryptableReason::Unknown).await;
        }
        let sender = context.signal_jid(&envelope.device).await?;
        let vouched = node.get_child("device-identity").and_then(Node::bytes);
        match decrypt(context, enc, &sender, vouched.as_deref()).await? {
            Decrypted::Plain(plain) => self.on_plain(context, node, plain, envelope, frame).await,
            Decrypted::Repeated if is_recorded(context, node, envelope).await? => {
                self.answers.push(delivery(envelope, self.is_shown));
                Ok(())
            }
            Decrypted::Repeated => {
                let reason = UndecryptableReason::Repeated;
                self.on_undecryptable(context, keeper, node, enc, envelope, reason).await
            }
            Decrypted::Untrusted(error) => {
                if error.may_be_outdated() {
                    look_up_primary(context, &sender);
                }
                let reason = UndecryptableReason::Untrusted;
                self.on_undecryptable(context, keeper, node, enc, envelope, reason).await
            }
            Decrypted::Failed(reason) => {
                self.on_undecryptable(context, keeper, node, enc, envelope, reason).await
            }
        }
    }

    pub(super) async fn on_plain(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        plain: Bytes,
        envelope: &Envelope,
        frame: &Bytes,
    ) -> Result<(), End> {
        let mirror = &mut *context.mirror;
        mirror.arrived(&envelope.chat, &envelope.sender, &envelope.id);
        if envelope.from_me && envelope.sender.device == 0 {
            learn_name(mirror, node);
        }
        let meaning = meaning::of(mirror, context.shared, node, envelope, plain.clone()).await?;
        learn_timer(context, meaning.event.as_ref()).await?;
        resent::take_in(context, envelope, &plain).await?;
        let mirror = &mut *context.mirror;
        match meaning.answer {
            Answer::Receipt => self.answers.push(delivery(envelope, self.is_shown)),
            Answer::HistoryReceipt => {
                self.answers.push(delivery(envelope, self.is_shown));
                let receipt = Node::new("receipt").attr("id", envelope.id.clone()).attr("to", &envelope.from);
                self.answers.push(receipt.attr("type", "hist_sync"));
            }
        }
        mirror.inbox.push_once(meaning.event, EventSource::Message { frame: frame.clone(), plain });
        Ok(())
    }

    /// The sender is asked to send again, and the server is told that the stanza arrived.
    pub(super) async fn on_undecryptable(
        &mut self,
        context: &mut Context<'_>,
        keeper: &Keeper,
        node: &Node<'_>,
        enc: &Node<'_>,
        envelope: &Envelope,
        reason: UndecryptableReason,
    ) -> Result<(), End> {
        let said = enc.attrs.number("count").and_then(Result::ok).unwrap_or(0);
        let count = context.mirror.retries.ask(&envelope.sender, &envelope.id, said);
        if let Some(count) = count {
            self.answers.push(retry_receipt(context, keeper, envelope, count).await?);
        }
        // A copy of an own message is cleared by the request for it, as by any receipt; a second one would be taken for
        // that of the message sent again.
        if count.is_none() || !envelope.is_own_copy() {
            self.answers.push(envelope.ack(None));
        }
        if envelope.peer {
            // What the phone tells its companions concerns nobody else.
            return Ok(());
        }
        if !envelope.chat.is_status() {
            miss(context, node, envelope, false);
        }
        let (mirror, store) = (&mut *context.mirror, &context.shared.store);
        let retries = count.unwrap_or(0);
        let event = meaning::unreadable(mirror, store, node, envelope, reason, retries).await?;
        mirror.inbox.push(event);
        Ok(())
    }

    /// Refused, and told as well as may be.
    async fn on_malformed(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        frame: &Bytes,
        now: i64,
    ) -> Result<(), End> {
        let Some(envelope) = Envelope::guessed(node, context.mirror, now, frame) else { return Ok(()) };
        let (mirror, store) = (&mut *context.mirror, &context.shared.store);
        let reason = UndecryptableReason::Malformed;
        let event = meaning::unreadable(mirror, store, node, &envelope, reason, 0).await?;
        mirror.inbox.push(event);
        Ok(())
    }

    /// Acknowledged, so that the server doesn't keep it for ever, and told.
    pub(super) async fn on_unreadable(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        envelope: &Envelope,
        reason: UndecryptableReason,
    ) -> Result<(), End> {
        // Nothing of a status is refused: the server would keep back what comes behind it.
        let is_refused = node.children_named("enc").any(is_msmsg) && !envelope.chat.is_status();
        let error = is_refused.then_some(MISSING_SECRET);
        self.answers.push(envelope.ack(error));
        if envelope.peer {
            return Ok(());
        }
        if is_held_by_phone(node, reason) {
            miss(context, node, envelope, true);
        }
        let (mirror, store) = (&mut *context.mirror, &context.shared.store);
        let event = meaning::unreadable(mirror, store, node, envelope, reason, 0).await?;
        mirror.inbox.push(event);
        Ok(())
    }
}

/// Whether it is encrypted for this device with a session.
pub(super) fn is_pairwise(enc: &Node<'_>) -> bool {
    enc.attrs.get("type").is_some_and(|kind| *kind == "msg" || *kind == "pkmsg")
}

/// Whether it is encrypted with the secret of another message, as bots' answers are (PROTOCOL.md 13).
pub(super) fn is_msmsg(enc: &Node<'_>) -> bool {
    enc.attrs.get("type").is_some_and(|kind| *kind == "msmsg")
}

/// Whether the phone has what the stanza holds nothing of, and gives it to its companions (PROTOCOL.md 12).
fn is_held_by_phone(node: &Node<'_>, reason: UndecryptableReason) -> bool {
    const KEPT_BACK: [&str; 3] = ["view_once", "bot", "hosted"];
    match reason {
        UndecryptableReason::Empty => true,
        UndecryptableReason::Unavailable => {
            let kind = node.get_child("unavailable").and_then(|child| child.attrs.text("type"));
            !kind.is_some_and(|kind| KEPT_BACK.iter().any(|kept| kind.starts_with(kept)))
        }
        _ => false,
    }
}

/// The own phone is asked for a message, unless it comes in another way before its turn.
fn miss(context: &mut Context<'_>, node: &Node<'_>, envelope: &Envelope, at_once: bool) {
    let mut bare = Node::new(node.tag().to_owned());
    bare.attrs = node.attrs.clone();
    let Ok(frame) = wa_binary::encode(&bare) else { return };
    let Envelope { chat, sender, id, from_me, .. } = envelope;
    let missed = MissedMessage::new(chat, sender, id, *from_me, frame.into());
    let pause = context.mirror.missed.add(missed, at_once, context.shared.clock.unix_millis());
    context.mirror.must_commit();
    context.timers.until(Instant::now() + pause);
}

/// Whether a message whose key is used up is known to be recorded; if not, to ask for it again does no harm.
pub(super) async fn is_recorded(
    context: &mut Context<'_>,
    node: &Node<'_>,
    envelope: &Envelope,
) -> Result<bool, End> {
    if context.mirror.has_arrived(&envelope.chat, &envelope.sender, &envelope.id) {
        return Ok(true);
    }
    let shared = context.shared;
    let Some(received) = &shared.received_messages else { return Ok(false) };
    let chat = envelope.chat.clone();
    let info = meaning::info(context.mirror, &shared.store, node, envelope, chat).await?;
    Ok(received.is_recorded(&info).await)
}

/// What the own phone sends goes under the name that the owner gave the account. `-` stands for none.
fn learn_name(mirror: &mut Mirror, node: &Node<'_>) {
    if let Some(name) = node.attrs.text("notify").filter(|name| *name != *"-") {
        mirror.learn_name(&name);
    }
}

/// A message between two people may say after how long it disappears, and so what else is written there.
async fn learn_timer(context: &mut Context<'_>, event: Option<&Event>) -> Result<(), End> {
    let Some(Event::Message(message)) = event else { return Ok(()) };
    let (chat, written_at) = (&message.info.chat, message.info.timestamp);
    let view = message.content.view();
    if let Some((seconds, set_at)) = view.timer().filter(|_| chat.is_user() && !chat.is_bot()) {
        let is_setting = view.kind() == Kind::Timer;
        let set_at = set_at.unwrap_or(if is_setting { written_at } else { 0 });
        let said = ChatTimer { seconds, set_at };
        context.mirror.learn_timer(&context.shared.store, chat, said).await?;
    }
    Ok(())
}

/// The stanza says the same user's other address: remember both (PROTOCOL.md 16).
async fn learn_addresses(context: &mut Context<'_>, envelope: &Envelope) -> Result<(), End> {
    let pairs = [(&envelope.sender, &envelope.sender_alt), (&envelope.chat, &envelope.chat_alt)];
    for (one, other) in pairs {
        let Some(other) = other else { continue };
        let (pn, lid) = if one.is_pn() { (one, other) } else { (other, one) };
        context.learn_lid(pn, lid).await?;
    }
    Ok(())
}

/// Asks for the keys of the phone that is to vouch for a companion, so that the message can be read once it is sent again.
pub(super) fn look_up_primary(context: &mut Context<'_>, companion: &Jid) {
    let primary = companion.to_user().unhosted();
    context.look_up(|asker| async move {
        let answer = asker.ask(iq::encrypt::fetch([&primary])).await;
        let bundles = answer.and_then(|answer| iq::encrypt::parse_fetch(&answer));
        Answered::Primaries(
            bundles.map(|bundles| bundles.into_iter().filter(|fetched| fetched.device == primary).collect()),
        )
    });
}

/// Why this version doesn't read what is written in such a chat. What own devices write to bots is encrypted like any
/// other copy.
fn unsupported(envelope: &Envelope, node: &Node<'_>) -> Option<UndecryptableReason> {
    let chat = &envelope.chat;
    let is_own_prompt = envelope.is_own_copy() && node.children_named("enc").all(is_pairwise);
    match chat.server {
        Server::Group => None,
        // Of a channel it is in the clear.
        Server::Broadcast if chat.is_status() && node.get_child("enc").is_some() => None,
        Server::Broadcast => Some(UndecryptableReason::Broadcast),
        _ if chat.is_bot() && !is_own_prompt => Some(UndecryptableReason::Bot),
        _ if chat.is_bot() => None,
        _ if !chat.is_user() || node.get_child("plaintext").is_some() => Some(UndecryptableReason::Unknown),
        _ => None,
    }
}
