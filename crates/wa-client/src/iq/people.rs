//! Requests about people, and about what they may see of the account (PROTOCOL.md 15, 28).

use wa_binary::{Jid, Node};

use super::{get, set};
use crate::people::{BlockList, BusinessHours, BusinessProfile, Picture, PrivacySettings};
use crate::request::RequestError;
use crate::status::StatusPrivacy;

/// Entries of a list of this kind that are read at most.
const MOST: usize = 10_000;

/// Asks for the picture of somebody or of a group; a small one with `is_preview`.
pub(crate) fn picture(of: &Jid, is_preview: bool) -> Node<'static> {
    let kind = if is_preview { "preview" } else { "image" };
    let picture = Node::new("picture").attr("query", "url").attr("type", kind);
    get("w:profile:picture").attr("target", of.to_user()).child(picture)
}

/// The picture, from the answer to [`picture`].
pub(crate) fn read_picture(answer: &Node<'_>) -> Result<Picture, RequestError> {
    let picture = answer.require_child("picture")?;
    let text = |name: &str| picture.attrs.text(name).map(|text| text.into_owned());
    Ok(Picture { id: text("id").unwrap_or_default(), url: picture.require_text("url")?.into_owned() })
}

/// Shows this JPEG; `None` shows none. `of` is a group, or nobody for the own account.
pub(crate) fn set_picture(of: Option<&Jid>, jpeg: Option<&[u8]>) -> Node<'static> {
    let picture = jpeg.map(|jpeg| Node::new("picture").attr("type", "image").with_bytes(jpeg.to_vec()));
    set("w:profile:picture").opt_attr("target", of.map(Jid::to_user)).with_children(picture)
}

/// The id of a picture that was set.
pub(crate) fn read_picture_id(answer: &Node<'_>) -> Option<String> {
    answer.get_child("picture")?.attrs.text("id").map(|id| id.into_owned())
}

/// Shows this text about the own account.
pub(crate) fn set_about(text: &str) -> Node<'static> {
    set("status").child(Node::new("status").with_bytes(text.as_bytes().to_vec()))
}

/// Asks for a business's profile.
pub(crate) fn business(of: &Jid) -> Node<'static> {
    let profile = Node::new("profile").attr("jid", of.to_user());
    get("w:biz").child(Node::new("business_profile").attr("v", "244").child(profile))
}

/// The profile, from the answer to [`business`]; `None` for somebody who is no business.
pub(crate) fn read_business(answer: &Node<'_>) -> Option<BusinessProfile> {
    let profile = answer.get_child("business_profile")?.get_child("profile")?;
    let text = |node: &Node<'_>| node.bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let field = |name: &str| profile.get_child(name).and_then(text).filter(|text| !text.is_empty());
    let hours = profile.get_child("business_hours");
    let categories = profile.get_child("categories").map_or(&[][..], Node::children);
    Some(BusinessProfile {
        description: field("description"),
        address: field("address"),
        email: field("email"),
        websites: profile.children_named("website").filter_map(text).take(MOST).collect(),
        categories: categories.iter().filter_map(text).take(MOST).collect(),
        timezone: hours.and_then(|hours| hours.attrs.text("timezone")).map(|zone| zone.into_owned()),
        hours: hours.map_or(&[][..], Node::children).iter().filter_map(opening).take(MOST).collect(),
    })
}

fn opening(config: &Node<'_>) -> Option<BusinessHours> {
    let number = |name: &str| config.attrs.number(name).and_then(Result::ok);
    Some(BusinessHours {
        day: config.attrs.text("day_of_week")?.into_owned(),
        mode: config.attrs.text("mode")?.into_owned(),
        opens: number("open_time"),
        closes: number("close_time"),
    })
}

/// The settings, from the answer to [`super::account::privacy`].
pub(crate) fn read_privacy(answer: &Node<'_>) -> Result<PrivacySettings, RequestError> {
    let categories = answer.require_child("privacy")?.children_named("category");
    let setting = |category: &Node<'_>| {
        let text = |name| category.attrs.text(name).map(|text| text.into_owned());
        Some((text("name")?, text("value")?))
    };
    Ok(PrivacySettings(categories.filter_map(setting).take(MOST).collect()))
}

/// Changes one of the settings.
pub(crate) fn set_privacy(name: &str, value: &str) -> Node<'static> {
    let category = Node::new("category").attr("name", name.to_owned()).attr("value", value.to_owned());
    set("privacy").child(Node::new("privacy").child(category))
}

