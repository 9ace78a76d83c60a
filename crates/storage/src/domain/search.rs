//! Full text search: what a word is, for every store alike.

use std::ops::Range;

use thiserror::Error;

use crate::{Cursor, Message, MessageKind, MessageStatus, Timestamp};

/// Words of one text that can be found: more are in no message that somebody has written.
const MAX_WORDS: usize = 20_000;
/// Most words that may be looked for at once.
pub const MAX_SEARCH_WORDS: usize = 16;
/// Bytes that the beginning of a word has at least: all words of all that begin with it are gone through. A character of a script
/// without spaces has as many.
const SHORTEST_BEGINNING: usize = 3;
/// Characters around the first match that are shown of a text.
const AROUND: usize = 60;

/// What is looked for: all of its phrases, in any order, whatever the case of their letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchTerms(Vec<Phrase>);

/// Words that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// In lower case; one at least.
    pub words: Vec<String>,
    /// Whether the last one is only the beginning of a word.
    pub is_open: bool,
}

/// Nothing can be looked for by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSearch {
    /// It has no letter and no digit.
    #[error("must have a word to look for")]
    Empty,
    /// It has more than [`MAX_SEARCH_WORDS`].
    #[error("must have at most {MAX_SEARCH_WORDS} words")]
    TooMany,
    /// The beginning of a word is that of too many.
    #[error("must have three letters before a *")]
    TooOpen,
}

impl SearchTerms {
    /// Reads what somebody looks for: words, `"words that follow each other"`, and `beginnings*`. What is written together
    /// (an address, a number with dashes, a run of Chinese) is looked for together.
    ///
    /// # Errors
    /// [`InvalidSearch`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        let mut phrases = Vec::new();
        for (n, part) in text.split('"').enumerate() {
            let is_quoted = n % 2 == 1;
            let chunks: Vec<&str> = if is_quoted { vec![part] } else { part.split_whitespace().collect() };
            phrases.extend(chunks.into_iter().filter_map(Phrase::of));
        }
        if phrases.iter().any(Phrase::is_too_open) {
            return Err(InvalidSearch::TooOpen);
        }
        match phrases.iter().map(|phrase| phrase.words.len()).sum() {
            0 => Err(InvalidSearch::Empty),
            1..=MAX_SEARCH_WORDS => Ok(Self(phrases)),
            _ => Err(InvalidSearch::TooMany),
        }
    }

    /// All that has to be found.
    pub fn phrases(&self) -> &[Phrase] {
        &self.0
    }

    /// Whether a text has all of it.
    pub fn are_in(&self, text: &str) -> bool {
        let words: Vec<_> = words(text).collect();
        self.0.iter().all(|phrase| phrase.find(&words).is_some())
    }

    /// The text around the first match; all of a short one.
    pub fn snippet(&self, text: &str) -> String {
        let words: Vec<_> = words(text).collect();
        let found = self.0.iter().filter_map(|phrase| phrase.find(&words)).map(|range| range.start).min();
        let (before, after) = text.split_at(found.unwrap_or(0));
        let start = before.char_indices().rev().take(AROUND).last().map_or(before.len(), |(at, _)| at);
        let end = after.char_indices().nth(2 * AROUND).map_or(text.len(), |(at, _)| before.len() + at);
        let (left, right) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
        format!("{left}{}{right}", text.get(start..end).unwrap_or_default())
    }
}

impl Phrase {
    fn of(text: &str) -> Option<Self> {
        let words: Vec<_> = words(text).map(|(_, word)| word).collect();
        (!words.is_empty()).then(|| Self { words, is_open: text.ends_with('*') })
    }

    fn is_too_open(&self) -> bool {
        self.is_open && self.words.last().is_some_and(|word| word.len() < SHORTEST_BEGINNING)
    }

    /// Where it stands first.
    fn find(&self, words: &[(Range<usize>, String)]) -> Option<Range<usize>> {
        let last = self.words.len() - 1;
        let stands = |window: &&[(Range<usize>, String)]| {
            window.iter().zip(&self.words).enumerate().all(|(n, ((_, word), wanted))| {
                if n == last && self.is_open { word.starts_with(wanted.as_str()) } else { word == wanted }
            })
        };
        let window = words.windows(self.words.len()).find(stands)?;
        Some(window.first()?.0.start..window.last()?.0.end)
    }
}

/// The words of a text in lower case, each with where it stands. Scripts that don't part words with spaces have a word for
/// each character.
pub fn words(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let mut chars = text.char_indices().peekable();
    let next = move || {
        let (start, first) = chars.find(|(_, c)| c.is_alphanumeric())?;
        let mut end = start + first.len_utf8();
        let mut word: String = first.to_lowercase().collect();
        while !stands_alone(first)
            && let Some((at, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() && !stands_alone(*c))
        {
            end = at + c.len_utf8();
            word.extend(c.to_lowercase());
        }
        Some((start..end, word))
    };
    std::iter::from_fn(next).take(MAX_WORDS)
}

/// Han, Kana, Hangul, Thai, Lao, Tibetan, Burmese and Khmer.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0fff | 0x1000..=0x109f | 0x1100..=0x11ff | 0x1780..=0x17ff | 0x2e80..=0x9fff | 0xac00..=0xd7af
        | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// Which messages of an instance, beside those that are looked for by their words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only those of this chat, under the name that [`Message::chat`](crate::Message::chat) has.
    pub chat: Option<String>,
    /// Only of these kinds; without any, all that chats list.
    pub kinds: Vec<MessageKind>,
    /// Only this account's own, or only those of others.
    pub from_me: Option<bool>,
    /// Only those that have come so far.
    pub statuses: Vec<MessageStatus>,
    /// Only those written at or after this time.
    pub start: Option<Timestamp>,
    /// Only those written at or before this time.
    pub end: Option<Timestamp>,
}

