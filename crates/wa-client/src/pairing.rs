//! Linking this companion to an account by QR code (protocol.md 6.1 and 6.2).

pub(crate) mod adv;
mod qr;

use std::convert::Infallible;

use tokio::time::{Instant, sleep_until};
use wa_binary::{Jid, Node, decode, unpack};
use wa_crypto::{KeyPair, PrivateKey};
use wa_protobuf::companion::ClientPairingProps;
use wa_store::DeviceAddress;

use crate::account::Account;
use crate::connection::link::Link;
use crate::connection::stream_error::{of_failure, of_stream_error};
use crate::event::{Event, Paired};
use crate::handle::Command;
use crate::instance::{End, Instance, Random, Shared};
use crate::iq;
use crate::state::{Cause, PairingFailure, State};
use qr::Codes;

/// Highest device number that WhatsApp gives a companion (whatsapp-rust.md 7).
const MAX_DEVICE: u16 = 99;
/// How long to wait for the stream error 515 before reconnecting unasked.
const RESTART_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// One connection of a companion that has no account yet.
pub(crate) struct Pairing<'a> {
    pub(crate) instance: &'a mut Instance,
    pub(crate) account: &'a mut Account,
    pub(crate) link: &'a mut Link,
    codes: Codes,
    /// When the present code ends, the server's first word is overdue, or its 515.
    deadline: Instant,
    paired: bool,
}

impl<'a> Pairing<'a> {
    pub(crate) fn new(instance: &'a mut Instance, account: &'a mut Account, link: &'a mut Link) -> Self {
        let deadline = Instant::now() + instance.shared.config.login_timeout;
        Self { instance, account, link, codes: Codes::default(), deadline, paired: false }
    }

    /// Shows codes until a phone scans one, the codes run out or the connection ends.
    pub(crate) async fn run(mut self) -> End {
        self.instance.set_state(State::Pairing { qr: None });
        match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, End> {
        let batch = self.instance.shared.config.batch;
        loop {
            tokio::select! {
                frames = self.link.receive(batch) => self.on_frames(frames?).await?,
                command = self.instance.commands.recv() => self.on_command(command)?,
                () = sleep_until(self.deadline) => self.on_deadline().await?,
            }
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

    async fn on_deadline(&mut self) -> Result<(), End> {
        if self.paired {
            return Err(End::of(Cause::Restart));
        }
        if !self.codes.were_shown() {
            return Err(End::of(Cause::Network));
        }
        self.show_next().await
    }

    async fn on_frames(&mut self, frames: Vec<Vec<u8>>) -> Result<(), End> {
        for frame in &frames {
            let Ok(data) = unpack(frame) else { continue };
            match decode(&data) {
                Ok(node) => self.on_stanza(&node).await?,
                Err(error) => tracing::warn!(%error, "an unreadable stanza was skipped"),
            }
        }
        Ok(())
    }

    async fn on_stanza(&mut self, node: &Node<'_>) -> Result<(), End> {
        match node.tag() {
            "iq" => self.on_iq(node).await,
            "stream:error" => Err(End::of(of_stream_error(node))),
            "failure" => Err(End::of(of_failure(node, self.instance.shared.clock.unix_millis()))),
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
        match child.tag() {
            "pair-device" => {
                self.link.send(&iq::result(&id)).await?;
                self.codes = Codes::new(child);
                self.show_next().await
            }
            "pair-success" => self.on_pair_success(&id, child).await,
            "ping" => Ok(self.link.send(&iq::result(&id)).await?),
            _ => Ok(()),
        }
    }

    async fn show_next(&mut self) -> Result<(), End> {
        let shared = self.instance.shared.clone();
        let client_type = shared.config.companion.client_type;
        let Some((code, lifetime)) = self.codes.next(&self.account.device, client_type, &shared.config)
        else {
            return Err(End::of(Cause::PairingTimedOut));
        };
        let lifetime_millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let qr = code.expiring_at(shared.clock.unix_millis().saturating_add(lifetime_millis));
        self.deadline = Instant::now() + lifetime;
        self.instance.set_state(State::Pairing { qr: Some(qr.clone()) });
        self.instance.emit(vec![Event::Qr(qr)]).await?;
        Ok(())
    }

    async fn on_pair_success(&mut self, id: &str, success: &Node<'_>) -> Result<(), End> {
        match PairSuccess::read(success, self.account, &mut self.instance.random) {
            Ok(success) => self.accept(id, success).await,
            Err(failure) => {
                let (code, text) = match failure {
                    PairingFailure::Malformed => (500, "internal-error"),
                    PairingFailure::HmacMismatch => (401, "hmac-mismatch"),
                    PairingFailure::SignatureMismatch => (401, "signature-mismatch"),
                };
                self.link.send(&iq::error(id, code, text)).await?;
                self.instance.emit(vec![Event::PairingFailed(failure)]).await?;
                Err(End::of(Cause::PairingFailed(failure)))
            }
        }
    }

    /// The embedder first, then the store, and only then the phone may believe it.
    async fn accept(&mut self, id: &str, success: PairSuccess) -> Result<(), End> {
        let shared = self.instance.shared.clone();
        self.instance.emit(vec![Event::Paired(success.paired.clone())]).await?;
        success.record(self.account);
        self.commit(&shared).await?;
        let identity = Node::new("device-identity")
            .attr("key-index", success.verified.key_index)
            .with_bytes(&success.verified.answer[..]);
        let answer = iq::result(id).child(Node::new("pair-device-sign").child(identity));
        self.link.feed(&answer).await?;
        self.link.feed(&iq::session::unified_session(shared.clock.unix_millis())).await?;
        self.link.flush().await?;
        self.paired = true;
        self.deadline = Instant::now() + RESTART_TIMEOUT;
        Ok(())
    }

    async fn commit(&mut self, shared: &Shared) -> Result<(), End> {
        let changes = self.account.take_changes();
        shared.store.commit(changes).await.map_err(|error| {
            tracing::error!(%error, "the pairing could not be stored");
            End::of(Cause::StoreFailed)
        })
    }
}

/// A pair-success that passed all checks.
struct PairSuccess {
    verified: adv::Verified,
    paired: Paired,
}

impl PairSuccess {
    fn read(node: &Node<'_>, account: &Account, random: &mut Random) -> Result<Self, PairingFailure> {
        let container = node.get_child("device-identity").and_then(Node::bytes);
        let container = container.ok_or(PairingFailure::Malformed)?;
        let identity = KeyPair::from_private(PrivateKey::from_bytes(account.device.identity_key));
        let verified = adv::verify(&container, &account.device.adv_secret, &identity, random)?;
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

    fn record(&self, account: &mut Account) {
        let paired = &self.paired;
        account.device.jid = Some(paired.jid.clone());
        account.device.lid = paired.lid.clone();
        account.device.platform.clone_from(&paired.platform);
        account.device.business_name.clone_from(&paired.business_name);
        account.device.account = Some(self.verified.account.clone());
        account.device_changed();
        if let Some(lid) = &paired.lid {
            account.changes.lid_mappings.push((paired.jid.user.clone(), lid.user.clone()));
            account.lids.put(&paired.jid.user, &lid.user);
            account.save_identity(DeviceAddress::from(&lid.to_user()), &self.verified.account_key);
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
