//! Groups: what can be asked about them, and changed.

use storage::{InstanceId, Missing};
use wa_client::{
    Client, Group, GroupChange, Jid, JoinRequest, Joined, NotReached, Person, Picture, RequestError,
};

use crate::auth::Caller;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::reach::{Reach, people, picture};

/// Most people that one call may name: the most that are in a group.
pub const MAX_MEMBERS: usize = 1_024;
/// Longest subject, in characters: WhatsApp's limit.
pub const MAX_GROUP_NAME: usize = 100;
/// Longest description, in characters: WhatsApp's limit.
pub const MAX_GROUP_DESCRIPTION: usize = 2_048;

/// A group to make.
#[derive(Clone, Default)]
pub struct NewGroup {
    /// What it is called.
    pub subject: String,
    /// Who is in it besides the account: phone numbers or JIDs.
    pub participants: Vec<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The community that it is in.
    pub community: Option<String>,
}

impl std::fmt::Debug for NewGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewGroup").field("participants", &self.participants.len()).finish_non_exhaustive()
    }
}

/// A group that was made, and those who could not be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeGroup {
    /// The group.
    pub group: Group,
    /// Those who were asked for and aren't in it.
    pub not_added: Vec<Jid>,
}

/// Settings of a group to change. What is absent stays.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GroupSettings {
    /// Another subject.
    pub subject: Option<String>,
    /// Another description; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// Whether only administrators write.
    pub announcement: Option<bool>,
    /// Whether only administrators change subject, description and timer.
    pub locked: Option<bool>,
    /// Whether administrators let in who comes by the link.
    pub approval: Option<bool>,
    /// Whether every member may add others.
    pub all_add: Option<bool>,
    /// How long messages are kept, in seconds; 0 means for ever.
    pub expiration: Option<u32>,
}

/// What is done to members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAction {
    /// They come in.
    Add,
    /// They go.
    Remove,
    /// They become administrators.
    Promote,
    /// They become plain members.
    Demote,
    /// They asked, and come in.
    Approve,
    /// They asked, and stay out.
    Reject,
}

/// Use cases about groups. Clones are the same service.
#[derive(Clone)]
pub struct GroupService {
    reach: Reach,
}

impl GroupService {
    /// A service over the instances.
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// Makes a group.
    ///
    /// # Errors
    /// `NotFound` for the instance; `NotConnected`; `Invalid` for subject, participants or description; what WhatsApp refuses.
    pub async fn create(
        &self,
        caller: &Caller,
        instance: InstanceId,
        new: NewGroup,
    ) -> Result<MadeGroup, ServiceError> {
        check(Field::Name, &new.subject, MAX_GROUP_NAME, true)?;
        if let Some(description) = &new.description {
            check(Field::Description, description, MAX_GROUP_DESCRIPTION, false)?;
        }
        let members = members(&new.participants)?;
        let community = new.community.as_deref().map(named).transpose()?;
        let client = self.reach.client(caller, instance).await?;
        let (members, mut not_added) = called(&client, members).await?;
        let made = match community {
            Some(community) => client.create_group_in(&community, &new.subject, &members).await,
            None => client.create_group(&new.subject, &members).await,
        };
        let mut group = made.map_err(refused)?;
        if let Some(description) = new.description {
            let change = GroupChange::Description(Some(description));
            client.change_group(&group.jid, change).await.map_err(refused)?;
            group = client.group(&group.jid).await.map_err(refused)?;
        }
        not_added.extend(members.into_iter().filter(|member| group.rank(member).is_none()));
        Ok(MadeGroup { group, not_added })
    }

    /// All groups that the account is in, with their members.
    ///
    /// # Errors
    /// `NotFound` for the instance; `NotConnected`.
    pub async fn list(&self, caller: &Caller, instance: InstanceId) -> Result<Vec<Group>, ServiceError> {
        self.reach.client(caller, instance).await?.groups().await.map_err(refused)
    }

    /// A group with its members, as WhatsApp shows it now.
    ///
    /// # Errors
    /// `NotFound` for the instance or the group; `NotConnected`; `Forbidden` where the account isn't in it.
    pub async fn find(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
    ) -> Result<Group, ServiceError> {
        let (client, group) = self.at(caller, instance, group).await?;
        client.group(&group).await.map_err(refused)
    }

