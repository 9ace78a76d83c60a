//! Linking to an account that asks for a passkey (PROTOCOL.md 6.5).

use std::pin::Pin;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prost::Message;
use tokio::time::Instant;
use wa_binary::Node;
use wa_crypto::aead::Aes256Gcm;
use wa_crypto::{KeyPair, PrivateKey, PublicKey, kdf, mac};
use wa_protobuf::companion::{
    CompanionCommitment, CompanionEphemeralIdentity, EncryptedPairingRequest, PairingRequest,
    PrimaryEphemeralIdentity, ProloguePayload,
};

use super::code::base32;
use super::{Pairing, Step};
use crate::command::Reply;
use crate::event::{PasskeyAssertion, PasskeyStep};
use crate::iq;
use crate::request::RequestError;
use crate::requests::Asker;
use crate::state::State;

/// How long a person may take from the request to the end.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the secret that was scanned proves that this is the companion whose code it was.
const HANDOFF: Duration = Duration::from_secs(300);
/// Longest request of WebAuthn that is passed on, in bytes.
const MAX_OPTIONS: usize = 16 << 10;

/// The pairing with a passkey of one connection.
#[derive(Default)]
pub(super) struct ByPasskey {
    flows: FuturesUnordered<Flow>,
    attempt: Option<Attempt>,
    /// How many times a passkey was asked for: what belongs to an earlier time is void.
    nth: u32,
}

type Flow = Pin<Box<dyn Future<Output = FlowEnd> + Send>>;

/// From the request for a passkey on.
struct Attempt {
    /// WebAuthn's request.
    options: String,
    /// Proves the hand-off, until then.
    handoff: ([u8; 32], Instant),
    stage: Stage,
}

enum Stage {
    /// A person is to answer.
    Asked,
    /// The answer is on its way to the server. The phone may be faster than its reply.
    Opening { early: Option<PrimaryEphemeralIdentity> },
    /// The phone is to answer.
    Open(Box<Introduction>),
    /// The phone has answered, and is being answered.
    Continuing,
    /// A person is to compare.
    Compared(Box<Agreed>),
    /// What the phone needs is on its way, or there: pair-success follows.
    Confirmed,
}

/// What was told to the phone of this companion's ephemeral identity, and what was not.
pub(super) struct Introduction {
    ephemeral: KeyPair,
    nonce: [u8; 32],
    reference: String,
    device_type: i32,
    is_proven: bool,
}

/// What both sides have agreed on.
pub(super) struct Agreed {
    key: [u8; 32],
    code: String,
    is_proven: bool,
}

/// How a flow ended.
pub(super) enum FlowEnd {
    Options { nth: u32, options: Result<String, RequestError> },
    Opened { nth: u32, introduction: Result<Box<Introduction>, RequestError>, reply: Reply<()> },
    Agreed { nth: u32, agreed: Result<Box<Agreed>, RequestError> },
    Confirmed { nth: u32, outcome: Result<(), RequestError>, reply: Reply<()> },
}

impl ByPasskey {
    /// The next flow that ends; waits forever while there is none.
    pub(super) async fn next(&mut self) -> FlowEnd {
        match self.flows.next().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    /// Whether a passkey was asked for: then codes are of no use any more.
    pub(super) fn is_under_way(&self) -> bool {
        self.attempt.is_some()
    }
}

impl Pairing<'_> {
    /// The server asks for a passkey. The secret of the code that was scanned is used up: there will be a new one.
    pub(super) fn on_passkey_wanted(&mut self, node: &Node<'_>) {
        if !matches!(self.step, Step::Showing) {
            return;
        }
        let handoff = kdf::hkdf(&self.mirror.device.adv_secret, &[], b"shortcake-passkey-handoff-v1");
        self.passkey.nth += 1;
        self.passkey.attempt = Some(Attempt {
            options: String::new(),
            handoff: (handoff, Instant::now() + HANDOFF),
            stage: Stage::Asked,
        });
        self.deadline = Instant::now() + PATIENCE;
        match options_in(node) {
            Some(options) => self.ask_for_passkey(options),
            None => {
                let (nth, asker) = (self.passkey.nth, self.requests.asker(ANSWER));
                self.passkey.flows.push(Box::pin(async move {
                    let answer = asker.ask(iq::get("md").child(Node::new("passkey_request_options"))).await;
                    let malformed =
                        || RequestError::Malformed("there is no request for a passkey".to_owned());
                    let options = answer.and_then(|answer| options_in(&answer).ok_or_else(malformed));
                    FlowEnd::Options { nth, options }
                }));
            }
        }
    }

