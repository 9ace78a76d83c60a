//! Wakes whoever sends what was scheduled.

use std::sync::Arc;

use storage::{EventKind, InstanceId, Listener, Recorded};
use tokio::sync::Notify;

/// Rings when there may be something to send: something was scheduled or changed, or an instance has come online. Clones
/// are the same alarm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm {
    notify: Arc<Notify>,
}

impl Alarm {
    pub(crate) fn ring(&self) {
        self.notify.notify_one();
    }

    /// Resolves when it has rung since the last time.
    pub(crate) async fn rung(&self) {
        self.notify.notified().await;
    }
}

impl Listener for Alarm {
    fn rang(&self, _instance: InstanceId, recorded: &Recorded) {
        if recorded.events.iter().any(|event| event.kind() == EventKind::Connected) {
            self.ring();
        }
    }
}
