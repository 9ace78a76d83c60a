//! The chain with which a server proves its static key: root, intermediate, leaf
//! (protocol facts, section 2).

mod authority;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use prost::Message;
use wa_crypto::{PublicKey, Signature};
use wa_protobuf::cert::{CertChain, NoiseCertificate, noise_certificate::Details};

pub use authority::Authority;

/// The serial of a root, which has no certificate of its own.
const ROOT_SERIAL: u32 = 0;

/// WhatsApp's root key, which every client has built in.
const WHATSAPP_ROOT: PublicKey = PublicKey::from_bytes([
    0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7, 0x1e, 0xbe, 0x51, 0x64, 0x37, 0xc4,
    0xa2, 0x8b, 0x73, 0xe3, 0x69, 0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b,
]);

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustRoot(PublicKey);

impl TrustRoot {
    /// WhatsApp itself.
    pub const fn whatsapp() -> Self {
        Self(WHATSAPP_ROOT)
    }

    /// Somebody else, such as a simulator.
    pub const fn new(key: PublicKey) -> Self {
        Self(key)
    }

    /// Somebody else, by the 64 hex digits of their key.
    pub fn from_hex(key: &str) -> Result<Self, NotAKey> {
        let mut bytes = [0; 32];
        if key.len() != 2 * bytes.len() || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAKey);
        }
        for (byte, digits) in bytes.iter_mut().zip(key.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| NotAKey)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAKey)?;
        }
        Ok(Self(PublicKey::from_bytes(bytes)))
    }

    /// The key that signs intermediates.
    pub const fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// The text is not the 64 hex digits of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key has 64 hex digits")]
pub struct NotAKey;

/// One of the two certificates of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Certifies the server's static key.
    Leaf,
    /// Certifies the key that signed the leaf.
    Intermediate,
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaf => "leaf",
            Self::Intermediate => "intermediate",
        })
    }
}

/// Why a chain is refused: a variant for each check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The chain is no protobuf.
    #[error("malformed chain: {0}")]
    Malformed(prost::DecodeError),
    /// The details of a certificate are no protobuf.
    #[error("malformed {0} details: {1}")]
    MalformedDetails(Certificate, prost::DecodeError),
    /// A certificate is absent.
    #[error("no {0} certificate")]
    Missing(Certificate),
    /// A certificate has no details.
    #[error("the {0} certificate has no details")]
    MissingDetails(Certificate),
    /// A certificate has no signature.
    #[error("the {0} certificate has no signature")]
    MissingSignature(Certificate),
    /// A signature has not 64 bytes.
    #[error("the signature of the {0} certificate has {1} bytes instead of 64")]
    SignatureLength(Certificate, usize),
    /// A key has not 32 bytes; an absent one has none.
    #[error("the key of the {0} certificate has {1} bytes instead of 32")]
    KeyLength(Certificate, usize),
    /// The root did not sign the intermediate.
    #[error("the root did not sign the intermediate certificate")]
    IntermediateSignature,
    /// The intermediate names another issuer than the root, whose serial is 0.
    #[error("the intermediate certificate is issued by serial {0} instead of the root")]
    IntermediateIssuer(u32),
    /// The intermediate did not sign the leaf.
    #[error("the intermediate did not sign the leaf certificate")]
    LeafSignature,
    /// The leaf names another issuer than the intermediate.
    #[error("the leaf certificate is issued by serial {actual}, the intermediate has {expected}")]
    LeafIssuer {
        /// The intermediate's serial.
        expected: u32,
        /// The issuer that the leaf names.
        actual: u32,
    },
    /// The leaf certifies another key than the server has.
    #[error("the leaf certificate is for another static key")]
    LeafKey,
    /// The time is before a certificate's validity. The clock of this machine may be wrong.
    #[error("the {certificate} certificate is not valid before {not_before} (Unix seconds)")]
    NotYetValid {
        /// Which certificate.
        certificate: Certificate,
        /// When it becomes valid.
        not_before: u64,
    },
    /// The time is after a certificate's validity, which ends in 1970 if it names no end. The
    /// clock of this machine may be wrong.
    #[error("the {certificate} certificate was valid until {not_after} (Unix seconds)")]
    Expired {
        /// Which certificate.
        certificate: Certificate,
        /// When it ceased to be valid.
        not_after: u64,
    },
}

/// Checks that `chain`, an encoded `CertChain`, proves `server_static` to whoever believes `trust`,
/// at `now_unix` (seconds).
pub fn verify_chain(
    chain: &[u8],
    server_static: &PublicKey,
    trust: &TrustRoot,
    now_unix: u64,
) -> Result<(), CertificateError> {
    let chain = CertChain::decode(chain).map_err(CertificateError::Malformed)?;
    let leaf = Signed::parse(Certificate::Leaf, chain.leaf)?;
    let intermediate = Signed::parse(Certificate::Intermediate, chain.intermediate)?;

    intermediate.check_signature(trust.key(), CertificateError::IntermediateSignature)?;
    let issuer = intermediate.details.issuer_serial();
    if issuer != ROOT_SERIAL {
        return Err(CertificateError::IntermediateIssuer(issuer));
    }
    leaf.check_signature(&intermediate.key, CertificateError::LeafSignature)?;
    let (expected, actual) = (intermediate.details.serial(), leaf.details.issuer_serial());
    if expected != actual {
        return Err(CertificateError::LeafIssuer { expected, actual });
    }
    if leaf.key != *server_static {
        return Err(CertificateError::LeafKey);
    }
    intermediate.check_validity(now_unix)?;
    leaf.check_validity(now_unix)
}

/// A certificate whose parts are there and have the right lengths; nothing else is checked.
struct Signed {
    certificate: Certificate,
    signed: Bytes,
    signature: Signature,
    details: Details,
    key: PublicKey,
}

impl Signed {
    fn parse(certificate: Certificate, parts: Option<NoiseCertificate>) -> Result<Self, CertificateError> {
        let parts = parts.ok_or(CertificateError::Missing(certificate))?;
        let signed = parts.details.ok_or(CertificateError::MissingDetails(certificate))?;
        let signature = parts.signature.ok_or(CertificateError::MissingSignature(certificate))?;
        let signature = Signature::from_slice(&signature)
            .map_err(|length| CertificateError::SignatureLength(certificate, length.actual))?;
        let details = Details::decode(signed.clone())
            .map_err(|error| CertificateError::MalformedDetails(certificate, error))?;
        let key = PublicKey::from_slice(details.key())
            .map_err(|length| CertificateError::KeyLength(certificate, length.actual))?;
        Ok(Self { certificate, signed, signature, details, key })
    }

    fn check_signature(
        &self,
        issuer: &PublicKey,
        otherwise: CertificateError,
    ) -> Result<(), CertificateError> {
        issuer.verify(&[&self.signed], &self.signature).map_err(|_| otherwise)
    }

    fn check_validity(&self, now_unix: u64) -> Result<(), CertificateError> {
        let (certificate, details) = (self.certificate, &self.details);
        let (not_before, not_after) = (details.not_before(), details.not_after());
        if now_unix < not_before {
            return Err(CertificateError::NotYetValid { certificate, not_before });
        }
        if now_unix > not_after {
            return Err(CertificateError::Expired { certificate, not_after });
        }
        Ok(())
    }
}
