//! Newsletters: made, followed, posted to, read (PROTOCOL.md 24).

use std::time::Duration;

use wa_binary::Node;
use wa_client::content::Draft;
use wa_client::{
    Event, Jid, NewsletterNews, NewsletterPost, NewsletterRole, Outgoing, RequestError, SendError,
};
use wa_simulator::{Fault, FaultKind, Phone};

use crate::puppet::Puppet;
use crate::stage::{Companion, NOW, Stage, nothing_waits, patiently, texts_of};

/// Alice with a companion, and Bob, who runs a newsletter.
struct Audience {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    companion: Companion,
    newsletter: Jid,
}

impl Audience {
    async fn new() -> Self {
        let stage = Stage::undisturbed().await;
        let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let companion = stage.companion(&alice).await;
        let newsletter = bob.create_newsletter("Tea").parse().unwrap();
        Self { stage, alice, bob, companion, newsletter }
    }

    fn name(&self) -> String {
        self.newsletter.to_string()
    }
}

fn texts(posts: &[NewsletterPost]) -> Vec<String> {
    let text = |post: &NewsletterPost| post.content.as_ref()?.view().text().map(str::to_owned);
    posts.iter().filter_map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_newsletter_is_found_followed_and_left() {
    let audience = Audience::new().await;
    let client = &audience.companion.client;
    let second = audience.stage.companion(&audience.alice).await;
    let found = client.newsletter(&audience.newsletter).await.unwrap();
    assert_eq!((found.name.as_str(), found.role, found.subscribers), ("Tea", NewsletterRole::Guest, Some(0)));
    let by_link = client.newsletter_of_link(found.invite.as_deref().unwrap()).await.unwrap();
    assert_eq!(by_link, found);
    assert!(client.newsletters().await.unwrap().is_empty());
    client.follow_newsletter(&audience.newsletter, true).await.unwrap();
    let mine = client.newsletters().await.unwrap();
    assert_eq!((mine.len(), mine[0].role, mine[0].subscribers), (1, NewsletterRole::Subscriber, Some(1)));
    client.follow_newsletter(&audience.newsletter, false).await.unwrap();
    assert!(client.newsletters().await.unwrap().is_empty());
    // The account's other devices are told.
    let told = |events: &[Event]| {
        let news = events.iter().filter_map(|event| match event {
            Event::Newsletter(update) => Some((update.newsletter.clone(), update.what.clone())),
            _ => None,
        });
        news.collect::<Vec<_>>()
    };
    let events = second.diary.wait_for(|events| told(events).len() == 2).await;
    match &told(&events)[..] {
        [(first, NewsletterNews::Followed(followed)), (_, NewsletterNews::Unfollowed)] => {
            assert_eq!((first, followed.name.as_str()), (&audience.newsletter, "Tea"));
        }
        other => panic!("{other:?}"),
    }
    assert!(told(&audience.companion.diary.events()).is_empty());
    let nowhere = client.newsletter(&"1@newsletter".parse().unwrap()).await;
    assert!(matches!(nowhere, Err(RequestError::Refused { code: 404, .. })), "{nowhere:?}");
    let group = client.newsletter(&Jid::group("1")).await;
    assert!(matches!(group, Err(RequestError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn what_is_posted_is_told_and_can_be_fetched() {
    let audience = Audience::new().await;
    let client = &audience.companion.client;
    for number in 1..=3 {
        audience.bob.post_in_newsletter(&audience.name(), &format!("before {number}")).unwrap();
    }
    client.follow_newsletter(&audience.newsletter, true).await.unwrap();
    let (id, server_id) = audience.bob.post_in_newsletter(&audience.name(), "now").unwrap();
    let messages = audience.companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["now"]);
    let info = &messages[0].info;
    assert_eq!((info.id.as_str(), info.server_id, info.from_me), (id.as_str(), Some(server_id), false));
    assert_eq!((&info.chat, &info.sender), (&audience.newsletter, &audience.newsletter));
    nothing_waits(&audience.alice).await;
    let all = client.newsletter_posts(&audience.newsletter, 100, None).await.unwrap();
    assert_eq!(texts(&all), ["before 1", "before 2", "before 3", "now"]);
    let page = client.newsletter_posts(&audience.newsletter, 2, Some(server_id)).await.unwrap();
    assert_eq!(texts(&page), ["before 2", "before 3"]);
    let wrong = client.newsletter_posts(&audience.newsletter, 0, None).await;
    assert!(matches!(wrong, Err(RequestError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn a_newsletter_is_made_and_posted_to() {
    let audience = Audience::new().await;
    let client = &audience.companion.client;
    let second = audience.stage.companion(&audience.alice).await;
    let made = client.create_newsletter("News of tea", Some("About tea")).await.unwrap();
    assert_eq!((made.role, made.description.as_deref()), (NewsletterRole::Owner, Some("About tea")));
    audience.bob.follow_newsletter(&made.jid.to_string(), true).unwrap();
    let id = audience.companion.send(made.jid.clone(), "the first leaf").await;
    let posts = audience.bob.newsletter_posts(&made.jid.to_string()).unwrap();
    assert_eq!((posts[0].id.as_str(), posts[0].text.as_deref()), (id.as_str(), Some("the first leaf")));
    // The account's other devices get it as its own, the sending one doesn't.
    let messages = second.diary.messages(1).await;
    assert_eq!((texts_of(&messages), messages[0].info.from_me), (vec!["the first leaf".to_owned()], true));
    assert!(audience.companion.diary.events().iter().all(|event| !matches!(event, Event::Message(_))));
    // Nothing of it is encrypted.
    assert!(audience.stage.seen("<plaintext>") > 0);
    let refused = client.send(Outgoing::text(audience.newsletter.clone(), "not mine")).await;
    assert_eq!(refused, Err(SendError::Refused { code: 403 }));
    let nowhere = client.send(Outgoing::text("1@newsletter".parse().unwrap(), "x")).await;
    assert_eq!(nowhere, Err(SendError::Refused { code: 404 }));
    let poll = Draft::poll("Tea?", ["yes", "no"], 1).unwrap();
    let unsupported = client.send(Outgoing::new(made.jid, poll)).await;
    assert_eq!(unsupported, Err(SendError::UnsupportedRecipient { server: "newsletter".into() }));
    for (name, description) in [(" ", None), ("x", Some("y".repeat(2_049)))] {
        let wrong = client.create_newsletter(name, description.as_deref()).await;
        assert!(matches!(wrong, Err(RequestError::Invalid(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn views_and_reactions_are_told_for_a_while_and_emojis_put() {
    let audience = Audience::new().await;
    let client = &audience.companion.client;
    client.follow_newsletter(&audience.newsletter, true).await.unwrap();
    let (_, server_id) = audience.bob.post_in_newsletter(&audience.name(), "tea").unwrap();
    assert_eq!(client.watch_newsletter(&audience.newsletter).await, Ok(Duration::from_secs(300)));
    client.react_to_post(&audience.newsletter, server_id, "👍").await.unwrap();
    audience.bob.view_in_newsletter(&audience.name(), server_id).unwrap();
    let counted = |events: &[Event]| {
        let last = events.iter().rev().find_map(|event| match event {
            Event::Newsletter(update) => match &update.what {
                NewsletterNews::Counted(posts) => posts.first().cloned(),
                _ => None,
            },
            _ => None,
        });
        last.map(|post| (post.server_id, post.views, post.reactions))
    };
    let wanted = Some((server_id, Some(1), vec![("👍".to_owned(), 1)]));
    audience.companion.diary.wait_for(|events| counted(events) == wanted).await;
    client.react_to_post(&audience.newsletter, server_id, "").await.unwrap();
    let wanted = Some((server_id, Some(1), Vec::new()));
    audience.companion.diary.wait_for(|events| counted(events) == wanted).await;
    nothing_waits(&audience.alice).await;
    let nothing = client.react_to_post(&audience.newsletter, 99, "👍").await;
    assert!(matches!(nothing, Err(RequestError::Refused { code: 404, .. })), "{nothing:?}");
    client.follow_newsletter(&audience.newsletter, false).await.unwrap();
    let guest = client.react_to_post(&audience.newsletter, server_id, "👍").await;
    assert!(matches!(guest, Err(RequestError::Refused { code: 403, .. })), "{guest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_not_recorded_comes_again() {
    let audience = Audience::new().await;
    audience.companion.client.follow_newsletter(&audience.newsletter, true).await.unwrap();
    audience.companion.diary.refuse_messages(1);
    audience.bob.post_in_newsletter(&audience.name(), "tea").unwrap();
    assert_eq!(audience.companion.diary.texts(1).await, ["tea"]);
    assert_eq!(audience.companion.diary.refused(), 1);
    nothing_waits(&audience.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_or_says_something_else_is_no_panic() {
    let audience = Audience::new().await;
    let client = &audience.companion.client;
    let fault = FaultKind::IqError { xmlns: Some("w:mex".into()), child: None, code: 500, text: "x".into() };
    audience.stage.sim.add_fault(Fault::new(fault).number(audience.alice.number())).unwrap();
    let refused = client.newsletters().await;
    assert!(matches!(refused, Err(RequestError::Refused { code: 500, .. })), "{refused:?}");
    let (mut puppet, client, diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    let newsletter: Jid = "120363001@newsletter".parse().unwrap();
    for (number, child) in
        [Node::new("plaintext"), Node::new("plaintext").with_bytes(vec![0xff; 40]), Node::new("other")]
            .into_iter()
            .enumerate()
    {
        let post = Node::new("message").attr("from", &newsletter).attr("id", format!("{number}"));
        line.say(&post.attr("t", NOW).attr("type", "text").child(child)).await.unwrap();
        let ack = loop {
            let node = patiently(line.hear()).await.expect("the client stays");
            if node.is("ack") {
                break node;
            }
        };
        assert_eq!(ack.attrs.text("error"), None, "{ack}");
    }
    let news = Node::new("notification").attr("from", &newsletter).attr("type", "newsletter").attr("id", "9");
    line.say(&news.attr("t", NOW).child(Node::new("live_updates"))).await.unwrap();
    assert!(line.is_alive().await);
    let is_told = |event: &&Event| matches!(event, Event::Message(_) | Event::Undecryptable(_));
    assert_eq!(diary.events().iter().filter(is_told).count(), 3);
    client.stop().await;
}
