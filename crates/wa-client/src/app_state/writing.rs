//! Changes that embedders make: what waits goes out together, on top of what others have written meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use wa_appstate::{BuildError, Built, Collection, Draft};

use super::flow::{Flow, News, Ring};
use super::step::Held;
use crate::command::Reply;
use crate::iq;
use crate::look_up::AppStateOutcome;
use crate::request::RequestError;

/// How often a patch is written anew when others were faster.
const TRIES: u32 = 12;
/// The second try follows at once. Before each later one there is a pause of a random length, so that two who write at the
/// same pace don't meet again: at most this at first, then twice as much each time; all of them together take 7 s at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Code of the error for whoever was too late.
const CONFLICT: u32 = 409;

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) drafts: Vec<Draft>,
    pub(super) reply: Reply<()>,
}

type Outcome = Result<(), RequestError>;

impl Flow {
    /// Fetches what is new, then writes what waits.
    pub(super) async fn run(mut self, news: News, wanted: Vec<Wanted>) -> AppStateOutcome {
        if !news.is_empty()
            && let Err(error) = self.update(news).await
        {
            self.outcome.failure = Some(error);
        }
        let (changes, replies): (Vec<_>, Vec<_>) =
            wanted.into_iter().map(|wanted| (wanted.drafts, wanted.reply)).unzip();
        if !changes.is_empty() {
            let outcomes = self.write(&changes).await;
            self.outcome.written = replies.into_iter().zip(outcomes).collect();
        }
        self.outcome
    }

    /// What becomes of each of these changes.
    async fn write(&mut self, changes: &[Vec<Draft>]) -> Vec<Outcome> {
        let ring = match self.ring().await {
            Ok(Some(ring)) => ring,
            Ok(None) => {
                let error = RequestError::Invalid("the phone has not shared its keys yet".into());
                return vec![Err(error); changes.len()];
            }
            Err(error) => return vec![Err(error); changes.len()],
        };
        let mut outcomes = vec![Ok(()); changes.len()];
        for collection in Collection::ALL {
            let of_it = |(change, outcome): (&Vec<Draft>, &Outcome)| -> Vec<Draft> {
                let drafts = change.iter().filter(|draft| draft.collection() == collection);
                if outcome.is_ok() { drafts.cloned().collect() } else { Vec::new() }
            };
            let shares: Vec<Vec<Draft>> = changes.iter().zip(&outcomes).map(of_it).collect();
            self.write_shares(collection, &shares, &mut outcomes, &ring).await;
        }
        outcomes
    }

    /// Writes what each change has to do with a collection: in one patch, or one after another if something is wrong with
    /// one of them.
    async fn write_shares(
        &mut self,
        collection: Collection,
        shares: &[Vec<Draft>],
        outcomes: &mut [Outcome],
        ring: &Ring,
    ) {
        let together = latest(shares.iter().flatten());
        if together.is_empty() {
            return;
        }
        let outcome = self.write_patch(collection, &together, ring).await;
        let is_one_at_fault = match &outcome {
            Err(RequestError::Refused { code, .. }) => *code != CONFLICT,
            Err(error) => matches!(error, RequestError::Invalid(_)),
            Ok(()) => false,
        };
        let is_shared = shares.iter().filter(|drafts| !drafts.is_empty()).count() > 1;
        for (drafts, place) in shares.iter().zip(outcomes) {
            if drafts.is_empty() {
                continue;
            }
            *place = match is_one_at_fault && is_shared {
                true => self.write_patch(collection, &latest(drafts.iter()), ring).await,
                false => outcome.clone(),
            };
        }
    }

    /// Writes a patch, after what others wrote meanwhile.
    async fn write_patch(&mut self, collection: Collection, drafts: &[Draft], ring: &Ring) -> Outcome {
        for tries in 0..TRIES {
            self.pause_after(tries).await;
            let mut held = self.held(collection).await?;
            if held.state.version == 0 {
                self.fetch(BTreeSet::from([collection]), ring).await?;
                held = self.held(collection).await?;
            }
            let Some(built) = self.build(&mut held, drafts.to_vec(), ring).await? else { return Ok(()) };
            let version = held.state.version;
            let request = iq::app_state::push(collection, version, built.patch);
            let answers = iq::app_state::parse(&self.asker.ask(request).await?)?;
            let answer = answers.into_iter().find(|answer| answer.collection == collection);
            let answer = answer.ok_or_else(|| RequestError::Malformed("no word of the collection".into()))?;
            match answer.error {
                None => {
                    held.take(built.change);
                    return self.keep(held).await;
                }
                Some((CONFLICT, _)) => self.catch_up(answer, ring).await?,
                Some((code, text)) => return Err(RequestError::Refused { code, text }),
            }
            if self.held(collection).await?.state.version == version {
                return Err(too_late("what others wrote can't be read yet"));
            }
        }
        Err(too_late("others were faster each time"))
    }

    /// A patch of what there is to do; `None` if there is nothing.
    async fn build(
        &mut self,
        held: &mut Held,
        mut drafts: Vec<Draft>,
        ring: &Ring,
    ) -> Result<Option<Built>, RequestError> {
        held.load(&self.store, drafts.iter().flat_map(|draft| draft.indexes(&ring.keys))).await?;
        while !drafts.is_empty() {
            match held.state.build(&drafts, &ring.newest, &ring.keys, &mut self.random) {
                Ok(built) => return Ok(Some(built)),
                // It is gone already.
                Err(BuildError::NothingToRemove(number)) => drop(drafts.remove(number)),
                Err(error) => return Err(RequestError::Invalid(error.to_string())),
            }
        }
        Ok(None)
    }

    async fn pause_after(&mut self, tries: u32) {
        if let Some(doublings) = tries.checked_sub(2) {
            let longest = FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE);
            tokio::time::sleep(longest.mul_f64(self.random.random())).await;
        }
    }
}

fn too_late(text: &str) -> RequestError {
    RequestError::Refused { code: CONFLICT, text: text.to_owned() }
}

/// Of drafts about the same, the last: a patch must not change one index twice (PROTOCOL.md 18.3).
fn latest<'a>(drafts: impl DoubleEndedIterator<Item = &'a Draft>) -> Vec<Draft> {
    let mut known: BTreeSet<&'a Bytes> = BTreeSet::new();
    let is_last = |draft: &&'a Draft| known.insert(draft.mutation().index());
    let mut kept: Vec<Draft> = drafts.rev().filter(is_last).cloned().collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use wa_appstate::Action;

    use super::*;

    #[test]
    fn of_what_is_about_the_same_the_last_is_written() {
        let pin = |chat: &str, pinned| Draft::set(&Action::Pin { chat: chat.to_owned(), pinned }, 1);
        let drafts = [pin("1@lid", true), pin("2@lid", true), pin("1@lid", false)];
        let kept = latest(drafts.iter());
        let said: Vec<_> = kept.iter().map(|draft| draft.mutation().raw().clone()).collect();
        let wanted = [pin("2@lid", true), pin("1@lid", false)];
        assert_eq!(said, wanted.map(|draft| draft.mutation().raw().clone()));
    }
}
