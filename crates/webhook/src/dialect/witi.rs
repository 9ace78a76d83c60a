use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use storage::{Event, EventKind, Json};

use super::{Call, Dialect, Seed1, Telling};

/// The type of bulk bodies, which are JSON behind a word.
const TEXT: &str = "text/plain";

/// The PostBack of witi.me. Which events there are, and what is in them, its public pages don't tell: they are those of
/// [`Seed1`]. What they tell is how events are wrapped.
#[derive(Clone, Copy, Debug)]
pub enum Witi {
    /// The event as it is.
    Raw,
    /// `BULK,` and a JSON list of events, each in base64 (API version 1.0). One event is a call, so it has one.
    Bulk,
    /// `BULKGZ,` and that list compressed by zlib, in base64 (API version 1.1).
    BulkGz,
}

impl Dialect for Witi {
    fn name(&self, kind: EventKind) -> &'static str {
        Seed1.name(kind)
    }

    fn webhook(&self, event: &Event, to: &Telling<'_>) -> Call {
        let call = Seed1.webhook(event, to);
        let list = || format!("[\"{}\"]", STANDARD.encode(&call.body));
        let body = match self {
            Self::Raw => return call,
            Self::Bulk => format!("BULK,{}", list()),
            Self::BulkGz => format!("BULKGZ,{}", STANDARD.encode(compressed(list().as_bytes()))),
        };
        Call { content_type: TEXT, body: Bytes::from(body), ..call }
    }

    fn listed(&self, event: &Event) -> Json {
        Seed1.listed(event)
    }

    fn data(&self, event: &Event) -> Json {
        Seed1.data(event)
    }
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    // Memory takes every write.
    let written = zlib.write_all(text);
    debug_assert!(written.is_ok());
    zlib.finish().unwrap_or_default()
}
