//! Linking by a code that the companion shows and the phone enters (PROTOCOL.md 6.3).

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use wa_binary::{Jid, Node};
use wa_crypto::aead::Aes256Gcm;
use wa_crypto::{KeyPair, PrivateKey, PublicKey, ctr, kdf};

use super::{Pairing, Step};
use crate::cause::Cause;
use crate::command::Reply;
use crate::config::Appearance;
use crate::end::End;
use crate::event::PairingCode;
use crate::iq;
use crate::request::RequestError;
use crate::requests::Asker;

/// The characters of a code, each worth five bits.
const ALPHABET: &[u8; 32] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";
/// Rounds of PBKDF2 between the code and a key.
const ROUNDS: u32 = 131_072;
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
/// A wrapped key: salt, IV, and the key under the code.
type Wrapped = [u8; 80];

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
        self.by_code
            .flows
            .push(Box::pin(async move { FlowEnd::Finished { nth, outcome: finishing.run(&asker).await } }));
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

/// What it takes to ask for a code.
struct Asking {
    nth: u32,
    asker: Asker,
    secrets: Secrets,
    number: Jid,
    noise: PublicKey,
    client_type: char,
    display: String,
    /// For the driver and for the embedder.
    expires: (Instant, i64),
    /// Salt and IV of the wrapped key.
    salt: [u8; 48],
}

impl Asking {
    async fn run(self, reply: Reply<PairingCode>) -> FlowEnd {
        let nth = self.nth;
        FlowEnd::Accepted { nth, shown: self.ask().await.map(Box::new), reply }
    }

    async fn ask(self) -> Result<Accepted, RequestError> {
        let (code, key) = (self.secrets.code.clone(), *self.secrets.ephemeral.public());
        let salt = self.salt;
        let wrapped = blocking(move || wrap(&code, salt, &key)).await?;
        let answer = self.asker.ask(self.hello(&wrapped)).await?;
        let reference = answer
            .require_child("link_code_companion_reg")?
            .require_child("link_code_pairing_ref")?
            .require_bytes()?
            .into_owned();
        let (expires, expires_at) = self.expires;
        let (first, second) = self.secrets.code.split_at(4);
        let told = PairingCode { code: format!("{first}-{second}"), expires_at };
        let Self { secrets: code, number, .. } = self;
        let shown = Shown { code, number, reference, expires, hellos: 0, success: None };
        Ok(Accepted { shown, told })
    }

    fn hello(&self, wrapped: &Wrapped) -> Node<'static> {
        let part = |name: &'static str, bytes: Vec<u8>| Node::new(name).with_bytes(bytes);
        let hello = Node::new("link_code_companion_reg")
            .attr("jid", self.number.clone())
            .attr("stage", "companion_hello")
            .attr("should_show_push_notification", "true")
            .child(part("link_code_pairing_wrapped_companion_ephemeral_pub", wrapped.to_vec()))
            .child(part("companion_server_auth_key_pub", self.noise.as_bytes().to_vec()))
            .child(part("companion_platform_id", self.client_type.to_string().into_bytes()))
            .child(part("companion_platform_display", self.display.clone().into_bytes()))
            .child(part("link_code_pairing_nonce", vec![0]));
        iq::set("md").child(hello)
    }
}

/// What it takes to answer a phone that has entered the code.
struct Finishing {
    secrets: Secrets,
    number: Jid,
    identity: KeyPair,
    hello: Hello,
    salt: [u8; 32],
    nonce: [u8; 12],
    random: [u8; 32],
}

impl Finishing {
    /// The secret first: pair-success may come before the server's answer.
    async fn run(self, asker: &Asker) -> Result<(), RequestError> {
        let (secret, finish) = blocking(move || self.derive()).await??;
        asker.change(move |mirror| mirror.device.adv_secret = secret).await?;
        asker.ask(iq::set("md").child(finish)).await.map(drop)
    }

