//! Sessions and sender keys taken apart, to exchange them with stores that other libraries have written.
//!
//! Parts are plain values. What a record can't have is left out when a value is made of them: the oldest of what is too
//! much, and skipped keys that the chain has not come to.

use wa_crypto::{KeyPair, PublicKey, Secret};

use crate::{
    chain::{Chain, Inbound, Outbound, SkippedKey},
    sender_key::{self, SenderKeyRecord},
    session::{MAX_ARCHIVED, Session},
    state::{MAX_RECEIVE_CHAINS, ReceiveChain, State, Unanswered},
};

/// A [`Session`]: its double ratchets.
#[derive(Clone, Debug)]
pub struct SessionParts {
    /// The one that sends.
    pub current: RatchetParts,
    /// Those whose messages may still be under way, newest first.
    pub archived: Vec<RatchetParts>,
}

/// One double ratchet.
#[derive(Clone, Debug)]
pub struct RatchetParts {
    /// The other device's identity key.
    pub remote_identity: PublicKey,
    /// The other device's registration id; 0 if it never told.
    pub remote_registration_id: u32,
    /// The base key of the side that started it.
    pub base_key: PublicKey,
    /// The root key.
    pub root: Secret<32>,
    /// Our ratchet key, whose chain sends.
    pub ratchet: KeyPair,
    /// The chain that sends. Whatever was sent before its counter was sent by somebody else.
    pub send: ChainParts,
    /// The last counter of the sending chain before this one.
    pub previous_counter: u32,
    /// The chains of the other side, oldest first.
    pub receive: Vec<ReceiveParts>,
    /// The prekeys that opened the session, while the other side has not answered.
    pub unanswered: Option<UnansweredParts>,
}

/// A position in a chain.
#[derive(Clone, Debug)]
pub struct ChainParts {
    /// The key from which that of message `counter` follows.
    pub key: Secret<32>,
    /// The counter of the next message.
    pub counter: u32,
}

/// A chain of the other side.
#[derive(Clone, Debug)]
pub struct ReceiveParts {
    /// The ratchet key that names it.
    pub ratchet_key: PublicKey,
    /// Where it is; `None` where it can't go on, as the other side has begun another one.
    pub chain: Option<ChainParts>,
    /// Keys of messages that have not come: counter, and the seed that the chain gave (`HMAC(chain key, 1)`).
    pub skipped: Vec<(u32, Secret<32>)>,
}

/// Which of the other side's prekeys opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnansweredParts {
    /// The one-time prekey, if there was one.
    pub prekey_id: Option<u32>,
    /// The signed prekey.
    pub signed_prekey_id: u32,
}

/// One key of a [`SenderKeyRecord`].
#[derive(Clone, Debug)]
pub struct SenderKeyParts {
    /// The id that messages name it by.
    pub id: u32,
    /// Whose it is.
    pub signing: SigningParts,
    /// Where its chain is.
    pub chain: ChainParts,
    /// Keys of messages that have not come: iteration and seed. Our own key has none.
    pub skipped: Vec<(u32, Secret<32>)>,
}

/// The key that signs the messages of a sender key.
#[derive(Clone, Debug)]
pub enum SigningParts {
    /// Ours.
    Own(KeyPair),
    /// Another member's.
    Theirs(PublicKey),
}

impl Session {
    /// A session as another library had it. It has to be stored before it is used.
    pub fn from_parts(parts: SessionParts) -> Self {
        let archived = parts.archived.into_iter().take(MAX_ARCHIVED).map(State::from_parts);
        let archived = archived.collect();
        let mut session = Self { current: State::from_parts(parts.current), archived, changed: true };
        session.forget_surplus_keys();
        session
    }

    /// What it is made of. Counters that a record has reserved count as used.
    pub fn to_parts(&self) -> SessionParts {
        let archived = self.archived.iter().map(State::to_parts).collect();
        SessionParts { current: self.current.to_parts(), archived }
    }
}

impl SenderKeyRecord {
    /// The keys that an address has sent with in a group, newest last, as another library had them.
    pub fn from_parts(parts: Vec<SenderKeyParts>) -> Self {
        let surplus = parts.len().saturating_sub(sender_key::MAX_STATES);
        Self::of_states(parts.into_iter().skip(surplus).map(sender_key::State::from_parts).collect())
    }

    /// What it is made of, newest last. Iterations that a record has reserved count as used.
    pub fn to_parts(&self) -> Vec<SenderKeyParts> {
        self.states().iter().map(sender_key::State::to_parts).collect()
    }
}

