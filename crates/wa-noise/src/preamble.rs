//! What a client sends before its first frame: the connection header, and in front of it, if the
//! server ever handed some out, routing information for the edge (protocol facts, section 1).

/// `WA`, protocol 6, token dictionary 3. Also the prologue of the handshake.
pub const CONNECTION_HEADER: [u8; 4] = *b"WA\x06\x03";

/// Opens the routing block; its length, 3 bytes big-endian, and its content follow.
const ROUTING_MAGIC: [u8; 4] = *b"ED\x00\x01";

/// Longest routing information that is sent or taken, in bytes. What servers hand out is far
/// shorter; the wire could announce 16 MiB.
pub const MAX_ROUTING: usize = 4096;

/// Routing information longer than [`MAX_ROUTING`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routing information of {0} bytes, at most {MAX_ROUTING} are taken")]
pub struct RoutingTooLong(
    /// Its length.
    pub usize,
);

/// Appends what a client sends first; its first frame follows in the same WebSocket message.
pub fn put_preamble(out: &mut Vec<u8>, routing: Option<&[u8]>) -> Result<(), RoutingTooLong> {
    if let Some(routing) = routing {
        if routing.len() > MAX_ROUTING {
            return Err(RoutingTooLong(routing.len()));
        }
        let [.., a, b, c] = routing.len().to_be_bytes();
        out.extend_from_slice(&ROUTING_MAGIC);
        out.extend_from_slice(&[a, b, c]);
        out.extend_from_slice(routing);
    }
    out.extend_from_slice(&CONNECTION_HEADER);
    Ok(())
}

/// The client opened the connection with something else than a preamble of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreambleError {
    /// Neither routing information nor a connection header.
    #[error("the connection starts with {0:02x?} instead of a header")]
    Unknown([u8; 4]),
    /// A connection header, but of another protocol or token dictionary.
    #[error("the client speaks protocol {protocol} with dictionary {dictionary}, not 6 with 3")]
    Version {
        /// Third byte of the header.
        protocol: u8,
        /// Fourth byte of the header.
        dictionary: u8,
    },
    /// The routing information is too long.
    #[error(transparent)]
    Routing(#[from] RoutingTooLong),
}

/// Reads the preamble on the server's side, however it is fragmented.
#[derive(Debug, Default)]
pub struct Preamble(Vec<u8>);

/// What came of the bytes so far.
#[derive(Debug)]
pub enum Progress {
    /// The preamble is not complete.
    More(Preamble),
    /// The preamble is complete.
    Done {
        /// Routing information, if the client sent any.
        routing: Option<Vec<u8>>,
        /// Bytes that arrived behind the preamble: the start of the first frame.
        rest: Vec<u8>,
    },
}

impl Preamble {
    /// Adds bytes as they arrived.
    pub fn push(mut self, bytes: &[u8]) -> Result<Progress, PreambleError> {
        self.0.extend_from_slice(bytes);
        let parsed = parse(&self.0)?.map(|(routing, rest)| Progress::Done {
            routing: routing.map(<[u8]>::to_vec),
            rest: rest.to_vec(),
        });
        Ok(parsed.unwrap_or(Progress::More(self)))
    }
}

type Parsed<'a> = (Option<&'a [u8]>, &'a [u8]);

fn parse(bytes: &[u8]) -> Result<Option<Parsed<'_>>, PreambleError> {
    let Some((&magic, after)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    if magic != ROUTING_MAGIC {
        return check_header(magic).map(|()| Some((None, after)));
    }
    let Some(([a, b, c], after)) = after.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    if length > MAX_ROUTING {
        return Err(RoutingTooLong(length).into());
    }
    let Some((routing, after)) = after.split_at_checked(length) else {
        return Ok(None);
    };
    let Some((&header, rest)) = after.split_first_chunk() else {
        return Ok(None);
    };
    check_header(header)?;
    Ok(Some((Some(routing), rest)))
}

fn check_header(header: [u8; 4]) -> Result<(), PreambleError> {
    match header {
        CONNECTION_HEADER => Ok(()),
        [b'W', b'A', protocol, dictionary] => Err(PreambleError::Version { protocol, dictionary }),
        other => Err(PreambleError::Unknown(other)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn push(bytes: &[u8]) -> Result<Progress, PreambleError> {
        Preamble::default().push(bytes)
    }

    #[test]
    fn another_dictionary_is_named() {
        // Baileys 6.17 announces dictionary 2.
        let error = PreambleError::Version { protocol: 6, dictionary: 2 };
        assert_eq!(push(b"WA\x06\x02").unwrap_err(), error);
        assert_eq!(push(b"ED\x00\x01\x00\x00\x00WA\x06\x02").unwrap_err(), error);
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(push(b"GET ").unwrap_err(), PreambleError::Unknown(*b"GET "));
        assert_eq!(
            push(b"ED\x00\x01\x00\x00\x00ED\x00\x01").unwrap_err(),
            PreambleError::Unknown(ROUTING_MAGIC)
        );
    }

    #[test]
    fn long_routing_information_is_refused_before_it_arrives() {
        let long = RoutingTooLong(MAX_ROUTING + 1);
        assert_eq!(push(b"ED\x00\x01\x00\x10\x01").unwrap_err(), long.into());
        let mut out = Vec::new();
        assert_eq!(put_preamble(&mut out, Some(&[0; MAX_ROUTING + 1])), Err(long));
        assert!(out.is_empty());
        put_preamble(&mut out, Some(&[0; MAX_ROUTING])).unwrap();
    }

    proptest! {
        #[test]
        fn a_preamble_survives_any_fragmentation(
            routing in proptest::option::of(vec(any::<u8>(), 0..40)),
            rest in vec(any::<u8>(), 0..20),
            cuts in vec(1_usize..30, 1..10),
        ) {
            let mut stream = Vec::new();
            put_preamble(&mut stream, routing.as_deref()).unwrap();
            stream.extend_from_slice(&rest);

            let mut preamble = Preamble::default();
            let mut cuts = cuts.iter().cycle();
            let mut unread = &stream[..];
            let (read_routing, mut read_rest) = loop {
                prop_assert!(!unread.is_empty());
                let (piece, after) = unread.split_at((*cuts.next().unwrap()).min(unread.len()));
                unread = after;
                match preamble.push(piece).unwrap() {
                    Progress::More(next) => preamble = next,
                    Progress::Done { routing, rest } => break (routing, rest),
                }
            };
            read_rest.extend_from_slice(unread);
            prop_assert_eq!(read_routing, routing);
            prop_assert_eq!(read_rest, rest);
        }

        #[test]
        fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..40)) {
            let _ = push(&bytes);
            let _ = push(&[&ROUTING_MAGIC[..], &bytes].concat());
        }
    }
}
