use tokio::sync::{mpsc, oneshot, watch};
use wa_binary::Jid;

use crate::handler;
use crate::message::{Ack, MessageId, Outgoing, SendError};
use crate::state::{Cause, State};

/// Commands that may wait for an instance; further callers wait in turn.
const QUEUE: usize = 256;

/// The embedder's grip on a running client. Clones are equal; when the last one is dropped the client stops.
#[derive(Debug, Clone)]
pub struct Handle {
    client: u64,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<State>,
}

impl Handle {
    pub(crate) fn new(client: u64, state: watch::Receiver<State>) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(QUEUE);
        (Self { client, commands, state }, receiver)
    }

    /// Where the instance stands now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Follows the state; a slow reader sees the latest and misses those in between.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Sends a message to every device of the recipient and to the own other devices; resolves when WhatsApp
    /// has acknowledged it. Many calls may run at once; those to one chat leave in the order of the calls.
    pub async fn send(&self, message: Outgoing) -> Result<Ack, SendError> {
        if handler::is_inside(self.client) {
            return Err(SendError::InsideHandler);
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Send(Box::new(message), reply);
        self.commands.send(command).await.map_err(|_| SendError::Stopped)?;
        answer.await.unwrap_or_else(|_| {
            Err(self.absence().map_or(SendError::Stopped, |cause| SendError::NotConnected { cause }))
        })
    }

    /// Tells the sender of these messages, and the own other devices, that they have been read. `sender` is the
    /// member who wrote them, for groups only.
    pub async fn mark_read(
        &self,
        chat: &Jid,
        sender: Option<&Jid>,
        ids: &[MessageId],
    ) -> Result<(), RequestError> {
        let read = ReadReceipt { chat: chat.clone(), sender: sender.cloned(), ids: ids.to_vec() };
        self.request(|reply| Command::MarkRead(Box::new(read), reply)).await
    }

    /// Asks which of these phone numbers (digits, with or without `+`) have WhatsApp; answers in their order.
    pub async fn resolve(&self, numbers: &[String]) -> Result<Vec<OnWhatsApp>, RequestError> {
        let numbers = numbers.to_vec();
        self.request(|reply| Command::Resolve(numbers, reply)).await
    }

    /// Shows the account as available or not. Receipts of an unavailable companion are of type `inactive`.
    pub async fn set_presence(&self, presence: Presence) -> Result<(), RequestError> {
        self.request(|reply| Command::Presence(presence, reply)).await
    }

    /// Unlinks this companion from the account. The credentials are deleted once WhatsApp has confirmed; the
    /// state is then `Stopped(LoggedOut)`. A companion that isn't paired just forgets its keys.
    pub async fn logout(&self) -> Result<(), LogoutError> {
        self.request(Command::Logout).await.map_err(LogoutError)
    }

    /// Closes the connection and stays away until [`Self::reconnect`]; the credentials stay.
    pub async fn disconnect(&self) {
        let _ = self.request(Command::Disconnect).await;
    }

    /// Connects now: ends a pause or the wait for the next try, or replaces the present connection.
    pub async fn reconnect(&self) {
        let _ = self.request(Command::Reconnect).await;
    }

    /// Finishes what is in flight, stores what is only in memory, closes the socket and ends the client.
    pub async fn stop(&self) {
        let _ = self.request(Command::Stop).await;
        self.commands.closed().await;
    }

    async fn request<T>(&self, command: impl FnOnce(Reply<T>) -> Command + Send) -> Result<T, RequestError> {
        if handler::is_inside(self.client) {
            return Err(RequestError::InsideHandler);
        }
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RequestError::Stopped)?;
        answer.await.unwrap_or_else(|_| {
            Err(self.absence().map_or(RequestError::Stopped, |cause| RequestError::NotConnected { cause }))
        })
    }

    /// Why a call was dropped unanswered: its connection ended; `None` if the client did.
    fn absence(&self) -> Option<Cause> {
        let cause = || self.state.borrow().cause().cloned().unwrap_or(Cause::Network);
        (!self.commands.is_closed()).then(cause)
    }
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// What a handle asks of the task that owns the instance.
#[derive(Debug)]
pub(crate) enum Command {
    Send(Box<Outgoing>, oneshot::Sender<Result<Ack, SendError>>),
    MarkRead(Box<ReadReceipt>, Reply<()>),
    Resolve(Vec<String>, Reply<Vec<OnWhatsApp>>),
    Presence(Presence, Reply<()>),
    Logout(Reply<()>),
    Disconnect(Reply<()>),
    Reconnect(Reply<()>),
    Stop(Reply<()>),
}

impl Command {
    /// Answers a command that needs a connection when there is none.
    pub(crate) fn refuse(self, cause: &Cause) {
        let error = || RequestError::NotConnected { cause: cause.clone() };
        match self {
            Self::Send(_, reply) => drop(reply.send(Err(SendError::NotConnected { cause: cause.clone() }))),
            Self::Resolve(_, reply) => drop(reply.send(Err(error()))),
            Self::MarkRead(_, reply)
            | Self::Presence(_, reply)
            | Self::Logout(reply)
            | Self::Disconnect(reply)
            | Self::Reconnect(reply)
            | Self::Stop(reply) => drop(reply.send(Err(error()))),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ReadReceipt {
    pub(crate) chat: Jid,
    pub(crate) sender: Option<Jid>,
    pub(crate) ids: Vec<MessageId>,
}

/// Whether a phone number has a WhatsApp account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnWhatsApp {
    /// The number as it was asked.
    pub number: String,
    /// Whether it has an account.
    pub registered: bool,
    /// Its phone number address.
    pub pn: Option<Jid>,
    /// Its LID.
    pub lid: Option<Jid>,
}

/// What others see of the account while this companion is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Online.
    Available,
    /// Away.
    Unavailable,
}

/// Why a request to the server has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The instance isn't online.
    #[error("not connected: {cause}")]
    NotConnected {
        /// Why it isn't.
        cause: Cause,
    },
    /// The server answered with an error.
    #[error("refused by the server: {code} {text}")]
    Refused {
        /// The code.
        code: u32,
        /// The text beside the code.
        text: String,
    },
    /// No answer within [`crate::Config::iq_timeout`].
    #[error("no answer in time")]
    TimedOut,
    /// The answer has an unexpected shape.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The argument can't be sent.
    #[error("{0}")]
    Invalid(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// Called from within [`crate::Handler::handle`] of the same client, which would wait for itself.
    #[error("must not be awaited inside the handler; spawn it")]
    InsideHandler,
    /// The client has been stopped.
    #[error("the client has been stopped")]
    Stopped,
}

/// WhatsApp did not confirm the logout; the credentials are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("logout not confirmed: {0}")]
pub struct LogoutError(#[source] pub RequestError);