    fn ask_for_passkey(&mut self, options: String) {
        let Some(attempt) = &mut self.passkey.attempt else { return };
        attempt.options.clone_from(&options);
        attempt.stage = Stage::Asked;
        self.embedder.set_state(State::Passkey(PasskeyStep::Asked { options }));
    }

    /// A person has answered.
    pub(super) fn on_passkey(&mut self, assertion: PasskeyAssertion, reply: Reply<()>) {
        let device_type = self.shared.config.appearance.platform.into();
        let (ephemeral, nonce) = (KeyPair::generate(&mut *self.random), self.drawn());
        let Some(attempt) = self
            .passkey
            .attempt
            .as_mut()
            .filter(|attempt| matches!(attempt.stage, Stage::Asked) && !attempt.options.is_empty())
        else {
            let _ = reply.send(Err(RequestError::Invalid("no passkey is asked for".to_owned())));
            return;
        };
        attempt.stage = Stage::Opening { early: None };
        let (handoff, until) = attempt.handoff;
        let handoff = (until > Instant::now()).then_some(handoff);
        let introduction = Introduction {
            ephemeral,
            nonce,
            reference: String::new(),
            device_type,
            is_proven: handoff.is_some(),
        };
        let (nth, asker) = (self.passkey.nth, self.requests.asker(ANSWER));
        self.embedder.set_state(State::Passkey(PasskeyStep::Answered));
        self.passkey.flows.push(Box::pin(async move {
            let introduction = introduction.open(&asker, &assertion, handoff).await.map(Box::new);
            FlowEnd::Opened { nth, introduction, reply }
        }));
    }

    /// The phone's part.
    pub(super) fn on_continuation(&mut self, node: &Node<'_>) {
        let identity = node.get_child("primary_ephemeral_identity").and_then(Node::bytes);
        let identity = identity.and_then(|bytes| PrimaryEphemeralIdentity::decode(&*bytes).ok());
        let stage = self.passkey.attempt.as_mut().map(|attempt| &mut attempt.stage);
        match (stage, identity) {
            (Some(Stage::Opening { early }), Some(identity)) => *early = Some(identity),
            (Some(stage @ Stage::Open(_)), Some(identity)) => {
                if let Stage::Open(introduction) = std::mem::replace(stage, Stage::Continuing) {
                    self.continue_with(*introduction, identity);
                }
            }
            _ => tracing::info!("the phone's part of a pairing with a passkey is malformed, or not awaited"),
        }
    }

    fn continue_with(&mut self, introduction: Introduction, identity: PrimaryEphemeralIdentity) {
        let (nth, asker) = (self.passkey.nth, self.requests.asker(ANSWER));
        self.passkey.flows.push(Box::pin(async move {
            FlowEnd::Agreed { nth, agreed: introduction.agree(&asker, &identity).await.map(Box::new) }
        }));
    }

    /// A person has compared, and says that this is their phone.
    pub(super) fn on_confirmation(&mut self, reply: Reply<()>) {
        let (secret, iv) = (self.drawn(), self.drawn());
        let stage = self.passkey.attempt.as_mut().map(|attempt| &mut attempt.stage);
        let Some(stage @ Stage::Compared(_)) = stage else {
            let _ = reply.send(Err(RequestError::Invalid("there is nothing to confirm".to_owned())));
            return;
        };
        let Stage::Compared(agreed) = std::mem::replace(stage, Stage::Confirmed) else { return };
        let device = &self.mirror.device;
        let public = |private| PrivateKey::from_bytes(private).public_key();
        let request = PairingRequest {
            companion_public_key: Some(public(device.noise_key).as_bytes().to_vec().into()),
            companion_identity_key: Some(public(device.identity_key).as_bytes().to_vec().into()),
            adv_secret: Some(secret.to_vec().into()),
        };
        let (nth, asker) = (self.passkey.nth, self.requests.asker(ANSWER));
        self.embedder.set_state(State::Passkey(PasskeyStep::Confirmed));
        self.passkey.flows.push(Box::pin(async move {
            let outcome = agreed.hand_over(&asker, &request, secret, iv).await;
            FlowEnd::Confirmed { nth, outcome, reply }
        }));
    }

