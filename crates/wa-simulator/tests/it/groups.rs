use prost::Message as _;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_binary::{Jid, Node, Server, phash};
use wa_protobuf::e2e::{Message, SenderKeyDistributionMessage};
use wa_signal::sender_key::SenderKeyRecord;
use wa_simulator::{Addressing, GroupChange, Phone, Rank, Simulator};

use crate::{client::*, scene::*};

const CAROL: &str = "15550000003";

/// Alice with a companion, Bob and Carol, who aren't in a group yet.
struct Party {
    scene: Scene,
    carol: Phone,
    client: Client,
    line: NoiseConnection,
}

impl Party {
    async fn new() -> Self {
        let scene = Scene::quiet().await;
        let carol = scene.simulator.create_phone(CAROL, Some("Carol")).unwrap();
        let (client, line) = scene.companion(1).await;
        Self { scene, carol, client, line }
    }

    fn group(&self, addressing: Addressing) -> Jid {
        let group = self.scene.alice.create_group("Tea", &[BOB, CAROL], addressing).unwrap();
        group.parse().unwrap()
    }

    async fn ask(&mut self, kind: &str, to: &Jid, child: Node<'static>) -> Node<'static> {
        self.line.ask_iq(&question(kind, to, child)).await
    }

    /// What the server says to a message of the companion.
    async fn ack(&mut self, message: &Node<'_>) -> Node<'static> {
        self.line.send(message).await;
        let id = text(message, "id");
        self.line.next_where(|node| node.is("ack") && text(node, "id") == id).await
    }

    /// Every device of the three but the companion, in this name space.
    fn others(&self, addressing: Addressing) -> Vec<Jid> {
        let phones = [&self.scene.alice, &self.scene.bob, &self.carol];
        phones
            .into_iter()
            .map(|phone| if addressing == Addressing::Lid { phone.lid() } else { phone.jid() })
            .collect()
    }
}

fn question(kind: &str, to: &Jid, child: Node<'static>) -> Node<'static> {
    let iq = Node::new("iq").attr("id", "q").attr("xmlns", "w:g2").attr("type", kind.to_owned());
    iq.attr("to", to).child(child)
}

fn groups() -> Jid {
    Jid::of_server(Server::Group)
}

fn participant(jid: &Jid) -> Node<'static> {
    Node::new("participant").attr("jid", jid)
}

/// What a member writes with.
struct Pen {
    key: SenderKeyRecord,
    rng: ChaCha20Rng,
}

impl Pen {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        Self { key: SenderKeyRecord::create(&mut rng), rng }
    }

    /// The message that hands the key out.
    fn handed_out(&self, group: &Jid) -> Message {
        let key = SenderKeyDistributionMessage {
            group_id: Some(group.to_string()),
            axolotl_sender_key_distribution_message: Some(self.key.distribute().unwrap().into()),
        };
        Message { sender_key_distribution_message: Some(Box::new(key)), ..Message::default() }
    }

    /// `<enc type="skmsg">`.
    fn sealed(&mut self, content: &str) -> Node<'static> {
        let mut plain = plain_text(content).encode_to_vec();
        wa_signal::pad(&mut plain, 7);
        let sealed = self.key.encrypt(&plain, &mut self.rng).unwrap();
        Node::new("enc").attr("v", "2").attr("type", "skmsg").with_bytes(sealed)
    }
}

/// A message with the key for these devices, which need sessions.
fn message(client: &mut Client, pen: &mut Pen, id: &str, group: &Jid, devices: &[Jid]) -> Node<'static> {
    let key = pen.handed_out(group);
    let copies = devices.iter().map(|device| {
        let enc = client.encrypt(device, &key);
        Node::new("to").attr("jid", device).child(enc)
    });
    let copies: Vec<_> = copies.collect();
    let keys = (!copies.is_empty()).then(|| Node::new("participants").with_children(copies));
    let identity = keys.is_some().then(|| client.device_identity());
    Node::new("message")
        .attr("id", id.to_owned())
        .attr("to", group)
        .attr("type", "text")
        .attr("addressing_mode", "lid")
        .with_children(keys)
        .with_children(identity)
        .child(pen.sealed(&format!("text {id}")))
}