    /// Changes settings of a group, one after the other; answers the group as it is then.
    ///
    /// # Errors
    /// As for [`Self::find`]; `Invalid` for what WhatsApp doesn't take; `Forbidden` where the account may not. What was
    /// changed before stays changed.
    pub async fn change(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
        settings: GroupSettings,
    ) -> Result<Group, ServiceError> {
        let changes = changes(settings)?;
        let (client, group) = self.at(caller, instance, group).await?;
        for change in changes {
            client.change_group(&group, change).await.map_err(refused)?;
        }
        client.group(&group).await.map_err(refused)
    }

    /// Does something to members of a group, or to those who ask to be let in; answers whom it did not reach.
    ///
    /// # Errors
    /// As for [`Self::change`].
    pub async fn members(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
        action: MemberAction,
        participants: &[String],
    ) -> Result<Vec<NotReached>, ServiceError> {
        let members = members(participants)?;
        if members.is_empty() {
            return Err(ServiceError::invalid(Field::Participants, "must name somebody"));
        }
        let (client, group) = self.at(caller, instance, group).await?;
        let change = match action {
            MemberAction::Add => GroupChange::Add(members),
            MemberAction::Remove => GroupChange::Remove(members),
            MemberAction::Promote => GroupChange::Promote(members),
            MemberAction::Demote => GroupChange::Demote(members),
            MemberAction::Approve => GroupChange::Approve(members),
            MemberAction::Reject => GroupChange::Reject(members),
        };
        client.change_group(&group, change).await.map_err(refused)
    }

    /// Who asks to be let in.
    ///
    /// # Errors
    /// As for [`Self::change`].
    pub async fn requests(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
    ) -> Result<Vec<JoinRequest>, ServiceError> {
        let (client, group) = self.at(caller, instance, group).await?;
        client.join_requests(&group).await.map_err(refused)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub async fn leave(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
    ) -> Result<(), ServiceError> {
        let (client, group) = self.at(caller, instance, group).await?;
        client.change_group(&group, GroupChange::Leave).await.map(drop).map_err(refused)
    }

    /// The code of a group's invite link, or of a new one, after which the present one leads nowhere.
    ///
    /// # Errors
    /// As for [`Self::change`].
    pub async fn invite(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
        reset: bool,
    ) -> Result<String, ServiceError> {
        let (client, group) = self.at(caller, instance, group).await?;
        client.group_invite(&group, reset).await.map_err(refused)
    }

    /// The group that an invite link leads to, by its code or the whole link.
    ///
    /// # Errors
    /// `NotFound` for the instance, or where the link leads nowhere; `NotConnected`.
    pub async fn invited(
        &self,
        caller: &Caller,
        instance: InstanceId,
        code: &str,
    ) -> Result<Group, ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        client.invited_group(code_of(code)).await.map_err(nowhere)
    }

    /// Comes into a group by its invite link, or asks its administrators.
    ///
    /// # Errors
    /// As for [`Self::invited`]; `Conflict` where the account is in it already, or it is full.
    pub async fn join(
        &self,
        caller: &Caller,
        instance: InstanceId,
        code: &str,
    ) -> Result<Joined, ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        client.join_group(code_of(code)).await.map_err(nowhere)
    }

    /// The picture of a group; `None` where it has none.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub async fn picture(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
    ) -> Result<Option<Picture>, ServiceError> {
        let (client, group) = self.at(caller, instance, group).await?;
        client.picture(&group, false).await.map_err(refused)
    }

    /// Gives a group this picture, a JPEG as base64; `None` takes it away.
    ///
    /// # Errors
    /// As for [`Self::change`].
    pub async fn set_picture(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
        jpeg: Option<&str>,
    ) -> Result<Option<String>, ServiceError> {
        let jpeg = jpeg.map(picture).transpose()?;
        let (client, group) = self.at(caller, instance, group).await?;
        let changed = client.set_group_picture(&group, jpeg.as_deref()).await;
        changed.map_err(|error| match error {
            RequestError::Invalid(why) => {
                ServiceError::invalid(Field::Jpeg, format!("can't be taken: {why}"))
            }
            error => refused(error),
        })
    }

    async fn at(
        &self,
        caller: &Caller,
        instance: InstanceId,
        group: &str,
    ) -> Result<(Client, Jid), ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        Ok((client, named(group)?))
    }
}

impl std::fmt::Debug for GroupService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupService").finish_non_exhaustive()
    }
}

/// A group, by its JID or the number in it.
pub(crate) fn named(group: &str) -> Result<Jid, ServiceError> {
    let named = if group.contains('@') { group.parse().ok() } else { Some(Jid::group(group)) };
    named.filter(Jid::is_group).ok_or(ServiceError::NotFound { what: Missing::Group })
}

