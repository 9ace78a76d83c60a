use serde::{Deserialize, Serialize};
use services::{GroupSettings, MadeGroup, MemberAction, NewGroup};
use storage::Timestamp;
use utoipa::ToSchema;
use wa_client::{Group, GroupKind, Jid, JoinRequest, Joined, Member, NotReached, Picture, Rank};

use super::time::Time;
use crate::forms::{GroupDescription, GroupJid, GroupName, Jpeg, Members, SomeMembers, Timer};

/// `POST /api/whatsapp/{id}/groups`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct NewGroupRequest {
    /// What it is called.
    #[schema(value_type = GroupName)]
    name: String,
    /// Phone numbers or JIDs of the others in it.
    #[serde(default)]
    #[schema(value_type = Members)]
    participants: Vec<String>,
    #[schema(value_type = Option<GroupDescription>)]
    description: Option<String>,
    /// JID of the community that it is in.
    #[schema(value_type = Option<GroupJid>)]
    community: Option<String>,
}

impl From<NewGroupRequest> for NewGroup {
    fn from(request: NewGroupRequest) -> Self {
        let NewGroupRequest { name, participants, description, community } = request;
        Self { subject: name, participants, description, community }
    }
}

/// `PUT /api/whatsapp/{id}/groups/{group}`: what isn't named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct GroupRequest {
    /// What it is called.
    #[schema(value_type = Option<GroupName>)]
    name: Option<String>,
    /// What it is about; empty takes it away.
    #[schema(value_type = Option<GroupDescription>)]
    description: Option<String>,
    /// Whether only administrators write.
    announcement: Option<bool>,
    /// Whether only administrators change name, description and timer.
    locked: Option<bool>,
    /// Whether administrators let in who comes by the invite link.
    approval: Option<bool>,
    /// Whether every member may add others.
    all_add: Option<bool>,
    /// How long messages are kept, in seconds: 0 (for ever), 86400, 604800 or 7776000.
    #[schema(value_type = Option<Timer>)]
    expiration: Option<u32>,
}

impl From<GroupRequest> for GroupSettings {
    fn from(request: GroupRequest) -> Self {
        let GroupRequest { name, description, announcement, locked, approval, all_add, expiration } = request;
        let description = description.map(|text| Some(text).filter(|text| !text.is_empty()));
        Self { subject: name, description, announcement, locked, approval, all_add, expiration }
    }
}

/// `POST /api/whatsapp/{id}/groups/{group}/participants`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParticipantsRequest {
    pub(crate) action: ActionRequest,
    /// Phone numbers or JIDs.
    #[schema(value_type = SomeMembers)]
    pub(crate) participants: Vec<String>,
}

/// What is done to members, or to those who ask to become ones.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionRequest {
    Add,
    Remove,
    Promote,
    Demote,
    Approve,
    Reject,
}

impl From<ActionRequest> for MemberAction {
    fn from(action: ActionRequest) -> Self {
        match action {
            ActionRequest::Add => Self::Add,
            ActionRequest::Remove => Self::Remove,
            ActionRequest::Promote => Self::Promote,
            ActionRequest::Demote => Self::Demote,
            ActionRequest::Approve => Self::Approve,
            ActionRequest::Reject => Self::Reject,
        }
    }
}

/// `PUT …/picture`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PictureRequest {
    /// A JPEG of at most 512 KiB, as base64.
    #[schema(value_type = Jpeg)]
    pub(crate) picture: String,
}

/// A group as WhatsApp shows it now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupResponse {
    /// Its JID: the `phone` of what is sent to it.
    id: String,
    /// `group`, `community` (nobody writes there), or `announcements`: the group of a community that all are in.
    kind: &'static str,
    /// JID of the community that it is in.
    community: Option<String>,
    name: String,
    description: Option<String>,
    created_at: Time,
    /// JID of who made it, where it is known.
    creator: Option<String>,
    /// Whether it names its members by number (`pn`) or by LID (`lid`).
    addressing: &'static str,
    announcement: bool,
    locked: bool,
    approval: bool,
    all_add: bool,
    /// Seconds for which messages are kept; 0 is for ever.
    expiration: u32,
    participants: Vec<ParticipantResponse>,
}

#[derive(Serialize, ToSchema)]
struct ParticipantResponse {
    /// By number, where that is known; else as the group names them.
    jid: String,
    /// By phone number, where it is known.
    pn: Option<String>,
    /// By LID, where it is known.
    lid: Option<String>,
    /// `member`, `admin` or `superadmin`.
    rank: &'static str,
}

