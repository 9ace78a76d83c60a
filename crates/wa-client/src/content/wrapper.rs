use wa_protobuf::e2e::{FutureProofMessage, Message};

/// Wrappers inside wrappers that are opened. Real messages have three at most; the limit keeps a hostile one cheap.
pub(super) const MAX_DEPTH: usize = 16;

/// A message taken out of the wrappers that say only how it came or how to show it.
#[derive(Clone, Copy)]
pub(super) struct Unwrapped<'a> {
    pub(super) message: &'a Message,
    /// What of [`MAX_DEPTH`] is left for messages inside this one.
    pub(super) depth: usize,
    /// Whether it may be looked at once.
    pub(super) is_view_once: bool,
    /// Whether it is the new content of another message.
    pub(super) is_edited: bool,
}

impl<'a> Unwrapped<'a> {
    /// Opens at most `depth` wrappers. A message with more of them stays what it is: a wrapper, hence unknown.
    pub(super) fn new(message: &'a Message, depth: usize) -> Self {
        let mut unwrapped = Self { message, depth, is_view_once: false, is_edited: false };
        while unwrapped.depth > 0
            && let Some((inner, wrapper)) = opened(unwrapped.message)
        {
            unwrapped.message = inner;
            unwrapped.depth -= 1;
            unwrapped.is_view_once |= matches!(wrapper, Wrapper::ViewOnce);
            unwrapped.is_edited |= matches!(wrapper, Wrapper::Edited);
        }
        unwrapped
    }
}

enum Wrapper {
    Plain,
    ViewOnce,
    Edited,
}

/// The message inside, if this one is a wrapper (PROTOCOL.md 12).
fn opened(message: &Message) -> Option<(&Message, Wrapper)> {
    let sent = message.device_sent_message.as_deref().and_then(|sent| sent.message.as_deref());
    sent.map(|inner| (inner, Wrapper::Plain))
        .or_else(|| first(&view_once(message)).map(|inner| (inner, Wrapper::ViewOnce)))
        .or_else(|| first(&[&message.edited_message]).map(|inner| (inner, Wrapper::Edited)))
        .or_else(|| first(&plain(message)).map(|inner| (inner, Wrapper::Plain)))
}

type Field<'a> = &'a Option<Box<FutureProofMessage>>;

fn first<'a>(wrappers: &[Field<'a>]) -> Option<&'a Message> {
    wrappers.iter().copied().flatten().find_map(|wrapper| wrapper.message.as_deref())
}

fn view_once(message: &Message) -> [Field<'_>; 3] {
    [&message.view_once_message, &message.view_once_message_v2, &message.view_once_message_v2_extension]
}

/// Everything else that WhatsApp wraps so that older clients can say that they don't know it.
fn plain(message: &Message) -> [Field<'_>; 23] {
    [
        &message.ephemeral_message,
        &message.document_with_caption_message,
        &message.group_mentioned_message,
        &message.bot_invoke_message,
        &message.lottie_sticker_message,
        &message.event_cover_image,
        &message.status_mention_message,
        &message.poll_creation_option_image_message,
        &message.associated_child_message,
        &message.group_status_mention_message,
        &message.poll_creation_message_v4,
        &message.status_add_yours,
        &message.group_status_message,
        &message.limit_sharing_message,
        &message.bot_task_message,
        &message.question_message,
        &message.group_status_message_v2,
        &message.bot_forwarded_message,
        &message.question_reply_message,
        &message.newsletter_admin_profile_message,
        &message.newsletter_admin_profile_message_v2,
        &message.spoiler_message,
        &message.newsletter_admin_profile_status_message,
    ]
}
