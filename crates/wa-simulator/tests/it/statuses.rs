//! Posts to the status (PROTOCOL.md 25).

use prost::Message as _;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_binary::{Jid, Node, phash};
use wa_protobuf::e2e::{Message, SenderKeyDistributionMessage};
use wa_signal::sender_key::SenderKeyRecord;
use wa_simulator::{Say, StatusPrivacy};

use crate::{client::*, scene::*};

/// What an account posts with.
struct Pen {
    key: SenderKeyRecord,
    rng: ChaCha20Rng,
}

impl Pen {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        Self { key: SenderKeyRecord::create(&mut rng), rng }
    }

    /// `<to jid><enc/></to>` with the key, for a device that has a session.
    fn key_for(&self, client: &mut Client, device: &Jid) -> Node<'static> {
        let key = SenderKeyDistributionMessage {
            group_id: Some(Jid::status().to_string()),
            axolotl_sender_key_distribution_message: Some(self.key.distribute().unwrap().into()),
        };
        let key = Message { sender_key_distribution_message: Some(Box::new(key)), ..Message::default() };
        Node::new("to").attr("jid", device).child(client.encrypt(device, &key))
    }

    /// A post with these participants.
    fn post(&mut self, client: &Client, id: &str, participants: Vec<Node<'static>>) -> Node<'static> {
        let mut plain = plain_text(&format!("text {id}")).encode_to_vec();
        wa_signal::pad(&mut plain, 7);
        let sealed = self.key.encrypt(&plain, &mut self.rng).unwrap();
        let opens = participants.iter().any(|to| to.to_string().contains("pkmsg"));
        Node::new("message")
            .attr("id", id.to_owned())
            .attr("to", Jid::status())
            .attr("type", "text")
            .attr("addressing_mode", "lid")
            .child(Node::new("meta").attr("status_setting", "contacts"))
            .child(Node::new("participants").with_children(participants))
            .with_children(opens.then(|| client.device_identity()))
            .child(Node::new("enc").attr("v", "2").attr("type", "skmsg").with_bytes(sealed))
    }
}

fn named(jid: &Jid) -> Node<'static> {
    Node::new("to").attr("jid", jid)
}

async fn ack(line: &mut NoiseConnection, message: &Node<'_>) -> Node<'static> {
    line.send(message).await;
    let id = text(message, "id");
    line.next_where(|node| node.is("ack") && text(node, "id") == id).await
}

#[tokio::test(start_paused = true)]
async fn a_post_goes_to_whom_it_names_and_the_hash_is_told_where_it_is_another() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.alice.lid(), scene.bob.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let mut pen = Pen::new();
    let keys = devices.iter().map(|device| pen.key_for(&mut client, device)).collect();
    let all = [devices.to_vec(), vec![scene.alice.lid().with_device(1)]].concat();
    let post = pen.post(&client, "1", keys);
    let answer = ack(&mut line, &post.clone().attr("phash", "2:AAAAAAAA")).await;
    assert_eq!((text(&answer, "error"), text(&answer, "phash")), (String::new(), phash(&all)), "{answer}");
    // Those who have the key are only named.
    let again = pen.post(&client, "2", devices.iter().map(named).collect());
    let answer = ack(&mut line, &again.attr("phash", phash(&all))).await;
    assert_eq!((text(&answer, "error"), text(&answer, "phash")), (String::new(), String::new()), "{answer}");
    for phone in [&scene.alice, &scene.bob] {
        let inbox = phone.wait_for_inbox(|entries| entries.len() == 2).await;
        assert!(inbox.iter().all(|entry| entry.chat == "status@broadcast" && entry.device == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_phones_post_it_is_refused() {
    let scene = Scene::quiet().await;
    let (client, mut line) = scene.companion(1).await;
    let mut pen = Pen::new();
    let (alice, bob) = (scene.alice.lid(), scene.bob.lid());
    let both = || vec![named(&alice), named(&bob)];
    let without = |mut post: Node<'static>, name: &str| {
        post.attrs.remove(name);
        post
    };
    let by_number = vec![named(&alice), named(&scene.bob.jid())];
    let stranger = vec![named(&alice), named(&Jid::lid("100000000000000"))];
    let of_device = vec![named(&alice), named(&bob.clone().with_device(1))];
    let wrong = [
        ("by number", pen.post(&client, "a", by_number)),
        ("without the own account", pen.post(&client, "b", vec![named(&bob)])),
        ("for nobody", pen.post(&client, "c", stranger)),
        ("for a device that gets no key", pen.post(&client, "d", of_device)),
        ("not by LID", without(pen.post(&client, "e", both()), "addressing_mode")),
        ("an edit", pen.post(&client, "f", both()).attr("edit", "1")),
        ("taken back, and for contacts", pen.post(&client, "g", both()).attr("edit", "7")),
    ];
    for (what, post) in wrong {
        assert_eq!(text(&ack(&mut line, &post).await, "error"), "479", "{what}");
    }
    let mut bare = pen.post(&client, "h", both());
    let children: Vec<_> = bare.children().iter().filter(|child| !child.is("meta")).cloned().collect();
    bare = without(bare, "nothing");
    let mut silent = Node::new("message").with_children(children);
    silent.attrs = bare.attrs.clone();
    assert_eq!(text(&ack(&mut line, &silent).await, "error"), "479", "it doesn't say who sees it");
    assert_eq!(text(&ack(&mut line, &silent.attr("edit", "7")).await, "error"), "");
}

#[tokio::test(start_paused = true)]
async fn phones_post_and_the_settings_are_told() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let id = scene.bob.post(&[ALICE], Say::Text("tea".into())).await.unwrap();
    let message = line.next_named("message").await;
    assert_eq!(message.attrs.jid("from"), Some(&Jid::status()));
    assert_eq!(message.attrs.jid("participant"), Some(&scene.bob.lid()));
    assert_eq!((text(&message, "id"), text(&message, "addressing_mode")), (id, "lid".to_owned()));
    let kinds: Vec<_> = message.children_named("enc").map(|enc| text(enc, "type")).collect();
    assert_eq!(kinds, ["pkmsg", "skmsg"]);
    let ask = || {
        let iq = Node::new("iq").attr("id", "q").attr("xmlns", "status").attr("type", "get");
        iq.attr("to", Jid::server()).child(Node::new("privacy"))
    };
    assert_eq!(text(&line.ask_iq(&ask()).await, "type"), "error");
    scene.alice.show_status_to(StatusPrivacy::AllBut(vec![BOB.to_owned()]));
    let answer = line.ask_iq(&ask()).await;
    let list = answer.get_child("privacy").and_then(|privacy| privacy.get_child("list")).unwrap();
    let users: Vec<_> =
        list.children_named("user").filter_map(|user| user.attrs.jid("jid").cloned()).collect();
    assert_eq!((text(list, "type"), users), ("blacklist".to_owned(), vec![scene.bob.lid()]));
}
