//! What the workers of all webhooks share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use outbound::AddressGuard;
use storage::{Event, InstanceId, Journal, Recorded, Storage, Webhook};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::courier::{Courier, Failure};
use crate::dialect::Account;
use crate::gate::Gate;
use crate::observer::Observer;
use crate::target::{Target, Tested};

pub(crate) struct Context {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) guard: AddressGuard,
    /// Calls under way at once for one webhook; at least 1.
    pub(crate) per_webhook: usize,
    /// Lets so many calls of all webhooks be under way.
    pub(crate) gate: Gate,
    /// Cancelled when calls that are under way are given up.
    pub(crate) abandoned: CancellationToken,
    /// Hears what becomes of calls.
    pub(crate) observer: Arc<dyn Observer>,
    /// After this long without a success a webhook is only probed.
    pub(crate) patience: Duration,
    /// Under which URL others reach the gateway, without a slash at its end; empty where it wasn't told.
    pub(crate) public_url: String,
    /// By which those who read the log hear of what is recorded here; set before anything is.
    journal: OnceLock<Journal>,
    courier: Courier,
}

impl Context {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        guard: AddressGuard,
        courier: Courier,
        (per_webhook, in_flight): (usize, usize),
        observer: Arc<dyn Observer>,
        patience: Duration,
        public_url: String,
    ) -> Self {
        Self {
            storage,
            guard,
            per_webhook: per_webhook.max(1),
            gate: Gate::new(in_flight),
            abandoned: CancellationToken::new(),
            observer,
            patience,
            public_url,
            journal: OnceLock::new(),
            courier,
        }
    }

    /// What is recorded here is announced through this journal from now on.
    pub(crate) fn announce_through(&self, journal: Journal) {
        // There is one for each dispatcher.
        let _ = self.journal.set(journal);
    }

    /// Tells those who read the log of what is durable.
    pub(crate) fn announce(&self, instance: InstanceId, recorded: &Recorded) {
        if let Some(journal) = self.journal.get() {
            journal.ring(instance, recorded);
        }
    }

    /// One attempt; answers the status of success.
    pub(crate) async fn deliver(
        &self,
        target: &Target,
        event: &Event,
        number: u32,
        replayed: bool,
    ) -> Result<u16, Failure> {
        let account = match target.tells_account() {
            true => self.account(event.instance).await?,
            false => None,
        };
        let of = (account.as_ref(), self.public_url.as_str());
        let (instance, kind) = (event.instance, event.kind().as_str());
        let span = tracing::debug_span!(
            parent: None, "call webhook", %instance, event = kind, attempt = number, status = Empty, error = Empty
        );
        let delivered =
            target.deliver(&self.courier, event, (number, replayed), of).instrument(span.clone()).await;
        match &delivered {
            Ok(status) => span.record("status", *status),
            Err(failure) => {
                if let Some(status) = failure.status_code() {
                    span.record("status", status);
                }
                span.record("error", display(failure))
            }
        };
        delivered
    }

    /// What the account of an instance is called now.
    async fn account(&self, instance: InstanceId) -> Result<Option<Account>, Failure> {
        let found = self.storage.fleet_instance(instance).await;
        let found = found.map_err(|error| Failure::Local(format!("the store failed: {error}")))?;
        Ok(found.as_ref().map(Account::of))
    }

    /// A call that tells of nothing but itself.
    pub(crate) async fn test(&self, target: &Target, webhook: &Webhook) -> Tested {
        target.test(&self.courier, webhook).await
    }
}
