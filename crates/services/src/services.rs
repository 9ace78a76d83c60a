//! All services, wired together.

use std::sync::Arc;
use std::time::Duration;

use outbound::{Dialer, HttpClient, SetupError};
use storage::{Clock, Journal, Listener, NodeId, Storage, StorageError};
use tokio::time::{Instant, timeout};
use webhook::{Dispatcher, Options};

use crate::alarm::Alarm;
use crate::audit::AuditService;
use crate::auth::{AuthConfig, AuthService};
use crate::bell::Bell;
use crate::channels::ChannelService;
use crate::communities::CommunityService;
use crate::companion::Companions;
use crate::consumers::ConsumerService;
use crate::contacting::PeopleService;
use crate::contacts::ContactService;
use crate::dialects::DialectService;
use crate::event::EventService;
use crate::feed::Feed;
use crate::groups::GroupService;
use crate::housekeeping::{self, KeepFor};
use crate::instance::{self, InstanceService};
use crate::keys::KeyService;
use crate::media::{
    self, FetchUrl, MediaFetcher, MediaObjects, MediaOptions, MediaRoom, MediaService, Spool,
};
use crate::messaging::MessagingService;
use crate::meter::Meter;
use crate::node::Node;
use crate::qr_page::QrPageService;
use crate::quota::Quotas;
use crate::reach::Reach;
use crate::scheduler::Scheduler;
use crate::supervisor::Supervisor;
use crate::usage::UsageService;
use crate::users::UserService;
use crate::versions::VersionKeeper;
use crate::webhooks::WebhookService;

/// What the services are built from.
pub struct Dependencies {
    /// Where everything is stored.
    pub storage: Arc<dyn Storage>,
    /// How companions are started: [`crate::WhatsApp`].
    pub companions: Arc<dyn Companions>,
    /// This process. Another one that runs at the same time on the same database must be another node; the same one,
    /// come back after a crash, must be the same node.
    pub node: NodeId,
    /// How login tokens are signed and passwords hashed.
    pub auth: AuthConfig,
    /// Webhook deliveries, with the address guard.
    pub webhooks: Options,
    /// Which version of WhatsApp Web the companions announce.
    pub versions: VersionKeeper,
    /// How long events and messages are kept.
    pub keep_for: KeepFor,
    /// What becomes of the files of messages.
    pub media: MediaOptions,
}

/// Everything a gateway can do. Clones are the same services.
#[derive(Clone)]
pub struct Services {
    /// Logs users in, and tells whom a token or an API key belongs to.
    pub auth: AuthService,
    /// Creates, shows, changes and deletes users.
    pub users: UserService,
    /// Makes keys that open less than their owner may do.
    pub keys: KeyService,
    /// Creates, shows, changes, pairs and deletes instances.
    pub instances: InstanceService,
    /// Creates, shows, changes and deletes the webhooks of an instance.
    pub webhooks: WebhookService,
    /// Sends messages through an instance.
    pub messages: MessagingService,
    /// Shows whom an instance knows, and changes it.
    pub contacts: ContactService,
    /// Shows codes to link an instance with to whoever has its page's address.
    pub qr_pages: QrPageService,
    /// Keeps the keys under which dialects reach an instance.
    pub dialects: DialectService,
    /// Reads an instance's messages and its event log, and waits for more.
    pub events: EventService,
    /// Named consumers of the event log.
    pub consumers: ConsumerService,
    /// Gives the files of messages to their owners.
    pub media: MediaService,
    /// Shows and changes groups.
    pub groups: GroupService,
    /// Makes communities, and links groups to them.
    pub communities: CommunityService,
    /// Shows channels, follows and makes them.
    pub channels: ChannelService,
    /// Shows what instances have done.
    pub usage: UsageService,
    /// Counts calls, and what goes on.
    pub meter: Meter,
    /// Holds instances to the limits that their owners set.
    pub quotas: Quotas,
    /// Shows people, and what they see of the account.
    pub people: PeopleService,
    /// Runs the instances that this node carries, and tells where each stands.
    pub supervisor: Supervisor,
    /// Delivers events to the webhooks of the instances that this node carries.
    pub deliveries: Dispatcher,
    /// Knows which version of WhatsApp Web the companions announce.
    pub versions: VersionKeeper,
    storage: Arc<dyn Storage>,
    keep_for: KeepFor,
    fetcher: MediaFetcher,
    alarm: Alarm,
    objects: Arc<dyn MediaObjects>,
    spool: Spool,
}

