//! The key of an instance, and what else this API keeps of it.

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use services::ServiceError;
use storage::{ApiKey, DialectAccess, InstanceId, Json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{ApiError, Refused};
use crate::extract::{Call, InstanceCall};
use crate::public;

/// Under which name the store knows this API.
pub(super) const DIALECT: &str = "witi";

/// What this API keeps of an instance.
#[derive(Clone, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Notes {
    /// As it was given last.
    pub(super) user_agent: String,
    /// `1.0` or `1.1`.
    pub(super) api_version: String,
    /// Whether events may be told in the bulk form.
    pub(super) can_bulk: bool,
    /// Whether a command has ended the connection, and none has begun one since.
    pub(super) closed: bool,
}

impl Default for Notes {
    fn default() -> Self {
        Self { user_agent: String::new(), api_version: "1.0".to_owned(), can_bulk: false, closed: false }
    }
}

/// An instance as this API reaches it.
pub(super) struct Kept {
    /// Its key, as it is shown.
    pub(super) wid: String,
    pub(super) notes: Notes,
}

impl Kept {
    /// What is kept of an instance; the first time it gets a key.
    pub(super) async fn of<S>(call: &Call<S>, instance: InstanceId) -> Result<Self, ApiError> {
        let access = call.services().dialects.access(&call.caller, instance, DIALECT, fresh).await?;
        Ok(Self::from(access))
    }

    /// Changes the notes. The key stays the one that there is by then: a call that is under way when another key is made
    /// doesn't bring the old one back.
    pub(super) async fn note<S>(
        call: &Call<S>,
        instance: InstanceId,
        change: impl Fn(&mut Notes),
    ) -> Result<Self, ApiError> {
        let noted = |access: DialectAccess| {
            let mut notes = notes_of(&access);
            change(&mut notes);
            DialectAccess { notes: Json::of(&notes).unwrap_or_default(), ..access }
        };
        let dialects = &call.services().dialects;
        Ok(dialects.change(&call.caller, instance, DIALECT, fresh, noted).await?.into())
    }

    /// Makes another key. The old one opens nothing any more.
    async fn renew<S>(call: &Call<S>, instance: InstanceId) -> Result<Self, ApiError> {
        let (dialects, key) = (&call.services().dialects, new_key());
        let renewed = |access| DialectAccess { key: key.clone(), ..access };
        match dialects.change(&call.caller, instance, DIALECT, fresh, renewed).await {
            // What can't be read is begun anew: this is what mends it.
            Err(ServiceError::Unreadable(_)) => {
                let access = fresh();
                dialects.replace(&call.caller, instance, DIALECT, access.clone()).await?;
                Ok(access.into())
            }
            renewed => Ok(renewed?.into()),
        }
    }
}

impl From<DialectAccess> for Kept {
    fn from(access: DialectAccess) -> Self {
        Self { notes: notes_of(&access), wid: access.key.expose().to_owned() }
    }
}

/// What a later version wrote is no reason to open nothing.
fn notes_of(access: &DialectAccess) -> Notes {
    access.notes.parse::<Option<Notes>>().ok().flatten().unwrap_or_default()
}

fn fresh() -> DialectAccess {
    DialectAccess { key: new_key(), notes: Json::default() }
}

fn new_key() -> ApiKey {
    ApiKey::new(Uuid::new_v4().to_string().to_uppercase())
}

/// How programs written for witi.me reach an instance.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiKey {
    /// Addresses the instance in `/<command>.aspx?wid=<key>`, and opens it: whoever has it can do there whatever there is.
    #[schema(example = "6D6307C3-2973-4468-85FA-D047CB8E1F2E")]
    wid: String,
    /// Where the commands are.
    #[schema(example = "https://gateway.example/status.aspx?wid=6D6307C3-2973-4468-85FA-D047CB8E1F2E")]
    url: String,
}

impl WitiKey {
    fn new(wid: String, call: &InstanceCall, request: &HttpRequest) -> Self {
        let url = public::address(call.public_url(), request, &format!("/status.aspx?wid={wid}"));
        Self { wid, url }
    }
}

/// The key by which programs written for witi.me reach an instance; made when it is first asked for.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/witi",
    tag = "witi",
    params(("id" = String, Path, description = "The instance's id.")),
    responses((status = 200, description = "The key.", body = WitiKey), Refused)
)]
pub(super) async fn show(call: InstanceCall, request: HttpRequest) -> Result<web::Json<WitiKey>, ApiError> {
    let kept = Kept::of(&call, call.subject).await?;
    Ok(web::Json(WitiKey::new(kept.wid, &call, &request)))
}

/// Gives an instance another key. The old one opens nothing any more, at once.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/witi/rotate",
    tag = "witi",
    params(("id" = String, Path, description = "The instance's id.")),
    responses((status = 200, description = "The new key.", body = WitiKey), Refused)
)]
pub(super) async fn rotate(call: InstanceCall, request: HttpRequest) -> Result<web::Json<WitiKey>, ApiError> {
    let kept = Kept::renew(&call, call.subject).await?;
    Ok(web::Json(WitiKey::new(kept.wid, &call, &request)))
}
