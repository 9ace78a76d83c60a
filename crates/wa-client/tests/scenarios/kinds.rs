//! Every kind of message that people send, to one person and to groups, both ways; votes and answers are opened.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use wa_client::content::{
    Answer, Card, Draft, Going, Kind, Link, Meeting, Opened, Place, Quote, Tally, Target, View,
};
use wa_client::{
    GroupChange, IncomingMessage, Jid, MessageId, MessageInfo, Outgoing, ReceivedContent, ReceivedMessages,
    RequestError, SendError, Store,
};
use wa_simulator::{
    Addressing, Card as PhoneCard, Event as PhoneEvent, Going as PhoneGoing, InboxEntry, Phone,
    Place as PhonePlace, Poll as PhonePoll, Press, Pressed, Rich, Say,
};

use crate::stage::{Companion, NOW, Stage, messages_of, patiently};

const DAY: u32 = 24 * 60 * 60;

/// Alice with a companion, Bob and Carol, and chats of them: with Bob, and groups of the three by LID and by number.
struct Cast {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    carol: Phone,
    companion: Companion,
}

impl Cast {
    async fn new() -> Self {
        let stage = Stage::faithful().await;
        let [alice, bob, carol] =
            ["15550000001", "15550000002", "15550000003"].map(|number| stage.phone(number));
        let companion = stage.companion(&alice).await;
        Self { stage, alice, bob, carol, companion }
    }

    fn group(&self, addressing: Addressing) -> Jid {
        let members = [self.bob.number(), self.carol.number()];
        self.alice.create_group("Tea", &members, addressing).unwrap().parse().unwrap()
    }

    /// The chat with Bob, and groups of both forms.
    fn chats(&self) -> Vec<Jid> {
        vec![self.bob.jid(), self.group(Addressing::Lid), self.group(Addressing::Pn)]
    }

    async fn send(&self, chat: &Jid, content: Draft) -> String {
        let message = Outgoing::new(chat.clone(), content);
        let id = message.id.to_string();
        self.companion.client.send(message).await.unwrap();
        id
    }

    /// What Bob's phone shows of a message.
    async fn bob_sees(&self, id: &str) -> InboxEntry {
        shown(&self.bob, id).await
    }

    /// What Bob writes in a chat with Alice, or in a group, as Alice's companion is told it.
    async fn bob_says(&self, chat: &Jid, say: Say) -> IncomingMessage {
        said(&self.companion, &self.bob, &self.address(chat), say).await
    }

    /// The chat as Bob addresses it.
    fn address(&self, chat: &Jid) -> String {
        if chat.is_group() { chat.to_string() } else { self.alice.number().to_owned() }
    }
}

async fn shown(phone: &Phone, id: &str) -> InboxEntry {
    let inbox = patiently(phone.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.id == id))).await;
    inbox.into_iter().find(|entry| entry.id == id).unwrap()
}

async fn said(companion: &Companion, by: &Phone, to: &str, say: Say) -> IncomingMessage {
    let id = by.say(to, say).await.unwrap();
    told(companion, &id).await
}

async fn told(companion: &Companion, id: &str) -> IncomingMessage {
    let is_it = |message: &IncomingMessage| message.info.id.as_str() == id;
    let events = companion.diary.wait_for(|events| messages_of(events).iter().any(is_it)).await;
    messages_of(&events).into_iter().find(is_it).unwrap()
}

fn milliseconds() -> i64 {
    i64::try_from(NOW).unwrap() * 1000
}

