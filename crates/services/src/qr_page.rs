//! The page on which somebody links an instance without a credential: whoever has its address may.

mod link;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{ApiKey, AuditAction, CauseKind, DialectAccess, InstanceId, Json, Missing, Storage, Timestamp};
use tokio::sync::OnceCell;
use wa_client::PasskeyStep;

use crate::audit::AuditService;
use crate::auth::{AuthService, Caller};
use crate::clock::now;
use crate::error::ServiceError;
use crate::instance::{InstanceService, InstanceView, Qr};
use crate::status::Status;
use link::{Links, Read};

pub use link::{LONGEST_LINK, QrLink};

/// Under which name the store knows the permanent addresses of instances' pages.
const PAGE: &str = "qr_page";
/// Digits of a permanent address: 80 bits that nobody guesses.
const DIGITS: usize = 24;

/// A page: whose instance it links. Only an address that was given out leads to one.
#[derive(Clone, Copy, Debug)]
pub struct QrPage {
    caller: Caller,
    instance: InstanceId,
}

/// What an address leads to.
#[derive(Clone, Copy, Debug)]
pub enum Visit {
    /// A page.
    Page(QrPage),
    /// A page until some time ago.
    Expired,
    /// No page, and none that ever was.
    Nowhere,
}

/// What a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageState {
    /// There is nothing to show yet.
    Loading,
    /// A code to scan.
    Qr {
        /// What the picture says.
        text: String,
    },
    /// A code to enter on the phone.
    Code {
        /// Eight characters, with a dash.
        code: String,
    },
    /// The account asks for a passkey, which only a page of WhatsApp can show.
    Passkey,
    /// The phone has to show this code, too, and a person has to say that it does.
    Compare {
        /// The code.
        code: String,
    },
    /// The instance is linked.
    Linked,
    /// The linking has failed; it can be begun anew.
    Failed,
    /// The instance is gone.
    Gone,
}

/// What is kept beside a permanent address.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
struct Notes {
    /// The number that is to be linked by a code, if not by a scan.
    phone: Option<String>,
    /// The last code, and until when it is good: Unix milliseconds.
    code: Option<(String, i64)>,
}

/// Use cases about these pages. Clones are the same service.
#[derive(Clone)]
pub struct QrPageService {
    storage: Arc<dyn Storage>,
    auth: AuthService,
    instances: InstanceService,
    audit: AuditService,
    links: Arc<OnceCell<Links>>,
}

