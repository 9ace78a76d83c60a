//! Forms with a file, taken piece by piece.

use std::time::Duration;

use actix_multipart::{Field, Multipart};
use actix_web::http::StatusCode;
use actix_web::{FromRequest as _, HttpRequest, dev::Payload};
use futures_util::StreamExt as _;
use services::{GivenFile, ServiceError};

use super::room::room_for;
use crate::bodies::Room;
use crate::connection::{body_goes_on, body_is_read};
use crate::error::ApiError;

/// Longest value of a field that isn't a file, in bytes: a caption of the longest kind.
const MAX_TEXT_FIELD: usize = 512 * 1024;
/// Bytes of all of these together.
const MAX_TEXTS: usize = 1024 * 1024;
/// Most parts of a form.
const MAX_PARTS: usize = 16;
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);

/// A form: its texts, and its file.
pub(crate) struct Form {
    texts: Vec<(String, String)>,
    /// Bytes of the texts.
    length: usize,
    room: Option<Room>,
    pub(crate) file: Option<FormFile>,
}

/// The file of a form.
pub(crate) struct FormFile {
    pub(crate) file: GivenFile,
    pub(crate) name: Option<String>,
    pub(crate) said: Option<String>,
}

impl Form {
    /// Reads the form of a request; `receive` makes room for its file.
    ///
    /// # Errors
    /// 400 for what is no such form, 413 for a file that is too large.
    pub(crate) async fn read<F>(
        request: &HttpRequest,
        payload: &mut Payload,
        receive: impl Fn() -> F,
    ) -> Result<Self, ApiError>
    where
        F: Future<Output = Result<GivenFile, ServiceError>>,
    {
        if !request
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"))
        {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body must be a form, sent with content-type: multipart/form-data.",
            ));
        }
        let mut parts = Multipart::from_request(request, payload).await.map_err(|error| malformed(&error))?;
        let mut form = Self { texts: Vec::new(), length: 0, room: room_for(request), file: None };
        for _ in 0..MAX_PARTS {
            let part = in_time(parts.next()).await?;
            let Some(part) = part else {
                body_is_read(request);
                return Ok(form);
            };
            form.take(part.map_err(|error| malformed(&error))?, request, &receive).await?;
        }
        Err(ApiError::invalid(format!("A form has at most {MAX_PARTS} parts.")))
    }

    async fn take<F>(
        &mut self,
        mut part: Field,
        request: &HttpRequest,
        receive: &impl Fn() -> F,
    ) -> Result<(), ApiError>
    where
        F: Future<Output = Result<GivenFile, ServiceError>>,
    {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "file" {
            if self.file.is_some() {
                return Err(twice(&name));
            }
            let mut file = receive().await?;
            let said = part.content_type().map(ToString::to_string);
            let given = part.content_disposition().and_then(|said| said.get_filename()).map(str::to_owned);
            while let Some(piece) = in_time(part.next()).await? {
                let piece = piece.map_err(|error| malformed(&error))?;
                file.write(&piece).await.map_err(ServiceError::from)?;
                body_goes_on(request);
            }
            self.file = Some(FormFile { file, name: given, said });
            return Ok(());
        }
        let mut text = Vec::new();
        while let Some(piece) = in_time(part.next()).await? {
            let piece = piece.map_err(|error| malformed(&error))?;
            self.length += piece.len();
            if text.len() + piece.len() > MAX_TEXT_FIELD || self.length > MAX_TEXTS {
                return Err(ApiError::invalid(format!("{name:?} is too long.")).with_field(name));
            }
            if let Some(room) = &mut self.room {
                room.grow_by(piece.len())?;
            }
            text.extend_from_slice(&piece);
            body_goes_on(request);
        }
        let text = String::from_utf8(text)
            .map_err(|_| ApiError::invalid(format!("{name:?} is no UTF-8.")).with_field(name.as_str()))?;
        if self.texts.iter().any(|(known, _)| *known == name) {
            return Err(twice(&name));
        }
        self.texts.push((name, text));
        Ok(())
    }

    /// Takes a text out of the form.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let place = self.texts.iter().position(|(known, _)| known == name)?;
        Some(self.texts.swap_remove(place).1)
    }

    /// Refuses what nobody has taken.
    pub(crate) fn end(&self) -> Result<(), ApiError> {
        match self.texts.first() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "unknown_field",
                format!("There is no field {name:?}."),
            )
            .with_field(name.as_str())),
        }
    }
}

async fn in_time<T>(coming: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(SILENCE, coming).await.map_err(|_| {
        ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "Nothing of the body came for 30 seconds.",
        )
    })
}

fn twice(name: &str) -> ApiError {
    ApiError::invalid(format!("{name:?} is given twice.")).with_field(name)
}

fn malformed(error: &impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("The body is no form: {error}."))
}
