//! Linking by a code that the companion shows and the phone enters (PROTOCOL.md 6.3).

mod exchange;
mod wrapping;

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use tokio::time::Instant;
use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey, PublicKey};

use super::{Pairing, Step};
use crate::cause::Cause;
use crate::command::Reply;
use crate::end::End;
use crate::event::PairingCode;
use crate::request::RequestError;
use exchange::{Asking, Finishing, display};
use wrapping::Wrapped;
pub(super) use wrapping::base32;

/// How long a phone takes a code.
const LIFETIME: Duration = Duration::from_secs(180);
/// With less left of the connection than this, nobody has the time to enter a code.
const LEAST: Duration = Duration::from_secs(60);
/// Times that a phone may enter one code, rightly or wrongly.
const MAX_HELLOS: u8 = 3;
/// How long after its last word a companion waits for pair-success.
const SUCCESS_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the server may take to answer. Well within what the phone waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest phone number, in digits.
const SHORTEST_NUMBER: usize = 7;
/// Longest phone number, in digits (E.164).
const LONGEST_NUMBER: usize = 15;

/// The pairing by code of one connection.
#[derive(Default)]
pub(super) struct ByCode {
    flows: FuturesUnordered<Flow>,
    stage: Stage,
    /// How many codes were asked for: what belongs to an earlier one is void.
    codes: u32,
}

type Flow = Pin<Box<dyn Future<Output = FlowEnd> + Send>>;

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    /// The server hasn't accepted the code yet. A phone may be faster than its answer.
    Asking { early: Option<Box<Hello>> },
    /// The code is on a screen.
    Shown(Box<Shown>),
}

/// A code that a phone may enter.
struct Shown {
    code: Secrets,
    number: Jid,
    reference: Vec<u8>,
    expires: Instant,
    hellos: u8,
    /// Set once a phone has entered it: until when its pair-success is waited for.
    success: Option<Instant>,
}

/// What only this companion knows of a code.
#[derive(Clone)]
struct Secrets {
    code: String,
    ephemeral: KeyPair,
}

/// The phone's part, once it has entered the code.
#[derive(Clone)]
struct Hello {
    reference: Vec<u8>,
    wrapped: Wrapped,
    identity: PublicKey,
}

/// How a flow ended.
pub(super) enum FlowEnd {
    Accepted { nth: u32, shown: Result<Box<Accepted>, RequestError>, reply: Reply<PairingCode> },
    Finished { nth: u32, outcome: Result<(), RequestError> },
}

/// A code that the server has accepted.
pub(super) struct Accepted {
    shown: Shown,
    told: PairingCode,
}

impl ByCode {
    /// The next flow that ends; waits forever while there is none.
    pub(super) async fn next(&mut self) -> FlowEnd {
        match self.flows.next().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    /// Until when pair-success is waited for, if a phone has entered the code.
    pub(super) fn success_deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Shown(shown) => shown.success.filter(|deadline| *deadline > Instant::now()),
            _ => None,
        }
    }

    /// Whether a pair-success may be on its way whose secret comes of this code.
    pub(super) fn awaits_success(&self) -> bool {
        self.success_deadline().is_some()
    }
}

