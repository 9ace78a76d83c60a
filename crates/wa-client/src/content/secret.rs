//! What is encrypted with the secret of the message that it is about (PROTOCOL.md 21).

use wa_crypto::aead::{Aes256Gcm, TAG_LEN};
use wa_crypto::kdf::hkdf;
use wa_protobuf::e2e::{Message, MessageContextInfo};

use super::wrapper::{MAX_DEPTH, Unwrapped};

/// The secret in a message, for what is added to it.
pub(super) fn of(message: &Message) -> Option<[u8; 32]> {
    let inside = Unwrapped::new(message, MAX_DEPTH).message;
    let secret = |info: &MessageContextInfo| info.message_secret.as_deref()?.try_into().ok();
    [message, inside].into_iter().find_map(|message| message.message_context_info.as_deref().and_then(secret))
}

/// What an addition to a message is: it stands in the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addition {
    PollVote,
    EventResponse,
    Reaction,
    MessageEdit,
    EventEdit,
    PollEdit,
    PollOption,
}

/// Whose addition it is, and to which message. People are JIDs as text, without device.
#[derive(Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) addition: Addition,
    /// Id of the message that it is added to.
    pub(crate) id: &'a str,
    /// Who wrote that message.
    pub(crate) author: &'a str,
    /// Who adds to it.
    pub(crate) by: &'a str,
}

impl Addition {
    const fn label(self) -> &'static str {
        match self {
            Self::PollVote => "Poll Vote",
            Self::EventResponse => "Event Response",
            Self::Reaction => "Enc Reaction",
            Self::MessageEdit => "Message Edit",
            Self::EventEdit => "Event Edit",
            Self::PollEdit => "Poll Edit",
            Self::PollOption => "Poll Add Option",
        }
    }

    /// Whether message and person are authenticated once more beside the ciphertext.
    const fn is_bound_twice(self) -> bool {
        matches!(self, Self::PollVote | Self::EventResponse)
    }
}

impl Binding<'_> {
    /// Encrypts an addition.
    pub(crate) fn seal(&self, secret: &[u8; 32], nonce: &[u8; 12], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        self.cipher(secret).seal(nonce, &self.associated(), &mut sealed);
        sealed
    }

    /// Decrypts one; `None` if anything of this is not as it was when it was encrypted.
    pub(crate) fn open(&self, secret: &[u8; 32], nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut opened = sealed.to_vec();
        self.cipher(secret).open(nonce.try_into().ok()?, &self.associated(), &mut opened).ok()?;
        Some(opened)
    }

    fn cipher(&self, secret: &[u8; 32]) -> Aes256Gcm {
        let info = [self.id, self.author, self.by, self.addition.label()].concat();
        Aes256Gcm::new(&hkdf::<32>(secret, b"", info.as_bytes()))
    }

    fn associated(&self) -> Vec<u8> {
        if !self.addition.is_bound_twice() {
            return Vec::new();
        }
        [self.id.as_bytes(), b"\0", self.by.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors::{array, hex, whatsmeow};

    fn binding<'a>(addition: Addition, author: &'a str, by: &'a str) -> Binding<'a> {
        Binding { addition, id: "3EB0AAAA", author, by }
    }

    #[test]
    fn a_vote_is_what_whatsmeow_makes_of_it() {
        let vector = &whatsmeow()["pollVote"];
        let vote = binding(Addition::PollVote, "15550000001@s.whatsapp.net", "100000000000001@lid");
        let (secret, nonce) = (array(&vector["secret"]), array::<12>(&vector["iv"]));
        let plain = vector["plain"].as_str().unwrap().as_bytes();
        assert_eq!(vote.seal(&secret, &nonce, plain), hex(&vector["ct"]));
        assert_eq!(vote.open(&secret, &nonce, &hex(&vector["ct"])).as_deref(), Some(plain));
        assert_eq!(vote.associated(), hex(&vector["aad"]));
    }

    #[test]
    fn nothing_but_the_right_message_and_people_opens_it() {
        let (author, by, secret) = ("1@lid", "2@lid", [9; 32]);
        let vote = binding(Addition::PollVote, author, by);
        let sealed = vote.seal(&secret, &[1; 12], b"tea");
        for other in [
            binding(Addition::PollVote, author, "3@lid"),
            binding(Addition::PollVote, "3@lid", by),
            binding(Addition::EventResponse, author, by),
            Binding { id: "3EB0AAAB", ..vote },
        ] {
            assert_eq!(other.open(&secret, &[1; 12], &sealed), None);
        }
        assert_eq!(vote.open(&[8; 32], &[1; 12], &sealed), None);
        assert_eq!(vote.open(&secret, &[1; 11], &sealed), None);
        assert_eq!(vote.open(&secret, &[1; 12], &sealed).as_deref(), Some(&b"tea"[..]));
    }

    proptest! {
        #[test]
        fn other_bytes_are_refused_without_harm(sealed: Vec<u8>, nonce: Vec<u8>, secret: [u8; 32]) {
            let vote = binding(Addition::Reaction, "1@lid", "2@lid");
            prop_assert_eq!(vote.open(&secret, &nonce, &sealed), None);
        }
    }
}
