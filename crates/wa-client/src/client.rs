mod app_state;
mod communities;
mod groups;
mod history;
mod media;
mod messages;
mod newsletters;
mod people;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use wa_binary::Jid;
use wa_store::Limits;

use crate::cause::Cause;
use crate::command::{Command, ReadReceipt, Reply};
use crate::content::Draft;
use crate::event::{IncomingMessage, PairingCode, PasskeyAssertion};
use crate::limit::Limit;
use crate::media::Transfers;
use crate::message::{Ack, MessageId, Outgoing, SendError};
use crate::request::{LogoutError, OnWhatsApp, Person, Presence, RequestError};
use crate::server_clock::ServerClock;
use crate::state::State;
use crate::transport::{Meter, Traffic};

pub use app_state::LastMessage;
pub use newsletters::{MAX_NEWSLETTER_DESCRIPTION, MAX_NEWSLETTER_NAME, MAX_NEWSLETTER_POSTS};
pub use people::MAX_ABOUT;

/// Longest name that WhatsApp takes, in characters.
pub const MAX_PUSH_NAME: usize = 25;

/// The embedder's grip on a running companion. Clones are equal; when the last one is dropped the companion stops.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<State>,
    server_clock: ServerClock,
    limits: watch::Receiver<Limits>,
    transfers: Arc<Transfers>,
    meter: Meter,
}

