//! Requests about newsletters (PROTOCOL.md 24).

use serde::Deserialize;
use serde_json::json;
use wa_binary::{Jid, Node};

use super::{get, mex, set};
use crate::newsletter::{Newsletter, NewsletterPost, Told};
use crate::request::RequestError;

/// WhatsApp's numbers for the questions.
const CREATE: &str = "25149874324715067";
const LIST: &str = "25399611239711790";
const FIND: &str = "27456920720571478";
const FOLLOW: &str = "24404358912487870";
const UNFOLLOW: &str = "9767147403369991";

/// Newsletters of one answer that are read.
const MAX_LISTED: usize = 10_000;

/// The notice that whoever makes a newsletter has seen, and how far.
const NOTICE: (&str, &str) = ("20601218", "5");

/// Says that the account's owner has seen the terms for newsletters.
pub(crate) fn accept_terms() -> Node<'static> {
    let (id, stage) = NOTICE;
    set("tos").child(Node::new("notice").attr("id", id).attr("stage", stage))
}

/// Makes a newsletter.
pub(crate) fn create(name: &str, description: Option<&str>) -> Node<'static> {
    let input = json!({"name": name, "description": description, "picture": null});
    mex::ask(CREATE, &json!({ "input": input }))
}

/// Asks which newsletters the account follows or runs.
pub(crate) fn list() -> Node<'static> {
    mex::ask(LIST, &json!({}))
}

/// Asks about one by its address.
pub(crate) fn find(newsletter: &Jid) -> Node<'static> {
    find_by(&newsletter.to_string(), "JID")
}

/// The same by the code of its link.
pub(crate) fn find_by_invite(code: &str) -> Node<'static> {
    find_by(code, "INVITE")
}

fn find_by(key: &str, kind: &str) -> Node<'static> {
    let variables = json!({
        "input": {"key": key, "type": kind, "view_role": "GUEST"},
        "fetch_viewer_metadata": true,
        "fetch_full_image": true,
        "fetch_creation_time": true,
    });
    mex::ask(FIND, &variables)
}

/// Follows one, or no longer.
pub(crate) fn follow(newsletter: &Jid, follows: bool) -> Node<'static> {
    let id = if follows { FOLLOW } else { UNFOLLOW };
    mex::ask(id, &json!({"newsletter_id": newsletter.to_string()}))
}

/// Asks for the latest posts, or those before this one, so many at most.
pub(crate) fn posts(newsletter: &Jid, count: u32, before: Option<u32>) -> Node<'static> {
    let messages = Node::new("messages").attr("type", "jid").attr("jid", newsletter).attr("count", count);
    get("newsletter").child(messages.opt_attr("before", before))
}

/// Asks to be told of views and reactions for a while.
pub(crate) fn watch(newsletter: &Jid) -> Node<'static> {
    Node::new("iq")
        .attr("to", newsletter)
        .attr("type", "set")
        .attr("xmlns", "newsletter")
        .child(Node::new("live_updates"))
}

/// Puts an emoji to a post; an empty one takes it away (PROTOCOL.md 11.6).
pub(crate) fn react(newsletter: &Jid, server_id: u32, emoji: &str) -> Node<'static> {
    let is_gone = emoji.is_empty();
    let reaction = Node::new("reaction").opt_attr("code", (!is_gone).then(|| emoji.to_owned()));
    Node::new("message")
        .attr("to", newsletter)
        .attr("type", "reaction")
        .attr("server_id", server_id)
        .opt_attr("edit", is_gone.then_some("7"))
        .child(reaction)
}

/// The newsletter, from the answer to [`create`] or [`find`].
pub(crate) fn read(answer: &Node<'_>) -> Result<Newsletter, RequestError> {
    let data: One = mex::read(answer)?;
    let nowhere = || RequestError::Refused { code: 404, text: "there is no such newsletter".into() };
    data.found.or(data.created).and_then(Told::read).ok_or_else(nowhere)
}

/// The newsletters, from the answer to [`list`].
pub(crate) fn read_list(answer: &Node<'_>) -> Result<Vec<Newsletter>, RequestError> {
    let data: Many = mex::read(answer)?;
    Ok(data.subscribed.into_iter().take(MAX_LISTED).filter_map(Told::read).collect())
}

/// Whether it was done, from the answer to [`follow`].
pub(crate) fn read_done(answer: &Node<'_>) -> Result<(), RequestError> {
    mex::read::<serde_json::Value>(answer).map(drop)
}

/// The posts, from the answer to [`posts`].
pub(crate) fn read_posts(answer: &Node<'_>) -> Result<Vec<NewsletterPost>, RequestError> {
    Ok(NewsletterPost::list(answer.require_child("messages")?))
}

