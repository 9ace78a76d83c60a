//! Groups that the companion writes to, and who has its keys.

use std::collections::HashMap;
use std::sync::Arc;

use wa_binary::Jid;
use wa_store::{KeyHolders, Store, StoreError};

use super::Mirror;
use crate::group::Group;

/// Groups kept in memory per companion; they are asked for again.
pub(super) const CACHED_GROUPS: usize = 32;

impl Mirror {
    /// A group, if it was asked for and has not changed since.
    pub(crate) fn group(&mut self, group: &Jid) -> Option<Arc<Group>> {
        self.groups.get(group).cloned()
    }

    /// Remembers a group as the server shows it.
    pub(crate) fn save_group(&mut self, group: Group) {
        self.groups.put(group.jid.clone(), Arc::new(group));
    }

    /// A group has changed: it is asked for again before the next message.
    pub(crate) fn forget_group(&mut self, group: &Jid) {
        self.groups.remove(group);
    }

    /// Brings into memory who has the own sender key of a group.
    pub(crate) async fn load_key_holders(&mut self, store: &Store, group: &Jid) -> Result<(), StoreError> {
        if self.key_holders.get(group).is_none() {
            let holders = store.key_holders(&group.to_string()).await?.unwrap_or_default();
            self.key_holders.put(group.clone(), holders);
        }
        Ok(())
    }

    /// Who has the own sender key of a group, if that has been loaded.
    pub(crate) fn key_holders(&self, group: &Jid) -> Option<&KeyHolders> {
        self.key_holders.peek(group)
    }

    /// Devices with these Signal names have other keys than before: what they were handed is lost to them, and has to be
    /// handed out again.
    pub(crate) async fn take_keys_from(&mut self, store: &Store, names: &[&str]) -> Result<(), StoreError> {
        let stored = store.keys_held_by(names).await?;
        let stored = stored.into_iter().filter_map(|(group, holders)| Some((group.parse().ok()?, holders)));
        let mut groups: HashMap<Jid, KeyHolders> = stored.collect();
        // What is in memory is newer.
        groups.extend(self.key_holders.iter().map(|(group, holders)| (group.clone(), holders.clone())));
        for (group, mut holders) in groups {
            let before = holders.len();
            holders.retain(|holder| !names.contains(&holder.name.as_str()));
            if holders.len() < before {
                self.save_key_holders(&group, holders);
            }
        }
        Ok(())
    }

    /// Notes who has the own sender key of a group from now on.
    pub(crate) fn save_key_holders(&mut self, group: &Jid, holders: KeyHolders) {
        self.changes.key_holders.push((group.to_string().into(), Some(holders.clone())));
        self.key_holders.put(group.clone(), holders);
    }
}
