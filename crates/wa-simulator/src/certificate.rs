use prost::Message as _;
use rand::CryptoRng;
use wa_crypto::{KeyPair, PublicKey};
use wa_protobuf::cert::{CertChain, NoiseCertificate, noise_certificate::Details};

use crate::faults::CertificateFault;

/// Serial of the intermediate certificate.
const INTERMEDIATE: u32 = 1;
/// Serial of leaf certificates.
const LEAF: u32 = 2;
/// Certificates are valid a day before and thirty days after the moment they are issued.
const DAY: u64 = 24 * 60 * 60;

/// The root that clients of the simulator trust, and the intermediate that signs for it.
///
/// It signs chains as WhatsApp's are (PROTOCOL.md 2), and, on request, chains that are wrong in one point.
pub(crate) struct Authority {
    root: KeyPair,
    intermediate: KeyPair,
}

impl Authority {
    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        Self { root: KeyPair::generate(rng), intermediate: KeyPair::generate(rng) }
    }

    pub(crate) fn root(&self) -> &PublicKey {
        self.root.public()
    }

    /// An encoded `CertChain` for `key` that is valid at `now`, or fails at the point of `fault`.
    pub(crate) fn issue(
        &self,
        key: &PublicKey,
        now: u64,
        fault: Option<CertificateFault>,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        use CertificateFault as F;
        let details = |serial, issuer, key: &PublicKey| Details {
            serial: Some(serial),
            // Baileys takes an absent issuer for a wrong one: zero is sent (PROTOCOL.md 2).
            issuer_serial: Some(issuer),
            key: Some(key.as_bytes().to_vec().into()),
            not_before: Some(now.saturating_sub(10 * DAY)),
            not_after: Some(now + 30 * DAY),
        };
        let mut intermediate = details(INTERMEDIATE, 0, self.intermediate.public());
        let mut leaf = details(LEAF, INTERMEDIATE, key);
        match fault {
            Some(F::IntermediateIssuer) => intermediate.issuer_serial = Some(7),
            Some(F::IntermediateExpired) => intermediate.not_after = Some(now.saturating_sub(1)),
            Some(F::IntermediateKeyLength) => intermediate.key = Some(vec![5; 31].into()),
            Some(F::LeafIssuer) => leaf.issuer_serial = Some(INTERMEDIATE + 7),
            Some(F::LeafExpired) => leaf.not_after = Some(now.saturating_sub(1)),
            Some(F::LeafNotYetValid) => leaf.not_before = Some(now + DAY),
            Some(F::LeafWithoutEnd) => leaf.not_after = None,
            Some(F::LeafKey) => leaf.key = Some(vec![9; 32].into()),
            _ => {}
        }
        let mut chain = CertChain {
            leaf: Some(sign(&self.intermediate, &leaf, rng)),
            intermediate: Some(sign(&self.root, &intermediate, rng)),
        };
        match fault {
            Some(F::RootSignature) => spoil(&mut chain.intermediate),
            Some(F::LeafSignature) => spoil(&mut chain.leaf),
            Some(F::SignatureLength) => shorten(&mut chain.leaf),
            Some(F::MissingIntermediate) => chain.intermediate = None,
            Some(F::MissingLeaf) => chain.leaf = None,
            _ => {}
        }
        chain.encode_to_vec()
    }
}

fn sign(issuer: &KeyPair, details: &Details, rng: &mut impl CryptoRng) -> NoiseCertificate {
    let details = details.encode_to_vec();
    let signature = issuer.private().sign(&[&details], rng);
    NoiseCertificate { details: Some(details.into()), signature: Some(signature.as_bytes().to_vec().into()) }
}

/// Changes a bit in the middle of the signature.
fn spoil(certificate: &mut Option<NoiseCertificate>) {
    change_signature(certificate, |signature| {
        if let Some(byte) = signature.get_mut(20) {
            *byte ^= 1;
        }
    });
}

fn shorten(certificate: &mut Option<NoiseCertificate>) {
    change_signature(certificate, |signature| signature.truncate(63));
}

fn change_signature(certificate: &mut Option<NoiseCertificate>, change: impl FnOnce(&mut Vec<u8>)) {
    if let Some(certificate) = certificate
        && let Some(signature) = &certificate.signature
    {
        let mut bytes = signature.to_vec();
        change(&mut bytes);
        certificate.signature = Some(bytes.into());
    }
}