impl MessageFilter {
    /// Whether a message is one of them.
    pub fn admits(&self, message: &Message) -> bool {
        let is_kind = match &self.kinds[..] {
            [] => !message.kind.amends(),
            kinds => kinds.contains(&message.kind),
        };
        is_kind
            && self.chat.as_ref().is_none_or(|chat| *chat == message.chat)
            && self.from_me.is_none_or(|from_me| from_me == message.from_me)
            && (self.statuses.is_empty() || self.statuses.contains(&message.status))
            && self.start.is_none_or(|start| message.created_at >= start)
            && self.end.is_none_or(|end| message.created_at <= end)
    }
}

/// From where a list without a count goes on, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFrom {
    /// The newest first.
    Newest,
    /// Those before this place, the newest first.
    Before(Cursor),
    /// Those after this place, the oldest first.
    After(Cursor),
}

/// A part of a list that nobody counts. One call looks at so many items only, so it may hold fewer than there are, or none,
/// and go on all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice<T> {
    /// The items, in the order of the query.
    pub items: Vec<T>,
    /// Whether there may be more behind it.
    pub has_more: bool,
    /// The place behind the last item that was looked at; `None` if there was none.
    pub next: Option<Cursor>,
}

/// A chat, as a list of them shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatSummary {
    /// Its JID.
    pub chat: String,
    /// What it is called, where that is known.
    pub name: Option<String>,
    /// The message that its own list begins with.
    pub last: Message,
    /// How many messages of others came since the last that was read or that this account wrote, of the newest
    /// [`MAX_UNREAD`]. What came before the instance was linked doesn't count.
    pub unread: u64,
}

/// More unread messages of a chat are not counted.
pub const MAX_UNREAD: u64 = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text).map(|(_, word)| word).collect()
    }

    #[test]
    fn a_word_is_what_people_take_for_one() {
        assert_eq!(split("Grüße, Wörld!"), ["grüße", "wörld"]);
        assert_eq!(split("a@b.com +1-555"), ["a", "b", "com", "1", "555"]);
        assert_eq!(split("你好world再见"), ["你", "好", "world", "再", "见"]);
        assert_eq!(split("… \u{200b}👍"), Vec::<String>::new());
    }

    #[test]
    fn a_search_finds_words_phrases_and_beginnings() {
        for (query, text, found) in [
            ("hello", "Hello there", true),
            ("there hello", "Hello there", true),
            ("\"there hello\"", "Hello there", false),
            ("\"hello there\"", "well, HELLO - there", true),
            ("hel", "Hello", false),
            ("hel*", "Hello", true),
            ("你好", "他说你好了", true),
            ("好你", "你好", false),
            ("a@b.com", "write to A@B.com", true),
            ("a@b.com", "a b and com", false),
        ] {
            assert_eq!(SearchTerms::parse(query).unwrap().are_in(text), found, "{query} in {text}");
        }
        for empty in ["", " \"\" ", "?!", "*"] {
            assert_eq!(SearchTerms::parse(empty), Err(InvalidSearch::Empty), "{empty}");
        }
        assert_eq!(SearchTerms::parse(&"a ".repeat(17)), Err(InvalidSearch::TooMany));
        for open in ["a*", "hello he*", "a* b* c*"] {
            assert_eq!(SearchTerms::parse(open), Err(InvalidSearch::TooOpen), "{open}");
        }
        assert!(["hel*", "好*", "ду*"].iter().all(|search| SearchTerms::parse(search).is_ok()));
    }

    #[test]
    fn a_snippet_shows_what_stands_around() {
        let text = format!("{} needle {}", "a ".repeat(100), "b ".repeat(100));
        let snippet = SearchTerms::parse("needle").unwrap().snippet(&text);
        assert!(
            snippet.starts_with('…') && snippet.ends_with('…') && snippet.contains(" needle b"),
            "{snippet}"
        );
        assert_eq!(SearchTerms::parse("好").unwrap().snippet("你好"), "你好");
    }

    proptest! {
        #[test]
        fn any_text_is_searched_and_shown_without_panic(query in ".{0,40}", text in ".{0,300}") {
            if let Ok(terms) = SearchTerms::parse(&query) {
                terms.are_in(&text);
                prop_assert!(text.contains(terms.snippet(&text).trim_matches('…')) || text.contains('…'));
            }
        }

        #[test]
        fn a_text_has_its_own_words(text in "\\PC{1,60}") {
            if let Some((range, word)) = words(&text).next() {
                prop_assert!(SearchTerms::parse(&word).unwrap().are_in(&text));
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
