use std::sync::atomic::{AtomicU64, Ordering};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use storage::InstanceId;
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::master_key::MasterKey;

/// Seals values at rest: master key id (4 bytes), nonce (12), AES-256-GCM ciphertext and tag (16).
///
/// Each instance has a key of its own, derived from the master key, and the service has one.
pub struct Sealer {
    id: [u8; 4],
    /// An error when the system gave no random bytes; kept here so that deriving a sealer can't fail.
    key: Result<(LessSafeKey, Nonces), Unspecified>,
    /// For what an earlier master key has sealed.
    previous: Option<Box<Self>>,
}

/// Where a sealed value lies. A value moved to another place doesn't open there.
pub struct Place<'a> {
    /// Where the value lies, as `table.column`: a sealed value opens in no other place.
    pub column: &'static str,
    /// The columns that identify the row.
    pub row: &'a [&'a [u8]],
}

const KEY_ID_LEN: usize = 4;

impl Sealer {
    /// For what belongs to no instance.
    pub fn for_service(master: &MasterKey) -> Self {
        Self::derive(master, &[b"trunkline service"])
    }

    /// For what belongs to one instance.
    pub fn for_instance(master: &MasterKey, instance: InstanceId) -> Self {
        Self::derive(master, &[b"trunkline instance", instance.as_bytes()])
    }

    fn derive(master: &MasterKey, info: &[&[u8]]) -> Self {
        let derived = Salt::new(HKDF_SHA256, &[]).extract(master.secret());
        let key = derived.expand(info, &AES_256_GCM).map(|key| LessSafeKey::new(UnboundKey::from(key)));
        let key = key.and_then(|key| Ok((key, Nonces::start()?)));
        let previous = master.previous().map(|previous| Box::new(Self::derive(previous, info)));
        Self { id: master.id(), key, previous }
    }

    /// What it seals begins with this.
    pub fn id(&self) -> [u8; KEY_ID_LEN] {
        self.id
    }

    /// Seals a value for a place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let (key, nonces) = self.key.as_ref().map_err(|_| Fault::Randomness)?;
        let nonce = nonces.next();
        let mut sealed = Vec::with_capacity(KEY_ID_LEN + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&self.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (_, body) = sealed.split_at_mut(KEY_ID_LEN + NONCE_LEN);
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.bytes()), body)
            // Sealing fails only for values beyond AES-GCM's 64 GB.
            .map_err(|_| Fault::Randomness)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a value at its place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let unreadable = |problem| Fault::corrupt(place.column, problem);
        let (id, rest) =
            sealed.split_first_chunk::<KEY_ID_LEN>().ok_or_else(|| unreadable(Unsealable::TooShort))?;
        let (nonce, body) =
            rest.split_first_chunk::<NONCE_LEN>().ok_or_else(|| unreadable(Unsealable::TooShort))?;
        if *id != self.id {
            return match &self.previous {
                Some(previous) => previous.open(place, sealed),
                None => Err(unreadable(Unsealable::OtherKey)),
            };
        }
        let mut plain = Zeroizing::new(body.to_vec());
        let (key, _) = self.key.as_ref().map_err(|_| Fault::Randomness)?;
        let length = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.bytes()), &mut plain)
            .map_err(|_| unreadable(Unsealable::Damaged))?
            .len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// The nonces of one sealer: they count up from a random start, so that a value costs no random bytes.
///
/// Two sealers with one key repeat a nonce only where their starts are closer than they have values. For a million sealers
/// with four thousand million values each the odds are 2⁻²⁴; random nonces would allow that many values in all.
struct Nonces {
    prefix: [u8; 4],
    next: AtomicU64,
}

impl Nonces {
    fn start() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let (mut prefix, mut next) = ([0; 4], [0; 8]);
        random.fill(&mut prefix)?;
        random.fill(&mut next)?;
        Ok(Self { prefix, next: AtomicU64::new(u64::from_le_bytes(next)) })
    }

    fn next(&self) -> [u8; NONCE_LEN] {
        let count = self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(self.prefix.iter().chain(&count)).for_each(|(to, from)| *to = *from);
        nonce
    }
}

