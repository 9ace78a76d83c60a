//! `X-Webhook-Signature`: lower-case hexadecimal HMAC-SHA256 of the body's exact bytes. `X-Webhook-Signature-V2`: the same
//! of the attempt's time, a dot and the body, so that a receiver can refuse what was recorded and is played again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use storage::{SecretText, Timestamp, Webhook};

/// The signers of one webhook: that of its secret, and of the one that is to follow.
pub(crate) struct Signers {
    present: Option<Signer>,
    next: Option<(Signer, Timestamp)>,
}

impl Signers {
    pub(crate) fn of(webhook: &Webhook) -> Self {
        let signer = |secret: &SecretText| Signer::new(secret.expose());
        let next = webhook.next_secret.as_ref().map(|next| (signer(&next.secret), next.from));
        Self { present: webhook.secret.as_ref().map(signer), next }
    }

    /// Whose signatures calls have at this time: what receivers know, and beside it what they change over to.
    pub(crate) fn at(&self, now: Timestamp) -> (Option<&Signer>, Option<&Signer>) {
        match &self.next {
            Some((next, from)) if *from <= now => (Some(next), None),
            next => (self.present.as_ref(), next.as_ref().map(|(next, _)| next)),
        }
    }
}

/// Signs bodies with one webhook's secret. The key schedule is computed once.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
    /// For receivers that want HMAC-SHA512.
    sha512: hmac::Key,
    /// For those that know Standard Webhooks, whose secrets are base64.
    standard: hmac::Key,
}

/// What the secrets of Standard Webhooks begin with.
const STANDARD_PREFIX: &str = "whsec_";

impl Signer {
    /// A signer for `secret`, used as it is, byte for byte.
    pub fn new(secret: &str) -> Self {
        let encoded = secret.strip_prefix(STANDARD_PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        let standard = encoded.as_deref().unwrap_or(secret.as_bytes());
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            sha512: hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes()),
            standard: hmac::Key::new(hmac::HMAC_SHA256, standard),
        }
    }

    /// The header's value for `body`.
    ///
    /// ```
    /// // RFC 4231, test case 2
    /// let signature = webhook::Signer::new("Jefe").sign(b"what do ya want for nothing?");
    /// assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    /// ```
    pub fn sign(&self, body: &[u8]) -> String {
        hex::encode(hmac::sign(&self.key, body))
    }

    /// The second header's value for `body` in an attempt at `time`, in Unix seconds: `t=<time>,v1=<signature>`, and while
    /// another secret is to follow, `,next=<its signature>`. Receivers leave out the parts that they don't know.
    ///
    /// ```
    /// let (signer, next) = (webhook::Signer::new("the secret"), webhook::Signer::new("the next one"));
    /// let header = signer.sign_at(b"{}", 1_700_000_000, None);
    /// assert_eq!(header, format!("t=1700000000,v1={}", signer.sign(b"1700000000.{}")));
    /// let both = signer.sign_at(b"{}", 1_700_000_000, Some(&next));
    /// assert_eq!(both, format!("{header},next={}", next.sign(b"1700000000.{}")));
    /// ```
    pub fn sign_at(&self, body: &[u8], time: i64, next: Option<&Self>) -> String {
        let signature = |signer: &Self| {
            let mut context = hmac::Context::with_key(&signer.key);
            context.update(format!("{time}.").as_bytes());
            context.update(body);
            hex::encode(context.sign())
        };
        let next = next.map(|next| format!(",next={}", signature(next))).unwrap_or_default();
        format!("t={time},v1={}{next}", signature(self))
    }

    /// Lower-case hexadecimal HMAC-SHA512 of `body`.
    pub(crate) fn sign_sha512(&self, body: &[u8]) -> String {
        hex::encode(hmac::sign(&self.sha512, body))
    }

    /// A signature of Standard Webhooks: `v1,` and the HMAC-SHA256 of id, time in Unix seconds and `body`, with dots between,
    /// in base64. A secret `whsec_<base64>` stands for those bytes, any other one for its own.
    pub(crate) fn sign_standard(&self, id: &str, time: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.standard);
        context.update(format!("{id}.{time}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// What a receiver does: true if `signature` is that of `body`. Takes the same time wherever they differ.
    pub fn verify(&self, body: &[u8], signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|tag| hmac::verify(&self.key, body, &tag).is_ok())
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 1.
    #[test]
    fn signatures_match_the_rfc() {
        let signer = Signer::new(&"\u{b}".repeat(20));
        assert_eq!(
            signer.sign(b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    /// The example of WAHA's documentation.
    #[test]
    fn sha512_is_what_waha_documents() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        assert_eq!(
            Signer::new("my-secret-key").sign_sha512(body),
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        );
    }

    /// The example of the Standard Webhooks libraries.
    #[test]
    fn standard_signatures_are_those_of_the_libraries() {
        let signer = Signer::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed =
            signer.sign_standard("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn verification_refuses_every_difference() {
        let signer = Signer::new("secret");
        let signature = signer.sign(b"{}");
        assert!(signer.verify(b"{}", &signature));
        assert!(!signer.verify(b"{} ", &signature));
        assert!(!Signer::new("Secret").verify(b"{}", &signature));
        assert!(!signer.verify(b"{}", ""));
        assert!(!signer.verify(b"{}", &signature[..62]));
        assert!(!signer.verify(b"{}", "zz"));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Signer::new("hunter2")), "Signer { .. }");
    }
}
