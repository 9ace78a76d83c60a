//! Links that lead to a chat.

/// What a channel is called.
pub(super) const CHANNEL: &str = "a channel";
/// Hosts of links that name a number in their query.
const HOSTS: [&str; 4] = ["api.whatsapp.com", "web.whatsapp.com", "whatsapp.com", "wa.me"];

/// What a link leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link<'a> {
    /// A number, in whatever notation.
    Number(&'a str),
    /// Something that can't be written to by this link.
    Other(&'static str),
}

impl<'a> Link<'a> {
    /// Reads a link; `None` for any other text.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        if let Some(number) = after_scheme(text, &["tel:", "sms:", "callto:"]) {
            let number = number.trim_start_matches('/');
            return Some(Self::Number(number.split([';', '?']).next().unwrap_or(number)));
        }
        if let Some(call) = after_scheme(text, &["whatsapp://"]) {
            return Some(Self::Number(phone_of(call)));
        }
        let rest = after_scheme(text, &["https://", "http://"]).unwrap_or(text);
        let rest = after_scheme(rest, &["www."]).unwrap_or(rest);
        let (host, path) = rest.split_once('/')?;
        let path = path.split('#').next().unwrap_or(path);
        let is_host = |known: &&str| host.eq_ignore_ascii_case(known);
        match path {
            _ if is_host(&"chat.whatsapp.com") => Some(Self::Other("an invitation to a group")),
            _ if !HOSTS.iter().any(is_host) => None,
            path if path.starts_with("channel/") => Some(Self::Other(CHANNEL)),
            path if path.contains("phone=") => Some(Self::Number(phone_of(path))),
            path if is_host(&"wa.me") => Some(Self::Number(path.split('?').next()?.trim_end_matches('/'))),
            _ => Some(Self::Number("")),
        }
    }
}

/// What follows one of these schemes, whatever the case of its letters.
fn after_scheme<'a>(text: &'a str, schemes: &[&str]) -> Option<&'a str> {
    schemes.iter().find_map(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// The number in the query of a link; a `+` may be written as `%2B`.
fn phone_of(link: &str) -> &str {
    let query = link.split_once('?').map_or("", |(_, query)| query);
    let phone = query.split('&').find_map(|pair| pair.strip_prefix("phone=")).unwrap_or_default();
    after_scheme(phone, &["%2b"]).unwrap_or(phone)
}
