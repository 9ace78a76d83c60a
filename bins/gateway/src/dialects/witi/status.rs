//! What `status.aspx` tells.

use serde::Serialize;
use services::{ConnectionStatus, InstanceView, Status};
use storage::{ContactQuery, InstanceId, Webhook};
use utoipa::ToSchema;

use super::chats;
use super::key::{Kept, Notes};
use super::settings::WEBHOOK;
use crate::error::ApiError;
use crate::extract::Call;

/// A state of the connection: its number and its name, as they are spelt there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing(u8, &'static str);

impl Standing {
    pub(super) const NO_CONNECTION: Self = Self(0, "noConnection");
    const OPENING: Self = Self(1, "webSocketOpenining");
    const OPEN: Self = Self(2, "webSocketOpen");
    const QR: Self = Self(3, "waitForQRAuthentication");
    const STARTING: Self = Self(4, "Starting");
    const AUTHENTICATED: Self = Self(10, "WhatsAppAuthenticated");
    const CLOSED: Self = Self(11, "WhatsAppAuthenticatedConnectionClosed");
    const NOT_AUTHENTICATED: Self = Self(13, "WhatsAppNotAuthenticated");

    fn of(connection: &ConnectionStatus, is_linked: bool, notes: &Notes) -> Self {
        match connection.status {
            Status::Connected => Self::AUTHENTICATED,
            Status::Qr => Self::QR,
            // A phone has scanned, and its owner is to show a passkey.
            Status::Passkey => Self::STARTING,
            Status::Connecting if connection.socket => Self::OPEN,
            Status::Connecting => Self::OPENING,
            Status::Paused => Self::NO_CONNECTION,
            Status::Disconnected | Status::LoggedOut if notes.closed => Self::NO_CONNECTION,
            Status::Disconnected if is_linked => Self::CLOSED,
            Status::Disconnected | Status::LoggedOut => Self::NOT_AUTHENTICATED,
        }
    }
}

/// Where an instance stands, and what is kept of it.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiStatus {
    /// 0, 1, 2, 3, 4, 10, 11 or 13.
    status: u8,
    #[serde(rename = "statusString")]
    status_string: &'static str,
    connected: bool,
    #[serde(rename = "ConnectionInfo")]
    connection_info: WitiConnection,
    #[serde(rename = "WebID")]
    web_id: String,
    #[serde(rename = "Webhook")]
    webhook: String,
    #[serde(rename = "UserAgent")]
    user_agent: String,
    /// Whether it can connect without a QR code.
    #[serde(rename = "CanRestoreConnection")]
    can_restore: bool,
    stats: WitiStats,
    storage: WitiFolder,
}

/// The account. Of its phone a linked device learns nothing: what isn't known is empty, or `null` where it is no text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WitiConnection {
    lg: &'static str,
    lc: &'static str,
    phone: WitiPhone,
    battery: Option<u8>,
    tos: u8,
    pushname: String,
    proto_version: [u8; 2],
    plugged: Option<bool>,
    platform: &'static str,
    #[schema(example = "5511987654321@s.whatsapp.net")]
    wid: String,
    connected: bool,
    is_response: &'static str,
    bin_version: u8,
    locales: &'static str,
}

#[derive(Default, Serialize, ToSchema)]
struct WitiPhone {
    device_model: &'static str,
    wa_version: &'static str,
    mcc: &'static str,
    os_version: &'static str,
    os_build_number: &'static str,
    device_manufacturer: &'static str,
    mnc: &'static str,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct WitiStats {
    contacts: u64,
    chats: u64,
    /// To WhatsApp, since the instance runs in this process.
    sent_bytes: u64,
    #[serde(rename = "ReceveidBytes")]
    received_bytes: u64,
}

/// Files, and how many bytes they have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct WitiFolder {
    name: String,
    bytes: u64,
    files: u64,
    /// `media`, `profile` and `thumb`; `null` within these. Pictures of people and small pictures are not kept as files.
    #[schema(no_recursion)]
    subs: Option<Vec<WitiFolder>>,
}

