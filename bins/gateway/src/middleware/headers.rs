use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What isn't a page is not to be sniffed, framed, cached or followed from.
const SECURITY: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// For a year, as others recommend: browsers that have seen it come over TLS alone.
const TLS_ALONE: &str = "max-age=31536000";

/// Tells those who come over TLS to come over nothing else.
pub(super) fn insist_on_tls(headers: &mut HeaderMap) {
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ALONE));
}

/// Adds the security headers that the answer doesn't set itself. A page says by its own policy who may frame it.
pub(super) fn secure(headers: &mut HeaderMap) {
    let is_page = headers.contains_key(header::CONTENT_SECURITY_POLICY);
    for (name, value) in SECURITY {
        let says_itself = headers.contains_key(&name) || (is_page && name == header::X_FRAME_OPTIONS);
        if !says_itself {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
