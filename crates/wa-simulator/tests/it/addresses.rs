//! Who is found under which number, and in which name space messages are taken.

use std::time::Duration;

use wa_binary::{Jid, Node};
use wa_simulator::{Bans, Behaviour, ControlError, Fault, FaultKind, Options};

use crate::{client::*, scene::*};

async fn ask_users(
    line: &mut NoiseConnection,
    query: Vec<Node<'static>>,
    user: Node<'static>,
) -> Node<'static> {
    let usync = Node::new("usync")
        .attr("sid", "s1")
        .attr("mode", "query")
        .attr("context", "interactive")
        .child(Node::new("query").with_children(query))
        .child(Node::new("list").child(user));
    let answer = line.ask("get", "usync", usync).await;
    answer.require_child("usync").unwrap().require_child("list").unwrap().children()[0].clone()
}

async fn contact(line: &mut NoiseConnection, number: &str) -> Node<'static> {
    let query = vec![Node::new("contact").attr("addressing_mode", "lid"), Node::new("lid")];
    let contact = Node::new("contact").with_bytes(format!("+{number}").into_bytes());
    ask_users(line, query, Node::new("user").child(contact)).await
}

async fn devices(line: &mut NoiseConnection, jid: Jid) -> Node<'static> {
    let query = vec![Node::new("devices").attr("version", "2"), Node::new("lid")];
    ask_users(line, query, Node::new("user").attr("jid", jid)).await
}

fn listed(user: &Node<'_>) -> usize {
    user.require_child("devices").unwrap().require_child("device-list").unwrap().children().len()
}

/// What the `<ack>` for a message says about the LID that it went to.
async fn staleness(line: &mut NoiseConnection, message: &Node<'_>) -> String {
    line.send(message).await;
    let ack = line.next_where(|node| node.is("ack") && text(node, "class") == "message").await;
    text(&ack, "refresh_lid")
}

async fn refusal(line: &mut NoiseConnection, message: &Node<'_>) -> String {
    line.send(message).await;
    let ack = line.next_where(|node| node.is("ack") && text(node, "class") == "message").await;
    text(&ack, "error")
}

#[tokio::test(start_paused = true)]
async fn an_account_answers_to_its_aliases_with_its_own_number() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    scene.bob.add_aliases(&["+15550000092"]).unwrap();
    assert_eq!(scene.bob.aliases(), ["15550000092"]);
    let user = contact(&mut line, "15550000092").await;
    assert_eq!(text(user.require_child("contact").unwrap(), "type"), "in");
    assert_eq!(user.attrs.jid("jid"), Some(&scene.bob.lid()));
    assert_eq!(user.attrs.jid("pn_jid"), Some(&scene.bob.jid()));
    assert_eq!(user.require_child("contact").unwrap().content_text(), Some("+15550000092"));

    let stranger = contact(&mut line, "15550000093").await;
    assert_eq!(text(stranger.require_child("contact").unwrap(), "type"), "out");
    assert!(devices(&mut line, Jid::pn("15550000092")).await.get_child("devices").is_none());
    let taken = scene.alice.add_aliases(&["15550000092"]);
    assert_eq!(taken, Err(ControlError::NumberTaken("15550000092".into())));
}

