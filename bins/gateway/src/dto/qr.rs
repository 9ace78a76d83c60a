//! The QR page: what it asks for, and its words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use services::{Field, PageState};
use storage::Timestamp;
use utoipa::ToSchema;

use super::time::Time;
use crate::field;
use crate::language::Language;
use crate::qr_code;

/// `POST …/qr-link`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct QrLinkRequest {
    /// For how many seconds it is good; a week at most.
    #[serde(default = "an_hour")]
    #[schema(minimum = 1, maximum = 604800, default = 3600)]
    pub(crate) expires_in: u64,
}

const fn an_hour() -> u64 {
    3_600
}

impl QrLinkRequest {
    pub(crate) fn names(field: Field) -> &'static str {
        if field == Field::Wait { "expiresIn" } else { field::flat(field) }
    }
}

/// An address of an instance's QR page.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QrLinkResponse {
    url: String,
    expires_at: Time,
}

impl QrLinkResponse {
    pub(crate) fn new(url: String, expires_at: Timestamp) -> Self {
        Self { url, expires_at: expires_at.into() }
    }
}

/// What the page shows.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageResponse {
    /// `loading`, `qr`, `code`, `passkey`, `compare`, `success`, `error` or `broken`.
    state: &'static str,
    /// The picture of the code to scan, as an address that a page can show.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// The code to enter on the phone, or to compare with what it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl From<PageState> for PageResponse {
    fn from(shown: PageState) -> Self {
        let plain = |state| Self { state, qr: None, code: None };
        match shown {
            PageState::Loading => plain("loading"),
            PageState::Qr { text } => match qr_code::svg(&text) {
                Some(svg) => {
                    let qr = Some(format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg)));
                    Self { qr, ..plain("qr") }
                }
                None => plain("error"),
            },
            PageState::Code { code } => Self { code: Some(code), ..plain("code") },
            PageState::Passkey => plain("passkey"),
            PageState::Compare { code } => Self { code: Some(code), ..plain("compare") },
            PageState::Linked => plain("success"),
            PageState::Failed => plain("error"),
            PageState::Gone => plain("broken"),
        }
    }
}

/// What the page says: in each state, and on its buttons.
#[derive(Serialize)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) loading: &'static str,
    /// What the picture is, for who doesn't see it.
    picture: &'static str,
    qr: &'static str,
    code: &'static str,
    passkey: &'static str,
    compare: &'static str,
    success: &'static str,
    error: &'static str,
    broken: &'static str,
    pub(crate) again: &'static str,
    pub(crate) confirm: &'static str,
}

impl Words {
    pub(crate) const fn of(language: Language) -> Self {
        match language {
            Language::English => ENGLISH,
            Language::Russian => RUSSIAN,
        }
    }
}

const ENGLISH: Words = Words {
    title: "Link WhatsApp",
    loading: "The code is being made…",
    picture: "QR code. To link without seeing it, ask whoever sent you here for a code to type.",
    qr: "In WhatsApp open Linked devices, Link a device, and scan this code.",
    code: "In WhatsApp open Linked devices, Link with phone number, and enter this code.",
    passkey: "This account asks for a passkey. Whoever runs the gateway can take it up.",
    compare: "Does the phone show this code? Only confirm it if it does.",
    success: "WhatsApp is linked.",
    error: "The device was not linked. Try again.",
    broken: "There is nothing to link at this address.",
    again: "Try again",
    confirm: "It does",
};

const RUSSIAN: Words = Words {
    title: "Подключение WhatsApp",
    loading: "Код создаётся…",
    picture: "QR-код. Чтобы подключиться, не видя его, попросите у отправителя ссылки код для ввода.",
    qr: "В WhatsApp откройте «Связанные устройства», «Привязка устройства» и отсканируйте код.",
    code: "В WhatsApp откройте «Связанные устройства», «Связать по номеру телефона» и введите этот код.",
    passkey: "Этот аккаунт требует ключ доступа. Обратитесь к владельцу шлюза.",
    compare: "Телефон показывает этот же код? Подтверждайте, только если показывает.",
    success: "WhatsApp подключён.",
    error: "Устройство не подключено. Попробуйте ещё раз.",
    broken: "По этому адресу нечего подключать.",
    again: "Попробовать ещё раз",
    confirm: "Показывает",
};
