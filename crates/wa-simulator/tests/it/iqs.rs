use prost::Message as _;
use wa_binary::{Jid, Node, Server, phash};
use wa_crypto::{PublicKey, Signature};
use wa_protobuf::adv::{AdvKeyIndexList, AdvSignedKeyIndexList};

use crate::{client::*, scene::*};

fn usync(query: Vec<Node<'static>>, users: Vec<Node<'static>>) -> Node<'static> {
    Node::new("usync")
        .attr("sid", "s1")
        .attr("mode", "query")
        .attr("context", "message")
        .attr("index", "0")
        .attr("last", "true")
        .child(Node::new("query").with_children(query))
        .child(Node::new("list").with_children(users))
}

async fn ask_users(
    line: &mut NoiseConnection,
    query: Vec<Node<'static>>,
    users: Vec<Node<'static>>,
) -> Vec<Node<'static>> {
    let answer = line.ask("get", "usync", usync(query, users)).await;
    assert_eq!(text(&answer, "type"), "result", "{answer}");
    let usync = answer.require_child("usync").unwrap();
    assert_eq!(text(usync, "sid"), "s1");
    usync.require_child("list").unwrap().children().to_vec()
}

fn user(jid: Jid) -> Node<'static> {
    Node::new("user").attr("jid", jid)
}

#[tokio::test(start_paused = true)]
async fn a_link_to_a_call_is_made_for_who_asks() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let wanted = Node::new("link_create").attr("media", "video");
    line.send(&Node::new("call").attr("id", "c1").attr("to", "@call").child(wanted)).await;
    let answer = line.next_where(|node| text(node, "id") == "c1").await;
    assert_eq!((answer.tag(), text(&answer, "class").as_str()), ("ack", "call"));
    assert_eq!(text(answer.require_child("link_create").unwrap(), "token").len(), 22);
}

#[tokio::test(start_paused = true)]
async fn usync_tells_devices_with_a_list_that_the_phone_signed() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    Client::new(2).pair(&scene.simulator, &scene.bob).await;
    Client::new(3).pair(&scene.simulator, &scene.bob).await;
    scene.bob.unlink(1).unwrap();
    let query = vec![Node::new("devices").attr("version", "2"), Node::new("lid")];
    for jid in [scene.bob.jid(), scene.bob.lid()] {
        let users = ask_users(&mut line, query.clone(), vec![user(jid.clone())]).await;
        let [user] = users.as_slice() else { panic!("{users:?}") };
        assert_eq!(user.attrs.jid("jid"), Some(&jid));
        assert_eq!(user.require_child("lid").unwrap().attrs.jid("val"), Some(&scene.bob.lid()));
        let devices = user.require_child("devices").unwrap();
        let list = devices.require_child("device-list").unwrap();
        let found: Vec<_> =
            list.children().iter().map(|device| (text(device, "id"), text(device, "key-index"))).collect();
        assert_eq!(found, [("0".into(), String::new()), ("2".into(), "2".into())]);
        assert_eq!(text(list, "hash"), phash(&[jid.clone(), jid.with_device(2)]));

        let signed = devices.require_child("key-index-list").unwrap();
        let signed = AdvSignedKeyIndexList::decode(&*signed.require_bytes().unwrap()).unwrap();
        let account = PublicKey::from_slice(&signed.account_signature_key.unwrap()).unwrap();
        let signature = Signature::from_slice(&signed.account_signature.unwrap()).unwrap();
        account.verify(&[&[6, 2], signed.details.as_ref().unwrap()], &signature).unwrap();
        let indexes = AdvKeyIndexList::decode(signed.details.unwrap()).unwrap();
        assert_eq!((indexes.current_index, indexes.valid_indexes), (Some(2), vec![0, 2]));
    }
}

#[tokio::test(start_paused = true)]
async fn usync_finds_contacts_in_every_spelling() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let contact = |number: &'static str| Node::new("user").child(Node::new("contact").text(number));
    let spellings = ["+15550000002", "15550000002", "+15550000002@c.us", "15550000002@s.whatsapp.net"];
    for spelling in spellings {
        let users = ask_users(&mut line, vec![Node::new("contact")], vec![contact(spelling)]).await;
        assert_eq!(users[0].attrs.jid("jid"), Some(&scene.bob.jid()), "{spelling}");
        let found = users[0].require_child("contact").unwrap();
        assert_eq!((text(found, "type"), found.content_text()), ("in".into(), Some(spelling)));
    }
    let by_lid = vec![Node::new("contact").attr("addressing_mode", "lid")];
    let users = ask_users(&mut line, by_lid, vec![contact("+15550000002")]).await;
    assert_eq!(users[0].attrs.jid("jid"), Some(&scene.bob.lid()));
    assert_eq!(users[0].attrs.jid("pn_jid"), Some(&scene.bob.jid()));
    let users = ask_users(&mut line, vec![Node::new("contact")], vec![contact("+15559999999")]).await;
    assert_eq!(text(users[0].require_child("contact").unwrap(), "type"), "out");
}

