//! Who a message is for: every form in which people write a number.

mod characters;
mod link;

use std::borrow::Cow;

use thiserror::Error;
use wa_binary::{Jid, Server};

use characters::{digit, is_plus, is_separator};
use link::{CHANNEL, Link};

use crate::text::is_invisible;

/// The JID of the status.
pub(crate) const STATUS: &str = "status@broadcast";

/// Shortest and longest international number, in digits (E.164 allows 15).
const DIGITS: std::ops::RangeInclusive<usize> = 5..=15;
/// Longest input that is looked at.
const MAX_LENGTH: usize = 512;

/// Why a recipient can't be understood. Reads on after the field's name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientError {
    /// The text holds nothing.
    #[error("must not be empty")]
    Empty,
    /// Longer than any recipient.
    #[error("is too long")]
    TooLong,
    /// A character that no number has.
    #[error("must be a phone number or a JID; {0:?} doesn't belong there")]
    Character(char),
    /// Too few or too many digits.
    #[error("must have 5 to 15 digits with the country code, not {0}")]
    Digits(usize),
    /// It is in national notation, which doesn't say of which country.
    #[error("must start with the country code, not with 0")]
    LeadingZero,
    /// Something with an `@` that isn't a JID.
    #[error("is not a valid JID")]
    Jid,
    /// A JID whose user part isn't a number.
    #[error("must have a number before the @")]
    User,
    /// A chat that can't be sent to yet.
    #[error("is {0}; this version sends to people and groups only")]
    Unsupported(&'static str),
}

/// Reads a recipient: digits of any script with the country code, with or without `+` or `00`, with blanks, dashes, dots,
/// slashes and parentheses between them; `tel:…`; links such as `https://wa.me/…`; the JID of a person (`@s.whatsapp.net`,
/// `@c.us`, `@lid`); or of a group (`@g.us`).
///
/// ```
/// use services::parse_recipient;
///
/// assert_eq!(parse_recipient("+7 (900) 123-45-67")?.to_string(), "79001234567@s.whatsapp.net");
/// assert_eq!(parse_recipient("79001234567@c.us")?.to_string(), "79001234567@s.whatsapp.net");
/// assert_eq!(parse_recipient("0900 123").unwrap_err().to_string(), "must start with the country code, not with 0");
/// # Ok::<(), services::RecipientError>(())
/// ```
///
/// # Errors
/// [`RecipientError`] says what is wrong.
pub fn parse_recipient(text: &str) -> Result<Jid, RecipientError> {
    let jid = parse_chat(text)?;
    match jid.server {
        Server::Pn | Server::Lid | Server::Group => Ok(jid),
        Server::Newsletter => Err(RecipientError::Unsupported(CHANNEL)),
        Server::Broadcast if jid.user == "status" => Err(RecipientError::Unsupported("the status")),
        Server::Broadcast => Err(RecipientError::Unsupported("a broadcast list")),
        _ => Err(RecipientError::Unsupported("a special account")),
    }
}

/// Reads what a message may be sent to: everything that [`parse_recipient`] reads, the status, and channels.
///
/// # Errors
/// [`RecipientError`] says what is wrong.
pub(crate) fn parse_addressee(text: &str) -> Result<Jid, RecipientError> {
    match parse_chat(text) {
        Ok(jid) if jid.is_status() || jid.is_newsletter() => Ok(jid),
        _ => parse_recipient(text),
    }
}

/// Whether many write in a chat, so that a message there doesn't say by itself whose it is: a group, or the status.
pub(crate) fn is_shared(chat: &Jid) -> bool {
    chat.is_group() || chat.is_status()
}

/// Reads the name of a chat: everything that [`parse_recipient`] reads, and channels and broadcast lists.
///
/// # Errors
/// [`RecipientError`] says what is wrong.
pub fn parse_chat(text: &str) -> Result<Jid, RecipientError> {
    let seen: Cow<'_, str> = if text.contains(is_invisible) {
        text.chars().filter(|c| !is_invisible(*c)).collect()
    } else {
        text.into()
    };
    let text = seen.trim();
    match text {
        "" => Err(RecipientError::Empty),
        _ if text.len() > MAX_LENGTH => Err(RecipientError::TooLong),
        _ => match Link::of(text) {
            Some(Link::Number(linked)) => Ok(Jid::pn(number(linked)?)),
            Some(Link::Other(what)) => Err(RecipientError::Unsupported(what)),
            None if text.contains('@') => chat_jid(text),
            None => Ok(Jid::pn(number(text)?)),
        },
    }
}