/// The stanzas of messages that phones sent to groups.
fn sent_to_groups(simulator: &Simulator) -> Vec<String> {
    let entries = simulator.trace(None);
    let lines = entries.iter().map(ToString::to_string);
    lines.filter(|line| line.contains("<message") && line.contains(r#"to="120363"#)).collect()
}

#[tokio::test(start_paused = true)]
async fn phones_write_to_a_group_and_hand_out_their_keys_once() {
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let party = Party::new().await;
        let group = party.group(addressing).to_string();
        let (alice, bob) = (&party.scene.alice, &party.scene.bob);
        for (number, text) in ["one", "two"].into_iter().enumerate() {
            let id = alice.send(&group, text).await.unwrap();
            for phone in [bob, &party.carol] {
                let inbox = phone.wait_for_inbox(|entries| entries.len() == number + 1).await;
                let entry = &inbox[number];
                assert_eq!((entry.id.as_str(), entry.text.as_deref()), (id.as_str(), Some(text)));
                assert_eq!((entry.chat.as_str(), entry.from.as_str()), (&*group, &*alice.jid().to_string()));
            }
        }
        bob.send(&group, "three").await.unwrap();
        let inbox = alice.wait_for_inbox(|entries| entries.len() == 1).await;
        assert_eq!(inbox[0].text.as_deref(), Some("three"));
        let sent = sent_to_groups(&party.scene.simulator);
        let hands_out: Vec<_> = sent.iter().map(|line| line.contains("<participants>")).collect();
        assert_eq!(hands_out, [true, false, true], "{sent:#?}");
        assert_eq!(bob.undecryptable() + party.carol.undecryptable() + alice.undecryptable(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_left_reads_nothing_more_and_the_key_is_another() {
    let party = Party::new().await;
    let group = party.group(Addressing::Lid).to_string();
    let (alice, bob) = (&party.scene.alice, &party.scene.bob);
    alice.send(&group, "all").await.unwrap();
    party.carol.wait_for_inbox(|entries| entries.len() == 1).await;
    party.carol.change_group(&group, GroupChange::Leave).unwrap();
    assert!(party.carol.send(&group, "from outside").await.is_err());
    alice.send(&group, "the rest").await.unwrap();
    bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(party.carol.inbox().len(), 1);
    let sent = sent_to_groups(&party.scene.simulator);
    assert!(sent.last().unwrap().contains("<participants>"), "{sent:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_companion_makes_a_group_that_its_members_are_told_of() {
    let mut party = Party::new().await;
    let (_bobs, mut bobs_line) = party.scene.companion_of(&party.scene.bob, 2).await;
    let create = Node::new("create")
        .attr("subject", "Tea")
        .child(participant(&party.scene.bob.lid()))
        .child(participant(&Jid::lid("999")))
        .child(Node::new("ephemeral").attr("expiration", 86_400_u32));
    let answer = party.ask("set", &groups(), create).await;
    let group = answer.require_child("group").unwrap();
    let jid = Jid::group(text(group, "id"));
    assert_eq!((text(group, "subject"), text(group, "addressing_mode")), ("Tea".into(), "lid".into()));
    assert_eq!(group.attrs.jid("creator"), Some(&party.scene.alice.lid()));
    assert_eq!(text(group.require_child("ephemeral").unwrap(), "expiration"), "86400");
    let members: Vec<_> = group.children_named("participant").collect();
    let named = |node: &Node<'_>| (node.attrs.jid("jid").cloned(), text(node, "type"), text(node, "error"));
    assert_eq!(
        members.iter().map(|node| named(node)).collect::<Vec<_>>(),
        [
            (Some(party.scene.alice.lid()), "superadmin".into(), String::new()),
            (Some(party.scene.bob.lid()), String::new(), String::new()),
            (Some(Jid::lid("999")), String::new(), "404".into()),
        ]
    );
    assert_eq!(members[1].attrs.jid("phone_number"), Some(&party.scene.bob.jid()));

    let notice = bobs_line.next_named("notification").await;
    assert_eq!((text(&notice, "type"), notice.attrs.jid("from")), ("w:gp2".into(), Some(&jid)));
    assert_eq!(notice.attrs.jid("participant"), Some(&party.scene.alice.lid()));
    assert_eq!(notice.attrs.jid("participant_pn"), Some(&party.scene.alice.jid()));
    let create = notice.require_child("create").unwrap();
    assert_eq!((text(create, "type"), create.children()[0].tag()), ("new".into(), "group"));

    let query = || Node::new("query").attr("request", "interactive");
    let shown = party.ask("get", &jid, query()).await;
    assert_eq!(text(shown.require_child("group").unwrap(), "size"), "2");
    let listed =
        party.ask("get", &groups(), Node::new("participating").child(Node::new("participants"))).await;
    assert_eq!(listed.children()[0].children().len(), 1);
    let stranger = party.ask("get", &Jid::group("120363999999999999"), query()).await;
    assert_eq!(error_code(&stranger), "404");
}

#[tokio::test(start_paused = true)]
async fn every_device_has_the_key_before_the_one_ciphertext() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let (mut bobs, mut bobs_line) = party.scene.companion_of(&party.scene.bob, 2).await;
    let companion = bobs.lid.clone().unwrap();
    let mut devices = party.others(Addressing::Lid);
    devices.push(companion.clone());
    for device in &devices {
        party.client.open_session(&mut party.line, device).await;
    }
    let mut pen = Pen::new();
    let own = party.client.lid.clone().unwrap();
    let all: Vec<Jid> = devices.iter().cloned().chain([own.clone()]).collect();
    let first = message(&mut party.client, &mut pen, "1", &group, &devices).attr("phash", phash(&all));
    let acked = party.ack(&first).await;
    assert!(!acked.attrs.contains("error") && !acked.attrs.contains("phash"), "{acked}");
    for phone in [&party.scene.alice, &party.scene.bob, &party.carol] {
        let inbox = phone.wait_for_inbox(|entries| !entries.is_empty()).await;
        assert_eq!((inbox[0].text.as_deref(), inbox[0].chat.as_str()), (Some("text 1"), &*group.to_string()));
        assert_eq!(inbox[0].from_me, phone.number() == ALICE);
    }

    let delivered = bobs_line.next_named("message").await;
    assert_eq!(delivered.attrs.jid("from"), Some(&group));
    assert_eq!(delivered.attrs.jid("participant"), Some(&own));
    assert_eq!(delivered.attrs.jid("participant_pn"), Some(&party.scene.alice.jid()));
    assert_eq!(text(&delivered, "addressing_mode"), "lid");
    let kinds: Vec<_> = delivered.children_named("enc").map(|enc| text(enc, "type")).collect();
    assert_eq!(kinds, ["pkmsg", "skmsg"]);
    assert!(delivered.get_child("device-identity").is_some());
    let key = bobs.decrypt(&delivered).sender_key_distribution_message.unwrap();
    let mut record = SenderKeyRecord::empty();
    record.process(&key.axolotl_sender_key_distribution_message.unwrap()).unwrap();
    let sealed = delivered.children_named("enc").nth(1).unwrap().require_bytes().unwrap().into_owned();
    let plain = record.decrypt(&sealed).unwrap();
    let plain = Message::decode(wa_signal::unpad(&plain).unwrap()).unwrap();
    assert_eq!(plain.conversation.as_deref(), Some("text 1"));

    // Its receipt comes back to whoever wrote, with the reader as participant.
    let receipt = Node::new("receipt").attr("id", "1").attr("to", &group).attr("participant", &own);
    bobs_line.send(&receipt).await;
    let told = party
        .line
        .next_where(|node| node.is("receipt") && node.attrs.jid("participant") == Some(&companion))
        .await;
    assert_eq!((told.attrs.jid("from"), text(&told, "id")), (Some(&group), "1".into()));

    let second = message(&mut party.client, &mut pen, "2", &group, &[]).attr("phash", "2:AAAAAAAA");
    assert_eq!(text(&party.ack(&second).await, "phash"), phash(&all));
    party.carol.wait_for_inbox(|entries| entries.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_to_groups_reach_nobody() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let by_number = party.group(Addressing::Pn);
    let stranger = party.scene.simulator.create_phone("15550000009", None).unwrap();
    let strangers = stranger.create_group("Others", &[BOB], Addressing::Lid).unwrap().parse().unwrap();
    let bob = party.scene.bob.lid();
    for device in [&bob, &stranger.lid(), &party.scene.bob.jid()] {
        party.client.open_session(&mut party.line, device).await;
    }
    let mut pen = Pen::new();
    let mut written = |client: &mut Client, to: &Jid, devices: &[Jid]| {
        let id = format!("bad {to} {devices:?}");
        message(client, &mut pen, &id, to, devices)
    };
    let client = &mut party.client;
    let mut cases = vec![
        ("403", written(client, &strangers, &[])),
        ("404", written(client, &Jid::group("120363000000000000"), &[])),
        ("400", written(client, &by_number, &[])),
        ("479", written(client, &group, &[stranger.lid()])),
        ("400", written(client, &group, &[party.scene.bob.jid()])),
    ];
    let mut twice = written(client, &group, &[]).child(Pen::new().sealed("again"));
    twice.attrs.insert("id", "twice");
    cases.push(("479", twice));
    let bare = Node::new("enc").attr("v", "2").attr("type", "skmsg").with_bytes(vec![0x33; 30]);
    let bare = Node::new("message").attr("id", "bare").attr("to", &group).attr("type", "text").child(bare);
    cases.push(("479", bare.attr("addressing_mode", "lid")));
    for (code, message) in cases {
        let ack = party.ack(&message).await;
        assert_eq!(text(&ack, "error"), code, "{message}");
    }
    assert!(party.scene.bob.inbox().is_empty() && stranger.inbox().is_empty());

    let announcement = GroupChange::Announcement(true);
    party.scene.alice.change_group(&group.to_string(), announcement).unwrap();
    let refused = party.scene.bob.send(&group.to_string(), "may I?").await;
    assert_eq!(refused.unwrap_err().to_string(), "the server refused the message with error 403");
    party.scene.alice.send(&group.to_string(), "I may").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_member_can_not_read_is_sent_again_with_the_key() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let id = party.scene.bob.send(&group.to_string(), "again").await.unwrap();
    let first = party.line.next_named("message").await;
    let bob = party.scene.bob.lid();
    assert_eq!(first.attrs.jid("participant"), Some(&bob));
    let retry = Node::new("retry").attr("count", 1_u32).attr("id", id.clone()).attr("t", "1").attr("v", "1");
    let receipt = Node::new("receipt")
        .attr("id", id.clone())
        .attr("to", &group)
        .attr("participant", &bob)
        .attr("type", "retry")
        .child(retry)
        .child(Node::new("registration").with_bytes(vec![0, 0, 0, 1]));
    party.line.send(&receipt).await;
    let again = party.line.next_named("message").await;
    assert_eq!((text(&again, "id"), again.attrs.jid("from")), (id, Some(&group)));
    let kinds: Vec<_> = again.children_named("enc").map(|enc| text(enc, "type")).collect();
    assert_eq!(kinds, ["pkmsg"]);
    let mut addressed = again.clone();
    addressed.attrs.remove("from");
    let content = party.client.decrypt(&addressed.attr("from", &bob));
    assert_eq!(content.conversation.as_deref(), Some("again"));
    assert!(content.sender_key_distribution_message.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_can_not_read_asks_the_companion_again() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let bob = party.scene.bob.lid();
    party.client.open_session(&mut party.line, &bob).await;
    let mut pen = Pen::new();
    let unreadable = message(&mut party.client, &mut pen, "1", &group, &[]);
    assert!(!party.ack(&unreadable).await.attrs.contains("error"));
    let asked = party
        .line
        .next_where(|node| text(node, "type") == "retry" && node.attrs.jid("participant") == Some(&bob))
        .await;
    assert_eq!(asked.attrs.jid("from"), Some(&group));
    let content = Message { conversation: Some("text 1".into()), ..pen.handed_out(&group) };
    let enc = party.client.encrypt(&bob, &content);
    let again = Node::new("message")
        .attr("id", "1")
        .attr("to", &group)
        .attr("participant", &bob)
        .attr("type", "text")
        .attr("addressing_mode", "lid")
        .child(party.client.device_identity())
        .child(enc);
    assert!(!party.ack(&again).await.attrs.contains("error"));
    let inbox = party.scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox[0].text.as_deref(), Some("text 1"));
    let next = message(&mut party.client, &mut pen, "2", &group, &[]);
    party.ack(&next).await;
    party.scene.bob.wait_for_inbox(|entries| entries.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn members_are_told_what_changes_and_only_administrators_change_it() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let name = group.to_string();
    let (_bobs, mut bobs_line) = party.scene.companion_of(&party.scene.bob, 2).await;
    let bob = party.scene.bob.lid();
    let cases: Vec<(&str, Node<'static>)> = vec![
        ("subject", Node::new("subject").with_bytes(b"Coffee".to_vec())),
        ("locked", Node::new("locked")),
        ("announcement", Node::new("announcement")),
        ("not_announcement", Node::new("not_announcement")),
        ("ephemeral", Node::new("ephemeral").attr("expiration", 604_800_u32)),
        ("promote", Node::new("promote").child(participant(&bob))),
        ("demote", Node::new("demote").child(participant(&bob))),
        (
            "description",
            Node::new("description")
                .attr("id", "D1")
                .child(Node::new("body").with_bytes(b"About coffee".to_vec())),
        ),
        ("remove", Node::new("remove").child(participant(&party.carol.lid()))),
    ];
    for (told, change) in cases {
        let answer = party.ask("set", &group, change).await;
        assert_eq!(error_code(&answer), "", "{told}");
        let notice = bobs_line.next_named("notification").await;
        assert_eq!(notice.children()[0].tag(), told);
    }
    let info = party.scene.simulator.group(&name).unwrap();
    assert_eq!((info.subject.as_str(), info.description.as_deref()), ("Coffee", Some("About coffee")));
    assert!(info.locked && !info.announcement && info.expiration == 604_800);
    let ranks: Vec<_> = info.members.iter().map(|member| member.rank).collect();
    assert_eq!(ranks, [Rank::Superadmin, Rank::Member]);

    // Bob is no administrator, and the group is locked.
    for (code, change) in [
        ("403", Node::new("subject").with_bytes(b"Tea".to_vec())),
        ("403", Node::new("remove").child(participant(&party.scene.alice.lid()))),
        ("401", Node::new("invite")),
    ] {
        let answer = bobs_line.ask_iq(&question("set", &group, change)).await;
        assert_eq!(error_code(&answer), code);
    }
    // Who isn't in it any more learns nothing.
    let (_carols, mut carols_line) = party.scene.companion_of(&party.carol, 3).await;
    let query = Node::new("query").attr("request", "interactive");
    assert_eq!(error_code(&carols_line.ask_iq(&question("get", &group, query)).await), "403");
    // What can't be.
    for (code, change) in [
        ("406", Node::new("subject").with_bytes("x".repeat(101).into_bytes())),
        ("400", Node::new("ephemeral").attr("expiration", 7_u32)),
        ("409", Node::new("description").attr("id", "D2").attr("delete", "true")),
        ("501", Node::new("anything")),
    ] {
        assert_eq!(error_code(&party.ask("set", &group, change).await), code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_link_lets_in_until_it_is_revoked_or_asks_administrators() {
    let mut party = Party::new().await;
    let group = party.group(Addressing::Lid);
    let name = group.to_string();
    let dave = party.scene.simulator.create_phone("15550000004", Some("Dave")).unwrap();
    let (_daves, mut daves_line) = party.scene.companion_of(&dave, 4).await;
    let answer = party.ask("get", &group, Node::new("invite")).await;
    let code = text(answer.require_child("invite").unwrap(), "code");
    let invite = |code: &str| Node::new("invite").attr("code", code.to_owned());
    let looked = daves_line.ask_iq(&question("get", &groups(), invite(&code))).await;
    let shown = looked.require_child("group").unwrap();
    assert_eq!((text(shown, "subject"), shown.children_named("participant").count()), ("Tea".into(), 0));

    party
        .ask(
            "set",
            &group,
            Node::new("membership_approval_mode").child(Node::new("group_join").attr("state", "on")),
        )
        .await;
    let asked = daves_line.ask_iq(&question("set", &groups(), invite(&code))).await;
    assert!(asked.get_child("membership_approval_request").is_some(), "{asked}");
    let requests = party.ask("get", &group, Node::new("membership_approval_requests")).await;
    let request = &requests.children()[0].children()[0];
    assert_eq!(request.attrs.jid("jid"), Some(&dave.lid()));
    let approve = Node::new("approve").child(participant(&dave.lid()));
    let answer = party.ask("set", &group, Node::new("membership_requests_action").child(approve)).await;
    assert_eq!(error_code(&answer), "");
    let notice = daves_line.next_named("notification").await;
    assert_eq!(notice.children()[0].tag(), "create");
    assert_eq!(party.scene.simulator.group(&name).unwrap().members.len(), 4);

    let answer = party.ask("set", &group, Node::new("invite")).await;
    assert_ne!(text(answer.require_child("invite").unwrap(), "code"), code);
    let revoked = daves_line.ask_iq(&question("set", &groups(), invite(&code))).await;
    assert_eq!(error_code(&revoked), "410");
    let nonsense = daves_line.ask_iq(&question("get", &groups(), invite("nonsense"))).await;
    assert_eq!(error_code(&nonsense), "406");
}
