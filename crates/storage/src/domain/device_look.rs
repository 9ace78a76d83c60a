use super::word::words;

words! {
    /// What the phone draws beside a linked device.
    DeviceIcon, "device icon" {
        /// Google Chrome.
        Chrome = "chrome",
        /// Mozilla Firefox.
        Firefox = "firefox",
        /// Microsoft Edge.
        Edge = "edge",
        /// Apple Safari.
        Safari = "safari",
        /// Opera, the browser.
        Opera = "opera",
        /// WhatsApp's own desktop application.
        Desktop = "desktop",
    }
}

/// How an instance shows itself in the phone's list of linked devices. It is told when the instance is linked, and stays
/// until it is linked anew. `None` leaves it to the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceLook {
    /// Its name, where browsers name their operating system.
    pub name: Option<String>,
    /// The icon beside it; `None`: the gateway's.
    pub icon: Option<DeviceIcon>,
}
