//! Another master key: where what an earlier one has sealed lies, and what it is sealed to. Finding it, reading it and writing
//! it back are each backend's own.

use storage::InstanceId;

use crate::fault::Fault;
use crate::resealed::Resealed;
use crate::rows::{dialect, event, instance, record, setting, user, webhook};
use crate::seal::{Place, Sealer};

/// Values that are sealed anew in one commit: few enough that nobody who writes meanwhile notices.
pub const PIECE: usize = 500;

/// A column with a sealed value, and the row that it stands in: keys of instances are those of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// `users.api_key`, by the user's id.
    ApiKey(Vec<u8>),
    /// `settings.value`, by its name.
    Setting(String),
    /// `instances.proxy`.
    Proxy(InstanceId),
    /// `webhooks.secret`, by the instance's key and the webhook's name.
    Secret(i64, InstanceId, String),
    /// `webhooks.next_secret`.
    NextSecret(i64, InstanceId, String),
    /// `webhooks.headers`.
    Headers(i64, InstanceId, String),
    /// `events.code`, by the instance's key and the event's position.
    Code(i64, InstanceId, i64),
    /// `companion_records.value`, by the instance's key, the kind and the key of the record.
    Record(i64, i64, String),
    /// `dialect_access.key`, by the instance's key and the dialect.
    DialectKey(i64, InstanceId, String),
    /// `dialect_access.notes`.
    DialectNotes(i64, InstanceId, String),
}

impl Spot {
    /// Those that belong to no instance: users by their ids, settings by their names.
    pub fn of_service(users: Vec<Vec<u8>>, settings: Vec<String>) -> Vec<Self> {
        users.into_iter().map(Self::ApiKey).chain(settings.into_iter().map(Self::Setting)).collect()
    }

    /// Those of one instance, without its companion's records: its webhooks and dialects by their names, its events with codes
    /// by their positions.
    pub fn of_instance(
        (key, instance): (i64, InstanceId),
        webhooks: Vec<String>,
        codes: Vec<i64>,
        dialects: Vec<String>,
    ) -> Vec<Self> {
        let mut spots = vec![Self::Proxy(instance)];
        for name in webhooks {
            spots.push(Self::Secret(key, instance, name.clone()));
            spots.push(Self::NextSecret(key, instance, name.clone()));
            spots.push(Self::Headers(key, instance, name));
        }
        spots.extend(codes.into_iter().map(|seq| Self::Code(key, instance, seq)));
        for name in dialects {
            spots.push(Self::DialectKey(key, instance, name.clone()));
            spots.push(Self::DialectNotes(key, instance, name));
        }
        spots
    }

    /// Records of a companion, by their kinds and keys.
    pub fn of_companion(key: i64, records: Vec<(i64, String)>) -> Vec<Self> {
        records.into_iter().map(|(kind, name)| Self::Record(key, kind, name)).collect()
    }

    /// The value as the present key seals it; nothing when it does already.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] when no key opens it.
    pub fn anew(&self, sealed: &[u8], sealer: &Sealer) -> Result<Option<Vec<u8>>, Fault> {
        if sealed.starts_with(&sealer.id()) {
            return Ok(None);
        }
        self.at(|place| sealer.seal(place, &sealer.open(place, sealed)?)).map(Some)
    }

    fn at<T>(&self, f: impl FnOnce(&Place<'_>) -> T) -> T {
        match self {
            Self::ApiKey(id) => f(&user::api_key_place(&[id])),
            Self::Setting(name) => setting::at(name, f),
            Self::Proxy(id) => f(&Place { column: instance::PROXY, row: &[id.as_bytes()] }),
            Self::Secret(_, id, name) => webhook::at(webhook::SECRET, *id, name, f),
            Self::NextSecret(_, id, name) => webhook::at(webhook::NEXT_SECRET, *id, name, f),
            Self::Headers(_, id, name) => webhook::at(webhook::HEADERS, *id, name, f),
            Self::Code(_, id, seq) => event::at(*id, *seq, f),
            Self::DialectKey(_, id, name) => dialect::at(dialect::KEY, *id, name, f),
            Self::DialectNotes(_, id, name) => dialect::at(dialect::NOTES, *id, name, f),
            Self::Record(_, kind, name) => {
                // Kinds are bytes; what isn't one is sealed to no place.
                f(&record::place(&[&[u8::try_from(*kind).unwrap_or(u8::MAX)], name.as_bytes()]))
            }
        }
    }
}

impl Resealed {
    /// Counts a value that was sealed anew, or that was sealed with the present key already, or that no key opens; other
    /// failures are given back.
    pub fn count(&mut self, resealed: Result<bool, Fault>) -> Result<(), Fault> {
        match resealed {
            Ok(changed) => self.anew += u64::from(changed),
            Err(error @ Fault::Corrupt { .. }) => {
                tracing::warn!(%error, "a value stays as it is sealed");
                self.unreadable += 1;
            }
            Err(fault) => return Err(fault),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_key::MasterKey;

    #[test]
    fn a_value_is_sealed_anew_once_and_in_its_place_alone() {
        let (old, new) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let here = Spot::Secret(1, InstanceId::generate(), "default".to_owned());
        let there = Spot::Headers(1, InstanceId::generate(), "default".to_owned());
        let earlier = Sealer::for_service(&old);
        let sealed = here.at(|place| earlier.seal(place, b"secret")).unwrap();
        let present = Sealer::for_service(&new.in_place_of(old));
        let anew = here.anew(&sealed, &present).unwrap().unwrap();
        assert_eq!(here.anew(&anew, &present).unwrap(), None);
        assert_eq!(&**here.at(|place| present.open(place, &anew)).unwrap(), b"secret");
        let mut counted = Resealed::default();
        counted.count(Ok(true)).unwrap();
        counted.count(there.anew(&sealed, &present).map(|anew| anew.is_some())).unwrap();
        assert_eq!(counted, Resealed { anew: 1, unreadable: 1 });
        assert!(counted.count(Err(Fault::Closed)).is_err());
    }
}
