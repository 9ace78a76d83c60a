//! AWS Signature Version 4, as S3 wants it: "Signature Calculations for the Authorization Header" of AWS's S3 reference.

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use ring::hmac;

/// What stays as it is in a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who signs, and for which place.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) region: String,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// What is signed of a request.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it is in the address.
    pub(crate) path: &'a str,
    /// As it is in the address: names and values [encoded](encoded), in the order of the names.
    pub(crate) query: &'a str,
    /// In lower case and in their order; `host`, `x-amz-content-sha256` and `x-amz-date` are among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// Hash of the body, in hexadecimal.
    pub(crate) content: &'a str,
}

impl Signer {
    /// The header `authorization`.
    pub(crate) fn authorization(&self, request: &Signed<'_>, now: DateTime<Utc>) -> String {
        let date = now.format("%Y%m%d").to_string();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let names: Vec<_> = request.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = request.canonical(&names);
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", time(now), sha256_hex(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [&date, &self.region, "s3", "aws4_request"] {
            key = mac(&key, part);
        }
        let signature = hex::encode(mac(&key, &to_sign));
        let key = &self.access_key;
        format!("AWS4-HMAC-SHA256 Credential={key}/{scope},SignedHeaders={names},Signature={signature}")
    }
}

impl Signed<'_> {
    fn canonical(&self, names: &str) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let Self { method, path, query, content, .. } = self;
        format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{content}")
    }
}

/// The header `x-amz-date`.
pub(crate) fn time(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A value within a query.
pub(crate) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, UNRESERVED).to_string()
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of AWS's documentation, with its credentials, which open nothing.
    fn signature(method: &str, path: &str, query: &str, more: &[(&str, &str)], content: &[u8]) -> String {
        let signer = Signer {
            region: "us-east-1".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let now = DateTime::parse_from_rfc3339("2013-05-24T00:00:00Z").unwrap().to_utc();
        let content = sha256_hex(content);
        let mut headers = vec![
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", &*content),
            ("x-amz-date", "20130524T000000Z"),
        ];
        headers.extend_from_slice(more);
        headers.sort_unstable();
        let request = Signed { method, path, query, headers: &headers, content: &content };
        let header = signer.authorization(&request, now);
        header.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_documented_examples_are_signed_as_documented() {
        let part = signature("GET", "/test.txt", "", &[("range", "bytes=0-9")], b"");
        assert_eq!(part, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let settings = signature("GET", "/", "lifecycle=", &[], b"");
        assert_eq!(settings, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        let list = signature("GET", "/", "max-keys=2&prefix=J", &[], b"");
        assert_eq!(list, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let put = signature("PUT", "/test%24file.text", "", &put, b"Welcome to Amazon S3.");
        assert_eq!(put, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    }

    #[test]
    fn values_of_queries_are_encoded() {
        assert_eq!(encoded("a/b c+~é"), "a%2Fb%20c%2B~%C3%A9");
    }
}
