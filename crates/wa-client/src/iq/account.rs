//! Requests that concern the account.

use wa_binary::{Jid, Node};

use super::{get, set};

/// Unlinks this companion (PROTOCOL.md 7.7).
pub(crate) fn remove_companion(own: &Jid) -> Node<'static> {
    let remove = Node::new("remove-companion-device").attr("jid", own).attr("reason", "user_initiated");
    set("md").child(remove)
}

/// Asks for the properties that the server sets for the account (PROTOCOL.md 28).
pub(crate) fn props() -> Node<'static> {
    get("abt").child(Node::new("props").attr("protocol", "1"))
}

/// The property that says whether chats are keyed by LID (PROTOCOL.md 16).
const LID_MIGRATED: &str = "9435";

/// Whether the account's chats are keyed by LID, from the answer to [`props`]; `None` if it doesn't say.
pub(crate) fn is_lid_migrated(answer: &Node<'_>) -> Option<bool> {
    let props = answer.get_child("props")?.children_named("prop");
    let mut props = props.filter(|prop| prop.attrs.text("config_code").as_deref() == Some(LID_MIGRATED));
    props.next()?.attrs.text("config_value").map(|value| matches!(&*value, "1" | "true"))
}

/// Asks for the privacy settings (PROTOCOL.md 28).
pub(crate) fn privacy() -> Node<'static> {
    get("privacy").child(Node::new("privacy"))
}

/// Whether others may learn that we have read, from the answer to [`privacy`].
pub(crate) fn sends_read_receipts(answer: &Node<'_>) -> bool {
    let Some(privacy) = answer.get_child("privacy") else { return true };
    !privacy.children_named("category").any(|category| {
        let is = |name, value: &str| category.attrs.get(name).is_some_and(|found| *found == *value);
        is("name", "readreceipts") && is("value", "none")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logout_names_the_own_device() {
        assert_eq!(
            remove_companion(&Jid::pn("15550001").with_device(1)).to_string(),
            r#"<iq to="s.whatsapp.net" type="set" xmlns="md"><remove-companion-device jid="15550001:1@s.whatsapp.net" reason="user_initiated"/></iq>"#
        );
    }

    #[test]
    fn one_property_says_whether_chats_are_keyed_by_lid() {
        let answer = |code: &'static str, value: &'static str| {
            let prop = Node::new("prop").attr("config_code", code).attr("config_value", value);
            Node::new("iq").child(Node::new("props").child(prop))
        };
        assert_eq!(is_lid_migrated(&answer("9435", "1")), Some(true));
        assert_eq!(is_lid_migrated(&answer("9435", "0")), Some(false));
        assert_eq!(is_lid_migrated(&answer("10518", "1")), None);
        assert_eq!(is_lid_migrated(&Node::new("iq")), None);
    }

    #[test]
    fn read_receipts_are_off_only_when_the_setting_says_none() {
        let answer = |value: &'static str| {
            let category = Node::new("category").attr("name", "readreceipts").attr("value", value);
            Node::new("iq").child(Node::new("privacy").child(category))
        };
        assert!(sends_read_receipts(&answer("all")));
        assert!(!sends_read_receipts(&answer("none")));
        assert!(sends_read_receipts(&Node::new("iq")));
    }
}
