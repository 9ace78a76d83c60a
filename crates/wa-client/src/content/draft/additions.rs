//! Drafts that are encrypted with the secret of the message that they are about (PROTOCOL.md 21).

use prost::Message as _;
use rand::RngExt;
use wa_crypto::mac::sha256;
use wa_protobuf::e2e::{
    EncEventResponseMessage, EventResponseMessage, Message, PollEncValue, PollUpdateMessage, PollVoteMessage,
};

use super::Draft;
use crate::content::opened::Going;
use crate::content::parts::Target;
use crate::content::secret::{Addition, Binding};

/// What an addition is made with.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The message that it is about.
    pub(crate) target: Target<'a>,
    /// The secret of that message.
    pub(crate) secret: &'a [u8; 32],
    /// Who wrote it, as text without device.
    pub(crate) author: &'a str,
    /// The own account, named in the same way.
    pub(crate) by: &'a str,
    /// Now, in Unix milliseconds.
    pub(crate) at: i64,
}

impl Draft {
    /// A vote for these options.
    pub(crate) fn vote(around: &Around<'_>, choices: &[String]) -> Self {
        let hashes = choices.iter().map(|name| sha256(&[name.as_bytes()]).to_vec().into());
        let vote = PollVoteMessage { selected_options: hashes.collect() };
        let (payload, nonce) = sealed(around, Addition::PollVote, &vote.encode_to_vec());
        let update = PollUpdateMessage {
            poll_creation_message_key: Some(around.target.key()),
            vote: Some(PollEncValue { enc_payload: Some(payload.into()), enc_iv: Some(nonce.into()) }),
            sender_timestamp_ms: Some(around.at),
        };
        Self::new(Message { poll_update_message: Some(Box::new(update)), ..Message::default() })
    }

    /// An answer to an event.
    pub(crate) fn answer(around: &Around<'_>, going: Going, guests: u32) -> Self {
        let answer = EventResponseMessage {
            response: Some(going.wire().into()),
            timestamp_ms: Some(around.at),
            extra_guest_count: Some(i32::try_from(guests).unwrap_or(i32::MAX)),
        };
        let (payload, nonce) = sealed(around, Addition::EventResponse, &answer.encode_to_vec());
        let response = EncEventResponseMessage {
            event_creation_message_key: Some(around.target.key()),
            enc_payload: Some(payload.into()),
            enc_iv: Some(nonce.into()),
        };
        Self::new(Message { enc_event_response_message: Some(Box::new(response)), ..Message::default() })
    }
}

fn sealed(around: &Around<'_>, addition: Addition, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let nonce: [u8; 12] = rand::rng().random();
    let Around { target, secret, author, by, .. } = around;
    let binding = Binding { addition, id: target.id, author, by };
    (binding.seal(secret, &nonce, plain), nonce.to_vec())
}
