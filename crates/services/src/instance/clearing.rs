//! Forgetting what was said.

use serde_json::Value;
use storage::{AuditAction, InstanceId};

use super::InstanceService;
use crate::auth::Caller;
use crate::error::ServiceError;

/// Messages, or contacts, that are removed in one commit: no other write waits long for it.
const PIECE: u64 = 500;

impl InstanceService {
    /// Forgets the messages, contacts and files of an instance. It stays linked, what is on its way leaves, and its event
    /// log stays: webhooks still read it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn clear(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        self.stored(caller, id).await?;
        // First: what is forgotten halfway is forgotten all the same.
        self.did(caller, AuditAction::InstanceCleared, id, Value::Null).await;
        while self.storage().clear_messages(caller.user, id, PIECE).await? > 0 {}
        while self.storage().clear_contacts(caller.user, id, PIECE).await? > 0 {}
        // One that is on its way keeps its file until it has left.
        let kept = self.storage().pending_messages(id, u64::MAX).await?;
        let kept: Vec<_> = kept.into_iter().filter_map(|message| message.media?.object).collect();
        let objects = &self.inner.objects;
        for (name, _) in objects.names(id).await.map_err(ServiceError::internal)? {
            if !kept.contains(&name) {
                objects.delete(id, &name).await.map_err(ServiceError::internal)?;
            }
        }
        Ok(())
    }
}
