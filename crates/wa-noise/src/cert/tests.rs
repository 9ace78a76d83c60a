use proptest::{collection::vec, prelude::*};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::KeyPair;

use super::{Certificate::*, CertificateError::*, *};

const NOT_BEFORE: u64 = 1_700_000_000;
const NOT_AFTER: u64 = 1_900_000_000;
const NOW: u64 = 1_800_000_000;

/// A valid chain, to be broken in one place before or after it is signed.
struct Forge {
    root: KeyPair,
    intermediate: KeyPair,
    server: PublicKey,
    intermediate_details: Details,
    leaf_details: Details,
    rng: ChaCha20Rng,
}

impl Forge {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let [root, intermediate, server] = std::array::from_fn(|_| KeyPair::generate(&mut rng));
        let details = |serial, issuer, key: &PublicKey| Details {
            serial: Some(serial),
            issuer_serial: Some(issuer),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            not_before: Some(NOT_BEFORE),
            not_after: Some(NOT_AFTER),
        };
        Self {
            intermediate_details: details(70, 0, intermediate.public()),
            leaf_details: details(71, 70, server.public()),
            server: *server.public(),
            root,
            intermediate,
            rng,
        }
    }

    fn signed(&mut self) -> CertChain {
        let mut sign = |details: &Details, issuer: &KeyPair| {
            let details = details.encode_to_vec();
            let signature = issuer.private().sign(&[&details], &mut self.rng);
            NoiseCertificate {
                details: Some(details.into()),
                signature: Some(Bytes::copy_from_slice(signature.as_bytes())),
            }
        };
        CertChain {
            leaf: Some(sign(&self.leaf_details, &self.intermediate)),
            intermediate: Some(sign(&self.intermediate_details, &self.root)),
        }
    }

    fn verify(&self, chain: &CertChain) -> Result<(), CertificateError> {
        self.verify_at(chain, NOW)
    }

    fn verify_at(&self, chain: &CertChain, now: u64) -> Result<(), CertificateError> {
        let trust = TrustRoot::new(*self.root.public());
        verify_chain(&chain.encode_to_vec(), &self.server, &trust, now)
    }
}

/// What comes of a chain whose details were changed before they were signed.
fn with_details(change: impl FnOnce(&mut Forge)) -> Result<(), CertificateError> {
    let mut forge = Forge::new();
    change(&mut forge);
    let chain = forge.signed();
    forge.verify(&chain)
}

/// What comes of a chain that was changed after it was signed.
fn with_chain(change: impl FnOnce(&mut CertChain)) -> Result<(), CertificateError> {
    let mut forge = Forge::new();
    let mut chain = forge.signed();
    change(&mut chain);
    forge.verify(&chain)
}

fn part(chain: &mut CertChain, certificate: Certificate) -> &mut NoiseCertificate {
    match certificate {
        Leaf => chain.leaf.as_mut().unwrap(),
        Intermediate => chain.intermediate.as_mut().unwrap(),
    }
}

fn flip(bytes: &mut Option<Bytes>, index: usize) {
    let mut flipped = bytes.take().unwrap().to_vec();
    flipped[index] ^= 1;
    *bytes = Some(flipped.into());
}

fn resize(bytes: &mut Option<Bytes>, length: usize) {
    let mut resized = bytes.take().unwrap().to_vec();
    resized.resize(length, 7);
    *bytes = Some(resized.into());
}

#[test]
fn a_whole_chain_is_believed() {
    assert_eq!(with_details(|_| ()), Ok(()));
}

#[test]
fn an_authoritys_chain_is_believed() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let authority = Authority::generate(&mut rng);
    let server = KeyPair::generate(&mut rng);
    let chain = authority.issue(server.public(), NOT_BEFORE, NOT_AFTER, &mut rng);
    let verify = |trust| verify_chain(&chain, server.public(), &trust, NOW);
    assert_eq!(verify(authority.trust_root()), Ok(()));
    assert_eq!(verify(TrustRoot::new(*authority.root())), Ok(()));
    assert_eq!(verify(TrustRoot::whatsapp()), Err(IntermediateSignature));
}