fn changes(settings: GroupSettings) -> Result<Vec<GroupChange>, ServiceError> {
    let GroupSettings { subject, description, announcement, locked, approval, all_add, expiration } =
        settings;
    if let Some(subject) = &subject {
        check(Field::Name, subject, MAX_GROUP_NAME, true)?;
    }
    if let Some(Some(description)) = &description {
        check(Field::Description, description, MAX_GROUP_DESCRIPTION, false)?;
    }
    if !expiration.is_none_or(|seconds| crate::messaging::CHAT_TIMERS.contains(&seconds)) {
        return Err(ServiceError::invalid(Field::Expiration, "must be 0, 86400, 604800 or 7776000"));
    }
    let changes = [
        subject.map(GroupChange::Subject),
        description.map(GroupChange::Description),
        announcement.map(GroupChange::Announcement),
        locked.map(GroupChange::Locked),
        approval.map(GroupChange::Approval),
        all_add.map(GroupChange::AllAdd),
        expiration.map(GroupChange::Expiration),
    ];
    Ok(changes.into_iter().flatten().collect())
}

fn members(participants: &[String]) -> Result<Vec<Jid>, ServiceError> {
    if participants.len() > MAX_MEMBERS {
        let why = format!("must be at most {MAX_MEMBERS}");
        return Err(ServiceError::invalid(Field::Participants, why));
    }
    people(participants, Field::Participants)
}

/// These people as WhatsApp calls them, and those who have no account.
async fn called(client: &Client, people: Vec<Jid>) -> Result<(Vec<Jid>, Vec<Jid>), ServiceError> {
    let (mut found, mut nobody) = (Vec::with_capacity(people.len()), Vec::new());
    for (asked, person) in people.iter().zip(client.who_are(&people).await.map_err(refused)?) {
        match person {
            Some(Person { pn: Some(pn), .. }) if asked.is_pn() => found.push(pn),
            Some(_) => found.push(asked.clone()),
            None => nobody.push(asked.clone()),
        }
    }
    Ok((found, nobody))
}

pub(crate) fn check(field: Field, text: &str, most: usize, is_needed: bool) -> Result<(), ServiceError> {
    if is_needed && crate::text::is_blank(text) {
        return Err(ServiceError::invalid(field, "must not be empty"));
    }
    if text.chars().count() > most {
        return Err(ServiceError::invalid(field, format!("must have at most {most} characters")));
    }
    Ok(())
}

/// The code in `https://chat.whatsapp.com/<code>`.
fn code_of(link: &str) -> &str {
    let code = link.trim().rsplit('/').next().unwrap_or_default();
    code.split('?').next().unwrap_or_default()
}

/// What WhatsApp says about a group that it doesn't change or show (PROTOCOL.md 23).
pub(crate) fn refused(error: RequestError) -> ServiceError {
    match error {
        RequestError::Refused { code: 404, .. } => ServiceError::NotFound { what: Missing::Group },
        RequestError::Refused { code: 401 | 403, .. } => ServiceError::Forbidden {
            message: "the account isn't in the group, or not one of its administrators",
        },
        RequestError::Refused { code: 409, .. } => conflict("it is so already, or was changed meanwhile"),
        RequestError::Refused { code: 419, .. } => conflict("the group is full"),
        error => ServiceError::request(error),
    }
}

fn nowhere(error: RequestError) -> ServiceError {
    match error {
        RequestError::Refused { code: 406 | 410, .. } => ServiceError::NotFound { what: Missing::Invite },
        RequestError::Refused { code: 409, .. } => conflict("the account is in the group already"),
        error => refused(error),
    }
}

fn conflict(message: &str) -> ServiceError {
    ServiceError::Conflict { cause: ConflictCause::GroupState, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_or_its_code_names_an_invitation() {
        for link in
            ["AbC123", "https://chat.whatsapp.com/AbC123", " https://chat.whatsapp.com/AbC123?mode=ac "]
        {
            assert_eq!(code_of(link), "AbC123");
        }
    }

    #[test]
    fn what_whatsapp_says_of_a_group_has_a_kind() {
        let of = |code| refused(RequestError::Refused { code, text: String::new() });
        assert!(matches!(of(404), ServiceError::NotFound { what: Missing::Group }));
        assert!(matches!(of(403), ServiceError::Forbidden { .. }));
        assert!(matches!(of(409), ServiceError::Conflict { .. }));
        assert!(matches!(of(500), ServiceError::Refused { .. }));
        let of = |code| nowhere(RequestError::Refused { code, text: String::new() });
        assert!(matches!(of(410), ServiceError::NotFound { what: Missing::Invite }));
    }
}
