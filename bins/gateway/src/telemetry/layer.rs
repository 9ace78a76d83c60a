//! From spans of the process to spans of OTLP.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use tokio::sync::mpsc::Sender;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::otlp::{KeyValue, Span, Status, Value};
use super::told::{self, Told};
use crate::trace_parent::{TraceParent, fresh};

/// Hands spans that have ended to whoever sends them.
pub(super) struct Spans {
    queue: Sender<Span>,
    /// Of the traces that begin here, the share that is recorded.
    share: f64,
    /// Those that found no room.
    lost: Arc<AtomicU64>,
}

impl Spans {
    pub(super) fn new(queue: Sender<Span>, share: f64, lost: Arc<AtomicU64>) -> Self {
        Self { queue, share, lost }
    }

    /// What a new span belongs to: what runs around it, else what the request says, else nothing.
    fn place(
        &self,
        around: Option<TraceParent>,
        said: Option<TraceParent>,
    ) -> (TraceParent, Option<[u8; 8]>) {
        match around.or(said) {
            Some(parent) => (TraceParent { span: fresh(), ..parent }, Some(parent.span)),
            None => {
                let is_sampled = rand::rng().random::<f64>() < self.share;
                (TraceParent { trace: fresh(), span: fresh(), is_sampled }, None)
            }
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some((span, told)) = context.span(id).zip(Told::of(attributes.metadata())) else { return };
        let mut seen = Seen::new(told);
        attributes.record(&mut seen);
        let around = span.parent().and_then(|parent| parent.extensions().get::<Open>().map(|open| open.own));
        let (own, parent) = self.place(around, seen.parent);
        span.extensions_mut().insert(Open { own, parent, began: now(), seen });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.seen);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        let Some(open) = open.filter(|open| open.own.is_sampled) else { return };
        if self.queue.try_send(open.ended(now())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A span that hasn't ended.
struct Open {
    own: TraceParent,
    parent: Option<[u8; 8]>,
    began: u64,
    seen: Seen,
}

impl Open {
    fn ended(self, at: u64) -> Span {
        let Self { own, parent, began, seen } = self;
        Span {
            trace_id: own.trace.to_vec(),
            span_id: own.span.to_vec(),
            parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            name: seen.name(),
            kind: seen.told.part as i32,
            start_time_unix_nano: began,
            // A clock that was set back makes no time negative.
            end_time_unix_nano: at.max(began),
            status: seen.error.map(Status::error),
            attributes: seen.attributes,
        }
    }
}

/// What was said of a span, as far as it leaves.
struct Seen {
    told: &'static Told,
    attributes: Vec<KeyValue>,
    /// Values of the fields that name it, in their order.
    names: Vec<(usize, String)>,
    parent: Option<TraceParent>,
    error: Option<String>,
}

impl Seen {
    fn new(told: &'static Told) -> Self {
        Self { told, attributes: Vec::new(), names: Vec::new(), parent: None, error: None }
    }

    fn name(&self) -> String {
        let mut names = self.names.clone();
        names.sort_unstable();
        match names.is_empty() {
            true => self.told.name.to_owned(),
            false => names.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" "),
        }
    }

    fn keep(&mut self, field: &Field, value: Value) {
        match (&value, field.name()) {
            (Value::Text(text), told::PARENT) => self.parent = TraceParent::parse(text),
            (Value::Text(text), told::ERROR) => self.error = Some(text.clone()),
            (Value::Number(status), told::STATUS) if *status >= self.told.first_error() => {
                self.error.get_or_insert_default();
            }
            _ => {}
        }
        let place = self.told.named_by.iter().position(|name| *name == field.name());
        if let (Some(place), Value::Text(text)) = (place, &value) {
            self.names.push((place, text.clone()));
        }
        if let Some(attribute) = self.told.attribute(field.name()) {
            self.attributes.push(KeyValue::new(attribute, value));
        }
    }
}

impl Visit for Seen {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, Value::Number(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, Value::Text(value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, Value::Text(format!("{value:?}")));
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
