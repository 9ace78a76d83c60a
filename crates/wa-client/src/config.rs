use std::time::Duration;

use wa_protobuf::companion::device_props::PlatformType;

use crate::computing::Computing;
use crate::version::Version;

/// Time-outs, bounds and the identity under which a companion shows up on the phone.
///
/// The defaults are those of WhatsApp Web where PROTOCOL.md names one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What the phone shows under "Linked devices".
    pub appearance: Appearance,
    /// Longest wait for TCP, TLS and the WebSocket upgrade.
    pub connect_timeout: Duration,
    /// Longest wait for the server's half of the Noise handshake (PROTOCOL.md 2: 20 s).
    pub handshake_timeout: Duration,
    /// Longest wait for `<success>` or a QR reference once the handshake is done.
    pub login_timeout: Duration,
    /// Longest wait for the answer of an IQ before it is asked once more, and as long again.
    pub iq_timeout: Duration,
    /// Longest wait for the acknowledgement of a sent message (PROTOCOL.md 11.3: 75 s).
    pub ack_timeout: Duration,
    /// Shortest and longest pause between two pings (PROTOCOL.md 7.4: 20 to 30 s).
    pub keepalive: (Duration, Duration),
    /// A connection on which nothing arrived for this long after a ping is dead.
    pub keepalive_deadline: Duration,
    /// How long the first QR code of a pairing is valid (PROTOCOL.md 6.1: 60 s).
    pub first_qr: Duration,
    /// How long each later QR code is valid (PROTOCOL.md 6.1: 20 s).
    pub next_qr: Duration,
    /// Pause before the first reconnection; each further one doubles it.
    pub backoff_first: Duration,
    /// Longest pause between two reconnections.
    pub backoff_max: Duration,
    /// Pause before the first try after the server refused a login without saying that it will never accept it; each
    /// further one doubles it.
    pub refused_first: Duration,
    /// Longest pause between two such tries.
    pub refused_max: Duration,
    /// Most stanzas that are read from the socket at once, and so make up one batch and one commit.
    pub batch: usize,
    /// Most Signal sessions kept in memory.
    pub session_cache: usize,
    /// Most sent messages kept in memory: the next send stores them, unless another commit takes them along before.
    pub recent_sent: usize,
    /// Without messages for this long, the caches are written back and emptied.
    pub idle_after: Duration,
    /// How often the signed prekey is replaced: WhatsApp Web does it about once a month, and peers' bundles are as old.
    pub signed_prekey_lifetime: Duration,
    /// A cached device list older than this is asked again.
    pub device_list_lifetime: Duration,
    /// How long the server's word counts what the account is called that has a number; then it is asked again.
    pub alias_lifetime: Duration,
    /// Largest stanza accepted from the embedder or the server, in bytes before encryption.
    pub max_stanza: usize,
    /// Longest file that is uploaded or downloaded, in bytes (documents on WhatsApp: 2 GiB).
    pub max_media: u64,
    /// Whether to announce the companion as available after login.
    pub available: bool,
    /// What senders see of their messages having arrived here.
    pub delivery: Delivery,
    /// How much of the past the phone is asked for when the companion is linked, and is told.
    pub history: HistoryDepth,
    /// Takes turns with work that keeps a processor busy; by default each companion for itself.
    pub computing: Computing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            appearance: Appearance::default(),
            connect_timeout: Duration::from_secs(20),
            handshake_timeout: Duration::from_secs(20),
            login_timeout: Duration::from_secs(60),
            iq_timeout: Duration::from_secs(20),
            ack_timeout: Duration::from_secs(75),
            keepalive: (Duration::from_secs(20), Duration::from_secs(30)),
            keepalive_deadline: Duration::from_secs(20),
            first_qr: Duration::from_secs(60),
            next_qr: Duration::from_secs(20),
            backoff_first: Duration::from_secs(1),
            backoff_max: Duration::from_secs(120),
            refused_first: Duration::from_secs(60),
            refused_max: Duration::from_secs(3600),
            batch: 64,
            session_cache: 256,
            recent_sent: 128,
            idle_after: Duration::from_secs(60),
            signed_prekey_lifetime: Duration::from_secs(30 * 24 * 3600),
            device_list_lifetime: Duration::from_secs(24 * 3600),
            alias_lifetime: Duration::from_secs(7 * 24 * 3600),
            max_stanza: 1 << 20,
            max_media: 2 << 30,
            available: false,
            delivery: Delivery::default(),
            history: HistoryDepth::default(),
            computing: Computing::default(),
        }
    }
}

/// What senders see of their messages having arrived at this companion (PROTOCOL.md 13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing while the companion is not announced as available, as with WhatsApp Web in the background: one tick until
    /// another device has the message.
    #[default]
    WhenAvailable,
    /// That they were delivered, always.
    Shown,
}

/// How far back the history goes that is told (PROTOCOL.md 20). Chats, names and addresses are told in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HistoryDepth {
    /// No messages.
    Nothing,
    /// Messages of so many days.
    Days(u32),
    /// What phones hand to a companion by themselves: the messages of some months.
    #[default]
    Usual,
    /// Everything that the phone has.
    Full,
}

/// Days that are asked for where everything is: WhatsApp is younger.
const ALL_DAYS: u32 = 20 * 365;

impl HistoryDepth {
    /// The time before which messages are not told; none if all are. Both in Unix seconds.
    pub(crate) fn since(self, now: i64) -> Option<i64> {
        match self {
            Self::Nothing => Some(i64::MAX),
            Self::Days(days) => Some(now.saturating_sub(i64::from(days) * 24 * 3600)),
            Self::Usual | Self::Full => None,
        }
    }

    /// The days that the phone is asked for, where it is not to decide itself.
    pub(crate) fn days(self) -> Option<u32> {
        match self {
            Self::Nothing => Some(1),
            Self::Days(days) => Some(days.max(1)),
            Self::Usual => None,
            Self::Full => Some(ALL_DAYS),
        }
    }
}

/// How the companion presents itself: in the list of linked devices and in the client payload.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Appearance {
    /// Operating system or product name, shown on the phone.
    pub os: String,
    /// Icon and wording on the phone.
    pub platform: PlatformType,
    /// Client type id in the QR text (PROTOCOL.md 6.4); `1` is Chrome.
    pub client_type: char,
    /// Version of WhatsApp Web that is announced, unless [`crate::ClientBuilder::versions`] knows better. Outdated ones are
    /// refused with failure 405.
    pub version: Version,
    /// ISO 639-1 language of the companion.
    pub language: String,
    /// ISO 3166-1 alpha-2 country of the companion.
    pub country: String,
}

impl Appearance {
    /// Shows the companion as this kind of client, in all that names it.
    pub fn set_platform(&mut self, platform: PlatformType) {
        self.platform = platform;
        self.client_type = match platform {
            PlatformType::Chrome => '1',
            PlatformType::Edge => '2',
            PlatformType::Firefox => '3',
            PlatformType::Ie => '4',
            PlatformType::Opera => '5',
            PlatformType::Safari => '6',
            PlatformType::Desktop => '7',
            _ => '9',
        };
    }
}

impl Default for Appearance {
    fn default() -> Self {
        Self {
            os: "Trunkline".into(),
            platform: PlatformType::Chrome,
            client_type: '1',
            version: Version::COMPILED,
            language: "en".into(),
            country: "US".into(),
        }
    }
}