/// Asks who sees what the account posts to its status (PROTOCOL.md 25).
pub(crate) fn status_privacy() -> Node<'static> {
    get("status").child(Node::new("privacy"))
}

/// The setting, from the answer to [`status_privacy`].
pub(crate) fn read_status_privacy(answer: &Node<'_>) -> Result<StatusPrivacy, RequestError> {
    Ok(StatusPrivacy::read(answer.require_child("privacy")?))
}

/// Asks whom the account blocks.
pub(crate) fn block_list() -> Node<'static> {
    get("blocklist")
}

/// Blocks somebody, by LID and with the number, or no longer.
pub(crate) fn block(lid: &Jid, pn: Option<&Jid>, blocks: bool) -> Node<'static> {
    let action = if blocks { "block" } else { "unblock" };
    let item = Node::new("item").attr("action", action).attr("jid", lid.to_user());
    set("blocklist").child(item.opt_attr("pn_jid", pn.filter(|_| blocks).map(Jid::to_user)))
}

/// Whom the account blocks, from the answer to [`block_list`] or [`block`].
pub(crate) fn read_block_list(answer: &Node<'_>) -> Result<BlockList, RequestError> {
    let items = answer.require_child("list")?.children_named("item");
    Ok(BlockList(items.filter_map(|item| item.attrs.jid("jid").map(Jid::to_user)).take(MOST).collect()))
}

/// For how long, in seconds, messages of new chats are kept; 0 is for ever.
pub(crate) fn default_timer(seconds: u32) -> Node<'static> {
    set("disappearing_mode").child(Node::new("disappearing_mode").attr("duration", seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_form_that_others_send() {
        let bob = Jid::lid("80002").with_device(3);
        for (node, xml) in [
            (
                picture(&bob, true),
                r#"<iq to="s.whatsapp.net" type="get" xmlns="w:profile:picture" target="80002@lid"><picture query="url" type="preview"/></iq>"#,
            ),
            (set_picture(None, None), r#"<iq to="s.whatsapp.net" type="set" xmlns="w:profile:picture"/>"#),
            (
                block(&bob, Some(&Jid::pn("15550002")), true),
                r#"<iq to="s.whatsapp.net" type="set" xmlns="blocklist"><item action="block" jid="80002@lid" pn_jid="15550002@s.whatsapp.net"/></iq>"#,
            ),
            (
                block(&bob, Some(&Jid::pn("15550002")), false),
                r#"<iq to="s.whatsapp.net" type="set" xmlns="blocklist"><item action="unblock" jid="80002@lid"/></iq>"#,
            ),
            (
                set_privacy("last", "none"),
                r#"<iq to="s.whatsapp.net" type="set" xmlns="privacy"><privacy><category name="last" value="none"/></privacy></iq>"#,
            ),
            (
                business(&bob),
                r#"<iq to="s.whatsapp.net" type="get" xmlns="w:biz"><business_profile v="244"><profile jid="80002@lid"/></business_profile></iq>"#,
            ),
        ] {
            assert_eq!(node.to_string(), xml);
        }
    }

    #[test]
    fn a_business_is_read_with_what_it_says_of_itself() {
        let text = |tag: &'static str, text: &str| Node::new(tag).with_bytes(text.as_bytes().to_vec());
        let open =
            Node::new("business_hours_config").attr("day_of_week", "mon").attr("mode", "specific_hours");
        let open = open.attr("open_time", 540_u32).attr("close_time", 1080_u32);
        let profile = Node::new("profile")
            .child(text("description", "Tea"))
            .child(text("website", "https://tea.test"))
            .child(text("address", ""))
            .child(Node::new("categories").child(text("category", "Shop")))
            .child(Node::new("business_hours").attr("timezone", "Europe/Berlin").child(open));
        let answer = Node::new("iq").child(Node::new("business_profile").child(profile));
        let read = read_business(&answer).unwrap();
        assert_eq!((read.description.as_deref(), read.address, read.websites.len()), (Some("Tea"), None, 1));
        assert_eq!(
            (read.categories, read.timezone.as_deref()),
            (vec!["Shop".to_owned()], Some("Europe/Berlin"))
        );
        assert_eq!((read.hours[0].opens, read.hours[0].closes), (Some(540), Some(1080)));
        assert!(read_business(&Node::new("iq").child(Node::new("business_profile"))).is_none());
    }
}
