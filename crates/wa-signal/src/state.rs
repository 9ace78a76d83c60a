//! One double ratchet: what a session has with one base key.

use rand_core::CryptoRng;
use wa_crypto::{AgreementError, KeyPair, PublicKey, Secret, kdf};
use zeroize::Zeroizing;

use crate::{
    Bundle, LocalIdentity,
    chain::{Chain, Exhausted, Inbound, NoKey, Outbound, Step},
    message_keys::{MessageKeys, array},
    session::DecryptError,
    wire::{PreKeyMessage, SignalMessage, encode_message},
    x3dh,
};

/// How many receiving chains a state keeps for late messages; the oldest go first.
pub const MAX_RECEIVE_CHAINS: usize = 5;

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) remote_identity: PublicKey,
    pub(crate) remote_registration_id: u32,
    /// Of the side that started the session: names the state.
    pub(crate) base_key: PublicKey,
    pub(crate) root: Secret<32>,
    pub(crate) ratchet: KeyPair,
    pub(crate) send: Outbound,
    /// Last counter of the sending chain before this one.
    pub(crate) previous_counter: u32,
    /// Oldest first.
    pub(crate) receive: Vec<ReceiveChain>,
    pub(crate) unanswered: Option<Unanswered>,
}

/// A chain of the other side, named by its ratchet key.
#[derive(Clone)]
pub(crate) struct ReceiveChain {
    pub(crate) ratchet_key: PublicKey,
    pub(crate) inbound: Inbound,
}

/// Which of the other side's prekeys opened the session. Each message repeats it until the other
/// side has answered.
#[derive(Clone, Copy)]
pub(crate) struct Unanswered {
    pub(crate) prekey_id: Option<u32>,
    pub(crate) signed_prekey_id: u32,
}

/// A genuine message: its plaintext, and what it changes once the state takes it.
pub(crate) struct Opened {
    pub(crate) plaintext: Vec<u8>,
    pub(crate) change: Change,
}

pub(crate) enum Change {
    /// The message is of a chain the state knows.
    Chain { index: usize, step: Step },
    /// The message starts a chain of the other side, so a new one of ours starts too.
    Ratchet(Box<Ratchet>),
}

pub(crate) struct Ratchet {
    root: Secret<32>,
    own: KeyPair,
    send: Secret<32>,
    receive: ReceiveChain,
}

impl State {
    /// Starts a session with the device the bundle is of.
    pub(crate) fn initiate(
        local: &LocalIdentity,
        bundle: &Bundle,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, AgreementError> {
        let base = KeyPair::generate(rng);
        let root = x3dh::initiate(local, &base, bundle)?;
        let ratchet = KeyPair::generate(rng);
        let (root, send) = step_root(&root, &ratchet, &bundle.signed_prekey)?;
        Ok(Self {
            remote_identity: bundle.identity,
            remote_registration_id: bundle.registration_id,
            base_key: *base.public(),
            root,
            ratchet,
            send: Outbound::new(send),
            previous_counter: 0,
            receive: Vec::new(),
            unanswered: Some(Unanswered {
                prekey_id: bundle.prekey.map(|(id, _)| id),
                signed_prekey_id: bundle.signed_prekey_id,
            }),
        })
    }

    /// Takes part in the session that a prekey message starts; gives its plaintext too.
    pub(crate) fn respond(
        local: &LocalIdentity,
        signed_prekey: &KeyPair,
        prekey: Option<&KeyPair>,
        message: &PreKeyMessage<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), DecryptError> {
        let root = x3dh::respond(local, signed_prekey, prekey, message)?;
        let inner = SignalMessage::parse(message.inner)?;
        let peers = Peers { local: local.key.public(), remote: &message.identity };
        let (plaintext, ratchet) = open_new_chain(&root, signed_prekey, peers, &inner, rng)?;
        let state = Self {
            remote_identity: message.identity,
            remote_registration_id: message.registration_id.unwrap_or_default(),
            base_key: message.base_key,
            root: ratchet.root,
            ratchet: ratchet.own,
            send: Outbound::new(ratchet.send),
            previous_counter: 0,
            receive: vec![ratchet.receive],
            unanswered: None,
        };
        Ok((state, plaintext))
    }

    /// Whether the message is of a chain this state has received from.
    pub(crate) fn knows(&self, message: &SignalMessage<'_>) -> bool {
        self.receive.iter().any(|chain| chain.ratchet_key == message.ratchet_key)
    }

    /// A `msg` of `plaintext`. Its counter is used up.
    pub(crate) fn seal(&mut self, local: &LocalIdentity, plaintext: &[u8]) -> Result<Vec<u8>, Exhausted> {
        let (counter, seed) = self.send.take()?;
        let keys = MessageKeys::derive(&seed);
        let ciphertext = keys.encrypt(plaintext);
        let mut message = encode_message(self.ratchet.public(), counter, self.previous_counter, &ciphertext);
        let peers = Peers { local: local.key.public(), remote: &self.remote_identity };
        let (sender, receiver) = (peers.local.to_signal(), peers.remote.to_signal());
        let mac = keys.mac(&[&sender, &receiver, &message]);
        message.extend_from_slice(&mac);
        Ok(message)
    }

    /// Verifies and decrypts. Changes nothing: that is left to [`State::apply`].
    pub(crate) fn open(
        &self,
        local: &LocalIdentity,
        message: &SignalMessage<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Opened, DecryptError> {
        let peers = Peers { local: local.key.public(), remote: &self.remote_identity };
        let known = self.receive.iter().enumerate();
        let known = known.rev().find(|(_, chain)| chain.ratchet_key == message.ratchet_key);
        if let Some((index, chain)) = known {
            let (plaintext, step) = open_in_chain(&chain.inbound, peers, message)?;
            return Ok(Opened { plaintext, change: Change::Chain { index, step } });
        }
        let (plaintext, ratchet) = open_new_chain(&self.root, &self.ratchet, peers, message, rng)?;
        Ok(Opened { plaintext, change: Change::Ratchet(Box::new(ratchet)) })
    }

    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Chain { index, step } => {
                if let Some(chain) = self.receive.get_mut(index) {
                    chain.inbound.apply(step);
                }
            }
            Change::Ratchet(ratchet) => {
                self.root = ratchet.root;
                self.ratchet = ratchet.own;
                self.previous_counter = self.send.unused().saturating_sub(1);
                self.send = Outbound::new(ratchet.send);
                if self.receive.len() >= MAX_RECEIVE_CHAINS {
                    self.receive.remove(0);
                }
                self.receive.push(ratchet.receive);
            }
        }
        self.unanswered = None;
    }

