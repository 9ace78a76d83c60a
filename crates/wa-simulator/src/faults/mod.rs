//! What can be made to go wrong.

mod active;
mod json;

pub(crate) use active::Faults;
pub use json::InvalidFault;
use serde::{Deserialize, Serialize};

/// Something that goes wrong, for whom, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The account it happens to; `None` means any.
    pub number: Option<String>,
    /// The device it happens to: 0 is the phone. `None` means every companion, but never the phone.
    pub device: Option<u16>,
    /// How often it happens before it is over; `None` means until it is cleared.
    pub count: Option<u32>,
}

impl Fault {
    /// `kind` for everybody, as often as is usual for it: once for what strikes one stanza, until cleared
    /// for what is a condition.
    pub fn new(kind: FaultKind) -> Self {
        let count = if kind.is_condition() { None } else { Some(1) };
        Self { kind, number: None, device: None, count }
    }

    /// The same for one account.
    #[must_use]
    pub fn number(mut self, number: impl Into<String>) -> Self {
        self.number = Some(number.into());
        self
    }

    /// The same for one device.
    #[must_use]
    pub fn device(mut self, device: u16) -> Self {
        self.device = Some(device);
        self
    }

    /// The same, this often.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Whether it happens to this device.
    pub(crate) fn strikes(&self, number: &str, device: u16) -> bool {
        self.number.as_deref().is_none_or(|wanted| wanted == number)
            && match self.device {
                Some(wanted) => wanted == device,
                None => device > 0,
            }
    }
}

/// What goes wrong. The JSON form has the variant's name in snake case as `kind`, and its fields beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The connection is cut without a word.
    Drop {
        /// The moment at which it ends.
        #[serde(default)]
        when: Moment,
    },
    /// The connection ends with `<stream:error>`.
    StreamError {
        /// Its code, such as `503`; empty leaves it out.
        #[serde(default)]
        code: String,
        /// The type of its `<conflict>`, such as `replaced`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conflict: Option<String>,
        /// The moment at which it ends.
        #[serde(default)]
        when: Moment,
    },
    /// A login or registration ends with `<failure>` (PROTOCOL.md 7.6).
    Failure {
        /// Its reason, such as 401.
        reason: u16,
        /// Its code, such as 101 beside reason 402.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u32>,
        /// Seconds until a temporary ban ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expire: Option<u64>,
    },
    /// The account is banned: logins fail with 402. The ban begins with the first of them, and every further one that
    /// comes before its end makes it longer. It is over by itself. A condition.
    Ban {
        /// Why: 101 too many strangers, … (PROTOCOL.md 7.6).
        code: u32,
        /// How long it lasts, in seconds.
        seconds: u64,
        /// How much longer a login makes it that comes too early, in seconds.
        #[serde(default)]
        growth: u64,
    },
    /// Connections that begin with edge routing are cut. The device is not known by then: it strikes whoever connects. A
    /// condition.
    EdgeRouting,
    /// Deliveries to the device take this much longer. A condition.
    Delay {
        /// How much longer, in milliseconds.
        millis: u64,
    },
    /// A message is delivered twice.
    Duplicate,
    /// Messages to the device are held until there are `window` of them, then delivered last first.
    Reorder {
        /// Messages in one batch, 2 to 1000.
        window: usize,
    },
    /// A message arrives with a damaged ciphertext, so that the device asks for it again.
    Undecryptable,
    /// A phone that sends to the device forgets that it did, and encrypts its next message with the same key.
    ReusedCounter,
    /// A message arrives in a group or over a broadcast list: `from` is that chat, and `participant` who wrote it.
    Shared {
        /// The chat's JID, such as `1700000000@broadcast`.
        chat: String,
    },
    /// A message for people arrives without ciphertext: the content is only on the phone.
    Empty {
        /// The type of the `<unavailable>` in its place, such as `view_once`; absent means that there is nothing at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unavailable: Option<String>,
    },
    /// A message arrives with another attribute, or without it.
    Attribute {
        /// Its name, such as `t`.
        name: String,
        /// Its value, a JID where it reads as one; absent means that the attribute is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// Prekey bundles of the device have no one-time prekey. A condition.
    EmptyPrekeys,
    /// Deliveries to the device wait as if it were offline (device 0: as if the phone were switched off). A
    /// condition; clearing it delivers.
    Backlog,
    /// The server refuses what the device sends: `<ack error>`, and nothing is delivered.
    RefuseSend {
        /// The error, such as 463 or 479.
        error: u16,
    },
    /// What the device sends is delivered, but not acknowledged to it.
    NoAck,
    /// The `<ack>` for what the device sends carries another `phash` than the client's.
    WrongPhash,
    /// The `<ack>` for what the device sends says that the recipient's LID is to be asked for again.
    RefreshLid,
    /// The server shows the device a list of somebody's devices from before their last change, as the phone signed it
    /// then.
    OldDeviceList,
    /// The server takes what the device sends, and says nothing any more: a dead socket. A condition.
    Silence,
    /// The device gets a stanza of this kind at once, through its queue: `status`, `appdata`, or any other
    /// tag. An `iq`, which asks something in a name space that nobody knows, goes to live connections only.
    Stanza {
        /// The name of the stanza.
        tag: String,
    },
    /// An IQ of the device is answered with an error.
    IqError {
        /// Its name space; absent means any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        xmlns: Option<String>,
        /// The name of its first child, such as `rotate`; absent means any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child: Option<String>,
        /// Code of the error.
        code: u16,
        /// Text of the error.
        #[serde(default)]
        text: String,
    },
    /// An IQ of the device is never answered.
    IqSilence {
        /// Its name space; absent means any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        xmlns: Option<String>,
        /// The name of its first child, such as `count`; absent means any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child: Option<String>,
    },
    /// The certificate of the next handshake is wrong. The device is not known by then: the fault strikes
    /// whoever connects.
    Certificate {
        /// The check that it fails.
        what: CertificateFault,
    },
    /// What the phone signs for a new companion is wrong.
    Pairing {
        /// The check that it fails.
        what: PairingFault,
    },
    /// The server retires the secret in the code that a phone scans, and tells the client to make a new one
    /// (PROTOCOL.md 6.1): the scan is refused, and so is every later one with that secret. In a pairing by code it
    /// tells the client so between its last word and pair-success, which is made with the secret of that pairing.
    RegRefresh {
        /// Say it with `<pair-device-rotate-qr>`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rotate_qr: bool,
    },
    /// A step of a pairing waits. A condition; clearing it lets the pairing go on.
    HoldPairing {
        /// The step.
        #[serde(default)]
        before: PairingStep,
    },
    /// The media host answers an upload of the device, or whatever download, with this status.
    Media {
        /// Which way; absent means either.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on: Option<Transfer>,
        /// The host that was turned to, such as `localhost:4000`; absent means any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        /// The status, such as 401, 410 or 503.
        status: u16,
    },
    /// A download breaks off with its connection.
    MediaCut {
        /// Bytes that come before.
        after: usize,
    },
    /// One bit of a download is another.
    MediaDamage,
    /// Every path to a file that was given out so far is expired, at once.
    ExpireMedia,
    /// The media host loses every file, at once.
    LoseMedia,
    /// Something goes wrong with the app state of the device.
    AppState {
        /// What goes wrong.
        what: StateFault,
    },
    /// The next map of LIDs that the phone sends the device, or a pair in the next history with such pairs, can't be read.
    LidMap,
    /// A prekey bundle of the device is wrong.
    Bundle {
        /// The part that is wrong.
        what: BundleFault,
    },
}

