//! Keeping the server supplied with keys (PROTOCOL.md 9).

mod flow;

use wa_binary::Node;
use wa_crypto::{KeyPair, PrivateKey, PublicKey};
use wa_signal::PreKey;

use crate::cause::Cause;
use crate::context::Context;
use crate::end::End;
use crate::iq::encrypt::parse_count;
use crate::look_up::{Answered, Supply};
use crate::request::RequestError;
pub(crate) use flow::{Flow, make_first_prekeys};

/// Fewer than this many left on the server call for a refill.
const FEW: u32 = 5;
/// Prekey ids have 24 bits and 0 means none.
const MAX_ID: u32 = 0x00ff_ffff;

/// Looks after what the server holds of our keys: one task at a time, beside everything else.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    is_busy: bool,
    /// What comes next; each at most once.
    tasks: Vec<Task>,
}

/// Something to do with the server that can wait for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    /// Few one-time prekeys are left on the server.
    Supply,
    /// The server's copy of our keys is to be compared. These public keys are at hand.
    Compare(Vec<(u32, PublicKey)>),
    /// The signed prekey is old.
    Rotate,
}

impl Keeper {
    /// A flow with the keys as they are. Until [`Self::done`], no other is begun.
    pub(crate) fn begin(&mut self, context: &mut Context<'_>) -> Flow {
        self.is_busy = true;
        Flow::new(context)
    }

    /// The look after the keys at the login has ended. What was left unanswered is asked once more, beside everything else.
    pub(crate) fn supplied(
        &mut self,
        context: &mut Context<'_>,
        outcome: Result<Supply, RequestError>,
    ) -> Result<(), End> {
        if outcome == Err(RequestError::TimedOut) {
            self.tasks.push(Task::Supply);
        }
        self.done(context, outcome)
    }

    /// The flow has ended. Silence ends nothing: pings find out whether the connection is dead.
    pub(crate) fn done(
        &mut self,
        context: &mut Context<'_>,
        outcome: Result<Supply, RequestError>,
    ) -> Result<(), End> {
        self.is_busy = false;
        match outcome {
            Err(RequestError::Store(_)) => return Err(End::of(Cause::StoreFailed)),
            Err(error) => tracing::warn!(%error, "the keys on the server could not be looked after"),
            Ok(Supply::ToCompare(known)) => self.tasks.push(Task::Compare(known)),
            Ok(Supply::Enough) => {}
        }
        self.start_next(context);
        Ok(())
    }

    /// The server runs out of our one-time keys, or asks us to compare what it holds.
    pub(crate) fn on_notification(&mut self, context: &mut Context<'_>, node: &Node<'_>) {
        if node.get_child("digest").is_some() {
            self.add(context, Task::Compare(Vec::new()));
        }
        if parse_count(node).is_ok_and(|count| count < FEW) {
            self.add(context, Task::Supply);
        }
    }

    /// After the login: sees to it that an old signed prekey is replaced.
    pub(crate) fn plan_rotation(&mut self, context: &mut Context<'_>) {
        let age = context.shared.clock.unix_millis() / 1000 - context.mirror.device.signed_prekey_rotated_at;
        let lifetime = context.shared.config.signed_prekey_lifetime.as_secs();
        if age >= i64::try_from(lifetime).unwrap_or(i64::MAX) {
            self.add(context, Task::Rotate);
        }
    }

    /// One key for a retry receipt, which the server never hears of. It is stored with the next commit, which must
    /// come before the receipt leaves. `None` while an upload may be under way: which keys it takes is settled.
    pub(crate) async fn spare_prekey(&self, context: &mut Context<'_>) -> Result<Option<PreKey>, End> {
        if self.is_busy {
            return Ok(None);
        }
        let mirror = &mut *context.mirror;
        let device = &mut mirror.device;
        let id = device.first_unuploaded_prekey_id;
        if id > MAX_ID {
            return Ok(None);
        }
        device.first_unuploaded_prekey_id = id + 1;
        let key = if id < device.next_prekey_id {
            // Keys of an interrupted upload must stay those above the mark, so the lowest of them is taken.
            let Some(key) = context.shared.store.prekey(id).await? else { return Ok(None) };
            KeyPair::from_private(PrivateKey::from_bytes(key))
        } else {
            device.next_prekey_id = id + 1;
            let key = KeyPair::generate(context.random);
            mirror.changes.prekeys_added.push((id, *key.private().as_bytes()));
            key
        };
        mirror.device_changed();
        mirror.must_commit();
        Ok(Some(PreKey { id, key }))
    }

    fn add(&mut self, context: &mut Context<'_>, task: Task) {
        if !self.tasks.contains(&task) {
            self.tasks.push(task);
        }
        self.start_next(context);
    }

    fn start_next(&mut self, context: &mut Context<'_>) {
        if self.is_busy || self.tasks.is_empty() {
            return;
        }
        let task = self.tasks.remove(0);
        let mut flow = self.begin(context);
        context.look_ups.start(async move {
            Answered::Keys(match task {
                Task::Supply => flow.supply().await,
                Task::Compare(known) => flow.compare(&known).await,
                Task::Rotate => flow.rotate().await.map(|()| Supply::Enough),
            })
        });
    }
}
