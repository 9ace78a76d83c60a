//! Files go with their messages: what no message has any more is deleted.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use storage::{InstanceId, Storage, StorageError};
use tokio::time::{interval, sleep};

use super::{MediaObjects, Spool};

/// How often is looked for files that no message has any more.
const INTERVAL: Duration = Duration::from_secs(3600);
/// The rest between two files, so that nobody notices.
const BREATH: Duration = Duration::from_millis(2);
/// A download that nobody has gone on with for so long isn't gone on with.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why not everything could be looked at.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Deletes what nobody has any more, now and every hour. Never ends.
pub(crate) async fn keep_clean(storage: Arc<dyn Storage>, objects: Arc<dyn MediaObjects>, spool: Spool) {
    let started = SystemTime::now();
    let mut hours = interval(INTERVAL);
    loop {
        hours.tick().await;
        let is_abandoned = |name: &str, changed: SystemTime| {
            let is_of_earlier_process = name.starts_with("given-") && changed < started;
            is_of_earlier_process || changed.elapsed().is_ok_and(|age| age > ABANDONED)
        };
        if let Err(error) = spool.clean(is_abandoned).await {
            tracing::warn!(%error, "files that were left behind can't be deleted");
        }
        match sweep(&*storage, &*objects).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "files of messages that are gone are deleted"),
            Err(error) => tracing::warn!(%error, "files of messages that are gone can't be deleted"),
        }
    }
}

async fn sweep(storage: &dyn Storage, objects: &dyn MediaObjects) -> Result<u64, SweepError> {
    let mut deleted = 0;
    for instance in objects.instances().await? {
        if storage.fleet_instance(instance).await?.is_none() {
            deleted += objects.names(instance).await?.len() as u64;
            objects.delete_all(instance).await?;
            continue;
        }
        deleted += sweep_instance(storage, objects, instance).await?;
    }
    Ok(deleted)
}

async fn sweep_instance(
    storage: &dyn Storage,
    objects: &dyn MediaObjects,
    instance: InstanceId,
) -> Result<u64, SweepError> {
    let mut deleted = 0;
    for (name, since) in objects.names(instance).await? {
        // What has just come isn't in the store yet.
        let is_new = since.elapsed().map_or(true, |age| age < INTERVAL);
        let is_kept = match name.parse() {
            _ if is_new => true,
            Ok(message) => storage.has_file(instance, message).await?,
            Err(_) => false,
        };
        if !is_kept {
            objects.delete(instance, &name).await?;
            deleted += 1;
        }
        sleep(BREATH).await;
    }
    Ok(deleted)
}
