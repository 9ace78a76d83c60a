//! Communities: made, and groups in them (PROTOCOL.md 23).

use wa_client::{
    Event, Group, GroupKind, GroupNews, Jid, Outgoing, Relation, RequestError, SendError, SubGroup,
};
use wa_simulator::{Addressing, Phone};

use crate::stage::{Companion, Stage, nothing_waits};

/// Alice with a companion, and Bob.
struct Club {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    companion: Companion,
}

impl Club {
    async fn new() -> Self {
        let stage = Stage::undisturbed().await;
        let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let companion = stage.companion(&alice).await;
        Self { stage, alice, bob, companion }
    }

    async fn made(&self) -> Group {
        self.companion.client.create_community("Club").await.unwrap()
    }

    async fn groups(&self, community: &Jid) -> Vec<SubGroup> {
        self.companion.client.community_groups(community).await.unwrap()
    }
}

fn announcements(groups: &[SubGroup]) -> Jid {
    groups.iter().find(|group| group.is_announcements).expect("a group for announcements").jid.clone()
}

fn links(events: &[Event]) -> Vec<(Jid, GroupNews)> {
    let link = |event: &Event| match event {
        Event::Group(update) if matches!(update.what, GroupNews::Linked(..) | GroupNews::Unlinked(..)) => {
            Some((update.group.clone(), update.what.clone()))
        }
        _ => None,
    };
    events.iter().filter_map(link).collect()
}

#[tokio::test(start_paused = true)]
async fn a_community_is_made_with_a_group_for_announcements() {
    let club = Club::new().await;
    let client = &club.companion.client;
    let community = club.made().await;
    assert_eq!((community.subject.as_str(), &community.kind), ("Club", &GroupKind::Community));
    let groups = club.groups(&community.jid).await;
    assert_eq!((groups.len(), groups[0].subject.as_str()), (1, "Club"));
    let group = client.group(&announcements(&groups)).await.unwrap();
    assert_eq!(group.kind, GroupKind::Announcements(community.jid.clone()));
    assert!(group.is_announcement);
    let mut kinds: Vec<_> = client.groups().await.unwrap().into_iter().map(|group| group.kind).collect();
    kinds.sort_by_key(|kind| kind.community().is_some());
    assert_eq!(kinds, [GroupKind::Community, GroupKind::Announcements(community.jid.clone())]);
    client.send(Outgoing::text(group.jid, "welcome")).await.unwrap();
    let refused = client.send(Outgoing::text(community.jid, "hello?")).await;
    assert_eq!(refused, Err(SendError::Refused { code: 403 }));
    let nameless = client.create_community(" ").await;
    assert!(matches!(nameless, Err(RequestError::Invalid(_))), "{nameless:?}");
}

#[tokio::test(start_paused = true)]
async fn groups_come_into_a_community_and_leave_it() {
    let club = Club::new().await;
    let client = &club.companion.client;
    let second = club.stage.companion(&club.alice).await;
    let community = club.made().await;
    let tea: Jid =
        club.alice.create_group("Tea", &[club.bob.number()], Addressing::Lid).unwrap().parse().unwrap();
    client.link_group(&community.jid, &tea, true).await.unwrap();
    let groups = club.groups(&community.jid).await;
    let mut subjects: Vec<_> = groups.iter().map(|group| group.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Club", "Tea"]);
    let kind = client.group(&tea).await.unwrap().kind;
    assert_eq!(kind, GroupKind::InCommunity(community.jid.clone()));
    // Its members are in the community from now on.
    let all = client.group(&announcements(&groups)).await.unwrap();
    assert!(all.rank(&club.bob.lid()).is_some());
    let twice = client.link_group(&community.jid, &tea, true).await;
    assert!(matches!(twice, Err(RequestError::Refused { code: 409, .. })), "{twice:?}");
    client.link_group(&community.jid, &tea, false).await.unwrap();
    assert_eq!(client.group(&tea).await.unwrap().kind, GroupKind::Single);
    let gone = client.link_group(&community.jid, &tea, false).await;
    assert!(matches!(gone, Err(RequestError::Refused { code: 404, .. })), "{gone:?}");
    // Who did it isn't told; the account's other devices are.
    let events = second.diary.wait_for(|events| links(events).len() == 4).await;
    let told: Vec<_> = links(&events)
        .into_iter()
        .map(|(of, what)| match what {
            GroupNews::Linked(relation, other) => (of, "linked", relation, other.jid),
            GroupNews::Unlinked(relation, other) => (of, "unlinked", relation, other.jid),
            other => panic!("{other:?}"),
        })
        .collect();
    for what in ["linked", "unlinked"] {
        assert!(told.contains(&(community.jid.clone(), what, Relation::InIt, tea.clone())), "{told:?}");
        assert!(told.contains(&(tea.clone(), what, Relation::Community, community.jid.clone())), "{told:?}");
    }
    assert!(links(&club.companion.diary.events()).is_empty());
    nothing_waits(&club.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_is_made_in_a_community_and_who_joins_it_hears_announcements() {
    let club = Club::new().await;
    let client = &club.companion.client;
    let community = club.made().await;
    let made = client.create_group_in(&community.jid, "Tea", &[club.bob.jid()]).await.unwrap();
    assert_eq!(made.kind, GroupKind::InCommunity(community.jid.clone()));
    let groups = club.groups(&community.jid).await;
    assert_eq!(groups.len(), 2);
    let all = announcements(&groups);
    club.companion.send(all.clone(), "welcome").await;
    club.bob.wait_for_inbox(|entries| entries.iter().any(|entry| entry.chat == all.to_string())).await;
    // Who isn't in a community learns nothing of it, and who doesn't run it changes nothing.
    let others = club.bob.create_community("Other").unwrap();
    let others: Jid = others.parse().unwrap();
    for refused in [
        client.community_groups(&others).await.map(drop),
        client.create_group_in(&others, "x", &[]).await.map(drop),
        client.link_group(&others, &made.jid, true).await,
    ] {
        assert!(matches!(refused, Err(RequestError::Refused { code: 403, .. })), "{refused:?}");
    }
    let nowhere = client.community_groups(&Jid::group("1")).await;
    assert!(matches!(nowhere, Err(RequestError::Refused { code: 404, .. })), "{nowhere:?}");
    let person = client.community_groups(&club.bob.jid()).await;
    assert!(matches!(person, Err(RequestError::Invalid(_))));
}
