//! How an account stands among others: the name it shows, tokens, limits.

use std::time::Duration;

use test_support::until;
use tokio::time::sleep;
use wa_client::{Event, Limit, LimitKind, Outgoing, SendError, State};
use wa_simulator::{ChatCap, Fault, FaultKind, KeySharing, Phone, RateLimit, Restriction, TimeLock};

use crate::stage::{NOW, Stage};

/// Phones give tokens, whatever the profile.
async fn cast() -> (Stage, Phone, Phone) {
    let stage = Stage::with_behaviour(|behaviour| behaviour.tokens = true).await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    (stage, alice, bob)
}

fn names(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::OwnName { name } => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// Lets what is under way come to its end.
async fn settled() {
    sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn the_name_is_learnt_from_the_history_and_announced() {
    let (stage, _, bob) = cast().await;
    let alice = stage.sim.create_phone("15550000001", Some("Alice")).unwrap();
    let companion = stage.companion(&alice).await;
    companion.diary.wait_for(|events| names(events) == ["Alice"]).await;
    settled().await;
    companion.send(bob.jid(), "hello").await;
    let inbox = bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    assert_eq!(inbox[0].push_name, "Alice");
    // And after the next login.
    companion.client.reconnect().await;
    companion.connected(2).await;
    companion.send(bob.jid(), "again").await;
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!(inbox[1].push_name, "Alice");
    let device = companion.store.device().await.unwrap().unwrap();
    assert_eq!(device.push_name, "Alice");
}

#[tokio::test(start_paused = true)]
async fn the_name_is_learnt_from_what_the_own_phone_sends() {
    let (stage, alice, bob) = cast().await;
    alice.be_silent(true);
    let companion = stage.companion(&alice).await;
    companion.send(bob.jid(), "nameless").await;
    stage.sim.create_phone(alice.number(), Some("Alice & Co")).unwrap();
    alice.send(bob.number(), "from the phone").await.unwrap();
    companion.diary.wait_for(|events| names(events) == ["Alice & Co"]).await;
    settled().await;
    companion.send(bob.jid(), "named").await;
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
    let names: Vec<_> = inbox.iter().map(|entry| entry.push_name.as_str()).collect();
    assert_eq!(names, ["-", "Alice & Co", "Alice & Co"]);
}

#[tokio::test(start_paused = true)]
async fn a_chosen_name_is_shown_instead_until_it_is_taken_back() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    settled().await;
    let name_at_bobs = async |count: usize| {
        companion.send(bob.jid(), "hello").await;
        bob.wait_for_inbox(|inbox| inbox.len() == count).await[count - 1].push_name.clone()
    };
    assert_eq!(name_at_bobs(1).await, "Phone 15550000001");
    companion.client.set_push_name(Some("Shop")).await.unwrap();
    assert_eq!(name_at_bobs(2).await, "Shop");
    companion.client.reconnect().await;
    companion.connected(2).await;
    assert_eq!(name_at_bobs(3).await, "Shop");
    companion.client.set_push_name(None).await.unwrap();
    assert_eq!(name_at_bobs(4).await, "Phone 15550000001");
    assert!(companion.client.set_push_name(Some(" ")).await.is_err());
    assert!(companion.client.set_push_name(Some(&"x".repeat(26))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_share_of_keys_is_replaced_by_the_right_one() {
    let key_share = KeySharing { late: Duration::from_secs(60), begins_wrong: true, repeats: 2 };
    let stage = Stage::with_behaviour(|behaviour| behaviour.key_share = key_share).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let id = bytes::Bytes::from_static(&[0, 0, 0, 0, 0, 1]);
    settled().await;
    assert_eq!(companion.store.app_state_keys(std::slice::from_ref(&id)).await.unwrap(), [None]);
    sleep(Duration::from_secs(120)).await;
    let keys = companion.store.app_state_keys(&[id]).await.unwrap();
    assert_eq!(keys[0].as_ref().unwrap().data.len(), 32);
    assert_eq!(alice.devices()[0].waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_companion_without_history_reaches_the_restricted_once_they_have_written() {
    let (stage, alice, bob) = cast().await;
    alice.be_silent(true);
    bob.restrict(Restriction::Token);
    let companion = stage.companion(&alice).await;
    let refused = companion.client.send(Outgoing::text(bob.jid(), "hello?")).await;
    let limit = Limit { kind: LimitKind::TimeLock, until: None };
    assert_eq!(refused, Err(SendError::RefusedByLimit(limit)));
    bob.send(alice.number(), "hello").await.unwrap();
    companion.diary.texts(1).await;
    settled().await;
    companion.send(bob.jid(), "hello!").await;
    assert_eq!(stage.seen("<tctoken>"), 1);
    // The token outlives the process.
    let companion = stage.start(companion.crash().await);
    companion.online().await;
    companion.send(bob.jid(), "again").await;
    assert_eq!(stage.seen("<tctoken>"), 2);
}

#[tokio::test(start_paused = true)]
async fn tokens_and_salt_of_the_history_open_doors() {
    let (stage, alice, bob) = cast().await;
    let carol = stage.phone("15550000003");
    bob.send(alice.number(), "before you were there").await.unwrap();
    bob.restrict(Restriction::Trusted);
    carol.restrict(Restriction::Token);
    let companion = stage.companion(&alice).await;
    settled().await;
    companion.send(bob.jid(), "with his token").await;
    companion.send(carol.jid(), "with what follows from the salt").await;
    assert_eq!((stage.seen("<tctoken>"), stage.seen("<cstoken>")), (1, 1));
    let pn = companion.store.pn_of(&bob.lid().user).await.unwrap();
    assert_eq!(pn.as_deref(), Some(bob.number()));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_once_a_week_after_what_was_taken() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    let given =
        || stage.seen("xmlns=\"privacy\" type=\"set\"") + stage.seen("type=\"set\" xmlns=\"privacy\"");
    stage.fault_for(&alice, FaultKind::RefuseSend { error: 479 });
    companion.client.send(Outgoing::text(bob.jid(), "refused")).await.unwrap_err();
    settled().await;
    assert_eq!(given(), 0);
    for text in ["one", "two"] {
        companion.send(bob.jid(), text).await;
    }
    settled().await;
    assert_eq!(given(), 1);
    companion.client.disconnect().await;
    sleep(Duration::from_secs(7 * 24 * 3600)).await;
    companion.client.reconnect().await;
    companion.online().await;
    companion.send(bob.jid(), "a week later").await;
    settled().await;
    assert_eq!(given(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_phone_is_given_the_token_that_the_old_one_had() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    let given = || {
        let sent = stage.sim.trace(Some(alice.number())).into_iter().map(|entry| entry.xml);
        let asked = sent.filter(|xml| xml.starts_with("<iq") && xml.contains("<tokens>"));
        asked.map(|xml| xml.split(" t=\"").nth(1).unwrap()[..10].to_owned()).collect::<Vec<_>>()
    };
    companion.send(bob.jid(), "hello").await;
    settled().await;
    assert_eq!(given().len(), 1);
    sleep(Duration::from_secs(3_600)).await;
    bob.reinstall(true);
    settled().await;
    assert_eq!(given().len(), 2, "at once, not with the next message");
    assert_eq!(given()[0], given()[1], "as of the same time: none is given twice in its week");
    // Who never had one gets none.
    let carol = stage.phone("15550000003");
    carol.send(alice.number(), "hello").await.unwrap();
    companion.diary.texts(1).await;
    carol.reinstall(true);
    settled().await;
    assert_eq!(given().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_locked_account_asks_nobody_it_may_not_write_to() {
    let (stage, alice, bob) = cast().await;
    let carol = stage.phone("15550000003");
    let companion = stage.companion(&alice).await;
    settled().await;
    carol.send(alice.number(), "hello").await.unwrap();
    companion.diary.texts(1).await;
    settled().await;
    let until = NOW + 3_600;
    alice.set_time_lock(Some(TimeLock { until: Some(until), kind: "WEB_COMPANION_ONLY".into() }));
    let limits = |event: &Event| matches!(event, Event::Limits(limits) if limits.time_lock.is_some());
    companion.diary.wait_for(|events| events.iter().any(limits)).await;
    let asked = stage.seen("xmlns=\"usync\"");
    let limit = Limit { kind: LimitKind::TimeLock, until: Some(i64::try_from(until).unwrap() * 1000) };
    assert_eq!(companion.client.limit_on(&bob.jid()).await, Ok(Some(limit)));
    let refused = companion.client.send(Outgoing::text(bob.jid(), "psst")).await;
    assert_eq!(refused, Err(SendError::Limited(limit)));
    assert_eq!((stage.seen("xmlns=\"usync\""), stage.seen("error=\"463\"")), (asked, 0));
    companion.send(carol.jid(), "she trusts us").await;
    // It holds over a restart, and ends by itself.
    let companion = stage.start(companion.crash().await);
    companion.online().await;
    assert_eq!(companion.client.limit_on(&bob.jid()).await, Ok(Some(limit)));
    assert!(companion.client.limits().time_lock.is_some());
    sleep(Duration::from_secs(3_600)).await;
    companion.online().await;
    companion.send(bob.jid(), "at last").await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_when_the_limit_ends() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    settled().await;
    companion.client.disconnect().await;
    let ends = NOW + 40_000;
    alice.set_chat_cap(Some(ChatCap { total: 0, used: 0, ends }));
    // The companion hears of it from nobody but the refusal.
    stage.fault_for(
        &alice,
        FaultKind::IqError { xmlns: Some("w:mex".into()), child: None, code: 503, text: String::new() },
    );
    companion.client.reconnect().await;
    companion.connected(2).await;
    let until = Some(i64::try_from(ends).unwrap() * 1000);
    let limit = Limit { kind: LimitKind::NewChats, until };
    let refused = companion.client.send(Outgoing::text(bob.jid(), "hello")).await;
    assert_eq!(refused, Err(SendError::RefusedByLimit(limit)));
    // Whoever wrote is no new chat.
    bob.send(alice.number(), "it's me").await.unwrap();
    companion.diary.texts(1).await;
    settled().await;
    companion.send(bob.jid(), "ah").await;
}

/// What the companion knows of the cap on new chats: used up, and how many there were.
fn capped(events: &[Event]) -> Option<(bool, Option<u32>)> {
    let cap = |event: &Event| match event {
        Event::Limits(limits) => limits.new_chats.as_ref().map(|cap| (cap.is_reached, cap.used)),
        _ => None,
    };
    events.iter().rev().find_map(cap)
}

#[tokio::test(start_paused = true)]
async fn whoever_wrote_or_was_written_to_is_nobody_new_without_a_token() {
    let stage = Stage::with_behaviour(|behaviour| behaviour.tokens = false).await;
    let alice = stage.phone("15550000001");
    let people: Vec<_> = (2..7).map(|n| stage.phone(&format!("1555000000{n}"))).collect();
    let [past, writer, phoned, written, stranger] = &people[..] else { panic!("five people") };
    past.send(alice.number(), "before you were there").await.unwrap();
    alice.wait_for_inbox(|inbox| inbox.len() == 1).await;
    let companion = stage.companion(&alice).await;
    settled().await;
    writer.send(alice.number(), "hello").await.unwrap();
    alice.send(phoned.number(), "from the phone").await.unwrap();
    stage.fault_for(
        &alice,
        FaultKind::IqError { xmlns: Some("privacy".into()), child: None, code: 500, text: String::new() },
    );
    companion.send(written.jid(), "from here").await;
    companion.diary.messages(2).await;
    let companion = stage.start(companion.stop().await);
    companion.online().await;
    alice.set_chat_cap(Some(ChatCap { total: 1, used: 1, ends: NOW + 40_000 }));
    companion.diary.wait_for(|events| capped(events) == Some((true, Some(1)))).await;
    for person in [past, writer, phoned, written] {
        companion.send(person.jid(), "we know each other").await;
    }
    let refused = companion.client.send(Outgoing::text(stranger.jid(), "hello?")).await;
    assert!(matches!(refused, Err(SendError::Limited(_))), "{refused:?}");
    assert_eq!(stage.seen("<tctoken>"), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_chats_are_begun_than_there_may_be() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    settled().await;
    let ends = NOW + 40_000;
    alice.set_chat_cap(Some(ChatCap { total: 3, used: 0, ends }));
    companion.diary.wait_for(|events| capped(events) == Some((false, Some(0)))).await;
    companion.send(bob.jid(), "the first").await;
    companion.send(bob.jid(), "the same").await;
    companion.diary.wait_for(|events| capped(events) == Some((false, Some(1)))).await;
    // Many at once: those on their way count, too.
    let people: Vec<_> = (0..4).map(|n| stage.phone(&format!("1555000010{n}"))).collect();
    let sends = people.iter().map(|person| companion.client.send(Outgoing::text(person.jid(), "hello")));
    let sent = futures_util::future::join_all(sends).await;
    let limit = Limit { kind: LimitKind::NewChats, until: Some(i64::try_from(ends).unwrap() * 1000) };
    let refused = sent.iter().filter(|outcome| **outcome == Err(SendError::Limited(limit))).count();
    assert_eq!((sent.iter().filter(|outcome| outcome.is_ok()).count(), refused), (2, 2), "{sent:?}");
    companion.diary.wait_for(|events| capped(events) == Some((true, Some(3)))).await;
    companion.send(bob.jid(), "he is no new one").await;
    assert_eq!(stage.seen("error=\"475\""), 0, "none was tried in vain");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_asked_too_often_is_spared() {
    let limit = RateLimit { requests: 6, period: Duration::from_secs(60) };
    let stage = Stage::with_behaviour(|behaviour| behaviour.rate_limit = Some(limit)).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let people: Vec<_> = (0..12).map(|n| stage.phone(&format!("1555000010{n:02}"))).collect();
    let sends = people.iter().map(|person| companion.client.send(Outgoing::text(person.jid(), "hello")));
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    let refused = stage.seen("rate-overlimit");
    // Each of them takes three questions, of which six are answered in a minute: hardly more refusals than answers.
    assert!((1..48).contains(&refused), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_connection_ends_is_not_taken_for_one_that_may_be_repeated() {
    let (stage, alice, bob) = cast().await;
    let companion = stage.companion(&alice).await;
    settled().await;
    stage.fault_for(&alice, FaultKind::RefuseSend { error: 463 });
    stage.fault_for(&alice, FaultKind::IqSilence { xmlns: Some("w:mex".into()), child: None });
    let client = companion.client.clone();
    let sending = tokio::spawn(async move { client.send(Outgoing::text(bob.jid(), "hello")).await });
    until("it is refused", || async { (stage.seen("error=\"463\"") > 0).then_some(()) }).await;
    stage.sim.add_fault(Fault::new(FaultKind::Drop { when: Default::default() })).unwrap();
    let limit = Limit { kind: LimitKind::TimeLock, until: None };
    assert_eq!(sending.await.unwrap(), Err(SendError::RefusedByLimit(limit)));
    companion.state(|state| *state == State::Online).await;
}
