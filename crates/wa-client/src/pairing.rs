//! Linking this companion to an account: by QR code, or by a code that the phone enters (PROTOCOL.md 6).

mod code;
mod passkey;
mod qr;
mod success;

use std::convert::Infallible;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep_until};
use wa_binary::Node;

use crate::batch::{AcceptError, Verdict};
use crate::cause::{Cause, PairingFailure};
use crate::command::Command;
use crate::connection::frame::{parsed, unpacked};
use crate::connection::link::Link;
use crate::connection::stream_error::{of_failure, of_stream_error};
use crate::embedder::Embedder;
use crate::end::End;
use crate::event::{Event, QrCode};
use crate::iq;
use crate::keeper;
use crate::mirror::Mirror;
use crate::requests::{Call, Requests};
use crate::shared::{Random, Shared};
use crate::state::State;
use code::ByCode;
use passkey::ByPasskey;
use qr::Codes;
use success::PairSuccess;

/// How long to wait for the stream error 515 before reconnecting unasked.
const RESTART_TIMEOUT: Duration = Duration::from_secs(10);
/// What `<notification type="companion_reg_refresh">` may carry (PROTOCOL.md 6.1).
const REFRESHES: [&str; 2] = ["companion_reg_refresh", "pair-device-rotate-qr"];
/// The code of an `<ack>` for a stanza that is not understood (PROTOCOL.md 13).
const UNRECOGNIZED: u32 = 488;

/// One connection of a companion that has no account yet.
pub(crate) struct Pairing<'a> {
    shared: &'a Shared,
    mirror: &'a mut Mirror,
    link: &'a mut Link,
    random: &'a mut Random,
    embedder: &'a mut Embedder,
    requests: Requests,
    codes: Codes,
    /// The code that is shown, if there is one.
    qr: Option<QrCode>,
    by_code: ByCode,
    passkey: ByPasskey,
    step: Step,
    /// When the present code ends, the server's first word is overdue, or its 515.
    deadline: Instant,
}

/// How far the pairing is.
enum Step {
    /// Codes are shown.
    Showing,
    /// A phone has scanned one, and the embedder is to record it.
    Telling(Box<Scanned>),
    /// The phone has been answered.
    Answered,
}

/// An answer to a phone that has to wait.
struct Scanned {
    /// Of the IQ that brought it.
    id: String,
    success: PairSuccess,
    /// Whether it is in the batch that the embedder has.
    is_handed_out: bool,
}