/// Baileys compares the issuer with 0 and takes an absent one for none (Baileys facts, 2.3).
#[test]
fn an_authority_names_the_root_as_issuer_explicitly() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let authority = Authority::generate(&mut rng);
    let server = KeyPair::generate(&mut rng);
    let chain = authority.issue(server.public(), NOT_BEFORE, NOT_AFTER, &mut rng);
    let chain = CertChain::decode(&chain[..]).unwrap();
    let details = chain.intermediate.unwrap().details.unwrap();
    assert_eq!(Details::decode(details).unwrap().issuer_serial, Some(0));
}

#[test]
fn whatsapps_root_is_the_one_every_client_has() {
    let root = "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b";
    assert_eq!(hex::encode(TrustRoot::whatsapp().key().as_bytes()), root);
}

#[test]
fn the_chain_must_be_a_protobuf() {
    let forge = Forge::new();
    let trust = TrustRoot::new(*forge.root.public());
    let refused = verify_chain(&[0x0a, 0x05, 0x00], &forge.server, &trust, NOW);
    assert!(matches!(refused, Err(Malformed(_))), "{refused:?}");
}

#[test]
fn the_details_must_be_a_protobuf() {
    for certificate in [Leaf, Intermediate] {
        let refused = with_chain(|chain| {
            part(chain, certificate).details = Some(Bytes::from_static(&[0x1a, 0x20]));
        });
        assert!(matches!(refused, Err(MalformedDetails(which, _)) if which == certificate), "{refused:?}");
    }
}

#[test]
fn both_certificates_must_be_there() {
    assert_eq!(with_chain(|chain| chain.leaf = None), Err(Missing(Leaf)));
    assert_eq!(with_chain(|chain| chain.intermediate = None), Err(Missing(Intermediate)));
}

#[test]
fn both_details_must_be_there() {
    for certificate in [Leaf, Intermediate] {
        let refused = with_chain(|chain| part(chain, certificate).details = None);
        assert_eq!(refused, Err(MissingDetails(certificate)));
    }
}

#[test]
fn both_signatures_must_be_there() {
    for certificate in [Leaf, Intermediate] {
        let refused = with_chain(|chain| part(chain, certificate).signature = None);
        assert_eq!(refused, Err(MissingSignature(certificate)));
    }
}

#[test]
fn signatures_must_have_64_bytes() {
    for certificate in [Leaf, Intermediate] {
        for length in [0, 63, 65] {
            let refused = with_chain(|chain| {
                resize(&mut part(chain, certificate).signature, length);
            });
            assert_eq!(refused, Err(SignatureLength(certificate, length)));
        }
    }
}

#[test]
fn keys_must_have_32_bytes() {
    for length in [0, 31, 33] {
        let refused = with_details(|forge| resize(&mut forge.intermediate_details.key, length));
        assert_eq!(refused, Err(KeyLength(Intermediate, length)));
        let refused = with_details(|forge| resize(&mut forge.leaf_details.key, length));
        assert_eq!(refused, Err(KeyLength(Leaf, length)));
    }
    let refused = with_details(|forge| forge.intermediate_details.key = None);
    assert_eq!(refused, Err(KeyLength(Intermediate, 0)));
}

#[test]
fn the_root_must_have_signed_the_intermediate() {
    let refused = with_chain(|chain| flip(&mut part(chain, Intermediate).signature, 0));
    assert_eq!(refused, Err(IntermediateSignature));

    let mut forge = Forge::new();
    let chain = forge.signed();
    forge.root = KeyPair::generate(&mut forge.rng);
    assert_eq!(forge.verify(&chain), Err(IntermediateSignature));
}

#[test]
fn the_intermediate_must_be_issued_by_the_root() {
    for serial in [1, 70, u32::MAX] {
        let refused = with_details(|forge| {
            forge.intermediate_details.issuer_serial = Some(serial);
        });
        assert_eq!(refused, Err(IntermediateIssuer(serial)));
    }
}

/// Absent is 0 in protobuf, and whatsmeow reads it so.
#[test]
fn an_intermediate_without_issuer_is_the_roots() {
    let verified = with_details(|forge| forge.intermediate_details.issuer_serial = None);
    assert_eq!(verified, Ok(()));
}

