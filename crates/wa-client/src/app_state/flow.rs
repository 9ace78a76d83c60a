use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use wa_appstate::{Collection, KeyId, Keyring, Keys, Received, Recovery, Snapshot, State};
use wa_media::MediaKind;
use wa_protobuf::appstate::ExternalBlobReference;
use wa_store::{AppStateKey, Store};

use super::step::{Held, Trouble, whole};
use crate::computing::Turns;
use crate::iq;
use crate::look_up::AppStateOutcome;
use crate::media::{DownloadError, RemoteFile, Transfers};
use crate::request::RequestError;
use crate::requests::Asker;
use crate::shared::Random;

/// Answers that one update takes at most; what is left then comes with the next.
const MAX_ROUNDS: usize = 200;
/// Bytes of the largest blob that is fetched: hundreds of thousands of records.
const MAX_BLOB: usize = 64 << 20;

/// One piece of work on the app state.
pub(super) struct Flow {
    pub(super) asker: Asker,
    pub(super) store: Store,
    transfers: Arc<Transfers>,
    computing: Turns,
    pub(super) random: Random,
    pub(super) outcome: AppStateOutcome,
}

/// What there is to fetch.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Collections in which there is something new.
    pub(super) stale: BTreeSet<Collection>,
    /// What the phone has sent of some in the clear.
    pub(super) recoveries: Vec<Bytes>,
}

impl News {
    pub(super) fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.recoveries.is_empty()
    }
}

/// The keys that there are.
pub(super) struct Ring {
    pub(super) keys: Keyring,
    /// What is written with.
    pub(super) newest: KeyId,
}

impl Flow {
    pub(super) fn new(
        asker: Asker,
        store: Store,
        transfers: Arc<Transfers>,
        computing: Turns,
        random: Random,
    ) -> Self {
        Self { asker, store, transfers, computing, random, outcome: AppStateOutcome::default() }
    }

    /// Brings collections up to date, beginning with what the phone has sent of some in the clear.
    pub(super) async fn update(&mut self, news: News) -> Result<(), RequestError> {
        // Without any key the phone hasn't shared them yet; it does so by itself.
        let Some(ring) = self.ring().await? else { return Ok(()) };
        for recovery in news.recoveries {
            self.recover(recovery, &ring).await?;
        }
        self.fetch(news.stale, &ring).await
    }

    /// Takes in what the server says to a patch that came too late, which holds what others wrote; fetches it where it doesn't.
    pub(super) async fn catch_up(
        &mut self,
        missed: iq::app_state::Answer,
        ring: &Ring,
    ) -> Result<(), RequestError> {
        let collection = missed.collection;
        let held = self.held(collection).await?;
        let before = held.state.version;
        match self.advance(held, iq::app_state::Answer { error: None, ..missed }, ring).await {
            Ok(held) if held.state.version > before => self.keep(held).await,
            // Whoever fetches finds out what is wrong with it.
            _ => self.fetch(BTreeSet::from([collection]), ring).await,
        }
    }

