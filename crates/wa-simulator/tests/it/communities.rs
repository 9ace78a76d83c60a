//! Communities (PROTOCOL.md 23).

use wa_binary::{Jid, Node, Server};
use wa_simulator::Addressing;

use crate::{client::*, scene::*};

async fn ask(line: &mut NoiseConnection, kind: &str, to: &Jid, child: Node<'static>) -> Node<'static> {
    let iq = Node::new("iq").attr("id", "q").attr("xmlns", "w:g2").attr("type", kind.to_owned());
    line.ask_iq(&iq.attr("to", to).child(child)).await
}

fn parent(mode: &'static str) -> Node<'static> {
    Node::new("parent").attr("default_membership_approval_mode", mode)
}

fn create(child: Node<'static>) -> Node<'static> {
    Node::new("create").attr("subject", "Club").child(child)
}

fn links(group: &Jid) -> Node<'static> {
    let link = Node::new("link").attr("link_type", "sub_group");
    Node::new("links").child(link.child(Node::new("group").attr("jid", group)))
}

/// The code of an IQ's error.
fn code(answer: &Node<'_>) -> String {
    answer.get_child("error").map(|error| text(error, "code")).unwrap_or_default()
}

/// The code that the linked group has.
fn group_code(answer: &Node<'_>) -> Option<String> {
    let group = answer.get_child("links")?.get_child("link")?.get_child("group")?;
    group.attrs.text("error").map(|code| code.into_owned())
}

#[tokio::test(start_paused = true)]
async fn communities_have_groups_which_are_linked_by_administrators_of_both() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let server = Jid::of_server(Server::Group);
    let made = ask(&mut line, "set", &server, create(parent("request_required"))).await;
    let made = made.get_child("group").expect("a community");
    assert!(made.get_child("parent").is_some());
    let club = Jid::group(text(made, "id"));
    let listed = ask(&mut line, "get", &club, Node::new("sub_groups")).await;
    let listed = listed.get_child("sub_groups").expect("a list");
    let [all] = listed.children() else { panic!("{listed}") };
    assert!(all.get_child("default_sub_group").is_some());
    let tea: Jid = scene.alice.create_group("Tea", &[BOB], Addressing::Lid).unwrap().parse().unwrap();
    let linked = ask(&mut line, "set", &club, links(&tea)).await;
    assert_eq!((code(&linked), group_code(&linked)), (String::new(), None));
    let again = ask(&mut line, "set", &club, links(&tea)).await;
    assert_eq!(group_code(&again).as_deref(), Some("409"));
    let nothing = ask(&mut line, "set", &club, links(&Jid::group("1"))).await;
    assert_eq!(group_code(&nothing).as_deref(), Some("404"));
    let itself = ask(&mut line, "set", &club, links(&club)).await;
    assert_eq!(group_code(&itself).as_deref(), Some("400"));
    let bobs: Jid = scene.bob.create_group("Bobs", &[ALICE], Addressing::Lid).unwrap().parse().unwrap();
    let others = ask(&mut line, "set", &club, links(&bobs)).await;
    assert_eq!(group_code(&others).as_deref(), Some("403"));
    let shown = ask(&mut line, "get", &tea, Node::new("query").attr("request", "interactive")).await;
    let shown = shown.get_child("group").expect("a group");
    assert_eq!(shown.get_child("linked_parent").map(|it| text(it, "jid")), Some(club.to_string()));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_community_is_refused() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let server = Jid::of_server(Server::Group);
    let odd = ask(&mut line, "set", &server, create(parent("everybody"))).await;
    assert_eq!(code(&odd), "400");
    let tea: Jid = scene.alice.create_group("Tea", &[BOB], Addressing::Lid).unwrap().parse().unwrap();
    for child in [links(&tea), Node::new("links")] {
        let answer = ask(&mut line, "set", &tea, child).await;
        assert!(code(&answer) == "400" || group_code(&answer).as_deref() == Some("404"), "{answer}");
    }
    assert_eq!(code(&ask(&mut line, "get", &tea, Node::new("sub_groups")).await), "404");
    let bobs: Jid = scene.bob.create_community("Bobs").unwrap().parse().unwrap();
    let within = create(Node::new("linked_parent").attr("jid", &bobs));
    assert_eq!(code(&ask(&mut line, "set", &server, within).await), "403");
    assert_eq!(code(&ask(&mut line, "get", &bobs, Node::new("sub_groups")).await), "403");
}
