//! Which spans leave, and what of them: the one list. Nothing else is told, so that no number, text or address of a chat can
//! leave by chance.

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};

/// What OTLP calls the part that a span has in a call (`SpanKind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Something within the process.
    Internal = 1,
    /// It answers somebody.
    Server = 2,
    /// It asks somebody.
    Client = 3,
}

/// A span that leaves.
pub(super) struct Told {
    /// The crate that makes it.
    of: &'static str,
    /// Its name.
    pub(super) name: &'static str,
    pub(super) part: Part,
    /// Fields whose values are its name outside, where there are any.
    pub(super) named_by: &'static [&'static str],
    /// Fields, and what OpenTelemetry's conventions call them.
    attributes: &'static [(&'static str, &'static str)],
}

/// Whose value is the status of an answer.
pub(super) const STATUS: &str = "status";
/// Whose value says what went wrong.
pub(super) const ERROR: &str = "error";
/// Whose value says what it belongs to.
pub(super) const PARENT: &str = "traceparent";

const TOLD: &[Told] = &[
    Told {
        of: "trunkline",
        name: "request",
        part: Part::Server,
        named_by: &["method", "route"],
        attributes: &[
            ("id", "trunkline.request.id"),
            ("method", "http.request.method"),
            ("route", "http.route"),
            (STATUS, "http.response.status_code"),
        ],
    },
    Told {
        of: "services",
        name: "send",
        part: Part::Internal,
        named_by: &[],
        attributes: &[("instance", "trunkline.instance.id"), ("kind", "trunkline.message.type")],
    },
    Told {
        of: "webhook",
        name: "call webhook",
        part: Part::Client,
        named_by: &[],
        attributes: &[
            ("instance", "trunkline.instance.id"),
            ("event", "trunkline.event.type"),
            ("attempt", "trunkline.webhook.attempt"),
            (STATUS, "http.response.status_code"),
        ],
    },
];

impl Told {
    /// What is told of a span, if anything is.
    pub(super) fn of(span: &Metadata<'_>) -> Option<&'static Self> {
        let of = span.target().split("::").next().unwrap_or_default();
        TOLD.iter().find(|told| span.is_span() && told.name == span.name() && told.of == of)
    }

    /// What a field is called outside, if it leaves.
    pub(super) fn attribute(&self, field: &str) -> Option<&'static str> {
        self.attributes.iter().find(|(name, _)| *name == field).map(|(_, told)| *told)
    }

    /// The first status of an answer that is an error: to who answers, what they did wrong; to who asks, all that isn't what
    /// they asked for.
    pub(super) fn first_error(&self) -> i64 {
        if self.part == Part::Server { 500 } else { 400 }
    }
}

/// Lets those spans through alone.
pub(super) fn filter() -> FilterFn {
    let is_told: fn(&Metadata<'_>) -> bool = |metadata| Told::of(metadata).is_some();
    filter_fn(is_told).with_max_level_hint(LevelFilter::DEBUG)
}
