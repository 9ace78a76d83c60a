use serde::{Deserialize, Serialize};
use services::LinkAction;
use utoipa::ToSchema;
use wa_client::SubGroup;

use crate::forms::{GroupDescription, GroupJid, GroupName};

/// `POST /api/whatsapp/{id}/communities`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommunityRequest {
    /// What it is called.
    #[schema(value_type = GroupName)]
    pub(crate) name: String,
    #[schema(value_type = Option<GroupDescription>)]
    pub(crate) description: Option<String>,
}

/// `POST /api/whatsapp/{id}/communities/{community}/groups`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkRequest {
    pub(crate) action: LinkActionRequest,
    /// JID of a group that the account administers.
    #[schema(value_type = GroupJid)]
    pub(crate) group: String,
}

/// What is done to a group of a community.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkActionRequest {
    Link,
    Unlink,
}

impl From<LinkActionRequest> for LinkAction {
    fn from(action: LinkActionRequest) -> Self {
        match action {
            LinkActionRequest::Link => Self::Link,
            LinkActionRequest::Unlink => Self::Unlink,
        }
    }
}

/// The groups of a community.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommunityGroupsResponse {
    groups: Vec<CommunityGroupResponse>,
}

#[derive(Serialize, ToSchema)]
struct CommunityGroupResponse {
    /// Its JID.
    id: String,
    name: String,
    /// Whether it is the one for announcements, which all are in.
    announcements: bool,
}

impl From<Vec<SubGroup>> for CommunityGroupsResponse {
    fn from(groups: Vec<SubGroup>) -> Self {
        let group = |group: SubGroup| CommunityGroupResponse {
            id: group.jid.to_string(),
            name: group.subject,
            announcements: group.is_announcements,
        };
        Self { groups: groups.into_iter().map(group).collect() }
    }
}
