//! Linking this companion to an account by QR code (PROTOCOL.md 6.1 and 6.2).

mod qr;

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey};
use wa_protobuf::companion::ClientPairingProps;
use wa_store::DeviceAddress;

use crate::adv;
use crate::batch::{AcceptError, Verdict};
use crate::cause::{Cause, PairingFailure};
use crate::command::Command;
use crate::connection::frame::{parsed, unpacked};
use crate::connection::link::Link;
use crate::connection::stream_error::{of_failure, of_stream_error};
use crate::embedder::Embedder;
use crate::end::End;
use crate::event::{Event, Paired};
use crate::iq;
use crate::mirror::Mirror;
use crate::shared::{Random, Shared};
use crate::state::State;
use qr::Codes;

/// Highest device number that WhatsApp gives a companion (PROTOCOL.md 6.2).
const MAX_DEVICE: u16 = 99;
/// How long to wait for the stream error 515 before reconnecting unasked.
const RESTART_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection of a companion that has no account yet.
pub(crate) struct Pairing<'a> {
    shared: &'a Shared,
    mirror: &'a mut Mirror,
    link: &'a mut Link,
    random: &'a mut Random,
    embedder: &'a mut Embedder,
    codes: Codes,
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
        let deadline = Instant::now() + shared.config.login_timeout;
        let codes = Codes::default();
        Self { shared, mirror, link, random, embedder, codes, step: Step::Showing, deadline }
    }

    /// Shows codes until a phone scans one, the codes run out or the connection ends.
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
            // Nothing is linked, so there is nobody to ask; the keys of the shown codes are forgotten.
            Some(Command::Logout(reply)) => Err(End::asked(Cause::LoggedOut, reply)),
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

    async fn answer(&mut self, Scanned { id, success, .. }: &Scanned) -> Result<(), End> {
        let identity = Node::new("device-identity")
            .attr("key-index", success.verified.key_index)
            .with_bytes(&success.verified.answer[..]);
        let answer = iq::result(id).child(Node::new("pair-device-sign").child(identity));
        self.link.feed(&answer).await?;
        self.link.feed(&iq::session::unified_session(self.shared.clock.unix_millis())).await?;
        self.link.flush().await?;
        self.deadline = Instant::now() + RESTART_TIMEOUT;
        Ok(())
    }

    fn on_deadline(&mut self) -> Result<(), End> {
        match self.step {
            Step::Showing if self.codes.were_shown() => self.show_next(),
            Step::Showing | Step::Telling(_) => Err(End::of(Cause::Network)),
            Step::Answered => Err(End::of(Cause::Restart)),
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
            "stream:error" => Err(End::of(of_stream_error(node))),
            "failure" => Err(End::of(of_failure(node, self.shared.clock.unix_millis()))),
            "xmlstreamend" => Err(End::of(Cause::Network)),
            "ib" if node.get_child("downgrade_webclient").is_some() => {
                Err(End::of(Cause::MultiDeviceRequired))
            }
            "notification"
                if node.attrs.get("type").is_some_and(|kind| *kind == "passkey_prologue_request") =>
            {
                Err(End::of(Cause::PasskeyRequired))
            }
            _ => Ok(()),
        }
    }

    async fn on_iq(&mut self, node: &Node<'_>) -> Result<(), End> {
        let (Some(id), Some(child)) = (node.attrs.text("id"), node.first_child()) else { return Ok(()) };
        match (child.tag(), &self.step) {
            ("pair-device", Step::Showing) => {
                self.link.send(&iq::result(&id)).await?;
                self.codes = Codes::new(child);
                self.show_next()
            }
            ("pair-success", Step::Showing) => self.on_pair_success(&id, child).await,
            ("ping", _) => Ok(self.link.send(&iq::result(&id)).await?),
            _ => Ok(()),
        }
    }

    fn show_next(&mut self) -> Result<(), End> {
        let config = &self.shared.config;
        let client_type = config.appearance.client_type;
        let Some((code, lifetime)) = self.codes.next(&self.mirror.device, client_type, config) else {
            return Err(End::of(Cause::PairingTimedOut));
        };
        let lifetime_millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let qr = code.expiring_at(self.shared.clock.unix_millis().saturating_add(lifetime_millis));
        self.deadline = Instant::now() + lifetime;
        self.embedder.set_state(State::Pairing { qr: Some(qr.clone()) });
        self.embedder.outlet.push(Event::Qr(qr));
        Ok(())
    }

    async fn on_pair_success(&mut self, id: &str, success: &Node<'_>) -> Result<(), End> {
        match PairSuccess::read(success, self.mirror, self.random) {
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

/// A pair-success that passed all checks.
struct PairSuccess {
    verified: adv::Verified,
    paired: Paired,
}

impl PairSuccess {
    fn read(node: &Node<'_>, mirror: &Mirror, random: &mut Random) -> Result<Self, PairingFailure> {
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
        log_props(node);
        let paired = Paired {
            jid: jid.ok_or(PairingFailure::Malformed)?.clone(),
            lid: lid.cloned(),
            platform: attribute("platform").unwrap_or_default(),
            business_name: attribute("biz"),
        };
        Ok(Self { verified, paired })
    }

    fn record(&self, mirror: &mut Mirror) {
        let paired = &self.paired;
        mirror.device.jid = Some(paired.jid.clone());
        mirror.device.lid = paired.lid.clone();
        mirror.device.platform.clone_from(&paired.platform);
        mirror.device.business_name.clone_from(&paired.business_name);
        mirror.device.account = Some(self.verified.account.clone());
        mirror.device_changed();
        if let Some(lid) = &paired.lid {
            mirror.lids.learn(&paired.jid.user, &lid.user);
            mirror.save_identity(DeviceAddress::from(&lid.to_user()), &self.verified.account_key);
        }
    }
}

/// Nothing depends on the properties yet; a log line helps when a phone without LID migration turns up.
fn log_props(node: &Node<'_>) {
    let props = node.get_child("client-props").and_then(Node::bytes);
    let props = props.and_then(|bytes| <ClientPairingProps as prost::Message>::decode(&bytes[..]).ok());
    if let Some(props) = props {
        let migrated = props.is_chat_db_lid_migrated.unwrap_or(false);
        tracing::debug!(migrated, "the phone told its properties");
    }
}
