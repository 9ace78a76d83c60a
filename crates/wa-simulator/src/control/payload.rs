use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

/// The body of an answer.
pub(super) enum Payload {
    /// All of it.
    Whole(Full<Bytes>),
    /// The beginning of one that breaks off with its connection.
    Broken(Beginning),
}

/// How far a body is that breaks off.
pub(super) enum Beginning {
    /// This comes first.
    Due(Bytes),
    /// It is to be written before the connection goes: an error would take it along.
    Given,
    /// The connection ends.
    Written,
}

impl Default for Payload {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|n| match n {}))),
            Self::Broken(beginning) => beginning.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

impl Beginning {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match std::mem::replace(self, Self::Given) {
            Self::Due(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            // Who serves it writes out what there is when the body has nothing more to give for now.
            Self::Given => {
                *self = Self::Written;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Written => {
                *self = Self::Written;
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
            }
        }
    }
}