#[tokio::test(start_paused = true)]
async fn lists_may_be_kept_by_lid_and_lids_kept_back_from_contact_queries() {
    let behaviour =
        Behaviour { devices_by_lid_only: true, contacts_without_lid: true, ..Behaviour::default() };
    let scene = Scene::with(Options { behaviour, bootstrap: Vec::new(), ..options() }).await;
    let (_client, mut line) = scene.companion(1).await;
    assert_eq!(listed(&devices(&mut line, scene.bob.jid()).await), 0);
    assert_eq!(listed(&devices(&mut line, scene.bob.lid()).await), 1);
    assert_eq!(listed(&devices(&mut line, scene.alice.jid()).await), 2, "the own account");
    let user = contact(&mut line, BOB).await;
    assert_eq!(user.attrs.jid("jid"), Some(&scene.bob.jid()));
    assert!(user.get_child("lid").is_none() && !user.attrs.contains("pn_jid"));
    let told = devices(&mut line, scene.bob.jid()).await;
    assert_eq!(told.require_child("lid").unwrap().attrs.jid("val"), Some(&scene.bob.lid()));
    scene.bob.hide_lid(true);
    let hidden = devices(&mut line, scene.bob.jid()).await;
    assert!(hidden.get_child("lid").is_none());
    assert_eq!(listed(&hidden), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_keeps_to_one_name_space_that_the_account_may_use() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let (bob, alice) = (&scene.bob, &scene.alice);
    for device in [bob.lid(), alice.lid(), bob.jid(), alice.jid()] {
        client.open_session(&mut line, &device).await;
    }
    let mixed = client.message("1", &bob.lid(), &[bob.lid(), alice.jid()], "x");
    assert_eq!(refusal(&mut line, &mixed).await, "400");
    alice.unmigrate();
    let by_lid = client.message("2", &bob.lid(), &[bob.lid(), alice.lid()], "x");
    assert_eq!(refusal(&mut line, &by_lid).await, "400");
    let by_number = client.message("3", &bob.jid(), &[bob.jid(), alice.jid()], "x");
    assert_eq!(refusal(&mut line, &by_number).await, "");
    assert!(!alice.is_lid_migrated());

    alice.migrate();
    line.next_where(|node| text(node, "category") == "peer").await;
    let by_lid = client.message("4", &bob.lid(), &[bob.lid(), alice.lid()], "x");
    assert_eq!(refusal(&mut line, &by_lid).await, "");
}

#[tokio::test(start_paused = true)]
async fn an_ack_calls_a_lid_stale_until_it_is_asked_for() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    scene.simulator.add_fault(Fault::new(FaultKind::RefreshLid)).unwrap();
    let message = client.message("1", &scene.bob.lid(), &devices, "x");
    for _ in 0..2 {
        assert_eq!(staleness(&mut line, &message).await, "true");
    }
    ask_users(&mut line, vec![Node::new("lid")], Node::new("user").attr("jid", scene.bob.jid())).await;
    assert_eq!(staleness(&mut line, &message).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_lid_that_was_left_leads_to_its_account_and_is_called_stale_until_the_new_one_is_asked_for() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let left = scene.bob.lid();
    let devices = [left.clone(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    scene.bob.move_lid();
    assert_ne!(scene.bob.lid(), left);
    let message = client.message("1", &left, &devices, "x");
    assert_eq!(staleness(&mut line, &message).await, "true");
    scene.bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    // Named as it was written to.
    line.next_where(|node| node.is("receipt") && node.attrs.jid("from") == Some(&left)).await;
    assert_eq!(staleness(&mut line, &message).await, "true");
    let query = vec![Node::new("lid")];
    let told = ask_users(&mut line, query, Node::new("user").attr("jid", scene.bob.jid())).await;
    let told = told.require_child("lid").unwrap().attrs.jid("val").cloned();
    assert_eq!(told, Some(scene.bob.lid()));
    let devices = [scene.bob.lid(), scene.alice.lid()];
    client.open_session(&mut line, &devices[0]).await;
    let message = client.message("2", &scene.bob.lid(), &devices, "x");
    assert_eq!(staleness(&mut line, &message).await, "");
}

#[tokio::test(start_paused = true)]
async fn who_writes_on_to_a_stale_lid_is_banned() {
    let bans = Bans { refusals: 2, lasts: Duration::from_secs(600), grows: Duration::ZERO };
    let behaviour = Behaviour { stale_lids: Some(2), bans: Some(bans), ..Behaviour::default() };
    let scene =
        Scene::with(Options { behaviour, bootstrap: Vec::new(), edge_routing: false, ..options() }).await;
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let message = client.message("1", &scene.bob.lid(), &devices, "x");
    for expected in ["", "true", "true", "true"] {
        assert_eq!(staleness(&mut line, &message).await, expected, "those were on their way");
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(staleness(&mut line, &message).await, "true");
    line.send(&message).await;
    while line.try_next().await.is_some() {}
    let login = client.login();
    let failure = client.open(&scene.simulator, &login).await.next_named("failure").await;
    assert_eq!(text(&failure, "reason"), "402");
}

#[tokio::test(start_paused = true)]
async fn who_was_not_told_that_a_lid_is_stale_is_not_banned() {
    let bans = Bans { refusals: 2, lasts: Duration::from_secs(600), grows: Duration::ZERO };
    let behaviour = Behaviour { stale_lids: Some(1), bans: Some(bans), ..Behaviour::default() };
    let scene =
        Scene::with(Options { behaviour, bootstrap: Vec::new(), edge_routing: false, ..options() }).await;
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let message = client.message("1", &scene.bob.lid(), &devices, "x");
    let later = || tokio::time::sleep(Duration::from_secs(11));
    let unacknowledged = 4;
    scene.simulator.add_fault(Fault::new(FaultKind::NoAck).times(unacknowledged)).unwrap();
    for _ in 0..unacknowledged {
        line.send(&message).await;
        later().await;
    }
    // What waited leaves all at once, before the first word about it is heard.
    for _ in 0..3 {
        assert_eq!(staleness(&mut line, &message).await, "true");
    }
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    later().await;
    for _ in 0..3 {
        assert_eq!(staleness(&mut line, &message).await, "true", "a new connection may not have heard it");
    }
    later().await;
    assert_eq!(staleness(&mut line, &message).await, "true");
    line.send(&message).await;
    while line.try_next().await.is_some() {}
    let login = client.login();
    let failure = client.open(&scene.simulator, &login).await.next_named("failure").await;
    assert_eq!(text(&failure, "reason"), "402");
}

#[tokio::test(start_paused = true)]
async fn a_ban_lasts_as_long_wherever_the_clock_is_set() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    scene.alice.ban(Duration::from_secs(600), Duration::ZERO);
    let day = 24 * 60 * 60 * 1_000;
    for offset in [9 * day, -9 * day] {
        scene.simulator.set_clock_offset(offset);
        let login = client.login();
        let failure = client.open(&scene.simulator, &login).await.next_named("failure").await;
        assert_eq!((text(&failure, "reason"), text(&failure, "expire")), ("402".into(), "600".into()));
    }
    tokio::time::sleep(Duration::from_secs(601)).await;
    client.come_online(&scene.simulator).await;
}

#[tokio::test(start_paused = true)]
async fn the_server_has_a_clock_of_its_own() {
    let scene = Scene::quiet().await;
    scene.simulator.set_clock_offset(-90_000);
    let (mut client, mut line) = scene.companion(1).await;
    client.open_session(&mut line, &scene.bob.lid()).await;
    let message = client.message("1", &scene.bob.lid(), &[scene.bob.lid()], "x");
    line.send(&message).await;
    let ack = line.next_where(|node| node.is("ack") && text(node, "class") == "message").await;
    let t: u64 = text(&ack, "t").parse().unwrap();
    assert!((NOW - 90..NOW - 85).contains(&t), "{t}");
}
