use std::fmt;

use compact_str::CompactString;
use wa_binary::Jid;

/// The Signal address of one device: the user part as Signal names it (`Jid::signal_name`) and the device number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// `15550000001` for a phone number, `100000000000001_1` for a LID, and so on.
    pub name: CompactString,
    /// 0 is the primary, companions count from 1.
    pub device: u32,
}

impl DeviceAddress {
    /// An address from its two parts.
    pub fn new(name: impl Into<CompactString>, device: u32) -> Self {
        Self { name: name.into(), device }
    }
}

impl From<&Jid> for DeviceAddress {
    fn from(jid: &Jid) -> Self {
        Self { name: jid.signal_name().into(), device: u32::from(jid.device) }
    }
}

impl fmt::Display for DeviceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.device)
    }
}

/// Which sender key: the group it belongs to and the device that sends with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SenderKeyName {
    /// The group's JID as text (also `status@broadcast`).
    pub group: CompactString,
    /// The sending device; our own LID address for our own key.
    pub sender: DeviceAddress,
}

impl SenderKeyName {
    /// A name from its two parts.
    pub fn new(group: impl Into<CompactString>, sender: DeviceAddress) -> Self {
        Self { group: group.into(), sender }
    }
}
