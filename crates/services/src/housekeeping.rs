//! What the services tidy up while they run.

use std::sync::Arc;
use std::time::Duration;

use storage::Storage;

use crate::clock::now;

/// How long an idempotency key is remembered. A client that repeats a call later than that means it.
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Forgets old idempotency keys, now and every hour. Never ends.
pub(crate) async fn keep(storage: Arc<dyn Storage>) {
    let mut hours = tokio::time::interval(INTERVAL);
    loop {
        hours.tick().await;
        let lifetime = i64::try_from(IDEMPOTENCY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        match storage.prune_claims(now().plus_millis(-lifetime)).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "old idempotency keys are forgotten"),
            Err(error) => tracing::warn!(%error, "old idempotency keys can't be forgotten"),
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::{Claim, ClaimStore as _, Fleet as _, Json, Record};

    use super::*;
    use crate::testing::{World, until};

    #[tokio::test]
    async fn old_keys_are_forgotten_and_young_ones_kept() {
        let world = World::new().await;
        let instance = world.instance().await;
        let hour = 60 * 60 * 1_000;
        let lifetime = i64::try_from(IDEMPOTENCY_LIFETIME.as_millis()).unwrap();
        for (key, age) in [("old", lifetime + hour), ("young", lifetime - hour)] {
            let claim = Claim {
                scope: "send".to_owned(),
                key: key.to_owned(),
                fingerprint: [0; 32],
                answer: Json::default(),
                at: now().plus_millis(-age),
            };
            world.storage.record(Record::new(instance).claim(Some(claim))).await.unwrap();
        }
        world.services.resume().await.unwrap();
        until("the old one is gone", || async {
            world.storage.claim("send", "old").await.unwrap().is_none().then_some(())
        })
        .await;
        assert!(world.storage.claim("send", "young").await.unwrap().is_some());
        assert!(
            world.services.stop(Duration::from_secs(5)).await,
            "it does not keep the services from stopping"
        );
    }
}
