//! One device, driven by commands in JSON: `examples/peer.rs` lets another implementation talk to it
//! while a transcript is recorded, `tests/transcripts.rs` replays the transcript.

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use wa_crypto::{KeyPair, PublicKey, Signature};
use wa_signal::{
    Bundle, LocalIdentity, PreKey, PreKeyMessage, Session, SignedPreKey, sender_key::SenderKeyRecord,
};

type Tried<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) struct Peer {
    rng: ChaCha20Rng,
    local: LocalIdentity,
    signed: SignedPreKey,
    prekeys: Vec<PreKey>,
    session: Option<Session>,
    sender_key: SenderKeyRecord,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(2026);
        let local = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: 0x8765_4321 };
        let signed = SignedPreKey::generate(&local, 3, &mut rng);
        let prekeys = PreKey::generate(1, 4, &mut rng);
        Self { rng, local, signed, prekeys, session: None, sender_key: SenderKeyRecord::empty() }
    }

    /// Carries out one command; a failure becomes `{"error": …}`.
    pub(crate) fn answer(&mut self, command: &Value) -> Value {
        self.carry_out(command).unwrap_or_else(|error| json!({ "error": error.to_string() }))
    }

    fn carry_out(&mut self, command: &Value) -> Tried<Value> {
        match text(command, "do")? {
            "publish" => Ok(self.publish()),
            "initiate" => self.initiate(command),
            "encrypt" => self.encrypt(&bytes(command, "text")?),
            "decrypt" => self.decrypt(text(command, "kind")?, &bytes(command, "bytes")?),
            "reload" => self.reload(number(command, "lease")?),
            "create" => self.create(),
            "distribute" => Ok(json!({ "bytes": hex::encode(self.sender_key.distribute()?) })),
            "process" => Ok(json!(self.sender_key.process(&bytes(command, "bytes")?)?)),
            "encrypt for group" => {
                let message = self.sender_key.encrypt(&bytes(command, "text")?, &mut self.rng)?;
                Ok(json!({ "bytes": hex::encode(message) }))
            }
            "decrypt from group" => {
                let text = self.sender_key.decrypt(&bytes(command, "bytes")?)?;
                Ok(json!({ "text": hex::encode(text) }))
            }
            other => Err(format!("unknown command {other}").into()),
        }
    }

    fn publish(&self) -> Value {
        let prekeys = self.prekeys.iter();
        let prekeys = prekeys.map(|prekey| json!({ "id": prekey.id, "key": public(&prekey.key) }));
        json!({
            "registrationId": self.local.registration_id,
            "identity": public(&self.local.key),
            "signedPreKey": {
                "id": self.signed.id,
                "key": public(&self.signed.key),
                "signature": hex::encode(self.signed.signature.as_bytes()),
            },
            "preKeys": prekeys.collect::<Vec<_>>(),
        })
    }

    fn initiate(&mut self, bundle: &Value) -> Tried<Value> {
        let signed = &bundle["signedPreKey"];
        let prekey = match &bundle["preKey"] {
            Value::Null => None,
            prekey => Some((number(prekey, "id")?, key(prekey, "key")?)),
        };
        let bundle = Bundle {
            registration_id: number(bundle, "registrationId")?,
            identity: key(bundle, "identity")?,
            signed_prekey_id: number(signed, "id")?,
            signed_prekey: key(signed, "key")?,
            signed_prekey_signature: Signature::from_slice(&bytes(signed, "signature")?)?,
            prekey,
        };
        let previous = self.session.take();
        self.session = Some(Session::initiate(&self.local, &bundle, previous, &mut self.rng)?);
        Ok(Value::Null)
    }

    fn encrypt(&mut self, text: &[u8]) -> Tried<Value> {
        let session = self.session.as_mut().ok_or("no session")?;
        let message = session.encrypt(&self.local, text)?;
        Ok(json!({ "kind": message.kind.as_str(), "bytes": hex::encode(message.bytes) }))
    }

    fn decrypt(&mut self, kind: &str, message: &[u8]) -> Tried<Value> {
        let text = match kind {
            "pkmsg" => self.accept(message)?,
            _ => {
                let session = self.session.as_mut().ok_or("no session")?;
                session.decrypt(&self.local, message, &mut self.rng)?
            }
        };
        Ok(json!({ "text": hex::encode(text) }))
    }

    fn accept(&mut self, message: &[u8]) -> Tried<Vec<u8>> {
        let message = PreKeyMessage::parse(message)?;
        let prekey = self.prekeys.iter().find(|prekey| Some(prekey.id) == message.prekey_id);
        let (session, text, accepted) = Session::accept(
            self.session.as_ref(),
            &self.local,
            &self.signed.key,
            prekey.map(|prekey| &prekey.key),
            &message,
            &mut self.rng,
        )?;
        self.session = Some(session);
        self.prekeys.retain(|prekey| Some(prekey.id) != accepted.used_prekey);
        Ok(text)
    }

    /// Stores both records and goes on with what was stored.
    fn reload(&mut self, lease: u32) -> Tried<Value> {
        if let Some(session) = &mut self.session {
            self.session = Some(Session::from_record(&session.to_record(lease))?);
        }
        self.sender_key = SenderKeyRecord::from_record(&self.sender_key.to_record(lease))?;
        Ok(Value::Null)
    }

    fn create(&mut self) -> Tried<Value> {
        self.sender_key = SenderKeyRecord::create(&mut self.rng);
        Ok(Value::Null)
    }
}

fn public(key: &KeyPair) -> String {
    hex::encode(key.public().to_signal())
}

fn text<'a>(value: &'a Value, name: &str) -> Tried<&'a str> {
    value[name].as_str().ok_or_else(|| format!("no {name}").into())
}

fn number(value: &Value, name: &str) -> Tried<u32> {
    Ok(u32::try_from(value[name].as_u64().ok_or_else(|| format!("no {name}"))?)?)
}

fn bytes(value: &Value, name: &str) -> Tried<Vec<u8>> {
    Ok(hex::decode(text(value, name)?)?)
}

fn key(value: &Value, name: &str) -> Tried<PublicKey> {
    Ok(PublicKey::from_signal(&bytes(value, name)?)?)
}
