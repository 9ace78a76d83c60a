//! Regular expressions as JSON Schema has them (ECMA-262 with Unicode), which other engines read alike.

/// The digits of a number, with the marks that people put between them. The country code comes first.
pub(super) const NUMBER: &str =
    r"(?:https://wa\.me/|tel:)?(?:\+|00)?[ (]{0,2}[1-9](?:[ ./()-]{0,3}[0-9]){4,14}[ )]{0,2}";
/// The same as a JID, perhaps of a device.
pub(super) const NUMBER_JID: &str = r"[1-9][0-9]{4,14}(?::[0-9]{1,2})?@(?:s\.whatsapp\.net|c\.us)";
/// The JID of a person, by number or by LID.
pub(super) const PERSON: &str =
    r"[1-9][0-9]{4,14}(?::[0-9]{1,2})?@(?:s\.whatsapp\.net|c\.us)|[0-9]{1,20}(?::[0-9]{1,2})?@lid";
/// The JID of a group.
pub(super) const GROUP: &str = r"[0-9]{1,20}(?:-[0-9]{1,20})?@g\.us";
/// The number of a group, without the rest of its JID.
pub(super) const GROUP_NUMBER: &str = "[0-9]{1,20}(?:-[0-9]{1,20})?";
/// The JID of a channel.
pub(super) const CHANNEL: &str = "[0-9]{1,20}@newsletter";
/// The JID of the status.
pub(super) const STATUS: &str = "status@broadcast";
/// The JID of a channel, or of a broadcast list.
pub(super) const LIST: &str = r"[0-9]{1,20}@(?:newsletter|broadcast)|status@broadcast";

/// Something in it can be seen: `is_blank` of the services says what can't.
pub(super) const SEEN: &str = r"[^\x00-\x20\x7f-\xa0\xad\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]";
/// Something in it is no white space.
pub(super) const NOT_BLANK: &str = r"[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
/// No control characters but ends of lines and tabs.
pub(super) const LINES: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";
/// White space that is cut off.
const EDGE: &str = r"[\t-\r\x85]*";
/// What a name is written in: no control characters, and nothing that turns the direction of the text.
const IN_A_NAME: &str = r"[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]";
/// White space alone.
const BLANK: &str = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*";
/// What neither a space nor a control character is.
const IN_AN_ADDRESS: &str = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028-\u202f\u205f\u2066-\u2069\u3000]";

/// What HTTP lets stand in a header of ours.
pub(super) const VISIBLE_ASCII: &str = "^[!-~]+$";
/// What can stand in a path as it is.
pub(super) const PATH_NAME: &str = "^[a-z0-9_-]+$";
pub(super) const URL: &str = r"^\s*https?://\S+\s*$";
pub(super) const URL_OR_NONE: &str = r"^\s*(?:https?://\S+)?\s*$";
pub(super) const PROXY: &str = r"^\s*(?:socks5h?|http)://\S+\s*$";
/// Nothing, or as much as a secret has.
pub(super) const SECRET_OR_NONE: &str = r"^(?:[\s\S]{12,})?$";
/// The name of a header (a token of RFC 9110).
pub(super) const HEADER_NAME: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
/// The value of one.
pub(super) const HEADER_VALUE: &str = "^[ -~]*$";
/// A cursor: two numbers of 64 bits in hexadecimal.
pub(super) const PLACE: &str = "^[0-9a-fA-F]{1,16}-[0-9a-fA-F]{1,16}$";
/// A number of 63 bits.
pub(super) const NUMBER_OF_A_PLACE: &str = "^[0-9]{1,18}$";
/// Words have letters or digits.
pub(super) const SEARCH: &str = r"[\p{L}\p{N}]";
/// A day, or a second of one.
pub(super) const DAY_OR_NONE: &str = "^(?:[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])(?:[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?)?$";
/// A word, or a type of files.
pub(super) const FILE_KIND_OR_NONE: &str =
    "^(?:(?:image|audio|video|file|document|application|text)(?:/[A-Za-z0-9.+-]{1,100})?)?$";
/// What can be seen, long enough not to be guessed.
pub(super) const TOKEN_OR_NONE: &str = "^(?:[!-~]{20,128})?$";
/// Without the bits that the last character of an odd number of bytes would leave over.
pub(super) const BASE64: &str =
    "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// The same, at least one byte.
pub(super) const BASE64_FILE: &str = "^(?:data:[^,;]*;base64,)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$";
/// In the other alphabet, with padding or without.
pub(super) const BASE64URL: &str =
    "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{4}|[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])=*$";

/// The same, or nothing.
pub(super) const BASE64URL_OR_NONE: &str =
    "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?=*$";

/// A whole number from 1 on, of fewer digits than the first that is too large, or that of the round number below it.
pub(super) fn digits(most: u64) -> String {
    let digits = most.to_string().len();
    format!("^(?:[1-9][0-9]{{0,{}}}|10{{{}}})?$", digits.saturating_sub(2), digits - 1)
}

/// One of these, and nothing beside it.
pub(super) fn any(forms: &[&str]) -> String {
    format!("^(?:{})$", forms.join("|"))
}

/// One of these, or nothing.
pub(super) fn any_or_none(forms: &[&str]) -> String {
    format!("^(?:{})?$", forms.join("|"))
}

/// A name to be read as it is written.
pub(super) fn name() -> String {
    format!("^{EDGE}{IN_A_NAME}*{SEEN}{IN_A_NAME}*{EDGE}$")
}

/// The same, or nothing.
pub(super) fn name_or_none() -> String {
    format!("^(?:{BLANK}|{EDGE}{IN_A_NAME}*{SEEN}{IN_A_NAME}*{EDGE})$")
}

pub(super) fn email() -> String {
    format!("^{BLANK}{IN_AN_ADDRESS}+@{IN_AN_ADDRESS}+{BLANK}$")
}

/// Addresses of both kinds, and ranges of IPv4; other ranges are read as well.
pub(super) fn network() -> String {
    const BYTE: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    format!(
        "^(?:{BYTE}\\.{BYTE}\\.{BYTE}\\.{BYTE}(?:/(?:[12]?[0-9]|3[0-2]))?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:/[0-9]{{1,3}})?)$"
    )
}

/// Some of these words, separated by commas.
pub(super) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let word = format!(" *(?:(?:{}) *)?", words.collect::<Vec<_>>().join("|"));
    format!("^{word}(?:,{word})*$")
}
