use tokio::sync::oneshot;
use wa_binary::{Jid, Node};
use wa_media::ReuploadAnswer;

use crate::cause::Cause;
use crate::content::{Draft, Going};
use crate::event::{PairingCode, PasskeyAssertion};
use crate::group::{Group, GroupChange, Joined, NotReached};
use crate::limit::Limit;
use crate::media::ReuploadCall;
use crate::message::{Ack, MessageId, Outgoing, SendError};
use crate::people::ChatState;
use crate::request::{OnWhatsApp, Person, Presence, RequestError};

/// Who is told how a request fared.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// Who is told how a message fared.
pub(crate) type SendReply = oneshot::Sender<Result<Ack, SendError>>;

/// What the embedder asks of the task that owns the companion.
#[derive(Debug)]
pub(crate) enum Command {
    Send(Box<Outgoing>, SendReply),
    MarkRead(Box<ReadReceipt>, Reply<()>),
    Resolve(Vec<String>, Reply<Vec<OnWhatsApp>>),
    WhoIs(Box<Jid>, oneshot::Sender<Result<Person, SendError>>),
    WhoAre(Vec<Jid>, Reply<Vec<Option<Person>>>),
    Presence(Presence, Reply<()>),
    PairingCode(String, Reply<PairingCode>),
    Passkey(Box<PasskeyAssertion>, Reply<()>),
    ConfirmPasskey(Reply<()>),
    Group(Box<GroupRequest>, Reply<GroupAnswer>),
    Add(Box<AdditionRequest>, Reply<Draft>),
    /// A request whose answer changes nothing here.
    Ask(Box<Node<'static>>, Reply<Node<'static>>),
    Reupload(Box<ReuploadCall>, Reply<ReuploadAnswer>),
    Signal(Box<Signal>, Reply<()>),
    Limit(Jid, Reply<Option<Limit>>),
    AppState(Vec<wa_appstate::Draft>, Reply<()>),
    OlderMessages(Box<OlderMessages>, Reply<()>),
    Name(Option<String>, Reply<()>),
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
            Self::WhoIs(_, reply) => {
                drop(reply.send(Err(SendError::NotConnected { cause: cause.clone() })));
            }
            Self::Resolve(_, reply) => drop(reply.send(Err(error()))),
            Self::WhoAre(_, reply) => drop(reply.send(Err(error()))),
            Self::PairingCode(_, reply) => drop(reply.send(Err(error()))),
            Self::Group(_, reply) => drop(reply.send(Err(error()))),
            Self::Add(_, reply) => drop(reply.send(Err(error()))),
            Self::Ask(_, reply) => drop(reply.send(Err(error()))),
            Self::Reupload(_, reply) => drop(reply.send(Err(error()))),
            Self::Limit(_, reply) => drop(reply.send(Err(error()))),
            Self::AppState(_, reply)
            | Self::OlderMessages(_, reply)
            | Self::MarkRead(_, reply)
            | Self::Signal(_, reply)
            | Self::Passkey(_, reply)
            | Self::ConfirmPasskey(reply)
            | Self::Name(_, reply)
            | Self::Presence(_, reply)
            | Self::Logout(reply)
            | Self::Disconnect(reply)
            | Self::Reconnect(reply)
            | Self::Stop(reply) => drop(reply.send(Err(error()))),
        }
    }
}

/// Messages of one chat, and of one member if it is a group, that have been read.
#[derive(Debug)]
pub(crate) struct ReadReceipt {
    pub(crate) chat: Jid,
    pub(crate) sender: Option<Jid>,
    pub(crate) ids: Vec<MessageId>,
    /// Whether they were listened to, too.
    pub(crate) played: bool,
}

/// What is shown without a message.
#[derive(Debug)]
pub(crate) enum Signal {
    /// Asks to be told of somebody's presence.
    Subscribe(Jid),
    /// Shows that the account is about to write.
    ChatState(Jid, ChatState),
    /// Declines a call, in a stanza of this id.
    RejectCall { stanza: MessageId, creator: Jid, id: String },
}

/// What is to be added to a message.
#[derive(Debug)]
pub(crate) struct AdditionRequest {
    pub(crate) chat: Jid,
    pub(crate) id: MessageId,
    pub(crate) what: Added,
}

/// A vote on a poll, or an answer to an event.
#[derive(Debug)]
pub(crate) enum Added {
    Vote(Vec<String>),
    Answer(Going, u32),
}

/// What came before a message of a chat, so many messages.
#[derive(Debug)]
pub(crate) struct OlderMessages {
    pub(crate) chat: Jid,
    pub(crate) id: MessageId,
    pub(crate) from_me: bool,
    /// Unix seconds.
    pub(crate) timestamp: i64,
    pub(crate) count: u32,
}

/// A question about groups, or a change of one.
#[derive(Debug)]
pub(crate) enum GroupRequest {
    Show(Jid),
    List,
    /// What is behind an invite link.
    Look(String),
    Create {
        subject: String,
        members: Vec<Jid>,
        community: Option<Jid>,
    },
    CreateCommunity {
        subject: String,
    },
    Change(Jid, GroupChange),
    /// The code of the invite link, or a new one.
    Invite {
        group: Jid,
        reset: bool,
    },
    /// Comes in by an invite link.
    Join(String),
}

/// The answer to a [`GroupRequest`].
#[derive(Debug)]
pub(crate) enum GroupAnswer {
    Group(Box<Group>),
    Groups(Vec<Group>),
    /// It was changed, but for these.
    Changed(Vec<NotReached>),
    Code(String),
    Joined(Joined),
}
