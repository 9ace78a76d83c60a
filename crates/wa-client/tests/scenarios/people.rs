//! People: what they show without a message, what is seen of them, and what they are told of the account.

use wa_client::{ChatState, Event, GroupNews, GroupUpdate, MessageId, Presence, RequestError};
use wa_simulator::{Addressing, GroupChange as PhoneChanges, Phone};

use crate::stage::{Companion, Stage};

/// Alice and Bob, each with a companion.
struct Pair {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    ours: Companion,
    theirs: Companion,
}

impl Pair {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
        let (ours, theirs) = (stage.companion(&alice).await, stage.companion(&bob).await);
        Self { stage, alice, bob, ours, theirs }
    }
}

/// The first event of which `found` makes something.
async fn told<T>(companion: &Companion, found: impl Fn(&Event) -> Option<T>) -> T {
    let events = companion.diary.wait_for(|events| events.iter().any(|event| found(event).is_some())).await;
    events.iter().find_map(found).unwrap()
}

#[tokio::test(start_paused = true)]
async fn people_who_come_go_and_type_are_told_by_both_addresses() {
    let Pair { bob, alice, ours, theirs, .. } = Pair::new().await;
    for companion in [&ours, &theirs] {
        companion.client.set_presence(Presence::Available).await.unwrap();
    }
    ours.client.subscribe_presence(&bob.jid()).await.unwrap();
    let presence = |available: bool| {
        move |event: &Event| match event {
            Event::Presence(it) if it.is_available == available => Some(it.clone()),
            _ => None,
        }
    };
    let there = told(&ours, presence(true)).await;
    assert_eq!((there.pn, there.lid, there.last_seen), (Some(bob.jid()), Some(bob.lid()), None));
    theirs.client.set_presence(Presence::Unavailable).await.unwrap();
    assert!(told(&ours, presence(false)).await.last_seen.is_some());
    for state in [ChatState::Typing, ChatState::Recording, ChatState::Paused] {
        theirs.client.set_chat_state(&alice.jid(), state).await.unwrap();
        let shown = told(&ours, |event| match event {
            Event::ChatState(it) if it.state == state => Some(it.clone()),
            _ => None,
        });
        assert_eq!(shown.await.pn, Some(bob.jid()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_wrote_learns_that_it_was_read_and_played() {
    let Pair { bob, alice, ours, .. } = Pair::new().await;
    let id = bob.send(alice.number(), "one").await.unwrap();
    let message = ours.diary.messages(1).await.remove(0);
    for (played, kind) in [(false, "read"), (true, "played")] {
        let ids = [MessageId::from(id.as_str())];
        ours.client.mark_read_as(&message.info.chat, None, &ids, played).await.unwrap();
        let has_it = |entry: &wa_simulator::OutboxEntry| entry.receipts.iter().any(|it| it.kind == kind);
        bob.wait_for_outbox(|entries| entries.iter().any(has_it)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_shown_and_changed() {
    let Pair { bob, ours, theirs, .. } = Pair::new().await;
    theirs.client.set_about("At tea").await.unwrap();
    assert_eq!(ours.client.about(&bob.jid()).await.unwrap().as_deref(), Some("At tea"));
    let jpeg = [0xff, 0xd8, 0];
    let id = theirs.client.set_picture(Some(&jpeg)).await.unwrap();
    let picture = ours.client.picture(&bob.jid(), false).await.unwrap().unwrap();
    assert_eq!(Some(picture.id), id);
    theirs.client.set_picture(None).await.unwrap();
    assert_eq!(ours.client.picture(&bob.jid(), true).await.unwrap(), None);
    let refused = theirs.client.set_picture(Some(b"no picture")).await;
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
    let refused = theirs.client.set_about(&"x".repeat(140)).await;
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn privacy_and_blocks_are_kept_by_the_server() {
    let Pair { bob, ours, .. } = Pair::new().await;
    let settings = ours.client.set_privacy("last", "none").await.unwrap();
    assert_eq!(settings.get("last"), Some("none"));
    assert_eq!(ours.client.privacy().await.unwrap(), settings);
    let refused = ours.client.set_privacy("last", "friends").await;
    assert!(matches!(refused, Err(RequestError::Refused { code: 400, .. })), "{refused:?}");
    assert_eq!(ours.client.block(&bob.jid(), true).await.unwrap().0, [bob.lid()]);
    assert_eq!(ours.client.block_list().await.unwrap().0, [bob.lid()]);
    assert!(ours.client.block(&bob.lid(), false).await.unwrap().0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_are_told_and_declined() {
    let Pair { bob, alice, ours, .. } = Pair::new().await;
    let id = bob.call(alice.number(), true).unwrap();
    let call = told(&ours, |event| match event {
        Event::Call(call) => Some(call.clone()),
        _ => None,
    })
    .await;
    assert_eq!((call.id.as_str(), call.what.as_str(), call.is_video), (id.as_str(), "offer", true));
    assert_eq!(call.creator_pn, Some(bob.jid()));
    ours.client.reject_call(&call).await.unwrap();
    // What was asked after it is answered after it.
    ours.client.privacy().await.unwrap();
    assert_eq!(bob.calls()[0].declined_by.as_deref(), Some(alice.number()));
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_group_is_told_with_number_and_lid() {
    let Pair { stage, bob, alice, ours, .. } = Pair::new().await;
    let carol = stage.phone("15550000003");
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let group = bob.create_group("Tea", &[alice.number()], addressing).unwrap();
        let news = |wanted: fn(&GroupNews) -> bool| {
            let group = group.clone();
            move |event: &Event| match event {
                Event::Group(it) if it.group.to_string() == group && wanted(&it.what) => Some(it.clone()),
                _ => None,
            }
        };
        told(&ours, news(|it| matches!(it, GroupNews::Joined(..)))).await;
        bob.change_group(&group, PhoneChanges::Add(vec![carol.number().to_owned()])).unwrap();
        let GroupUpdate { what: GroupNews::Added(people, _), by_pn, .. } =
            *told(&ours, news(|it| matches!(it, GroupNews::Added(..)))).await
        else {
            panic!()
        };
        assert_eq!((people[0].pn.clone(), by_pn), (Some(carol.jid()), Some(bob.jid())));
        if addressing == Addressing::Lid {
            assert_eq!(people[0].lid, Some(carol.lid()));
        }
        bob.change_group(&group, PhoneChanges::Subject("Coffee".to_owned())).unwrap();
        let update = told(&ours, news(|it| matches!(it, GroupNews::Subject(_)))).await;
        assert_eq!(update.what, GroupNews::Subject("Coffee".to_owned()));
        bob.change_group(&group, PhoneChanges::Remove(vec![carol.number().to_owned()])).unwrap();
        told(&ours, news(|it| matches!(it, GroupNews::Removed(_)))).await;
    }
}