impl State {
    fn from_parts(parts: RatchetParts) -> Self {
        let surplus = parts.receive.len().saturating_sub(MAX_RECEIVE_CHAINS);
        let receive = parts.receive.into_iter().skip(surplus).map(ReceiveChain::from_parts);
        Self {
            remote_identity: parts.remote_identity,
            remote_registration_id: parts.remote_registration_id,
            base_key: parts.base_key,
            root: parts.root,
            ratchet: parts.ratchet,
            send: parts.send.into(),
            previous_counter: parts.previous_counter,
            receive: receive.collect(),
            unanswered: parts.unanswered.map(|UnansweredParts { prekey_id, signed_prekey_id }| Unanswered {
                prekey_id,
                signed_prekey_id,
            }),
        }
    }

    fn to_parts(&self) -> RatchetParts {
        RatchetParts {
            remote_identity: self.remote_identity,
            remote_registration_id: self.remote_registration_id,
            base_key: self.base_key,
            root: self.root.clone(),
            ratchet: self.ratchet.clone(),
            send: self.send.unused_chain().into(),
            previous_counter: self.previous_counter,
            receive: self.receive.iter().map(ReceiveChain::to_parts).collect(),
            unanswered: self.unanswered.map(|Unanswered { prekey_id, signed_prekey_id }| UnansweredParts {
                prekey_id,
                signed_prekey_id,
            }),
        }
    }
}

impl ReceiveChain {
    fn from_parts(parts: ReceiveParts) -> Self {
        let ReceiveParts { ratchet_key, chain, skipped } = parts;
        // The last counter is no message's, so a chain that stands there gives no more keys.
        let closed = || ChainParts { key: Secret::new([0; 32]), counter: u32::MAX };
        Self { ratchet_key, inbound: inbound(chain.unwrap_or_else(closed), skipped) }
    }

    fn to_parts(&self) -> ReceiveParts {
        let chain = Some(&self.inbound.chain).filter(|chain| chain.counter != u32::MAX);
        ReceiveParts {
            ratchet_key: self.ratchet_key,
            chain: chain.cloned().map(ChainParts::from),
            skipped: skipped(&self.inbound),
        }
    }
}

impl sender_key::State {
    fn from_parts(parts: SenderKeyParts) -> Self {
        let SenderKeyParts { id, signing, chain, skipped } = parts;
        let key = match signing {
            SigningParts::Own(signing) => sender_key::Key::Own { signing, outbound: chain.into() },
            SigningParts::Theirs(signing) => {
                sender_key::Key::Theirs { signing, inbound: inbound(chain, skipped) }
            }
        };
        Self { id, key }
    }

    fn to_parts(&self) -> SenderKeyParts {
        let (signing, chain, skipped) = match &self.key {
            sender_key::Key::Own { signing, outbound } => {
                (SigningParts::Own(signing.clone()), outbound.unused_chain(), Vec::new())
            }
            sender_key::Key::Theirs { signing, inbound } => {
                (SigningParts::Theirs(*signing), inbound.chain.clone(), skipped(inbound))
            }
        };
        SenderKeyParts { id: self.id, signing, chain: chain.into(), skipped }
    }
}

impl From<ChainParts> for Chain {
    fn from(ChainParts { key, counter }: ChainParts) -> Self {
        Self { key, counter }
    }
}

impl From<Chain> for ChainParts {
    fn from(Chain { key, counter }: Chain) -> Self {
        Self { key, counter }
    }
}

impl From<ChainParts> for Outbound {
    fn from(chain: ChainParts) -> Self {
        let counter = chain.counter;
        Self::from_stored(chain.into(), counter)
    }
}

fn inbound(chain: ChainParts, skipped: Vec<(u32, Secret<32>)>) -> Inbound {
    let mut keys: Vec<_> = skipped
        .into_iter()
        .filter(|(counter, _)| *counter < chain.counter)
        .map(|(counter, seed)| SkippedKey { counter, seed })
        .collect();
    keys.sort_by_key(|key| key.counter);
    keys.dedup_by_key(|key| key.counter);
    let mut inbound = Inbound { chain: chain.into(), skipped: keys };
    inbound.forget_skipped(inbound.skipped.len().saturating_sub(crate::MAX_STORED_KEYS));
    inbound
}

