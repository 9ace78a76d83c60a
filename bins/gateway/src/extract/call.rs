use std::future::{Future, Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, web};
use reqwest::Url;
use serde::Serialize;
use services::{Caller, Identity, ServiceError, Services};
use std::net::IpAddr;
use std::sync::Arc;
use storage::{InstanceId, Scope, ScopedKey};

use super::{Authenticated, ClientAddress, Credential, Subject};
use crate::backend::Backend;
use crate::codes::Codes;
use crate::error::ApiError;
use crate::listing::Listing;
use crate::sse::{self, Source};
use crate::state::AppState;
use crate::streams::Stream;

/// A call of the API: who makes it, what its path names, and the services that answer it.
#[derive(Clone)]
pub(crate) struct Call<S = ()> {
    state: web::Data<AppState>,
    pub(crate) caller: Caller,
    /// The scoped key that was shown, if it was one.
    key: Option<Arc<ScopedKey>>,
    address: IpAddr,
    pub(crate) subject: S,
}

/// A call about one instance.
pub(crate) type InstanceCall = Call<InstanceId>;

impl<S> Call<S> {
    pub(crate) fn services(&self) -> &Services {
        &self.state.services
    }

    /// The database below the services.
    pub(crate) fn backend(&self) -> &Backend {
        &self.state.backend
    }

    /// The URL under which others reach the gateway, if it was told.
    pub(crate) fn public_url(&self) -> Option<&Url> {
        self.state.public_url.as_ref()
    }

    /// The same call about something that follows from its subject.
    pub(crate) fn about<T>(self, subject: impl FnOnce(S) -> T) -> Call<T> {
        let Self { state, caller, key, address, subject: of } = self;
        Call { state, caller, key, address, subject: subject(of) }
    }

    /// The address that the call comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// The only instances that there are for the key that was shown, if it is bound to some.
    pub(crate) fn bound(&self) -> Option<&[InstanceId]> {
        self.key.as_ref()?.instances.as_deref()
    }

    /// Whether events show their codes to whoever calls: to those who could link the instance by themselves.
    pub(crate) fn codes(&self) -> Codes {
        match &self.key {
            Some(key) if !key.scopes.contains(&Scope::Manage) => Codes::Hidden,
            _ => Codes::Shown,
        }
    }

    /// Counts this as a call about an instance of the caller's that its body names.
    ///
    /// # Errors
    /// 429 beyond what the owner of the instance allows.
    pub(crate) async fn count(&self, instance: InstanceId) -> Result<(), ApiError> {
        Ok(self.state.count_call(&self.caller, instance).await?)
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

    /// Takes a place for an answer that goes on.
    ///
    /// # Errors
    /// 429 when there are as many as may be.
    pub(crate) fn begin_stream(&self) -> Result<Stream, ApiError> {
        self.state.streams.begin(self.caller.user)
    }

    /// Answers with what a source tells, for as long as the credential is good.
    pub(crate) fn stream(
        &self,
        source: impl Source + 'static,
        credential: Credential,
        place: Stream,
    ) -> HttpResponse {
        sse::answer(source, credential, self.state.stopping.clone(), place)
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
    let found = request.extensions().get::<Authenticated>().cloned();
    let Authenticated(Identity { caller, key }) =
        found.ok_or_else(|| ApiError::unauthorized("A credential is required."))?;
    let client = request.extensions().get::<ClientAddress>().copied();
    let ClientAddress(address) = client.ok_or_else(ApiError::internal)?;
    let state = request.app_data::<web::Data<AppState>>().cloned().ok_or_else(ApiError::internal)?;
    let caller = caller.coming(key.as_ref().map(|key| key.id), address);
    Ok(Call { state, caller, key, address, subject: S::of(request)? })
}
