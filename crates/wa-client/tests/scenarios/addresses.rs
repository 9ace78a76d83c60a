//! Who is where: numbers that are written differently, LIDs that are told late or are out of date, accounts that
//! don't write by LID yet.

use std::time::Duration;

use wa_client::{Event, Outgoing, Person, SendError, Store};
use wa_simulator::{Behaviour, FaultKind, Options, Phone};

use crate::stage::{Companion, Stage};

const ALICE: &str = "15550000001";

async fn cast_with(options: Options) -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::with(options).await;
    let (alice, bob) = (stage.phone(ALICE), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

async fn cast() -> (Stage, Phone, Phone, Companion) {
    cast_with(Options::default()).await
}

/// What alice's companion has asked about people so far.
fn questions(stage: &Stage) -> Vec<String> {
    let asked = stage.sim.trace(Some(ALICE)).into_iter().map(|entry| entry.xml);
    asked.filter(|xml| xml.contains("xmlns=\"usync\"") && xml.contains("type=\"get\"")).collect()
}

/// The stanzas of messages that alice's companion has sent.
fn sent(stage: &Stage) -> Vec<String> {
    let sent = stage.sim.trace(Some(ALICE)).into_iter().map(|entry| entry.xml);
    sent.filter(|xml| {
        xml.starts_with("<message") && xml.contains("<participants>") && !xml.contains("id=\"3A")
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn the_number_is_asked_for_first_and_devices_by_lid() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "one").await;
    let asked = questions(&stage);
    assert!(asked[0].contains("<contact") && !asked[0].contains("<devices"), "{asked:?}");
    let lists = asked.iter().filter(|xml| xml.contains("<devices") && xml.contains(&bob.lid().to_string()));
    assert_eq!(lists.count(), 1, "{asked:?}");
    companion.send(bob.jid(), "two").await;
    companion.send(bob.lid(), "three").await;
    assert_eq!(questions(&stage).len(), asked.len(), "a later message asks nothing");
    bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_calls_an_account_counts_and_not_what_was_typed() {
    for (own, typed) in [
        ("551155550100", "5511955550100"),
        ("5511955550100", "551155550100"),
        ("525555550100", "5215555550100"),
        ("5491155550100", "541155550100"),
        ("15550000777", "15550000778"),
    ] {
        let stage = Stage::new().await;
        let alice = stage.phone(ALICE);
        let other = stage.phone(own);
        if own.starts_with('1') {
            // Not a form that anybody could guess.
            other.add_aliases(&[typed]).unwrap();
        }
        let companion = stage.companion(&alice).await;
        companion.send(wa_binary::Jid::pn(typed), "hello").await;
        other.wait_for_inbox(|inbox| inbox.len() == 1).await;
        let person = Person { pn: Some(other.jid()), lid: Some(other.lid()) };
        let asked = questions(&stage).len();
        assert_eq!(companion.client.who_is(&wa_binary::Jid::pn(typed)).await, Ok(person), "{typed}");
        companion.send(wa_binary::Jid::pn(typed), "again").await;
        companion.send(other.jid(), "and by its own number").await;
        assert_eq!(questions(&stage).len(), asked, "{typed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alias_outlives_a_restart_and_is_asked_again_after_days() {
    let (stage, _alice, bob, companion) = cast().await;
    bob.add_aliases(&["15550000092"]).unwrap();
    let typed = wa_binary::Jid::pn("15550000092");
    companion.send(typed.clone(), "hello").await;
    let store: Store = companion.stop().await;
    let companion = stage.start(store);
    companion.online().await;
    let contacts = || questions(&stage).iter().filter(|xml| xml.contains("<contact")).count();
    let asked = contacts();
    companion.send(typed.clone(), "again").await;
    assert_eq!(contacts(), asked);
    tokio::time::sleep(Duration::from_secs(8 * 24 * 3600)).await;
    companion.online().await;
    // The trace has forgotten what was asked before.
    let asked = contacts();
    companion.send(typed, "much later").await;
    assert_eq!(contacts(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_servers_word_is_final() {
    let (stage, _alice, bob, companion) = cast().await;
    let refused = companion.client.send(Outgoing::text(wa_binary::Jid::pn("15559999999"), "no")).await;
    assert_eq!(refused, Err(SendError::NotOnWhatsApp));
    stage.fault(FaultKind::IqError {
        xmlns: Some("usync".into()),
        child: None,
        code: 500,
        text: "later".into(),
    });
    let refused = companion.client.send(Outgoing::text(bob.jid(), "no")).await;
    assert!(matches!(refused, Err(SendError::LookUp(_))), "{refused:?}");
    companion.send(bob.jid(), "yes").await;
}

#[tokio::test(start_paused = true)]
async fn numbers_are_resolved_in_their_other_form_too() {
    let stage = Stage::new().await;
    let (alice, maria) = (stage.phone(ALICE), stage.phone("551155550100"));
    let companion = stage.companion(&alice).await;
    let numbers = ["+55 11 95555-0100".to_owned(), "5511955550199".to_owned()];
    let found = companion.client.resolve(&numbers).await.unwrap();
    assert!(found[0].registered && !found[1].registered);
    assert_eq!((&found[0].number, &found[0].pn), (&numbers[0], &Some(maria.jid())));
}

#[tokio::test(start_paused = true)]
async fn devices_are_found_where_lists_are_kept_by_lid_and_lids_told_late() {
    let behaviour =
        Behaviour { devices_by_lid_only: true, contacts_without_lid: true, ..Behaviour::default() };
    let stage = Stage::behaving(behaviour).await;
    let (alice, bob) = (stage.phone(ALICE), stage.phone("15550000002"));
    let (companion, other) = (stage.companion(&alice).await, stage.companion(&bob).await);
    companion.send(bob.jid(), "to all devices").await;
    assert_eq!(other.diary.texts(1).await, ["to all devices"]);
    assert!(sent(&stage)[0].contains(&format!("to=\"{}\"", bob.lid())));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_lid_is_written_to_by_number() {
    let (stage, _alice, bob, companion) = cast().await;
    bob.hide_lid(true);
    companion.send(bob.jid(), "by number").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    let asked = questions(&stage).len();
    companion.send(bob.jid(), "again").await;
    assert_eq!(questions(&stage).len(), asked);
    for stanza in sent(&stage) {
        assert!(!stanza.contains("@lid"), "{stanza}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_has_not_moved_writes_by_number_until_it_moves() {
    let (stage, alice, bob, companion) =
        cast_with(Options { lid_migrated: false, ..Options::default() }).await;
    companion.send(bob.jid(), "by number").await;
    companion.send(bob.lid(), "by number, too").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert!(sent(&stage).iter().all(|stanza| !stanza.contains("@lid")), "{:?}", sent(&stage));
    assert_eq!(stage.seen("error=\"400\""), 0);
    let inbox = alice.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert!(inbox.iter().all(|entry| entry.from_me && entry.chat == bob.jid().to_string()));

    alice.migrate();
    companion.diary.wait_for(|events| events.iter().any(|event| matches!(event, Event::Peer(_)))).await;
    let moved = || sent(&stage).last().is_some_and(|stanza| stanza.contains("@lid"));
    while !moved() {
        companion.send(bob.jid(), "by LID, once the phone has said so").await;
    }
    assert_eq!(stage.seen("error=\"400\""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_the_wrong_name_space_goes_out_in_the_other_once() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "by LID").await;
    alice.unmigrate();
    companion.send(bob.jid(), "refused and sent by number").await;
    assert_eq!(stage.seen("error=\"400\""), 1);
    companion.send(bob.jid(), "by number at once").await;
    assert_eq!(stage.seen("error=\"400\""), 1);
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
    assert!(inbox.iter().all(|entry| entry.repeats == 0));

    stage.sim.add_fault(wa_simulator::Fault::new(FaultKind::RefuseSend { error: 400 }).times(2)).unwrap();
    let refused = companion.client.send(Outgoing::text(bob.jid(), "never")).await;
    assert_eq!(refused, Err(SendError::Refused { code: 400 }));
}

#[tokio::test(start_paused = true)]
async fn a_stale_lid_is_asked_for_before_the_next_message() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "one").await;
    let asked = questions(&stage).len();
    stage.fault(FaultKind::RefreshLid);
    companion.send(bob.jid(), "two").await;
    assert_eq!(questions(&stage).len(), asked);
    companion.send(bob.lid(), "three").await;
    let questions = questions(&stage);
    assert!(
        questions[asked].contains(&format!("+{}", bob.number())) || questions[asked].contains("<contact")
    );
    companion.send(bob.jid(), "four").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 4).await;
}

#[tokio::test(start_paused = true)]
async fn many_who_want_to_know_the_same_are_one_question() {
    let (stage, _alice, bob, companion) = cast().await;
    let (jid, before) = (bob.jid(), questions(&stage).len());
    let curious = (0..20).map(|_| companion.client.who_is(&jid));
    let answers = futures_util::future::join_all(curious).await;
    let person = Person { pn: Some(bob.jid()), lid: Some(bob.lid()) };
    assert!(answers.into_iter().all(|answer| answer.as_ref() == Ok(&person)));
    let asked = questions(&stage).split_off(before);
    assert_eq!(asked.iter().filter(|xml| xml.contains("<contact")).count(), 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bot_is_nobody_to_write_to() {
    let (stage, _alice, _bob, companion) = cast().await;
    let asked = questions(&stage).len();
    for bot in ["13135550002@s.whatsapp.net", "13165550010@s.whatsapp.net", "867051314767696@bot"] {
        let bot: wa_binary::Jid = bot.parse().unwrap();
        let refused = companion.client.send(Outgoing::text(bot.clone(), "hello")).await;
        assert!(matches!(refused, Err(SendError::UnsupportedRecipient { .. })), "{bot}: {refused:?}");
        let unknown = companion.client.who_is(&bot).await;
        assert!(matches!(unknown, Err(SendError::UnsupportedRecipient { .. })), "{bot}: {unknown:?}");
    }
    assert_eq!(questions(&stage).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_lid_alone_leads_to_the_number() {
    let (stage, _alice, bob, companion) = cast().await;
    let person = Person { pn: Some(bob.jid()), lid: Some(bob.lid()) };
    assert_eq!(companion.client.who_is(&bob.lid()).await, Ok(person.clone()));
    let asked = questions(&stage).len();
    assert_eq!(companion.client.who_is(&bob.jid()).await, Ok(person));
    assert_eq!(questions(&stage).len(), asked);
}
