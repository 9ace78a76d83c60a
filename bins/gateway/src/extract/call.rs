use std::future::{Future, Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use serde::Serialize;
use services::{Caller, ServiceError, Services};
use storage::InstanceId;

use super::{Authenticated, Subject};
use crate::error::ApiError;
use crate::listing::Listing;
use crate::state::AppState;

/// A call of the API: who makes it, what its path names, and the services that answer it.
#[derive(Clone)]
pub(crate) struct Call<S = ()> {
    state: web::Data<AppState>,
    pub(crate) caller: Caller,
    pub(crate) subject: S,
}

/// A call about one instance.
pub(crate) type InstanceCall = Call<InstanceId>;

impl<S> Call<S> {
    pub(crate) fn services(&self) -> &Services {
        &self.state.services
    }

    /// The same call about something that follows from its subject.
    pub(crate) fn about<T>(self, subject: impl FnOnce(S) -> T) -> Call<T> {
        Call { state: self.state, caller: self.caller, subject: subject(self.subject) }
    }

    /// Answers with a list, as its reader takes it.
    ///
    /// # Errors
    /// 429 when it is large, and too many of these are under way.
    pub(crate) fn answer<T: Serialize, I: Iterator<Item = T> + 'static>(
        &self,
        listing: Listing<I>,
    ) -> Result<HttpResponse, ApiError> {
        listing.answer(&self.state.answers, self.caller.user)
    }

    /// Resolves when the gateway begins to stop.
    pub(crate) async fn stopping(&self) {
        self.state.stopping.cancelled().await;
    }

    /// Does something that changes things, to its end: a client that hangs up meanwhile doesn't cut it in half.
    ///
    /// # Errors
    /// What the service refused.
    pub(crate) async fn complete<T, F>(self, change: impl FnOnce(Self) -> F) -> Result<T, ServiceError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let state = self.state.clone();
        state.changes.complete(change(self)).await
    }
}

impl<S: Subject> FromRequest for Call<S> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(call(request))
    }
}

fn call<S: Subject>(request: &HttpRequest) -> Result<Call<S>, ApiError> {
    // Absent only where the authentication layer is missing: then nobody is let in.
    let caller = request.extensions().get::<Authenticated>().map(|Authenticated(caller)| *caller);
    let caller = caller.ok_or_else(|| ApiError::unauthorized("A credential is required."))?;
    let state = request.app_data::<web::Data<AppState>>().cloned().ok_or_else(ApiError::internal)?;
    Ok(Call { state, caller, subject: S::of(request)? })
}
