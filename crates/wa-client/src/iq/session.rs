//! Requests that concern the connection itself.

use wa_binary::Node;

use super::{get, set};

/// Tells the server to deliver: what waited and what comes (PROTOCOL.md 7.1).
pub(crate) fn active() -> Node<'static> {
    set("passive").child(Node::new("active"))
}

/// The keepalive (PROTOCOL.md 7.4).
pub(crate) fn ping() -> Node<'static> {
    get("w:p")
}

/// Confirms that what the server called dirty has been brought up to date (PROTOCOL.md 7.2).
pub(crate) fn clean<'a>(kind: &'a str, timestamp: &'a str) -> Node<'a> {
    let clean = Node::new("clean").attr("type", kind).attr("timestamp", timestamp);
    set("urn:xmpp:whatsapp:dirty").child(clean)
}

/// The session id that WhatsApp Web announces: server-adjusted time, three days ahead, within a week
/// (PROTOCOL.md 28).
pub(crate) fn unified_session(server_millis: i64) -> Node<'static> {
    const DAY: i64 = 24 * 3600 * 1000;
    let id = (server_millis + 3 * DAY).rem_euclid(7 * DAY);
    Node::new("ib").child(Node::new("unified_session").attr("id", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_look_as_protocol_md_shows_them() {
        assert_eq!(
            active().to_string(),
            r#"<iq to="s.whatsapp.net" type="set" xmlns="passive"><active/></iq>"#
        );
        assert_eq!(ping().to_string(), r#"<iq to="s.whatsapp.net" type="get" xmlns="w:p"/>"#);
        assert_eq!(
            clean("account_sync", "1700000000").to_string(),
            r#"<iq to="s.whatsapp.net" type="set" xmlns="urn:xmpp:whatsapp:dirty"><clean type="account_sync" timestamp="1700000000"/></iq>"#
        );
    }

    #[test]
    fn the_unified_session_id_stays_within_a_week() {
        assert_eq!(unified_session(0).to_string(), r#"<ib><unified_session id="259200000"/></ib>"#);
        assert_eq!(
            unified_session(4 * 24 * 3600 * 1000 + 5).to_string(),
            r#"<ib><unified_session id="5"/></ib>"#
        );
    }
}