#[test]
fn the_intermediate_must_have_signed_the_leaf() {
    let refused = with_chain(|chain| flip(&mut part(chain, Leaf).signature, 40));
    assert_eq!(refused, Err(LeafSignature));

    // Signed by the root itself, or by anybody else.
    let mut forge = Forge::new();
    forge.intermediate = forge.root.clone();
    let chain = forge.signed();
    assert_eq!(forge.verify(&chain), Err(LeafSignature));
}

#[test]
fn the_leaf_must_be_issued_by_the_intermediate() {
    for (issuer, actual) in [(Some(0), 0), (Some(71), 71), (None, 0)] {
        let refused = with_details(|forge| forge.leaf_details.issuer_serial = issuer);
        let expected = 70;
        assert_eq!(refused, Err(LeafIssuer { expected, actual }));
    }
}

#[test]
fn the_leaf_must_certify_the_servers_key() {
    let refused = with_details(|forge| {
        forge.server = *KeyPair::generate(&mut forge.rng).public();
    });
    assert_eq!(refused, Err(LeafKey));
}

#[test]
fn both_must_have_become_valid() {
    let not_before = NOW + 1;
    let refused = with_details(|forge| forge.leaf_details.not_before = Some(not_before));
    let certificate = Leaf;
    assert_eq!(refused, Err(NotYetValid { certificate, not_before }));
    let refused = with_details(|forge| forge.intermediate_details.not_before = Some(not_before));
    let certificate = Intermediate;
    assert_eq!(refused, Err(NotYetValid { certificate, not_before }));
}

#[test]
fn neither_may_have_expired() {
    let not_after = NOW - 1;
    let refused = with_details(|forge| forge.leaf_details.not_after = Some(not_after));
    let certificate = Leaf;
    assert_eq!(refused, Err(Expired { certificate, not_after }));
    let refused = with_details(|forge| forge.intermediate_details.not_after = Some(not_after));
    let certificate = Intermediate;
    assert_eq!(refused, Err(Expired { certificate, not_after }));
}

#[test]
fn a_certificate_without_end_has_expired() {
    let not_after = 0;
    let refused = with_details(|forge| forge.leaf_details.not_after = None);
    let certificate = Leaf;
    assert_eq!(refused, Err(Expired { certificate, not_after }));
    let refused = with_details(|forge| forge.intermediate_details.not_after = None);
    let certificate = Intermediate;
    assert_eq!(refused, Err(Expired { certificate, not_after }));
}

#[test]
fn validity_includes_its_ends() {
    let mut forge = Forge::new();
    let chain = forge.signed();
    assert_eq!(forge.verify_at(&chain, NOT_BEFORE), Ok(()));
    assert_eq!(forge.verify_at(&chain, NOT_AFTER), Ok(()));
    assert!(forge.verify_at(&chain, NOT_BEFORE - 1).is_err());
    assert!(forge.verify_at(&chain, NOT_AFTER + 1).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_changed_byte_is_refused(position in any::<prop::sample::Index>(), mask in 1_u8..) {
        let mut forge = Forge::new();
        let mut chain = forge.signed().encode_to_vec();
        let position = position.index(chain.len());
        chain[position] ^= mask;
        let trust = TrustRoot::new(*forge.root.public());
        prop_assert!(verify_chain(&chain, &forge.server, &trust, NOW).is_err());
    }

    #[test]
    fn random_bytes_are_refused(chain in vec(any::<u8>(), 0..300)) {
        let server = PublicKey::from_bytes([9; 32]);
        prop_assert!(verify_chain(&chain, &server, &TrustRoot::whatsapp(), NOW).is_err());
    }
}

#[test]
fn a_root_is_read_from_64_hex_digits() {
    let digits: &str = &WHATSAPP_ROOT.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(TrustRoot::from_hex(digits), Ok(TrustRoot::whatsapp()));
    assert_eq!(TrustRoot::from_hex(&digits.to_uppercase()), Ok(TrustRoot::whatsapp()));
    for wrong in ["", "14", &digits[..63], &format!("{digits}0"), &format!("+{}", &digits[1..])] {
        assert_eq!(TrustRoot::from_hex(wrong), Err(NotAKey), "{wrong}");
    }
}
