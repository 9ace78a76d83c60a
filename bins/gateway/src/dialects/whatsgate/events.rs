//! The events of sessions, for those who ask instead of being called.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use services::{InstanceView, ServiceError};
use storage::{Event, EventQuery, EventStart, InstanceId, Json, Timestamp, WebhookFormat};
use utoipa::ToSchema;
use webhook::{Account, Telling, dialect, session_webhook};

use super::access::Refused;
use super::session::within;
use super::text::{WgNumber, instance_of};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::forms::{DayOrNone, HundredOrText};
use crate::listing::Listing;

/// Most events of a page.
const MOST: u64 = 100;
/// Events of a page, unless told otherwise.
const USUAL: u64 = 10;
/// The last page: further back than this an event log is read otherwise.
const LAST_PAGE: u64 = 100;
/// Events that are read at once of one session.
const BATCH: u64 = 200;
/// Events that are looked at for a page: twice as many as the pages before the last may have.
const STRETCH: u64 = 20_000;
/// Bytes of a page: a hundred ordinary messages, or a dozen of the longest.
const PAGE_BYTES: usize = 4 << 20;
/// Sessions whose events are told together: whoever has more names one.
const MOST_SESSIONS: u64 = 100;

/// `events-get`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgEvents {
    /// Only events of this session. Without it, those of all, for whoever has 100 at most.
    #[serde(rename = "WhatsappID")]
    whatsapp_id: Option<String>,
    /// Only events of this day, or of this second (UTC), and later. Whoever goes on from the last event's date gets the
    /// events of that second again, and knows them by their ids.
    #[schema(value_type = Option<DayOrNone>, example = "2022-10-11 19:30:14")]
    date: Option<String>,
    /// Only events of this kind: `ready`, `message`, `ack`, `media`, `sent`, `error`, `disconnect`, `create`.
    action: Option<String>,
    /// Events of a page, 100 at most and 10 without it.
    #[schema(value_type = Option<HundredOrText>)]
    page_cnt: Option<WgNumber>,
    /// From 1, the oldest first; 100 at most.
    #[schema(value_type = Option<HundredOrText>)]
    page: Option<WgNumber>,
}

/// A page of events, as a callback tells each.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(super) struct WgEventList {
    result: &'static str,
    /// Pages that there are. No more than 20,000 events are looked at: of more than these, one page more than this one.
    pages: u64,
    /// Events on all of these pages.
    elements: u64,
    page: u64,
    #[schema(value_type = Vec<Object>)]
    data: Vec<Json>,
}

/// What stands beside the events.
#[derive(Serialize)]
struct Around {
    result: &'static str,
    pages: u64,
    elements: u64,
    page: u64,
}

/// The events of one session, or of all, the oldest first. A page of more than 4 MB is refused: it is asked for in smaller
/// ones.
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
    let count = within("page_cnt", WgNumber::or("page_cnt", query.page_cnt.clone(), USUAL)?, MOST)?;
    let page = within("page", WgNumber::or("page", query.page.clone(), 1)?, LAST_PAGE)?;
    let dialect = dialect(WebhookFormat::Whatsgate);
    let since = query.since()?;
    let action = query.action.as_deref().filter(|action| !action.is_empty());
    let is_wanted = |event: &Event| {
        // A log never has anything later than now, so one that begins later is asked for the last hour.
        let is_told = dialect.tells(event) && since.is_none_or(|since| event.timestamp >= since);
        is_told && action.is_none_or(|action| action == dialect.action(event))
    };
    let start = since.map_or(EventStart::Oldest, |since| EventStart::AfterTime(since.plus_millis(-1)));
    let mut logs = query.logs(&call, start).await?;
    let mut told = Page { skip: (page - 1) * count, count, seen: 0, events: Vec::new(), bytes: 0 };
    let is_all = told.fill(&call, &mut logs, is_wanted).await?;
    let pages = told.seen.div_ceil(count);
    let around = Around {
        result: "OK",
        pages: if is_all { pages } else { pages.max(page + 1) },
        elements: told.seen,
        page,
    };
    call.answer(Listing::new("data", told.events.into_iter(), &around))
}

/// The log of a session, as far as it is read.
struct Log {
    instance: InstanceId,
    webhook: String,
    account: Account,
    /// Where to read on; `None` at the end.
    next: Option<EventStart>,
    ahead: VecDeque<Event>,
}

impl Log {
    async fn of(call: &Call, view: &InstanceView, start: EventStart) -> Result<Self, ApiError> {
        let instance = view.instance.id;
        let unique_id = call.services().qr_pages.unique_id(&call.caller, instance).await?;
        Ok(Self {
            instance,
            webhook: session_webhook(&unique_id),
            account: Account::of(&view.instance),
            next: Some(start),
            ahead: VecDeque::new(),
        })
    }

