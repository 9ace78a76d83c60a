use compact_str::CompactString;
use lru::LruCache;
use std::num::NonZeroUsize;
use wa_binary::{Jid, Server};
use wa_store::{Store, StoreError};

/// Pairs kept in memory per instance; the store has all.
const CACHED: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// Which phone number is which LID (protocol.md 16). Answers are cached, "unknown" too.
#[derive(Debug)]
pub(crate) struct Lids {
    by_pn: LruCache<CompactString, Option<CompactString>>,
    by_lid: LruCache<CompactString, Option<CompactString>>,
}

impl Lids {
    pub(crate) fn new() -> Self {
        Self { by_pn: LruCache::unbounded(), by_lid: LruCache::unbounded() }
    }

    /// The same user or device by LID; itself if it is one already.
    pub(crate) async fn lid_of(&mut self, store: &dyn Store, jid: &Jid) -> Result<Option<Jid>, StoreError> {
        let server = match jid.server {
            Server::Pn => Server::Lid,
            Server::Hosted => Server::HostedLid,
            Server::Lid | Server::HostedLid => return Ok(Some(jid.clone())),
            _ => return Ok(None),
        };
        if let Some(known) = self.by_pn.get(&jid.user) {
            return Ok(known.as_ref().map(|user| translated(jid, user, server)));
        }
        let found = store.lid_of(&jid.user).await?.map(CompactString::from);
        remember(&mut self.by_pn, jid.user.clone(), found.clone());
        Ok(found.map(|user| translated(jid, &user, server)))
    }

    /// The same user or device by phone number; itself if it is one already.
    pub(crate) async fn pn_of(&mut self, store: &dyn Store, jid: &Jid) -> Result<Option<Jid>, StoreError> {
        let server = match jid.server {
            Server::Lid => Server::Pn,
            Server::HostedLid => Server::Hosted,
            Server::Pn | Server::Hosted => return Ok(Some(jid.clone())),
            _ => return Ok(None),
        };
        if let Some(known) = self.by_lid.get(&jid.user) {
            return Ok(known.as_ref().map(|user| translated(jid, user, server)));
        }
        let found = store.pn_of(&jid.user).await?.map(CompactString::from);
        remember(&mut self.by_lid, jid.user.clone(), found.clone());
        Ok(found.map(|user| translated(jid, &user, server)))
    }

    /// Whether this pair is what the memory holds already.
    pub(crate) fn knows(&mut self, pn: &str, lid: &str) -> bool {
        self.by_pn.get(pn).is_some_and(|known| known.as_deref() == Some(lid))
            && self.by_lid.get(lid).is_some_and(|known| known.as_deref() == Some(pn))
    }

    /// Remembers a pair; older pairs of either are gone, as in the store.
    pub(crate) fn put(&mut self, pn: &CompactString, lid: &CompactString) {
        if let Some(Some(old)) = self.by_pn.get(pn).cloned() {
            self.by_lid.pop(&old);
        }
        if let Some(Some(old)) = self.by_lid.get(lid).cloned() {
            self.by_pn.pop(&old);
        }
        remember(&mut self.by_pn, pn.clone(), Some(lid.clone()));
        remember(&mut self.by_lid, lid.clone(), Some(pn.clone()));
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::new();
    }
}

/// Unbounded underneath, since a bounded cache reserves all its room at once; bounded here.
fn remember(
    cache: &mut LruCache<CompactString, Option<CompactString>>,
    key: CompactString,
    value: Option<CompactString>,
) {
    cache.put(key, value);
    if cache.len() > CACHED.get() {
        cache.pop_lru();
    }
}

fn translated(jid: &Jid, user: &CompactString, server: Server) -> Jid {
    Jid { user: user.clone(), server, ..jid.clone() }
}

#[cfg(test)]
mod tests {
    use wa_store::{Changes, MemoryStore};

    use super::*;

    #[tokio::test]
    async fn the_device_survives_the_translation() {
        let store = MemoryStore::new();
        let lid_mappings = vec![("1555".into(), "8000".into())];
        store.commit(Changes { lid_mappings, ..Changes::default() }).await.unwrap();
        let mut lids = Lids::new();
        let pn = Jid::pn("1555").with_device(3);
        let lid = Jid::lid("8000").with_device(3);
        assert_eq!(lids.lid_of(&store, &pn).await.unwrap(), Some(lid.clone()));
        assert_eq!(lids.pn_of(&store, &lid).await.unwrap(), Some(pn));
        assert_eq!(lids.lid_of(&store, &Jid::group("1")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_newer_pair_replaces_the_older_and_ends_a_cached_miss() {
        let store = MemoryStore::new();
        let mut lids = Lids::new();
        assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), None);
        lids.put(&"1555".into(), &"8000".into());
        lids.put(&"1555".into(), &"8001".into());
        assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), Some(Jid::lid("8001")));
        assert!(lids.knows("1555", "8001") && !lids.knows("1555", "8000"));
    }
}
