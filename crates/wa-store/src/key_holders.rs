use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::DeviceAddress;

/// The devices that were handed the own sender key of a group. `Debug` shows how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyHolders(BTreeSet<DeviceAddress>);

impl Deref for KeyHolders {
    type Target = BTreeSet<DeviceAddress>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for KeyHolders {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<DeviceAddress> for KeyHolders {
    fn from_iter<I: IntoIterator<Item = DeviceAddress>>(holders: I) -> Self {
        Self(holders.into_iter().collect())
    }
}

impl fmt::Debug for KeyHolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHolders").field("devices", &self.0.len()).finish()
    }
}
