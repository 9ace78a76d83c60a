//! A group as large as groups get.

use std::time::Duration;

use tokio::time::Instant;
use wa_client::{Jid, Outgoing};
use wa_simulator::{Addressing, Fault, FaultKind, InboxEntry, Phone};

use crate::stage::{Companion, Stage, patiently};

/// Members beside the account itself.
const OTHERS: u64 = 999;

/// Alice with a companion, and a group of her and a crowd.
struct Crowd {
    stage: Stage,
    companion: Companion,
    others: Vec<Phone>,
    group: Jid,
}

impl Crowd {
    async fn new() -> Self {
        let stage = Stage::undisturbed().await;
        let alice = stage.phone("15550000001");
        let companion = stage.companion(&alice).await;
        let others = stage.sim.create_phones("16660000000", OTHERS).unwrap();
        let numbers: Vec<_> = others.iter().map(|phone| phone.number().to_owned()).collect();
        let group = alice.create_group("Crowd", &numbers, Addressing::Lid).unwrap().parse().unwrap();
        Self { stage, companion, others, group }
    }

    /// How many requests the companion has made that contain this.
    fn asked(&self, what: &str) -> usize {
        let trace = self.stage.sim.trace(None);
        trace.iter().filter(|entry| entry.xml.starts_with("<iq ") && entry.xml.contains(what)).count()
    }

    /// How many messages to the group contain this.
    fn written(&self, what: &str) -> usize {
        let to = format!("to=\"{}\"", self.group);
        let is_it = |xml: &str| xml.starts_with("<message ") && xml.contains(&to) && xml.contains(what);
        self.stage.sim.trace(None).iter().filter(|entry| is_it(&entry.xml)).count()
    }

    /// Waits until everybody has read these texts in the group, and nothing else there.
    async fn all_have(&self, texts: &[&str]) {
        let chat = self.group.to_string();
        let is_here = |entry: &&InboxEntry| entry.chat == chat;
        let is_complete = |entries: &[InboxEntry]| entries.iter().filter(is_here).count() >= texts.len();
        for phone in &self.others {
            let inbox = phone.wait_for_inbox(is_complete).await;
            let here = inbox.iter().filter(is_here);
            let read: Vec<_> = here.map(|entry| entry.text.as_deref().unwrap()).collect();
            assert_eq!(read, texts);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_asked_about_once_gets_the_key_once_and_nobody_else_waits() {
    let crowd = Crowd::new().await;
    let friend = &crowd.others[0];
    crowd.companion.send(friend.jid(), "just you").await;
    let asked_before = crowd.asked("xmlns=\"usync\"");
    // The question about the devices of all is lost, so that the message to them takes its time.
    let silence = FaultKind::IqSilence { xmlns: Some("usync".into()), child: None };
    crowd.stage.sim.add_fault(Fault::new(silence).number("15550000001")).unwrap();
    let began = Instant::now();
    let (client, group) = (crowd.companion.client.clone(), crowd.group.clone());
    let first = tokio::spawn(async move {
        let sent = client.send(Outgoing::text(group, "first")).await;
        (sent, Instant::now())
    });
    crowd.companion.send(friend.jid(), "you again").await;
    let beside = began.elapsed();
    let (sent, at) = patiently(first).await.unwrap();
    assert!(beside < Duration::from_secs(1) && at - began >= Duration::from_secs(20), "{beside:?}");
    let reached = sent.unwrap().devices;
    assert_eq!((reached.reached, reached.failed), (1_000, 0), "Alice's phone, and all others");
    // Once more, since the first was lost.
    assert_eq!(crowd.asked("xmlns=\"usync\"") - asked_before, 2);
    crowd.all_have(&["first"]).await;

    // One of them loses its keys.
    let damaged = Fault::new(FaultKind::Undecryptable).number(crowd.others[500].number());
    crowd.stage.sim.add_fault(Fault { device: Some(0), ..damaged }).unwrap();
    crowd.companion.send(crowd.group.clone(), "second").await;
    crowd.all_have(&["first", "second"]).await;
    crowd.companion.send(crowd.group.clone(), "third").await;
    crowd.all_have(&["first", "second", "third"]).await;
    let unread: Vec<_> = crowd.others.iter().map(Phone::undecryptable).collect();
    assert_eq!((unread[500], unread.iter().sum::<u64>()), (1, 1));
    assert_eq!(crowd.asked("xmlns=\"usync\"") - asked_before, 2, "nobody is asked about again");
    let again = crowd.written("participant=\"");
    assert_eq!(
        (crowd.written("<participants>"), again),
        (1, 1),
        "the key, to all and to the one that lost it"
    );
}