fn skipped(inbound: &Inbound) -> Vec<(u32, Secret<32>)> {
    inbound.skipped.iter().map(|key| (key.counter, key.seed.clone())).collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::{Bundle, LocalIdentity, PreKeyMessage, SignedPreKey};

    fn identity(rng: &mut ChaCha20Rng, registration_id: u32) -> LocalIdentity {
        LocalIdentity { key: KeyPair::generate(rng), registration_id }
    }

    /// Two sides that have written each other, with one message of Bob's still under way.
    fn conversation(rng: &mut ChaCha20Rng) -> (LocalIdentity, Session, LocalIdentity, Session, Vec<u8>) {
        let (alice, bob) = (identity(rng, 1), identity(rng, 2));
        let signed = SignedPreKey::generate(&bob, 1, rng);
        let bundle = Bundle {
            registration_id: 2,
            identity: *bob.key.public(),
            signed_prekey_id: 1,
            signed_prekey: *signed.key.public(),
            signed_prekey_signature: signed.signature,
            prekey: None,
        };
        let mut at_alice = Session::initiate(&alice, &bundle, None, rng).unwrap();
        let hello = at_alice.encrypt(&alice, b"hello").unwrap();
        let message = PreKeyMessage::parse(&hello.bytes).unwrap();
        let (mut at_bob, _, _) = Session::accept(None, &bob, &signed.key, None, &message, rng).unwrap();
        let late = at_bob.encrypt(&bob, b"late").unwrap().bytes;
        let second = at_bob.encrypt(&bob, b"second").unwrap();
        at_alice.decrypt(&alice, &second.bytes, rng).unwrap();
        (alice, at_alice, bob, at_bob, late)
    }

    #[test]
    fn a_session_goes_on_after_it_was_taken_apart() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let (alice, at_alice, bob, at_bob, late) = conversation(&mut rng);
        let mut at_alice = Session::from_parts(at_alice.to_parts());
        let mut at_bob = Session::from_parts(at_bob.to_parts());
        assert!(at_alice.needs_save() && at_bob.needs_save());
        assert_eq!(at_alice.decrypt(&alice, &late, &mut rng).unwrap(), b"late");
        let there = at_alice.encrypt(&alice, b"there").unwrap();
        assert_eq!(at_bob.decrypt(&bob, &there.bytes, &mut rng).unwrap(), b"there");
        let back = at_bob.encrypt(&bob, b"back").unwrap();
        assert_eq!(at_alice.decrypt(&alice, &back.bytes, &mut rng).unwrap(), b"back");
    }

    #[test]
    fn reserved_counters_count_as_used() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let (_, mut at_alice, ..) = conversation(&mut rng);
        let next = at_alice.to_parts().current.send.counter;
        let stored = Session::from_record(&at_alice.to_record(64)).unwrap();
        assert_eq!(stored.to_parts().current.send.counter, next + 64);
    }

    #[test]
    fn what_no_record_can_have_is_left_out() {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let (_, at_alice, ..) = conversation(&mut rng);
        let mut parts = at_alice.to_parts();
        let chain = parts.current.receive[0].clone();
        let ahead = chain.chain.as_ref().unwrap().counter;
        let key = |n| Secret::new([n; 32]);
        let skipped = vec![(ahead, key(1)), (1, key(2)), (0, key(3)), (0, key(4)), (u32::MAX, key(5))];
        parts.current.receive = vec![ReceiveParts { skipped, ..chain.clone() }; 9];
        parts.current.receive.push(ReceiveParts { chain: None, skipped: vec![(5, key(6))], ..chain });
        parts.archived = vec![parts.current.clone(); MAX_ARCHIVED + 9];
        let mut session = Session::from_parts(parts);
        let parts = Session::from_record(&session.to_record(0)).unwrap().to_parts();
        assert_eq!((parts.archived.len(), parts.current.receive.len()), (MAX_ARCHIVED, MAX_RECEIVE_CHAINS));
        let counters = |parts: &ReceiveParts| parts.skipped.iter().map(|(n, _)| *n).collect::<Vec<_>>();
        assert_eq!(counters(&parts.current.receive[0]), [0, 1]);
        let closed = parts.current.receive.last().unwrap();
        assert_eq!((closed.chain.is_none(), counters(closed)), (true, vec![5]));
    }

    #[test]
    fn sender_keys_go_on_after_they_were_taken_apart() {
        let mut rng = ChaCha20Rng::seed_from_u64(10);
        let mut ours = SenderKeyRecord::create(&mut rng);
        let mut theirs = SenderKeyRecord::empty();
        theirs.process(&ours.distribute().unwrap()).unwrap();
        let late = ours.encrypt(b"late", &mut rng).unwrap();
        let second = ours.encrypt(b"second", &mut rng).unwrap();
        theirs.decrypt(&second).unwrap();
        let mut ours = SenderKeyRecord::from_parts(ours.to_parts());
        let mut theirs = SenderKeyRecord::from_parts(theirs.to_parts());
        assert!(ours.needs_save() && theirs.needs_save());
        assert_eq!(theirs.decrypt(&late).unwrap(), b"late");
        let third = ours.encrypt(b"third", &mut rng).unwrap();
        assert_eq!(theirs.decrypt(&third).unwrap(), b"third");
        let many = vec![theirs.to_parts().remove(0); sender_key::MAX_STATES + 3];
        assert_eq!(SenderKeyRecord::from_parts(many).to_parts().len(), sender_key::MAX_STATES);
    }
}
