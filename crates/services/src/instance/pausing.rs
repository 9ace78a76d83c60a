//! Keeping an instance from connecting until its owner wants it again.

use serde_json::Value;
use storage::{
    AuditAction, CauseKind, DisconnectedData, EventData, InstanceId, InstanceStatus, NewEvent, Record,
    StateChange,
};

use super::InstanceService;
use crate::auth::Caller;
use crate::error::ServiceError;

impl InstanceService {
    /// Closes the connection once what is in flight has left, and opens none until [`Self::resume`], over restarts. The
    /// instance stays linked. Answers whether it was not paused before.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn pause(&self, caller: &Caller, id: InstanceId) -> Result<bool, ServiceError> {
        let was_paused = self.stored(caller, id).await?.status == InstanceStatus::Paused;
        let epoch = self.inner.supervisor.epoch(id).await?;
        self.inner.supervisor.pause(id).await;
        // Its companion has said so, if there was one and it could.
        if self.stored(caller, id).await?.status != InstanceStatus::Paused {
            let cause = CauseKind::Paused;
            let told = DisconnectedData { cause, code: None, until: None, will_reconnect: false, raw: None };
            let change = StateChange::status(InstanceStatus::Paused, Some(cause.into()));
            let event = NewEvent::new(None, EventData::Disconnected(told));
            self.inner.journal.record(Record::new(id, epoch).state(change).event(event)).await?;
        }
        self.did(caller, AuditAction::InstancePaused, id, Value::Null).await;
        Ok(!was_paused)
    }

    /// Lets a paused instance connect again, which it begins at once. Answers whether it was paused.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn resume(&self, caller: &Caller, id: InstanceId) -> Result<bool, ServiceError> {
        let instance = self.stored(caller, id).await?;
        if instance.status != InstanceStatus::Paused {
            return Ok(false);
        }
        self.inner.supervisor.start(&instance).await?;
        self.did(caller, AuditAction::InstanceResumed, id, Value::Null).await;
        Ok(true)
    }
}
