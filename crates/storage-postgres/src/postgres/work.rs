//! Async closures over a connection.

/// An async closure whose future can be named, so that it can be asked to be `Send`. As in diesel-async, whose own is private:
/// stable Rust has no other way to say so of an `AsyncFnOnce`.
pub(crate) trait Work<C, R>: AsyncFnOnce(C) -> R + FnOnce(C) -> <Self as Work<C, R>>::Running {
    /// The closure at work.
    type Running: Future<Output = R>;
}

impl<F, C, Running, R> Work<C, R> for F
where
    F: AsyncFnOnce(C) -> R + FnOnce(C) -> Running,
    Running: Future<Output = R>,
{
    type Running = Running;
}
