//! What is encrypted with the secret of the message that it is about (PROTOCOL.md 21).

use wa_crypto::{aead::Aes256Gcm, kdf::hkdf};

/// What is added to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    PollVote,
    EventResponse,
    Reaction,
    MessageEdit,
}

impl Label {
    fn text(self) -> &'static str {
        match self {
            Self::PollVote => "Poll Vote",
            Self::EventResponse => "Event Response",
            Self::Reaction => "Enc Reaction",
            Self::MessageEdit => "Message Edit",
        }
    }
}

/// An addition to a message: whose it is, and to which.
#[derive(Clone, Copy)]
pub(super) struct Bond<'a> {
    pub(super) label: Label,
    /// The message's id.
    pub(super) id: &'a str,
    /// Who wrote it, as a JID.
    pub(super) author: &'a str,
    /// Who adds to it, as a JID.
    pub(super) by: &'a str,
}

impl Bond<'_> {
    pub(super) fn seal(&self, secret: &[u8; 32], nonce: &[u8; 12], plain: Vec<u8>) -> Vec<u8> {
        let mut sealed = plain;
        self.key(secret).seal(nonce, &self.beside(), &mut sealed);
        sealed
    }

    pub(super) fn open(&self, secret: &[u8; 32], nonce: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = sealed.to_vec();
        let nonce = nonce.try_into().ok()?;
        self.key(secret).open(nonce, &self.beside(), &mut plain).is_ok().then_some(plain)
    }

    fn key(&self, secret: &[u8; 32]) -> Aes256Gcm {
        let mut info = Vec::new();
        for part in [self.id, self.author, self.by, self.label.text()] {
            info.extend_from_slice(part.as_bytes());
        }
        Aes256Gcm::new(&hkdf(secret, &[], &info))
    }

    /// What is authenticated beside the ciphertext, of votes and answers alone.
    fn beside(&self) -> Vec<u8> {
        match self.label {
            Label::PollVote | Label::EventResponse => format!("{}\0{}", self.id, self.by).into_bytes(),
            Label::Reaction | Label::MessageEdit => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by whatsmeow.
    #[test]
    fn a_vote_is_what_another_client_makes_of_it() {
        let (author, by) = ("15550000001@s.whatsapp.net", "100000000000001@lid");
        let bond = Bond { label: Label::PollVote, id: "3EB0AAAA", author, by };
        let sealed = bond.seal(&[9; 32], &[1; 12], b"vote".to_vec());
        assert_eq!(hex::encode(&sealed), "983e54cdeb6eb20110115bdb61e4420b2e98227f");
        assert_eq!(bond.open(&[9; 32], &[1; 12], &sealed).as_deref(), Some(&b"vote"[..]));
        assert_eq!(Bond { by: author, ..bond }.open(&[9; 32], &[1; 12], &sealed), None);
    }
}