#[tokio::test(start_paused = true)]
async fn what_stands_alone_is_shown_by_phones() {
    let cast = Cast::new().await;
    for chat in cast.chats() {
        let mut place = Place::at(52.5, 13.4);
        place.name = Some("Here");
        let mut meeting = Meeting::new("Tea at five", 1_790_000_000);
        meeting.place = Some(place);
        let card = Card::new("Dave", "BEGIN:VCARD\nEND:VCARD");
        let mut link = Link::to("https://tea.test");
        link.title = Some("All about tea");
        let mention = cast.carol.lid().to_string();
        for (draft, kind, text) in [
            (Draft::location(&place), "location", "Here"),
            (Draft::live_location(&place, Some("On my way"), 1), "live_location", "On my way"),
            (Draft::contacts(&[card], None), "contact", "Dave"),
            (Draft::contacts(&[card, card], Some("Two")), "contacts", "Two"),
            (Draft::poll("Tea?", ["yes", "no"], 1).unwrap(), "poll", "Tea?"),
            (Draft::event(&meeting), "event", "Tea at five"),
            (Draft::text("See https://tea.test").previewing(&link), "text", "See https://tea.test"),
            (Draft::text("Again").forwarded(2).mentioning([mention.clone()]), "text", "Again"),
        ] {
            let entry = cast.bob_sees(&cast.send(&chat, draft).await).await;
            assert_eq!((entry.kind, entry.text.as_deref(), entry.ignored), (kind, Some(text), None));
            if text == "Again" {
                assert_eq!((entry.forwarded, &entry.mentions), (2, &vec![mention.clone()]));
            }
        }
    }
    assert_eq!(cast.bob.undecryptable() + cast.carol.undecryptable(), 0);
    let stanzas = |what: &str| cast.stage.seen(what);
    assert!(stanzas("<meta polltype=\"creation\"/>") > 0 && stanzas("<meta event_type=\"creation\"/>") > 0);
    assert!(stanzas("mediatype=\"location\"") > 0 && stanzas("mediatype=\"url\"") > 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_about_another_message_is_heeded_by_phones() {
    let cast = Cast::new().await;
    let client = &cast.companion.client;
    for chat in cast.chats() {
        let theirs = cast.bob_says(&chat, Say::Text("Theirs".into())).await;
        let ours = MessageId::from(cast.send(&chat, Draft::text("Ours")).await);
        let named = theirs.info.chat.to_string();
        let author = theirs.info.sender.to_user().to_string();
        let target = Target::of(&named, theirs.info.id.as_str(), false);
        let target = if chat.is_group() { target.by(&author) } else { target };
        client.react(&theirs.info, "👍").await.unwrap();
        client.react(&theirs.info, "").await.unwrap();
        client.edit(&chat, &ours, "Ours, edited").await.unwrap();
        let at = milliseconds();
        cast.send(&chat, Draft::pin(&target, DAY, at)).await;
        cast.send(&chat, Draft::unpin(&target, at)).await;
        cast.send(&chat, Draft::keep(&target, at)).await;
        cast.send(&chat, Draft::let_go(&target, at)).await;
        let quote = Quote::of(theirs.info.id.as_str(), &author).showing(theirs.content.view());
        let answer = cast.send(&chat, Draft::text("An answer").quoting(&quote)).await;
        client.revoke(&chat, &ours).await.unwrap();
        let entry = cast.bob_sees(&answer).await;
        assert_eq!(entry.quoted.as_deref(), Some(theirs.info.id.as_str()));
        let inbox = patiently(cast.bob.wait_for_inbox(|inbox| {
            inbox.iter().any(|entry| entry.kind == "revoke" && entry.target.as_deref() == Some(ours.as_str()))
        }));
        let inbox = inbox.await;
        let about = |id: &str| -> Vec<_> {
            let about = inbox.iter().filter(|entry| entry.target.as_deref() == Some(id));
            about
                .map(|entry| (entry.kind, entry.text.as_deref().unwrap_or_default(), entry.ignored))
                .collect()
        };
        let changes = ["reaction", "reaction", "pin", "unpin", "keep", "let_go"];
        let texts = ["👍", "", "", "", "", ""];
        let expected: Vec<_> =
            changes.into_iter().zip(texts).map(|(kind, text)| (kind, text, None)).collect();
        assert_eq!(about(theirs.info.id.as_str()), expected);
        assert_eq!(about(ours.as_str()), [("edit", "Ours, edited", None), ("revoke", "", None)]);
    }
}

#[tokio::test(start_paused = true)]
async fn phones_do_not_heed_what_is_too_late_or_anothers() {
    let cast = Cast::new().await;
    let client = &cast.companion.client;
    let chat = cast.bob.jid();
    let ours = MessageId::from(cast.send(&chat, Draft::text("Ours")).await);
    let theirs = cast.bob_says(&chat, Say::Text("Theirs".into())).await;
    client.edit(&chat, &theirs.info.id, "not mine").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(20 * 60)).await;
    client.edit(&chat, &ours, "too late").await.unwrap();
    let inbox = patiently(cast.bob.wait_for_inbox(|inbox| inbox.len() == 3)).await;
    let ignored: Vec<_> = inbox.iter().filter_map(|entry| entry.ignored).collect();
    assert_eq!(ignored, ["not its author", "too late"]);
}

#[tokio::test(start_paused = true)]
async fn an_administrator_takes_back_what_others_wrote_and_nobody_else_does() {
    let cast = Cast::new().await;
    let group = cast.group(Addressing::Lid);
    let theirs = cast.bob_says(&group, Say::Text("Theirs".into())).await;
    let carols = cast.stage.companion(&cast.carol).await;
    let seen = said(&carols, &cast.bob, &group.to_string(), Say::Text("more".into())).await;
    let refused = carols.client.revoke_of(&seen.info).await;
    assert_eq!(refused, Err(SendError::Refused { code: 403 }));
    cast.companion.client.revoke_of(&theirs.info).await.unwrap();
    let inbox =
        patiently(cast.carol.wait_for_inbox(|inbox| inbox.iter().any(|it| it.kind == "revoke"))).await;
    let revoked = inbox.iter().find(|entry| entry.kind == "revoke").unwrap();
    assert_eq!((revoked.target.as_deref(), revoked.ignored), (Some(theirs.info.id.as_str()), None));
    // The phone as an administrator.
    let id = cast.bob.send(&group.to_string(), "Once more").await.unwrap();
    shown(&cast.alice, &id).await;
    let taken_back = said_by_phone(&cast, &group, Say::Revoke { id: id.clone() }).await;
    assert_eq!(taken_back.content.view().target().map(|target| target.id), Some(id.as_str()));
    assert_eq!(taken_back.info.edit.as_deref(), Some("8"));
}

async fn said_by_phone(cast: &Cast, chat: &Jid, say: Say) -> IncomingMessage {
    said(&cast.companion, &cast.alice, &chat.to_string(), say).await
}

#[tokio::test(start_paused = true)]
async fn what_phones_send_is_read_with_all_that_is_in_it() {
    let cast = Cast::new().await;
    for chat in cast.chats() {
        let first = cast.bob_says(&chat, Say::Text("First".into())).await;
        let id = first.info.id.to_string();
        let rich = Rich {
            text: "https://tea.test".into(),
            quote: Some(id.clone()),
            mentions: vec![cast.alice.number().into()],
            link: Some(("https://tea.test".into(), "Tea".into())),
            forwarded: 3,
        };
        let rich = cast.bob_says(&chat, Say::Rich(rich)).await;
        let view = rich.content.view();
        assert_eq!(view.quote().and_then(|quote| quote.content?.text()), Some("First"));
        assert_eq!(view.link().and_then(|link| link.title), Some("Tea"));
        assert!(view.is_forwarded() && view.mentions().len() == 1);
        let place = PhonePlace { latitude: 1.5, longitude: 2.5, name: Some("Here".into()), live: false };
        let live = PhonePlace { live: true, ..place.clone() };
        let card = PhoneCard { name: "Dave".into(), vcard: "BEGIN:VCARD".into() };
        let press = |of| Press { of, id: "row-1".into(), text: "Tea".into() };
        let poll = PhonePoll { question: "Tea?".into(), options: vec!["a".into(), "b".into()], choices: 0 };
        let event = PhoneEvent { name: "Meeting".into(), start: 5 };
        for (say, kind, text) in [
            (Say::Place(place), Kind::Location, "Here"),
            (Say::Place(live), Kind::LiveLocation, "Here"),
            (Say::Contacts(vec![card.clone()]), Kind::Contact, "Dave"),
            (Say::Contacts(vec![card.clone(), card]), Kind::Contacts, "2 contacts"),
            (Say::Poll(poll), Kind::Poll, "Tea?"),
            (Say::Event(event), Kind::Event, "Meeting"),
            (Say::Press(press(Pressed::Buttons)), Kind::ButtonsResponse, "Tea"),
            (Say::Press(press(Pressed::List)), Kind::ListResponse, "Tea"),
            (Say::Press(press(Pressed::Template)), Kind::ButtonsResponse, "Tea"),
            (Say::React { id: id.clone(), emoji: "👍".into(), sealed: false }, Kind::Reaction, "👍"),
            (Say::Edit { id: id.clone(), text: "New".into(), sealed: false }, Kind::Edit, "New"),
        ] {
            let message = cast.bob_says(&chat, say).await;
            let view = message.content.view();
            assert_eq!((view.kind(), view.text()), (kind, Some(text)), "{chat:?}");
            if matches!(kind, Kind::ButtonsResponse | Kind::ListResponse) {
                assert_eq!(view.choice(), Some("row-1"));
            }
        }
        for (say, kind, is_undone) in [
            (Say::Pin { id: id.clone(), seconds: DAY }, Kind::Pin, false),
            (Say::Pin { id: id.clone(), seconds: 0 }, Kind::Pin, true),
            (Say::Keep { id: id.clone(), keep: true }, Kind::Keep, false),
            (Say::Keep { id: id.clone(), keep: false }, Kind::Keep, true),
            (Say::Revoke { id: id.clone() }, Kind::Revoke, false),
        ] {
            let message = cast.bob_says(&chat, say).await;
            let view = message.content.view();
            assert_eq!((view.kind(), view.is_undone()), (kind, is_undone));
            assert_eq!(view.target().map(|target| target.id), Some(id.as_str()));
        }
    }
}

fn chosen(message: &IncomingMessage) -> Vec<String> {
    match &message.opened {
        Some(Opened::Vote(vote)) => vote.choices.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn votes_on_a_poll_of_ours_are_opened_and_counted() {
    let cast = Cast::new().await;
    for chat in cast.chats() {
        let poll = Draft::poll("Tea?", ["green", "black", "none"], 2).unwrap();
        let options: Vec<_> = poll.view().poll().unwrap().options().map(str::to_owned).collect();
        let id = cast.send(&chat, poll).await;
        let mut tally = Tally::of(options);
        let mut voters = vec![&cast.bob];
        voters.extend(chat.is_group().then_some(&cast.carol));
        for (number, voter) in voters.into_iter().enumerate() {
            shown(voter, &id).await;
            for choices in [vec!["none"], vec!["green", "black"][number..].to_vec()] {
                let choices = choices.into_iter().map(str::to_owned).collect::<Vec<_>>();
                let vote = Say::Vote { id: id.clone(), choices: choices.clone() };
                let vote = said(&cast.companion, voter, &cast.address(&chat), vote).await;
                assert_eq!(chosen(&vote), choices);
                tally.count(vote.info.sender_lid.clone(), vote.info.timestamp, choices);
            }
        }
        let counted: Vec<_> = tally.options().map(|(_, voters)| voters.len()).collect();
        assert_eq!(counted, if chat.is_group() { [1, 2, 0] } else { [1, 1, 0] });
    }
}

#[tokio::test(start_paused = true)]
async fn we_vote_on_polls_of_others_and_of_the_own_phone() {
    let cast = Cast::new().await;
    let client = &cast.companion.client;
    let poll = |choices| PhonePoll {
        question: "Tea?".into(),
        options: vec!["green".into(), "black".into()],
        choices,
    };
    for chat in cast.chats() {
        let theirs = cast.bob_says(&chat, Say::Poll(poll(1))).await;
        let to = if chat.is_group() { chat.to_string() } else { cast.bob.number().to_owned() };
        let own = said(&cast.companion, &cast.alice, &to, Say::Poll(poll(0))).await;
        for poll in [&theirs, &own] {
            let vote = client.vote(&chat, &poll.info.id, &["black".into()]).await.unwrap();
            let entry = cast.bob_sees(&cast.send(&chat, vote).await).await;
            assert_eq!((entry.chosen, entry.ignored), (vec!["black".to_owned()], None), "{chat:?}");
            assert_eq!(entry.target.as_deref(), Some(poll.info.id.as_str()));
        }
        let nothing = client.vote(&chat, &theirs.info.id, &[]).await.unwrap();
        let entry = cast.bob_sees(&cast.send(&chat, nothing).await).await;
        assert_eq!((entry.chosen, entry.ignored), (Vec::new(), None));
        for choices in [vec!["milk".to_owned()], vec!["green".to_owned(), "black".to_owned()]] {
            let refused = client.vote(&chat, &theirs.info.id, &choices).await;
            assert!(matches!(refused, Err(RequestError::Invalid(_))));
        }
    }
    let unknown = client.vote(&cast.bob.jid(), &"3EB0".into(), &[]).await;
    assert!(matches!(unknown, Err(RequestError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn answers_to_events_are_opened_and_given() {
    let cast = Cast::new().await;
    for chat in cast.chats() {
        let ours = cast.send(&chat, Draft::event(&Meeting::new("Tea", 5))).await;
        cast.bob_sees(&ours).await;
        let answer = cast.bob_says(&chat, Say::Answer { id: ours, going: PhoneGoing::Maybe }).await;
        let Some(Opened::Answer(Answer { going, guests, .. })) = answer.opened else { panic!("{answer:?}") };
        assert_eq!((going, guests), (Some(Going::Maybe), 0));
        let theirs = cast.bob_says(&chat, Say::Event(PhoneEvent { name: "Coffee".into(), start: 5 })).await;
        let client = &cast.companion.client;
        let answer = client.answer_event(&chat, &theirs.info.id, Going::Yes, 1).await.unwrap();
        let entry = cast.bob_sees(&cast.send(&chat, answer).await).await;
        assert_eq!((entry.text.as_deref(), entry.ignored), (Some("going"), None));
    }
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_a_poll_outlasts_a_restart_and_a_crash() {
    let cast = Cast::new().await;
    let chat = cast.group(Addressing::Lid);
    let ours = cast.send(&chat, Draft::poll("Tea?", ["yes", "no"], 1).unwrap()).await;
    let poll = PhonePoll { question: "?".into(), options: vec!["yes".into(), "no".into()], choices: 1 };
    let theirs = cast.bob_says(&chat, Say::Poll(poll)).await;
    cast.bob_sees(&ours).await;
    shown(&cast.carol, theirs.info.id.as_str()).await;
    let companion = cast.stage.start(cast.companion.stop().await);
    companion.online().await;
    let vote = |id: &str| Say::Vote { id: id.to_owned(), choices: vec!["no".into()] };
    assert_eq!(chosen(&said(&companion, &cast.bob, &chat.to_string(), vote(&ours)).await), ["no"]);
    let companion = cast.stage.start(companion.crash().await);
    companion.online().await;
    let about_theirs = vote(theirs.info.id.as_str());
    assert_eq!(chosen(&said(&companion, &cast.carol, &chat.to_string(), about_theirs).await), ["no"]);
}

/// Keeps what an embedder is told, and tells it again.
#[derive(Default)]
struct Keeper(Mutex<HashMap<String, ReceivedContent>>);

#[async_trait]
impl ReceivedMessages for Keeper {
    async fn is_recorded(&self, message: &MessageInfo) -> bool {
        self.0.lock().contains_key(message.id.as_str())
    }

    async fn content(&self, _chat: &Jid, id: &str) -> Option<ReceivedContent> {
        self.0.lock().get(id).cloned()
    }
}

#[tokio::test(start_paused = true)]
async fn edits_and_reactions_that_are_encrypted_with_a_secret_read_like_others() {
    let cast = Cast::new().await;
    let keeper = Arc::new(Keeper::default());
    let second = cast.stage.start_with(Store::memory(), |it| it.received_messages(keeper.clone()));
    second.pair(&cast.alice).await;
    for chat in cast.chats() {
        let to = cast.address(&chat);
        let first = said(&second, &cast.bob, &to, Say::Text("First".into())).await;
        let author = first.info.sender.to_user();
        let kept = ReceivedContent { message: first.content.raw().clone(), author };
        keeper.0.lock().insert(first.info.id.to_string(), kept);
        let id = first.info.id.to_string();
        let edit = Say::Edit { id: id.clone(), text: "Second".into(), sealed: true };
        let edit = said(&second, &cast.bob, &to, edit).await;
        let react = Say::React { id: id.clone(), emoji: "👍".into(), sealed: true };
        let reaction = said(&second, &cast.bob, &to, react).await;
        for (message, kind, text) in [(&edit, Kind::Edit, "Second"), (&reaction, Kind::Reaction, "👍")] {
            let view = message.content.view();
            assert_eq!((view.kind(), view.text()), (kind, Some(text)));
            assert_eq!(view.target().map(|target| target.id), Some(id.as_str()));
        }
        // Who doesn't keep what was said is told that something was.
        let unread = told(&cast.companion, edit.info.id.as_str()).await;
        assert_eq!((unread.content.view().kind(), unread.text()), (Kind::Edit, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_a_group_disappears_as_the_group_says() {
    let cast = Cast::new().await;
    let group = cast.group(Addressing::Lid);
    let client = &cast.companion.client;
    let stays = cast.bob_sees(&cast.send(&group, Draft::text("stays")).await).await;
    assert_eq!(stays.expiration, None);
    client.change_group(&group, GroupChange::Expiration(DAY)).await.unwrap();
    let goes = cast.bob_sees(&cast.send(&group, Draft::text("disappears")).await).await;
    assert_eq!(goes.expiration, Some(DAY));
    client.change_group(&group, GroupChange::Expiration(0)).await.unwrap();
    let stays = cast.bob_sees(&cast.send(&group, Draft::text("stays again")).await).await;
    assert_eq!(stays.expiration, None);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_we_set_is_kept_to_at_once() {
    let cast = Cast::new().await;
    let chat = cast.bob.jid();
    cast.send(&chat, Draft::timer(DAY, milliseconds() / 1000)).await;
    let entry = cast.bob_sees(&cast.send(&chat, Draft::text("disappears")).await).await;
    assert_eq!(entry.expiration, Some(DAY));
    let reply = cast.bob_says(&chat, Say::Text("so does this".into())).await;
    assert_eq!(View::of(reply.content.message()).expiration(), Some(DAY));
}