#[tokio::test(start_paused = true)]
async fn usync_says_nothing_of_the_devices_of_strangers() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let stranger = user(Jid::pn("15559999999"));
    let users = ask_users(&mut line, vec![Node::new("devices")], vec![stranger]).await;
    assert!(users[0].children().is_empty());
}

#[tokio::test(start_paused = true)]
async fn usync_answers_the_full_query_of_whatsmeow() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let query = vec![
        Node::new("business").child(Node::new("verified_name")),
        Node::new("status"),
        Node::new("picture"),
        Node::new("devices").attr("version", "2"),
        Node::new("lid"),
    ];
    let users = ask_users(&mut line, query, vec![user(scene.bob.jid())]).await;
    let tags: Vec<_> = users[0].children().iter().map(Node::tag).collect();
    assert_eq!(tags, ["status", "devices", "lid"]);
}

#[tokio::test(start_paused = true)]
async fn malformed_questions_are_bad_requests() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let without_sid = Node::new("usync").child(Node::new("query")).child(Node::new("list"));
    for (kind, xmlns, child) in [
        ("get", "usync", Node::new("usync").attr("sid", "1")),
        ("get", "usync", without_sid),
        ("get", "usync", usync(vec![], vec![])),
        ("get", "usync", usync(vec![Node::new("lid")], vec![Node::new("user")])),
        ("get", "encrypt", Node::new("key")),
        (
            "get",
            "encrypt",
            Node::new("key").child(Node::new("user").attr("jid", "15550000002@s.whatsapp.net")),
        ),
        ("get", "encrypt", Node::new("nonsense")),
        ("set", "passive", Node::new("lively")),
        ("get", "passive", Node::new("active")),
        (
            "set",
            "privacy",
            Node::new("privacy").child(Node::new("category").attr("name", "last").attr("value", "x")),
        ),
        (
            "set",
            "privacy",
            Node::new("privacy").child(Node::new("category").attr("name", "x").attr("value", "all")),
        ),
        ("set", "privacy", Node::new("tokens").child(Node::new("token").attr("t", "1"))),
        ("set", "blocklist", Node::new("item").attr("jid", scene.bob.lid()).attr("action", "hug")),
        ("set", "w:sync:app:state", Node::new("sync").child(Node::new("collection").attr("name", "x"))),
        ("set", "md", Node::new("remove-companion-device").attr("reason", "x")),
        ("ask", "usync", usync(vec![Node::new("lid")], vec![])),
    ] {
        let answer = line.ask(kind, xmlns, child.clone()).await;
        assert_eq!(error_code(&answer), "400", "{child}: {answer}");
        assert_eq!(text(&answer, "type"), "error");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_served_says_so() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    for (kind, xmlns, child, code) in [
        ("get", "w:mex", Node::new("query"), "501"),
        ("get", "newsletter", Node::new("messages"), "400"),
        ("get", "w:nothing", Node::new("x"), "501"),
        ("set", "w:nothing", Node::new("x"), "501"),
        ("set", "disappearing_mode", Node::new("x"), "400"),
        ("set", "w:g2", Node::new("create"), "400"),
        ("get", "w:profile:picture", Node::new("picture"), "404"),
        ("get", "status", Node::new("privacy"), "404"),
    ] {
        assert_eq!(error_code(&line.ask(kind, xmlns, child).await), code, "{xmlns}");
    }
    let group = Node::new("iq").attr("id", "g").attr("type", "get").attr("xmlns", "w:g2");
    let group = group
        .attr("to", Jid::group("120363000000000000"))
        .child(Node::new("query").attr("request", "interactive"));
    let answer = line.ask_iq(&group).await;
    assert_eq!(error_code(&answer), "404");
    assert_eq!(answer.attrs.jid("from"), Some(&Jid::group("120363000000000000")));
    let mode = Node::new("disappearing_mode").attr("duration", 86_400_u32);
    let clean = Node::new("clean").attr("type", "account_sync").attr("timestamp", NOW);
    let sets = [("urn:xmpp:whatsapp:dirty", clean), ("disappearing_mode", mode), ("tos", Node::new("x"))];
    for (xmlns, child) in sets {
        let answer = line.ask("set", xmlns, child).await;
        assert_eq!((text(&answer, "type").as_str(), answer.children().len()), ("result", 0));
    }
}

