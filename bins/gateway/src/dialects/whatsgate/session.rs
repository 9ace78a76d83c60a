//! Sessions: an instance each.

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use services::{CreateInstance, InstanceView, MAX_INSTANCES, ServiceError, parse_recipient};
use storage::InstanceId;
use utoipa::ToSchema;
use webhook::session_webhook;

use super::access::Refused;
use super::settings::hook;
use super::text::{SessionStatus, WgNumber, chat_id, date, session_number, shown_instance};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::field;
use crate::forms::{HookUrl, HundredOrText, Name, PhoneNumberOrNone, SessionPage, SessionWord};
use crate::language::Language;
use crate::public;

/// Most sessions of a page.
const MOST: u64 = 100;
/// Instances that are looked at at once.
const BATCH: u64 = 1_000;

/// `session-create`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgCreate {
    #[schema(value_type = Name)]
    name: String,
    /// Where events are told; may be set later.
    #[schema(value_type = Option<HookUrl>)]
    callback: Option<String>,
    /// How the phone links it; by default by a QR code.
    auth_type: Option<WgAuth>,
    /// The phone's number: required for `CODE`.
    #[schema(value_type = Option<PhoneNumberOrNone>, example = "79999999999")]
    number: Option<String>,
}

/// How a phone links a session.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum WgAuth {
    Qr,
    Code,
}

/// A body that only names a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgNamed {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
}

/// `sessions-get`: what is left out, or empty, restricts nothing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgList {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: Option<String>,
    /// A part of the name.
    name: Option<String>,
    /// `PENDING`, `AUTH`, `READY` or `DESTROYING`.
    #[schema(value_type = Option<SessionWord>)]
    status: Option<String>,
    /// Sessions of a page, 100 at most.
    #[schema(value_type = Option<HundredOrText>)]
    page_cnt: Option<WgNumber>,
    /// From 1.
    #[schema(value_type = Option<SessionPage>)]
    page: Option<WgNumber>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct WgSession {
    id: u64,
    name: String,
    #[schema(example = "634545454545463454545454")]
    unique_id: String,
    /// `PENDING`, `AUTH`, `READY` or `DESTROYING`.
    status: &'static str,
    callback: Option<String>,
    /// UTC.
    #[schema(example = "2022-10-11 19:30:14")]
    date_add: String,
    /// `null`: the code is shown at `qr_link`.
    qr: Option<String>,
    /// The code to enter on the phone, where the session is linked by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The status for people, in Russian, or in English where `Accept-Language` prefers it.
    status_name: &'static str,
    pushname: Option<String>,
    #[schema(example = "79999999999@c.us")]
    wid: Option<String>,
    /// The page on which the phone's owner links it.
    qr_link: String,
}

/// A successful answer about a session.
#[derive(Serialize, ToSchema)]
pub(super) struct WgSessionResult {
    result: &'static str,
    data: WgSession,
}

/// A page of sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct WgSessions {
    result: &'static str,
    pages: u64,
    elements: u64,
    page: u64,
    data: Vec<WgSession>,
}

impl WgSession {
    async fn of(
        call: &Call,
        request: &HttpRequest,
        view: &InstanceView,
        status: SessionStatus,
    ) -> Result<Self, ApiError> {
        let (services, id) = (call.services(), view.instance.id);
        let unique_id = services.qr_pages.unique_id(&call.caller, id).await?;
        let name = session_webhook(&unique_id);
        let hooks = services.webhooks.list(&call.caller, id).await?;
        let hook = hooks.into_iter().find(|hook| hook.name == name && hook.enabled);
        let language = Language::asked(request.headers()).unwrap_or(Language::Russian);
        // The own JID names the device, too.
        let user = |jid: &String| {
            let (user, server) = jid.split_once('@')?;
            Some(chat_id(&format!("{}@{server}", user.split([':', '.']).next()?)))
        };
        Ok(Self {
            id: session_number(id),
            name: view.instance.name.clone(),
            status: status.as_str(),
            callback: hook.and_then(|hook| hook.url),
            date_add: date(view.instance.created_at),
            qr: None,
            code: None,
            status_name: status.name(language),
            pushname: view.instance.push_name.clone(),
            wid: view.instance.jid.as_ref().and_then(user),
            qr_link: public::address(call.public_url(), request, &format!("/qr/{unique_id}")),
            unique_id,
        })
    }
}

/// Opens a session for a phone to link.
#[utoipa::path(
    post,
    path = "/api/v1/session-create",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgCreate,
    responses((status = 200, description = "The session.", body = WgSessionResult), Refused)
)]
pub(super) async fn create(
    call: Call,
    request: HttpRequest,
    JsonBody(body): JsonBody<WgCreate>,
) -> Result<web::Json<WgSessionResult>, ApiError> {
    let number = body.number()?;
    let callback = body.callback.filter(|callback| !callback.is_empty());
    let create = CreateInstance { name: body.name, ..CreateInstance::default() };
    let begin = |call: Call| async move {
        let view = call.services().instances.create(&call.caller, create).await?;
        match completed(&call, view.instance.id, callback, number).await {
            Ok(code) => Ok((view, code)),
            Err(error) => {
                // Whoever hears an error has no session.
                call.services().instances.delete(&call.caller, view.instance.id).await?;
                Err(error)
            }
        }
    };
    let (view, code) = call.clone().complete(begin).await.map_err(ApiError::named(named))?;
    let session = WgSession::of(&call, &request, &view, SessionStatus::Pending).await?;
    Ok(web::Json(WgSessionResult { result: "OK", data: WgSession { code, ..session } }))
}

