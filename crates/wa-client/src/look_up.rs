//! Flows that ask the server run beside the pump, many at once. Each is linear and owns what it needs; what it brings
//! is applied by the pump.

use std::fmt;
use std::pin::Pin;

use compact_str::CompactString;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use wa_binary::{Jid, Node};
use wa_crypto::PublicKey;

use crate::command::{GroupAnswer, ReadReceipt, Reply};
use crate::group::Group;
use crate::iq::encrypt::FetchedBundle;
use crate::iq::trust::Told;
use crate::iq::usync::KnownUser;
use crate::message::SendError;
use crate::request::{OnWhatsApp, RequestError};
use crate::retry::RetryRequest;

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
    Group { lane: Jid, found: Result<Box<Group>, RequestError> },
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
    /// For [`crate::Client::mark_read`].
    Privacy { answer: Result<Node<'static>, RequestError>, read: Box<ReadReceipt>, reply: Reply<()> },
    /// What the server says of the account's limits: of its lock, and of new chats.
    Limits(Box<[Result<Told, RequestError>; 2]>),
    /// This person was given a token, as of these Unix seconds.
    TokenGiven { user: Jid, at: i64, outcome: Result<(), RequestError> },
    /// The server's keys of ours have been looked after.
    Keys(Result<Supply, RequestError>),
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

/// The account that has a number.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// The digits that were asked.
    pub(crate) asked: CompactString,
    /// By the number that it has itself.
    pub(crate) pn: Jid,
    pub(crate) lid: Option<Jid>,
}