    pub(super) fn on_passkey_flow_end(&mut self, outcome: FlowEnd) {
        match outcome {
            FlowEnd::Options { nth, options } if nth == self.passkey.nth => match options {
                Ok(options) => self.ask_for_passkey(options),
                Err(error) => {
                    tracing::warn!(%error, "a passkey is asked for, but not how");
                    self.deadline = Instant::now();
                }
            },
            FlowEnd::Opened { nth, introduction, reply } => {
                let outcome = match introduction {
                    Ok(introduction) if nth == self.passkey.nth => {
                        self.opened(introduction);
                        Ok(())
                    }
                    Ok(_) => Err(RequestError::Invalid("another passkey is asked for by now".to_owned())),
                    Err(error) => {
                        self.ask_again(nth);
                        Err(error)
                    }
                };
                let _ = reply.send(outcome);
            }
            FlowEnd::Agreed { nth, agreed: Ok(agreed) } if nth == self.passkey.nth => {
                let step = PasskeyStep::Compare { code: agreed.code.clone(), is_optional: agreed.is_proven };
                if let Some(attempt) = &mut self.passkey.attempt {
                    attempt.stage = Stage::Compared(agreed);
                    self.embedder.set_state(State::Passkey(step));
                }
            }
            FlowEnd::Agreed { nth, agreed: Err(error) } => {
                tracing::warn!(%error, "the phone's part of a pairing with a passkey is no use");
                self.ask_again(nth);
            }
            FlowEnd::Confirmed { nth, outcome, reply } => {
                if outcome.is_err() {
                    self.ask_again(nth);
                }
                let _ = reply.send(outcome);
            }
            FlowEnd::Options { .. } | FlowEnd::Agreed { .. } => {}
        }
    }

    fn opened(&mut self, introduction: Box<Introduction>) {
        let Some(attempt) = &mut self.passkey.attempt else { return };
        let before = std::mem::replace(&mut attempt.stage, Stage::Continuing);
        match before {
            Stage::Opening { early: Some(identity) } => self.continue_with(*introduction, identity),
            _ => attempt.stage = Stage::Open(introduction),
        }
    }

    /// It failed: the person may try again.
    fn ask_again(&mut self, nth: u32) {
        if nth == self.passkey.nth
            && let Some(attempt) = &self.passkey.attempt
        {
            self.ask_for_passkey(attempt.options.clone());
        }
    }
}

impl Introduction {
    /// Shows the assertion, and commits itself to what it will tell the phone.
    async fn open(
        mut self,
        asker: &Asker,
        assertion: &PasskeyAssertion,
        handoff: Option<[u8; 32]>,
    ) -> Result<Self, RequestError> {
        let answer = asker.ask(iq::get("md").child(Node::new("ref"))).await?;
        let reference = answer.require_child("ref")?.require_bytes()?.into_owned();
        let malformed = |_| RequestError::Malformed("the reference is no text".to_owned());
        self.reference = String::from_utf8(reference).map_err(malformed)?;
        let identity = CompanionEphemeralIdentity {
            public_key: Some(self.ephemeral.public().as_bytes().to_vec().into()),
            device_type: Some(self.device_type),
            r#ref: Some(self.reference.clone()),
        };
        let identity = identity.encode_to_vec();
        let hash = mac::sha256(&[&identity, &self.nonce]);
        let payload = ProloguePayload {
            companion_ephemeral_identity: Some(identity.into()),
            commitment: Some(CompanionCommitment { hash: Some(hash.to_vec().into()) }),
        };
        let payload = payload.encode_to_vec();
        let proof = handoff.map(|key| {
            let proof = mac::hmac_sha256(&key, &[&payload]);
            Node::new("pairing_handoff_proof").with_bytes(proof.to_vec())
        });
        let prologue = Node::new("passkey_prologue")
            .child(Node::new("credential_id").with_bytes(assertion.credential_id.clone()))
            .child(Node::new("webauthn_assertion").with_bytes(json(assertion).into_bytes()))
            .child(Node::new("prologue_payload").with_bytes(payload))
            .with_children(proof);
        asker.ask(iq::set("md").child(prologue)).await?;
        Ok(self)
    }

