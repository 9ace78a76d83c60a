//! Addresses on the media hosts (PROTOCOL.md 19.3 to 19.5).
//!
//! A host is `name` or `name:port`, as `<media_conn>` names it ([`Host`](crate::Host) checks). Requests to it carry
//! [`ORIGIN`] as `Origin` and, with a slash at its end, as `Referer`; the addresses of uploads and deletions hold the
//! `auth` and belong into no log.

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};

use crate::{DirectPath, MediaKind};

/// The page that browsers say such requests come from.
pub const ORIGIN: &str = "https://web.whatsapp.com";

/// Parameters that [`download`] sets; a path can't set them to something else.
const OURS: [&str; 3] = ["hash", "mms-type", "__wa-mms"];

/// Where the blob with this SHA-256 is posted to, with `Content-Length` and without `Content-Type`.
pub fn upload(host: &str, kind: MediaKind, file_enc_sha256: &[u8; 32], auth: &str) -> String {
    let token = URL_SAFE.encode(file_enc_sha256);
    let (kind, auth, token_value) = (kind.mms_type(), escaped(auth), escaped(&token));
    format!("https://{host}/mms/{kind}/{token}?auth={auth}&token={token_value}")
}

/// Where a blob is got from.
pub fn download(host: &str, path: &DirectPath, kind: MediaKind, file_enc_sha256: &[u8; 32]) -> String {
    let mut address = format!("https://{host}{}", path.path());
    let name = |parameter: &&str| parameter.split_once('=').map_or(*parameter, |(name, _)| name).to_owned();
    let mut separator = '?';
    for parameter in path.parameters().filter(|parameter| !OURS.contains(&name(parameter).as_str())) {
        address.push(separator);
        address.push_str(parameter);
        separator = '&';
    }
    let (hash, kind) = (escaped(&URL_SAFE.encode(file_enc_sha256)), kind.mms_type());
    address.push_str(&format!("{separator}hash={hash}&mms-type={kind}&__wa-mms="));
    address
}

/// Where a blob of the history is deleted once it was read. `handle` is that of its notification, if it has one; with
/// it goes the header `Companion_User_Secret`, if the history brought a nonce for it.
pub fn delete(
    host: &str,
    path: &DirectPath,
    file_enc_sha256: &[u8; 32],
    auth: &str,
    handle: Option<&str>,
) -> String {
    let token = URL_SAFE.encode(file_enc_sha256);
    let (kind, auth, token_value) = (MediaKind::History.mms_type(), escaped(auth), escaped(&token));
    let path = URL_SAFE_NO_PAD.encode(path.path());
    let mut address =
        format!("https://{host}/mms/{kind}/{token}?token={token_value}&d_md={path}&auth={auth}");
    if let Some(handle) = handle {
        address.push_str("&e_handle=");
        address.push_str(&escaped(handle));
    }
    address
}

/// The value of a parameter: what is neither letter, digit nor one of `-._~` is `%XX`.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: [u8; 32] = [0xfb; 32];
    const TOKEN: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=";
    const ESCAPED: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s%3D";

    fn path(text: &str) -> DirectPath {
        text.parse().unwrap()
    }

    #[test]
    fn an_upload_names_hash_and_auth() {
        let address = upload("mmg.whatsapp.net", MediaKind::Sticker, &HASH, "a+b/c=&d");
        let expected =
            format!("https://mmg.whatsapp.net/mms/image/{TOKEN}?auth=a%2Bb%2Fc%3D%26d&token={ESCAPED}");
        assert_eq!(address, expected);
    }

    #[test]
    fn a_download_adds_to_the_query_that_there_is() {
        let of = |text: &str| download("h:8443", &path(text), MediaKind::Voice, &HASH);
        let ours = format!("hash={ESCAPED}&mms-type=audio&__wa-mms=");
        assert_eq!(of("/v/a.enc?ccb=11-4&oe=1"), format!("https://h:8443/v/a.enc?ccb=11-4&oe=1&{ours}"));
        assert_eq!(of("/v/a.enc"), format!("https://h:8443/v/a.enc?{ours}"));
        assert_eq!(of("/v/a.enc?"), format!("https://h:8443/v/a.enc?{ours}"));
        assert_eq!(of("/v/a?b?hash=x&mms-type=y&__wa-mms"), format!("https://h:8443/v/a?b&{ours}"));
    }

    #[test]
    fn a_deletion_names_the_path_without_its_query() {
        let of = |handle| delete("h", &path("/v/a.enc?b=c"), &HASH, "x y", handle);
        let expected =
            format!("https://h/mms/md-msg-hist/{TOKEN}?token={ESCAPED}&d_md=L3YvYS5lbmM&auth=x%20y");
        assert_eq!(of(None), expected);
        assert_eq!(of(Some("e=1")), format!("{expected}&e_handle=e%3D1"));
    }
}