impl Client {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        state: watch::Receiver<State>,
        server_clock: ServerClock,
        limits: watch::Receiver<Limits>,
        transfers: Arc<Transfers>,
        meter: Meter,
    ) -> Self {
        Self { commands, state, server_clock, limits, transfers, meter }
    }

    /// The time by WhatsApp's clock in Unix milliseconds, as the latest connection has shown it: never later than it is
    /// there. What is dated with it sorts rightly among what others write.
    pub fn server_millis(&self) -> i64 {
        self.server_clock.unix_millis()
    }

    /// What it has exchanged with WhatsApp so far.
    pub fn traffic(&self) -> Traffic {
        self.meter.read()
    }

    /// Where the companion stands now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Follows the state; a slow reader sees the latest and misses those in between.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Whom WhatsApp lets the account write to, as far as it said. What was known in an earlier life counts once the
    /// companion begins to connect.
    pub fn limits(&self) -> Limits {
        self.limits.borrow().clone()
    }

    /// The limit that forbids to write to this person now, if any. Nothing is asked of WhatsApp.
    pub async fn limit_on(&self, to: &Jid) -> Result<Option<Limit>, RequestError> {
        self.request(|reply| Command::Limit(to.clone(), reply)).await
    }

    /// Shows this name beside the number instead of the one that the account's owner gave it; `None` ends that. It is
    /// announced at once and after every login, to those who are written to; the name that the phone shows stays.
    pub async fn set_push_name(&self, name: Option<&str>) -> Result<(), RequestError> {
        if name.is_some_and(|name| name.trim().is_empty() || name.chars().count() > MAX_PUSH_NAME) {
            return Err(RequestError::Invalid(format!("a name has 1 to {MAX_PUSH_NAME} characters")));
        }
        self.request(|reply| Command::Name(name.map(str::to_owned), reply)).await
    }

    /// Sends a message to every device of the recipient and to the own other devices; resolves when WhatsApp
    /// has acknowledged it. Many calls may run at once; those to one chat leave in the order of the calls.
    pub async fn send(&self, message: Outgoing) -> Result<Ack, SendError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Send(Box::new(message), reply);
        self.commands.send(command).await.map_err(|_| SendError::Stopped)?;
        answer.await.unwrap_or_else(|_| {
            Err(self.absence().map_or(SendError::Stopped, |cause| SendError::NotConnected { cause }))
        })
    }

    /// Sends a message (a text, or any other [`Draft`]) to the chat of another.
    pub async fn reply(&self, to: &IncomingMessage, content: impl Into<Draft>) -> Result<Ack, SendError> {
        self.send(Outgoing::new(to.info.chat.clone(), content)).await
    }

    /// Tells the sender of this message, and the own other devices, that it has been read.
    pub async fn mark_read(&self, message: &IncomingMessage) -> Result<(), RequestError> {
        let info = &message.info;
        self.mark_read_ids(&info.chat, Some(&info.sender), std::slice::from_ref(&info.id)).await
    }

    /// Tells the sender of these messages, and the own other devices, that they have been read. `sender` is the
    /// member who wrote them, for groups only.
    pub async fn mark_read_ids(
        &self,
        chat: &Jid,
        sender: Option<&Jid>,
        ids: &[MessageId],
    ) -> Result<(), RequestError> {
        self.mark_read_as(chat, sender, ids, false).await
    }

    /// The same, or with `played` that they have been listened to.
    pub async fn mark_read_as(
        &self,
        chat: &Jid,
        sender: Option<&Jid>,
        ids: &[MessageId],
        played: bool,
    ) -> Result<(), RequestError> {
        let read = ReadReceipt { chat: chat.clone(), sender: sender.cloned(), ids: ids.to_vec(), played };
        self.request(|reply| Command::MarkRead(Box::new(read), reply)).await
    }

    /// Asks which of these phone numbers (digits, with or without `+`) have WhatsApp; answers in their order. Where a
    /// number's country has two forms of it, the other one is tried, too. Every number is a question to WhatsApp, which
    /// takes many of them amiss: to send, none has to be asked before.
    pub async fn resolve(&self, numbers: &[String]) -> Result<Vec<OnWhatsApp>, RequestError> {
        let numbers = numbers.to_vec();
        self.request(|reply| Command::Resolve(numbers, reply)).await
    }

    /// Says who a message to this user would reach: the account that has the number, by its own number and its LID. The
    /// server is asked where that isn't known, or was told too long ago ([`crate::Config::alias_lifetime`]).
    pub async fn who_is(&self, user: &Jid) -> Result<Person, SendError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::WhoIs(Box::new(user.to_user()), reply);
        self.commands.send(command).await.map_err(|_| SendError::Stopped)?;
        answer.await.unwrap_or_else(|_| {
            Err(self.absence().map_or(SendError::Stopped, |cause| SendError::NotConnected { cause }))
        })
    }

    /// Says the same of many users, in their order; `None` for a number that has no account. All of whom the server has to
    /// be asked are in one question.
    ///
    /// # Errors
    /// `Invalid` if one of them is no person.
    pub async fn who_are(&self, users: &[Jid]) -> Result<Vec<Option<Person>>, RequestError> {
        let users = users.iter().map(Jid::to_user).collect();
        self.request(|reply| Command::WhoAre(users, reply)).await
    }

    /// Shows the account as available or not. Receipts of an unavailable companion are of type `inactive`.
    pub async fn set_presence(&self, presence: Presence) -> Result<(), RequestError> {
        self.request(|reply| Command::Presence(presence, reply)).await
    }

    /// Asks for a code by which the owner of this phone number (digits, with or without `+`) can link this companion
    /// without scanning: in WhatsApp under "Linked devices", "Link with phone number instead". The state has to be
    /// [`State::Pairing`] with a QR code, which goes on beside it. Each call makes a new code, and the one before is
    /// good no longer. The server has accepted the code when this answers.
    ///
    /// # Errors
    /// `Invalid` for what is no international number; `Refused` by the server: 400 and 429 when codes were asked for
    /// too often for this number, 452 when it can't be linked by code; `NotConnected` when there is no connection to
    /// pair on, or too little was left of it, in which case a new one is opened: then ask again.
    pub async fn pairing_code(&self, number: &str) -> Result<PairingCode, RequestError> {
        let number = number.to_owned();
        self.request(|reply| Command::PairingCode(number, reply)).await
    }

    /// Answers [`crate::PasskeyStep::Asked`]; resolves when the server has taken the answer.
    ///
    /// # Errors
    /// `Invalid` when no passkey is asked for; `Refused` by the server, after which another answer may be given.
    pub async fn answer_passkey(&self, assertion: PasskeyAssertion) -> Result<(), RequestError> {
        self.request(|reply| Command::Passkey(Box::new(assertion), reply)).await
    }

    /// Says that the phone shows the code of [`crate::PasskeyStep::Compare`]. Never to be said unasked: whoever is between
    /// this companion and the phone would be linked instead.
    ///
    /// # Errors
    /// `Invalid` when there is nothing to confirm; `Refused` by the server, after which the passkey is asked for again.
    pub async fn confirm_passkey(&self) -> Result<(), RequestError> {
        self.request(Command::ConfirmPasskey).await
    }

    /// Unlinks this companion from the account. The credentials are deleted once WhatsApp has confirmed; the
    /// state is then `Stopped(LoggedOut)`. Before that, the batch that tells it may be accepted, for a few seconds.
    /// A companion that isn't paired just forgets its keys.
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

    /// Finishes what is in flight, stores what is only in memory, closes the socket and ends the companion. A batch
    /// that is held meanwhile may still be accepted, for a few seconds.
    pub async fn stop(&self) {
        let _ = self.request(Command::Stop).await;
        self.commands.closed().await;
    }

    async fn request<T>(&self, command: impl FnOnce(Reply<T>) -> Command + Send) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| RequestError::Stopped)?;
        answer.await.unwrap_or_else(|_| {
            Err(self.absence().map_or(RequestError::Stopped, |cause| RequestError::NotConnected { cause }))
        })
    }

    /// Why a call was dropped unanswered: its connection ended; `None` if the companion did.
    fn absence(&self) -> Option<Cause> {
        let cause = || self.state.borrow().cause().cloned().unwrap_or(Cause::Network);
        (!self.commands.is_closed()).then(cause)
    }
}
