use std::ops::Range;

use bytes::Bytes;
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE},
};

use super::{Doors, Reply, host, refuse, request, status};
use crate::{
    control::payload::{Beginning, Payload},
    faults::{FaultKind, Transfer},
    media::PathError,
};

/// What goes wrong with a file on its way.
enum Harm {
    Status(StatusCode),
    Cut(usize),
    Damage,
}

/// A file, whole or the range of it that is asked for. Who asks isn't known: the path's signature is all it takes.
pub(super) fn answer(doors: &Doors, request: &Request<Incoming>) -> Reply {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "files are got");
    }
    let world = &doors.world;
    let path = request::decoded(request.uri().path());
    let found = world.media.blob(&path, &request::query(request), world.clock.unix_seconds());
    let blob = match found {
        Ok(blob) => blob,
        Err(error @ PathError::NotFound) => return refuse(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error) => return refuse(StatusCode::FORBIDDEN, &error.to_string()),
    };
    let host = host(request);
    let harm = world.faults.strike_anybody(|kind| match kind {
        FaultKind::MediaCut { after } => Some(Harm::Cut(*after)),
        FaultKind::MediaDamage => Some(Harm::Damage),
        other => status(other, Transfer::Download, &host).map(Harm::Status),
    });
    match harm {
        None => serve(request, blob),
        Some(Harm::Status(status)) => refuse(status, "this is a fault"),
        Some(Harm::Cut(after)) => cut(serve(request, blob.clone()), request, &blob, after),
        Some(Harm::Damage) => serve(request, damaged(&blob)),
    }
}

fn serve(request: &Request<Incoming>, blob: Bytes) -> Reply {
    let Some(asked) = request.headers().get(RANGE).and_then(|range| range.to_str().ok()) else {
        let mut reply = request::reply(StatusCode::OK, "application/octet-stream", blob);
        reply.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        return reply;
    };
    let length = blob.len();
    let (status, range, body) = match range(asked, length) {
        Some(range) => {
            let name = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, name, blob.slice(range))
        }
        None => (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{length}"), Bytes::new()),
    };
    let mut reply = request::reply(status, "application/octet-stream", body);
    if let Ok(range) = HeaderValue::try_from(range) {
        reply.headers_mut().insert(CONTENT_RANGE, range);
    }
    reply
}

/// The bytes of `bytes=<first>-<last>`, `bytes=<first>-` or `bytes=-<how many>`, if there are any.
fn range(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", many) => length.saturating_sub(many.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => first.parse().ok()?..last.parse::<usize>().ok()?.saturating_add(1).min(length),
    };
    (range.start < range.end).then_some(range)
}

/// The same answer, of which only so many bytes come.
fn cut(mut reply: Reply, request: &Request<Incoming>, blob: &Bytes, after: usize) -> Reply {
    let asked = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let whole = asked.and_then(|asked| range(asked, blob.len())).unwrap_or(0..blob.len());
    let beginning = blob.slice(whole.start..whole.end.min(whole.start + after));
    reply.headers_mut().insert(CONTENT_LENGTH, whole.len().into());
    *reply.body_mut() = Payload::Broken(Beginning::Due(beginning));
    reply
}

/// One bit in the middle is another.
fn damaged(blob: &Bytes) -> Bytes {
    let mut bytes = blob.to_vec();
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        assert_eq!(range("bytes=0-", 10), Some(0..10));
        assert_eq!(range("bytes=3-5", 10), Some(3..6));
        assert_eq!(range("bytes=3-99", 10), Some(3..10));
        assert_eq!(range("bytes=-4", 10), Some(6..10));
        assert_eq!(range("bytes=-40", 10), Some(0..10));
        for none in ["bytes=10-", "bytes=5-3", "bytes=-0", "bytes=x-", "lines=0-1", "bytes=0-1,3-4", "bytes"]
        {
            assert_eq!(range(none, 10), None, "{none}");
        }
    }
}