#[tokio::test(start_paused = true)]
async fn background_questions_of_a_login_are_answered() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let props = line.ask("get", "abt", Node::new("props").attr("protocol", "1")).await;
    let props = props.require_child("props").unwrap();
    assert!(!text(props, "hash").is_empty() && props.children_named("prop").count() > 0);
    let privacy = line.ask("get", "privacy", Node::new("privacy")).await;
    assert!(privacy.require_child("privacy").unwrap().children_named("category").count() >= 8);
    let media = line.ask("set", "w:m", Node::new("media_conn")).await;
    let media = media.require_child("media_conn").unwrap();
    for name in ["auth", "ttl", "auth_ttl", "max_buckets"] {
        assert!(media.attrs.contains(name), "{name}");
    }
    assert!(media.require_child("host").unwrap().attrs.contains("hostname"));
    let groups = Node::new("iq").attr("id", "g").attr("type", "get").attr("xmlns", "w:g2");
    let groups = groups.attr("to", Jid::of_server(Server::Group)).child(Node::new("participating"));
    let groups = line.ask_iq(&groups).await;
    assert!(groups.require_child("groups").unwrap().children().is_empty());
    let names = ["critical_block", "critical_unblock_low", "regular_high", "regular_low", "regular"];
    let wanted = names.map(|name| Node::new("collection").attr("name", name).attr("return_snapshot", "true"));
    let synced = line.ask("set", "w:sync:app:state", Node::new("sync").with_children(wanted)).await;
    let found = synced
        .require_child("sync")
        .unwrap()
        .children()
        .iter()
        .map(|node| (text(node, "name"), text(node, "version")));
    // The account's name and its salt are there from the start.
    let versions = ["1", "0", "1", "0", "0"];
    let expected: Vec<_> = names.into_iter().zip(versions).collect();
    let found: Vec<_> = found.collect();
    assert!(found.iter().map(|(name, version)| (name.as_str(), version.as_str())).eq(expected));
}

#[tokio::test(start_paused = true)]
async fn privacy_settings_and_the_about_text_are_kept() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let category = Node::new("category").attr("name", "last").attr("value", "contacts");
    line.ask("set", "privacy", Node::new("privacy").child(category)).await;
    let settings = line.ask("get", "privacy", Node::new("privacy")).await;
    let settings = settings.require_child("privacy").unwrap();
    let last = settings.children().iter().find(|category| text(category, "name") == "last").unwrap();
    assert_eq!(text(last, "value"), "contacts");
    line.ask("set", "status", Node::new("status").with_bytes(b"busy".to_vec())).await;
    let users = ask_users(&mut line, vec![Node::new("status")], vec![user(scene.alice.jid())]).await;
    assert_eq!(users[0].children()[0].content_text(), Some("busy"));
}