impl Services {
    /// Wires the services. Nothing runs before [`Self::resume`].
    ///
    /// # Errors
    /// [`SetupError`] if the HTTP client for webhooks can't be built.
    pub fn new(dependencies: Dependencies) -> Result<Self, SetupError> {
        let Dependencies { storage, companions, node, auth, mut webhooks, versions, keep_for, media } =
            dependencies;
        let store = || Arc::clone(&storage);
        let meter = Meter::default();
        let quotas = Quotas::new(store(), meter.clone());
        webhooks.observer = Arc::new(quotas.clone());
        let guard = webhooks.guard.clone();
        let dialer = Dialer::new(guard.clone(), webhooks.resolver.clone()).among(webhooks.sockets.clone());
        let fetch = FetchUrl::new(HttpClient::new(dialer, &webhooks.authorities)?, guard.clone());
        let spool = Spool::new(media.spool.clone(), media.longest_sent);
        let room = MediaRoom::new(store(), Arc::clone(&media.objects), media.most_per_user);
        let fetcher = MediaFetcher::new(store(), &media, spool.clone(), room.clone());
        let deliveries = Dispatcher::new(store(), webhooks)?;
        let bell = Bell::default();
        let alarm = Alarm::default();
        let feed = Feed::new(deliveries.clone());
        let journal = Journal::new(store(), listeners(&deliveries, &bell, &feed, &fetcher, &quotas, &alarm));
        quotas.accompany(journal.clone());
        deliveries.announce_through(journal.clone());
        let node = Node::new(node, store());
        let supervisor =
            Supervisor::new(companions, journal.clone(), node.clone(), deliveries.clone(), quotas.clone());
        fetcher.accompany(supervisor.clone(), journal.clone());
        let audit = AuditService::new(store());
        let webhooks = WebhookService::new(
            (journal.clone(), audit.clone()),
            supervisor.clone(),
            deliveries.clone(),
            guard.clone(),
        );
        let events =
            EventService::new(store(), supervisor.clone(), deliveries.clone(), bell.clone(), feed.clone());
        let reach = Reach::new(store(), supervisor.clone());
        let auth = AuthService::new(store(), &auth);
        let instances = InstanceService::new(instance::Parts {
            journal,
            audit: audit.clone(),
            node,
            supervisor: supervisor.clone(),
            webhooks: webhooks.clone(),
            guard,
            objects: Arc::clone(&media.objects),
            quotas: quotas.clone(),
            feed,
            versions: versions.clone(),
        });
        Ok(Self {
            users: UserService::new(store(), auth.clone(), instances.clone(), supervisor.clone()),
            keys: KeyService::new(store(), auth.clone()),
            qr_pages: QrPageService::new(store(), auth.clone(), instances.clone(), audit.clone()),
            dialects: DialectService::new(store(), audit),
            auth,
            instances,
            webhooks,
            messages: MessagingService::new(
                store(),
                supervisor.clone(),
                (Arc::clone(&media.objects), spool.clone(), media.programs.clone(), room),
                fetch,
                quotas.clone(),
                (bell.clone(), alarm.clone()),
            ),
            media: MediaService::new(store(), fetcher.clone(), &media),
            contacts: ContactService::new(store(), supervisor.clone()),
            consumers: ConsumerService::new(store(), events.clone()),
            events,
            groups: GroupService::new(reach.clone()),
            communities: CommunityService::new(reach.clone()),
            channels: ChannelService::new(reach.clone()),
            people: PeopleService::new(reach),
            usage: UsageService::new(store(), meter.clone()),
            meter,
            quotas,
            supervisor,
            deliveries,
            versions,
            storage,
            keep_for,
            fetcher,
            alarm,
            objects: media.objects,
            spool,
        })
    }

    /// Takes up deliveries and instances where the last process left them; instances start staggered, in the
    /// background. What another process on the same database carries stays with it, which is said in the log.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell what there is to do.
    pub async fn resume(&self) -> Result<(), StorageError> {
        self.supervisor.accompany(housekeeping::keep(
            Arc::clone(&self.storage),
            self.keep_for,
            Clock::system(),
        ));
        self.supervisor.accompany(housekeeping::keep_searchable(Arc::clone(&self.storage)));
        self.supervisor.accompany(self.fetcher.clone().keep());
        let objects = Arc::clone(&self.objects);
        self.supervisor.accompany(async move { objects.keep().await });
        self.supervisor.accompany(self.meter.clone().keep(Arc::clone(&self.storage)));
        let scheduler = Scheduler::new(
            Arc::clone(&self.storage),
            self.supervisor.clone(),
            self.messages.clone(),
            self.alarm.clone(),
            Clock::system(),
        );
        self.supervisor.accompany(scheduler.keep());
        self.supervisor.accompany(media::keep_clean(
            Arc::clone(&self.storage),
            Arc::clone(&self.objects),
            self.spool.clone(),
        ));
        self.versions.load().await?;
        self.supervisor.accompany(self.versions.clone().keep());
        let (supervisor, versions) = (self.supervisor.clone(), self.versions.watch());
        self.supervisor.accompany(async move { supervisor.revive_outdated(versions).await });
        self.supervisor.resume().await
    }

    /// Stops: first the instances, so that what they tell last is recorded; then the deliveries; then others may have
    /// the instances. For at most `grace`, half of it for the instances; returns whether that was enough. The store may be
    /// closed afterwards.
    pub async fn stop(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let instances = self.supervisor.stop(grace / 2).await;
        let deliveries = self.deliveries.stop(deadline.saturating_duration_since(Instant::now())).await;
        let left = deadline.saturating_duration_since(Instant::now());
        if timeout(left, self.meter.flush(&*self.storage)).await.is_err() {
            tracing::warn!("the last counts of calls could not be stored in time");
        }
        self.supervisor.release().await;
        instances && deliveries
    }
}

/// Whoever hears of what is recorded.
fn listeners(
    deliveries: &Dispatcher,
    bell: &Bell,
    feed: &Feed,
    fetcher: &MediaFetcher,
    quotas: &Quotas,
    alarm: &Alarm,
) -> [Arc<dyn Listener>; 6] {
    [
        Arc::new(deliveries.clone()),
        Arc::new(bell.clone()),
        Arc::new(feed.clone()),
        Arc::new(fetcher.clone()),
        Arc::new(quotas.clone()),
        Arc::new(alarm.clone()),
    ]
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies").field("node", &self.node).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("supervisor", &self.supervisor)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}
