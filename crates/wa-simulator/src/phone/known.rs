//! The messages that a phone knows of, what is added to them, and what of that it heeds.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use rand::Rng as _;
use wa_crypto::mac::sha256;
use wa_protobuf::{
    e2e::{
        EventResponseMessage, Message, MessageKey, PollCreationMessage, PollVoteMessage, ReactionMessage,
        event_response_message::EventResponseType,
    },
    lenient,
};

use super::{
    Phone, content,
    content::Described,
    say::EDIT_WINDOW,
    secret::{Bond, Label},
};
use crate::{Addressing, ControlError, account::Account, group::Rank, world::Chat};

/// A message of a chat, whoever wrote it.
pub(super) struct Known {
    pub(super) id: CompactString,
    pub(super) author: Arc<Account>,
    pub(super) timestamp: u64,
    pub(super) message: Message,
}

/// A poll as its votes are judged by.
#[derive(Clone, Copy)]
pub(super) struct Ballot<'a>(&'a PollCreationMessage);

impl Ballot<'_> {
    pub(super) fn offers(self, name: &str) -> bool {
        self.names().any(|option| option == name)
    }

    pub(super) fn lets_choose(self, count: usize) -> bool {
        let most = self.0.selectable_options_count();
        most == 0 || u32::try_from(count).is_ok_and(|count| count <= most)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.options.iter().filter_map(|option| option.option_name.as_deref())
    }
}

impl Known {
    pub(super) fn poll(&self) -> Option<Ballot<'_>> {
        content::poll(&self.message).map(Ballot)
    }

    fn secret(&self) -> Option<[u8; 32]> {
        self.message.message_context_info.as_ref()?.message_secret.as_deref()?.try_into().ok()
    }
}

impl Phone {
    /// A message of this chat, if the phone has it.
    pub(super) fn known_in(&self, chat: &Chat, id: &str) -> Option<Known> {
        let name = chat.name();
        let outbox = self.state.outbox.borrow();
        let sent = outbox.get(id).filter(|sent| sent.entry.to == name);
        let sent = sent.map(|sent| (self.account.clone(), sent.entry.timestamp, sent.content.clone()));
        let kept = self.state.contents.get(id).filter(|kept| kept.chat == name);
        let kept = kept
            .and_then(|kept| Some((self.world.account(&kept.author)?, kept.timestamp, kept.content.clone())));
        let (author, timestamp, content) = sent.or(kept)?;
        let message = lenient::decode::<Message>(&content).map(|(message, _)| message).unwrap_or_default();
        Some(Known { id: id.into(), author, timestamp, message })
    }

    /// Names a message of a chat, as this phone sees it.
    pub(super) fn key(&self, chat: &Chat, known: &Known) -> MessageKey {
        let from_me = known.author == self.account;
        let addressing = chat.addressing().filter(|_| !from_me);
        let participant = addressing.map(|addressing| known.author.jid(addressing, 0).to_string());
        MessageKey {
            remote_jid: Some(chat.name().into_string()),
            from_me: Some(from_me),
            id: Some(known.id.to_string()),
            participant,
        }
    }

    /// Whether an account is an administrator where this is written.
    pub(super) fn administers(&self, chat: &Chat, account: &Account) -> bool {
        match chat {
            Chat::Group(group) => group.record().rank(account).is_some_and(|rank| rank >= Rank::Admin),
            Chat::Person(_) | Chat::Status(_) => false,
        }
    }

    /// Encrypts an addition with the secret of what it is added to; with the nonce.
    pub(super) fn sealed(
        &mut self,
        known: Option<&Known>,
        label: Label,
        plain: Vec<u8>,
        addressing: Addressing,
    ) -> Result<(Vec<u8>, Vec<u8>), ControlError> {
        let without = || ControlError::InvalidRequest("nothing can be added to this message".into());
        let known = known.ok_or_else(without)?;
        let secret = known.secret().ok_or_else(without)?;
        let mut nonce = [0; 12];
        self.state.rng.fill_bytes(&mut nonce);
        let author = known.author.jid(addressing, 0).to_string();
        let by = self.account.jid(addressing, 0).to_string();
        let bond = Bond { label, id: &known.id, author: &author, by: &by };
        Ok((bond.seal(&secret, &nonce, plain), nonce.to_vec()))
    }

