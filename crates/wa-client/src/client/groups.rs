//! Groups: what a client asks about them, and changes.

use wa_binary::Jid;

use super::Client;
use crate::command::{Command, GroupAnswer, GroupRequest};
use crate::group::{Group, GroupChange, JoinRequest, Joined, NotReached};
use crate::iq;
use crate::request::{Person, RequestError};

/// Longest subject that WhatsApp takes, in characters.
const MAX_SUBJECT: usize = 100;
/// What the server says of somebody who has no account.
const NO_ACCOUNT: u32 = 404;

impl Client {
    /// A group with its members, as the server shows it now.
    ///
    /// # Errors
    /// `Refused` by the server: 403 the account isn't in the group, 404 there is no such group.
    pub async fn group(&self, group: &Jid) -> Result<Group, RequestError> {
        self.one_group(GroupRequest::Show(in_group(group)?)).await
    }

    /// All groups that the account is in, with their members.
    pub async fn groups(&self) -> Result<Vec<Group>, RequestError> {
        match self.about_groups(GroupRequest::List).await? {
            GroupAnswer::Groups(groups) => Ok(groups),
            _ => Err(unexpected()),
        }
    }

    /// Makes a group of the account and these people (by phone number or LID). Who could not be added isn't among the
    /// members of what comes back.
    ///
    /// # Errors
    /// `Invalid` for a subject that WhatsApp won't take.
    pub async fn create_group(&self, subject: &str, members: &[Jid]) -> Result<Group, RequestError> {
        check_subject(subject)?;
        let (members, _) = self.found(members).await?;
        let request = GroupRequest::Create { subject: subject.to_owned(), members, community: None };
        self.one_group(request).await
    }

    /// Changes a group; tells those whom the change could not reach.
    ///
    /// # Errors
    /// `Refused` by the server: 403 the account may not, 404 there is no such group, 409 it was changed meanwhile.
    pub async fn change_group(
        &self,
        group: &Jid,
        mut change: GroupChange,
    ) -> Result<Vec<NotReached>, RequestError> {
        let group = in_group(group)?;
        if let GroupChange::Subject(subject) = &change {
            check_subject(subject)?;
        }
        let mut not_reached = Vec::new();
        if let Some(people) = change.people() {
            (*people, not_reached) = self.found(people).await?;
            if people.is_empty() {
                return Ok(not_reached);
            }
        }
        match self.about_groups(GroupRequest::Change(group, change)).await? {
            GroupAnswer::Changed(refused) => not_reached.extend(refused),
            _ => return Err(unexpected()),
        }
        Ok(not_reached)
    }

    /// People as the server calls them, each once, and those who have no account. Who was given by number is called by
    /// number, and by LID who was given by LID.
    pub(super) async fn found(&self, people: &[Jid]) -> Result<(Vec<Jid>, Vec<NotReached>), RequestError> {
        let (mut found, mut nobody) = (Vec::with_capacity(people.len()), Vec::new());
        for (asked, person) in people.iter().zip(self.who_are(people).await?) {
            let address = |Person { pn, lid }| if asked.is_pn() { pn.or(lid) } else { lid.or(pn) };
            match person.and_then(address) {
                Some(address) if found.contains(&address) => {}
                Some(address) => found.push(address),
                None => nobody.push(NotReached { user: asked.clone(), code: NO_ACCOUNT }),
            }
        }
        Ok((found, nobody))
    }

    /// Who asks to be let into a group.
    ///
    /// # Errors
    /// `Refused` by the server: 403 only administrators may see it.
    pub async fn join_requests(&self, group: &Jid) -> Result<Vec<JoinRequest>, RequestError> {
        iq::group::read_requests(&self.iq(iq::group::requests(&in_group(group)?)).await?)
    }

    /// The code of a group's invite link, `https://chat.whatsapp.com/<code>`; with `reset` of a new one, and the present
    /// one leads nowhere any more.
    ///
    /// # Errors
    /// `Refused` by the server: 401 only administrators may, 403 the account isn't in the group.
    pub async fn group_invite(&self, group: &Jid, reset: bool) -> Result<String, RequestError> {
        match self.about_groups(GroupRequest::Invite { group: in_group(group)?, reset }).await? {
            GroupAnswer::Code(code) => Ok(code),
            _ => Err(unexpected()),
        }
    }

    /// The group that an invite link leads to, by its code; without its members.
    ///
    /// # Errors
    /// `Refused` by the server: 406 there is no such link, 410 it leads nowhere any more.
    pub async fn invited_group(&self, code: &str) -> Result<Group, RequestError> {
        self.one_group(GroupRequest::Look(code.to_owned())).await
    }

    /// Comes into a group by the code of its invite link, or asks its administrators to be let in.
    ///
    /// # Errors
    /// `Refused` by the server as for [`Self::invited_group`]; 409 the account is in the group already, 419 it is full.
    pub async fn join_group(&self, code: &str) -> Result<Joined, RequestError> {
        match self.about_groups(GroupRequest::Join(code.to_owned())).await? {
            GroupAnswer::Joined(joined) => Ok(joined),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn one_group(&self, request: GroupRequest) -> Result<Group, RequestError> {
        match self.about_groups(request).await? {
            GroupAnswer::Group(group) => Ok(*group),
            _ => Err(unexpected()),
        }
    }

    async fn about_groups(&self, request: GroupRequest) -> Result<GroupAnswer, RequestError> {
        self.request(|reply| Command::Group(Box::new(request), reply)).await
    }
}

pub(super) fn in_group(group: &Jid) -> Result<Jid, RequestError> {
    if group.is_group() { Ok(group.clone()) } else { Err(RequestError::Invalid("this is no group".into())) }
}

pub(super) fn check_subject(subject: &str) -> Result<(), RequestError> {
    match subject.trim().chars().count() {
        0 => Err(RequestError::Invalid("a group has a subject".into())),
        length if length > MAX_SUBJECT => {
            Err(RequestError::Invalid(format!("a subject has at most {MAX_SUBJECT} characters")))
        }
        _ => Ok(()),
    }
}

/// Each request has one kind of answer.
fn unexpected() -> RequestError {
    RequestError::Malformed("the answer to something else".into())
}
