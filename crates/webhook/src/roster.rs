//! The instances that this node holds, each with its webhooks that are switched on.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use storage::{
    Backoff, Consumer, Epoch, InstanceId, Journal, Recorded, Storage, StorageError, UserId, Webhook, Write,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::Context;
use crate::gate::Reachability;
use crate::post::{Post, Start};
use crate::standing::Standing;
use crate::target::{self, Target, Tested};
use crate::worker::{self, End};

/// Puts up a post for each webhook that is switched on, and workers where there is something to do.
pub(crate) struct Roster {
    context: Arc<Context>,
    closing: CancellationToken,
    served: Mutex<HashMap<InstanceId, Served>>,
    tasks: TaskTracker,
}

/// An instance that this node holds.
struct Served {
    owner: UserId,
    epoch: Epoch,
    phase: Phase,
}

type Posts = Arc<[Arc<Post>]>;

enum Phase {
    /// A task reads which webhooks there are. Those that there were before finish meanwhile.
    Looking {
        before: Posts,
        /// Events were recorded since the task began.
        rang: bool,
        /// Something has changed since the task began.
        again: bool,
    },
    /// These are switched on.
    Known(Posts),
    /// The instance was let go; these finish.
    Leaving(Posts),
}

impl Phase {
    fn posts(&self) -> &Posts {
        match self {
            Self::Looking { before: posts, .. } | Self::Known(posts) | Self::Leaving(posts) => posts,
        }
    }
}

impl Roster {
    pub(crate) fn new(context: Context) -> Self {
        Self {
            context: Arc::new(context),
            closing: CancellationToken::new(),
            served: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.context.storage
    }

    /// How many instances are known, and how many tasks there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.served.lock().len(), self.tasks.len())
    }

    pub(crate) fn serve(self: &Arc<Self>, instance: InstanceId, owner: UserId, epoch: Epoch) {
        let mut served = self.served.lock();
        let before = match served.get_mut(&instance) {
            Some(Served { epoch: known, phase: Phase::Looking { .. } | Phase::Known(_), .. })
                if *known == epoch =>
            {
                return;
            }
            Some(Served { epoch: known, phase: Phase::Looking { again, .. }, .. }) => {
                (*known, *again) = (epoch, true);
                return;
            }
            Some(Served { phase, .. }) => Arc::clone(phase.posts()),
            None => Arc::default(),
        };
        let phase = self.look(instance, before);
        served.insert(instance, Served { owner, epoch, phase });
    }

    pub(crate) fn changed(self: &Arc<Self>, instance: InstanceId) {
        let mut served = self.served.lock();
        let Some(Served { phase, .. }) = served.get_mut(&instance) else { return };
        match phase {
            Phase::Looking { again, .. } => *again = true,
            Phase::Known(posts) => *phase = self.look(instance, Arc::clone(posts)),
            Phase::Leaving(_) => {}
        }
    }

    /// Lets go of the instance.
    pub(crate) fn release(&self, instance: InstanceId) {
        self.leave(&mut self.served.lock(), instance);
    }

    pub(crate) fn rang(self: &Arc<Self>, instance: InstanceId, recorded: &Recorded) {
        let posts = match self.served.lock().get_mut(&instance).map(|served| &mut served.phase) {
            Some(Phase::Known(posts)) if !posts.is_empty() => Arc::clone(posts),
            Some(Phase::Looking { rang, .. }) => {
                *rang = true;
                return;
            }
            _ => return,
        };
        let made = OnceCell::new();
        let copies = || made.get_or_init(|| recorded.events.iter().cloned().map(Arc::new).collect());
        for post in posts.iter() {
            if let Some(start) = post.hear(recorded, &|| Arc::clone(copies())) {
                self.work(post, start);
            }
        }
    }

    /// What is recorded here is announced through this journal.
    pub(crate) fn announce_through(&self, journal: Journal) {
        self.context.announce_through(journal);
    }

    /// Who owns an instance that this node holds.
    pub(crate) fn owner(&self, instance: InstanceId) -> Option<UserId> {
        self.served.lock().get(&instance).map(|served| served.owner)
    }

    /// Gives up what is under way. Only after [`Self::stop`] was called.
    pub(crate) fn abandon(&self) {
        self.context.abandoned.cancel();
    }

    /// What is known of the place where an owner's calls to this URL go.
    pub(crate) fn reachability(&self, owner: UserId, url: &str) -> Option<Reachability> {
        let destination = self.context.guard.check(url).ok()?;
        self.context.gate.reachability(&target::route(owner, &destination))
    }

    /// Calls an owner's webhook as its settings say, on or off, with what tells of nothing but itself; `None` if it has no URL
    /// or something of it can't be read.
    pub(crate) async fn test(&self, owner: UserId, webhook: &Webhook) -> Option<Tested> {
        let on = Webhook { enabled: true, ..webhook.clone() };
        let target = Target::new(&on, owner, &self.context.guard)?;
        Some(self.context.test(&target, webhook).await)
    }

    /// Ends all posts, and resolves when nothing is under way any more.
    pub(crate) async fn stop(&self) {
        let committed = {
            let served = self.served.lock();
            self.closing.cancel();
            self.finish(served.values().flat_map(|served| served.phase.posts().iter()))
        };
        self.tasks.close();
        if let Some(commit) = committed
            && let Err(error) = commit.await
        {
            tracing::warn!(%error, "the cursors of webhooks could not be stored");
        }
        self.tasks.wait().await;
    }