#[tokio::test(start_paused = true)]
async fn a_blocked_sender_reaches_nobody() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (_second, mut other) = scene.companion(2).await;
    let block = Node::new("item").attr("jid", scene.bob.lid()).attr("action", "block");
    let answer = line.ask("set", "blocklist", block).await;
    assert_eq!(answer.require_child("list").unwrap().children()[0].attrs.jid("jid"), Some(&scene.bob.lid()));
    let notice = other.next_where(|node| node.get_child("blocklist").is_some()).await;
    assert_eq!(text(&notice, "type"), "account_sync");
    scene.bob.send(ALICE, "unseen").await.unwrap();
    let unblock = Node::new("item").attr("jid", scene.bob.lid()).attr("action", "unblock");
    let answer = line.ask("set", "blocklist", unblock).await;
    assert!(answer.require_child("list").unwrap().children().is_empty());
    let seen = scene.bob.send(ALICE, "seen").await.unwrap();
    assert_eq!(text(&line.next_named("message").await, "id"), seen);
    assert_eq!(scene.alice.wait_for_inbox(|entries| !entries.is_empty()).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn privacy_tokens_reach_the_companions_of_the_target() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (_bobs, mut bobs) = scene.companion_of(&scene.bob, 2).await;
    let token =
        Node::new("token").attr("jid", scene.bob.lid()).attr("t", NOW).attr("type", "trusted_contact");
    let answer = line.ask("set", "privacy", Node::new("tokens").child(token)).await;
    assert_eq!(text(&answer, "type"), "result");
    let notice = bobs.next_named("notification").await;
    assert_eq!(text(&notice, "type"), "privacy_token");
    assert_eq!(notice.attrs.jid("from"), Some(&scene.alice.jid()));
    assert_eq!(notice.attrs.jid("sender_lid"), Some(&scene.alice.lid()));
    assert!(!notice.children()[0].children()[0].bytes().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_picture_that_was_set_is_there() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (_bobs, mut bobs) = scene.companion_of(&scene.bob, 2).await;
    let of_alice = |line_kind: &'static str| {
        Node::new("iq")
            .attr("id", "pp")
            .attr("type", line_kind)
            .attr("xmlns", "w:profile:picture")
            .attr("to", Jid::server())
            .attr("target", scene.alice.lid())
    };
    let get = of_alice("get").child(Node::new("picture").attr("type", "image").attr("query", "url"));
    assert_eq!(error_code(&bobs.ask_iq(&get).await), "404");
    let jpeg = Node::new("picture").attr("type", "image").with_bytes(vec![0xff, 0xd8, 1, 2]);
    assert_eq!(error_code(&bobs.ask_iq(&of_alice("set").child(jpeg.clone())).await), "403");
    let set = line.ask_iq(&of_alice("set").child(jpeg)).await;
    let id = text(set.require_child("picture").unwrap(), "id");
    let notice = line.next_named("notification").await;
    assert_eq!((text(&notice, "type"), text(&notice.children()[0], "id")), ("picture".into(), id.clone()));
    let got = bobs.ask_iq(&get).await;
    let picture = got.require_child("picture").unwrap();
    assert_eq!((text(picture, "id"), text(picture, "type")), (id, "image".into()));
    assert!(text(picture, "url").contains("/v/t61."));
    line.ask_iq(&of_alice("set")).await;
    assert_eq!(line.next_named("notification").await.children()[0].tag(), "delete");
    assert_eq!(error_code(&bobs.ask_iq(&get).await), "404");
}

#[tokio::test(start_paused = true)]
async fn a_presence_subscription_is_of_one_connection_and_can_be_ended() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let (_second, mut second) = scene.companion(2).await;
    let (_bobs, mut bobs) = scene.companion_of(&scene.bob, 2).await;
    let mut is_available = false;
    let mut toggled = async || {
        is_available = !is_available;
        let kind = if is_available { "available" } else { "unavailable" };
        bobs.send(&Node::new("presence").attr("type", kind)).await;
        bobs.ask("get", "encrypt", Node::new("count")).await;
    };
    let want = |kind: &'static str| Node::new("presence").attr("type", kind).attr("to", scene.bob.lid());
    line.send(&want("subscribe")).await;
    line.next_named("presence").await;
    toggled().await;
    line.next_named("presence").await;
    line.send(&want("unsubscribe")).await;
    line.ask("get", "encrypt", Node::new("count")).await;
    toggled().await;
    line.send(&want("subscribe")).await;
    assert_eq!(text(&line.next_named("presence").await, "type"), "unavailable");
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    toggled().await;
    for line in [&mut line, &mut second] {
        let id = scene.bob.send(ALICE, "x").await.unwrap();
        let next = line.next_where(|node| node.is("presence") || text(node, "id") == id).await;
        assert!(next.is("message"), "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn presence_is_told_to_subscribers_and_chatstates_pass_through() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (bobs, mut bobs_line) = scene.companion_of(&scene.bob, 2).await;
    line.send(&Node::new("presence").attr("type", "subscribe").attr("to", scene.bob.jid())).await;
    let state = line.next_named("presence").await;
    assert_eq!(
        (text(&state, "type"), state.attrs.jid("from")),
        ("unavailable".into(), Some(&scene.bob.jid()))
    );
    bobs_line.send(&Node::new("presence").attr("type", "available").attr("name", "Bobby")).await;
    let state = line.next_named("presence").await;
    assert_eq!(text(&state, "type"), "available");
    let typing = Node::new("chatstate").attr("from", bobs.jid.unwrap()).attr("to", scene.alice.lid());
    bobs_line.send(&typing.child(Node::new("composing"))).await;
    let state = line.next_named("chatstate").await;
    assert_eq!(state.attrs.jid("from"), Some(&scene.bob.lid()));
    assert_eq!(state.children()[0].tag(), "composing");
    drop(bobs_line);
    let state = line.next_named("presence").await;
    assert_eq!((text(&state, "type"), text(&state, "last")), ("unavailable".into(), NOW.to_string()));
}
