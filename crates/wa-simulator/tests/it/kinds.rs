//! What phones say to each other, and what of it they heed.

use std::time::Duration;

use prost::Message as _;
use wa_protobuf::e2e::{Message, MessageKey, PollEncValue, PollUpdateMessage};
use wa_simulator::{
    Addressing, Card, ControlError, Event, Going, InboxEntry, Phone, Place, Poll, Press, Pressed, Rich, Say,
};

use crate::scene::*;

async fn shown(phone: &Phone, id: &str) -> InboxEntry {
    let inbox = phone.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.id == id)).await;
    inbox.into_iter().find(|entry| entry.id == id).unwrap()
}

fn poll(choices: u32) -> Say {
    let options = ["green", "black", "white"].map(str::to_owned).to_vec();
    Say::Poll(Poll { question: "Tea?".into(), options, choices })
}

fn vote(id: &str, choices: &[&str]) -> Say {
    Say::Vote { id: id.to_owned(), choices: choices.iter().map(|choice| (*choice).to_owned()).collect() }
}

#[tokio::test(start_paused = true)]
async fn every_kind_is_shown_with_what_is_in_it() {
    let Scene { alice, bob, .. } = &Scene::quiet().await;
    let text = alice.send(BOB, "Hello").await.unwrap();
    let rich = Rich {
        text: "@15550000002 https://tea.test".into(),
        quote: Some(text.clone()),
        mentions: vec![BOB.into()],
        link: Some(("https://tea.test".into(), "Tea".into())),
        forwarded: 2,
    };
    let place = Place { latitude: 1.0, longitude: 2.0, name: Some("Here".into()), live: false };
    let card = Card { name: "Dave".into(), vcard: "BEGIN:VCARD".into() };
    let press = Press { of: Pressed::List, id: "row".into(), text: "Tea".into() };
    let react = |sealed| Say::React { id: text.clone(), emoji: "👍".into(), sealed };
    let edit = |sealed| Say::Edit { id: text.clone(), text: "Bye".into(), sealed };
    for (say, kind, words) in [
        (Say::Rich(rich), "text", Some("@15550000002 https://tea.test")),
        (Say::Place(place.clone()), "location", Some("Here")),
        (Say::Place(Place { live: true, ..place }), "live_location", Some("Here")),
        (Say::Contacts(vec![card.clone()]), "contact", Some("Dave")),
        (Say::Contacts(vec![card.clone(), card]), "contacts", Some("2 contacts")),
        (poll(1), "poll", Some("Tea?")),
        (Say::Event(Event { name: "Tea time".into(), start: 9 }), "event", Some("Tea time")),
        (Say::Press(press), "list_response", Some("Tea")),
        (react(false), "reaction", Some("👍")),
        (react(true), "reaction", Some("👍")),
        (edit(false), "edit", Some("Bye")),
        (edit(true), "edit", Some("Bye")),
        (Say::Pin { id: text.clone(), seconds: 60 }, "pin", None),
        (Say::Pin { id: text.clone(), seconds: 0 }, "unpin", None),
        (Say::Keep { id: text.clone(), keep: true }, "keep", None),
        (Say::Keep { id: text.clone(), keep: false }, "let_go", None),
    ] {
        let entry = shown(bob, &alice.say(BOB, say).await.unwrap()).await;
        assert_eq!((entry.kind, entry.text.as_deref(), entry.ignored), (kind, words, None));
        if entry.forwarded > 0 {
            let mentions = [bob.lid().to_string()];
            assert_eq!((entry.quoted.as_deref(), &entry.mentions[..]), (Some(text.as_str()), &mentions[..]));
        }
        if kind == "list_response" {
            assert_eq!(entry.chosen, ["row"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn votes_and_answers_are_encrypted_and_opened_in_chats_of_both_forms() {
    let Scene { alice, bob, .. } = &Scene::quiet().await;
    let mut chats = vec![(BOB.to_owned(), ALICE.to_owned())];
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let group = alice.create_group("Tea", &[BOB], addressing).unwrap();
        chats.push((group.clone(), group));
    }
    for (of_alice, of_bob) in chats {
        let asked = alice.say(&of_alice, poll(2)).await.unwrap();
        shown(bob, &asked).await;
        let voted = bob.say(&of_bob, vote(&asked, &["white", "green"])).await.unwrap();
        let entry = shown(alice, &voted).await;
        assert_eq!((entry.target.as_deref(), entry.ignored), (Some(asked.as_str()), None));
        assert_eq!(entry.chosen, ["green", "white"]);
        let event = Say::Event(Event { name: "Tea time".into(), start: 9 });
        let invited = alice.say(&of_alice, event).await.unwrap();
        shown(bob, &invited).await;
        let answer = Say::Answer { id: invited, going: Going::NotGoing };
        let entry = shown(alice, &bob.say(&of_bob, answer).await.unwrap()).await;
        assert_eq!((entry.kind, entry.text.as_deref()), ("event_response", Some("not_going")));
    }
}

#[tokio::test(start_paused = true)]
async fn phones_do_not_offer_what_whatsapp_would_not_take() {
    let Scene { alice, bob, .. } = &Scene::quiet().await;
    let group = alice.create_group("Tea", &[BOB], Addressing::Lid).unwrap();
    let asked = alice.say(&group, poll(1)).await.unwrap();
    let text = alice.send(&group, "Hello").await.unwrap();
    shown(bob, &text).await;
    let few = Poll { question: "?".into(), options: vec!["one".into()], choices: 0 };
    for say in [
        vote(&asked, &["milk"]),
        vote(&asked, &["green", "black"]),
        vote(&text, &["green"]),
        Say::Answer { id: text.clone(), going: Going::Maybe },
        Say::Edit { id: text.clone(), text: "mine".into(), sealed: false },
        Say::Revoke { id: text.clone() },
        Say::Poll(few),
        Say::Contacts(Vec::new()),
    ] {
        let refused = bob.say(&group, say.clone()).await;
        assert!(matches!(refused, Err(ControlError::InvalidRequest(_))), "{say:?}: {refused:?}");
    }
    let theirs = bob.send(&group, "Bob's").await.unwrap();
    shown(alice, &theirs).await;
    let revoked = shown(bob, &alice.say(&group, Say::Revoke { id: theirs }).await.unwrap()).await;
    assert_eq!((revoked.kind, revoked.ignored), ("revoke", None));
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    let late = alice.edit(&group, &text, "late").await;
    assert!(matches!(late, Err(ControlError::InvalidRequest(_))));
}

#[tokio::test(start_paused = true)]
async fn phones_do_not_heed_what_does_not_open() {
    let Scene { alice, bob, .. } = &Scene::quiet().await;
    let asked = alice.say(BOB, poll(1)).await.unwrap();
    shown(bob, &asked).await;
    let forged = |id: &str| {
        let key = MessageKey { id: Some(id.to_owned()), from_me: Some(false), ..MessageKey::default() };
        let vote = PollEncValue { enc_payload: Some(vec![7; 40].into()), enc_iv: Some(vec![7; 12].into()) };
        let update = PollUpdateMessage {
            poll_creation_message_key: Some(key),
            vote: Some(vote),
            sender_timestamp_ms: Some(1),
        };
        let message = Message { poll_update_message: Some(Box::new(update)), ..Message::default() };
        Say::Raw(message.encode_to_vec().into())
    };
    for (id, why) in [(asked.as_str(), "wrong secret"), ("3EB0", "unknown message")] {
        let entry = shown(alice, &bob.say(ALICE, forged(id)).await.unwrap()).await;
        assert_eq!((entry.kind, entry.ignored, entry.chosen.len()), ("poll_vote", Some(why), 0));
    }
}
