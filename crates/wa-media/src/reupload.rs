use std::fmt;

use prost::Message;
use rand_core::CryptoRng;
use wa_binary::{Jid, Node, Problem, ShapeError};
use wa_crypto::{aead::Aes256Gcm, kdf};
use wa_protobuf::e2e::{MediaRetryNotification, ServerErrorReceipt, media_retry_notification::ResultType};

use crate::{DirectPath, MediaKey};

/// Info of the HKDF that makes the key of requests and answers of a media key (PROTOCOL.md 19.6).
const KEY_INFO: &[u8] = b"WhatsApp Media Retry Notification";

/// Asks the phone to upload a file again that no host has any more.
///
/// The same media key opens it afterwards; only its path is new.
#[derive(Clone, Debug)]
pub struct ReuploadRequest {
    message_id: String,
    sealed: Vec<u8>,
    iv: [u8; 12],
}

/// The message whose file is asked for.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    /// Its chat.
    pub chat: &'a Jid,
    /// Whether the account itself sent it.
    pub from_me: bool,
    /// Who sent it, in a group.
    pub participant: Option<&'a Jid>,
}

impl ReuploadRequest {
    /// The request for the file of this message.
    pub fn new(key: &MediaKey, message_id: &str, rng: &mut impl CryptoRng) -> Self {
        let mut iv = [0; 12];
        rng.fill_bytes(&mut iv);
        let mut sealed = ServerErrorReceipt { stanza_id: Some(message_id.to_owned()) }.encode_to_vec();
        cipher(key).seal(&iv, message_id.as_bytes(), &mut sealed);
        Self { message_id: message_id.to_owned(), sealed, iv }
    }

    /// The receipt that carries it to the own phone; `own` is the account's number, without a device.
    pub fn receipt(&self, own: &Jid, message: MessageRef<'_>) -> Node<'static> {
        let rmr = Node::new("rmr")
            .attr("jid", message.chat.clone())
            .attr("from_me", message.from_me)
            .opt_attr("participant", message.participant.cloned());
        self.to(own).child(rmr)
    }

    /// The receipt for a part of the history.
    pub fn history_receipt(&self, own: &Jid) -> Node<'static> {
        self.to(own).attr("category", "peer")
    }

    fn to(&self, own: &Jid) -> Node<'static> {
        let encrypt = Node::new("encrypt")
            .child(Node::new("enc_p").with_bytes(self.sealed.clone()))
            .child(Node::new("enc_iv").with_bytes(self.iv.to_vec()));
        Node::new("receipt")
            .attr("id", self.message_id.clone())
            .attr("to", own.clone())
            .attr("type", "server-error")
            .child(encrypt)
    }
}

/// The phone's answer: a `<notification type="mediaretry">`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReuploadAnswer {
    /// What the media key of the message opens.
    Sealed(SealedAnswer),
    /// The server says it in the open.
    Refused {
        /// Id of the message.
        message_id: String,
        /// What the phone says of the file.
        refusal: Refusal,
    },
}

/// An answer that the media key of its message opens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAnswer {
    message_id: String,
    sealed: Vec<u8>,
    iv: [u8; 12],
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reupload {
    /// The file is there again.
    Uploaded(DirectPath),
    /// It is not.
    Refused(Refusal),
}

/// Why a phone doesn't upload a file again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It doesn't say; another time it may.
    General,
    /// It hasn't got the file any more.
    NotFound,
    /// It couldn't read the request.
    Decryption,
    /// A code that isn't known.
    Other(i32),
}

/// Why an answer isn't one to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReuploadError {
    /// It was sealed with another media key, or for another message.
    #[error("the answer can't be decrypted")]
    Sealed,
    /// What is in it is no answer.
    #[error("the answer is malformed")]
    Malformed,
    /// It names another message than the one it came for.
    #[error("the answer is about another message")]
    OtherMessage,
    /// It names no path on a media host.
    #[error("the answer has no direct path")]
    DirectPath,
}

impl ReuploadAnswer {
    /// Reads the notification.
    ///
    /// # Errors
    /// It has neither an `<error>` nor an `<encrypt>` of the right form.
    pub fn parse(notification: &Node<'_>) -> Result<Self, ShapeError> {
        let message_id = notification.require_text("id")?.into_owned();
        if let Some(error) = notification.get_child("error") {
            let code = error.attrs.number::<i32>("code").and_then(Result::ok).unwrap_or_default();
            return Ok(Self::Refused { message_id, refusal: Refusal::of(code) });
        }
        let encrypt = notification.require_child("encrypt")?;
        let sealed = encrypt.require_child("enc_p")?.require_bytes()?.into_owned();
        let iv = encrypt.require_child("enc_iv")?;
        let Ok(iv) = iv.require_bytes()?.as_ref().try_into() else {
            let problem = Problem::Content("12 bytes");
            return Err(ShapeError { tag: Some("enc_iv".into()), problem });
        };
        Ok(Self::Sealed(SealedAnswer { message_id, sealed, iv }))
    }

    /// Id of the message that it is about.
    pub fn message_id(&self) -> &str {
        match self {
            Self::Sealed(answer) => &answer.message_id,
            Self::Refused { message_id, .. } => message_id,
        }
    }
}

impl SealedAnswer {
    /// Opens it with the media key of its message.
    ///
    /// # Errors
    /// It isn't the phone's answer to the request.
    pub fn open(&self, key: &MediaKey) -> Result<Reupload, ReuploadError> {
        let mut text = self.sealed.clone();
        let aad = self.message_id.as_bytes();
        cipher(key).open(&self.iv, aad, &mut text).map_err(|_| ReuploadError::Sealed)?;
        let answer = MediaRetryNotification::decode(&text[..]).map_err(|_| ReuploadError::Malformed)?;
        if answer.stanza_id.as_ref().is_some_and(|id| *id != self.message_id) {
            return Err(ReuploadError::OtherMessage);
        }
        match answer.result.unwrap_or(ResultType::GeneralError as i32) {
            code if code == ResultType::Success as i32 => {
                let path = answer.direct_path.as_deref().unwrap_or_default();
                path.parse().map(Reupload::Uploaded).map_err(|_| ReuploadError::DirectPath)
            }
            code => Ok(Reupload::Refused(Refusal::of(code))),
        }
    }
}

impl Refusal {
    /// Codes are the same in the open and sealed.
    const fn of(code: i32) -> Self {
        const GENERAL: i32 = ResultType::GeneralError as i32;
        const NOT_FOUND: i32 = ResultType::NotFound as i32;
        const DECRYPTION: i32 = ResultType::DecryptionError as i32;
        match code {
            GENERAL => Self::General,
            NOT_FOUND => Self::NotFound,
            DECRYPTION => Self::Decryption,
            _ => Self::Other(code),
        }
    }
}

fn cipher(key: &MediaKey) -> Aes256Gcm {
    Aes256Gcm::new(&kdf::hkdf(key.expose(), b"", KEY_INFO))
}

impl fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedAnswer").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