impl Place<'_> {
    /// An unambiguous text of the place: every part carries its length.
    fn bytes(&self) -> Vec<u8> {
        let length = self.row.iter().map(|part| part.len() + 4).sum::<usize>() + self.column.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(self.column.as_bytes());
        for part in self.row {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

#[derive(Debug, thiserror::Error)]
enum Unsealable {
    #[error("it is too short to be sealed")]
    TooShort,
    #[error("it is sealed with another master key")]
    OtherKey,
    #[error("it is damaged, or was moved from another row")]
    Damaged,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place { column: "sessions.record", row: &[b"15550000001", b"\0\0\0\x01"] };

    fn sealer() -> Sealer {
        Sealer::for_service(&MasterKey::from_bytes([1; 32]))
    }

    fn problem(result: Result<Zeroizing<Vec<u8>>, Fault>) -> String {
        match result {
            Err(Fault::Corrupt { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_opens_only_at_its_place() {
        let sealer = sealer();
        let sealed = sealer.seal(&PLACE, b"ratchet").unwrap();
        assert_eq!(*sealer.open(&PLACE, &sealed).unwrap(), b"ratchet");
        assert_eq!(sealed[..4], MasterKey::from_bytes([1; 32]).id());
        assert!(!sealed.windows(7).any(|window| window == b"ratchet"));
        let elsewhere = [
            Place { column: "sender_keys.record", ..PLACE },
            Place { row: &[b"15550000001", b"\0\0\0\x02"], ..PLACE },
            Place { row: &[b"15550000001\0\0", b"\0\x01"], ..PLACE },
        ];
        for place in elsewhere {
            assert_eq!(problem(sealer.open(&place, &sealed)), "it is damaged, or was moved from another row");
        }
    }

    #[test]
    fn instances_have_keys_of_their_own() {
        let master = MasterKey::from_bytes([1; 32]);
        let one = Sealer::for_instance(&master, InstanceId::from_bytes([1; 16]));
        let two = Sealer::for_instance(&master, InstanceId::from_bytes([2; 16]));
        let sealed = one.seal(&PLACE, b"ratchet").unwrap();
        assert!(one.open(&PLACE, &sealed).is_ok());
        assert!(two.open(&PLACE, &sealed).is_err());
        assert!(sealer().open(&PLACE, &sealed).is_err());
    }

    #[test]
    fn no_nonce_comes_twice() {
        let nonces = Nonces { prefix: [7; 4], next: AtomicU64::new(u64::MAX) };
        assert_eq!(nonces.next(), [7, 7, 7, 7, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(nonces.next(), [7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let sealers = [sealer(), sealer()];
        let values = sealers.iter().flat_map(|sealer| (0..50).map(|_| sealer.seal(&PLACE, b"").unwrap()));
        let nonces: std::collections::HashSet<_> = values.map(|sealed| sealed[4..16].to_vec()).collect();
        assert_eq!(nonces.len(), 100);
    }

    #[test]
    fn another_master_key_is_named_as_the_reason() {
        let sealed = sealer().seal(&PLACE, b"").unwrap();
        let other = Sealer::for_service(&MasterKey::from_bytes([2; 32]));
        assert_eq!(problem(other.open(&PLACE, &sealed)), "it is sealed with another master key");
    }

    #[test]
    fn what_an_earlier_master_key_has_sealed_is_opened_beside() {
        let (old, new) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let both = Sealer::for_service(&new.clone().in_place_of(old));
        let sealed = sealer().seal(&PLACE, b"ratchet").unwrap();
        assert_eq!(*both.open(&PLACE, &sealed).unwrap(), b"ratchet");
        let anew = both.seal(&PLACE, b"ratchet").unwrap();
        assert_eq!(*Sealer::for_service(&new).open(&PLACE, &anew).unwrap(), b"ratchet");
        assert!(sealer().open(&PLACE, &anew).is_err());
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let sealer = sealer();
        let sealed = sealer.seal(&PLACE, b"ratchet").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(&PLACE, &changed).is_err(), "byte {at}");
            assert!(sealer.open(&PLACE, &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealer = sealer();
            let sealed = sealer.seal(&PLACE, &plain).unwrap();
            prop_assert_eq!(&**sealer.open(&PLACE, &sealed).unwrap(), &plain[..]);
            prop_assert!(sealer.open(&PLACE, &plain).is_err());
        }
    }
}
