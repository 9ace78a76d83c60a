//! What a client tells while it is linked.

use std::fmt;
use wa_binary::Jid;

/// A pairing code in its two textual forms. `Debug` shows neither: whoever reads one can link an account.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// `https://wa.me/settings/linked_devices#ref,noise,identity,secret,type`: what WhatsApp Web shows today.
    pub text: String,
    /// The five comma-separated parts alone, as older clients show them.
    pub bare: String,
    /// Unix milliseconds when the next code replaces this one.
    pub expires_at: i64,
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A code to be entered on the phone. `Debug` doesn't show it: whoever reads it can link an account.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// Eight characters with a dash in the middle, which doesn't count: `ABCD-1234`.
    pub code: String,
    /// Unix milliseconds after which the phone may no longer be able to use it.
    pub expires_at: i64,
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// How far a pairing is whose account asks for a passkey (PROTOCOL.md 6.5).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasskeyStep {
    /// The account's owner is to show their passkey: [`crate::Client::answer_passkey`].
    Asked {
        /// WebAuthn's `PublicKeyCredentialRequestOptions` in JSON, binary parts in unpadded base64url, as
        /// `PublicKeyCredential.parseRequestOptionsFromJSON` takes it. A browser answers it only to pages of `rpId`,
        /// which is `whatsapp.com`.
        options: String,
    },
    /// They did, and the phone is awaited.
    Answered,
    /// They are to compare this code with what their phone shows, and say that it is the same:
    /// [`crate::Client::confirm_passkey`].
    Compare {
        /// Eight characters with a dash in the middle.
        code: String,
        /// Whether the phone knows already that this is the companion whose code it has scanned, and may show nothing.
        is_optional: bool,
    },
    /// They did, and the phone links this companion next.
    Confirmed,
}

impl fmt::Debug for PasskeyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked { .. } => "Asked",
            Self::Answered => "Answered",
            Self::Compare { .. } => "Compare",
            Self::Confirmed => "Confirmed",
        })
    }
}

/// What an authenticator answers to WebAuthn's request. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasskeyAssertion {
    /// The credential's id (`rawId`).
    pub credential_id: Vec<u8>,
    /// What the browser signed (`response.clientDataJSON`).
    pub client_data_json: Vec<u8>,
    /// What the authenticator says of itself (`response.authenticatorData`).
    pub authenticator_data: Vec<u8>,
    /// The signature over both (`response.signature`).
    pub signature: Vec<u8>,
    /// Whose credential it is (`response.userHandle`), where the authenticator says so.
    pub user_handle: Option<Vec<u8>>,
}

impl fmt::Debug for PasskeyAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyAssertion").finish_non_exhaustive()
    }
}

/// The account that a phone has linked this companion to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// Phone number address of this companion, with its device id.
    pub jid: Jid,
    /// LID address of this companion, with its device id.
    pub lid: Option<Jid>,
    /// Platform of the phone, such as `android`.
    pub platform: String,
    /// Verified business name, for business accounts.
    pub business_name: Option<String>,
}
