//! Phones: the primary devices of accounts.
//!
//! Each is a task that handles one thing after another, so that its ratchets need no lock and its messages
//! leave in order.

mod bootstrap;
mod content;
mod contents;
mod files;
mod group;
mod inbox;
mod keys;
mod known;
mod make;
mod media;
mod outbox;
mod past;
mod receive;
mod retry;
mod say;
mod secret;
mod send;
mod sender_keys;
mod sessions;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use compact_str::CompactString;
use parking_lot::Mutex;
use rand_chacha::ChaCha20Rng;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use wa_binary::Node;

pub use bootstrap::KeyShare;
pub use files::{File, FileKind, ReceivedFile};
pub(crate) use inbox::Inbox;
pub use inbox::InboxEntry;
pub(crate) use keys::PhoneKeys;
pub use media::Reuploads;
pub(crate) use outbox::Outbox;
pub use outbox::{OutboxEntry, Receipt};
pub use say::{Card, Event, Going, Place, Poll, Press, Pressed, Rich, Say};
pub(crate) use send::{Letter, message_id};

use crate::{
    ControlError,
    account::Account,
    phone::{
        contents::Contents, files::Files, receive::Attempts, sender_keys::SenderKeys, sessions::Sessions,
    },
    routing::{self, Sender},
    stanza,
    trace::{Direction, Peer},
    world::{Chat, World},
};

/// What a phone is told to do.
pub(crate) enum Task {
    /// A stanza was delivered, and is to be read at the instant.
    Read { bytes: Bytes, not_before: Option<Instant> },
    /// Send a message.
    Send { letter: Letter, reply: oneshot::Sender<Result<(), ControlError>> },
    /// Mark messages as read.
    MarkRead { chat: Option<Chat>, ids: Vec<String>, reply: oneshot::Sender<Result<(), ControlError>> },
    /// Be another installation, which has these keys and knows of no session.
    Renew { keys: Arc<PhoneKeys> },
    /// Send a new companion what it needs.
    Bootstrap { device: u16 },
    /// Share the keys of the app state with a companion.
    ShareKeys { device: u16, share: KeyShare },
    /// Tell the own companions which number is which LID: the chats are keyed by LID from now on.
    Migrate,
}

/// What the rest of the simulator holds of a phone.
pub(crate) struct PhoneLine {
    keys: Mutex<Arc<PhoneKeys>>,
    pub(crate) inbox: Arc<watch::Sender<Inbox>>,
    pub(crate) outbox: Arc<watch::Sender<Outbox>>,
    tasks: mpsc::UnboundedSender<Task>,
    /// What waits while a fault has the phone switched off.
    held: Mutex<Vec<Bytes>>,
}

impl PhoneLine {
    /// The private keys of the present installation.
    pub(crate) fn keys(&self) -> Arc<PhoneKeys> {
        self.keys.lock().clone()
    }

    /// Makes it another installation.
    pub(crate) fn renew(&self, keys: Arc<PhoneKeys>) {
        *self.keys.lock() = keys.clone();
        self.order(Task::Renew { keys });
    }

    /// Gives the phone a stanza.
    pub(crate) fn deliver(&self, bytes: Bytes, not_before: Option<Instant>) {
        self.order(Task::Read { bytes, not_before });
    }

    /// Keeps a stanza until the phone is switched on.
    pub(crate) fn hold(&self, bytes: Bytes) {
        self.held.lock().push(bytes);
    }

    /// Gives the phone what was held.
    pub(crate) fn release(&self) {
        for bytes in std::mem::take(&mut *self.held.lock()) {
            self.deliver(bytes, None);
        }
    }

    /// Tells the phone to do something.
    pub(crate) fn order(&self, task: Task) {
        // A phone that is gone belongs to a world that was reset.
        self.tasks.send(task).ok();
    }
}

/// The phone's own end of its line.
pub(crate) struct Tasks {
    keys: Arc<PhoneKeys>,
    receiver: mpsc::UnboundedReceiver<Task>,
    inbox: Arc<watch::Sender<Inbox>>,
    outbox: Arc<watch::Sender<Outbox>>,
}

/// Both ends of the line to a new phone.
pub(crate) fn line(keys: Arc<PhoneKeys>, inbox_limit: usize, sent_limit: usize) -> (PhoneLine, Tasks) {
    let (tasks, receiver) = mpsc::unbounded_channel();
    let inbox = Arc::new(watch::Sender::new(Inbox::new(inbox_limit)));
    let outbox = Arc::new(watch::Sender::new(Outbox::new(sent_limit)));
    let line = PhoneLine {
        keys: Mutex::new(keys.clone()),
        inbox: inbox.clone(),
        outbox: outbox.clone(),
        tasks,
        held: Mutex::default(),
    };
    (line, Tasks { keys, receiver, inbox, outbox })
}

/// After how long what is written in a chat disappears.
#[derive(Clone, Copy, Debug, Default)]
struct Timer {
    /// Seconds; 0 is never.
    seconds: u32,
    /// Unix seconds.
    set_at: i64,
}

/// A phone at work.
pub(crate) struct Phone {
    world: Arc<World>,
    account: Arc<Account>,
    state: State,
}

