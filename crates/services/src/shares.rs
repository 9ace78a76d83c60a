//! Places for work that takes long, shared by those whom it is done for.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use storage::UserId;

/// A number of places, of which each owner may have some. Clones are the same places.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    all: usize,
    each: usize,
    /// As many owners as places at most.
    taken: Mutex<HashMap<UserId, usize>>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    owner: UserId,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The owner has as many as they may have.
    Own,
    /// All are taken.
    All,
}

impl Shares {
    /// So many places, of which each owner may have `each`.
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { inner: Arc::new(Inner { all, each, taken: Mutex::default() }) }
    }

    /// A place for something of this owner.
    ///
    /// # Errors
    /// [`Full`].
    pub(crate) fn take(&self, owner: UserId) -> Result<Share, Full> {
        let Inner { all, each, taken } = &*self.inner;
        let mut taken = taken.lock();
        let own = taken.get(&owner).copied().unwrap_or_default();
        if own >= *each {
            return Err(Full::Own);
        }
        if taken.values().sum::<usize>() >= *all {
            return Err(Full::All);
        }
        taken.insert(owner, own + 1);
        drop(taken);
        Ok(Share { shares: self.clone(), owner })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.inner.taken.lock();
        match taken.get_mut(&self.owner) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_some_of_the_places_and_gives_them_back() {
        let (shares, zoe, max) = (Shares::new(3, 2), UserId::generate(), UserId::generate());
        let zoes = [shares.take(zoe).unwrap(), shares.take(zoe).unwrap()];
        assert_eq!(shares.take(zoe).unwrap_err(), Full::Own);
        let _maxs = shares.take(max).unwrap();
        assert_eq!(shares.take(max).unwrap_err(), Full::All);
        drop(zoes);
        assert!(shares.take(max).is_ok());
        assert_eq!(shares.inner.taken.lock().len(), 1);
    }
}
