//! Flows that ask the server run beside the pump, many at once. Each is linear and owns what it needs; what it brings
//! is applied by the pump.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use compact_str::CompactString;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use wa_appstate::Collection;
use wa_binary::{Jid, Node};
use wa_crypto::PublicKey;

use crate::command::{GroupAnswer, ReadReceipt, Reply};
use crate::group::Group;
use crate::iq::encrypt::FetchedBundle;
use crate::iq::trust::Told;
use crate::iq::usync::KnownUser;
use crate::message::SendError;
use crate::mirror::Whereabouts;
use crate::request::{OnWhatsApp, Person, RequestError};
use crate::retry::RetryRequest;
use crate::status::StatusAudience;

type Running = Pin<Box<dyn Future<Output = Box<Answered>> + Send>>;

/// The flows under way.
#[derive(Default)]
pub(crate) struct LookUps {
    running: FuturesUnordered<Running>,
}

impl LookUps {
    pub(crate) fn start(&mut self, look_up: impl Future<Output = Answered> + Send + 'static) {
        self.running.push(Box::pin(async move { Box::new(look_up.await) }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The next one that ends; waits forever while there is none.
    pub(crate) async fn next(&mut self) -> Box<Answered> {
        match self.running.next().await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for LookUps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookUps").field("running", &self.running.len()).finish()
    }
}

/// What a flow brought, and for whom.
pub(crate) enum Answered {
    /// For the messages waiting in the lane of this chat.
    Audience { lane: Jid, found: Result<Found, SendError> },
    /// Who is in the group with messages waiting in its lane.
    /// Of its members, so many are learned of.
    Group { lane: Jid, found: Result<Box<Group>, RequestError>, learned: usize },
    /// Who may see the posts to the status that wait in its lane.
    StatusAudience(Result<StatusAudience, RequestError>),
    /// For what an embedder asks about groups; `changed` is one that it changes.
    Groups { changed: Option<Jid>, answer: Result<GroupAnswer, RequestError>, reply: Reply<GroupAnswer> },
    /// For a message that a device asked for again.
    Resend { request: Box<RetryRequest>, found: Result<Found, RequestError> },
    /// The keys of primary devices that are to vouch for companions.
    Primaries(Result<Vec<FetchedBundle>, RequestError>),
    /// For [`crate::Client::who_is`].
    Person { asked: Jid, found: Result<Found, SendError> },
    /// The properties that the server sets for the account.
    Props(Result<Node<'static>, RequestError>),
    /// Keys of the own phone, which is to be asked for what could not be read.
    Phone(Result<Vec<FetchedBundle>, RequestError>),
    /// For [`crate::Client::resolve`].
    Contacts { contacts: Result<Vec<OnWhatsApp>, RequestError>, reply: Reply<Vec<OnWhatsApp>> },
    /// For [`crate::Client::who_are`]: what was known, and what the server said of the others.
    People {
        people: Vec<Whereabouts>,
        contacts: Result<Vec<Option<OnWhatsApp>>, RequestError>,
        reply: Reply<Vec<Option<Person>>>,
    },
    /// For a request whose answer changes nothing here.
    Asked { answer: Result<Node<'static>, RequestError>, reply: Reply<Node<'static>> },
    /// For [`crate::Client::mark_read`].
    Privacy { answer: Result<Node<'static>, RequestError>, read: Box<ReadReceipt>, reply: Reply<()> },
    /// What the server says of the account's limits: of its lock, and of new chats.
    Limits(Box<[Result<Told, RequestError>; 2]>),
    /// This person was given a token, as of these Unix seconds.
    TokenGiven { user: Jid, at: i64, outcome: Result<(), RequestError> },
    /// The server's keys of ours have been looked after.
    Keys(Result<Supply, RequestError>),
    /// A piece of the history, or why it can't be had, and whether it may be later.
    History(Result<Bytes, (String, bool)>),
    /// Work on the app state has ended.
    AppState(Box<AppStateOutcome>),
    /// The last step of the login.
    LoggedIn(LoggedIn),
    /// The server was asked once more to deliver.
    Activated(Result<(), RequestError>),
    /// For [`crate::Client::logout`].
    Unlinked(Result<(), RequestError>),
}

/// What a login came to.
pub(crate) struct LoggedIn {
    /// What became of the look after the keys.
    pub(crate) keys: Result<Supply, RequestError>,
    /// Whether the server has answered that it delivers.
    pub(crate) is_active: bool,
}

/// What work on the app state came to.
#[derive(Default)]
pub(crate) struct AppStateOutcome {
    /// Keys that are missing.
    pub(crate) missing: BTreeSet<Bytes>,
    /// Collections that can't be verified.
    pub(crate) broken: BTreeSet<Collection>,
    /// What kept it from being brought up to date.
    pub(crate) failure: Option<RequestError>,
    /// What became of changes, and who asked for them.
    pub(crate) written: Vec<(Reply<()>, Result<(), RequestError>)>,
}

/// How the server is supplied with one-time keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Supply {
    /// It has enough of them.
    Enough,
    /// What it holds is to be compared with what we have. These public keys are at hand.
    ToCompare(Vec<(u32, PublicKey)>),
}

/// What the server said of people who were looked up.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Of the number that was asked about, if one was.
    pub(crate) contact: Option<Contact>,
    pub(crate) users: Vec<KnownUser>,
    pub(crate) bundles: Vec<FetchedBundle>,
}

impl Found {
    /// Takes out of it what can be taken in before the rest: so many people with the keys of all their devices, and once
    /// there is none left, the keys of so many devices whose owners were known before. Phones come first, since they vouch
    /// for their companions.
    pub(crate) fn take_part(&mut self, size: usize) -> Self {
        if self.users.is_empty() {
            self.bundles.sort_by_key(|fetched| fetched.device.device != 0);
            let bundles = self.bundles.drain(..size.min(self.bundles.len())).collect();
            return Self { contact: self.contact.take(), users: Vec::new(), bundles };
        }
        let users: Vec<_> = self.users.drain(..size.min(self.users.len())).collect();
        let names = users.iter().flat_map(|known| [Some(&known.user), known.lid.as_ref()]);
        let names: HashSet<_> = names.flatten().map(|name| name.user.as_str()).collect();
        let is_theirs = |fetched: &FetchedBundle| names.contains(fetched.device.user.as_str());
        let (bundles, rest) = std::mem::take(&mut self.bundles).into_iter().partition(is_theirs);
        self.bundles = rest;
        Self { contact: self.contact.take(), users, bundles }
    }

    /// Whether nothing is left to take in.
    pub(crate) fn is_empty(&self) -> bool {
        self.contact.is_none() && self.users.is_empty() && self.bundles.is_empty()
    }
}

/// The account that has a number.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// The digits that were asked.
    pub(crate) asked: CompactString,
    /// By the number that it has itself.
    pub(crate) pn: Jid,
    pub(crate) lid: Option<Jid>,
}
