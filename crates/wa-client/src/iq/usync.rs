//! Requests of namespace `usync`: who has which devices, which LID, and an account at all (PROTOCOL.md 15).

use compact_str::CompactString;
use wa_binary::{Jid, Node};
use wa_store::{DeviceList, ListedDevice};

use super::get;
use crate::request::{OnWhatsApp, RequestError};

/// Most devices of one user that are believed: WhatsApp allows a phone and four companions, companion ids
/// end at 99.
const MAX_DEVICES: usize = 100;

/// Asks for devices and LIDs of these users (without device), by phone number or LID.
pub(crate) fn devices<'a>(sid: &str, users: impl IntoIterator<Item = &'a Jid>) -> Node<'static> {
    let query = [Node::new("devices").attr("version", 2_u32), Node::new("lid")];
    let users = users.into_iter().map(|jid| Node::new("user").attr("jid", jid));
    usync(sid, "message", query, users)
}

/// Asks which phone numbers (digits only) have accounts.
pub(crate) fn contacts<'a>(sid: &str, numbers: impl IntoIterator<Item = &'a str>) -> Node<'static> {
    let query = [Node::new("contact").attr("addressing_mode", "lid"), Node::new("lid")];
    let users = numbers.into_iter().map(|number| {
        let contact = Node::new("contact").with_bytes(format!("+{number}").into_bytes());
        Node::new("user").child(contact)
    });
    usync(sid, "interactive", query, users)
}

/// Asks what somebody says about themself.
pub(crate) fn about(sid: &str, of: &Jid) -> Node<'static> {
    let user = Node::new("user").attr("jid", of.to_user());
    usync(sid, "interactive", [Node::new("status")], [user])
}

/// What they say, from the answer to [`about`]; `None` where there is nothing to be seen.
pub(crate) fn parse_about(answer: &Node<'_>) -> Result<Option<String>, RequestError> {
    let list = answer.require_child("usync")?.require_child("list")?;
    let status = list.get_child("user").and_then(|user| user.get_child("status")?.bytes());
    let text = status.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(text.filter(|text| !text.is_empty()))
}

fn usync(
    sid: &str,
    context: &'static str,
    query: impl IntoIterator<Item = Node<'static>>,
    users: impl IntoIterator<Item = Node<'static>>,
) -> Node<'static> {
    let usync = Node::new("usync")
        .attr("sid", sid.to_owned())
        .attr("mode", "query")
        .attr("last", "true")
        .attr("index", "0")
        .attr("context", context)
        .child(Node::new("query").with_children(query))
        .child(Node::new("list").with_children(users));
    get("usync").child(usync)
}

/// One user of the answer to [`devices`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownUser {
    /// As it was asked for.
    pub(crate) user: Jid,
    pub(crate) lid: Option<Jid>,
    pub(crate) pn: Option<Jid>,
    /// `None` if the server said nothing of devices. That, like an empty list, doesn't mean that there is no account.
    pub(crate) devices: Option<DeviceList>,
    /// The list of companions that the account has signed.
    pub(crate) key_indexes: Option<Vec<u8>>,
}

impl KnownUser {
    /// Whether any device is named.
    pub(crate) fn is_reachable(&self) -> bool {
        self.devices.as_ref().is_some_and(|list| !list.devices.is_empty())
    }
}

/// Reads the answer to [`devices`]. A malformed user is left out; a malformed device spoils its user, since
/// a list that silently lacks a device would send it nothing.
pub(crate) fn parse_devices(answer: &Node<'_>, fetched_at: i64) -> Result<Vec<KnownUser>, RequestError> {
    let list = answer.require_child("usync")?.require_child("list")?;
    Ok(list.children_named("user").filter_map(|user| parse_user(user, fetched_at)).collect())
}

