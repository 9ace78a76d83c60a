use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use ring::hmac;
use storage::{InstanceId, SecretText, Storage, StorageError, StoredMessageId, Timestamp};

/// Under which name the key is stored.
const SETTING: &str = "media_link_key";
/// Bytes of the MAC at its end.
const TAG_LEN: usize = 32;
/// Longest life of a link.
pub(super) const LONGEST_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// An address of a file that is good for a while, for whoever has it.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaLink {
    /// What stands for the file in an address.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Makes links and believes its own.
#[derive(Clone)]
pub(super) struct Links(Arc<hmac::Key>);

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) instance: InstanceId,
    pub(super) message: StoredMessageId,
    /// WhatsApp's id of the message, by which it is found.
    pub(super) message_id: String,
}

impl Links {
    /// With the key that is stored, which is made at the first start.
    pub(super) async fn load(storage: &dyn Storage) -> Result<Self, StorageError> {
        let mut random = [0_u8; 32];
        rand::rng().fill_bytes(&mut random);
        let key = SecretText::new(URL_SAFE_NO_PAD.encode(random));
        let key = storage.init_setting(SETTING.to_owned(), key).await?;
        Ok(Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes()))))
    }

    pub(super) fn make(&self, linked: &Linked, expires_at: Timestamp) -> MediaLink {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(linked.instance.as_bytes());
        bytes.extend_from_slice(linked.message.as_bytes());
        bytes.extend_from_slice(&expires_at.millis().to_be_bytes());
        bytes.extend_from_slice(linked.message_id.as_bytes());
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        MediaLink { token: URL_SAFE_NO_PAD.encode(bytes), expires_at }
    }

    /// What a link leads to, if it was made here and is still good.
    pub(super) fn read(&self, token: &str, now: Timestamp) -> Option<Linked> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LEN)?)?;
        hmac::verify(&self.0, said, tag).ok()?;
        let (instance, rest) = said.split_first_chunk::<16>()?;
        let (message, rest) = rest.split_first_chunk::<16>()?;
        let (expiry, message_id) = rest.split_first_chunk()?;
        let is_good = now.millis() < i64::from_be_bytes(*expiry);
        let message_id = std::str::from_utf8(message_id).ok()?.to_owned();
        is_good.then(|| Linked {
            instance: InstanceId::from_bytes(*instance),
            message: StoredMessageId::from_bytes(*message),
            message_id,
        })
    }
}

impl std::fmt::Debug for MediaLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use storage::MemoryStorage;

    use super::*;

    #[tokio::test]
    async fn a_link_is_good_for_its_time_and_over_restarts() {
        let storage = MemoryStorage::new();
        let links = Links::load(&storage).await.unwrap();
        let linked = Linked {
            instance: InstanceId::from_bytes([1; 16]),
            message: StoredMessageId::from_bytes([2; 16]),
            message_id: "3EB0".to_owned(),
        };
        let link = links.make(&linked, Timestamp::from_millis(1_000));
        let again = Links::load(&storage).await.unwrap();
        assert_eq!(again.read(&link.token, Timestamp::from_millis(999)), Some(linked.clone()));
        assert_eq!(again.read(&link.token, Timestamp::from_millis(1_000)), None);
        let mut forged = URL_SAFE_NO_PAD.decode(&link.token).unwrap();
        forged[39] ^= 0xff;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        for token in [&*forged, "", "AA", &link.token[1..]] {
            assert_eq!(again.read(token, Timestamp::from_millis(0)), None);
        }
    }
}
