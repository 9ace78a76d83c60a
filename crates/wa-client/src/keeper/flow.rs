use std::collections::HashMap;

use rand::SeedableRng;
use tokio::task::JoinHandle;
use wa_binary::Node;
use wa_crypto::{KeyPair, PrivateKey, PublicKey};
use wa_signal::{LocalIdentity, PreKey, SignedPreKey};
use wa_store::{SignedPreKeyRecord, Store};

use super::{FEW, MAX_ID};
use crate::computing::Turns;
use crate::context::Context;
use crate::iq::encrypt::{self, KeyDigest};
use crate::look_up::Supply;
use crate::mirror::{Mirror, signed_prekey_record};
use crate::request::RequestError;
use crate::requests::Asker;
use crate::shared::Random;

/// Keys of the first upload.
const FIRST_UPLOAD: usize = 812;
/// Keys of each later one.
const REFILL: usize = 50;
/// Rotated-out signed prekeys that peers with old bundles may still use.
const OLD_SIGNED_PREKEYS: usize = 3;

/// One look after the keys, from the first question to the last. An error is a request that was not answered, or a
/// store that failed; what the server refuses is only logged.
pub(crate) struct Flow {
    pub(crate) asker: Asker,
    store: Store,
    random: Random,
    local: LocalIdentity,
    signed: SignedPreKey,
    /// Stored prekeys with this id and higher ones are not on the server, as far as is known.
    first_unuploaded: u32,
    next_id: u32,
    fresh: Option<JoinHandle<Option<Vec<PreKey>>>>,
    turns: Turns,
    /// The time of the login by the server's clock: Unix seconds.
    now: i64,
}

impl Flow {
    pub(super) fn new(context: &mut Context<'_>) -> Self {
        let fresh = context.mirror.fresh_prekeys.take();
        let (shared, mirror) = (context.shared, &*context.mirror);
        Self {
            fresh,
            turns: shared.config.computing.prekeys.clone(),
            asker: context.requests.asker(shared.config.iq_timeout),
            store: shared.store.clone(),
            random: Random::from_rng(context.random),
            local: mirror.local.clone(),
            signed: mirror.signed_prekey(),
            first_unuploaded: mirror.device.first_unuploaded_prekey_id,
            next_id: mirror.device.next_prekey_id,
            now: shared.clock.unix_millis() / 1000,
        }
    }

    /// The same flow, which waits less for answers.
    pub(crate) fn impatient(self) -> Self {
        Self { asker: self.asker.impatient(), ..self }
    }

    /// Asks how many one-time keys are left and uploads more if they are few.
    pub(crate) async fn supply(&mut self) -> Result<Supply, RequestError> {
        let Some(answer) = tolerated(self.asker.ask(encrypt::count()).await)? else {
            return Ok(Supply::Enough);
        };
        match encrypt::parse_count(&answer) {
            // An upload whose answer never came: the digest tells whether it arrived.
            Ok(count) if count >= FEW && self.first_unuploaded < self.next_id => {
                Ok(Supply::ToCompare(Vec::new()))
            }
            Ok(count) if count >= FEW => Ok(Supply::Enough),
            Ok(count) => self.upload(count == 0).await,
            Err(error) => {
                tracing::warn!(%error, "the prekey count is malformed");
                Ok(Supply::Enough)
            }
        }
    }

    /// `is_bare`: the server has none.
    async fn upload(&mut self, is_bare: bool) -> Result<Supply, RequestError> {
        let count = if is_bare && self.next_id == 1 { FIRST_UPLOAD } else { REFILL };
        let public = self.unuploaded(count).await?;
        let identity = self.local.key.public();
        let keys = public.iter().copied();
        let upload = encrypt::upload(self.local.registration_id, identity, keys, &self.signed);
        if tolerated(self.asker.ask(upload).await)?.is_none() {
            return Ok(Supply::Enough);
        }
        if let Some((last, _)) = public.last() {
            self.note_uploaded(*last).await?;
        }
        Ok(Supply::ToCompare(public))
    }

    /// Keys that are stored but not on the server: those of an interrupted upload, else fresh ones. Only the public
    /// halves are kept.
    async fn unuploaded(&mut self, count: usize) -> Result<Vec<(u32, PublicKey)>, RequestError> {
        let mut stored = self.store.prekeys(self.first_unuploaded, count).await.map_err(store_failed)?;
        // Higher ids are of keys from before they started again: the server has those.
        stored.retain(|(id, _)| *id < self.next_id);
        if !stored.is_empty() {
            let public = |key| PrivateKey::from_bytes(key).public_key();
            return Ok(stored.into_iter().map(|(id, key)| (id, public(key))).collect());
        }
        let keys = self.generate(count).await?;
        let public = keys.iter().map(|key| (key.id, *key.key.public())).collect();
        let (first_unuploaded, next_id) = (self.first_unuploaded, self.next_id);
        let added = move |mirror: &mut Mirror| {
            let private = |key: &PreKey| (key.id, *key.key.private().as_bytes());
            mirror.changes.prekeys_added.extend(keys.iter().map(private));
            mirror.device.first_unuploaded_prekey_id = first_unuploaded;
            mirror.device.next_prekey_id = next_id;
            mirror.device_changed();
        };
        self.asker.change(added).await?;
        Ok(public)
    }

    /// Fresh keys: those that are being made already, if that many are needed.
    async fn generate(&mut self, count: usize) -> Result<Vec<PreKey>, RequestError> {
        let wanted = u32::try_from(count).unwrap_or(MAX_ID);
        if self.next_id.saturating_add(wanted) > MAX_ID {
            // Ids start again: after sixteen million keys the first ones are long gone.
            self.next_id = 1;
            self.first_unuploaded = 1;
        }
        let first = self.next_id;
        self.next_id += wanted;
        let is_first = (first, count) == (1, FIRST_UPLOAD);
        let under_way = self.fresh.take().filter(|_| is_first);
        let generating = under_way.unwrap_or_else(|| generate(first, count, &mut self.random, &self.turns));
        generating.await.ok().flatten().ok_or(RequestError::Stopped)
    }

