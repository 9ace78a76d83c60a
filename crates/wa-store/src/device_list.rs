use compact_str::CompactString;

/// The devices of one user as the server last told them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// All devices, the primary (0) included.
    pub devices: Vec<ListedDevice>,
    /// `hash` of `<device-list>` or `dhash` of a notification, when one was given.
    pub hash: Option<CompactString>,
    /// Timestamp of the key index list, in Unix seconds; 0 when none was given.
    pub timestamp: i64,
    /// When we asked, in Unix seconds.
    pub fetched_at: i64,
}

/// One device in a [`DeviceList`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    /// Device number; 0 is the primary.
    pub id: u16,
    /// Index in the account's ADV key index list; the primary has none.
    pub key_index: Option<u32>,
    /// Whether the device is hosted (cloud) and uses the hosted address space.
    pub is_hosted: bool,
}
