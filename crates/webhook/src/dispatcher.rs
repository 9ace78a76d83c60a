//! The webhooks of all instances that this node holds.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use outbound::{AddressGuard, Authorities, Dialer, HttpClient, Resolver, SetupError, Sockets};
use storage::{
    Attempt, AttemptQuery, Consumer, Delivery, DeliveryQuery, Epoch, Event, InstanceId, Journal, Listener,
    Page, Recorded, Storage, StorageError, UserId, Webhook, Write,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::context::Context;
use crate::courier::{CONNECT_TIMEOUT, Courier};
use crate::gate::Reachability;
use crate::observer::{Observer, Unobserved};
use crate::replay::{self, Replay};
use crate::roster::Roster;
use crate::target::Tested;

/// How long calls that are under way may take when the process stops, before they are given up: no receiver may hold up a
/// stop, and what was given up is delivered again after the next start.
pub const CALLS_GRACE: Duration = Duration::from_millis(1500);
/// How long a receiver may take nothing before its webhook is paused, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(72 * 60 * 60);
/// Deliveries that one write makes due: others write in between.
const PIECE: u64 = 500;

/// How much may happen at once, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Judges every URL before each call: where a webhook may go.
    pub guard: AddressGuard,
    /// Resolves the names of receivers.
    pub resolver: Resolver,
    /// Certificate authorities that receivers' certificates are checked against.
    pub authorities: Authorities,
    /// The sockets that they share with other HTTP clients.
    pub sockets: Sockets,
    /// Requests under way at once, over all webhooks.
    pub in_flight: usize,
    /// Requests under way at once for one webhook (one per chat).
    pub per_webhook: usize,
    /// Hears what becomes of calls.
    pub observer: Arc<dyn Observer>,
    /// After this long without a success a webhook is paused: probes are made, and events wait.
    pub patience: Duration,
    /// Under which URL others reach the gateway, without a slash at its end: where a dialect tells addresses of files. Empty
    /// for paths alone.
    pub public_url: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            guard: AddressGuard::default(),
            resolver: Resolver::system(),
            authorities: Authorities::public(),
            sockets: Sockets::default(),
            in_flight: 512,
            per_webhook: 32,
            observer: Arc::new(Unobserved),
            patience: PATIENCE,
            public_url: String::new(),
        }
    }
}

/// Delivers the events of the instances that this node holds to their webhooks. Clones are the same dispatcher.
///
/// Each webhook reads the event log with a cursor of its own. A delivered event moves the cursor and leaves no trace; a
/// failed one is stored and tried again as the webhook's settings say, while later events of the same chat wait behind it.
/// What has used up its retries stays as a dead letter until it is replayed. Everything survives a crash: an event is
/// delivered at least once, with the same id and the same bytes each time.
///
/// It is a [`Listener`] of the [`Journal`](storage::Journal): what it hears from there is delivered without reading it from
/// the log again.
#[derive(Clone)]
pub struct Dispatcher {
    roster: Arc<Roster>,
}

impl Dispatcher {
    /// A dispatcher that serves nothing yet.
    ///
    /// # Errors
    /// [`SetupError`] if the HTTP client can't be built.
    pub fn new(storage: Arc<dyn Storage>, options: Options) -> Result<Self, SetupError> {
        let Options {
            guard,
            resolver,
            authorities,
            sockets,
            in_flight,
            per_webhook,
            observer,
            patience,
            public_url,
        } = options;
        let dialer = Dialer::new(guard.clone(), resolver).within(CONNECT_TIMEOUT).among(sockets);
        let http = HttpClient::new(dialer, &authorities)?;
        let courier = Courier::new(http);
        let at_once = (per_webhook, in_flight);
        let context = Context::new(storage, guard, courier, at_once, observer, patience, public_url);
        Ok(Self { roster: Arc::new(Roster::new(context)) })
    }

    /// What the dispatcher itself records is announced through this journal, which it is a listener of. To be called before
    /// the first instance is served.
    pub fn announce_through(&self, journal: Journal) {
        self.roster.announce_through(journal);
    }

    /// Says that this node holds the owner's instance from now on, under this epoch. Takes up what was left undone before. Needs
    /// a Tokio runtime.
    pub fn serve(&self, instance: InstanceId, owner: UserId, epoch: Epoch) {
        self.roster.serve(instance, owner, epoch);
    }

    /// Says that this node lets go of the instance, or that the instance is gone. Requests under way may end; what they
    /// achieve is committed as long as nobody else has taken the instance.
    pub fn release(&self, instance: InstanceId) {
        self.roster.release(instance);
    }

    /// Says that webhooks of the instance were added, changed or removed, or that deliveries of theirs were: from now on
    /// what is stored holds.
    pub fn changed(&self, instance: InstanceId) {
        self.roster.changed(instance);
    }