    /// The ADV secret, and the companion's last word.
    fn derive(&self) -> Result<([u8; 32], Node<'static>), RequestError> {
        let unusable = |_| RequestError::Malformed("the phone's key is none".to_owned());
        let primary = PublicKey::from_bytes(crypt(&self.secrets.code, &self.hello.wrapped));
        let shared = self.secrets.ephemeral.private().agree(&primary).map_err(unusable)?;
        let identities = self.identity.private().agree(&self.hello.identity).map_err(unusable)?;
        let own = self.identity.public().as_bytes();
        let mut sealed = [own.as_slice(), self.hello.identity.as_bytes(), &self.random].concat();
        let key = kdf::hkdf(shared.expose(), &self.salt, b"link_code_pairing_key_bundle_encryption_key");
        Aes256Gcm::new(&key).seal(&self.nonce, b"", &mut sealed);
        let bundle = [self.salt.as_slice(), &self.nonce, &sealed].concat();
        let secret = [shared.expose().as_slice(), identities.expose(), &self.random].concat();
        let finish = Node::new("link_code_companion_reg")
            .attr("jid", self.number.clone())
            .attr("stage", "companion_finish")
            .child(Node::new("link_code_pairing_wrapped_key_bundle").with_bytes(bundle))
            .child(Node::new("companion_identity_public").with_bytes(own.to_vec()))
            .child(Node::new("link_code_pairing_ref").with_bytes(self.hello.reference.clone()));
        Ok((kdf::hkdf(&secret, &[], b"adv_secret"), finish))
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

/// Runs work of a tenth of a second on a thread for such work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RequestError> {
    spawn_blocking(work).await.map_err(|_| RequestError::Stopped)
}

/// The number's address, if it can be one: digits alone count.
fn international(number: &str) -> Option<Jid> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let fits = (SHORTEST_NUMBER..=LONGEST_NUMBER).contains(&digits.len()) && !digits.starts_with('0');
    fits.then(|| Jid::pn(&digits))
}

/// Five bytes as eight characters, the highest bits first.
pub(super) fn base32(bytes: [u8; 5]) -> String {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digits = (0..8).rev().map(|digit| usize::try_from(bits >> (5 * digit) & 31).unwrap_or(0));
    digits.filter_map(|digit| ALPHABET.get(digit)).map(|character| char::from(*character)).collect()
}

/// Encrypts a key with the code, behind salt and IV.
fn wrap(code: &str, salt: [u8; 48], key: &PublicKey) -> Wrapped {
    let mut wrapped = [0; 80];
    wrapped[..48].copy_from_slice(&salt);
    wrapped[48..].copy_from_slice(key.as_bytes());
    let encrypted = crypt(code, &wrapped);
    wrapped[48..].copy_from_slice(&encrypted);
    wrapped
}

/// Encrypts or decrypts the key in its wrapping.
fn crypt(code: &str, wrapped: &Wrapped) -> [u8; 32] {
    let (mut iv, mut key) = ([0; 16], [0; 32]);
    iv.copy_from_slice(&wrapped[32..48]);
    key.copy_from_slice(&wrapped[48..]);
    ctr::apply(&kdf::pbkdf2_sha256(code.as_bytes(), &wrapped[..32], ROUNDS), &iv, &mut key);
    key
}

/// `Browser (OS)`, of names that the server knows: it refuses any other.
fn display(appearance: &Appearance) -> String {
    let browser = match appearance.client_type {
        '2' => "Edge",
        '3' => "Firefox",
        '4' => "IE",
        '5' => "Opera",
        '6' => "Safari",
        _ => "Chrome",
    };
    let os = appearance.os.to_ascii_lowercase();
    let os = match () {
        () if os.contains("windows") => "Windows",
        () if os.contains("mac os") || os.contains("macos") => "Mac OS",
        () if os.contains("android") => "Android",
        () => "Linux",
    };
    format!("{browser} ({os})")
}

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod tests;