impl WitiStatus {
    /// Of an instance as it is now, or as a command has just left it.
    pub(super) async fn of<S>(
        call: &Call<S>,
        instance: InstanceId,
        kept: &Kept,
        standing: Option<Standing>,
    ) -> Result<Self, ApiError> {
        let services = call.services();
        let view = services.instances.find(&call.caller, instance).await?;
        let webhooks = services.webhooks.list(&call.caller, instance).await?;
        let webhook = webhooks.into_iter().find(|webhook| webhook.name == WEBHOOK);
        let files = services.media.usage(&call.caller, instance).await?;
        let linked = view.instance.jid.is_some();
        let Standing(status, status_string) =
            standing.unwrap_or_else(|| Standing::of(&view.connection, linked, &kept.notes));
        Ok(Self {
            status,
            status_string,
            connected: status == Standing::AUTHENTICATED.0,
            connection_info: WitiConnection::of(&view),
            web_id: kept.wid.clone(),
            webhook: webhook.and_then(|Webhook { url, .. }| url).unwrap_or_default(),
            user_agent: kept.notes.user_agent.clone(),
            can_restore: linked,
            stats: WitiStats::of(call, instance).await?,
            storage: WitiFolder::of(&kept.wid, files.bytes, files.files),
        })
    }

    /// Whether WhatsApp has let the instance in.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }
}

impl WitiConnection {
    fn of(view: &InstanceView) -> Self {
        // The own JID names the device, too.
        let user = |jid: &String| {
            let (user, server) = jid.split_once('@')?;
            Some(format!("{}@{server}", user.split([':', '.']).next()?))
        };
        Self {
            lg: "en",
            lc: "US",
            phone: WitiPhone { os_build_number: "undefined", ..WitiPhone::default() },
            battery: None,
            tos: 0,
            pushname: view.instance.push_name.clone().unwrap_or_default(),
            proto_version: [0, 17],
            plugged: None,
            platform: "",
            wid: view.instance.jid.as_ref().and_then(user).unwrap_or_default(),
            connected: view.connection.ready(),
            is_response: "false",
            bin_version: 10,
            locales: "",
        }
    }
}

impl WitiStats {
    async fn of<S>(call: &Call<S>, instance: InstanceId) -> Result<Self, ApiError> {
        let services = call.services();
        let people = ContactQuery { groups: Some(false), limit: 1, ..ContactQuery::default() };
        let traffic = services.instances.traffic(&call.caller, instance);
        Ok(Self {
            contacts: services.contacts.stored(&call.caller, instance, &people).await?.total,
            chats: chats::count(call, instance).await?,
            sent_bytes: traffic.sent,
            received_bytes: traffic.received,
        })
    }
}

impl WitiFolder {
    fn of(name: &str, bytes: u64, files: u64) -> Self {
        let sub = |name: &str, bytes, files| Self { name: name.to_owned(), bytes, files, subs: None };
        let subs = vec![sub("media", bytes, files), sub("profile", 0, 0), sub("thumb", 0, 0)];
        Self { subs: Some(subs), ..sub(name, bytes, files) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(status: Status, socket: bool) -> ConnectionStatus {
        ConnectionStatus { status, cause: None, has_qr: false, socket, retry_at: None }
    }

    /// The numbers and the spellings of the documentation.
    #[test]
    fn every_state_has_its_documented_number_and_name() {
        let (open, closed) = (Notes::default(), Notes { closed: true, ..Notes::default() });
        for (status, socket, is_linked, notes, number, name) in [
            (Status::Paused, false, true, &open, 0, "noConnection"),
            (Status::Disconnected, false, true, &closed, 0, "noConnection"),
            (Status::LoggedOut, false, false, &closed, 0, "noConnection"),
            (Status::Connecting, false, false, &open, 1, "webSocketOpenining"),
            (Status::Connecting, true, false, &open, 2, "webSocketOpen"),
            (Status::Qr, true, false, &open, 3, "waitForQRAuthentication"),
            (Status::Passkey, true, false, &open, 4, "Starting"),
            (Status::Connected, true, true, &open, 10, "WhatsAppAuthenticated"),
            (Status::Disconnected, false, true, &open, 11, "WhatsAppAuthenticatedConnectionClosed"),
            (Status::Disconnected, false, false, &open, 13, "WhatsAppNotAuthenticated"),
            (Status::LoggedOut, false, false, &open, 13, "WhatsAppNotAuthenticated"),
        ] {
            let standing = Standing::of(&connection(status, socket), is_linked, notes);
            assert_eq!(standing, Standing(number, name), "{status}");
        }
    }
}