/// Gives a new session its callback, and where it is to be linked by a code, that.
async fn completed(
    call: &Call,
    id: InstanceId,
    callback: Option<String>,
    number: Option<String>,
) -> Result<Option<String>, ServiceError> {
    if let Some(callback) = callback {
        hook(call, id, Some(callback)).await?;
    }
    match number {
        Some(number) => call.services().qr_pages.link_by_code(&call.caller, id, &number).await.map(Some),
        None => Ok(None),
    }
}

/// What this API calls the fields of its bodies.
pub(super) fn named(field: services::Field) -> &'static str {
    match field {
        services::Field::Recipient => "number",
        services::Field::WebhookUrl => "callback",
        other => field::flat(other),
    }
}

impl WgCreate {
    /// The number that is to be linked by a code.
    fn number(&self) -> Result<Option<String>, ApiError> {
        let by_code = self.auth_type == Some(WgAuth::Code);
        let number = self.number.clone().unwrap_or_default();
        if number.is_empty() && !by_code {
            return Ok(None);
        }
        let wrong = |why: String| ApiError::invalid(format!("\"number\" {why}.")).with_field("number");
        let jid = parse_recipient(&number).map_err(|error| wrong(error.to_string()))?;
        let number = if jid.is_pn() { Ok(number) } else { Err(wrong("must be a phone number".to_owned())) }?;
        Ok(by_code.then_some(number))
    }
}

/// Closes a session for good: it is unlinked, and everything of it is forgotten.
#[utoipa::path(
    post,
    path = "/api/v1/session-delete",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgNamed,
    responses((status = 200, description = "The session as it was.", body = WgSessionResult), Refused)
)]
pub(super) async fn delete(
    call: Call,
    request: HttpRequest,
    JsonBody(body): JsonBody<WgNamed>,
) -> Result<web::Json<WgSessionResult>, ApiError> {
    let id = shown_instance(&call, &body.whatsapp_id).await?;
    let view = call.services().instances.find(&call.caller, id).await?;
    let data = WgSession::of(&call, &request, &view, SessionStatus::Destroying).await?;
    call.complete(move |call| async move { call.services().instances.delete(&call.caller, id).await })
        .await?;
    Ok(web::Json(WgSessionResult { result: "OK", data }))
}

/// The caller's sessions: all of their instances.
#[utoipa::path(
    post,
    path = "/api/v1/sessions-get",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgList,
    responses((status = 200, description = "A page of them.", body = WgSessions), Refused)
)]
pub(super) async fn list(
    call: Call,
    request: HttpRequest,
    JsonBody(query): JsonBody<WgList>,
) -> Result<web::Json<WgSessions>, ApiError> {
    let count = within("page_cnt", WgNumber::or("page_cnt", query.page_cnt.clone(), MOST)?, MOST)?;
    let page = within("page", WgNumber::or("page", query.page.clone(), 1)?, MAX_INSTANCES)?;
    let found = query.found(&call).await?;
    let elements = found.len() as u64;
    let mut data = Vec::new();
    let skip = usize::try_from((page - 1) * count).unwrap_or(usize::MAX);
    for id in found.into_iter().skip(skip).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let view = match call.services().instances.find(&call.caller, id).await {
            Ok(view) => view,
            // Deleted since.
            Err(ServiceError::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let status = SessionStatus::of(&view);
        data.push(WgSession::of(&call, &request, &view, status).await?);
    }
    Ok(web::Json(WgSessions { result: "OK", pages: elements.div_ceil(count), elements, page, data }))
}

impl WgList {
    /// The ids of all sessions that it is about, the oldest first.
    async fn found(&self, call: &Call) -> Result<Vec<InstanceId>, ApiError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let status = given(&self.status).map(|word| {
            let wrong = || ApiError::invalid("\"status\" is PENDING, AUTH, READY or DESTROYING.");
            SessionStatus::of_word(&word).ok_or_else(|| wrong().with_field("status"))
        });
        let status = status.transpose()?;
        let only = match given(&self.whatsapp_id) {
            Some(id) => Some(shown_instance(call, &id).await?),
            None => None,
        };
        let part = given(&self.name).map(|name| name.to_lowercase());
        let is_wanted = |view: &InstanceView| {
            only.is_none_or(|only| view.instance.id == only)
                && status.is_none_or(|status| SessionStatus::of(view) == status)
                && part.as_ref().is_none_or(|part| view.instance.name.to_lowercase().contains(part))
        };
        let (mut found, mut skip) = (Vec::new(), 0);
        loop {
            let page = call.services().instances.list(&call.caller, BATCH, skip).await?;
            skip += page.items.len() as u64;
            found.extend(page.items.iter().filter(|view| is_wanted(view)).map(|view| view.instance.id));
            if !page.has_more || page.items.is_empty() {
                return Ok(found);
            }
        }
    }
}

/// A number that a page is made with: from 1.
pub(super) fn within(field: &'static str, number: u64, most: u64) -> Result<u64, ApiError> {
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(ApiError::invalid(format!("{field:?} must be 1 to {most}.")).with_field(field))
}
