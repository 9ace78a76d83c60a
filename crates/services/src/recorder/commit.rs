//! One record at a time: all that gathers while one is being committed shares the next.

use crate::companion::NotRecorded;
use crate::pending::{Answer, Condition, Settled};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::{
    Entry, Message, NewMessage, Outcome, Record, Recorded, StateChange, StorageError, Urgency, Write,
};
use tokio::time::Instant;

use super::InstanceRecorder;

/// What a batch adds to a record.
#[derive(Default)]
pub(super) struct Addition {
    pub(super) state: Option<StateChange>,
    pub(super) entries: Vec<Entry>,
}

impl Addition {
    /// Whether nobody waits for it: only for the words of others about what was sent.
    fn is_patient(&self) -> bool {
        self.state.is_none() && self.entries.iter().all(|entry| matches!(entry, Entry::Status(_)))
    }
}

impl InstanceRecorder {
    /// Records what is submitted and settled, now. Must not be dropped halfway.
    pub(crate) async fn flush(&self) {
        // In a box, so that the task of an idle instance holds no room for it.
        if let Err(error) = Box::pin(self.commit(Addition::default())).await {
            tracing::warn!(instance = %self.instance, %error, "what became of messages could not be stored");
        }
    }

    /// Makes one record of what is submitted, what is settled, and what a batch adds; answers the outcomes of the
    /// latter. Runs in the instance's own task only, which outlives it.
    pub(super) async fn commit(&self, batch: Addition) -> Result<Vec<Outcome>, NotRecorded> {
        let patient = batch.is_patient();
        if !patient {
            self.hurry();
        }
        let _turn = self.turn.lock().await;
        let waiting = self.pending.lock().take_unrecorded();
        let urgency = if patient && !waiting.is_awaited() { Urgency::Soon } else { Urgency::Now };
        self.is_patient.store(urgency == Urgency::Soon, Ordering::Release);
        let (conditional, plain): (Vec<_>, Vec<_>) =
            waiting.submitted.into_iter().partition(|(_, condition)| condition.is_some());

        let mut record =
            Record { state: batch.state, ..Record::new(self.instance, self.epoch).urgency(urgency) };
        record.entries.extend(waiting.settled.iter().flat_map(entries));
        record.entries.extend(plain.iter().map(|(message, _)| stored(message)));
        let before = record.entries.len();
        record.entries.extend(batch.entries);

        // All are queued before the first is waited for, so that they share a commit.
        let record =
            (record.state.is_some() || !record.entries.is_empty()).then(|| self.journal.record(record));
        let conditional: Vec<_> =
            conditional.into_iter().map(|(message, on)| (self.record_on(&message, on), message)).collect();

        let recorded = match record {
            Some(record) => record.await,
            None => Ok(Recorded::default()),
        };
        let outcomes = self.apply(recorded, waiting.settled, &plain, before);
        for (write, message) in conditional {
            self.apply_conditional(&message, write.await);
        }
        drop(waiting.readers);
        outcomes
    }

    /// Lets a record that waits for others to share its commit wait no longer.
    pub(super) fn hurry(&self) {
        if self.is_patient.swap(false, Ordering::AcqRel) {
            self.journal.storage().hurry();
        }
    }

    /// A message on a condition is a record of its own: it is stored only if that holds.
    fn record_on(&self, message: &Arc<Message>, condition: Option<Condition>) -> Write<Recorded> {
        let record = Record::new(self.instance, self.epoch);
        let mut record = match condition {
            Some(Condition::Claim(claim)) => record.claim(Some(claim)),
            Some(Condition::Due(due)) => record.due(Some(due)),
            None => record,
        };
        record.entries.push(stored(message));
        self.journal.record(record)
    }

    /// Takes note of what became of a record.
    fn apply(
        &self,
        recorded: Result<Recorded, StorageError>,
        settled: Vec<Settled>,
        submitted: &[(Arc<Message>, Option<Condition>)],
        before: usize,
    ) -> Result<Vec<Outcome>, NotRecorded> {
        let mut pending = self.pending.lock();
        match recorded {
            Ok(recorded) => {
                pending.recorded(&settled);
                for (message, _) in submitted {
                    pending.stored(&message.message_id);
                }
                self.ready.notify_one();
                Ok(recorded.outcomes.into_iter().skip(before).collect())
            }
            Err(error) => {
                self.note(&error);
                pending.put_back(settled, Instant::now());
                self.unrecorded.notify_one();
                let error = Arc::new(error);
                for (message, _) in submitted {
                    pending.refused(&message.message_id, Answer::NotStored(Arc::clone(&error)));
                }
                Err(NotRecorded(error))
            }
        }
    }

    fn apply_conditional(&self, message: &Message, recorded: Result<Recorded, StorageError>) {
        let mut pending = self.pending.lock();
        match recorded {
            Ok(Recorded { taken: Some(earlier), .. }) => {
                pending.refused(&message.message_id, Answer::Taken(earlier));
            }
            Ok(_) => {
                pending.stored(&message.message_id);
                self.ready.notify_one();
            }
            Err(error) => {
                self.note(&error);
                pending.refused(&message.message_id, Answer::NotStored(Arc::new(error)));
            }
        }
    }

    pub(super) fn note(&self, error: &StorageError) {
        if matches!(error, StorageError::Fenced) {
            self.fence();
        }
    }
}

/// What is recorded of a message that has come to its end.
fn entries(settled: &Settled) -> impl Iterator<Item = Entry> + use<> {
    let Settled { moves, update, amends } = settled.clone();
    let moves = moves.map(|(from, into)| Entry::MergeChats { from, into });
    let amends = amends.map(|amends| Entry::Amend(Box::new(amends)));
    [moves, Some(Entry::Status(update)), amends].into_iter().flatten()
}

fn stored(message: &Arc<Message>) -> Entry {
    Entry::Message(Box::new(NewMessage { message: Message::clone(message), event: None }))
}
