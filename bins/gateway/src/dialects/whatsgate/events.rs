//! The events of a session, for those who ask instead of being called.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use storage::{Event, EventQuery, EventStart, InstanceId, Json, Timestamp, WebhookFormat};
use utoipa::ToSchema;
use webhook::{dialect, session_webhook};

use super::access::Refused;
use super::session::within;
use super::text::instance_of;
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::forms::{DayOrNone, Hundred};
use crate::listing::Listing;

/// Most events of a page.
const MOST: u64 = 100;
/// The last page: further back than this an event log is read otherwise.
const LAST_PAGE: u64 = 100;
/// Events that are read at once.
const BATCH: u64 = 200;
/// Events that are looked at for a page: twice as many as the pages before the last may have.
const STRETCH: u64 = 20_000;
/// Bytes of a page: a hundred ordinary messages, or a dozen of the longest.
const PAGE_BYTES: usize = 4 << 20;

/// `events-get`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgEvents {
    /// May be left out by those who have one session.
    #[serde(rename = "WhatsappID")]
    whatsapp_id: Option<String>,
    /// Only events of this day and later.
    #[schema(value_type = Option<DayOrNone>, example = "2022-10-11")]
    date: Option<String>,
    /// Only events of this kind: `ready`, `message`, `ack`, `media`, `sent`, `error`, `disconnect`, `create`.
    action: Option<String>,
    /// Events of a page, 100 at most.
    #[schema(value_type = Option<Hundred>)]
    page_cnt: Option<u64>,
    /// From 1, the oldest first; 100 at most.
    #[schema(value_type = Option<Hundred>)]
    page: Option<u64>,
}

/// A page of events, as a callback tells each.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(super) struct WgEventList {
    result: &'static str,
    page: u64,
    /// Events on this page.
    elements: u64,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Json>,
}

/// What stands beside the events.
#[derive(Serialize)]
struct Around {
    result: &'static str,
    page: u64,
    elements: u64,
}

/// The events of a session, the oldest first. A page of more than 4 MB is refused: it is asked for in smaller ones.
#[utoipa::path(
    post,
    path = "/api/v1/events-get",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgEvents,
    responses((status = 200, description = "A page of them.", body = WgEventList), Refused)
)]
pub(super) async fn events_get(
    call: Call,
    JsonBody(query): JsonBody<WgEvents>,
) -> Result<HttpResponse, ApiError> {
    let count = within("page_cnt", query.page_cnt.unwrap_or(MOST), MOST)?;
    let page = within("page", query.page.unwrap_or(1), LAST_PAGE)?;
    let unique_id = query.session(&call).await?;
    let id = instance_of(&call, &unique_id).await?;
    let dialect = dialect(WebhookFormat::Whatsgate);
    let since = query.since()?;
    let action = query.action.as_deref().filter(|action| !action.is_empty());
    let is_wanted = |event: &Event| {
        // A log never has anything later than now, so one that begins later is asked for the last hour.
        let is_told = dialect.tells(event) && since.is_none_or(|since| event.timestamp >= since);
        is_told && action.is_none_or(|action| action == dialect.action(event))
    };
    let start = since.map_or(EventStart::Oldest, |since| EventStart::AfterTime(since.plus_millis(-1)));
    let mut told = Page { skip: (page - 1) * count, count, events: Vec::new(), bytes: 0 };
    told.fill(&call, id, start, is_wanted, &session_webhook(&unique_id)).await?;
    let around = Around { result: "OK", page, elements: told.events.len() as u64 };
    call.answer(Listing::new("data", told.events.into_iter(), &around))
}

/// A page that is being read.
struct Page {
    /// Events that are to be left out before it.
    skip: u64,
    count: u64,
    events: Vec<Json>,
    bytes: usize,
}

impl Page {
    /// Reads the log from this place on until the page is full, or the log ends.
    async fn fill(
        &mut self,
        call: &Call,
        instance: InstanceId,
        mut start: EventStart,
        is_wanted: impl Fn(&Event) -> bool,
        webhook: &str,
    ) -> Result<(), ApiError> {
        for _ in 0..STRETCH / BATCH {
            let query = EventQuery { start, kinds: Vec::new(), limit: BATCH };
            let events = &call.services().events;
            let found = events.events(&call.caller, instance, &query, Duration::ZERO).await?;
            for event in found.events.iter().filter(|event| is_wanted(event)) {
                if self.skip > 0 {
                    self.skip -= 1;
                    continue;
                }
                self.add(event, webhook)?;
                if self.events.len() as u64 == self.count {
                    return Ok(());
                }
            }
            match found.events.last() {
                Some(last) if found.has_more => start = EventStart::AfterSeq(last.seq),
                _ => return Ok(()),
            }
        }
        let message =
            format!("Too few of the {STRETCH} events since \"date\" are asked for: give a later one.");
        Err(ApiError::invalid(message).with_field("date"))
    }

    /// Adds an event. A page that ended early would have the next one leave events out.
    fn add(&mut self, event: &Event, webhook: &str) -> Result<(), ApiError> {
        let told = dialect(WebhookFormat::Whatsgate).webhook(event, webhook);
        self.bytes += told.body.len();
        if self.bytes > PAGE_BYTES {
            let message = "The page has more than 4 MB: ask for smaller ones with \"page_cnt\".";
            return Err(ApiError::invalid(message).with_field("page_cnt"));
        }
        let told = String::from_utf8(told.body.into()).ok().and_then(|text| Json::from_text(text).ok());
        self.events.extend(told);
        Ok(())
    }
}

impl WgEvents {
    /// The session that it is about.
    async fn session(&self, call: &Call) -> Result<String, ApiError> {
        if let Some(id) = self.whatsapp_id.clone().filter(|id| !id.is_empty()) {
            return Ok(id);
        }
        let page = call.services().instances.list(&call.caller, 2, 0).await?;
        match &page.items[..] {
            [only] => Ok(call.services().qr_pages.unique_id(&call.caller, only.instance.id).await?),
            _ => {
                let message = "\"WhatsappID\" is required where there isn't exactly one session.";
                Err(ApiError::invalid(message).with_field("WhatsappID"))
            }
        }
    }

    /// The beginning of the day that it names.
    fn since(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(date) = self.date.as_deref().filter(|date| !date.is_empty()) else { return Ok(None) };
        let day = date.get(..10).unwrap_or(date);
        let wrong = |_| ApiError::invalid("\"date\" must be a day such as 2022-10-11.").with_field("date");
        format!("{day}T00:00:00Z").parse().map(Some).map_err(wrong)
    }
}