    /// Ends the posts and has their successors looked up.
    fn look(self: &Arc<Self>, instance: InstanceId, before: Posts) -> Phase {
        let committed = self.finish(before.iter());
        if !self.closing.is_cancelled() {
            self.tasks.spawn(Arc::clone(self).look_up(instance, committed));
        }
        Phase::Looking { before, rang: false, again: false }
    }

    /// Tells the posts to finish. What those at rest had not committed is queued at once.
    fn finish<'a>(&self, posts: impl Iterator<Item = &'a Arc<Post>>) -> Option<Write<Vec<InstanceId>>> {
        let settlements: Vec<_> = posts.filter_map(|post| post.finish()).collect();
        (!settlements.is_empty()).then(|| self.context.storage.settle(settlements))
    }

    /// Finds out which webhooks of the instance are switched on, and what they have to do.
    async fn look_up(self: Arc<Self>, instance: InstanceId, committed: Option<Write<Vec<InstanceId>>>) {
        if let Some(commit) = committed
            && let Err(error) = commit.await
        {
            tracing::warn!(%instance, %error, "a webhook's cursor could not be stored");
        }
        let mut backoff = Backoff::default();
        while !self.closing.is_cancelled() {
            match self.stored(instance).await {
                Ok((webhooks, busy)) => {
                    if self.install(instance, webhooks, &busy) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%instance, %error, "webhooks wait: the store failed");
                    let _closing = timeout(backoff.pause(), self.closing.cancelled()).await;
                }
            }
        }
    }

    /// The instance's webhooks that are switched on, and the names of those that have something to do.
    async fn stored(
        &self,
        instance: InstanceId,
    ) -> Result<(Vec<(String, Target, Standing)>, Vec<String>), StorageError> {
        let Some(owner) = self.served.lock().get(&instance).map(|served| served.owner) else {
            return Ok(Default::default());
        };
        let webhooks = self.context.storage.fleet_webhooks(instance).await?;
        let target = |webhook: Webhook| {
            let target = Target::new(&webhook, owner, &self.context.guard)?;
            let standing = Standing::of(&webhook, self.context.patience);
            Some((webhook.name, target, standing))
        };
        let targets: Vec<_> = webhooks.into_iter().filter_map(target).collect();
        if targets.is_empty() {
            return Ok((targets, Vec::new()));
        }
        let work = self.context.storage.work(instance).await?;
        Ok((targets, work.into_iter().map(|work| work.consumer.name).collect()))
    }

    /// Puts up what was looked up, unless something has changed meanwhile. Answers whether the task is over.
    fn install(
        self: &Arc<Self>,
        instance: InstanceId,
        webhooks: Vec<(String, Target, Standing)>,
        busy: &[String],
    ) -> bool {
        let mut served = self.served.lock();
        let Some(Served { epoch, phase, .. }) = served.get_mut(&instance) else { return true };
        let Phase::Looking { before, rang, again } = phase else { return true };
        if mem::take(again) {
            return false;
        }
        let (before, rang) = (Arc::clone(before), *rang);
        let posts: Posts = webhooks
            .into_iter()
            .map(|(name, target, standing)| {
                let predecessor = before.iter().find(|post| post.consumer.name == name);
                let predecessor = predecessor.map(|post| post.ended().clone());
                let consumer = Consumer::webhook(instance, name);
                Arc::new(Post::new(consumer, *epoch, target, standing, predecessor))
            })
            .collect();
        *phase = Phase::Known(Arc::clone(&posts));
        for post in posts.iter() {
            let has_work = rang || post.has_predecessor() || busy.contains(&post.consumer.name);
            if let Some(start) = has_work.then(|| post.begin()).flatten() {
                self.work(post, start);
            }
        }
        true
    }

    fn work(self: &Arc<Self>, post: &Arc<Post>, start: Start) {
        let (shared, post) = (Arc::clone(self), Arc::clone(post));
        self.tasks.spawn(async move {
            let end = worker::run(Arc::clone(&shared.context), Arc::clone(&post), start).await;
            shared.worked(&post, end);
        });
    }

    /// A worker has gone.
    fn worked(&self, post: &Post, end: End) {
        let instance = post.consumer.instance;
        match end {
            End::Resting => {}
            End::Finished => Self::forget_if_left(&mut self.served.lock(), instance),
            End::Fenced => {
                tracing::warn!(%instance, "webhooks stop: another process holds the instance");
                let mut served = self.served.lock();
                if served.get(&instance).is_some_and(|served| served.epoch == post.epoch) {
                    self.leave(&mut served, instance);
                }
            }
        }
    }

    fn leave(&self, served: &mut HashMap<InstanceId, Served>, instance: InstanceId) {
        let Some(Served { phase, .. }) = served.get_mut(&instance) else { return };
        let posts = Arc::clone(phase.posts());
        // The call has queued the commit: nobody waits for it.
        drop(self.finish(posts.iter()));
        *phase = Phase::Leaving(posts);
        Self::forget_if_left(served, instance);
    }

    fn forget_if_left(served: &mut HashMap<InstanceId, Served>, instance: InstanceId) {
        if let Some(Served { phase: Phase::Leaving(posts), .. }) = served.get(&instance)
            && posts.iter().all(|post| post.ended().is_cancelled())
        {
            served.remove(&instance);
        }
    }
}
