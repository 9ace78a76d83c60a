mod profile;
mod quirk;
mod rhythm;
mod wanted;

use std::time::Duration;

pub use profile::{Profile, UnknownProfile};
pub use quirk::{Quirk, UnknownQuirk};
pub(crate) use rhythm::Rhythm;
pub use wanted::{Unwanted, Wanted};

/// What the server and the phones do to a companion after the first days.
///
/// Each is an option of its own. `Behaviour::default()` has none of them: the server of the first day.
/// [`Behaviour::hostile`] has all of them at once.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// How long a stanza may stay unanswered before the connection is ended with
    /// `<stream:error><ack id/></stream:error>`, which names it; `None` waits for ever. From then on, what is
    /// behind it in the queue is withheld until it is answered.
    pub answer_within: Option<Duration>,
    /// Deliver only the first few of what waited, and more of it only as the companion asks with
    /// `<ib><offline_batch count/></ib>`.
    pub backlog_on_request: bool,
    /// At each login, deliver a `<status>`, an `<appdata>`, a stanza of a kind that nobody knows and a notification that
    /// the properties have changed, say `<dirty>` and what few clients read of the backlog, and ask something that nobody
    /// can answer.
    pub novelties: bool,
    /// At each login, deliver the message once more that was acknowledged last, as if its acknowledgement had crossed with
    /// the end of the connection.
    pub overlaps: bool,
    /// Whether phones issue a token to whom they write to, once a week (PROTOCOL.md 22).
    pub tokens: bool,
    /// How phones share the keys of the app state with new companions.
    pub key_share: KeySharing,
    /// How many of its own requests for devices, contacts and prekeys a companion may make; `None` sets no limit. Those
    /// beyond are answered with 429 `rate-overlimit`.
    pub rate_limit: Option<RateLimit>,
    /// When an account is banned for a while by its own doing; `None` never.
    pub bans: Option<Bans>,
    /// Before its first code, an unpaired client is told something that it doesn't know, and to change its secret.
    pub busy_pairing: bool,
    /// Whether devices that aren't there are answered with `<user jid><error code="404"/></user>` where keys are asked
    /// for; otherwise they are left out.
    pub key_errors: bool,
    /// How long a version of WhatsApp Web is let in once there is a newer one. Logins with it are told the end in
    /// `<ib><client_expiration t/></ib>`, and fail with 405 after it; `None` lets them in for ever.
    pub version_lifetime: Option<Duration>,
    /// Who asks for devices by phone number gets an empty list for everybody but themself: lists are kept by LID.
    pub devices_by_lid_only: bool,
    /// A contact query doesn't tell LIDs; only a query by JID does.
    pub contacts_without_lid: bool,
    /// After so many messages of a companion to LIDs, the `<ack>` calls the recipient's stale (`refresh_lid`) until the
    /// companion asks for it again. Who has been told and writes on without asking is banned as for refusals
    /// ([`bans`](Self::bans)); `None` never.
    pub stale_lids: Option<u32>,
    /// Every so many-th message from another account's phone reaches a companion without ciphertext; `None` none.
    pub empty_messages: Option<u32>,
    /// After every so many messages for a companion, a phone forgets that it sent the last one, and encrypts the next
    /// with the same counter; `None` never.
    pub reused_counters: Option<u32>,
    /// A phone that is asked for a message again sends it twice, under its one id.
    pub resent_twice: bool,
    /// After every so many messages to people, a phone that has no companions is set up anew, under another identity, and
    /// those who know it are told; `None` never.
    pub identity_changes: Option<u32>,
    /// What phones tell a new companion of the time before, besides what they really have.
    pub past: PastSize,
    /// Pieces of history that are larger than so many bytes, compressed, are blobs on the media host; `None`: none is.
    pub history_blobs: Option<usize>,
    /// Which parts of the app state are blobs on the media host; `None`: none is, and who asks for everything gets all
    /// patches.
    pub app_state_blobs: Option<AppStateBlobs>,
    /// By how many milliseconds the server's clock is ahead of [`Options::clock`](crate::Options::clock), or behind it.
    pub clock_offset: i64,
}

/// How a phone shares the keys of the app state with a new companion. `KeySharing::default()`: at once, right, and once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySharing {
    /// How long after the history they come.
    pub late: Duration,
    /// Whether a share comes first whose only key is cut short.
    pub begins_wrong: bool,
    /// How often the share comes again, in messages of their own.
    pub repeats: u32,
}

/// A past that is made up. `PastSize::default()`: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastSize {
    /// Chats, each with somebody who isn't on WhatsApp any more.
    pub chats: usize,
    /// Messages in all of them together.
    pub messages: usize,
    /// Bytes of the text of each, about.
    pub text: usize,
}

/// Which parts of the app state are blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppStateBlobs {
    /// Patches after which the server makes a snapshot for those who ask for everything.
    pub snapshot_every: usize,
    /// Mutations of a patch that are handed out inside it; more are a blob.
    pub external_above: usize,
}

/// So many requests in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that are answered.
    pub requests: u32,
    /// How long they are counted together.
    pub period: Duration,
}

/// When an account is banned for a while, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bans {
    /// Messages in a row that are refused because of a limit on whom the account may write to.
    pub refusals: u32,
    /// How long the ban lasts.
    pub lasts: Duration,
    /// How much longer with every login before its end.
    pub grows: Duration,
}

impl Behaviour {
    /// All of it: what accounts meet in their second month.
    pub fn hostile() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self {
            answer_within: Some(minutes(50)),
            backlog_on_request: true,
            novelties: true,
            overlaps: true,
            tokens: true,
            key_share: KeySharing { late: minutes(2), begins_wrong: true, repeats: 1 },
            rate_limit: Some(RateLimit { requests: 60, period: minutes(1) }),
            bans: Some(Bans { refusals: 5, lasts: minutes(10), grows: minutes(3) }),
            busy_pairing: true,
            key_errors: true,
            version_lifetime: Some(minutes(14 * 24 * 60)),
            devices_by_lid_only: true,
            contacts_without_lid: true,
            stale_lids: Some(25),
            empty_messages: Some(20),
            reused_counters: Some(30),
            resent_twice: true,
            identity_changes: Some(1_000),
            past: PastSize { chats: 240, messages: 2_400, text: 60 },
            history_blobs: Some(16 << 10),
            app_state_blobs: Some(AppStateBlobs { snapshot_every: 10, external_above: 20 }),
            clock_offset: -7_400,
        }
    }
}
