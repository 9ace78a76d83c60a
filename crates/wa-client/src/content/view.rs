use std::fmt;

use wa_protobuf::e2e::keep_in_chat_message::KeepType;
use wa_protobuf::e2e::pin_in_chat_message::Type as PinType;
use wa_protobuf::e2e::{ContextInfo, Message};

use super::attributes::Attributes;
use super::body::Body;
use super::context;
use super::kind::Kind;
use super::media::Media;
use super::parts::{Card, Link, Meeting, Place, Poll, Quote, Target};
use super::wrapper::{MAX_DEPTH, Unwrapped};

/// A message seen through its wrappers (view-once, ephemeral, sent by another own device, edited, …). Borrows everything.
///
/// Any message has a view, however odd: what can't be read is [`Kind::Unknown`], what isn't for people
/// [`Kind::Machinery`]. `Debug` shows the kind alone.
#[derive(Clone, Copy)]
pub struct View<'a> {
    message: Unwrapped<'a>,
    body: Body<'a>,
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&self.kind()).finish()
    }
}

impl<'a> View<'a> {
    /// Looks at a message, with or without wrappers.
    pub fn of(message: &'a Message) -> Self {
        Self::within(message, MAX_DEPTH)
    }

    fn within(message: &'a Message, depth: usize) -> Self {
        let message = Unwrapped::new(message, depth);
        Self { message, body: Body::of(&message) }
    }