fn parse_user(user: &Node<'_>, fetched_at: i64) -> Option<KnownUser> {
    let lid = user.get_child("lid").and_then(|lid| lid.attrs.parse_jid("val"));
    Some(KnownUser {
        user: user.attrs.jid("jid")?.to_user(),
        lid: lid.filter(Jid::is_lid).map(|lid| lid.to_user()),
        pn: user.attrs.jid("pn_jid").filter(|pn| pn.is_pn()).map(Jid::to_user),
        devices: user.get_child("devices").and_then(|devices| parse_device_list(devices, fetched_at)),
        key_indexes: user
            .get_child("devices")
            .and_then(|devices| devices.get_child("key-index-list")?.bytes())
            .map(std::borrow::Cow::into_owned),
    })
}

/// Reads `<devices><device-list>…`, or a notification that has the same shape.
fn parse_device_list(devices: &Node<'_>, fetched_at: i64) -> Option<DeviceList> {
    let list = devices.get_child("device-list")?;
    if list.children().len() > MAX_DEVICES {
        return None;
    }
    Some(DeviceList {
        devices: list.children_named("device").map(parse_device).collect::<Option<_>>()?,
        hash: list.attrs.text("hash").map(CompactString::from),
        // What counts is in the list that the account signed.
        timestamp: 0,
        fetched_at,
    })
}

fn parse_device(device: &Node<'_>) -> Option<ListedDevice> {
    Some(ListedDevice {
        id: device.attrs.number("id")?.ok()?,
        key_index: device.attrs.number("key-index").and_then(Result::ok),
        is_hosted: device.attrs.get("is_hosted").is_some_and(|hosted| *hosted == "true"),
    })
}

/// Reads the answer to [`contacts`], in the order of `numbers` (digits only); `None` where it says neither `in` nor
/// `out`.
pub(crate) fn parse_contacts(
    answer: &Node<'_>,
    numbers: &[String],
) -> Result<Vec<Option<OnWhatsApp>>, RequestError> {
    let list = answer.require_child("usync")?.require_child("list")?;
    let found: Vec<_> = list.children_named("user").filter_map(parse_contact).collect();
    // Whoever asks about one number needs no repetition of it.
    let is_only = |count: usize| numbers.len() == 1 && count == 1;
    Ok(numbers
        .iter()
        .map(|number| {
            let answer = found.iter().find(|(asked, _)| asked == number || is_only(found.len()));
            answer.map(|(_, answer)| OnWhatsApp { number: number.clone(), ..answer.clone() })
        })
        .collect())
}

/// The digits that were asked for, and what is known about them.
fn parse_contact(user: &Node<'_>) -> Option<(String, OnWhatsApp)> {
    let contact = user.get_child("contact")?;
    let jid = user.attrs.jid("jid").map(Jid::to_user);
    let registered = match contact.attrs.text("type").as_deref() {
        Some("in") => true,
        Some("out") => false,
        _ => return None,
    };
    let pn_jid = user.attrs.jid("pn_jid").map(Jid::to_user);
    let lid_value = user.get_child("lid").and_then(|lid| lid.attrs.parse_jid("val"));
    let pn = jid.iter().chain(&pn_jid).find(|jid| jid.is_pn()).cloned();
    let lid = jid.iter().chain(&lid_value).find(|jid| jid.is_lid()).map(Jid::to_user);
    let asked = contact.content_text().map(digits).filter(|digits| !digits.is_empty());
    let asked = asked.or_else(|| pn.as_ref().map(|pn| pn.user.to_string())).unwrap_or_default();
    Some((asked, OnWhatsApp { number: String::new(), registered, pn, lid }))
}