/// What a phone remembers between two tasks.
struct State {
    /// 0 is the phone itself; others are devices that the simulator plays beside it.
    device: u16,
    keys: Arc<PhoneKeys>,
    inbox: Arc<watch::Sender<Inbox>>,
    outbox: Arc<watch::Sender<Outbox>>,
    sessions: Sessions,
    sender_keys: SenderKeys,
    attempts: Attempts,
    contents: Contents,
    files: Files,
    /// By the number of the chat's other side.
    timers: HashMap<CompactString, Timer>,
    /// Messages to people so far.
    written: u32,
    rng: ChaCha20Rng,
}

/// Starts a phone, or a device that is played like one. It ends with its account, its world or the age.
pub(crate) fn spawn(
    world: &World,
    (account, device): (&Arc<Account>, u16),
    mut tasks: Tasks,
    rng: ChaCha20Rng,
    age: CancellationToken,
) {
    let keys = tasks.keys.clone();
    let (inbox, outbox) = (tasks.inbox.clone(), tasks.outbox.clone());
    let mut state = State {
        device,
        keys,
        inbox,
        outbox,
        sessions: Sessions::default(),
        sender_keys: SenderKeys::default(),
        attempts: Attempts::default(),
        contents: Contents::default(),
        files: Files::default(),
        timers: HashMap::new(),
        written: 0,
        rng,
    };
    let (world, account, runtime) = (world.weak(), Arc::downgrade(account), world.runtime.clone());
    runtime.spawn(async move {
        let work = async {
            while let Some(task) = tasks.receiver.recv().await {
                if let Task::Read { not_before: Some(instant), .. } = task {
                    sleep_until(instant).await;
                }
                let Some(phone) = Phone::awake(&world, &account, state) else { return };
                state = phone.perform(task);
            }
        };
        tokio::select! {
            () = age.cancelled() => {}
            () = work => {}
        }
    });
}

impl Phone {
    /// The phone holds world and account only while it works: neither is kept alive by its phones.
    fn awake(world: &Weak<World>, account: &Weak<Account>, state: State) -> Option<Self> {
        Some(Self { world: world.upgrade()?, account: account.upgrade()?, state })
    }

    fn perform(mut self, task: Task) -> State {
        match task {
            Task::Read { bytes, .. } => self.read(&bytes),
            Task::Send { letter, reply } => {
                reply.send(self.send(&letter)).ok();
            }
            Task::MarkRead { chat, ids, reply } => {
                reply.send(self.mark_read(chat.as_ref(), &ids)).ok();
            }
            Task::Renew { keys } => {
                self.state.keys = keys;
                self.state.sessions = Sessions::default();
                self.state.sender_keys = SenderKeys::default();
            }
            Task::Bootstrap { device } => self.bootstrap(device),
            Task::ShareKeys { device, share } => self.share_keys(device, share),
            Task::Migrate => self.tell_migration(),
        }
        self.state
    }

    /// Reads a delivered stanza.
    fn read(&mut self, bytes: &Bytes) {
        let plain = stanza::without_flag(bytes);
        self.world.trace.record(&self.peer(), Direction::Sent, &plain);
        let Ok(node) = wa_binary::decode(&plain) else { return };
        match node.tag() {
            "message" | "status" => self.receive(&node),
            "receipt" if stanza::text(&node.attrs, "type") == "server-error" => self.reupload(&node),
            "receipt" => self.receipt(&node),
            _ => {}
        }
    }

    /// What vouches for a device that isn't the phone, where a message opens a session.
    fn introduced(&self, node: Node<'static>) -> Node<'static> {
        let opens = |enc: &Node<'_>| stanza::text(&enc.attrs, "type") == "pkmsg";
        let copies = node.get_child("participants").map(Node::children).unwrap_or_default();
        let introduces = node.children_named("enc").any(opens)
            || copies.iter().any(|copy| copy.children_named("enc").any(opens));
        let played = self.account.directory().played.get(&self.state.device).cloned();
        match played.filter(|_| introduces) {
            Some(played) => {
                node.child(Node::new("device-identity").with_bytes(played.device_identity.to_vec()))
            }
            None => node,
        }
    }

    /// Hands a message to the server; the error of its answer, if any.
    fn submit(&self, node: &Node<'_>) -> Result<(), u16> {
        self.trace(node);
        let sender = Sender { account: &self.account, device: self.state.device };
        let ack = routing::message(&self.world, sender, node);
        match ack.attrs.number("error") {
            Some(Ok(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Hands a receipt to the server.
    fn submit_receipt(&self, node: &Node<'_>) {
        self.trace(node);
        routing::receipt(&self.world, Sender { account: &self.account, device: self.state.device }, node);
    }

    fn trace(&self, node: &Node<'_>) {
        if self.world.trace.is_on() {
            let encoded = stanza::without_flag(&stanza::encode(node));
            self.world.trace.record(&self.peer(), Direction::Received, &encoded);
        }
    }

    fn peer(&self) -> Peer {
        Peer { connection: 0, number: Some(self.account.number.clone()), device: self.state.device }
    }
}
