use std::ops::Range;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use services::{FileOf, OpenFile};
use tokio::io::AsyncReadExt as _;

use crate::dto::media::{FileLinkResponse, LinkQuery};
use crate::dto::path::{LinkPath, MessagePath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, MessageById, Query};
use crate::state::AppState;

/// Bytes of a file that are in hand at a time.
const PIECE: usize = 64 * 1024;
/// What may stand in a header as it is.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// The file of a message.
///
/// One that isn't there yet is fetched first, which is waited for up to 20 s. A `Range` of one part is served.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/messages/{message}/media",
    tag = "events",
    params(MessagePath),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 206, description = "The part of the file that was asked for.", content_type = "*/*"),
        (status = 416, description = "There is no such part."),
        Refused
    )
)]
pub(super) async fn file(call: Call<MessageById>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let MessageById { instance, message } = &call.subject;
    let of = FileOf { instance: *instance, message_id: message.clone() };
    let media = &call.services().media;
    let opened = media.open(&call.caller, &of, 0).await?;
    match part(&request, &opened) {
        Part::All => Ok(answer(opened, None)),
        Part::None => Ok(no_such_part(opened.length)),
        Part::Of(range) => {
            let opened = media.open(&call.caller, &of, range.start).await?;
            Ok(answer(opened, Some(&range)))
        }
    }
}

/// An address of a message's file that needs no credential, for a while.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/messages/{message}/media/link",
    tag = "events",
    params(MessagePath, LinkQuery),
    responses((status = 200, description = "The address.", body = FileLinkResponse), Refused)
)]
pub(super) async fn link(
    call: Call<MessageById>,
    Query(query): Query<LinkQuery>,
) -> Result<web::Json<FileLinkResponse>, ApiError> {
    let MessageById { instance, message } = &call.subject;
    let of = FileOf { instance: *instance, message_id: message.clone() };
    let life = Duration::from_secs(query.seconds);
    let link = call.services().media.link(&call.caller, &of, life).await?;
    Ok(web::Json(link.into()))
}

/// The file that an address leads to which was made for it.
#[utoipa::path(
    get,
    path = "/media/{token}",
    tag = "events",
    params(LinkPath),
    security(()),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 206, description = "The part of the file that was asked for.", content_type = "*/*"),
        (status = 416, description = "There is no such part."),
        Refused
    )
)]
pub(super) async fn linked(
    state: web::Data<AppState>,
    token: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let media = &state.services.media;
    let nothing = |_| ApiError::not_found("There is nothing at this address, or not any more.");
    let opened = media.open_link(&token, 0).await.map_err(nothing)?;
    match part(&request, &opened) {
        Part::All => Ok(answer(opened, None)),
        Part::None => Ok(no_such_part(opened.length)),
        Part::Of(range) => {
            let opened = media.open_link(&token, range.start).await.map_err(nothing)?;
            Ok(answer(opened, Some(&range)))
        }
    }
}

/// What of a file is asked for.
enum Part {
    All,
    Of(Range<u64>),
    None,
}

fn part(request: &HttpRequest, opened: &OpenFile) -> Part {
    let headers = request.headers();
    let Some(asked) = headers.get(RANGE).and_then(|range| range.to_str().ok()) else { return Part::All };
    let is_of_another = headers.get(IF_RANGE).is_some_and(|tag| tag.as_bytes() != tagged(opened).as_bytes());
    // Several parts at once, and units that nobody has, are answered with the whole.
    let Some(asked) = asked.strip_prefix("bytes=").filter(|asked| !asked.contains(',') && !is_of_another)
    else {
        return Part::All;
    };
    match range(asked, opened.length) {
        Some(range) => Part::Of(range),
        None => Part::None,
    }
}

/// The bytes of `<first>-<last>`, `<first>-` or `-<how many>`, if there are any.
fn range(text: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = text.split_once('-')?;
    let range = match (first, last) {
        ("", many) => length.saturating_sub(many.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(length),
    };
    (range.start < range.end).then_some(range)
}

fn answer(opened: OpenFile, part: Option<&Range<u64>>) -> HttpResponse {
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let range = part.cloned().unwrap_or(0..opened.length);
    let mut response = HttpResponse::build(status);
    response.content_type(opened.mime_type.as_str());
    response.insert_header((ETAG, tagged(&opened)));
    response.insert_header((ACCEPT_RANGES, HeaderValue::from_static("bytes")));
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600")));
    // Never shown as a page of ours, whatever somebody has sent.
    let name = utf8_percent_encode(&opened.file_name, NAME);
    response.insert_header((CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")));
    if part.is_some() {
        let said = format!("bytes {}-{}/{}", range.start, range.end - 1, opened.length);
        response.insert_header((CONTENT_RANGE, said));
    }
    response.body(SizedStream::new(range.end - range.start, pieces(opened, range.end - range.start)))
}

fn pieces(opened: OpenFile, length: u64) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::try_unfold((opened.reader, length), |(mut reader, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        let read = reader.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((Bytes::from(piece), (reader, left - read as u64))))
    })
}

fn no_such_part(length: u64) -> HttpResponse {
    HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE)
        .insert_header((CONTENT_RANGE, format!("bytes */{length}")))
        .finish()
}

fn tagged(opened: &OpenFile) -> String {
    format!("\"{}\"", opened.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_the_file() {
        for (text, found) in [
            ("0-", Some(0..10)),
            ("3-5", Some(3..6)),
            ("3-99", Some(3..10)),
            ("-4", Some(6..10)),
            ("-40", Some(0..10)),
            ("10-", None),
            ("5-3", None),
            ("-0", None),
            ("a-", None),
            ("", None),
        ] {
            assert_eq!(range(text, 10), found, "{text}");
        }
        assert_eq!(range("0-", 0), None);
    }
}
