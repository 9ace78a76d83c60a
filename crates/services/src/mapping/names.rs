//! Chats and people under the names that the API uses.

use storage::Chat;
use wa_binary::Jid;

/// A chat under all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatNames {
    /// As the API names it: by the phone number where that is known.
    pub(crate) chat: Chat,
    /// As it stood on the wire, without device.
    pub(crate) wire: String,
}

impl ChatNames {
    pub(crate) fn new(chat: &Jid, pn: Option<&Jid>, lid: Option<&Jid>) -> Self {
        let text = |jid: &Jid| jid.to_user().to_string();
        let wire = chat.to_user();
        let pn = pn.map(text).or_else(|| wire.is_pn().then(|| wire.to_string()));
        let lid = lid.map(text).or_else(|| wire.is_lid().then(|| wire.to_string()));
        let wire = wire.to_string();
        let jid = pn.clone().unwrap_or_else(|| wire.clone());
        Self { chat: Chat { jid, pn, lid }, wire }
    }

    /// The names of the chat of a message of ours, as it is stored.
    pub(crate) fn of_stored(chat: &str, wire: &str) -> Self {
        let name =
            |server: &str| [chat, wire].into_iter().find(|name| name.ends_with(server)).map(str::to_owned);
        let (pn, lid) = (name("@s.whatsapp.net"), name("@lid"));
        Self { chat: Chat { jid: chat.to_owned(), pn, lid }, wire: wire.to_owned() }
    }

    /// Whether it is a group.
    pub(crate) fn is_group(&self) -> bool {
        self.wire.ends_with("@g.us")
    }

    /// Every name under which something of this chat may be stored, each once.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut names = vec![self.chat.jid.clone(), self.wire.clone()];
        names.extend(self.chat.lid.clone());
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Somebody under all their names, each once; the first is the one that the API uses.
pub(crate) fn person_names(person: &Jid, pn: Option<&Jid>, lid: Option<&Jid>) -> Vec<String> {
    let mut names = Vec::with_capacity(3);
    for jid in pn.into_iter().chain(lid).chain([person]) {
        let name = jid.to_user().to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const PN: &str = "79001234567@s.whatsapp.net";
    const LID: &str = "900001@lid";

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn a_chat_has_the_best_name_that_is_known() {
        let table = [
            (PN, None, None, PN, vec![PN]),
            (PN, None, Some(LID), PN, vec![PN, LID]),
            (LID, None, None, LID, vec![LID]),
            (LID, Some(PN), None, PN, vec![PN, LID]),
            ("900001:7@lid", Some("79001234567:7@s.whatsapp.net"), None, PN, vec![PN, LID]),
            ("1203630@g.us", None, None, "1203630@g.us", vec!["1203630@g.us"]),
        ];
        for (wire, pn, lid, name, all) in table {
            let names = ChatNames::new(&jid(wire), pn.map(jid).as_ref(), lid.map(jid).as_ref());
            assert_eq!(
                (names.chat.jid.as_str(), names.all()),
                (name, all.iter().map(|n| (*n).to_owned()).collect())
            );
        }
    }

    #[test]
    fn the_names_of_a_stored_chat_are_found_again() {
        for (chat, wire) in [(PN, LID), (PN, PN), (LID, LID)] {
            let known = |server| [chat, wire].into_iter().find(|name| name.ends_with(server)).map(jid);
            let expected = ChatNames::new(&jid(wire), known("net").as_ref(), known("@lid").as_ref());
            assert_eq!(ChatNames::of_stored(chat, wire), expected);
        }
    }

    #[test]
    fn a_person_is_named_by_number_first() {
        assert_eq!(person_names(&jid("900001:3@lid"), Some(&jid(PN)), None), [PN, LID]);
        assert_eq!(person_names(&jid(LID), None, Some(&jid(LID))), [LID]);
    }
}