/// For how many seconds, from the answer to [`watch`].
pub(crate) fn read_duration(answer: &Node<'_>) -> Result<u64, RequestError> {
    Ok(answer.require_child("live_updates")?.require_number("duration")?)
}

/// What the server says of newsletters by itself: one that the account follows from now on, or follows no longer.
pub(crate) fn read_update(update: &Node<'_>) -> Option<Followed> {
    let data = serde_json::from_slice::<Update>(&update.bytes()?).ok()?.data?;
    match (data.joined, data.left) {
        (Some(joined), _) => joined.read().map(|joined| Followed::Begun(Box::new(joined))),
        (None, Some(left)) => left.id.parse().ok().filter(Jid::is_newsletter).map(Followed::Ended),
        (None, None) => None,
    }
}

/// See [`read_update`].
pub(crate) enum Followed {
    Begun(Box<Newsletter>),
    Ended(Jid),
}

#[derive(Deserialize)]
struct One {
    #[serde(rename = "xwa2_newsletter")]
    found: Option<Told>,
    #[serde(rename = "xwa2_newsletter_create")]
    created: Option<Told>,
}

#[derive(Deserialize)]
struct Many {
    #[serde(rename = "xwa2_newsletter_subscribed")]
    subscribed: Vec<Told>,
}

#[derive(Deserialize)]
struct Update {
    data: Option<News>,
}

#[derive(Deserialize)]
struct News {
    #[serde(rename = "xwa2_notify_newsletter_on_join")]
    joined: Option<Told>,
    #[serde(rename = "xwa2_notify_newsletter_on_leave")]
    left: Option<Left>,
}

#[derive(Deserialize)]
struct Left {
    id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tea() -> Jid {
        "120363001@newsletter".parse().unwrap()
    }

    fn answer(json: &'static str) -> Node<'static> {
        Node::new("iq").child(Node::new("result").with_bytes(json.as_bytes().to_vec()))
    }

    #[test]
    fn requests_have_the_form_that_others_send() {
        for (node, xml) in [
            (
                posts(&tea(), 50, Some(7)),
                r#"<iq to="s.whatsapp.net" type="get" xmlns="newsletter"><messages type="jid" jid="120363001@newsletter" count="50" before="7"/></iq>"#,
            ),
            (
                watch(&tea()),
                r#"<iq to="120363001@newsletter" type="set" xmlns="newsletter"><live_updates/></iq>"#,
            ),
            (
                react(&tea(), 7, ""),
                r#"<message to="120363001@newsletter" type="reaction" server_id="7" edit="7"><reaction/></message>"#,
            ),
            (
                accept_terms(),
                r#"<iq to="s.whatsapp.net" type="set" xmlns="tos"><notice id="20601218" stage="5"/></iq>"#,
            ),
        ] {
            assert_eq!(node.to_string(), xml);
        }
    }

    #[test]
    fn answers_are_one_or_many_or_none() {
        let one = read(&answer(r#"{"data":{"xwa2_newsletter":{"id":"120363001@newsletter"}}}"#)).unwrap();
        assert_eq!(one.jid, tea());
        assert!(
            read(&answer(r#"{"data":{"xwa2_newsletter_create":{"id":"120363001@newsletter"}}}"#)).is_ok()
        );
        let nowhere = read(&answer(r#"{"data":{"xwa2_newsletter":null}}"#));
        assert!(matches!(nowhere, Err(RequestError::Refused { code: 404, .. })));
        let many = answer(
            r#"{"data":{"xwa2_newsletter_subscribed":[{"id":"120363001@newsletter"},{"id":"1@g.us"}]}}"#,
        );
        assert_eq!(read_list(&many).unwrap().len(), 1);
        let refused = answer(r#"{"errors":[{"message":"x","extensions":{"error_code":403}}]}"#);
        assert!(matches!(read_done(&refused), Err(RequestError::Refused { code: 403, .. })));
    }

    #[test]
    fn the_server_tells_of_what_is_followed_by_itself() {
        let update =
            |json: &'static str| read_update(&Node::new("update").with_bytes(json.as_bytes().to_vec()));
        let begun = update(r#"{"data":{"xwa2_notify_newsletter_on_join":{"id":"120363001@newsletter"}}}"#);
        assert!(matches!(begun, Some(Followed::Begun(it)) if it.jid == tea()));
        let ended = update(r#"{"data":{"xwa2_notify_newsletter_on_leave":{"id":"120363001@newsletter"}}}"#);
        assert!(matches!(ended, Some(Followed::Ended(it)) if it == tea()));
        for other in [
            "",
            "{}",
            r#"{"data":{"x":1}}"#,
            r#"{"data":{"xwa2_notify_newsletter_on_leave":{"id":"1@g.us"}}}"#,
        ] {
            assert!(update(other).is_none(), "{other}");
        }
    }
}
