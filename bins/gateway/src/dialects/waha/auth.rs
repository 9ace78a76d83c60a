//! Linking a session.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use services::Qr;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::access::Refused;
use super::text::session_of;
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, JsonBody, Parameters, Query};
use crate::field;
use crate::forms::PhoneNumber;
use crate::qr_code;

/// How long a code is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

const PNG: &str = "image/png";

/// `GET /api/{session}/auth/qr`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WahaQrQuery {
    /// `image`, or `raw` for what the picture says.
    #[param(inline, required = false, default = "image")]
    format: WahaQrFormat,
}

#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "lowercase")]
enum WahaQrFormat {
    Image,
    Raw,
}

impl FromQuery for WahaQrQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let words = [("image", WahaQrFormat::Image), ("raw", WahaQrFormat::Raw)];
        Ok(Self { format: parameters.word("format", &words, WahaQrFormat::Image)? })
    }
}

/// What a QR code says.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaQrValue {
    value: String,
}

/// The picture of a QR code in base64.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaQrImage {
    mimetype: &'static str,
    data: String,
}

/// `POST /api/{session}/auth/request-code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WahaCodeRequest {
    #[schema(value_type = PhoneNumber)]
    phone_number: String,
    /// Only a code to enter on the phone is to be had.
    #[serde(default)]
    #[allow(dead_code, reason = "read as WAHA reads it")]
    method: Option<String>,
}

/// A code to enter on the phone.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaCode {
    #[schema(example = "ABCD-ABCD")]
    code: String,
}

/// The QR code to scan: as a picture, as a picture in base64 for whoever accepts JSON, or as what it says.
#[utoipa::path(
    get,
    path = "/api/{session}/auth/qr",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "The session's name."), WahaQrQuery),
    responses(
        (status = 200, description = "The code.", content(
            (Vec<u8> = "image/png"),
            (WahaQrImage = "application/json"),
        )),
        Refused
    )
)]
pub(super) async fn qr(
    call: Call,
    session: web::Path<String>,
    request: HttpRequest,
    Query(query): Query<WahaQrQuery>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let deadline = Instant::now() + PATIENCE;
    let text = loop {
        match call.services().instances.qr(&call.caller, id).await? {
            Qr::Code { text, .. } => break text,
            Qr::Generating { .. } if Instant::now() < deadline => sleep(POLL).await,
            Qr::Generating { .. } => {
                return Err(ApiError::conflict("not_ready", "There is no QR code yet.".to_owned()));
            }
        }
    };
    let picture = || qr_code::png(&text).ok_or_else(ApiError::internal);
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    match query.format {
        WahaQrFormat::Raw => Ok(HttpResponse::Ok().json(WahaQrValue { value: text })),
        WahaQrFormat::Image if accepted.is_some_and(|types| types.contains("application/json")) => {
            let data = STANDARD.encode(picture()?);
            Ok(HttpResponse::Ok().json(WahaQrImage { mimetype: PNG, data }))
        }
        WahaQrFormat::Image => Ok(HttpResponse::Ok().content_type(PNG).body(picture()?)),
    }
}

/// A code to enter on the phone instead of a scan.
#[utoipa::path(
    post,
    path = "/api/{session}/auth/request-code",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "The session's name.")),
    request_body = WahaCodeRequest,
    responses((status = 201, description = "The code.", body = WahaCode), Refused)
)]
pub(super) async fn request_code(
    call: Call,
    session: web::Path<String>,
    JsonBody(body): JsonBody<WahaCodeRequest>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let names = |field| match field {
        services::Field::Recipient => "phoneNumber",
        other => field::flat(other),
    };
    let ask = move |call: Call| async move {
        call.services().instances.pairing_code(&call.caller, id, &body.phone_number).await
    };
    let made = call.complete(ask).await.map_err(ApiError::named(names))?;
    Ok(HttpResponse::Created().json(WahaCode { code: made.code }))
}
