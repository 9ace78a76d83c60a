use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wa_binary::Node;

use super::{Channel, ChannelError};
use crate::{
    account::{Account, Delivery, Orders, Outgoing, Presence},
    novelties,
    phone::Task,
    queue::Waiting,
    routing, stanza,
    world::World,
};

/// Stanzas handled between two flushes.
const BATCH: usize = 64;
/// So much of what waited comes unasked where the rest comes on request.
const PRIMER: usize = 5;

/// A companion that is logged in.
pub(super) struct LoggedIn {
    pub(super) world: Arc<World>,
    pub(super) account: Arc<Account>,
    pub(super) device: u16,
    pub(super) rng: ChaCha20Rng,
    channel: Channel,
    orders: Orders,
    age: CancellationToken,
    /// Stanzas that a fault delays, in order; what comes later waits behind them.
    delayed: VecDeque<(Instant, Bytes)>,
    /// Answers that are not written yet.
    pub(super) answers: Vec<Bytes>,
    last_heard: Instant,
    /// When it is next looked whether the client has answered everything in time.
    audit_at: Option<Instant>,
}

/// How its connection goes on after a step.
#[derive(Debug)]
pub(super) enum Step {
    Continue,
    /// It ends, after a last stanza, if any. Without one the socket is cut at once.
    End(Option<Bytes>),
}

impl LoggedIn {
    pub(super) fn new(
        world: Arc<World>,
        account: Arc<Account>,
        device: u16,
        channel: Channel,
        orders: Orders,
        rng: ChaCha20Rng,
        age: CancellationToken,
    ) -> Self {
        let last_heard = Instant::now();
        let (delayed, answers) = Default::default();
        Self {
            world,
            account,
            device,
            rng,
            channel,
            orders,
            age,
            delayed,
            answers,
            last_heard,
            audit_at: None,
        }
    }

    /// Serves until the end. A client that logs in as passive gets nothing until it says `<active/>`.
    pub(super) async fn run(mut self, is_passive: bool) -> Result<(), ChannelError> {
        if !is_passive {
            self.activate();
        }
        let outcome = self.converse().await;
        self.leave();
        if let Step::End(Some(last)) = outcome? {
            self.channel.feed(&last).await?;
            self.channel.flush().await?;
            self.channel.linger().await;
        }
        Ok(())
    }

    async fn converse(&mut self) -> Result<Step, ChannelError> {
        loop {
            self.write_answers().await?;
            let idle = self.last_heard + self.world.options.idle_timeout;
            let due = self.delayed.front().map(|(due, _)| *due);
            let audit_at = self.audit_at;
            let step = tokio::select! {
                order = self.orders.next() => match order {
                    Some(order) => self.obey(order).await?,
                    None => Step::End(None),
                },
                stanza = self.channel.receive() => self.hear(&stanza?)?,
                () = sleep_until(due.unwrap_or(idle)), if due.is_some() => self.write_due().await?,
                () = sleep_until(audit_at.unwrap_or(idle)), if audit_at.is_some() => self.audit(),
                () = sleep_until(idle) => return Err(ChannelError::Silent),
                () = self.age.cancelled() => Step::End(None),
            };
            if let Step::End(_) = step {
                self.write_answers().await?;
                return Ok(step);
            }
        }
    }

    /// Handles a stanza, and those that have arrived behind it.
    fn hear(&mut self, first: &Bytes) -> Result<Step, ChannelError> {
        self.last_heard = Instant::now();
        if !self.is_present() {
            // What a connection says that has been taken over counts no more.
            return Ok(Step::Continue);
        }
        let mut step = self.handle(first);
        for _ in 1..BATCH {
            if let Step::End(_) = step {
                break;
            }
            let Some(stanza) = self.channel.receive_ready()? else { break };
            step = self.handle(&stanza);
        }
        Ok(step)
    }

    fn handle(&mut self, stanza: &Bytes) -> Step {
        match wa_binary::decode(stanza) {
            Ok(node) => self.dispatch(&node),
            Err(error) => {
                tracing::debug!(%error, "a frame holds no stanza");
                Step::End(Some(stanza::encode(&not_well_formed())))
            }
        }
    }

