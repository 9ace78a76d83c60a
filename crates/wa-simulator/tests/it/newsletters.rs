//! Newsletters (PROTOCOL.md 24).

use prost::Message as _;
use serde_json::{Value, json};
use wa_binary::{Jid, Node};

use crate::{client::*, scene::*};

const CREATE: &str = "25149874324715067";
const LIST: &str = "25399611239711790";
const FIND: &str = "27456920720571478";
const FOLLOW: &str = "24404358912487870";

async fn mex(line: &mut NoiseConnection, id: &str, variables: Value) -> Value {
    let body = json!({ "variables": variables }).to_string().into_bytes();
    let query = Node::new("query").attr("query_id", id.to_owned()).with_bytes(body);
    let answer = line.ask("get", "w:mex", query).await;
    let bytes = answer.get_child("result").and_then(Node::bytes).expect("a result").into_owned();
    serde_json::from_slice(&bytes).unwrap()
}

async fn agree(line: &mut NoiseConnection) {
    line.ask("set", "tos", Node::new("notice").attr("id", "20601218").attr("stage", "5")).await;
}

/// What the server says to a post.
async fn ack(line: &mut NoiseConnection, message: &Node<'_>) -> Node<'static> {
    line.send(message).await;
    let id = text(message, "id");
    line.next_where(|node| node.is("ack") && text(node, "id") == id).await
}

fn post(to: &Jid, id: &str, child: Node<'static>) -> Node<'static> {
    Node::new("message").attr("id", id.to_owned()).attr("to", to).attr("type", "text").child(child)
}

fn plaintext(words: &str) -> Node<'static> {
    Node::new("plaintext").with_bytes(plain_text(words).encode_to_vec())
}

#[tokio::test(start_paused = true)]
async fn newsletters_are_made_by_who_has_agreed_and_found_by_all() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let wanted = json!({"input": {"name": "Tea", "description": "About tea", "picture": null}});
    let refused = mex(&mut line, CREATE, wanted.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["error_code"], 403);
    agree(&mut line).await;
    let made = mex(&mut line, CREATE, wanted).await;
    let made = &made["data"]["xwa2_newsletter_create"];
    assert_eq!(made["viewer_metadata"]["role"], "OWNER");
    let (_other, mut others) = scene.companion_of(&scene.bob, 2).await;
    for (key, kind) in [(&made["id"], "JID"), (&made["thread_metadata"]["invite"], "INVITE")] {
        let found = mex(&mut others, FIND, json!({"input": {"key": key, "type": kind}})).await;
        let found = &found["data"]["xwa2_newsletter"];
        assert_eq!((&found["id"], &found["viewer_metadata"]["role"]), (&made["id"], &json!("GUEST")));
        assert_eq!(found["thread_metadata"]["name"]["text"], "Tea");
    }
    let followed = mex(&mut others, FOLLOW, json!({"newsletter_id": made["id"]})).await;
    assert_eq!(followed["data"]["xwa2_newsletter_join_v2"]["viewer_metadata"]["role"], "SUBSCRIBER");
    let listed = mex(&mut others, LIST, json!({})).await;
    assert_eq!(listed["data"]["xwa2_newsletter_subscribed"].as_array().map(Vec::len), Some(1));
    let own = mex(&mut line, FOLLOW, json!({"newsletter_id": made["id"]})).await;
    assert_eq!(own["errors"][0]["extensions"]["error_code"], 405);
    let nowhere = mex(&mut line, FIND, json!({"input": {"key": "1@newsletter", "type": "JID"}})).await;
    assert_eq!(nowhere["errors"][0]["extensions"]["error_code"], 404);
}