impl From<Group> for GroupResponse {
    fn from(group: Group) -> Self {
        let creator = group.creator.map(|creator| {
            let known = group.members.iter().find(|member| member.is(&creator));
            known.and_then(|member| member.pn.clone()).unwrap_or(creator).to_string()
        });
        Self {
            id: group.jid.to_string(),
            kind: match group.kind {
                GroupKind::Community => "community",
                GroupKind::Announcements(_) => "announcements",
                GroupKind::Single | GroupKind::InCommunity(_) => "group",
            },
            community: group.kind.community().map(Jid::to_string),
            name: group.subject,
            description: group.description.map(|description| description.text),
            created_at: Timestamp::from_seconds(group.created_at).into(),
            creator,
            addressing: match group.addressing {
                wa_client::GroupAddressing::Pn => "pn",
                wa_client::GroupAddressing::Lid => "lid",
            },
            announcement: group.is_announcement,
            locked: group.is_locked,
            approval: group.needs_approval,
            all_add: group.all_add,
            expiration: group.expiration,
            participants: group.members.into_iter().map(ParticipantResponse::from).collect(),
        }
    }
}

impl From<Member> for ParticipantResponse {
    fn from(member: Member) -> Self {
        let text = |jid: Jid| jid.to_string();
        Self {
            jid: text(member.pn.clone().unwrap_or(member.jid)),
            pn: member.pn.map(text),
            lid: member.lid.map(text),
            rank: match member.rank {
                Rank::Member => "member",
                Rank::Admin => "admin",
                Rank::Superadmin => "superadmin",
            },
        }
    }
}

/// A group that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MadeGroupResponse {
    #[serde(flatten)]
    group: GroupResponse,
    /// JIDs of those who were asked for and could not be added.
    not_added: Vec<String>,
}

impl From<MadeGroup> for MadeGroupResponse {
    fn from(made: MadeGroup) -> Self {
        let not_added = made.not_added.iter().map(Jid::to_string).collect();
        Self { group: made.group.into(), not_added }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct GroupsResponse {
    groups: Vec<GroupResponse>,
}

impl From<Vec<Group>> for GroupsResponse {
    fn from(groups: Vec<Group>) -> Self {
        Self { groups: groups.into_iter().map(GroupResponse::from).collect() }
    }
}

/// What a change of members came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParticipantsResponse {
    success: bool,
    /// Those whom it did not reach.
    not_reached: Vec<NotReachedResponse>,
}

#[derive(Serialize, ToSchema)]
struct NotReachedResponse {
    jid: String,
    /// WhatsApp's code: 403 they let nobody add them, 404 there is no such account or member, 408 they left lately, 409
    /// they are in it already, 419 it is full.
    code: u32,
}

impl From<Vec<NotReached>> for ParticipantsResponse {
    fn from(missed: Vec<NotReached>) -> Self {
        let one = |missed: NotReached| NotReachedResponse { jid: missed.user.to_string(), code: missed.code };
        Self { success: missed.is_empty(), not_reached: missed.into_iter().map(one).collect() }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct JoinRequestsResponse {
    requests: Vec<JoinRequestResponse>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JoinRequestResponse {
    jid: String,
    requested_at: Time,
}

impl From<Vec<JoinRequest>> for JoinRequestsResponse {
    fn from(requests: Vec<JoinRequest>) -> Self {
        let one = |request: JoinRequest| JoinRequestResponse {
            jid: request.user.to_string(),
            requested_at: Timestamp::from_seconds(request.at).into(),
        };
        Self { requests: requests.into_iter().map(one).collect() }
    }
}

/// An invite link.
#[derive(Serialize, ToSchema)]
pub(crate) struct InviteResponse {
    code: String,
    link: String,
}

impl From<String> for InviteResponse {
    fn from(code: String) -> Self {
        Self { link: format!("https://chat.whatsapp.com/{code}"), code }
    }
}

/// What became of following an invite link.
#[derive(Serialize, ToSchema)]
pub(crate) struct JoinedResponse {
    /// The group's JID.
    group: String,
    /// `member`, or `asked` where its administrators decide.
    status: &'static str,
}

impl From<Joined> for JoinedResponse {
    fn from(joined: Joined) -> Self {
        let (group, status) = match joined {
            Joined::Member(group) => (group, "member"),
            Joined::Asked(group) => (group, "asked"),
        };
        Self { group: group.to_string(), status }
    }
}

/// Where a picture can be fetched for some time.
#[derive(Serialize, ToSchema)]
pub(crate) struct PictureResponse {
    /// WhatsApp's id of it; `null` where there is none to be seen.
    id: Option<String>,
    url: Option<String>,
}

impl From<Option<Picture>> for PictureResponse {
    fn from(picture: Option<Picture>) -> Self {
        let (id, url) = picture.map(|picture| (picture.id, picture.url)).unzip();
        Self { id, url }
    }
}

/// A picture that was set.
#[derive(Serialize, ToSchema)]
pub(crate) struct PictureSetResponse {
    success: bool,
    /// WhatsApp's id of it.
    id: Option<String>,
}

impl From<Option<String>> for PictureSetResponse {
    fn from(id: Option<String>) -> Self {
        Self { success: true, id }
    }
}
