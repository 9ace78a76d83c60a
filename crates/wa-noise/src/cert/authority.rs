use prost::Message;
use rand_core::CryptoRng;
use wa_crypto::{KeyPair, PublicKey};
use wa_protobuf::cert::{CertChain, NoiseCertificate, noise_certificate::Details};

use super::{ROOT_SERIAL, TrustRoot};

const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;

/// A root with one intermediate, which certifies the servers of a simulator.
#[derive(Clone, Debug)]
pub struct Authority {
    root: KeyPair,
    intermediate: KeyPair,
}

impl Authority {
    /// Draws both keys.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self { root: KeyPair::generate(rng), intermediate: KeyPair::generate(rng) }
    }

    /// The root's public key, which other clients are told to believe.
    pub const fn root(&self) -> &PublicKey {
        self.root.public()
    }

    /// What [`verify_chain`](super::verify_chain) needs to believe this authority.
    pub const fn trust_root(&self) -> TrustRoot {
        TrustRoot::new(*self.root.public())
    }

    /// Certifies `leaf`, a server's static key, from `not_before` until `not_after` (Unix seconds,
    /// both included): an encoded `CertChain`.
    pub fn issue(
        &self,
        leaf: &PublicKey,
        not_before: u64,
        not_after: u64,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let details = |serial, issuer_serial: u32, key: &PublicKey| Details {
            serial: Some(serial),
            // Present even when it is 0: Baileys refuses an intermediate without it.
            issuer_serial: Some(issuer_serial),
            key: Some(key.as_bytes().to_vec().into()),
            not_before: Some(not_before),
            not_after: Some(not_after),
        };
        let intermediate = details(INTERMEDIATE_SERIAL, ROOT_SERIAL, self.intermediate.public());
        let leaf = details(LEAF_SERIAL, INTERMEDIATE_SERIAL, leaf);
        CertChain {
            leaf: Some(sign(&leaf, &self.intermediate, rng)),
            intermediate: Some(sign(&intermediate, &self.root, rng)),
        }
        .encode_to_vec()
    }
}

fn sign(details: &Details, issuer: &KeyPair, rng: &mut impl CryptoRng) -> NoiseCertificate {
    let details = details.encode_to_vec();
    let signature = issuer.private().sign(&[&details], rng);
    NoiseCertificate { details: Some(details.into()), signature: Some(signature.as_bytes().to_vec().into()) }
}
