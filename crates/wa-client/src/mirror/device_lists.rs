//! The devices of those whom the companion writes to.

use wa_binary::Jid;
use wa_store::{DeviceList, Store, StoreError};

use super::Mirror;

/// Device lists kept in memory per companion; the store has all.
pub(super) const CACHED_DEVICE_LISTS: usize = 256;

impl Mirror {
    /// The device list of this user, if it is known and was fetched at `oldest` (Unix seconds) or later.
    pub(crate) async fn device_list(
        &mut self,
        store: &Store,
        user: &Jid,
        oldest: i64,
    ) -> Result<Option<DeviceList>, StoreError> {
        if !self.device_lists.contains(user)
            && let Some(list) = store.device_lists(std::slice::from_ref(user)).await?.pop().flatten()
        {
            self.device_lists.put(user.clone(), Some(list));
        }
        let list = self.device_lists.get(user).and_then(Option::as_ref);
        Ok(list.filter(|list| list.fetched_at >= oldest).cloned())
    }

    /// Records a user's devices.
    pub(crate) fn save_device_list(&mut self, user: Jid, list: DeviceList) {
        self.changes.device_lists.push((user.clone(), Some(list.clone())));
        self.device_lists.put(user, Some(list));
    }

    /// Forgets a user's devices, so that they are asked again.
    pub(crate) fn drop_device_list(&mut self, user: &Jid) {
        self.device_lists.put(user.clone(), None);
        self.changes.device_lists.push((user.clone(), None));
    }
}
