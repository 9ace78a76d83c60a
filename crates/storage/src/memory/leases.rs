use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::messages::size;
use super::{InstanceTables, MemoryStorage, Tables};
use crate::{InstanceId, LeaseStore, Leased, MAX_LEASE, NodeId, StorageError, Timestamp, Write};

#[async_trait]
impl LeaseStore for MemoryStorage {
    fn acquire(&self, node: NodeId, anew: bool, limit: u64, lease: Duration) -> Write<Vec<Leased>> {
        let now = self.clock.now();
        self.write(|tables| {
            if anew {
                tables.let_go(node, None);
                tables.forget_losses(node);
            }
            tables.prolong(node, now, lease);
            let Tables { instances, nodes, .. } = tables;
            let mut free: Vec<_> =
                instances.values_mut().filter(|tables| tables.is_free(node, nodes, now)).collect();
            free.sort_by_key(|tables| tables.age());
            Ok(free.into_iter().take(size(limit)).map(|tables| tables.take(node)).collect())
        })
    }

    fn renew(&self, node: NodeId, lease: Duration) -> Write<Vec<InstanceId>> {
        let now = self.clock.now();
        self.write(|tables| {
            tables.prolong(node, now, lease);
            Ok(tables.forget_losses(node))
        })
    }

    fn release(&self, node: NodeId, instance: Option<InstanceId>) -> Write<()> {
        self.write(|tables| {
            tables.let_go(node, instance);
            Ok(())
        })
    }

    async fn held_by_others(&self, node: NodeId) -> Result<(u64, Option<Timestamp>), StorageError> {
        let (tables, now) = (self.lock(), self.clock.now());
        let others =
            tables.instances.values().filter_map(|tables| tables.node).filter(|other| *other != node);
        let ends = others.filter_map(|other| tables.nodes.get(&other)).filter(|end| **end > now);
        Ok((ends.clone().count() as u64, ends.max().copied()))
    }
}

impl Tables {
    /// Prolongs the lease of a node, and cuts those of others that are too long to be true.
    fn prolong(&mut self, node: NodeId, now: Timestamp, lease: Duration) {
        let (until, latest) = (now.after(lease), now.after(MAX_LEASE));
        self.nodes.values_mut().filter(|end| **end > latest).for_each(|end| *end = until);
        self.nodes.insert(node, until);
    }

    fn let_go(&mut self, node: NodeId, instance: Option<InstanceId>) {
        let named =
            self.instances.values_mut().filter(|tables| instance.is_none_or(|id| id == tables.instance.id));
        for tables in named.filter(|tables| tables.node == Some(node)) {
            tables.node = None;
            tables.epoch = tables.epoch.next();
        }
    }

    /// The instances that the node has lost without knowing; from now on it knows.
    fn forget_losses(&mut self, node: NodeId) -> Vec<InstanceId> {
        let lost = self.instances.values_mut().filter(|tables| tables.lost_by == Some(node));
        let told = lost.map(|tables| {
            tables.lost_by = None;
            tables.instance.id
        });
        told.collect()
    }
}

impl InstanceTables {
    fn is_free(&self, to: NodeId, nodes: &HashMap<NodeId, Timestamp>, now: Timestamp) -> bool {
        let has_ended = |holder| nodes.get(&holder).is_none_or(|end| *end <= now);
        self.node.is_none_or(|holder| holder != to && has_ended(holder))
    }

    fn take(&mut self, node: NodeId) -> Leased {
        self.lost_by = self.node.replace(node).or(self.lost_by).filter(|loser| *loser != node);
        self.epoch = self.epoch.next();
        Leased { instance: self.view(), epoch: self.epoch, buried_at: self.buried_at }
    }
}