impl Pairing<'_> {
    /// Makes a code and tells the server. What is left of the QR codes is what is left of the connection.
    pub(super) fn on_code_wanted(&mut self, number: &str, reply: Reply<PairingCode>) -> Result<(), End> {
        let Some(number) = international(number) else {
            let why = "an international phone number is expected: 7 to 15 digits, the first no 0";
            let _ = reply.send(Err(RequestError::Invalid(why.to_owned())));
            return Ok(());
        };
        if self.qr.is_none() || self.passkey.is_under_way() || !matches!(self.step, Step::Showing) {
            let _ = reply.send(Err(RequestError::NotConnected { cause: Cause::NotPaired }));
            return Ok(());
        }
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now) + self.codes.left(&self.shared.config);
        if left < LEAST {
            return Err(End::of(Cause::Restart));
        }
        let lifetime = left.min(LIFETIME);
        self.by_code.codes += 1;
        self.by_code.stage = Stage::Asking { early: None };
        let lifetime_millis = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
        let asking = Asking {
            nth: self.by_code.codes,
            asker: self.requests.asker(PATIENCE),
            secrets: Secrets { code: self.new_code(), ephemeral: KeyPair::generate(&mut *self.random) },
            number,
            noise: PrivateKey::from_bytes(self.mirror.device.noise_key).public_key(),
            client_type: self.shared.config.appearance.client_type,
            display: display(&self.shared.config.appearance),
            expires: (now + lifetime, self.shared.clock.unix_millis().saturating_add(lifetime_millis)),
            salt: self.drawn(),
            turns: self.shared.config.computing.codes.clone(),
        };
        self.by_code.flows.push(Box::pin(asking.run(reply)));
        Ok(())
    }

    fn new_code(&mut self) -> String {
        base32(self.drawn())
    }

    /// Random bytes.
    pub(super) fn drawn<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A phone has entered a code; which one only the keys will tell.
    pub(super) fn on_primary_hello(&mut self, node: &Node<'_>) {
        let Some(hello) = Hello::read(node) else {
            tracing::info!("the phone's part of a pairing by code is malformed");
            return;
        };
        match &mut self.by_code.stage {
            Stage::Asking { early } => *early = Some(Box::new(hello)),
            Stage::Shown(_) if matches!(self.step, Step::Showing) => self.finish(hello),
            _ => tracing::info!("a phone has entered a code, but none is shown"),
        }
    }

    fn finish(&mut self, hello: Hello) {
        let (salt, nonce, random) = (self.drawn(), self.drawn(), self.drawn());
        let Stage::Shown(shown) = &mut self.by_code.stage else { return };
        let now = Instant::now();
        if shown.reference != hello.reference || shown.expires <= now || shown.hellos >= MAX_HELLOS {
            tracing::info!("a phone has entered a code that is good no longer");
            return;
        }
        shown.hellos += 1;
        shown.success = Some(now + SUCCESS_TIMEOUT);
        let finishing = Finishing {
            secrets: shown.code.clone(),
            number: shown.number.clone(),
            identity: self.mirror.local.key.clone(),
            hello,
            salt,
            nonce,
            random,
        };
        let (nth, asker) = (self.by_code.codes, self.requests.asker(PATIENCE));
        let turns = self.shared.config.computing.codes.clone();
        self.by_code.flows.push(Box::pin(async move {
            FlowEnd::Finished { nth, outcome: finishing.run(&asker, turns).await }
        }));
    }

    pub(super) fn on_code_flow_end(&mut self, outcome: FlowEnd) {
        match outcome {
            FlowEnd::Accepted { nth, shown: Ok(accepted), reply } if nth == self.by_code.codes => {
                let Accepted { shown, told } = *accepted;
                let asked = std::mem::replace(&mut self.by_code.stage, Stage::Shown(Box::new(shown)));
                let _ = reply.send(Ok(told));
                if let Stage::Asking { early: Some(hello) } = asked {
                    self.finish(*hello);
                }
            }
            FlowEnd::Accepted { nth, shown, reply } => {
                if nth == self.by_code.codes {
                    self.by_code.stage = Stage::Idle;
                }
                let replaced = "another code was asked for meanwhile".to_owned();
                let _ = reply.send(Err(shown.err().unwrap_or(RequestError::Invalid(replaced))));
            }
            FlowEnd::Finished { nth, outcome: Err(error) } if nth == self.by_code.codes => {
                tracing::info!(%error, "the pairing by code could not be finished; the phone may try again");
                if let Stage::Shown(shown) = &mut self.by_code.stage {
                    shown.success = None;
                }
            }
            FlowEnd::Finished { .. } => {}
        }
    }
}

impl Hello {
    fn read(node: &Node<'_>) -> Option<Self> {
        let hello = node.get_child("link_code_companion_reg")?;
        let bytes = |name: &str| hello.get_child(name).and_then(Node::bytes);
        Some(Self {
            reference: bytes("link_code_pairing_ref")?.into_owned(),
            wrapped: (*bytes("link_code_pairing_wrapped_primary_ephemeral_pub")?).try_into().ok()?,
            identity: PublicKey::from_slice(&bytes("primary_identity_pub")?).ok()?,
        })
    }
}

/// The number's address, if it can be one: digits alone count.
fn international(number: &str) -> Option<Jid> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let fits = (SHORTEST_NUMBER..=LONGEST_NUMBER).contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| Jid::pn(&digits))
}

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod tests;
