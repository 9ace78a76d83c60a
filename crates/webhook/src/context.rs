//! What the workers of all webhooks share.

use std::sync::Arc;

use outbound::AddressGuard;
use storage::{Event, Storage};
use tokio_util::sync::CancellationToken;

use crate::courier::{Courier, Failure};
use crate::gate::Gate;
use crate::target::Target;

pub(crate) struct Context {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) guard: AddressGuard,
    /// Calls under way at once for one webhook; at least 1.
    pub(crate) per_webhook: usize,
    /// Lets so many calls of all webhooks be under way.
    pub(crate) gate: Gate,
    /// Cancelled when calls that are under way are given up.
    pub(crate) abandoned: CancellationToken,
    courier: Courier,
}

impl Context {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        guard: AddressGuard,
        courier: Courier,
        per_webhook: usize,
        in_flight: usize,
    ) -> Self {
        Self {
            storage,
            guard,
            per_webhook: per_webhook.max(1),
            gate: Gate::new(in_flight),
            abandoned: CancellationToken::new(),
            courier,
        }
    }

    /// One attempt.
    pub(crate) async fn deliver(&self, target: &Target, event: &Event, attempt: u32) -> Result<(), Failure> {
        target.deliver(&self.courier, event, attempt).await
    }
}