impl<'a> Pairing<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        mirror: &'a mut Mirror,
        link: &'a mut Link,
        random: &'a mut Random,
        embedder: &'a mut Embedder,
    ) -> Self {
        let mut prefix = [0; 2];
        random.fill_bytes(&mut prefix);
        Self {
            deadline: Instant::now() + shared.config.login_timeout,
            shared,
            mirror,
            link,
            random,
            embedder,
            requests: Requests::new(prefix),
            codes: Codes::default(),
            qr: None,
            by_code: ByCode::default(),
            passkey: ByPasskey::default(),
            step: Step::Showing,
        }
    }

    /// Shows codes until a phone takes one, the codes run out or the connection ends.
    pub(crate) async fn run(mut self) -> End {
        self.embedder.set_state(State::Pairing { qr: None });
        match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, End> {
        loop {
            self.hand_out();
            tokio::select! {
                frames = self.link.receive(self.shared.config.batch) => self.on_frames(frames?).await?,
                command = self.embedder.commands.next() => self.on_command(command)?,
                verdict = self.embedder.outlet.verdict() => self.on_verdict(verdict).await?,
                outcome = self.by_code.next() => self.on_code_flow_end(outcome),
                outcome = self.passkey.next() => self.on_passkey_flow_end(outcome),
                call = self.requests.next_call() => self.on_call(call).await?,
                () = sleep_until(self.deadline) => self.on_deadline()?,
            }
        }
    }

    fn hand_out(&mut self) {
        if self.embedder.outlet.is_free() {
            if let Step::Telling(scanned) = &mut self.step {
                scanned.is_handed_out = true;
            }
            self.embedder.outlet.hand_out([]);
        }
    }

    fn on_command(&mut self, command: Option<Command>) -> Result<(), End> {
        match command {
            None => Err(End::of(Cause::Shutdown)),
            Some(Command::Stop(reply)) => Err(End::asked(Cause::Shutdown, reply)),
            Some(Command::Disconnect(reply)) => Err(End::asked(Cause::Paused, reply)),
            Some(Command::Reconnect(reply)) => Err(End::asked(Cause::Restart, reply)),
            // The phone has linked this companion by now; without its keys nobody could unlink it.
            Some(command @ Command::Logout(_)) if matches!(self.step, Step::Answered) => {
                command.refuse(&Cause::Restart);
                Ok(())
            }
            // Nothing is linked, so there is nobody to ask; the keys of the shown codes are forgotten.
            Some(Command::Logout(reply)) => Err(End::asked(Cause::LoggedOut, reply)),
            Some(Command::PairingCode(number, reply)) => self.on_code_wanted(&number, reply),
            Some(Command::Passkey(assertion, reply)) => {
                self.on_passkey(*assertion, reply);
                Ok(())
            }
            Some(Command::ConfirmPasskey(reply)) => {
                self.on_confirmation(reply);
                Ok(())
            }
            Some(other) => {
                other.refuse(&Cause::NotPaired);
                Ok(())
            }
        }
    }

    /// The embedder first, then the store, and only then the phone may believe it.
    async fn on_verdict(&mut self, verdict: Verdict) -> Result<(), End> {
        match verdict {
            Verdict::Accepted => {}
            Verdict::Void => return Ok(()),
            Verdict::Dropped => return Err(End::of(Cause::HandlerFailed)),
            Verdict::Gone => return Err(End::of(Cause::Shutdown)),
        }
        match std::mem::replace(&mut self.step, Step::Answered) {
            Step::Telling(scanned) if scanned.is_handed_out => {
                scanned.success.record(self.mirror);
                let stored = self.shared.store.commit(self.mirror.take_changes()).await;
                let outcome = stored.as_ref().copied().map_err(|_| AcceptError::NotStored);
                self.embedder.outlet.stored(outcome);
                stored?;
                self.answer(&scanned).await
            }
            other => {
                self.step = other;
                self.embedder.outlet.stored(Ok(()));
                Ok(())
            }
        }
    }

    async fn answer(&mut self, scanned: &Scanned) -> Result<(), End> {
        self.link.feed(&scanned.success.answer(&scanned.id)).await?;
        self.link.feed(&iq::session::unified_session(self.shared.clock.unix_millis())).await?;
        self.link.flush().await?;
        self.deadline = Instant::now() + RESTART_TIMEOUT;
        // The login to come needs them, and until then there is nothing to do but to wait.
        keeper::make_first_prekeys(self.mirror, self.random, &self.shared.config.computing.prekeys);
        Ok(())
    }

    fn on_deadline(&mut self) -> Result<(), End> {
        match self.step {
            // Nobody has shown the passkey.
            Step::Showing if self.passkey.is_under_way() => Err(End::of(Cause::PasskeyRequired)),
            Step::Showing if self.codes.were_shown() => self.show_next(),
            Step::Showing | Step::Telling(_) => Err(End::of(Cause::Network)),
            Step::Answered => Err(End::of(Cause::Restart)),
        }
    }

    /// What a flow beside the pump asks for.
    async fn on_call(&mut self, call: Call) -> Result<(), End> {
        match call {
            Call::Ask(question) => {
                let node = self.requests.register(*question);
                Ok(self.link.send(&node).await?)
            }
            // Nothing of a companion without an account is stored; a pair-success takes it along.
            Call::Change(change) => {
                change(self.mirror)();
                Ok(())
            }
        }
    }

    async fn on_frames(&mut self, frames: Vec<Vec<u8>>) -> Result<(), End> {
        for frame in &frames {
            let Some(data) = unpacked(frame, self.shared.config.max_stanza) else { continue };
            let Some(node) = parsed(&data) else { continue };
            self.on_stanza(&node).await?;
        }
        Ok(())
    }

    async fn on_stanza(&mut self, node: &Node<'_>) -> Result<(), End> {
        match node.tag() {
            "iq" => self.on_iq(node).await,
            "stream:error" => Err(End::said(of_stream_error(node), node)),
            "failure" => {
                let cause = of_failure(node, self.shared.clock.unix_millis());
                Err(End::said(cause, node))
            }
            "xmlstreamend" => Err(End::of(Cause::Network)),
            "ib" if node.get_child("downgrade_webclient").is_some() => {
                Err(End::of(Cause::MultiDeviceRequired))
            }
            "notification" => {
                self.link.send(&ack(node)).await?;
                self.on_notification(node);
                Ok(())
            }
            tag => {
                tracing::info!(tag, "an unpaired companion got a stanza that it doesn't know");
                if node.attrs.get("id").is_some() && !matches!(tag, "ack" | "ib") {
                    self.link.send(&ack(node).attr("error", UNRECOGNIZED)).await?;
                }
                Ok(())
            }
        }
    }

    fn on_notification(&mut self, node: &Node<'_>) {
        let kind = node.attrs.text("type").unwrap_or_default();
        match &*kind {
            "companion_reg_refresh" => self.refresh_secret(node),
            "link_code_companion_reg" => self.on_primary_hello(node),
            "passkey_prologue_request" => self.on_passkey_wanted(node),
            "crsc_continuation" => self.on_continuation(node),
            _ => {
                tracing::info!(kind = &*kind, "an unpaired companion got a notification that it doesn't know")
            }
        }
    }

    /// The server has retired the secret in the code. The code is shown again with a new one, and with the time that it
    /// has left. Not once a phone has entered a code: its pair-success is made with the secret of that pairing.
    fn refresh_secret(&mut self, node: &Node<'_>) {
        if !REFRESHES.iter().any(|child| node.get_child(child).is_some()) {
            tracing::info!("the server asked for a refresh of an unknown kind");
            return;
        }
        if self.by_code.awaits_success() || self.passkey.is_under_way() || !matches!(self.step, Step::Showing)
        {
            tracing::debug!("the secret is kept: a phone is about to use it");
            return;
        }
        self.random.fill_bytes(&mut self.mirror.device.adv_secret);
        tracing::debug!("the server has retired the secret of the code; there is a new one");
        let client_type = self.shared.config.appearance.client_type;
        if let (Some(code), Some(qr)) = (self.codes.current(&self.mirror.device, client_type), &self.qr) {
            self.show(code.expiring_at(qr.expires_at));
        }
    }

    async fn on_iq(&mut self, node: &Node<'_>) -> Result<(), End> {
        let kind = node.attrs.text("type").unwrap_or_default();
        if matches!(&*kind, "result" | "error") {
            self.requests.answer(node.clone());
            return Ok(());
        }
        let Some(id) = node.attrs.text("id") else { return Ok(()) };
        match (node.first_child().map(Node::tag), &self.step) {
            (Some("pair-device"), Step::Showing) => {
                self.link.send(&iq::result(&id)).await?;
                self.codes = node.first_child().map(Codes::new).unwrap_or_default();
                self.show_next()
            }
            (Some("pair-success"), Step::Showing) => self.on_pair_success(&id, node).await,
            // Told twice: it is being worked on.
            (Some("pair-success"), _) => Ok(()),
            (Some("ping"), _) => Ok(self.link.send(&iq::result(&id)).await?),
            (child, _) => {
                tracing::info!(child, "an unpaired companion was asked what it doesn't know");
                Ok(self.link.send(&iq::error(&id, 501, "feature-not-implemented")).await?)
            }
        }
    }

    fn show_next(&mut self) -> Result<(), End> {
        let config = &self.shared.config;
        let client_type = config.appearance.client_type;
        let Some((code, lifetime)) = self.codes.next(&self.mirror.device, client_type, config) else {
            // A phone that has entered a code is waited for.
            return match self.by_code.success_deadline() {
                Some(deadline) => {
                    self.deadline = deadline;
                    Ok(())
                }
                None => Err(End::of(Cause::PairingTimedOut)),
            };
        };
        let lifetime_millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        self.deadline = Instant::now() + lifetime;
        self.show(code.expiring_at(self.shared.clock.unix_millis().saturating_add(lifetime_millis)));
        Ok(())
    }

    fn show(&mut self, qr: QrCode) {
        self.qr = Some(qr.clone());
        self.embedder.set_state(State::Pairing { qr: Some(qr.clone()) });
        self.embedder.outlet.push(Event::Qr(qr));
    }

    async fn on_pair_success(&mut self, id: &str, node: &Node<'_>) -> Result<(), End> {
        let success = node.get_child("pair-success").ok_or(PairingFailure::Malformed);
        match success.and_then(|success| PairSuccess::read(success, self.mirror, self.random)) {
            Ok(success) => {
                self.embedder.outlet.push(Event::Paired(success.paired.clone()));
                let scanned = Scanned { id: id.to_owned(), success, is_handed_out: false };
                self.step = Step::Telling(Box::new(scanned));
                self.deadline = Instant::now() + self.shared.config.login_timeout;
                Ok(())
            }
            Err(failure) => {
                let (code, text) = match failure {
                    PairingFailure::Malformed => (500, "internal-error"),
                    PairingFailure::HmacMismatch => (401, "hmac-mismatch"),
                    PairingFailure::SignatureMismatch => (401, "signature-mismatch"),
                };
                self.link.send(&iq::error(id, code, text)).await?;
                self.embedder.outlet.push(Event::PairingFailed(failure));
                Err(End::of(Cause::PairingFailed(failure)))
            }
        }
    }
}

/// `<ack>` of the class that the stanza's tag names.
fn ack(node: &Node<'_>) -> Node<'static> {
    let text = |name: &str| node.attrs.text(name).map(std::borrow::Cow::into_owned);
    Node::new("ack")
        .attr("class", node.tag().to_owned())
        .opt_attr("id", text("id"))
        .opt_attr("to", node.attrs.jid("from").cloned())
        .opt_attr("type", text("type"))
}