#[tokio::test(start_paused = true)]
async fn posts_are_in_the_clear_and_of_who_runs_the_newsletter() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (_other, mut others) = scene.companion_of(&scene.bob, 2).await;
    agree(&mut line).await;
    let made = mex(&mut line, CREATE, json!({"input": {"name": "Tea"}})).await;
    let id = made["data"]["xwa2_newsletter_create"]["id"].as_str().unwrap().to_owned();
    let newsletter: Jid = id.parse().unwrap();
    scene.bob.follow_newsletter(&id, true).unwrap();
    let answer = ack(&mut line, &post(&newsletter, "a", plaintext("tea"))).await;
    assert_eq!((text(&answer, "error"), text(&answer, "server_id")), (String::new(), "1".to_owned()));
    let message = others.next_named("message").await;
    assert_eq!(message.attrs.jid("from"), Some(&newsletter));
    assert_eq!((text(&message, "id"), text(&message, "server_id")), ("a".to_owned(), "1".to_owned()));
    assert!(message.get_child("plaintext").is_some());
    let enc = Node::new("enc").attr("v", "2").attr("type", "skmsg").with_bytes(vec![0x33; 90]);
    for (what, wrong, code) in [
        ("encrypted", post(&newsletter, "b", enc), "479"),
        ("empty", post(&newsletter, "c", Node::new("plaintext")), "479"),
        ("no message", post(&newsletter, "d", Node::new("plaintext").with_bytes(vec![0xff; 9])), "479"),
        ("nowhere", post(&"1@newsletter".parse().unwrap(), "e", plaintext("x")), "404"),
    ] {
        assert_eq!(text(&ack(&mut line, &wrong).await, "error"), code, "{what}");
    }
    let foreign = ack(&mut others, &post(&newsletter, "f", plaintext("mine"))).await;
    assert_eq!(text(&foreign, "error"), "403");
    let reaction = |id: &str, code: &str| {
        Node::new("message")
            .attr("id", id.to_owned())
            .attr("to", &newsletter)
            .attr("type", "reaction")
            .attr("server_id", 1_u32)
            .child(Node::new("reaction").attr("code", code.to_owned()))
    };
    assert_eq!(text(&ack(&mut others, &reaction("g", "👍")).await, "error"), "");
    assert_eq!(
        text(&ack(&mut others, &reaction("h", "")).await, "error"),
        "479",
        "nothing, and not taken away"
    );
    let posts = scene.bob.newsletter_posts(&id).unwrap();
    assert_eq!((posts.len(), posts[0].reactions.values().next().map(String::as_str)), (1, Some("👍")));
}

#[tokio::test(start_paused = true)]
async fn figures_are_told_to_who_watches() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let newsletter = scene.bob.create_newsletter("Tea");
    let (_, server_id) = scene.bob.post_in_newsletter(&newsletter, "tea").unwrap();
    let jid: Jid = newsletter.parse().unwrap();
    let watch =
        Node::new("iq").attr("id", "w").attr("xmlns", "newsletter").attr("type", "set").attr("to", &jid);
    let answer = line.ask_iq(&watch.child(Node::new("live_updates"))).await;
    assert_eq!(text(answer.get_child("live_updates").unwrap(), "duration"), "300");
    scene.bob.react_in_newsletter(&newsletter, server_id, "👍").unwrap();
    let told = line.next_where(|node| text(node, "type") == "newsletter").await;
    let messages = told.get_child("live_updates").and_then(|live| live.get_child("messages")).unwrap();
    assert_eq!(text(messages.get_child("message").unwrap(), "server_id"), "1");
    line.send(&ack_of(&told)).await;
    let view = Node::new("receipt").attr("id", "v").attr("to", &jid).attr("type", "view");
    let item = Node::new("item").attr("server_id", server_id);
    line.send(&view.child(Node::new("list").child(item))).await;
    let told = line.next_where(|node| text(node, "type") == "newsletter").await;
    assert!(told.to_string().contains(r#"<views_count count="1"/>"#), "{told}");
    let messages = Node::new("messages").attr("type", "jid").attr("jid", &jid).attr("count", 9_u32);
    let page = line.ask("get", "newsletter", messages).await;
    let post = page.get_child("messages").and_then(|page| page.get_child("message")).unwrap();
    assert!(post.get_child("plaintext").is_some() && post.get_child("reactions").is_some());
}