    /// Tells the phone the nonce, once the phone has told its own.
    async fn agree(self, asker: &Asker, primary: &PrimaryEphemeralIdentity) -> Result<Agreed, RequestError> {
        let malformed = || RequestError::Malformed("the phone's ephemeral identity".to_owned());
        let theirs = PublicKey::from_slice(primary.public_key()).map_err(|_| malformed())?;
        let nonce: [u8; 32] = primary.nonce().try_into().map_err(|_| malformed())?;
        let shared = self.ephemeral.private().agree(&theirs).map_err(|_| malformed())?;
        let told = Node::new("companion_nonce").with_bytes(self.nonce.to_vec());
        asker.ask(iq::set("md").child(told)).await?;
        let salt = format!("Companion Pairing {} with ref {}", self.device_type, self.reference);
        let key = kdf::hkdf(shared.expose(), salt.as_bytes(), b"Pairing Information Encryption Key");
        Ok(Agreed { key, code: shown(&self.nonce, &theirs, &nonce), is_proven: self.is_proven })
    }
}

impl Agreed {
    /// The secret first: pair-success may come before the server's answer.
    async fn hand_over(
        self: Box<Self>,
        asker: &Asker,
        request: &PairingRequest,
        secret: [u8; 32],
        iv: [u8; 12],
    ) -> Result<(), RequestError> {
        let mut sealed = request.encode_to_vec();
        Aes256Gcm::new(&self.key).seal(&iv, b"", &mut sealed);
        let sealed =
            EncryptedPairingRequest { encrypted_payload: Some(sealed.into()), iv: Some(iv.to_vec().into()) };
        asker.change(move |mirror| mirror.device.adv_secret = secret).await?;
        let last = Node::new("encrypted_pairing_request").with_bytes(sealed.encode_to_vec());
        asker.ask(iq::set("md").child(last)).await.map(drop)
    }
}

/// An assertion as browsers write it. Base64url holds nothing that JSON would escape.
fn json(assertion: &PasskeyAssertion) -> String {
    let text = |bytes: &[u8]| format!("\"{}\"", URL_SAFE_NO_PAD.encode(bytes));
    let id = text(&assertion.credential_id);
    format!(
        r#"{{"id":{id},"rawId":{id},"type":"public-key","response":{{"clientDataJSON":{},"authenticatorData":{},"signature":{},"userHandle":{}}}}}"#,
        text(&assertion.client_data_json),
        text(&assertion.authenticator_data),
        text(&assertion.signature),
        assertion.user_handle.as_deref().map_or_else(|| "null".to_owned(), text),
    )
}

/// WebAuthn's request in a stanza. Only that it is an object is looked at: it is for browsers to read.
fn options_in(node: &Node<'_>) -> Option<String> {
    let options = node.get_child("passkey_request_options")?;
    let bytes = match options.bytes() {
        Some(bytes) => bytes.into_owned(),
        None => options.content_text()?.as_bytes().to_vec(),
    };
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_OPTIONS)?;
    let object = text.trim();
    (object.starts_with('{') && object.ends_with('}')).then(|| object.to_owned())
}

/// The code that people compare.
fn shown(own_nonce: &[u8; 32], theirs: &PublicKey, nonce: &[u8; 32]) -> String {
    let digest = mac::sha256(&[own_nonce, theirs.as_bytes()]);
    let mut bytes = [0; 5];
    for (byte, (one, other)) in bytes.iter_mut().zip(nonce.iter().zip(&digest)) {
        *byte = one ^ other;
    }
    let code = base32(bytes);
    let (first, second) = code.split_at(4);
    format!("{first}-{second}")
}
