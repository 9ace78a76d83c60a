//! What a connection's stream and the layer around the routes tell each other.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Bytes;
use tokio::time::Instant;

use crate::in_flight::UnderWay;

/// What may come of a body of unknown length before anybody reads it: behind its end could stand other requests.
const AHEAD: usize = 8 * 1024;

/// Where a connection stands. Clones are the same.
#[derive(Clone)]
pub(crate) struct Watch(Rc<Inner>);

struct Inner {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    reader: RefCell<Option<Waker>>,
}

/// What is awaited of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Of the client, a request.
    Idle,
    /// Of the client, the rest of a request's head, or of a body that nobody wants.
    Head,
    /// Of us, an answer; of the client, so many bytes of the body at most.
    Answering {
        /// The bytes.
        body: usize,
        /// How long nothing may come or leave meanwhile.
        patience: Duration,
    },
}

impl Watch {
    /// A new connection: its first head is awaited.
    pub(crate) fn new() -> Self {
        let since = Cell::new(Instant::now());
        Self(Rc::new(Inner { phase: Cell::new(Phase::Head), since, reader: RefCell::default() }))
    }

    /// The phase, and since when it lasts or when it last advanced.
    pub(crate) fn phase(&self) -> (Phase, Instant) {
        (self.0.phase.get(), self.0.since.get())
    }

    /// So many bytes have come.
    pub(crate) fn heard(&self, count: usize) {
        match self.0.phase.get() {
            Phase::Idle if count > 0 => self.enter(Phase::Head),
            Phase::Answering { body, patience } if count > 0 => {
                self.enter(Phase::Answering { body: body.saturating_sub(count), patience })
            }
            Phase::Idle | Phase::Head | Phase::Answering { .. } => {}
        }
    }

    /// Bytes of an answer have left.
    pub(crate) fn told(&self) {
        if let Phase::Answering { .. } = self.0.phase.get() {
            self.0.since.set(Instant::now());
        }
    }

    /// Whom to wake when bytes may be read again.
    pub(crate) fn hold(&self, reader: &Waker) {
        *self.0.reader.borrow_mut() = Some(reader.clone());
    }

    /// Bytes may be read again.
    pub(crate) fn release(&self) {
        if let Some(reader) = self.0.reader.borrow_mut().take() {
            reader.wake();
        }
    }

    /// Begins a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.phase.set(phase);
        self.0.since.set(Instant::now());
    }
}

/// A request is being answered, until this is dropped.
pub(crate) struct Answering {
    watch: Option<Watch>,
    /// Its place among those of its client.
    place: Option<UnderWay>,
}

impl Answering {
    /// From now on the connection gives no more than the body of this request, and bears that nothing of it comes, and nothing
    /// of the answer leaves, for so long. Without a connection of ours, as in tests, nothing happens.
    pub(crate) fn begin(request: &HttpRequest, longest: usize, patience: Duration) -> Self {
        let watch = request.conn_data::<Watch>().cloned();
        if let Some(watch) = &watch {
            watch.enter(Phase::Answering { body: announced(request).min(longest), patience });
        }
        Self { watch, place: None }
    }

    /// The request takes a place until it is answered.
    pub(crate) fn takes(&mut self, place: UnderWay) {
        self.place = Some(place);
    }

    /// The body of the answer; when it has been handed over, the request is answered.
    pub(crate) fn until_sent(self, body: BoxBody) -> BoxBody {
        if self.watch.is_none() && self.place.is_none() {
            return body;
        }
        BoxBody::new(Sent { body, _until: self })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.enter(Phase::Idle);
            watch.release();
        }
    }
}

/// The body of this request has been read to its end: what comes now belongs to another one.
pub(crate) fn body_is_read(request: &HttpRequest) {
    if let Some(watch) = request.conn_data::<Watch>()
        && let Phase::Answering { patience, .. } = watch.0.phase.get()
    {
        watch.0.phase.set(Phase::Answering { body: 0, patience });
    }
}

/// A part of this request's body has been read; where the head didn't tell how long it is, another part may come.
pub(crate) fn body_goes_on(request: &HttpRequest) {
    if let Some(watch) = request.conn_data::<Watch>()
        && let Phase::Answering { body, patience } = watch.0.phase.get()
        && is_chunked(request)
    {
        watch.0.phase.set(Phase::Answering { body: body.max(AHEAD), patience });
        watch.release();
    }
}

fn is_chunked(request: &HttpRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
}

/// How long the body is, as far as the head tells; else how much of it may come before it is read.
fn announced(request: &HttpRequest) -> usize {
    let headers = request.headers();
    if is_chunked(request) {
        return AHEAD;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

struct Sent {
    body: BoxBody,
    _until: Answering,
}

impl MessageBody for Sent {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_is_progress() {
        let (watch, patience) = (Watch::new(), Duration::from_secs(60));
        watch.enter(Phase::Answering { body: 10, patience });
        let began = watch.phase().1;
        tokio::time::advance(Duration::from_secs(50)).await;
        watch.heard(0);
        assert_eq!(watch.phase(), (Phase::Answering { body: 10, patience }, began), "nothing has come");
        watch.heard(4);
        assert_eq!(watch.phase(), (Phase::Answering { body: 6, patience }, Instant::now()));
    }
}
