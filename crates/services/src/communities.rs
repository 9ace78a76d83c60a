//! Communities: groups that belong together. What concerns one group alone is in `groups`.

use storage::InstanceId;
use wa_client::{Group, GroupChange, SubGroup};

use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::groups::{MAX_GROUP_DESCRIPTION, MAX_GROUP_NAME, check, named, refused};
use crate::reach::Reach;

/// Use cases about communities. Clones are the same service.
#[derive(Clone)]
pub struct CommunityService {
    reach: Reach,
}

/// What is done to a group of a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// It comes in, with its members.
    Link,
    /// It stands alone from now on.
    Unlink,
}

impl CommunityService {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// Makes a community; WhatsApp adds the group for its announcements.
    ///
    /// # Errors
    /// `Invalid` for subject or description; `NotFound` for the instance; `NotConnected`.
    pub async fn create(
        &self,
        caller: &Caller,
        instance: InstanceId,
        subject: &str,
        description: Option<String>,
    ) -> Result<Group, ServiceError> {
        check(Field::Name, subject, MAX_GROUP_NAME, true)?;
        check(Field::Description, description.as_deref().unwrap_or_default(), MAX_GROUP_DESCRIPTION, false)?;
        let client = self.reach.client(caller, instance).await?;
        let community = client.create_community(subject).await.map_err(refused)?;
        let Some(description) = description else { return Ok(community) };
        let change = GroupChange::Description(Some(description));
        client.change_group(&community.jid, change).await.map_err(refused)?;
        client.group(&community.jid).await.map_err(refused)
    }

    /// The groups of a community.
    ///
    /// # Errors
    /// `NotFound` for the instance or the community; `NotConnected`; `Forbidden` where the account isn't in it.
    pub async fn groups(
        &self,
        caller: &Caller,
        instance: InstanceId,
        community: &str,
    ) -> Result<Vec<SubGroup>, ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        client.community_groups(&named(community)?).await.map_err(refused)
    }

    /// Brings a group that the account administers into a community, or takes it out.
    ///
    /// # Errors
    /// As for [`Self::groups`], also for the group; `Conflict` where it is in a community already.
    pub async fn link(
        &self,
        caller: &Caller,
        instance: InstanceId,
        community: &str,
        action: LinkAction,
        group: &str,
    ) -> Result<(), ServiceError> {
        let (community, group) = (named(community)?, named(group)?);
        let client = self.reach.client(caller, instance).await?;
        client.link_group(&community, &group, action == LinkAction::Link).await.map_err(refused)
    }
}

impl std::fmt::Debug for CommunityService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommunityService").finish_non_exhaustive()
    }
}