impl QrPageService {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        auth: AuthService,
        instances: InstanceService,
        audit: AuditService,
    ) -> Self {
        Self { storage, auth, instances, audit, links: Arc::default() }
    }

    /// An address of an instance's page that is good for so many seconds.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for no time, or more than [`LONGEST_LINK`].
    pub async fn link(
        &self,
        caller: &Caller,
        instance: InstanceId,
        seconds: u64,
    ) -> Result<QrLink, ServiceError> {
        self.instances.status(caller, instance).await?;
        let link = self.links().await?.make(instance, seconds, now())?;
        self.audit.did(caller.actor, AuditAction::LinkCreated, instance, Value::Null).await;
        Ok(link)
    }

    /// The permanent address of an instance's page, made when it is first asked for.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn unique_id(&self, caller: &Caller, instance: InstanceId) -> Result<String, ServiceError> {
        Ok(self.kept(caller, instance).await?.key.expose().to_owned())
    }

    /// The caller's instance with this permanent address.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn by_unique_id(&self, caller: &Caller, unique_id: &str) -> Result<InstanceId, ServiceError> {
        let found = self.storage.dialect_instance(PAGE, ApiKey::new(unique_id).hash()).await?;
        let own = found.filter(|(owner, _)| *owner == caller.user).map(|(_, instance)| instance);
        own.ok_or(ServiceError::NotFound { what: Missing::Instance })
    }

    /// Has the instance's page show codes for this number to enter on the phone, instead of codes to scan. Answers the
    /// first one.
    ///
    /// # Errors
    /// As [`InstanceService::pairing_code`].
    pub async fn link_by_code(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
    ) -> Result<String, ServiceError> {
        let made = self.instances.pairing_code(caller, instance, phone).await?;
        let notes = Notes { phone: Some(phone.to_owned()), code: Some((made.code.clone(), made.expires_at)) };
        let kept = self.kept(caller, instance).await?;
        let access = DialectAccess { notes: Json::of(&notes).unwrap_or_default(), ..kept };
        self.storage.put_dialect_access(caller.user, instance, PAGE.to_owned(), access).await?;
        Ok(made.code)
    }

    /// What an address leads to: one that was [made for a while](Self::link), or a [permanent one](Self::unique_id). `from` is
    /// where the visitor comes from.
    ///
    /// # Errors
    /// `RateLimited` for whoever tries many addresses that lead nowhere; when the store fails.
    pub async fn visit(&self, address: &str, from: IpAddr) -> Result<Visit, ServiceError> {
        let instance = match self.links().await?.read(address, now()) {
            Read::Good(instance) => instance,
            Read::Expired => return Ok(Visit::Expired),
            Read::Unknown => {
                let page = self.auth.by_public_key(PAGE, address, from).await?;
                let page = page.map(|(caller, instance)| Visit::Page(QrPage { caller, instance }));
                return Ok(page.unwrap_or(Visit::Nowhere));
            }
        };
        let Some(found) = self.storage.fleet_instance(instance).await? else { return Ok(Visit::Nowhere) };
        let owner = self.auth.by_id(found.owner).await?;
        Ok(owner.map_or(Visit::Nowhere, |caller| Visit::Page(QrPage { caller, instance })))
    }

    /// Begins a linking where none is under way; what the page shows then.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, page: QrPage) -> Result<PageState, ServiceError> {
        let state = self.state(page).await?;
        if matches!(state, PageState::Linked | PageState::Gone) {
            return Ok(state);
        }
        let QrPage { caller, instance } = page;
        let notes = self.notes(page).await?;
        let begun = match (&notes.phone, good_code(&notes)) {
            (Some(phone), None) => self.link_by_code(&caller, instance, phone).await.map(drop),
            _ => self.instances.qr(&caller, instance).await.map(drop),
        };
        match begun {
            Ok(()) | Err(ServiceError::Conflict { .. }) => self.state(page).await,
            Err(ServiceError::NotFound { .. }) => Ok(PageState::Gone),
            Err(error @ (ServiceError::Internal(_) | ServiceError::Unreadable(_))) => Err(error),
            Err(_) => Ok(PageState::Failed),
        }
    }

    /// What the page shows now. Begins nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn state(&self, page: QrPage) -> Result<PageState, ServiceError> {
        match self.instances.find(&page.caller, page.instance).await {
            Ok(view) => self.shown(page, &view).await,
            Err(ServiceError::NotFound { .. }) => Ok(PageState::Gone),
            Err(error) => Err(error),
        }
    }

    /// Says that the phone shows the code that is to be compared. Only for a person to say.
    ///
    /// # Errors
    /// As [`InstanceService::confirm_passkey`].
    pub async fn confirm(&self, page: QrPage) -> Result<PageState, ServiceError> {
        self.instances.confirm_passkey(&page.caller, page.instance).await?;
        self.state(page).await
    }

    async fn shown(&self, page: QrPage, view: &InstanceView) -> Result<PageState, ServiceError> {
        if view.instance.jid.is_some() {
            return Ok(PageState::Linked);
        }
        Ok(match view.connection.status {
            Status::Connected => PageState::Linked,
            Status::Connecting => PageState::Loading,
            Status::Passkey => match self.instances.passkey(&page.caller, page.instance).await {
                Ok(PasskeyStep::Compare { code, .. }) => PageState::Compare { code },
                _ => PageState::Passkey,
            },
            Status::Qr => self.code(page).await?,
            // Another try is made by itself.
            _ if view.connection.retry_at.is_some() => PageState::Loading,
            _ if view.connection.cause.is_some_and(|cause| cause.kind == CauseKind::Shutdown) => {
                PageState::Loading
            }
            _ => PageState::Failed,
        })
    }

    /// The code to scan, or to enter where that was asked for.
    async fn code(&self, page: QrPage) -> Result<PageState, ServiceError> {
        let notes = self.notes(page).await?;
        if let Some(code) = good_code(&notes) {
            return Ok(PageState::Code { code: code.to_owned() });
        }
        if notes.phone.is_some() {
            return Ok(PageState::Failed);
        }
        Ok(match self.instances.qr(&page.caller, page.instance).await {
            Ok(Qr::Code { text, .. }) => PageState::Qr { text },
            Ok(Qr::Generating { .. }) => PageState::Loading,
            Err(ServiceError::Conflict { .. }) => PageState::Linked,
            Err(_) => PageState::Failed,
        })
    }

    async fn notes(&self, page: QrPage) -> Result<Notes, ServiceError> {
        let access = self.storage.dialect_access(page.caller.user, page.instance, PAGE).await?;
        Ok(access.and_then(|access| access.notes.parse::<Option<Notes>>().ok().flatten()).unwrap_or_default())
    }

    async fn kept(&self, caller: &Caller, instance: InstanceId) -> Result<DialectAccess, ServiceError> {
        if let Some(known) = self.storage.dialect_access(caller.user, instance, PAGE).await? {
            return Ok(known);
        }
        let fresh = DialectAccess { key: new_unique_id(), notes: Json::default() };
        let init = self.storage.init_dialect_access(caller.user, instance, PAGE.to_owned(), fresh);
        Ok(init.await?)
    }

    async fn links(&self) -> Result<&Links, ServiceError> {
        Ok(self.links.get_or_try_init(|| Links::load(&*self.storage)).await?)
    }
}

impl std::fmt::Debug for QrPageService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrPageService").finish_non_exhaustive()
    }
}

/// The code that the phone can still enter.
fn good_code(notes: &Notes) -> Option<&str> {
    let is_good = |(_, until): &&(String, i64)| Timestamp::from_millis(*until) > now();
    notes.code.as_ref().filter(is_good).map(|(code, _)| code.as_str())
}

/// Digits, as addresses of this kind have elsewhere, too.
fn new_unique_id() -> ApiKey {
    let digits = std::iter::repeat_with(|| char::from(b'0' + rand::random_range(0..10_u8)));
    ApiKey::new(digits.take(DIGITS).collect::<String>())
}