    /// What a message says once what is encrypted in it is opened, and why the phone doesn't heed it, if it doesn't.
    pub(super) fn judged(
        &self,
        chat: &Chat,
        by: &Arc<Account>,
        timestamp: u64,
        message: &Message,
    ) -> (Described, Option<&'static str>) {
        let shown = content::described(message);
        let known = shown.target.as_deref().and_then(|id| self.known_in(chat, id));
        let Some(known) = known else {
            let is_sealed = content::sealed(message).is_some();
            return (shown, is_sealed.then_some("unknown message"));
        };
        let (shown, ignored) = match content::sealed(message) {
            Some(sealed) => match opened(&known, by, &sealed) {
                None => (shown, Some("wrong secret")),
                Some(plain) => read(&known, shown, sealed.label, &plain),
            },
            None => (shown, None),
        };
        let ignored = ignored.or_else(|| match shown.kind {
            "edit" if known.author != *by => Some("not its author"),
            "edit" if timestamp >= known.timestamp + EDIT_WINDOW => Some("too late"),
            "revoke" if known.author != *by && !self.administers(chat, by) => Some("not its author"),
            _ => None,
        });
        (shown, ignored)
    }
}

/// What is encrypted in a message with the secret of another.
pub(super) struct Sealed {
    pub(super) label: Label,
    pub(super) nonce: Bytes,
    pub(super) payload: Bytes,
}

/// Decrypts it, by whichever of their addresses the two were named.
fn opened(known: &Known, by: &Account, sealed: &Sealed) -> Option<Vec<u8>> {
    let secret = known.secret()?;
    let names = |account: &Account| {
        [Addressing::Lid, Addressing::Pn].map(|addressing| account.jid(addressing, 0).to_string())
    };
    let (authors, people) = (names(&known.author), names(by));
    authors.iter().flat_map(|author| people.iter().map(move |by| (author, by))).find_map(|(author, by)| {
        let bond = Bond { label: sealed.label, id: &known.id, author, by };
        bond.open(&secret, &sealed.nonce, &sealed.payload)
    })
}

fn read(known: &Known, shown: Described, label: Label, plain: &[u8]) -> (Described, Option<&'static str>) {
    match label {
        Label::PollVote => {
            let Some(poll) = known.poll() else { return (shown, Some("no poll")) };
            let Ok(vote) = PollVoteMessage::decode(plain) else { return (shown, Some("malformed")) };
            let hashes = vote.selected_options;
            let chosen = |name: &&str| hashes.iter().any(|hash| **hash == sha256(&[name.as_bytes()]));
            let chosen: Vec<String> = poll.names().filter(chosen).map(str::to_owned).collect();
            let ignored = match () {
                () if chosen.len() < hashes.len() => Some("unknown option"),
                () if !poll.lets_choose(chosen.len()) => Some("too many options"),
                () => None,
            };
            (Described { chosen, ..shown }, ignored)
        }
        Label::EventResponse => {
            let Ok(answer) = EventResponseMessage::decode(plain) else { return (shown, Some("malformed")) };
            let text = match answer.response() {
                EventResponseType::Going => "going",
                EventResponseType::NotGoing => "not_going",
                EventResponseType::Maybe => "maybe",
                EventResponseType::Unknown => return (shown, Some("malformed")),
            };
            (Described { text: Some(text.to_owned()), ..shown }, None)
        }
        Label::Reaction => match ReactionMessage::decode(plain) {
            Ok(reaction) => (Described { text: reaction.text, ..shown }, None),
            Err(_) => (shown, Some("malformed")),
        },
        Label::MessageEdit => {
            let inner = Message::decode(plain).unwrap_or_default();
            let text = content::described(&inner).text;
            let ignored = text.is_none().then_some("malformed");
            (Described { text, ..shown }, ignored)
        }
    }
}