    /// Fetches what is new in these collections.
    pub(super) async fn fetch(
        &mut self,
        wanted: BTreeSet<Collection>,
        ring: &Ring,
    ) -> Result<(), RequestError> {
        let mut open: BTreeMap<Collection, Held> = BTreeMap::new();
        for collection in wanted {
            open.insert(collection, self.held(collection).await?);
        }
        // Collections that didn't verify, and are had as a whole, once.
        let mut anew = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            if open.is_empty() {
                return Ok(());
            }
            let question: Vec<_> =
                open.iter().map(|(collection, held)| (*collection, held.asks_from())).collect();
            let answer = self.asker.ask(iq::app_state::fetch(&question)).await?;
            let mut answered = BTreeMap::new();
            for answer in iq::app_state::parse(&answer)? {
                answered.insert(answer.collection, answer);
            }
            for (collection, _) in question {
                let Some(held) = open.remove(&collection) else { continue };
                // What the server passes over is not asked for again.
                let Some(answer) = answered.remove(&collection) else { continue };
                if let Some(held) = self.take(held, answer, &mut anew, ring).await? {
                    open.insert(collection, held);
                }
            }
        }
        Ok(())
    }

    /// Takes in an answer; what is returned is to be asked for again.
    async fn take(
        &mut self,
        held: Held,
        answer: iq::app_state::Answer,
        anew: &mut BTreeSet<Collection>,
        ring: &Ring,
    ) -> Result<Option<Held>, RequestError> {
        let (collection, has_more) = (answer.collection, answer.has_more);
        if let Some((code, text)) = answer.error {
            tracing::warn!(%collection, code, text, "the server does not give out a collection");
            return Ok(None);
        }
        let (before, newest) = (held.state.version, held.newest_known());
        match self.advance(held, answer, ring).await {
            Ok(held) => {
                let goes_on = has_more && held.state.version > before;
                self.keep(held).await?;
                Ok(if goes_on { Some(self.held(collection).await?) } else { None })
            }
            Err(Trouble::Missing(keys)) => {
                self.outcome.missing.extend(keys.into_iter().map(|key| key.bytes().clone()));
                Ok(None)
            }
            Err(Trouble::Wrong(reason)) if anew.insert(collection) => {
                tracing::warn!(%collection, reason, "a collection does not verify and is fetched as a whole");
                Ok(Some(Held::anew(collection, newest)))
            }
            Err(Trouble::Wrong(reason)) => {
                tracing::warn!(%collection, reason, "a collection can't be verified");
                self.outcome.broken.insert(collection);
                Ok(None)
            }
            Err(Trouble::Failed(error)) => Err(error),
        }
    }

    /// Verifies what came, step by step.
    async fn advance(
        &mut self,
        mut held: Held,
        answer: iq::app_state::Answer,
        ring: &Ring,
    ) -> Result<Held, Trouble> {
        if let Some(reference) = answer.snapshot {
            let snapshot = Snapshot::decode(self.blob(&reference).await?)?;
            held = whole(&held, snapshot, &ring.keys, &self.computing).await?;
        }
        for patch in answer.patches {
            let patch = match Received::decode(patch)? {
                Received::Inline(patch) => patch,
                Received::External(patch) => {
                    let reference = patch.reference.encode_to_vec();
                    let blob = self.blob(&reference.into()).await?;
                    patch.with_blob(blob)?
                }
            };
            held.advance(patch, &ring.keys, &self.store, &self.computing).await?;
        }
        if !answer.has_more && held.state.version < held.newest_known() {
            return Err(Trouble::Wrong("the server has gone back behind what is known".into()));
        }
        Ok(held)
    }

    /// The content of a blob, by an encoded reference to it.
    async fn blob(&mut self, reference: &Bytes) -> Result<Bytes, Trouble> {
        let reference = ExternalBlobReference::decode(reference.clone())
            .map_err(|_| Trouble::Wrong("an unreadable reference to a blob".into()))?;
        let file = RemoteFile::named(
            MediaKind::AppState,
            reference.direct_path.as_deref(),
            reference.media_key.as_deref(),
            reference.file_sha256.as_deref(),
            reference.file_enc_sha256.as_deref(),
        );
        let file = file.map_err(|error| Trouble::Wrong(error.to_string()))?;
        match self.transfers.fetch(&self.asker, &file, MAX_BLOB).await {
            Ok(blob) => Ok(blob),
            Err(DownloadError::Request(error)) => Err(Trouble::Failed(error)),
            Err(error) if error.is_temporary() => {
                tracing::info!(%error, "a blob of the app state can't be had now");
                Err(Trouble::Failed(RequestError::TimedOut))
            }
            Err(error) => Err(Trouble::Wrong(error.to_string())),
        }
    }

    /// Takes a collection in the clear, as the phone has sent it.
    async fn recover(&mut self, recovery: Bytes, ring: &Ring) -> Result<(), RequestError> {
        let recovery = match Recovery::decode(recovery) {
            Ok(recovery) => recovery,
            Err(error) => {
                tracing::warn!(%error, "what the phone sent of a collection is unreadable");
                return Ok(());
            }
        };
        let collection = recovery.collection;
        match recovery.open(&State::empty(collection), &ring.keys) {
            Ok((state, mutations)) => self.keep(Held::told(state, mutations)).await,
            Err(error) => {
                tracing::warn!(%collection, %error, "what the phone sent of a collection can't be used");
                Ok(())
            }
        }
    }

    /// Stores how far a collection is, and has told what that changed.
    pub(super) async fn keep(&mut self, held: Held) -> Result<(), RequestError> {
        let mut gone = Vec::new();
        if held.is_whole() {
            gone = self.store.app_state_indexes(held.state.collection.name()).await.map_err(failed)?;
        }
        let Some(applied) = held.into_applied(gone) else { return Ok(()) };
        self.asker.change(move |mirror| mirror.apply_app_state(applied)).await
    }

    pub(super) async fn held(&self, collection: Collection) -> Result<Held, RequestError> {
        let known = self.store.app_state(collection.name()).await.map_err(failed)?;
        Ok(known.map_or_else(|| Held::empty(collection), |known| Held::known(collection, &known)))
    }

    /// The keys that the phone has shared; none if it hasn't.
    pub(super) async fn ring(&self) -> Result<Option<Ring>, RequestError> {
        let stored = self.store.all_app_state_keys().await.map_err(failed)?;
        let (mut keys, mut newest) = (Keyring::default(), None);
        for AppStateKey { id, data, timestamp, .. } in stored {
            let (Ok(id), Ok(data)) = (KeyId::new(id), <[u8; 32]>::try_from(&data[..])) else { continue };
            newest = newest.max(Some((timestamp, id.clone())));
            keys.insert(id, Keys::expand(&data));
        }
        Ok(newest.map(|(_, newest)| Ring { keys, newest }))
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
pub(super) fn failed(error: wa_store::StoreError) -> RequestError {
    RequestError::Store(error.to_string())
}