impl FaultKind {
    /// Whether it lasts until cleared rather than striking one stanza.
    pub fn is_condition(&self) -> bool {
        matches!(
            self,
            Self::Ban { .. }
                | Self::EdgeRouting
                | Self::Delay { .. }
                | Self::EmptyPrekeys
                | Self::Backlog
                | Self::Silence
                | Self::HoldPairing { .. }
        )
    }
}

/// What the server says in `<failure>` besides its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) code: Option<u32>,
    /// Seconds until a ban ends.
    pub(crate) expire: Option<u64>,
}

/// When a connection is ended by a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// As soon as it is placed.
    #[default]
    Now,
    /// After the next login, once `<success>` is sent.
    Login,
    /// When the device next sends a message: before it is taken.
    Send,
    /// When the device next sends a message: after it is taken, before it is acknowledged.
    Sent,
    /// When a message would next be delivered to the device.
    Deliver,
}

/// What goes wrong with the app state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateFault {
    /// The phone writes to a collection just before the device's patch for it comes, which is refused with 409.
    Conflict,
    /// A patch or a snapshot comes with one wrong bit.
    Tampered,
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transfer {
    /// From a client to the media host.
    Upload,
    /// From the media host to a client.
    Download,
}

/// How a certificate chain fails one of the checks of PROTOCOL.md 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateFault {
    /// The root did not sign the intermediate.
    RootSignature,
    /// The intermediate did not sign the leaf.
    LeafSignature,
    /// The signature of the leaf has 63 bytes.
    SignatureLength,
    /// There is no intermediate.
    MissingIntermediate,
    /// There is no leaf.
    MissingLeaf,
    /// The intermediate names another issuer than the root.
    IntermediateIssuer,
    /// The intermediate has expired.
    IntermediateExpired,
    /// The key of the intermediate has 31 bytes.
    IntermediateKeyLength,
    /// The leaf names another issuer than the intermediate.
    LeafIssuer,
    /// The leaf certifies another key than the server's.
    LeafKey,
    /// The leaf has expired.
    LeafExpired,
    /// The leaf is not valid yet.
    LeafNotYetValid,
    /// The leaf says no end of its validity, which means 1970.
    LeafWithoutEnd,
}

/// How a pair-success fails one of the checks of PROTOCOL.md 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairingFault {
    /// The HMAC is not made with the secret of the code.
    Hmac,
    /// The phone's signature is wrong.
    AccountSignature,
    /// The phone's signature has 63 bytes.
    AccountSignatureLength,
    /// The phone's key has 33 bytes.
    AccountKeyLength,
    /// The container is no protobuf.
    Container,
    /// There is no `<device>`.
    MissingDevice,
}

/// A step of a pairing that can be held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairingStep {
    /// pair-success: the phone has scanned, and the client doesn't know yet.
    #[default]
    Success,
    /// The stream error 515: the client has answered, and is linked.
    Restart,
}

/// How a prekey bundle is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BundleFault {
    /// The signature of the signed prekey is wrong.
    Signature,
    /// The signature of the signed prekey has 63 bytes.
    SignatureLength,
    /// The identity key has 31 bytes.
    IdentityLength,
    /// The registration id has 3 bytes.
    RegistrationLength,
    /// The signed prekey has 33 bytes.
    SignedPrekeyLength,
    /// The one-time prekey has 31 bytes.
    PrekeyLength,
    /// The id of the one-time prekey has 4 bytes.
    PrekeyIdLength,
    /// The key type is not 5.
    KeyType,
    /// The companion's `device-identity` is signed by nobody.
    DeviceIdentity,
    /// The user is answered with an error.
    Refused,
}
