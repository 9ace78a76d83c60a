//! Keeping the server supplied with keys (protocol.md 9).

use std::collections::HashMap;

use rand::SeedableRng;
use wa_crypto::{KeyPair, PrivateKey, PublicKey};
use wa_signal::{PreKey, SignedPreKey};
use wa_store::Changes;

use crate::account::signed_prekey_record;
use crate::handle::RequestError;
use crate::instance::{End, Random};
use crate::iq;
use crate::online::{Chore, Online};
use crate::state::Cause;

/// Fewer than this many left on the server call for a refill.
pub(crate) const FEW: u32 = 5;
/// Keys of the first upload.
const FIRST_UPLOAD: usize = 812;
/// Keys of each later one.
const REFILL: usize = 50;
/// Prekey ids have 24 bits and 0 means none.
const MAX_ID: u32 = 0x00ff_ffff;
/// Rotated-out signed prekeys that peers with old bundles may still use.
const OLD_SIGNED_PREKEYS: usize = 3;

impl Online<'_> {
    /// Part of the login: asks how many one-time keys are left and uploads if they are few.
    pub(crate) async fn check_prekey_count(&mut self) -> Result<(), End> {
        let Some(answer) = self.tolerate(iq::encrypt::count()).await? else { return Ok(()) };
        match iq::encrypt::parse_count(&answer) {
            Ok(count) if count >= FEW => {
                let device = &self.account.device;
                if device.first_unuploaded_prekey_id < device.next_prekey_id {
                    // An upload whose answer never came: the digest tells whether it arrived.
                    self.add_chore(Chore::CheckDigest);
                }
                Ok(())
            }
            Ok(count) => self.upload_prekeys(count).await,
            Err(error) => {
                tracing::warn!(%error, "the prekey count is malformed");
                Ok(())
            }
        }
    }

    /// The server said that few are left; asks again first, since a refill may have crossed that word.
    pub(crate) async fn refill_prekeys(&mut self) -> Result<(), End> {
        self.check_prekey_count().await
    }

    async fn upload_prekeys(&mut self, left: u32) -> Result<(), End> {
        let first = left == 0 && self.account.device.next_prekey_id == 1;
        let keys = self.unuploaded(if first { FIRST_UPLOAD } else { REFILL }).await?;
        let public: Vec<_> = keys.iter().map(|key| (key.id, *key.key.public())).collect();
        drop(keys);
        let identity = *self.account.local.key.public();
        let signed = self.account.signed_prekey();
        let upload = iq::encrypt::upload(
            self.account.local.registration_id,
            &identity,
            public.iter().copied(),
            &signed,
        );
        match self.ask(upload).await? {
            Ok(_) => {}
            Err(RequestError::TimedOut) => return Err(End::of(Cause::Network)),
            Err(error) => {
                tracing::warn!(%error, "the server refused new prekeys");
                return Ok(());
            }
        }
        if let Some((last, _)) = public.last() {
            let device = &mut self.account.device;
            device.first_unuploaded_prekey_id = device.first_unuploaded_prekey_id.max(last + 1);
            self.account.device_changed();
            self.account.must_commit();
            self.commit_if_urgent().await?;
        }
        self.check_digest(&public).await
    }

    /// Keys that are stored but not on the server: those of an interrupted upload, else fresh ones.
    async fn unuploaded(&mut self, count: usize) -> Result<Vec<PreKey>, End> {
        let from = self.account.device.first_unuploaded_prekey_id;
        let stored = self.shared.store.prekeys(from, count).await?;
        if !stored.is_empty() {
            let pair = |key| KeyPair::from_private(PrivateKey::from_bytes(key));
            return Ok(stored.into_iter().map(|(id, key)| PreKey { id, key: pair(key) }).collect());
        }
        let keys = self.generate(count).await?;
        let prekeys_added = keys.iter().map(|key| (key.id, *key.key.private().as_bytes())).collect();
        self.account.device_changed();
        let mut changes = self.account.take_changes();
        changes.append(Changes { prekeys_added, ..Changes::default() });
        self.shared.store.commit(changes).await?;
        Ok(keys)
    }

    /// Makes fresh keys where they don't hold up other instances.
    async fn generate(&mut self, count: usize) -> Result<Vec<PreKey>, End> {
        let device = &mut self.account.device;
        let wanted = u32::try_from(count).unwrap_or(MAX_ID);
        if device.next_prekey_id.saturating_add(wanted) > MAX_ID {
            // After sixteen million keys the first ones are long gone.
            device.next_prekey_id = 1;
            device.first_unuploaded_prekey_id = 1;
        }
        let first = device.next_prekey_id;
        device.next_prekey_id += wanted;
        let mut random = Random::from_rng(&mut self.instance.random);
        let generated =
            tokio::task::spawn_blocking(move || PreKey::generate(first, count, &mut random)).await;
        generated.map_err(|error| {
            tracing::error!(%error, "prekeys could not be generated");
            End::of(Cause::StoreFailed)
        })
    }

    /// One fresh key for a retry receipt, which the server never hears of. It is stored with the next commit,
    /// which must come before the receipt leaves.
    pub(crate) async fn spare_prekey(&mut self) -> Result<Option<PreKey>, End> {
        let device = &mut self.account.device;
        let id = device.next_prekey_id;
        // Keys of an interrupted upload must stay the ones above the mark, so one of them is taken instead.
        if device.first_unuploaded_prekey_id < id {
            let taken = device.first_unuploaded_prekey_id;
            device.first_unuploaded_prekey_id += 1;
            self.account.device_changed();
            self.account.must_commit();
            let key = self.shared.store.prekey(taken).await?;
            let pair = |key| KeyPair::from_private(PrivateKey::from_bytes(key));
            return Ok(key.map(|key| PreKey { id: taken, key: pair(key) }));
        }
        if id > MAX_ID {
            return Ok(None);
        }
        device.next_prekey_id = id + 1;
        device.first_unuploaded_prekey_id = id + 1;
        let key = KeyPair::generate(&mut self.instance.random);
        self.account.changes.prekeys_added.push((id, *key.private().as_bytes()));
        self.account.device_changed();
        self.account.must_commit();
        Ok(Some(PreKey { id, key }))
    }

    /// Compares what the server holds of our keys with what we have. `known` are public halves at hand.
    pub(crate) async fn check_digest(&mut self, known: &[(u32, PublicKey)]) -> Result<(), End> {
        let digest = match self.ask(iq::encrypt::digest()).await? {
            Ok(answer) => iq::encrypt::parse_digest(&answer),
            // The server knows nothing of us: everything is uploaded anew.
            Err(RequestError::Refused { code: 404, .. }) if known.is_empty() => {
                return Box::pin(self.upload_prekeys(0)).await;
            }
            Err(RequestError::TimedOut) => return Err(End::of(Cause::Network)),
            Err(error) => Err(error),
        };
        match digest {
            Ok(Some(digest)) => self.compare(&digest, known).await,
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the server's keys could not be compared");
                Ok(())
            }
        }
    }

    async fn compare(
        &mut self,
        digest: &iq::encrypt::KeyDigest,
        known: &[(u32, PublicKey)],
    ) -> Result<(), End> {
        self.note_uploaded(&digest.prekey_ids).await?;
        let at_hand: HashMap<_, _> = known.iter().copied().collect();
        let mut keys = Vec::with_capacity(digest.prekey_ids.len());
        for id in &digest.prekey_ids {
            let key = match at_hand.get(id) {
                Some(key) => Some(*key),
                None => {
                    self.shared.store.prekey(*id).await?.map(|key| PrivateKey::from_bytes(key).public_key())
                }
            };
            keys.extend(key);
        }
        let identity = *self.account.local.key.public();
        let hash = iq::encrypt::key_hash(&identity, &self.account.signed_prekey(), &keys);
        let same = digest.registration_id == self.account.local.registration_id
            && keys.len() == digest.prekey_ids.len()
            && hash == digest.hash;
        if !same {
            tracing::error!(
                "the server holds other keys than this companion; new sessions with it will fail"
            );
        }
        Ok(())
    }

    /// Keys that the server lists must not be uploaded once more.
    async fn note_uploaded(&mut self, ids: &[u32]) -> Result<(), End> {
        let device = &mut self.account.device;
        let open = device.first_unuploaded_prekey_id..device.next_prekey_id;
        let Some(last) = ids.iter().copied().filter(|id| open.contains(id)).max() else { return Ok(()) };
        device.first_unuploaded_prekey_id = last + 1;
        self.account.device_changed();
        self.account.must_commit();
        self.commit_if_urgent().await
    }

    /// After the login: sees to it that an old signed prekey is replaced.
    pub(crate) fn plan_rotation(&mut self) {
        let age = self.shared.clock.unix_millis() / 1000 - self.account.device.signed_prekey_rotated_at;
        let lifetime = i64::try_from(self.shared.config.signed_prekey_lifetime.as_secs()).unwrap_or(i64::MAX);
        if age >= lifetime {
            self.add_chore(Chore::RotateSignedPreKey);
        }
    }

    /// Replaces the signed prekey. The new one is stored before the server hears of it, and the old one stays
    /// usable for peers that hold an older bundle.
    pub(crate) async fn rotate_signed_prekey(&mut self) -> Result<(), End> {
        let id = self.account.device.signed_prekey.id % MAX_ID + 1;
        let signed = SignedPreKey::generate(&self.account.local, id, &mut self.instance.random);
        let device = &mut self.account.device;
        let old = std::mem::replace(&mut device.signed_prekey, signed_prekey_record(&signed));
        device.previous_signed_prekeys.insert(0, old);
        device.previous_signed_prekeys.truncate(OLD_SIGNED_PREKEYS);
        device.signed_prekey_rotated_at = self.shared.clock.unix_millis() / 1000;
        self.account.device_changed();
        self.account.must_commit();
        self.commit_if_urgent().await?;
        match self.ask(iq::encrypt::rotate(&signed)).await? {
            Ok(_) => Ok(()),
            Err(RequestError::TimedOut) => Err(End::of(Cause::Network)),
            Err(error) => {
                tracing::warn!(%error, "the server refused the new signed prekey; the old one is kept");
                self.take_back_rotation().await
            }
        }
    }

    async fn take_back_rotation(&mut self) -> Result<(), End> {
        let device = &mut self.account.device;
        if !device.previous_signed_prekeys.is_empty() {
            device.signed_prekey = device.previous_signed_prekeys.remove(0);
        }
        self.account.device_changed();
        self.account.must_commit();
        self.commit_if_urgent().await
    }
}
