//! Groups: what is written in them is read, with the keys that their members hand out.

use wa_client::{
    Event, GroupChange, Jid, Joined, NotReached, Outgoing, Rank, RequestError, SendError, UndecryptableReason,
};
use wa_simulator::{Addressing, Fault, FaultKind, GroupChange as PhoneChanges, Phone};

use crate::stage::{Companion, Stage, nothing_waits, texts_of};

/// Alice with a companion, Bob and Carol, and a group of the three.
struct Party {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    carol: Phone,
    companion: Companion,
    group: String,
}

impl Party {
    async fn new(addressing: Addressing) -> Self {
        Self::on(Stage::new().await, addressing).await
    }

    async fn on(stage: Stage, addressing: Addressing) -> Self {
        let [alice, bob, carol] =
            ["15550000001", "15550000002", "15550000003"].map(|number| stage.phone(number));
        let companion = stage.companion(&alice).await;
        let group = alice.create_group("Tea", &[bob.number(), carol.number()], addressing).unwrap();
        Self { stage, alice, bob, carol, companion, group }
    }
}

#[tokio::test(start_paused = true)]
async fn what_members_write_is_read_with_who_wrote_it() {
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let party = Party::new(addressing).await;
        party.bob.send(&party.group, "one").await.unwrap();
        party.carol.send(&party.group, "two").await.unwrap();
        party.alice.send(&party.group, "three").await.unwrap();
        party.bob.send(&party.group, "four").await.unwrap();
        let mut messages = party.companion.diary.messages(4).await;
        messages.sort_by_key(|message| message.info.timestamp);
        let mut texts = texts_of(&messages);
        texts.sort_unstable();
        assert_eq!(texts, ["four", "one", "three", "two"]);
        for message in &messages {
            assert_eq!(message.info.chat.to_string(), party.group);
            let writer = match message.text() {
                Some("two") => &party.carol,
                Some("three") => &party.alice,
                _ => &party.bob,
            };
            assert_eq!(message.info.sender_pn, Some(writer.jid()));
            assert_eq!(message.info.sender_lid, Some(writer.lid()));
            assert_eq!(message.info.from_me, message.text() == Some("three"));
        }
        nothing_waits(&party.alice).await;
        let told = |kind: &str| kind == "delivered" || kind == "inactive";
        let is_back = |entry: &wa_simulator::OutboxEntry| {
            entry.receipts.iter().any(|receipt| receipt.device == 1 && told(&receipt.kind))
        };
        party.bob.wait_for_outbox(|entries| entries.iter().all(is_back)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_comes_again_with_its_key() {
    let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
    party.stage.fault_for(&party.alice, FaultKind::Undecryptable);
    // Both ciphertexts are damaged, that with the key and that with the text.
    party.bob.send(&party.group, "one").await.unwrap();
    let messages = party.companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["one"]);
    assert_eq!(messages[0].info.chat.to_string(), party.group);
    let raw = messages[0].content.message();
    assert!(raw.sender_key_distribution_message.is_none(), "the key is nobody else's business");
    party.bob.send(&party.group, "two").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await[1], "two");
    // Statuses come whenever they like.
    let is_unread = |event: &Event| matches!(event, Event::Undecryptable(it) if it.reason != UndecryptableReason::Broadcast);
    assert_eq!(party.companion.diary.events().iter().filter(|event| is_unread(event)).count(), 1);
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_the_process_and_a_batch_that_was_refused() {
    let party = Party::on(Stage::undisturbed().await, Addressing::Lid).await;
    party.bob.send(&party.group, "one").await.unwrap();
    assert_eq!(party.companion.diary.texts(1).await, ["one"]);
    party.companion.diary.refuse_messages(1);
    party.bob.send(&party.group, "two").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await, ["one", "two"]);
    assert_eq!(party.companion.diary.refused(), 1);
    let companion = party.stage.start(party.companion.crash().await);
    companion.online().await;
    party.bob.send(&party.group, "three").await.unwrap();
    let texts = companion.diary.texts(1).await;
    assert_eq!(texts.last().map(String::as_str), Some("three"));
    assert!(!companion.diary.events().iter().any(|event| matches!(event, Event::Undecryptable(_))));
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_anew_is_read_too() {
    let party = Party::new(Addressing::Lid).await;
    party.bob.send(&party.group, "with Carol").await.unwrap();
    party.companion.diary.messages(1).await;
    party.carol.change_group(&party.group, PhoneChanges::Leave).unwrap();
    party.bob.send(&party.group, "without her").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await[1], "without her");
    assert_eq!(party.carol.inbox().len(), 1);
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_marked_as_read_by_its_writer() {
    let party = Party::new(Addressing::Lid).await;
    party.bob.send(&party.group, "read me").await.unwrap();
    let messages = party.companion.diary.messages(1).await;
    party.companion.client.mark_read(&messages[0]).await.unwrap();
    let is_read = |entry: &wa_simulator::OutboxEntry| entry.receipts.iter().any(|it| it.kind == "read");
    let outbox = party.bob.wait_for_outbox(|entries| entries.iter().any(is_read)).await;
    let read = outbox[0].receipts.iter().find(|receipt| receipt.kind == "read").unwrap();
    assert_eq!((read.from.as_str(), read.device), ("15550000001@s.whatsapp.net", 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_a_group_reaches_every_device_of_its_members() {
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let party = Party::new(addressing).await;
        let second = party.stage.companion(&party.bob).await;
        let group: Jid = party.group.parse().unwrap();
        for text in ["one", "two"] {
            party.companion.send(group.clone(), text).await;
        }
        for phone in [&party.alice, &party.bob, &party.carol] {
            let inbox = phone.wait_for_inbox(|entries| entries.len() == 2).await;
            let texts: Vec<_> = inbox.iter().map(|entry| entry.text.as_deref().unwrap()).collect();
            assert_eq!(texts, ["one", "two"]);
            assert!(inbox.iter().all(|entry| entry.chat == party.group && entry.device == 1));
            assert_eq!(phone.undecryptable(), 0);
        }
        assert_eq!(second.diary.texts(2).await, ["one", "two"]);
        // The members were asked for once, and the key was handed out once.
        assert_eq!(party.stage.seen("<query request=\"interactive\"/>"), 1);
        assert_eq!(written(&party, "<participants>"), 1);
        assert_eq!(written(&party, "type=\"skmsg\""), 2);
    }
}

/// How many messages to the group say this.
fn written(party: &Party, what: &str) -> usize {
    let to = format!("to=\"{}\"", party.group);
    let is_written = |xml: &str| xml.starts_with("<message ") && xml.contains(&to) && xml.contains(what);
    party.stage.sim.trace(None).iter().filter(|entry| is_written(&entry.xml)).count()
}

#[tokio::test(start_paused = true)]
async fn the_key_is_taken_anew_once_somebody_has_left() {
    let party = Party::new(Addressing::Lid).await;
    let group: Jid = party.group.parse().unwrap();
    party.companion.send(group.clone(), "all of you").await;
    party.carol.wait_for_inbox(|entries| entries.len() == 1).await;
    party.carol.change_group(&party.group, PhoneChanges::Leave).unwrap();
    let is_told = |event: &Event| matches!(event, Event::Group(_));
    party.companion.diary.wait_for(|events| events.iter().filter(|event| is_told(event)).count() > 1).await;
    party.companion.send(group, "the two of us").await;
    party.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(party.carol.inbox().len(), 1);
    assert_eq!(written(&party, "<participants>"), 2);
    assert_eq!(party.bob.undecryptable() + party.alice.undecryptable(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_member_that_lost_its_keys_gets_the_message_and_the_key_again() {
    let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
    let group: Jid = party.group.parse().unwrap();
    party.companion.send(group.clone(), "one").await;
    party.bob.wait_for_inbox(|entries| entries.len() == 1).await;
    let damaged = Fault::new(FaultKind::Undecryptable).number(party.bob.number());
    party.stage.sim.add_fault(Fault { device: Some(0), ..damaged }).unwrap();
    party.companion.send(group.clone(), "two").await;
    let inbox = party.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(inbox[1].text.as_deref(), Some("two"));
    assert_eq!(party.bob.undecryptable(), 1);
    party.companion.send(group, "three").await;
    party.bob.wait_for_inbox(|entries| entries.len() == 3).await;
    party.carol.wait_for_inbox(|entries| entries.len() == 3).await;
    assert_eq!(written(&party, "participant=\""), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_not_handed_out_twice_over_a_restart() {
    let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
    let group: Jid = party.group.parse().unwrap();
    party.companion.send(group.clone(), "one").await;
    let companion = party.stage.start(party.companion.stop().await);
    companion.online().await;
    companion.send(group.clone(), "two").await;
    party.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    let trace = party.stage.sim.trace(None);
    let hands_out = |xml: &str| xml.contains("skmsg") && xml.contains("<participants>");
    assert_eq!(trace.iter().filter(|entry| hands_out(&entry.xml)).count(), 1);
    let companion = party.stage.start(companion.crash().await);
    companion.online().await;
    companion.send(group, "three").await;
    let inbox = party.bob.wait_for_inbox(|entries| entries.len() == 3).await;
    assert_eq!(inbox[2].text.as_deref(), Some("three"));
    assert_eq!(party.bob.undecryptable(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_encrypted_for_a_group_that_would_not_take_it() {
    let party = Party::new(Addressing::Lid).await;
    let group: Jid = party.group.parse().unwrap();
    let others = party.bob.create_group("Others", &[party.carol.number()], Addressing::Lid).unwrap();
    let send = |to: Jid| party.companion.client.send(Outgoing::text(to, "may I?"));
    assert_eq!(send(others.parse().unwrap()).await, Err(SendError::NotInGroup));
    assert_eq!(send(Jid::group("120363000000000000")).await, Err(SendError::NotInGroup));
    party.alice.change_group(&party.group, PhoneChanges::Promote(vec![party.bob.number().into()])).unwrap();
    party.alice.change_group(&party.group, PhoneChanges::Announcement(true)).unwrap();
    // Alice made the group: she may.
    send(group.clone()).await.unwrap();
    let seconds = party.stage.companion(&party.carol).await;
    let refused = seconds.client.send(Outgoing::text(group, "may I?")).await;
    assert_eq!(refused, Err(SendError::NotAdmin));
    assert_eq!(party.bob.wait_for_inbox(|entries| !entries.is_empty()).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_made_changed_and_left() {
    let party = Party::new(Addressing::Lid).await;
    let client = &party.companion.client;
    let (bob, carol) = (party.bob.lid(), party.carol.jid());
    let made = client.create_group("Coffee", &[bob.clone(), Jid::pn("15559999999")]).await.unwrap();
    assert_eq!((made.subject.as_str(), made.members.len()), ("Coffee", 2));
    assert_eq!(made.rank(&party.alice.jid()), Some(Rank::Superadmin));
    party.companion.send(made.jid.clone(), "the first").await;
    party
        .bob
        .wait_for_inbox(|entries| entries.iter().any(|it| it.text.as_deref() == Some("the first")))
        .await;

    let nobody = Jid::pn("15559999999");
    let refused = client.change_group(&made.jid, GroupChange::Add(vec![carol.clone(), nobody.clone()])).await;
    assert_eq!(refused, Ok(vec![NotReached { user: nobody, code: 404 }]));
    party.companion.send(made.jid.clone(), "the second").await;
    party
        .carol
        .wait_for_inbox(|entries| entries.iter().any(|it| it.text.as_deref() == Some("the second")))
        .await;
    for change in [
        GroupChange::Subject("Tea".into()),
        GroupChange::Description(Some("About tea".into())),
        GroupChange::Description(Some("About green tea".into())),
        GroupChange::Locked(true),
        GroupChange::AllAdd(true),
        GroupChange::Approval(true),
        GroupChange::Expiration(86_400),
        GroupChange::Promote(vec![bob.clone()]),
        GroupChange::Remove(vec![carol.clone()]),
    ] {
        assert_eq!(client.change_group(&made.jid, change).await, Ok(Vec::new()));
    }
    let shown = client.group(&made.jid).await.unwrap();
    assert_eq!(shown.subject, "Tea");
    assert_eq!(shown.description.as_ref().map(|it| it.text.as_str()), Some("About green tea"));
    assert!(shown.is_locked && shown.all_add && shown.needs_approval && !shown.is_announcement);
    assert_eq!((shown.expiration, shown.rank(&bob), shown.rank(&carol)), (86_400, Some(Rank::Admin), None));
    assert_eq!(client.groups().await.unwrap().len(), 2);
    let timer = client.change_group(&made.jid, GroupChange::Expiration(7)).await;
    assert!(matches!(timer, Err(RequestError::Refused { code: 400, .. })));
    assert_eq!(client.change_group(&made.jid, GroupChange::Leave).await, Ok(Vec::new()));
    let gone = client.send(Outgoing::text(made.jid.clone(), "am I in?")).await;
    assert_eq!(gone, Err(SendError::NotInGroup));
    assert!(matches!(client.create_group(" ", &[]).await, Err(RequestError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn a_link_leads_into_a_group_or_to_its_administrators() {
    let party = Party::new(Addressing::Lid).await;
    let client = &party.companion.client;
    let group: Jid = party.group.parse().unwrap();
    let dave = party.stage.phone("15550000004");
    let daves = party.stage.companion(&dave).await;
    let code = client.group_invite(&group, false).await.unwrap();
    let seen = daves.client.invited_group(&code).await.unwrap();
    assert_eq!((&seen.jid, seen.members.len()), (&group, 0));
    client.change_group(&group, GroupChange::Approval(true)).await.unwrap();
    assert_eq!(daves.client.join_group(&code).await, Ok(Joined::Asked(group.clone())));
    client.change_group(&group, GroupChange::Approve(vec![dave.lid()])).await.unwrap();
    daves.send(group.clone(), "here I am").await;
    party.bob.wait_for_inbox(|entries| entries.len() == 1).await;
    let refused = daves.client.group_invite(&group, true).await;
    assert!(matches!(refused, Err(RequestError::Refused { code: 401, .. })));
    assert_ne!(client.group_invite(&group, true).await.unwrap(), code);
    let revoked = daves.client.join_group(&code).await;
    assert!(matches!(revoked, Err(RequestError::Refused { code: 410, .. })));
}

#[tokio::test(start_paused = true)]
async fn who_has_set_up_whatsapp_anew_is_handed_the_key_again() {
    for quiet in [false, true] {
        let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
        let group: Jid = party.group.parse().unwrap();
        party.companion.send(group.clone(), "one").await;
        party.bob.wait_for_inbox(|entries| entries.len() == 1).await;
        party.bob.reinstall(!quiet);
        if quiet {
            // Nobody has said so: it shows when he writes.
            party.bob.send(party.alice.number(), "it is me").await.unwrap();
        }
        let is_told = |event: &Event| matches!(event, Event::IdentityChanged { .. });
        party.companion.diary.wait_for(|events| events.iter().any(is_told)).await;
        let before = party.bob.inbox().len();
        party.companion.send(group, "two").await;
        let inbox = party.bob.wait_for_inbox(|entries| entries.len() > before).await;
        assert_eq!(inbox.last().unwrap().text.as_deref(), Some("two"));
        assert_eq!((party.bob.undecryptable(), written(&party, "participant=\"")), (0, 0));
        party.carol.wait_for_inbox(|entries| entries.len() == 2).await;
        // To him alone: the others have it.
        assert_eq!(party.carol.undecryptable(), 0);
        assert_eq!(written(&party, "<participants>"), 2);
    }
}

/// Something that is done to these people.
type Change = fn(Vec<Jid>) -> GroupChange;

#[tokio::test(start_paused = true)]
async fn members_are_found_by_what_people_write_for_their_numbers() {
    let stage = Stage::new().await;
    let companion = stage.companion(&stage.phone("15550000001")).await;
    let client = &companion.client;
    let nobody = Jid::pn("15559999999");
    for (own, typed) in [
        ("551155550100", "5511955550100"),
        ("5215555550100", "525555550100"),
        ("5491155550100", "541155550100"),
    ] {
        let member = stage.phone(own).jid();
        let asked = vec![Jid::pn(typed), nobody.clone(), member.clone()];
        let made = client.create_group("Tea", &asked).await.unwrap();
        assert_eq!((made.rank(&member), made.members.len()), (Some(Rank::Member), 2), "{typed}");
        let changes: [(Change, _); 3] = [
            (GroupChange::Promote, Some(Rank::Admin)),
            (GroupChange::Demote, Some(Rank::Member)),
            (GroupChange::Remove, None),
        ];
        for (change, rank) in changes {
            let not_reached = client.change_group(&made.jid, change(asked.clone())).await.unwrap();
            assert_eq!(not_reached, [NotReached { user: nobody.clone(), code: 404 }]);
            assert_eq!(client.group(&made.jid).await.unwrap().rank(&member), rank, "{typed}");
        }
    }
}
