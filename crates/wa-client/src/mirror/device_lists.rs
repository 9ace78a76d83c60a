//! The devices of those whom the companion writes to.

use wa_binary::Jid;
use wa_store::{DeviceList, Store, StoreError};

use super::Mirror;

/// Device lists kept in memory per companion while it is in use: those of a full group (1,024 members), of which each
/// message needs all, and as many others. The store has all.
pub(super) const CACHED_DEVICE_LISTS: usize = 2_048;

impl Mirror {
    /// The device list of this user, if it is known and was fetched at `oldest` (Unix seconds) or later.
    pub(crate) async fn device_list(
        &mut self,
        store: &Store,
        user: &Jid,
        oldest: i64,
    ) -> Result<Option<DeviceList>, StoreError> {
        self.load_device_list(store, user).await?;
        let list = self.device_lists.get(user).and_then(Option::as_ref);
        Ok(list.filter(|list| list.fetched_at >= oldest && !list.devices.is_empty()).cloned())
    }

    /// Brings the device lists of these users into memory, with one read.
    pub(crate) async fn load_device_lists(&mut self, store: &Store, users: &[Jid]) -> Result<(), StoreError> {
        let is_missing = |user: &&Jid| !self.device_lists.contains(*user);
        let missing: Vec<_> = users.iter().filter(is_missing).cloned().collect();
        let lists = store.device_lists(&missing).await?;
        for (user, list) in missing.into_iter().zip(lists) {
            if let Some(list) = list {
                self.device_lists.put(user, Some(list));
            }
        }
        Ok(())
    }

    /// When the newest list of companions was signed that this user's account has shown, in Unix seconds; 0 if none was.
    pub(crate) async fn devices_signed_at(&mut self, store: &Store, user: &Jid) -> Result<i64, StoreError> {
        self.load_device_list(store, user).await?;
        let list = self.device_lists.get(user).and_then(Option::as_ref);
        Ok(list.map_or(0, |list| list.timestamp))
    }

    async fn load_device_list(&mut self, store: &Store, user: &Jid) -> Result<(), StoreError> {
        if !self.device_lists.contains(user)
            && let Some(list) = store.device_lists(std::slice::from_ref(user)).await?.pop().flatten()
        {
            self.device_lists.put(user.clone(), Some(list));
        }
        Ok(())
    }

    /// Records a user's devices.
    pub(crate) fn save_device_list(&mut self, user: Jid, list: DeviceList) {
        self.changes.device_lists.push((user.clone(), Some(list.clone())));
        self.device_lists.put(user, Some(list));
    }

    /// Notes that the account of this user has signed a list of companions at this time (Unix seconds), and has the
    /// devices asked again where what is known is older.
    pub(crate) async fn saw_devices_signed(
        &mut self,
        store: &Store,
        user: &Jid,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        if timestamp > self.devices_signed_at(store, user).await? {
            self.save_device_list(user.clone(), DeviceList { timestamp, ..DeviceList::default() });
        }
        Ok(())
    }

    /// Has a user's devices asked again. How new their signed list was stays known.
    pub(crate) async fn expire_device_list(&mut self, store: &Store, user: &Jid) -> Result<(), StoreError> {
        match self.devices_signed_at(store, user).await? {
            0 => self.drop_device_list(user),
            timestamp => {
                self.save_device_list(user.clone(), DeviceList { timestamp, ..DeviceList::default() })
            }
        }
        Ok(())
    }

    /// Forgets all about a user's devices, so that they are asked again: whose they were has changed.
    pub(crate) fn drop_device_list(&mut self, user: &Jid) {
        self.device_lists.put(user.clone(), None);
        self.changes.device_lists.push((user.clone(), None));
    }
}