    /// Has an event ahead, unless the log has ended. Answers how many were read.
    async fn look_ahead(&mut self, call: &Call, limit: u64) -> Result<u64, ApiError> {
        let Some(start) = self.next.filter(|_| self.ahead.is_empty()) else { return Ok(0) };
        let query = EventQuery { start, kinds: Vec::new(), limit };
        let events = &call.services().events;
        let found = match events.events(&call.caller, self.instance, &query, Duration::ZERO).await {
            Ok(found) => found,
            // Deleted since.
            Err(ServiceError::NotFound { .. }) => {
                self.next = None;
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let last = found.events.last().filter(|_| found.has_more);
        self.next = last.map(|last| EventStart::AfterSeq(last.seq));
        let read = found.events.len() as u64;
        self.ahead.extend(found.events);
        Ok(read)
    }

    fn tell(&self, event: &Event) -> (usize, Option<Json>) {
        let to = Telling { webhook: &self.webhook, account: Some(&self.account), ..Telling::default() };
        let told = dialect(WebhookFormat::Whatsgate).webhook(event, &to).body;
        let bytes = told.len();
        (bytes, String::from_utf8(told.into()).ok().and_then(|text| Json::from_text(text).ok()))
    }
}

/// A page that is being read.
struct Page {
    /// Events that are to be left out before it.
    skip: u64,
    count: u64,
    /// Events that are asked for, as far as they were seen.
    seen: u64,
    events: Vec<Json>,
    bytes: usize,
}

impl Page {
    /// Reads the logs in the order of time. Answers whether they were read to their ends.
    async fn fill(
        &mut self,
        call: &Call,
        logs: &mut [Log],
        is_wanted: impl Fn(&Event) -> bool,
    ) -> Result<bool, ApiError> {
        let limit = (BATCH / (logs.len() as u64).max(1)).max(2);
        let mut read = 0;
        while read < STRETCH {
            for log in logs.iter_mut() {
                read += log.look_ahead(call, limit).await?;
            }
            let earliest = |log: &&mut Log| log.ahead.front().map(|event| (event.timestamp, event.id));
            let Some(log) = logs.iter_mut().filter(|log| !log.ahead.is_empty()).min_by_key(earliest) else {
                return Ok(true);
            };
            let Some(event) = log.ahead.pop_front() else { return Ok(true) };
            if is_wanted(&event) {
                self.see(&event, log)?;
            }
        }
        if self.events.len() as u64 == self.count {
            return Ok(false);
        }
        let message =
            format!("Too few of the {STRETCH} events since \"date\" are asked for: give a later one.");
        Err(ApiError::invalid(message).with_field("date"))
    }

    /// Counts an event, and adds it where it is one of this page. A page that ended early would have the next one leave
    /// events out.
    fn see(&mut self, event: &Event, log: &Log) -> Result<(), ApiError> {
        self.seen += 1;
        if self.seen <= self.skip || self.events.len() as u64 == self.count {
            return Ok(());
        }
        let (bytes, told) = log.tell(event);
        self.bytes += bytes;
        if self.bytes > PAGE_BYTES {
            let message = "The page has more than 4 MB: ask for smaller ones with \"page_cnt\".";
            return Err(ApiError::invalid(message).with_field("page_cnt"));
        }
        self.events.extend(told);
        Ok(())
    }
}

impl WgEvents {
    /// The logs that it is about.
    async fn logs(&self, call: &Call, start: EventStart) -> Result<Vec<Log>, ApiError> {
        let instances = &call.services().instances;
        if let Some(id) = self.whatsapp_id.as_deref().filter(|id| !id.is_empty()) {
            let view = instances.find(&call.caller, instance_of(call, id).await?).await?;
            return Ok(vec![Log::of(call, &view, start).await?]);
        }
        let page = instances.list(&call.caller, MOST_SESSIONS, 0).await?;
        if page.has_more {
            let message =
                format!("\"WhatsappID\" is required where there are more than {MOST_SESSIONS} sessions.");
            return Err(ApiError::invalid(message).with_field("WhatsappID"));
        }
        let mut logs = Vec::with_capacity(page.items.len());
        for view in &page.items {
            logs.push(Log::of(call, view, start).await?);
        }
        Ok(logs)
    }

    /// The beginning of the day that it names, or the second.
    fn since(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(date) = self.date.as_deref().filter(|date| !date.is_empty()) else { return Ok(None) };
        let time = match date.len() {
            10 => format!("{date}T00:00:00Z"),
            _ => format!("{}Z", date.replacen(' ', "T", 1)),
        };
        let message = "\"date\" must be a day such as 2022-10-11, or a time such as 2022-10-11 19:30:14.";
        let wrong = |_| ApiError::invalid(message).with_field("date");
        time.parse().map(Some).map_err(wrong)
    }
}