/// The digits of a phone number as people write it.
pub(crate) fn digits(number: &str) -> String {
    let number = number.split('@').next().unwrap_or_default();
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(users: impl IntoIterator<Item = Node<'static>>) -> Node<'static> {
        let list = Node::new("list").with_children(users);
        Node::new("iq").attr("type", "result").child(Node::new("usync").child(list))
    }

    #[test]
    fn one_query_asks_for_devices_and_lids() {
        let users = [Jid::pn("15550001"), Jid::lid("80001")];
        assert_eq!(
            devices("35.40-1", &users).to_string(),
            r#"<iq to="s.whatsapp.net" type="get" xmlns="usync"><usync sid="35.40-1" mode="query" last="true" index="0" context="message"><query><devices version="2"/><lid/></query><list><user jid="15550001@s.whatsapp.net"/><user jid="80001@lid"/></list></usync></iq>"#
        );
    }

    /// The shape of PROTOCOL.md 15.
    #[test]
    fn devices_and_lid_are_read() {
        let device = |id: u32| Node::new("device").attr("id", id);
        let list = Node::new("device-list")
            .attr("hash", "2:abc")
            .child(device(0))
            .child(device(1).attr("key-index", 1_u32));
        let devices =
            Node::new("devices").child(list).child(Node::new("key-index-list").attr("ts", 1_795_290_748_u32));
        let user = Node::new("user")
            .attr("jid", Jid::pn("15550001"))
            .child(Node::new("lid").attr("val", Jid::lid("80001")))
            .child(devices);
        let users = parse_devices(&answer([user]), 7).unwrap();
        let list = DeviceList {
            devices: vec![
                ListedDevice { id: 0, key_index: None, is_hosted: false },
                ListedDevice { id: 1, key_index: Some(1), is_hosted: false },
            ],
            hash: Some("2:abc".into()),
            timestamp: 0,
            fetched_at: 7,
        };
        let user = KnownUser {
            user: Jid::pn("15550001"),
            lid: Some(Jid::lid("80001")),
            pn: None,
            devices: Some(list),
            key_indexes: None,
        };
        assert_eq!(users, [user]);
    }

    #[test]
    fn a_device_without_id_spoils_its_list_only() {
        let list = Node::new("device-list").child(Node::new("device"));
        let user = Node::new("user").attr("jid", Jid::lid("1")).child(Node::new("devices").child(list));
        let users = parse_devices(&answer([user]), 0).unwrap();
        assert_eq!(users.len(), 1);
        assert_eq!(users[0].devices, None);
    }

    #[test]
    fn contacts_come_back_in_the_order_asked_with_both_addresses() {
        let user = |jid: Jid, kind: &'static str, text: &'static str| {
            let contact = Node::new("contact").attr("type", kind).with_bytes(text.as_bytes());
            Node::new("user").attr("jid", jid).attr("pn_jid", Jid::pn("15550001")).child(contact)
        };
        let found = answer([
            user(Jid::pn("15550009"), "out", "+15550009"),
            user(Jid::lid("80001"), "in", "+15550001"),
        ]);
        let numbers = ["15550001".to_owned(), "15550009".to_owned(), "15550005".to_owned()];
        let result = parse_contacts(&found, &numbers).unwrap();
        let [Some(first), Some(second), None] = &result[..] else { panic!("{result:?}") };
        assert_eq!(first.lid, Some(Jid::lid("80001")));
        assert_eq!(first.pn, Some(Jid::pn("15550001")));
        assert!(first.registered && !second.registered);
        assert_eq!(second.number, "15550009");
    }

    #[test]
    fn only_in_and_out_are_answers() {
        let answered = |kind: Option<&'static str>| {
            let contact = Node::new("contact").opt_attr("type", kind);
            let found = answer([Node::new("user").attr("jid", Jid::lid("80001")).child(contact)]);
            parse_contacts(&found, &["15550001".to_owned()]).unwrap().pop().unwrap()
        };
        assert_eq!(answered(Some("in")).map(|contact| contact.lid), Some(Some(Jid::lid("80001"))));
        assert_eq!(answered(Some("out")).map(|contact| contact.registered), Some(false));
        assert_eq!(answered(Some("invalid")), None);
        assert_eq!(answered(None), None);
    }

    #[test]
    fn only_digits_of_a_number_are_asked() {
        assert_eq!(digits("+1 (555) 000-01"), "155500001");
        assert_eq!(digits("15550001@s.whatsapp.net"), "15550001");
    }
}
