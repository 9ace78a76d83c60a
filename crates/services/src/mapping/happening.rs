//! What happens to groups, and what people show without a message.

use storage::{
    CallData, ChannelData, ChatStateData, EventData, GroupData, NewEvent, PersonData, PostFigures,
    PresenceData,
};
use wa_binary::Jid;
use wa_client::{
    CallUpdate, ChatStateUpdate, GroupNews, GroupUpdate, Member, NewsletterNews, NewsletterPost,
    NewsletterUpdate, PresenceUpdate,
};

use super::Facts;
use super::names::ChatNames;

/// Something happened to a group.
pub(super) fn group(update: &GroupUpdate, facts: &Facts) -> NewEvent {
    let mut told = GroupData {
        action: update.what.name().to_owned(),
        by: update.by_pn.as_ref().or(update.by.as_ref()).map(|jid| jid.to_user().to_string()),
        timestamp: update.timestamp,
        ..GroupData::default()
    };
    let people = match &update.what {
        GroupNews::Joined(group, reason) => {
            told.subject = Some(group.subject.clone());
            told.concerns_us = true;
            told.reason.clone_from(reason);
            &group.members
        }
        GroupNews::Added(people, reason) => {
            told.reason.clone_from(reason);
            people
        }
        GroupNews::Removed(people) | GroupNews::Promoted(people) | GroupNews::Demoted(people) => people,
        other => {
            set(&mut told, other);
            &Vec::new()
        }
    };
    told.participants = people.iter().map(person).collect();
    told.concerns_us |= told.participants.iter().any(|person| is_own(person, facts));
    let chat = ChatNames::new(&update.group, None, None).chat;
    NewEvent::new(Some(chat), EventData::GroupUpdated(told))
}

/// Something happened in a channel.
pub(super) fn channel(update: &NewsletterUpdate) -> NewEvent {
    let (action, name, posts) = match &update.what {
        NewsletterNews::Followed(newsletter) => ("followed", Some(newsletter.name.clone()), Vec::new()),
        NewsletterNews::Counted(posts) => ("counted", None, posts.iter().map(figures).collect()),
        // The client may learn of more.
        _ => ("unfollowed", None, Vec::new()),
    };
    let told = ChannelData { action: action.to_owned(), name, posts, timestamp: update.timestamp };
    let chat = ChatNames::new(&update.newsletter, None, None).chat;
    NewEvent::new(Some(chat), EventData::ChannelUpdated(told))
}

fn figures(post: &NewsletterPost) -> PostFigures {
    PostFigures {
        server_id: post.server_id,
        message_id: post.id.as_ref().map(ToString::to_string),
        views: post.views,
        reactions: post.reactions.clone(),
    }
}

/// Somebody came online, or went.
pub(super) fn presence(update: &PresenceUpdate) -> NewEvent {
    let names = ChatNames::new(&update.from, update.pn.as_ref(), update.lid.as_ref());
    let told = PresenceData { available: update.is_available, last_seen: update.last_seen };
    NewEvent::new(Some(names.chat), EventData::PresenceUpdated(told))
}

/// Somebody is about to write, or no longer.
pub(super) fn chat_state(update: &ChatStateUpdate) -> NewEvent {
    let person = ChatNames::new(&update.from, update.pn.as_ref(), update.lid.as_ref()).chat;
    let state = update.state.as_str().to_owned();
    let (chat, participant) = if update.chat.is_group() {
        (ChatNames::new(&update.chat, None, None).chat, Some(person.jid))
    } else {
        (person, None)
    };
    NewEvent::new(Some(chat), EventData::ChatState(ChatStateData { state, participant }))
}

/// Somebody calls, or a call ended.
pub(super) fn call(update: &CallUpdate) -> NewEvent {
    let (pn, lid) = (update.creator_pn.as_ref(), update.creator_lid.as_ref());
    let names = ChatNames::new(&update.creator, pn, lid);
    let told = CallData {
        call_id: update.id.clone(),
        action: update.what.clone(),
        group: update.group.as_ref().map(Jid::to_string),
        video: update.is_video,
        reason: update.reason.clone(),
        timestamp: update.timestamp,
    };
    NewEvent::new(Some(names.chat), EventData::Call(told))
}

/// What concerns the group itself.
fn set(told: &mut GroupData, news: &GroupNews) {
    match news {
        GroupNews::Subject(subject) => told.subject = Some(subject.clone()),
        GroupNews::Description(description) => told.description.clone_from(description),
        GroupNews::Announcement(is_on)
        | GroupNews::Locked(is_on)
        | GroupNews::Approval(is_on)
        | GroupNews::AllAdd(is_on) => told.enabled = Some(*is_on),
        GroupNews::Expiration(seconds) => told.expiration = Some(*seconds),
        GroupNews::Invite(code) => told.code = Some(code.clone()),
        GroupNews::Linked(relation, other) | GroupNews::Unlinked(relation, other) => {
            told.reason = Some(relation.as_str().to_owned());
            told.other_group = Some(other.jid.to_string());
        }
        GroupNews::Deleted => told.concerns_us = true,
        GroupNews::Other(what) => told.reason = Some(what.clone()),
        _ => {}
    }
}

fn person(member: &Member) -> PersonData {
    let names = ChatNames::new(&member.jid, member.pn.as_ref(), member.lid.as_ref()).chat;
    PersonData { jid: names.jid, pn: names.pn, lid: names.lid }
}

fn is_own(person: &PersonData, facts: &Facts) -> bool {
    let own = [facts.own_jid.as_deref(), facts.own_lid.as_deref()];
    let names = [person.pn.as_deref(), person.lid.as_deref()];
    own.into_iter().flatten().any(|own| names.contains(&Some(own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_is_the_chat_of_a_call() {
        let lid: Jid = "900001@lid".parse().unwrap();
        let names = ChatNames::new(&lid, Some(&Jid::pn("79001234567")), Some(&lid)).chat;
        assert_eq!(names.jid, "79001234567@s.whatsapp.net");
        let own = Facts { own_jid: Some("79001234567@s.whatsapp.net".to_owned()), ..Facts::default() };
        let person = PersonData { jid: names.jid, pn: names.pn, lid: names.lid };
        assert!(is_own(&person, &own));
        assert!(!is_own(&person, &Facts { own_jid: None, ..own }));
    }
}
