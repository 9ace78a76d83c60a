use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use ring::hmac;
use storage::{InstanceId, SecretText, Storage, StorageError, Timestamp};

use crate::error::ServiceError;
use crate::field::Field;

/// Under which name the key is stored.
const SETTING: &str = "qr_link_key";
/// Bytes of what a link says: the instance and its end.
const SAID_LEN: usize = 24;
/// Longest life of a link.
pub const LONGEST_LINK: Duration = Duration::from_secs(7 * 24 * 3600);

/// An address of an instance's page that is good for a while, for whoever has it.
#[derive(Clone, PartialEq, Eq)]
pub struct QrLink {
    /// What stands for the instance in the address.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// What a text is, as a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Good(InstanceId),
    /// It was made here, and is no longer good.
    Expired,
    /// It was not made here.
    Unknown,
}

/// Makes links and believes its own.
pub(super) struct Links(hmac::Key);

impl Links {
    /// With the key that is stored, which is made at the first start.
    pub(super) async fn load(storage: &dyn Storage) -> Result<Self, StorageError> {
        let mut random = [0_u8; 32];
        rand::rng().fill_bytes(&mut random);
        let key = SecretText::new(URL_SAFE_NO_PAD.encode(random));
        let key = storage.init_setting(SETTING.to_owned(), key).await?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes())))
    }

    pub(super) fn make(
        &self,
        instance: InstanceId,
        seconds: u64,
        now: Timestamp,
    ) -> Result<QrLink, ServiceError> {
        if seconds == 0 || seconds > LONGEST_LINK.as_secs() {
            let message = format!("must be 1 to {} seconds", LONGEST_LINK.as_secs());
            return Err(ServiceError::invalid(Field::Wait, message));
        }
        let expires_at = now.after(Duration::from_secs(seconds));
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(instance.as_bytes());
        bytes.extend_from_slice(&expires_at.millis().to_be_bytes());
        let tag = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        Ok(QrLink { token: URL_SAFE_NO_PAD.encode(bytes), expires_at })
    }

    pub(super) fn read(&self, token: &str, now: Timestamp) -> Read {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            let (said, tag) = bytes.split_at_checked(SAID_LEN)?;
            hmac::verify(&self.0, said, tag).ok()?;
            let (instance, expiry) = said.split_first_chunk::<16>()?;
            let expiry = i64::from_be_bytes(expiry.try_into().ok()?);
            let instance = InstanceId::from_bytes(*instance);
            Some(if now.millis() < expiry { Read::Good(instance) } else { Read::Expired })
        };
        read().unwrap_or(Read::Unknown)
    }
}

impl std::fmt::Debug for QrLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use storage::MemoryStorage;

    use super::*;

    #[tokio::test]
    async fn a_link_is_good_for_its_time_and_over_restarts() {
        let storage = MemoryStorage::new();
        let instance = InstanceId::from_bytes([1; 16]);
        let made = Links::load(&storage).await.unwrap();
        let link = made.make(instance, 60, Timestamp::from_millis(1_000)).unwrap();
        assert_eq!(link.expires_at, Timestamp::from_millis(61_000));
        let links = Links::load(&storage).await.unwrap();
        assert_eq!(links.read(&link.token, Timestamp::from_millis(60_999)), Read::Good(instance));
        assert_eq!(links.read(&link.token, Timestamp::from_millis(61_000)), Read::Expired);
        let mut forged = URL_SAFE_NO_PAD.decode(&link.token).unwrap();
        forged[23] ^= 0xff;
        let forged = URL_SAFE_NO_PAD.encode(forged);
        for token in [&*forged, "", "AA", "634545454545", &link.token[1..]] {
            assert_eq!(links.read(token, Timestamp::default()), Read::Unknown);
        }
        for seconds in [0, LONGEST_LINK.as_secs() + 1] {
            assert!(made.make(instance, seconds, Timestamp::default()).is_err());
        }
    }
}
