//! What patches of the app state change (PROTOCOL.md 18).

use bytes::Bytes;
use wa_appstate::{Action, Collection, IndexMac, LtHash, Mutation, Operation, ValueMac};
use wa_store::{AppStateRecord, AppStateVersion};

use super::Mirror;
use crate::event::{AppStateChange, Event};
use crate::inbox::EventSource;

/// What was verified, of one collection.
pub(crate) struct Applied {
    pub(crate) collection: Collection,
    pub(crate) version: u64,
    pub(crate) hash: LtHash,
    /// What stands for the records that were set; `None` for those that are gone.
    pub(crate) values: Vec<(IndexMac, Option<ValueMac>)>,
    pub(crate) mutations: Vec<Mutation>,
    /// Whether it is the whole collection.
    pub(crate) is_whole: bool,
}

impl Mirror {
    /// Takes in what was verified, to be stored together with what it tells.
    pub(crate) fn apply_app_state(&mut self, applied: Applied) {
        let name = applied.collection.name();
        let state = AppStateVersion { version: applied.version, hash: applied.hash.to_bytes() };
        self.changes.app_states.push((name.into(), state));
        let records = applied.values.into_iter();
        let records = records.map(|(index, value)| AppStateRecord {
            collection: name.into(),
            index: index.0,
            value: value.map(|value| value.0),
        });
        self.changes.app_state_records.extend(records);
        let mut mutations = applied.mutations;
        if applied.is_whole {
            // A snapshot has no order of its own, and marks replace each other: who is pinned later is archived no more.
            mutations.sort_by_cached_key(written);
        }
        for mutation in mutations {
            let source = EventSource::AppState {
                collection: applied.collection,
                removed: mutation.operation() == Operation::Remove,
                initial: applied.is_whole,
                raw: mutation.raw().clone(),
            };
            let change = read(applied.collection, &mutation, applied.is_whole);
            self.heed(&change);
            self.inbox.push_once(Some(Event::AppState(Box::new(change))), source);
        }
        self.must_commit();
    }

    /// What concerns this companion itself.
    fn heed(&mut self, change: &AppStateChange) {
        match &change.action {
            Action::PushName(name) if !change.removed => self.learn_name(name),
            Action::NctSalt(_) if change.removed => self.forget_salt(),
            Action::NctSalt(salt) => self.learn_salt(salt.clone()),
            _ => {}
        }
    }
}

/// What a stored mutation tells; `None` if it is none.
pub(crate) fn told(
    collection: Collection,
    removed: bool,
    initial: bool,
    raw: &Bytes,
) -> Option<AppStateChange> {
    let operation = if removed { Operation::Remove } else { Operation::Set };
    let mutation = Mutation::from_raw(operation, raw.clone())?;
    Some(read(collection, &mutation, initial))
}

fn read(collection: Collection, mutation: &Mutation, initial: bool) -> AppStateChange {
    AppStateChange {
        collection,
        action: Action::read(collection, mutation),
        removed: mutation.operation() == Operation::Remove,
        timestamp: written(mutation),
        initial,
    }
}

/// When it was written, in Unix milliseconds; 0 where it doesn't say.
fn written(mutation: &Mutation) -> i64 {
    mutation.data().value.and_then(|value| value.timestamp).unwrap_or(0)
}
