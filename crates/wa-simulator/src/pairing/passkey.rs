//! Accounts that ask for a passkey before they take a companion (PROTOCOL.md 6.5).

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message as _;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use wa_crypto::{KeyPair, PublicKey, Secret, Signature, aead::Aes256Gcm, kdf, mac};
use wa_protobuf::companion::{
    CompanionEphemeralIdentity, EncryptedPairingRequest, PairingRequest, PrimaryEphemeralIdentity,
    ProloguePayload,
};

use super::{Approach, Waiting, code};
use crate::{ControlError, account::Account, world::World};

/// Whose passkeys they are.
const RELYING_PARTY: &str = "whatsapp.com";
/// Where a browser makes the assertion.
const ORIGIN: &str = "https://web.whatsapp.com";
/// How long a person may take for each step.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// Flags of an authenticator that saw the person and knows that it is them.
const PRESENT_AND_VERIFIED: u8 = 0x05;

/// What a client is asked for, and where its words go.
pub(crate) struct PasskeyDemand {
    /// WebAuthn's request, in JSON.
    pub(crate) options: String,
    challenge: [u8; 32],
    credential: PublicKey,
    /// Of the secret that was scanned: a client that proves it knows it is the one whose code it was.
    handoff: [u8; 32],
    /// Given out when the client asks for it.
    pub(crate) reference: String,
    steps: mpsc::Sender<Step>,
}

/// What the client says, as the phone gets it.
enum Step {
    Prologue(Vec<u8>),
    Nonce([u8; 32]),
    Request(Vec<u8>),
}

/// Why the server refuses a step.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(&'static str);

impl World {
    /// The phone has scanned, and goes on only with a passkey; resolves when the companion is linked.
    pub(crate) async fn link_by_passkey(
        &self,
        account: &Arc<Account>,
        waiting: &Waiting,
        scanned: &Secret<32>,
    ) -> Result<u16, ControlError> {
        let mut rng = self.fork_rng();
        let (demand, mut steps) = PasskeyDemand::new(account, scanned, &mut rng);
        let reference = demand.reference.clone();
        let gone = |_| ControlError::CompanionGone;
        waiting.approaches.send(Approach::Passkey(demand)).await.map_err(gone)?;
        let Step::Prologue(prologue) = next(&mut steps).await? else { return Err(wrong("its first word")) };
        let prologue = ProloguePayload::decode(&*prologue).map_err(|_| wrong("its prologue"))?;
        let (ephemeral, mut nonce) = (KeyPair::generate(&mut rng), [0; 32]);
        rng.fill_bytes(&mut nonce);
        let ours = PrimaryEphemeralIdentity {
            public_key: Some(ephemeral.public().as_bytes().to_vec().into()),
            nonce: Some(nonce.to_vec().into()),
        };
        waiting.approaches.send(Approach::Continuation(ours.encode_to_vec())).await.map_err(gone)?;
        let Step::Nonce(theirs) = next(&mut steps).await? else { return Err(wrong("its second word")) };
        let identity = prologue.companion_ephemeral_identity.unwrap_or_default();
        let commitment = prologue.commitment.and_then(|commitment| commitment.hash).unwrap_or_default();
        if mac::sha256(&[&identity, &theirs])[..] != commitment[..] {
            return Err(wrong("its nonce is not the one that it committed itself to"));
        }
        let digest = mac::sha256(&[&theirs, ephemeral.public().as_bytes()]);
        let shown: [u8; 5] = std::array::from_fn(|index| nonce[index] ^ digest[index]);
        account.directory().passkey_code = Some(code::base32(shown));
        let Step::Request(request) = next(&mut steps).await? else { return Err(wrong("its third word")) };
        account.directory().passkey_code = None;
        let secret = open(&request, &identity, &reference, &ephemeral, waiting)?;
        self.offer(account, waiting, &secret).await
    }
}

async fn next(steps: &mut mpsc::Receiver<Step>) -> Result<Step, ControlError> {
    timeout(PATIENCE, steps.recv()).await.ok().flatten().ok_or(ControlError::CompanionGone)
}

fn wrong(what: &str) -> ControlError {
    ControlError::CompanionWrong(what.to_owned())
}

/// The ADV secret in the client's last word.
fn open(
    request: &[u8],
    identity: &[u8],
    reference: &str,
    ephemeral: &KeyPair,
    waiting: &Waiting,
) -> Result<Secret<32>, ControlError> {
    let identity = CompanionEphemeralIdentity::decode(identity).map_err(|_| wrong("its identity"))?;
    if identity.r#ref.as_deref() != Some(reference) {
        return Err(wrong("its reference is another one"));
    }
    let theirs =
        PublicKey::from_slice(&identity.public_key.unwrap_or_default()).map_err(|_| wrong("its key"))?;
    let shared = ephemeral.private().agree(&theirs).map_err(|_| wrong("its key"))?;
    let kind = identity.device_type.unwrap_or_default();
    let salt = format!("Companion Pairing {kind} with ref {reference}");
    let key = kdf::hkdf(shared.expose(), salt.as_bytes(), b"Pairing Information Encryption Key");
    let sealed = EncryptedPairingRequest::decode(request).map_err(|_| wrong("its request"))?;
    let iv: [u8; 12] = (*sealed.iv.unwrap_or_default()).try_into().map_err(|_| wrong("its iv"))?;
    let mut plain = sealed.encrypted_payload.unwrap_or_default().to_vec();
    Aes256Gcm::new(&key).open(&iv, b"", &mut plain).map_err(|_| wrong("its request can't be decrypted"))?;
    let request = PairingRequest::decode(&*plain).map_err(|_| wrong("its request"))?;
    let registered = &waiting.registration;
    if request.companion_public_key.unwrap_or_default()[..] != registered.noise.as_bytes()[..]
        || request.companion_identity_key.unwrap_or_default()[..] != registered.identity.as_bytes()[..]
    {
        return Err(wrong("its keys are not those that it registered with"));
    }
    let secret: [u8; 32] =
        (*request.adv_secret.unwrap_or_default()).try_into().map_err(|_| wrong("its secret"))?;
    Ok(Secret::new(secret))
}

