//! Communities: made, and groups in them.

use wa_binary::Jid;

use super::Client;
use super::groups::{check_subject, in_group};
use crate::command::GroupRequest;
use crate::group::{Group, SubGroup};
use crate::iq;
use crate::request::RequestError;

impl Client {
    /// Makes a community; WhatsApp adds the group for its announcements.
    ///
    /// # Errors
    /// `Invalid` for a subject that WhatsApp won't take.
    pub async fn create_community(&self, subject: &str) -> Result<Group, RequestError> {
        check_subject(subject)?;
        self.one_group(GroupRequest::CreateCommunity { subject: subject.to_owned() }).await
    }

    /// Makes a group in a community, as [`Self::create_group`] makes one that stands alone.
    ///
    /// # Errors
    /// As there; `Refused` by the server: 403 the account may not, 404 there is no such community.
    pub async fn create_group_in(
        &self,
        community: &Jid,
        subject: &str,
        members: &[Jid],
    ) -> Result<Group, RequestError> {
        let community = in_group(community)?;
        check_subject(subject)?;
        let (members, _) = self.found(members).await?;
        let subject = subject.to_owned();
        self.one_group(GroupRequest::Create { subject, members, community: Some(community) }).await
    }

    /// The groups of a community, that for its announcements among them.
    ///
    /// # Errors
    /// `Refused` by the server: 403 the account isn't in it, 404 there is no such community.
    pub async fn community_groups(&self, community: &Jid) -> Result<Vec<SubGroup>, RequestError> {
        iq::group::read_sub_groups(&self.iq(iq::group::sub_groups(&in_group(community)?)).await?)
    }

    /// Brings a group that the account administers into a community, or takes it out.
    ///
    /// # Errors
    /// `Refused` by the server: 403 the account may not, 404 there is no such group or community, 409 it is in one already.
    pub async fn link_group(&self, community: &Jid, group: &Jid, is_in: bool) -> Result<(), RequestError> {
        let (community, group) = (in_group(community)?, in_group(group)?);
        let request =
            if is_in { iq::group::link(&community, &group) } else { iq::group::unlink(&community, &group) };
        match iq::group::read_link_error(&self.iq(request).await?) {
            None => Ok(()),
            Some(code) => Err(RequestError::Refused { code, text: String::new() }),
        }
    }
}
