//! Linking an instance.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use services::{Qr, ServiceError};
use storage::InstanceId;
use tokio::time::{Instant, sleep};
use utoipa::{IntoParams, ToSchema};

use super::access::{EvoCall, Refused};
use super::instances::EvoState;
use super::text::instance_of;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters, Query};
use crate::field;
use crate::forms::PhoneNumberOrNone;
use crate::qr_code;

/// How long a code is waited for, and how often is looked.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// A code to link an instance with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoQr {
    /// To enter on the phone, where a number was given.
    #[schema(example = "WZYEH1YY")]
    pairing_code: Option<String>,
    /// What the picture says.
    code: Option<String>,
    /// The picture, as an address that a page can show: `data:image/png;base64,…`.
    base64: Option<String>,
    /// 1 with a code, else 0.
    count: u8,
}

/// `GET /instance/connect/{instance}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EvoConnectQuery {
    /// The number of a phone on which a code is to be entered.
    #[param(required = false, inline, value_type = PhoneNumberOrNone)]
    number: Option<String>,
}

impl FromQuery for EvoConnectQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { number: parameters.parsed("number", "must be a text")? })
    }
}

impl EvoQr {
    /// A code of the instance, which is waited for.
    pub(super) async fn of(call: &EvoCall, id: InstanceId, number: Option<String>) -> Result<Self, ApiError> {
        let names = |field| match field {
            services::Field::Recipient => "number",
            other => field::flat(other),
        };
        let pairing_code = match number {
            Some(number) => {
                let ask = move |call: EvoCall| async move {
                    call.services().instances.pairing_code(&call.caller, id, &number).await
                };
                let made = call.clone().complete(ask).await.map_err(ApiError::named(names))?;
                Some(made.code.replace('-', ""))
            }
            None => None,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match call.services().instances.qr(&call.caller, id).await? {
                Qr::Code { text, .. } => {
                    let picture = qr_code::png(&text).map(|png| STANDARD.encode(png));
                    let base64 = picture.map(|picture| format!("data:image/png;base64,{picture}"));
                    return Ok(Self { pairing_code, code: Some(text), base64, count: 1 });
                }
                Qr::Generating { .. } if Instant::now() < deadline => sleep(POLL).await,
                Qr::Generating { .. } => {
                    return Ok(Self { pairing_code, code: None, base64: None, count: 0 });
                }
            }
        }
    }
}

/// A code to link the instance with; where it is linked, its state.
#[utoipa::path(
    get,
    path = "/instance/connect/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name."), EvoConnectQuery),
    responses((status = 200, description = "The code, or `instance` with its state.", body = EvoQr), Refused)
)]
pub(super) async fn connect(
    call: EvoCall,
    name: web::Path<String>,
    Query(query): Query<EvoConnectQuery>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let begin = move |call: EvoCall| async move {
        let instances = &call.services().instances;
        let view = instances.find(&call.caller, id).await?;
        let is_linked = view.instance.jid.is_some();
        if !instances.resume(&call.caller, id).await? && is_linked && !view.connection.ready() {
            instances.reconnect(&call.caller, id).await?;
        }
        Ok::<_, ServiceError>(is_linked)
    };
    if call.clone().complete(begin).await? {
        return Ok(HttpResponse::Ok().json(EvoState::of(&call, id).await?));
    }
    let number = query.number.filter(|number| !number.is_empty());
    Ok(HttpResponse::Ok().json(EvoQr::of(&call, id, number).await?))
}
