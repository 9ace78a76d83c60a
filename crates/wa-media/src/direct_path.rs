use std::{fmt, str::FromStr};

/// Longest path that is taken, in bytes. WhatsApp's have about 200.
const MAX_LEN: usize = 2048;

/// Where a file lies on the media hosts: the path that an upload was answered with, and that a message carries.
///
/// It comes from the peer, so it must not be able to name another host: `https://host` and it in a row are to be an
/// address on that host whatever it says. (WhatsApp Web checks the same, and calls what fails malicious.) WhatsApp's
/// own have a query; whatsmeow needs one, whatsapp-rust none (PROTOCOL.md 19.4): both are taken.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DirectPath(String);

/// This is no path on a media host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectPathError {
    /// It doesn't begin with one slash, and so could begin with a host.
    #[error("a direct path begins with one slash")]
    Start,
    /// It has something that doesn't belong into the path or query of an address.
    #[error("a direct path has only the characters of paths and queries")]
    Character,
    /// It is longer than anybody's.
    #[error("a direct path has at most {MAX_LEN} bytes")]
    Length,
}

impl DirectPath {
    /// The path as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path alone, without its query.
    pub fn path(&self) -> &str {
        self.0.split_once('?').map_or(&*self.0, |(path, _)| path)
    }

    /// The parameters of its query, as they are spelled.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        query.split(['&', '?']).filter(|parameter| !parameter.is_empty())
    }

    /// When the hosts stop to serve it, in Unix seconds: its parameter `oe`, in hexadecimal (WhatsApp Web,
    /// `WAWebMmsCdnUrlValidationUtils`). After that, only a new upload helps.
    pub fn expires_at(&self) -> Option<u64> {
        let expiry = self.parameters().find_map(|parameter| parameter.strip_prefix("oe="))?;
        u64::from_str_radix(expiry, 16).ok()
    }
}

impl FromStr for DirectPath {
    type Err = DirectPathError;

    fn from_str(text: &str) -> Result<Self, DirectPathError> {
        if text.len() > MAX_LEN {
            return Err(DirectPathError::Length);
        }
        if !text.starts_with('/') || text[1..].starts_with('/') {
            return Err(DirectPathError::Start);
        }
        if !text.bytes().all(is_of_path_or_query) {
            return Err(DirectPathError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

/// RFC 3986: `pchar`, `/` and `?`. No backslash, which browsers take for a slash, and no fragment.
const fn is_of_path_or_query(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'%'
                | b'/'
                | b'?'
        )
}

/// Without the query: its signature fetches the file.
impl fmt::Debug for DirectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DirectPath({:?})", self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = "/v/t62.7118-24/13378_123_n.enc?ccb=11-4&oh=01_Q5AaI&oe=67FF2A10&_nc_sid=5e03e0";

    #[test]
    fn whatsapps_form_is_taken() {
        let path: DirectPath = REAL.parse().unwrap();
        assert_eq!(path.as_str(), REAL);
        assert_eq!(path.path(), "/v/t62.7118-24/13378_123_n.enc");
        assert_eq!(path.expires_at(), Some(0x67ff_2a10));
        assert!("/mms/image/abc".parse::<DirectPath>().unwrap().expires_at().is_none());
        assert!("/a?oe=zz".parse::<DirectPath>().unwrap().expires_at().is_none());
        assert!(!format!("{path:?}").contains("oh="));
    }

    #[test]
    fn nothing_names_another_host() {
        for text in
            ["", "v/a?b", "//evil.example/a?b", "@evil.example/a", "https://evil.example/", ".evil.example"]
        {
            assert_eq!(text.parse::<DirectPath>(), Err(DirectPathError::Start), "{text}");
        }
        for text in ["/\\evil.example", "/a#b", "/a b", "/a\r\nHost: b", "/ä", "/a\0", "/\t/evil.example"] {
            assert_eq!(text.parse::<DirectPath>(), Err(DirectPathError::Character), "{text}");
        }
        let long = format!("/{}", "a".repeat(MAX_LEN));
        assert_eq!(long.parse::<DirectPath>(), Err(DirectPathError::Length));
    }
}
