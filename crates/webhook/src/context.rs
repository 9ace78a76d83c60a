//! What the workers of all webhooks share.

use std::sync::Arc;

use outbound::AddressGuard;
use storage::{Event, Storage};
use tokio::sync::Semaphore;

use crate::courier::{Courier, Failure};
use crate::target::Target;

pub(crate) struct Context {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) guard: AddressGuard,
    /// Calls under way at once for one webhook; at least 1.
    pub(crate) per_webhook: usize,
    courier: Courier,
    permits: Semaphore,
}

impl Context {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        guard: AddressGuard,
        courier: Courier,
        per_webhook: usize,
        in_flight: usize,
    ) -> Self {
        let permits = Semaphore::new(in_flight.max(1));
        Self { storage, guard, per_webhook: per_webhook.max(1), courier, permits }
    }

    /// One attempt, when its turn has come among those of all webhooks.
    pub(crate) async fn deliver(&self, target: &Target, event: &Event, attempt: u32) -> Result<(), Failure> {
        // The semaphore is never closed; if it were, the attempt would go ahead.
        let _permit = self.permits.acquire().await.ok();
        target.deliver(&self.courier, event, attempt).await
    }
}