    pub(crate) fn skipped_keys(&self) -> usize {
        self.receive.iter().map(|chain| chain.inbound.skipped.len()).sum()
    }

    /// Forgets the oldest skipped keys, at most `surplus`; gives how many are left to forget.
    pub(crate) fn forget_skipped(&mut self, surplus: usize) -> usize {
        self.receive.iter_mut().fold(surplus, |surplus, chain| chain.inbound.forget_skipped(surplus))
    }
}

/// The identities a MAC covers, seen from here.
#[derive(Clone, Copy)]
struct Peers<'a> {
    local: &'a PublicKey,
    remote: &'a PublicKey,
}

fn open_in_chain(
    inbound: &Inbound,
    peers: Peers<'_>,
    message: &SignalMessage<'_>,
) -> Result<(Vec<u8>, Step), DecryptError> {
    let (seed, step) = inbound.find(message.counter).map_err(|reason| match reason {
        NoKey::Used => DecryptError::Duplicate { counter: message.counter },
        NoKey::TooFarAhead => DecryptError::TooFarAhead { counter: message.counter },
    })?;
    let keys = MessageKeys::derive(&seed);
    let (sender, receiver) = (peers.remote.to_signal(), peers.local.to_signal());
    keys.verify(&[&sender, &receiver, message.authenticated], message.mac)
        .map_err(|_| DecryptError::BadMac)?;
    let plaintext = keys.decrypt(message.ciphertext).map_err(|_| DecryptError::BadCiphertext)?;
    Ok((plaintext, step))
}

/// Our new key pair is only made once the message has proved genuine.
fn open_new_chain(
    root: &Secret<32>,
    own: &KeyPair,
    peers: Peers<'_>,
    message: &SignalMessage<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Ratchet), DecryptError> {
    let (root, chain) = step_root(root, own, &message.ratchet_key)?;
    let mut inbound = Inbound::new(Chain::new(chain));
    let (plaintext, step) = open_in_chain(&inbound, peers, message)?;
    inbound.apply(step);

    let own = KeyPair::generate(rng);
    let (root, send) = step_root(&root, &own, &message.ratchet_key)?;
    let receive = ReceiveChain { ratchet_key: message.ratchet_key, inbound };
    Ok((plaintext, Ratchet { root, own, send, receive }))
}

/// The next root key, and the key of the chain that starts with it.
fn step_root(
    root: &Secret<32>,
    own: &KeyPair,
    theirs: &PublicKey,
) -> Result<(Secret<32>, Secret<32>), AgreementError> {
    let shared = own.private().agree(theirs)?;
    let okm = Zeroizing::new(kdf::hkdf::<64>(shared.expose(), root.expose(), b"WhisperRatchet"));
    let (root, chain) = okm.split_at(32);
    Ok((Secret::new(*array(root)), Secret::new(*array(chain))))
}