    /// What it is, wrappers taken off.
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// What people read in it, other than under a file: a text, the question of a poll, the name of a place or a
    /// contact, what was chosen, the emoji of a reaction (empty: taken away), the new text or caption of an edit.
    pub fn text(&self) -> Option<&'a str> {
        let text = match self.body {
            Body::Conversation(text) => Some(text),
            Body::ExtendedText(text) => text.text.as_deref(),
            Body::Contact(contact) => contact.display_name.as_deref(),
            Body::Contacts(contacts) => contacts.display_name.as_deref(),
            Body::Location(location) => location.name.as_deref(),
            Body::LiveLocation(location) => location.caption.as_deref(),
            Body::Poll(poll) => poll.name.as_deref(),
            Body::Event(event) => event.name.as_deref(),
            Body::GroupInvite(invite) => invite.caption.as_deref(),
            Body::Product(product) => product.product.as_ref().and_then(|product| product.title.as_deref()),
            Body::Order(order) => order.message.as_deref(),
            Body::List(list) => list.description.as_deref().or(list.title.as_deref()),
            Body::ListResponse(response) => response.title.as_deref(),
            Body::Buttons(buttons) => buttons.content_text.as_deref(),
            Body::ButtonsResponse(response) => response.selected_display_text.as_deref(),
            Body::Template(template) => {
                let hydrated = template.hydrated_template.as_deref();
                hydrated.and_then(|template| template.hydrated_content_text.as_deref())
            }
            Body::TemplateReply(reply) => reply.selected_display_text.as_deref(),
            Body::Interactive(interactive) => interactive.body.as_ref().and_then(|body| body.text.as_deref()),
            Body::InteractiveResponse(response) => {
                response.body.as_ref().and_then(|body| body.text.as_deref())
            }
            Body::Reaction(reaction) => return Some(reaction.text()),
            Body::Edit { .. } => return self.edited()?.text_or_caption(),
            _ => None,
        };
        text.filter(|text| !text.is_empty())
    }

    /// The text under a file.
    pub fn caption(&self) -> Option<&'a str> {
        let caption = match self.body {
            Body::Image(image) => image.caption.as_deref(),
            Body::Video(video) | Body::VideoNote(video) => video.caption.as_deref(),
            Body::Document(document) => document.caption.as_deref(),
            Body::StickerPack(pack) => pack.caption.as_deref(),
            _ => None,
        };
        caption.filter(|caption| !caption.is_empty())
    }

    /// [`text`](Self::text) or [`caption`](Self::caption): what a search looks through. No message has both.
    pub fn text_or_caption(&self) -> Option<&'a str> {
        self.text().or_else(|| self.caption())
    }

    /// Its file, or the one above a text with buttons.
    pub fn media(&self) -> Option<Media<'a>> {
        Media::of(&self.body)
    }

    /// The message that it answers.
    pub fn quote(&self) -> Option<Quote<'a>> {
        let context = self.context()?;
        let id = context.stanza_id.as_deref().filter(|id| !id.is_empty())?;
        let depth = self.message.depth.saturating_sub(1);
        let content = context.quoted_message.as_deref().filter(|_| depth > 0);
        Some(Quote {
            id,
            participant: context.participant.as_deref(),
            chat: context.remote_jid.as_deref().filter(|chat| !chat.is_empty()),
            content: content.map(|message| Self::within(message, depth)),
        })
    }

    /// JIDs of the people named in it as `@user`.
    pub fn mentions(&self) -> &'a [String] {
        self.context().map(|context| context.mentioned_jid.as_slice()).unwrap_or_default()
    }

    /// Whether it names everybody in the group.
    pub fn mentions_everyone(&self) -> bool {
        self.context().is_some_and(|context| context.non_jid_mentions == Some(1))
    }

    /// Whether it was forwarded.
    pub fn is_forwarded(&self) -> bool {
        self.context().is_some_and(ContextInfo::is_forwarded)
    }

    /// The message that it is about: that it edits, takes back, reacts to, pins, keeps, votes on or answers as an
    /// invitation. What a reply quotes is its [`quote`](Self::quote).
    pub fn target(&self) -> Option<Target<'a>> {
        Target::read(match self.body {
            Body::Reaction(reaction) => reaction.key.as_ref(),
            Body::EncReaction(reaction) => reaction.target_message_key.as_ref(),
            Body::Edit { key, .. } | Body::Revoke(key) => key,
            Body::SecretEdit(edit) => edit.target_message_key.as_ref(),
            Body::Pin(pin) => pin.key.as_ref(),
            Body::Keep(keep) => keep.key.as_ref(),
            Body::PollVote(vote) => vote.poll_creation_message_key.as_ref(),
            Body::EventResponse(response) => response.event_creation_message_key.as_ref(),
            _ => None,
        })
    }

    /// The new content of an edit; `None` where it is encrypted with the secret of the first one.
    pub fn edited(&self) -> Option<View<'a>> {
        let Body::Edit { content: Some(content), .. } = self.body else { return None };
        let depth = self.message.depth.checked_sub(1)?;
        let message = Unwrapped { is_edited: false, ..Unwrapped::new(content, depth) };
        Some(Self { message, body: Body::of(&message) })
    }

    /// Whether a reaction, a pin or a keep takes an earlier one away.
    pub fn is_undone(&self) -> bool {
        match self.body {
            Body::Reaction(reaction) => reaction.text().is_empty(),
            Body::Pin(pin) => pin.r#type() == PinType::UnpinForAll,
            Body::Keep(keep) => keep.keep_type() == KeepType::UndoKeepForAll,
            _ => false,
        }
    }

    /// Whether it may be looked at once.
    pub fn is_view_once(&self) -> bool {
        self.message.is_view_once
            || match self.body {
                Body::ExtendedText(text) => text.view_once(),
                Body::Image(image) => image.view_once(),
                Body::Video(video) | Body::VideoNote(video) => video.view_once(),
                Body::Audio(audio) => audio.view_once(),
                _ => false,
            }
    }

    /// Seconds after which it disappears; of what sets the timer of a chat, the new timer. 0 is off.
    pub fn expiration(&self) -> Option<u32> {
        match self.body {
            Body::Timer(protocol) => protocol.ephemeral_expiration,
            _ => self.context()?.expiration,
        }
    }

    /// What it says of the timer of its chat: seconds, 0 being off, and when that was set, in Unix seconds.
    pub(crate) fn timer(&self) -> Option<(u32, Option<i64>)> {
        match self.body {
            Body::Timer(protocol) => {
                Some((protocol.ephemeral_expiration(), protocol.ephemeral_setting_timestamp))
            }
            _ => {
                let context = self.context()?;
                Some((context.expiration?, context.ephemeral_setting_timestamp))
            }
        }
    }

    /// The preview of a link.
    pub fn link(&self) -> Option<Link<'a>> {
        let Body::ExtendedText(text) = self.body else { return None };
        Link::of(text)
    }

    /// The contact cards.
    pub fn contacts(&self) -> impl Iterator<Item = Card<'a>> + use<'a> {
        let (one, many) = match self.body {
            Body::Contact(contact) => (Some(contact), &[][..]),
            Body::Contacts(contacts) => (None, contacts.contacts.as_slice()),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many).map(Card::from)
    }

    /// The place on the map.
    pub fn place(&self) -> Option<Place<'a>> {
        match self.body {
            Body::Location(location) => Some(location.into()),
            Body::LiveLocation(location) => Some(location.into()),
            _ => None,
        }
    }

    /// The question and its options.
    pub fn poll(&self) -> Option<Poll<'a>> {
        let Body::Poll(poll) = self.body else { return None };
        Some(Poll::of(poll))
    }

    /// The meeting that it invites to.
    pub fn meeting(&self) -> Option<Meeting<'a>> {
        let Body::Event(event) = self.body else { return None };
        Some(event.into())
    }

    /// The sender's id of the button or row that was chosen.
    pub fn choice(&self) -> Option<&'a str> {
        match self.body {
            Body::ListResponse(response) => response.single_select_reply.as_ref()?.selected_row_id.as_deref(),
            Body::ButtonsResponse(response) => response.selected_button_id.as_deref(),
            Body::TemplateReply(reply) => reply.selected_id.as_deref(),
            _ => None,
        }
    }

    /// What the stanza that carries it says about it.
    pub fn attributes(&self) -> Attributes {
        let meta =
            if self.is_view_once() { Some(("view_once", "true")) } else { Attributes::meta_of(&self.body) };
        Attributes { meta, ..Attributes::of(&self.body, self.is_undone()) }
    }

    /// Its protobuf, encoded anew without the wrappers: to keep a part of a message, such as the new content of an edit.
    pub fn to_raw(&self) -> bytes::Bytes {
        prost::Message::encode_to_vec(self.unwrapped()).into()
    }

    /// What holds its content, by field.
    pub(super) fn body(&self) -> &Body<'a> {
        &self.body
    }

    pub(super) fn unwrapped(&self) -> &'a Message {
        self.message.message
    }

    fn context(&self) -> Option<&'a ContextInfo> {
        context::of(self.message.message)
    }
}