impl PasskeyDemand {
    fn new(account: &Account, scanned: &Secret<32>, rng: &mut ChaCha20Rng) -> (Self, mpsc::Receiver<Step>) {
        let (steps, said) = mpsc::channel(1);
        let (mut challenge, mut reference) = ([0; 32], [0; 24]);
        rng.fill_bytes(&mut challenge);
        rng.fill_bytes(&mut reference);
        let credential = *account.phone.keys().passkey().public();
        let options = json!({
            "challenge": URL_SAFE_NO_PAD.encode(challenge),
            "timeout": PATIENCE.as_millis() as u64,
            "rpId": RELYING_PARTY,
            "allowCredentials": [],
            "userVerification": "required",
            "extensions": {"uvm": true},
        });
        let demand = Self {
            options: options.to_string(),
            challenge,
            credential,
            handoff: kdf::hkdf(scanned.expose(), &[], b"shortcake-passkey-handoff-v1"),
            reference: format!("2@{}", URL_SAFE_NO_PAD.encode(reference)),
            steps,
        };
        (demand, said)
    }

    /// The client's first word, with the person's assertion.
    pub(crate) fn prologue(
        &self,
        credential: &[u8],
        assertion: &[u8],
        payload: Vec<u8>,
        proof: Option<&[u8]>,
    ) -> Result<(), Refused> {
        self.check(credential, assertion)?;
        if let Some(proof) = proof {
            mac::verify_hmac_sha256(&self.handoff, &[&payload], proof)
                .map_err(|_| Refused("it doesn't know the secret of the scanned code"))?;
        }
        self.say(Step::Prologue(payload))
    }

    pub(crate) fn nonce(&self, nonce: &[u8]) -> Result<(), Refused> {
        let nonce = nonce.try_into().map_err(|_| Refused("a nonce has 32 bytes"))?;
        self.say(Step::Nonce(nonce))
    }

    pub(crate) fn request(&self, request: Vec<u8>) -> Result<(), Refused> {
        self.say(Step::Request(request))
    }

    fn say(&self, step: Step) -> Result<(), Refused> {
        self.steps.try_send(step).map_err(|_| Refused("the phone waits for nothing"))
    }

    /// Checks an assertion as WebAuthn's relying parties do.
    fn check(&self, credential: &[u8], assertion: &[u8]) -> Result<(), Refused> {
        let malformed = || Refused("the assertion is malformed");
        let assertion: Value = serde_json::from_slice(assertion).map_err(|_| malformed())?;
        let bytes = |value: &Value| -> Option<Vec<u8>> { URL_SAFE_NO_PAD.decode(value.as_str()?).ok() };
        let response = &assertion["response"];
        let raw_id = bytes(&assertion["rawId"]).ok_or_else(malformed)?;
        let client = bytes(&response["clientDataJSON"]).ok_or_else(malformed)?;
        let authenticator = bytes(&response["authenticatorData"]).ok_or_else(malformed)?;
        let signature = bytes(&response["signature"]).ok_or_else(malformed)?;
        if assertion["type"] != "public-key"
            || raw_id != credential
            || raw_id != credential_id(&self.credential)
        {
            return Err(Refused("the assertion is of another credential"));
        }
        let told: Value = serde_json::from_slice(&client).map_err(|_| malformed())?;
        if told["type"] != "webauthn.get" || told["origin"] != ORIGIN {
            return Err(Refused("the assertion was made somewhere else"));
        }
        if bytes(&told["challenge"]).as_deref() != Some(&self.challenge) {
            return Err(Refused("the assertion answers another challenge"));
        }
        let party = mac::sha256(&[RELYING_PARTY.as_bytes()]);
        let flags = authenticator.get(32).copied().unwrap_or_default();
        if !authenticator.starts_with(&party) || flags & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED {
            return Err(Refused("nobody was seen by the authenticator"));
        }
        let signature = Signature::from_slice(&signature).map_err(|_| malformed())?;
        let signed: [&[u8]; 2] = [&authenticator, &mac::sha256(&[&client])];
        self.credential.verify(&signed, &signature).map_err(|_| Refused("the assertion is not signed"))
    }
}

/// What the person's authenticator answers to WebAuthn's request, in JSON. The real ones sign with ECDSA or Ed25519, which
/// makes no difference to a companion.
pub(crate) fn assertion(key: &KeyPair, options: &str, rng: &mut ChaCha20Rng) -> Option<Value> {
    let options: Value = serde_json::from_str(options).ok()?;
    let challenge = options["challenge"].as_str()?;
    let client = json!({"type": "webauthn.get", "challenge": challenge, "origin": ORIGIN}).to_string();
    let party = mac::sha256(&[options["rpId"].as_str()?.as_bytes()]);
    let authenticator = [party.as_slice(), &[PRESENT_AND_VERIFIED], &1_u32.to_be_bytes()].concat();
    let signature = key.private().sign(&[&authenticator, &mac::sha256(&[client.as_bytes()])], rng);
    let id = URL_SAFE_NO_PAD.encode(credential_id(key.public()));
    Some(json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(authenticator),
            "signature": URL_SAFE_NO_PAD.encode(signature.as_bytes()),
            "userHandle": null,
        },
    }))
}

fn credential_id(key: &PublicKey) -> [u8; 32] {
    mac::sha256(&[key.as_bytes()])
}