    /// Deliveries of a webhook of the owner's instance that are given up, or still to be tried, oldest first, each with its
    /// event where the log still has it.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<(Delivery, Option<Event>)>, StorageError> {
        self.storage().deliveries(owner, consumer, query).await
    }

    /// Makes dead letters of a webhook pending again, those named by their `seq` or all, and returns how many. They are
    /// delivered under their old ids, in the order of the log, with all retries before them. They are revived in pieces,
    /// so that other writes go on meanwhile; when one fails, those before it are revived.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn replay(
        &self,
        owner: UserId,
        consumer: &Consumer,
        seqs: Option<Vec<i64>>,
    ) -> Result<u64, StorageError> {
        let now = Utc::now().into();
        let piece = |after| self.storage().replay(owner, consumer.clone(), seqs.clone(), after, PIECE, now);
        self.in_pieces(consumer, piece).await
    }

    /// Makes deliveries of a webhook due now that are to be tried later, and returns how many. Their attempts stay counted.
    ///
    /// # Errors
    /// When the store fails; then some of them may be due.
    pub async fn hasten(&self, consumer: &Consumer) -> Result<u64, StorageError> {
        let now = Utc::now().into();
        let piece = |after| self.storage().hasten(consumer.clone(), after, PIECE, now);
        self.in_pieces(consumer, piece).await
    }

    async fn in_pieces(
        &self,
        consumer: &Consumer,
        piece: impl Fn(i64) -> Write<Vec<i64>>,
    ) -> Result<u64, StorageError> {
        let (mut changed, mut after) = (0, 0);
        let outcome = loop {
            match piece(after).await.map(|seqs| (seqs.len() as u64, seqs.last().copied())) {
                Ok((count, Some(last))) => (changed, after) = (changed + count, last),
                Ok((_, None)) => break Ok(changed),
                Err(error) => break Err(error),
            }
        };
        if changed > 0 {
            self.changed(consumer.instance);
        }
        outcome
    }

    /// What was tried of a webhook's deliveries, newest first.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's.
    pub async fn attempts(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &AttemptQuery,
    ) -> Result<Page<Attempt>, StorageError> {
        self.storage().attempts(owner, consumer, query).await
    }

    /// Delivers an event to a webhook once more, whatever became of it before; answers whether it can: the log must have it,
    /// and the webhook have come to it.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's, or has no such webhook.
    pub async fn redeliver(
        &self,
        owner: UserId,
        consumer: &Consumer,
        seq: i64,
    ) -> Result<bool, StorageError> {
        let again = self.storage().redeliver(owner, consumer.clone(), vec![seq], Utc::now().into()).await?;
        if !again.is_empty() {
            self.changed(consumer.instance);
        }
        Ok(!again.is_empty())
    }

    /// Delivers what a webhook wants of the events from one position to another once more, in their order and in pieces, so
    /// that other writes go on: at most [`MAX_REPLAY`](crate::MAX_REPLAY) of them.
    ///
    /// # Errors
    /// `NotFound` when the instance isn't the owner's, or has no such webhook any more; when one piece fails, those before it
    /// are delivered.
    pub async fn replay_range(
        &self,
        owner: UserId,
        webhook: &Webhook,
        from: i64,
        to: i64,
    ) -> Result<Replay, StorageError> {
        let replayed = replay::range(&**self.storage(), owner, webhook, from, to).await;
        self.changed(webhook.instance);
        replayed
    }

    /// Calls a webhook as its settings say, whether it is on or not, with an event `webhook_test`; `None` if it has no URL, or
    /// something of it can't be read. It is no delivery: nothing is stored, tried again or learnt of the receiver.
    pub async fn test(&self, owner: UserId, webhook: &Webhook) -> Option<Tested> {
        self.roster.test(owner, webhook).await
    }

    /// Who owns an instance that this node holds.
    pub fn owner(&self, instance: InstanceId) -> Option<UserId> {
        self.roster.owner(instance)
    }

    /// What is known of the place where calls to this URL go for this owner; `None` when this process has not tried it.
    pub fn reachability(&self, owner: UserId, url: &str) -> Option<Reachability> {
        self.roster.reachability(owner, url)
    }

    /// Stops: requests under way may end, for at most [`CALLS_GRACE`] and half of `grace`, then they are given up, which counts as no attempt;
    /// nothing new is sent; achievements are committed. All that for at most `grace`. Returns whether everything ended in
    /// time. What didn't is delivered again after the next start.
    pub async fn stop(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let mut stopping = pin!(self.roster.stop());
        if timeout((grace / 2).min(CALLS_GRACE), stopping.as_mut()).await.is_ok() {
            return true;
        }
        self.roster.abandon();
        timeout_at(deadline, stopping).await.is_ok()
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        self.roster.storage()
    }
}

impl Listener for Dispatcher {
    fn rang(&self, instance: InstanceId, recorded: &Recorded) {
        self.roster.rang(instance, recorded);
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (instances, tasks) = self.roster.counts();
        f.debug_struct("Dispatcher")
            .field("instances", &instances)
            .field("tasks", &tasks)
            .finish_non_exhaustive()
    }
}