    /// Keys up to this id are on the server, and must not be uploaded once more.
    async fn note_uploaded(&mut self, last: u32) -> Result<(), RequestError> {
        self.first_unuploaded = self.first_unuploaded.max(last + 1);
        let first = self.first_unuploaded;
        let uploaded = move |mirror: &mut Mirror| {
            mirror.device.first_unuploaded_prekey_id = first;
            mirror.device_changed();
        };
        self.asker.change(uploaded).await
    }

    /// Compares what the server holds of our keys with what we have. `known` are public halves at hand.
    pub(crate) async fn compare(&mut self, known: &[(u32, PublicKey)]) -> Result<Supply, RequestError> {
        let digest = match self.asker.ask(encrypt::digest()).await {
            // The server knows nothing of us: everything is uploaded anew.
            Err(RequestError::Refused { code: 404, .. }) if known.is_empty() => {
                return self.upload(true).await;
            }
            answer => tolerated(answer)?,
        };
        match digest.map(|answer| encrypt::parse_digest(&answer)) {
            Some(Ok(Some(digest))) => self.compare_with(&digest, known).await?,
            Some(Ok(None)) | None => {}
            Some(Err(error)) => tracing::warn!(%error, "the keys on the server could not be compared"),
        }
        Ok(Supply::Enough)
    }

    async fn compare_with(
        &mut self,
        digest: &KeyDigest,
        known: &[(u32, PublicKey)],
    ) -> Result<(), RequestError> {
        let open = self.first_unuploaded..self.next_id;
        if let Some(last) = digest.prekey_ids.iter().copied().filter(|id| open.contains(id)).max() {
            self.note_uploaded(last).await?;
        }
        let at_hand: HashMap<_, _> = known.iter().copied().collect();
        let mut keys = Vec::with_capacity(digest.prekey_ids.len());
        for id in &digest.prekey_ids {
            let key = match at_hand.get(id) {
                Some(key) => Some(*key),
                None => self.store.prekey(*id).await.map_err(store_failed)?.map(public_key),
            };
            keys.extend(key);
        }
        let hash = encrypt::key_hash(self.local.key.public(), &self.signed, &keys);
        let is_same = digest.registration_id == self.local.registration_id
            && keys.len() == digest.prekey_ids.len()
            && hash == digest.hash;
        if !is_same {
            tracing::error!(
                "the server holds other keys than this companion; new sessions with it will fail"
            );
        }
        Ok(())
    }

    /// Replaces the signed prekey. The new one is stored before the server hears of it, and the old one stays usable
    /// for peers that hold an older bundle. If the server refuses it, everything is as before.
    pub(super) async fn rotate(&mut self) -> Result<(), RequestError> {
        let id = self.signed.id % MAX_ID + 1;
        let signed = SignedPreKey::generate(&self.local, id, &mut self.random);
        let (record, now) = (signed_prekey_record(&signed), self.now);
        let rotated_before = self.asker.change(move |mirror| rotate(mirror, record, now)).await?;
        if tolerated(self.asker.ask(encrypt::rotate(&signed)).await)?.is_none() {
            self.asker.change(move |mirror| take_back(mirror, rotated_before)).await?;
        }
        Ok(())
    }
}

/// Begins to make the keys of the first upload.
pub(crate) fn make_first_prekeys(mirror: &mut Mirror, random: &mut Random, turns: &Turns) {
    if mirror.device.next_prekey_id == 1 {
        mirror.fresh_prekeys = Some(generate(1, FIRST_UPLOAD, random, turns));
    }
}

/// Makes fresh keys where they don't hold up other companions.
fn generate(first: u32, count: usize, random: &mut Random, turns: &Turns) -> JoinHandle<Option<Vec<PreKey>>> {
    let mut random = Random::from_rng(random);
    tokio::spawn(turns.clone().take(move || PreKey::generate(first, count, &mut random)))
}

/// Puts a new signed prekey in the place of the old one; tells since when (Unix seconds) that one has been in use.
fn rotate(mirror: &mut Mirror, new: SignedPreKeyRecord, now: i64) -> i64 {
    let device = &mut mirror.device;
    let old = std::mem::replace(&mut device.signed_prekey, new);
    device.previous_signed_prekeys.insert(0, old);
    device.previous_signed_prekeys.truncate(OLD_SIGNED_PREKEYS);
    let rotated_before = std::mem::replace(&mut device.signed_prekey_rotated_at, now);
    mirror.device_changed();
    rotated_before
}

/// Puts the old signed prekey back: the next login tries again.
fn take_back(mirror: &mut Mirror, rotated_at: i64) {
    let device = &mut mirror.device;
    if !device.previous_signed_prekeys.is_empty() {
        device.signed_prekey = device.previous_signed_prekeys.remove(0);
    }
    device.signed_prekey_rotated_at = rotated_at;
    mirror.device_changed();
}

/// A refusal is no reason to stop.
fn tolerated(answer: Result<Node<'static>, RequestError>) -> Result<Option<Node<'static>>, RequestError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ (RequestError::TimedOut | RequestError::Stopped)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "the server refused a request about keys");
            Ok(None)
        }
    }
}

fn public_key(private: [u8; 32]) -> PublicKey {
    *KeyPair::from_private(PrivateKey::from_bytes(private)).public()
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn store_failed(error: wa_store::StoreError) -> RequestError {
    RequestError::Store(error.to_string())
}