    /// Does what the rest of the server tells, and what else it has told meanwhile.
    async fn obey(&mut self, first: Outgoing) -> Result<Step, ChannelError> {
        let mut step = self.do_one(first).await?;
        for _ in 1..BATCH {
            if let Step::End(_) = step {
                return Ok(step);
            }
            let Some(order) = self.orders.try_next() else { break };
            step = self.do_one(order).await?;
        }
        self.channel.flush().await?;
        Ok(step)
    }

    async fn do_one(&mut self, order: Outgoing) -> Result<Step, ChannelError> {
        match order {
            Outgoing::Stanza { bytes, not_before } => {
                self.write(bytes, not_before).await.map(|()| Step::Continue)
            }
            Outgoing::Close(last) => Ok(Step::End(last)),
        }
    }

    async fn write(&mut self, bytes: Bytes, not_before: Option<Instant>) -> Result<(), ChannelError> {
        match not_before {
            None if self.delayed.is_empty() => self.feed(&bytes).await,
            _ => {
                self.delayed.push_back((not_before.unwrap_or_else(Instant::now), bytes));
                Ok(())
            }
        }
    }

    async fn write_due(&mut self) -> Result<Step, ChannelError> {
        let now = Instant::now();
        while self.delayed.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, bytes)) = self.delayed.pop_front() else { break };
            self.feed(&bytes).await?;
        }
        self.channel.flush().await?;
        Ok(Step::Continue)
    }

    /// Writes, unless a fault has silenced the connection.
    async fn feed(&mut self, bytes: &Bytes) -> Result<(), ChannelError> {
        if self.is_silenced() { Ok(()) } else { self.channel.feed(bytes).await }
    }

    pub(super) fn is_silenced(&self) -> bool {
        self.orders.is_silenced()
    }

    async fn write_answers(&mut self) -> Result<(), ChannelError> {
        if self.answers.is_empty() {
            return Ok(());
        }
        for answer in std::mem::take(&mut self.answers) {
            self.feed(&answer).await?;
        }
        self.channel.flush().await
    }

    /// Queues an answer behind those of before.
    pub(super) fn answer(&mut self, node: &Node<'_>) {
        self.answers.push(stanza::encode(node));
    }

    /// The client wants what has waited: delivers it, and then everything as it comes.
    pub(super) fn activate(&mut self) {
        let held = self.world.is_held(&self.account, self.device);
        let behaviour = &self.world.options.behaviour;
        if behaviour.novelties && self.is_passive() {
            novelties::queue_all(&self.world, &self.account, self.device);
        }
        let credit = if behaviour.backlog_on_request { PRIMER } else { usize::MAX };
        let (waiting, is_first) = {
            let mut directory = self.account.directory();
            let Some(companion) = directory.companions.get_mut(&self.device) else { return };
            let waiting = if held { Waiting::default() } else { companion.queue.waiting() };
            let Some(connection) = &mut companion.connection else { return };
            if connection.link.connection != self.channel.peer.connection
                || connection.delivery != Delivery::Passive
            {
                return;
            }
            connection.delivery =
                if held { Delivery::Live } else { Delivery::Backlog { credit, delivered: 0 } };
            (waiting, companion.takes_bootstrap())
        };
        self.announce_waiting(waiting);
        if held {
            self.end_backlog(0);
        }
        self.deliver_backlog(0);
        self.audit_at = self.world.options.behaviour.answer_within.map(|patience| Instant::now() + patience);
        let novelties = self.world.options.behaviour.novelties;
        if self.world.options.dirty || novelties {
            let dirty = Node::new("dirty")
                .attr("type", "account_sync")
                .attr("timestamp", self.world.clock.unix_seconds());
            self.answer(&stanza::from_server("ib").child(dirty));
        }
        if novelties {
            novelties::bulletins(&self.world).iter().for_each(|bulletin| self.answer(bulletin));
            self.answer(&novelties::question(&self.world));
        }
        if is_first {
            self.account.phone.order(Task::Bootstrap { device: self.device });
        }
    }

    fn is_passive(&self) -> bool {
        let directory = self.account.directory();
        directory.companions.get(&self.device).is_some_and(|companion| !companion.is_active())
    }

    /// Says how much waits (PROTOCOL.md 7.8).
    fn announce_waiting(&mut self, waiting: Waiting) {
        if waiting.total() == 0 {
            return;
        }
        let preview = Node::new("offline_preview")
            .attr("count", waiting.total())
            .attr("message", waiting.messages)
            .attr("receipt", waiting.receipts)
            .attr("notification", waiting.notifications)
            .attr("appdata", waiting.others);
        self.answer(&stanza::from_server("ib").child(preview));
    }

    /// Writes what has waited, as far as the client has asked for it, and says so once that is all; then
    /// everything comes as it arrives.
    pub(super) fn deliver_backlog(&mut self, asked: usize) {
        let (due, first, done) = {
            let mut directory = self.account.directory();
            let Some(companion) = directory.companions.get_mut(&self.device) else { return };
            let Some(connection) = &mut companion.connection else { return };
            let Delivery::Backlog { credit, delivered } = &mut connection.delivery else { return };
            *credit = credit.saturating_add(asked);
            let due = companion.queue.take_unsent(*credit);
            let first = *delivered;
            *credit = credit.saturating_sub(due.len());
            *delivered += due.len();
            let done = (!companion.queue.has_unsent()).then_some(*delivered);
            if done.is_some() {
                connection.delivery = Delivery::Live;
            }
            (due, first, done)
        };
        for (index, stanza) in due.iter().enumerate() {
            let plain = stanza::without_flag(&stanza.bytes);
            match wa_binary::decode(&plain) {
                Ok(node) => self.answer(&node.attr("offline", first + index)),
                Err(_) => self.answers.push(stanza.bytes.clone()),
            }
        }
        if let Some(delivered) = done {
            self.end_backlog(delivered);
        }
    }

    fn end_backlog(&mut self, delivered: usize) {
        self.answer(&stanza::from_server("ib").child(Node::new("offline").attr("count", delivered)));
    }

    /// Ends the connection if the client leaves a stanza unanswered (PROTOCOL.md 7.3).
    fn audit(&mut self) -> Step {
        let Some(patience) = self.world.options.behaviour.answer_within else { return Step::Continue };
        let overdue = {
            let mut directory = self.account.directory();
            let Some(companion) = directory.companions.get_mut(&self.device) else { return Step::Continue };
            companion.queue.overdue(patience)
        };
        match overdue {
            Ok(next) => {
                self.audit_at = Some(next.unwrap_or_else(|| Instant::now() + patience));
                Step::Continue
            }
            Err(id) => {
                let ack = Node::new("ack").attr("id", id);
                Step::End(Some(stanza::encode(&Node::new("stream:error").child(ack))))
            }
        }
    }

    /// The client wants nothing delivered any more.
    pub(super) fn deactivate(&self) {
        let mut directory = self.account.directory();
        let connection =
            directory.companions.get_mut(&self.device).and_then(|companion| companion.connection.as_mut());
        if let Some(connection) = connection
            && connection.link.connection == self.channel.peer.connection
        {
            connection.delivery = Delivery::Passive;
        }
    }

    /// Whether the device has not been taken over by a newer connection, or unlinked.
    pub(super) fn is_present(&self) -> bool {
        let directory = self.account.directory();
        let connection = self.channel.peer.connection;
        directory.companions.get(&self.device).is_some_and(|companion| companion.is_served_by(connection))
    }

    /// The connection is over; the account may be seen to go.
    fn leave(&self) {
        let went = {
            let mut directory = self.account.directory();
            let before = directory.presence();
            let connection = self.channel.peer.connection;
            let was_ours = directory
                .companions
                .get_mut(&self.device)
                .is_some_and(|companion| companion.disconnect(connection));
            if was_ours && before == Presence::Available {
                directory.last_seen = Some(self.world.clock.unix_seconds());
            }
            before != directory.presence()
        };
        if went {
            routing::announce_presence(&self.world, &self.account);
        }
    }
}

/// What a client gets that sends something unreadable.
fn not_well_formed() -> Node<'static> {
    Node::new("stream:error").child(Node::new("xml-not-well-formed"))
}
