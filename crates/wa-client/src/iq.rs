//! Requests to the server: one small builder and parser each (PROTOCOL.md 8).

use wa_binary::{Jid, Node, ShapeError};

use crate::request::RequestError;

pub(crate) mod account;
pub(crate) mod app_state;
pub(crate) mod encrypt;
pub(crate) mod group;
pub(crate) mod mex;
pub(crate) mod newsletter;
pub(crate) mod people;
pub(crate) mod session;
pub(crate) mod trust;
pub(crate) mod usync;

/// An IQ to the server that asks for something; the id is set when it is sent.
pub(crate) fn get(xmlns: &'static str) -> Node<'static> {
    request(xmlns, "get")
}

/// An IQ to the server that changes something; the id is set when it is sent.
pub(crate) fn set(xmlns: &'static str) -> Node<'static> {
    request(xmlns, "set")
}

fn request(xmlns: &'static str, kind: &'static str) -> Node<'static> {
    Node::new("iq").attr("to", Jid::server()).attr("type", kind).attr("xmlns", xmlns)
}

/// The empty answer to an IQ of the server.
pub(crate) fn result(id: &str) -> Node<'_> {
    Node::new("iq").attr("to", Jid::server()).attr("type", "result").attr("id", id)
}

/// A negative answer to an IQ of the server.
pub(crate) fn error<'a>(id: &'a str, code: u32, text: &'a str) -> Node<'a> {
    let error = Node::new("error").attr("code", code).attr("text", text);
    Node::new("iq").attr("to", Jid::server()).attr("type", "error").attr("id", id).child(error)
}

/// The answer to an IQ of the server; `None` if it is itself an answer. Pings come in two forms (PROTOCOL.md 7.4), and
/// everything else is unknown here, which has to be said too.
pub(crate) fn answer(iq: &Node<'_>) -> Option<Node<'static>> {
    let kind = iq.attrs.text("type");
    let is_ping =
        iq.get_child("ping").is_some() || iq.attrs.get("xmlns").is_some_and(|it| *it == "urn:xmpp:ping");
    match kind.as_deref() {
        Some("get" | "set") => {}
        None if is_ping => {}
        _ => return None,
    }
    let id = iq.attrs.text("id")?.into_owned();
    let to = iq.attrs.jid("from").cloned().unwrap_or_else(Jid::server);
    let answer = Node::new("iq").attr("to", to).attr("id", id);
    if is_ping {
        return Some(answer.attr("type", "result"));
    }
    tracing::info!(xmlns = iq.attrs.text("xmlns").as_deref(), "a request of the server is not understood");
    let error = Node::new("error").attr("code", 501_u32).attr("text", "feature-not-implemented");
    Some(answer.attr("type", "error").child(error))
}

/// Turns a negative answer into an error. An `<error>` child counts even where the type says otherwise.
pub(crate) fn accepted(answer: &Node<'_>) -> Result<(), RequestError> {
    let error = answer.get_child("error");
    let negative = answer.attrs.get("type").is_some_and(|kind| *kind == "error");
    if error.is_none() && !negative {
        return Ok(());
    }
    let code = error.and_then(|error| error.attrs.number("code")?.ok()).unwrap_or(0);
    let text = error.and_then(|error| error.attrs.text("text")).unwrap_or_default().into_owned();
    Err(RequestError::Refused { code, text })
}

impl From<ShapeError> for RequestError {
    fn from(error: ShapeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Ids of requests: two random bytes in decimal and a counter, `35.40-1` (PROTOCOL.md 8).
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: String,
    last: u64,
}

impl RequestIds {
    pub(crate) fn new([first, second]: [u8; 2]) -> Self {
        Self { prefix: format!("{first}.{second}-"), last: 0 }
    }

    pub(crate) fn next(&mut self) -> String {
        self.last += 1;
        format!("{}{}", self.prefix, self.last)
    }
}

/// A number as the last `N` bytes of its big-endian form, as ids are written.
pub(crate) fn big_endian<const N: usize>(number: u32) -> [u8; N] {
    let bytes = number.to_be_bytes();
    std::array::from_fn(|index| (bytes.len() + index).checked_sub(N).map_or(0, |at| bytes[at]))
}

/// Reads at most four big-endian bytes.
pub(crate) fn from_big_endian(bytes: &[u8]) -> Option<u32> {
    (1..=4)
        .contains(&bytes.len())
        .then(|| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_up_behind_the_random_prefix() {
        let mut ids = RequestIds::new([35, 40]);
        assert_eq!(ids.next(), "35.40-1");
        assert_eq!(ids.next(), "35.40-2");
    }

    #[test]
    fn numbers_are_written_in_three_or_four_bytes() {
        assert_eq!(big_endian::<3>(812), [0, 3, 0x2c]);
        assert_eq!(big_endian::<4>(0x0102_0304), [1, 2, 3, 4]);
        assert_eq!(from_big_endian(&[0, 3, 0x2c]), Some(812));
        assert_eq!(from_big_endian(&[]), None);
        assert_eq!(from_big_endian(&[0; 5]), None);
    }

    #[test]
    fn requests_of_the_server_are_answered_and_answers_are_not() {
        let iq = |kind: Option<&'static str>| Node::new("iq").attr("id", "7").opt_attr("type", kind);
        let ping = |kind| iq(kind).child(Node::new("ping"));
        let pong = r#"<iq to="s.whatsapp.net" id="7" type="result"/>"#;
        for ping in [ping(None), ping(Some("get")), iq(Some("get")).attr("xmlns", "urn:xmpp:ping")] {
            assert_eq!(answer(&ping).unwrap().to_string(), pong);
        }
        let unknown = answer(&iq(Some("set")).attr("xmlns", "w:x").attr("from", Jid::group("1"))).unwrap();
        assert_eq!(
            unknown.to_string(),
            r#"<iq to="1@g.us" id="7" type="error"><error code="501" text="feature-not-implemented"/></iq>"#
        );
        for kind in [None, Some("result"), Some("error")] {
            assert_eq!(answer(&iq(kind)), None);
        }
        assert_eq!(answer(&ping(Some("result"))), None, "that is the answer to our own");
    }

    #[test]
    fn an_error_child_is_a_refusal_whatever_the_type_says() {
        let error = Node::new("error").attr("code", 404_u32).attr("text", "item-not-found");
        let answer = Node::new("iq").attr("type", "result").child(error);
        let refused = RequestError::Refused { code: 404, text: "item-not-found".into() };
        assert_eq!(accepted(&answer), Err(refused));
        assert_eq!(accepted(&Node::new("iq").attr("type", "result")), Ok(()));
        assert!(accepted(&Node::new("iq").attr("type", "error")).is_err());
    }
}