fn chat_jid(text: &str) -> Result<Jid, RecipientError> {
    // An older name of the same server.
    let renamed = text.strip_suffix("@c.us").map(|user| format!("{user}@s.whatsapp.net"));
    let jid = renamed.as_deref().unwrap_or(text).parse::<Jid>().map_err(|_| RecipientError::Jid)?.to_user();
    match jid.server {
        Server::Pn | Server::Legacy => {
            if !jid.user.bytes().all(|b| b.is_ascii_digit()) || jid.user.is_empty() {
                return Err(RecipientError::User);
            }
            Ok(Jid::pn(number(&jid.user)?))
        }
        Server::Lid if jid.user.is_empty() || !jid.user.bytes().all(|b| b.is_ascii_digit()) => {
            Err(RecipientError::User)
        }
        _ if jid.user.is_empty() => Err(RecipientError::Jid),
        _ => Ok(jid),
    }
}

fn number(text: &str) -> Result<String, RecipientError> {
    let mut international = false;
    let mut digits = String::with_capacity(text.len());
    for c in text.chars() {
        match digit(c) {
            Some(digit) => digits.push(digit),
            None if is_separator(c) => {}
            None if is_plus(c) && digits.is_empty() && !international => international = true,
            None => return Err(RecipientError::Character(c)),
        }
    }
    let digits = if international { digits.as_str() } else { digits.strip_prefix("00").unwrap_or(&digits) };
    match digits {
        _ if digits.starts_with('0') => Err(RecipientError::LeadingZero),
        _ if !DIGITS.contains(&digits.len()) => Err(RecipientError::Digits(digits.len())),
        _ => Ok(digits.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_usual_form_of_a_number_is_understood() {
        for text in [
            "79001234567",
            "+79001234567",
            "0079001234567",
            " +7 900 123-45-67 ",
            "+7 (900) 123.45/67",
            "+7\u{a0}900\u{a0}1234567",
            "https://wa.me/79001234567",
            "wa.me/+79001234567",
            "HTTPS://WA.ME/79001234567/?text=hi%20there",
            "https://api.whatsapp.com/send/?text=a@b&phone=%2B79001234567&app_absent=0",
            "https://web.whatsapp.com/send?phone=79001234567",
            "whatsapp://send?phone=+79001234567",
            "tel:+7-900-123-45-67;ext=5;phone-context=example.com",
            "sms:+79001234567?body=hi",
            "tel:+7-900-123-45-67",
            "TEL:79001234567",
            "(+7) 900 1234567",
            "\u{202a}+7 900 123\u{2011}45\u{2011}67\u{202c}",
            "+7\u{2013}900\u{2013}1234567",
            "\u{200e}7900\u{202f}123\t45\u{ad}67",
            "+٧٩٠٠١٢٣٤٥٦٧",
            "＋７９００１２３４５６７",
            "\u{202a}79001234567@s.whatsapp.net\u{202c}",
            "79001234567@s.whatsapp.net",
            "79001234567@c.us",
            "79001234567:12@s.whatsapp.net",
            "79001234567.0:12@s.whatsapp.net",
        ] {
            assert_eq!(
                parse_recipient(text).map(|jid| jid.to_string()),
                Ok("79001234567@s.whatsapp.net".into()),
                "{text}"
            );
        }
        assert_eq!(parse_recipient("123456789012345678@lid").unwrap().to_string(), "123456789012345678@lid");
        assert_eq!(parse_recipient("1234567890:3@lid").unwrap().to_string(), "1234567890@lid");
        let group = "120363001795290751@g.us";
        assert_eq!(parse_recipient(group).unwrap().to_string(), group);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("", RecipientError::Empty),
            ("   ", RecipientError::Empty),
            ("call me", RecipientError::Character('c')),
            ("7900+1234567", RecipientError::Character('+')),
            ("++79001234567", RecipientError::Character('+')),
            ("\u{202a}\u{202c}", RecipientError::Empty),
            ("7900Ⅳ234567", RecipientError::Character('Ⅳ')),
            ("tel:call", RecipientError::Character('c')),
            ("1234", RecipientError::Digits(4)),
            ("1234567890123456", RecipientError::Digits(16)),
            ("()", RecipientError::Digits(0)),
            ("0900123456", RecipientError::LeadingZero),
            ("+0900123456", RecipientError::LeadingZero),
            ("79001234567@example.com", RecipientError::Jid),
            ("bob@s.whatsapp.net", RecipientError::User),
            ("@s.whatsapp.net", RecipientError::User),
            ("bob@lid", RecipientError::User),
            ("123@newsletter", RecipientError::Unsupported("a channel")),
            ("status@broadcast", RecipientError::Unsupported("the status")),
            ("123@broadcast", RecipientError::Unsupported("a broadcast list")),
            ("https://chat.whatsapp.com/AbC", RecipientError::Unsupported("an invitation to a group")),
            ("chat.whatsapp.com/AbC?mode=x", RecipientError::Unsupported("an invitation to a group")),
            ("https://www.whatsapp.com/channel/AbC", RecipientError::Unsupported(CHANNEL)),
            ("https://wa.me/message/ABC", RecipientError::Character('m')),
            ("https://example.com/79001234567", RecipientError::Character('h')),
            ("whatsapp://send?text=x", RecipientError::Digits(0)),
        ];
        for (text, error) in table {
            assert_eq!(parse_recipient(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(parse_recipient(&"7".repeat(600)).unwrap_err(), RecipientError::TooLong);
    }

    #[test]
    fn chats_may_also_be_groups_and_lists() {
        for text in ["1234567890-1600000000@g.us", "123@newsletter", "status@broadcast"] {
            assert_eq!(parse_chat(text).unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,140}", link in "(https://wa.me/|tel:|whatsapp://)?.{0,40}") {
            let _ = parse_chat(&link);
            let _ = parse_chat(&text);
        }

        /// However a number is dressed up, it stays that number.
        #[test]
        fn a_number_is_the_same_in_every_dress(
            number in "[1-9][0-9]{4,14}",
            zero in prop::sample::select(vec!['0', '٠', '०', '０', '\u{1d7ce}']),
            between in prop::collection::vec(
                prop::sample::select(vec!["", " ", "-", "\u{a0}", "\u{2011}", "\u{202f}", "\u{ad}", "\u{200e}", ".", ")"]),
                16,
            ),
            (before, after) in prop::sample::select(vec![
                ("", ""), ("+", ""), ("00", ""), ("\u{202a}+", "\u{202c}"), ("tel:+", ";ext=1"), ("https://wa.me/", "?text=1"),
                ("http://www.wa.me/+", "/"), ("whatsapp://send?phone=", "&text=2"),
            ]),
        ) {
            let digit = |c: char| char::from_u32(zero as u32 + c.to_digit(10).unwrap()).unwrap();
            let dressed: String = number.chars().zip(&between).map(|(c, mark)| format!("{}{mark}", digit(c))).collect();
            let parsed = parse_recipient(&format!("{before}{dressed}{after}"));
            prop_assert_eq!(parsed, Ok(Jid::pn(number.clone())));
            for server in ["s.whatsapp.net", "c.us"] {
                prop_assert_eq!(parse_recipient(&format!("{number}@{server}")), Ok(Jid::pn(number.clone())));
                prop_assert_eq!(parse_recipient(&format!("{number}:7@{server}")), Ok(Jid::pn(number.clone())));
            }
        }

        #[test]
        fn what_is_understood_is_understood_again(text in "[+0-9 ()@a-z.:-]{0,40}") {
            if let Ok(jid) = parse_chat(&text) {
                prop_assert_eq!(parse_chat(&jid.to_string()), Ok(jid));
            }
        }
    }
}
