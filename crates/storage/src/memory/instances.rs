use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::messages::size;
use super::{InstanceTables, MemoryStorage, Tables};
use crate::{
    Budget, Edit, Edited, Epoch, Instance, InstanceId, InstancePatch, InstanceStore, Missing, NodeId, Page,
    StorageError, Timestamp, UserId, Webhook, Write,
};

#[async_trait]
impl InstanceStore for MemoryStorage {
    fn create_instance(
        &self,
        instance: Instance,
        webhooks: Vec<Webhook>,
        node: NodeId,
        limit: u64,
    ) -> Write<Epoch> {
        self.write(|tables| {
            if !tables.users.contains_key(&instance.owner) {
                return Err(StorageError::NotFound { what: Missing::User });
            }
            if tables.instances.contains_key(&instance.id) {
                return Err(StorageError::Conflict { what: "id" });
            }
            if tables.of_owner(instance.owner).count() as u64 >= limit {
                return Err(StorageError::LimitReached { what: "instances" });
            }
            let created = InstanceTables::new(instance, webhooks, node)?;
            let epoch = created.epoch;
            tables.instances.insert(created.instance.id, created);
            Ok(epoch)
        })
    }

    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        Ok(self.lock().owned(owner, id).ok().map(InstanceTables::view))
    }

    async fn instances(
        &self,
        owner: UserId,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError> {
        Ok(self.lock().page_of(owner, |_| true, limit, skip))
    }

    async fn instances_tagged(
        &self,
        owner: UserId,
        tag: &str,
        limit: u64,
        skip: u64,
    ) -> Result<Page<(Instance, Webhook)>, StorageError> {
        let has_tag = |instance: &Instance| instance.tags.iter().any(|other| other == tag);
        Ok(self.lock().page_of(owner, has_tag, limit, skip))
    }

    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        edit: Edit,
    ) -> Write<Edited<(Instance, Webhook)>> {
        let now = self.clock.now();
        self.write(|tables| {
            let tables = tables.owned_mut(owner, id)?;
            let before = (tables.view(), tables.default_webhook());
            edit.check(&before.0.version(&before.1))?;
            let (mut instance, mut webhook) = before.clone();
            patch.apply(&mut instance, &mut webhook, edit.now)?;
            if instance.is_for_the_holder(&before.0) {
                tables.check_terms(&edit)?;
            }
            let mut recorded = tables.replace_webhook(&before.1, &webhook, &edit, now)?;
            if let Some(told) = instance.told(&before.0)
                && edit.epoch == Some(tables.epoch)
            {
                recorded = recorded.followed_by(tables.tell(told, &edit, now));
            }
            tables.instance = instance;
            Ok(Edited { before, now: (tables.view(), webhook), recorded })
        })
    }

    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()> {
        self.write(|tables| {
            tables.owned(owner, id)?;
            tables.instances.remove(&id);
            tables.claims.retain(|_, (instance, _)| *instance != id);
            Ok(())
        })
    }

    fn bury_instance(&self, owner: UserId, id: InstanceId, now: Timestamp) -> Write<Epoch> {
        self.write(|tables| {
            let living = tables.owned(owner, id)?;
            let (epoch, node) = (living.epoch.next(), living.node);
            let buried = InstanceTables {
                buried_at: Some(now),
                ..InstanceTables::empty(living.instance.clone().buried(), epoch, node)
            };
            tables.instances.insert(id, buried);
            tables.claims.retain(|_, (instance, _)| *instance != id);
            Ok(epoch)
        })
    }
}

impl Tables {
    /// A page of those of a user's instances that are wanted, oldest first.
    fn page_of(
        &self,
        owner: UserId,
        is_wanted: impl Fn(&Instance) -> bool,
        limit: u64,
        skip: u64,
    ) -> Page<(Instance, Webhook)> {
        let mut all: Vec<_> = self.of_owner(owner).filter(|tables| is_wanted(&tables.instance)).collect();
        all.sort_by_key(|tables| tables.age());
        let total = all.len() as u64;
        let (mut items, mut budget) = (Vec::new(), Budget::default());
        for tables in all.into_iter().skip(size(skip)).take(size(limit)) {
            if !budget.has_room() {
                break;
            }
            let (instance, webhook) = (tables.view(), tables.default_webhook());
            budget.take(instance.size() + webhook.size());
            items.push((instance, webhook));
        }
        let has_more = skip.saturating_add(items.len() as u64) < total;
        Page { items, total, has_more, next: None }
    }

    pub(super) fn of_owner(&self, owner: UserId) -> impl Iterator<Item = &InstanceTables> {
        self.instances.values().filter(move |tables| tables.instance.owner == owner)
    }
}

impl InstanceTables {
    fn new(instance: Instance, webhooks: Vec<Webhook>, node: NodeId) -> Result<Self, StorageError> {
        let (id, created_at) = (instance.id, instance.created_at);
        let mut by_name = BTreeMap::new();
        for webhook in webhooks {
            let webhook = Webhook { instance: id, ..webhook };
            if by_name.insert(webhook.name.clone(), webhook).is_some() {
                return Err(StorageError::Conflict { what: "name" });
            }
        }
        by_name
            .entry(Webhook::DEFAULT.to_owned())
            .or_insert_with(|| Webhook::new(id, Webhook::DEFAULT, created_at));
        let epoch = Epoch::default().next();
        Ok(Self { webhooks: by_name, ..Self::empty(instance, epoch, Some(node)) })
    }

    /// An instance to which nothing belongs.
    fn empty(instance: Instance, epoch: Epoch, node: Option<NodeId>) -> Self {
        Self {
            instance,
            epoch,
            node,
            lost_by: None,
            buried_at: None,
            webhooks: BTreeMap::new(),
            consumers: BTreeMap::new(),
            messages: BTreeMap::new(),
            by_message_id: HashMap::new(),
            receipts: HashMap::new(),
            scheduled: BTreeMap::new(),
            early: Vec::new(),
            contacts: BTreeMap::new(),
            dialects: BTreeMap::new(),
            events: Vec::new(),
            usage: BTreeMap::new(),
            cursors: HashMap::new(),
            deliveries: BTreeMap::new(),
            attempts: HashMap::new(),
        }
    }

    /// What "oldest first" sorts by.
    pub(super) fn age(&self) -> (Timestamp, InstanceId) {
        (self.instance.created_at, self.instance.id)
    }

    fn default_webhook(&self) -> Webhook {
        let kept = self.webhooks.get(Webhook::DEFAULT).cloned();
        kept.unwrap_or_else(|| Webhook::new(self.instance.id, Webhook::DEFAULT, self.instance.created_at))
    }
}
