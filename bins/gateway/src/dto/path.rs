//! What stands in a path, for the description of the API. Requests are read by `extract::Subject`.
#![allow(dead_code, reason = "only described")]

use utoipa::IntoParams;

use crate::forms::{ChannelOrCode, Chat, ConsumerName, Recipient};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InstancePath {
    /// The instance's id.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The user's id.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct KeyPath {
    /// The key's id.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChatPath {
    /// The instance's id.
    id: String,
    /// A phone number, or the JID of a person, group, channel or list.
    #[param(inline, value_type = Chat)]
    chat: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MessagePath {
    /// The instance's id.
    id: String,
    /// WhatsApp's id of the message: `messageId`.
    message: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LinkPath {
    /// What the address was made with.
    token: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct QrPath {
    /// What an address was made with, or the `unique_id` of a session.
    unique_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ConsumerPath {
    /// The instance's id.
    id: String,
    /// The consumer's name.
    #[param(inline, value_type = ConsumerName)]
    name: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct WebhookPath {
    /// The instance's id.
    id: String,
    /// The webhook's name; `default` is the one that the instance's own fields address.
    name: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeliveryPath {
    /// The instance's id.
    id: String,
    /// The webhook's name.
    name: String,
    /// The `id` of the delivery, or the `eventId` of one that is in the list of deliveries.
    event: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PollPath {
    /// The instance's id.
    id: String,
    /// A phone number, or the JID of a person or group.
    #[param(inline, value_type = Chat)]
    chat: String,
    /// The `messageId` of the poll.
    message: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct GroupPath {
    /// The instance's id.
    id: String,
    /// The group's JID.
    group: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CommunityPath {
    /// The instance's id.
    id: String,
    /// The community's JID.
    community: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChannelPath {
    /// The instance's id.
    id: String,
    /// The channel's JID; to look at it, also the code of its link: what stands behind `https://whatsapp.com/channel/`.
    #[param(inline, value_type = ChannelOrCode)]
    channel: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InvitePath {
    /// The instance's id.
    id: String,
    /// The code of an invite link: what stands behind `https://chat.whatsapp.com/`.
    code: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PersonPath {
    /// The instance's id.
    id: String,
    /// A phone number, or a JID.
    #[param(inline, value_type = Recipient)]
    phone: String,
}
