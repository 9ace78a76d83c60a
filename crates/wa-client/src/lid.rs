use compact_str::CompactString;
use wa_binary::{Jid, Server};
use wa_store::{Store, StoreError};

use crate::cache::Cache;

/// Pairs kept in memory per companion; the store has all.
const CACHED: usize = 512;

/// Which phone number is which LID (PROTOCOL.md 16). Answers are cached, "unknown" too; what is not stored yet comes
/// before what is.
#[derive(Debug)]
pub(crate) struct Lids {
    by_pn: Cache<CompactString, Option<CompactString>>,
    by_lid: Cache<CompactString, Option<CompactString>>,
    /// Pairs of phone number and LID for the next commit, in their order.
    unstored: Vec<(CompactString, CompactString)>,
    /// Phone numbers whose LID the server calls out of date.
    stale: Cache<CompactString, ()>,
}

impl Lids {
    pub(crate) fn new() -> Self {
        Self {
            by_pn: Cache::new(CACHED),
            by_lid: Cache::new(CACHED),
            unstored: Vec::new(),
            stale: Cache::new(CACHED),
        }
    }

    /// The server has called this number's LID out of date: it is to be asked for before it is used to send.
    pub(crate) fn distrust(&mut self, pn: &str) {
        self.stale.put(pn.into(), ());
    }

    /// Whether the LID of this number is to be asked for.
    pub(crate) fn is_stale(&self, pn: &str) -> bool {
        self.stale.contains(pn)
    }

    /// The server has been asked.
    pub(crate) fn trust(&mut self, pn: &str) {
        self.stale.remove(pn);
    }

    /// The same user or device by LID; itself if it is one already.
    pub(crate) async fn lid_of(&mut self, store: &Store, jid: &Jid) -> Result<Option<Jid>, StoreError> {
        let server = match jid.server {
            Server::Pn => Server::Lid,
            Server::Hosted => Server::HostedLid,
            Server::Lid | Server::HostedLid => return Ok(Some(jid.clone())),
            _ => return Ok(None),
        };
        if let Some(known) = self.by_pn.get(jid.user.as_str()) {
            return Ok(known.as_ref().map(|user| translated(jid, user, server)));
        }
        let found = match latest(self.unstored_by_pn(), &jid.user) {
            Some(lid) => Some(lid.clone()),
            None => store.lid_of(&jid.user).await?.map(CompactString::from),
        };
        // A newer pair may have given it to another.
        let found = found.filter(|lid| latest(self.unstored_by_lid(), lid).is_none_or(|pn| *pn == jid.user));
        self.by_pn.put(jid.user.clone(), found.clone());
        Ok(found.map(|user| translated(jid, &user, server)))
    }

    /// The same user or device by phone number; itself if it is one already.
    pub(crate) async fn pn_of(&mut self, store: &Store, jid: &Jid) -> Result<Option<Jid>, StoreError> {
        let server = match jid.server {
            Server::Lid => Server::Pn,
            Server::HostedLid => Server::Hosted,
            Server::Pn | Server::Hosted => return Ok(Some(jid.clone())),
            _ => return Ok(None),
        };
        if let Some(known) = self.by_lid.get(jid.user.as_str()) {
            return Ok(known.as_ref().map(|user| translated(jid, user, server)));
        }
        let found = match latest(self.unstored_by_lid(), &jid.user) {
            Some(pn) => Some(pn.clone()),
            None => store.pn_of(&jid.user).await?.map(CompactString::from),
        };
        let found = found.filter(|pn| latest(self.unstored_by_pn(), pn).is_none_or(|lid| *lid == jid.user));
        self.by_lid.put(jid.user.clone(), found.clone());
        Ok(found.map(|user| translated(jid, &user, server)))
    }

    /// Whether this pair is what the memory holds already.
    pub(crate) fn knows(&mut self, pn: &str, lid: &str) -> bool {
        self.by_pn.get(pn).is_some_and(|known| known.as_deref() == Some(lid))
            && self.by_lid.get(lid).is_some_and(|known| known.as_deref() == Some(pn))
    }

    /// Learns a pair that the store doesn't have.
    pub(crate) fn learn(&mut self, pn: &CompactString, lid: &CompactString) {
        self.remember(pn, lid);
        self.unstored.push((pn.clone(), lid.clone()));
    }

    /// Remembers a pair that the store has; older pairs of either are gone, as there.
    pub(crate) fn remember(&mut self, pn: &CompactString, lid: &CompactString) {
        if let Some(Some(old)) = self.by_pn.get(pn.as_str()).cloned() {
            self.by_lid.put(old, None);
        }
        if let Some(Some(old)) = self.by_lid.get(lid.as_str()).cloned() {
            self.by_pn.put(old, None);
        }
        self.by_pn.put(pn.clone(), Some(lid.clone()));
        self.by_lid.put(lid.clone(), Some(pn.clone()));
    }

    /// Whether something was learned that the store doesn't have.
    pub(crate) fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// What was learned, for a commit: phone number and LID.
    pub(crate) fn take_unstored(&mut self) -> Vec<(CompactString, CompactString)> {
        std::mem::take(&mut self.unstored)
    }

    /// Forgets what the store has, too: it is read again when it is needed.
    pub(crate) fn release(&mut self) {
        drop(self.by_pn.take());
        drop(self.by_lid.take());
    }

    fn unstored_by_pn(&self) -> impl DoubleEndedIterator<Item = (&CompactString, &CompactString)> {
        self.unstored.iter().map(|(pn, lid)| (pn, lid))
    }

    fn unstored_by_lid(&self) -> impl DoubleEndedIterator<Item = (&CompactString, &CompactString)> {
        self.unstored.iter().map(|(pn, lid)| (lid, pn))
    }
}

/// What the newest of these pairs that begin with `name` ends with.
fn latest<'a>(
    mut pairs: impl DoubleEndedIterator<Item = (&'a CompactString, &'a CompactString)>,
    name: &str,
) -> Option<&'a CompactString> {
    pairs.rfind(|(one, _)| *one == name).map(|(_, other)| other)
}

fn translated(jid: &Jid, user: &CompactString, server: Server) -> Jid {
    Jid { user: user.clone(), server, ..jid.clone() }
}

#[cfg(test)]
mod tests {
    use wa_store::Changes;

    use super::*;

    #[tokio::test]
    async fn the_device_survives_the_translation() {
        let store = Store::memory();
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
        let store = Store::memory();
        let mut lids = Lids::new();
        assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), None);
        lids.learn(&"1555".into(), &"8000".into());
        lids.learn(&"1555".into(), &"8001".into());
        assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), Some(Jid::lid("8001")));
        assert!(lids.knows("1555", "8001") && !lids.knows("1555", "8000"));
    }

    /// The pairs, with what the store says of them.
    async fn replaced(is_stored: bool) -> (Store, Lids) {
        let (store, mut lids) = (Store::memory(), Lids::new());
        lids.learn(&"1555".into(), &"8000".into());
        if is_stored {
            let lid_mappings = lids.take_unstored();
            store.commit(Changes { lid_mappings, ..Changes::default() }).await.unwrap();
        }
        (store, lids)
    }

    #[tokio::test]
    async fn a_replaced_pair_is_gone_before_the_store_knows() {
        for is_cached in [true, false] {
            let (store, mut lids) = replaced(true).await;
            lids.learn(&"1555".into(), &"8001".into());
            lids.learn(&"1556".into(), &"8001".into());
            if !is_cached {
                lids.release();
            }
            assert_eq!(lids.pn_of(&store, &Jid::lid("8000")).await.unwrap(), None);
            assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), None);
            assert_eq!(lids.pn_of(&store, &Jid::lid("8001")).await.unwrap(), Some(Jid::pn("1556")));
        }
    }

    #[test]
    fn a_stale_pair_is_trusted_again_once_it_was_asked_for() {
        let mut lids = Lids::new();
        lids.distrust("1555");
        lids.learn(&"1555".into(), &"8000".into());
        lids.release();
        assert!(lids.is_stale("1555") && !lids.is_stale("1556"));
        lids.trust("1555");
        assert!(!lids.is_stale("1555"));
    }

    #[tokio::test]
    async fn a_pair_that_left_the_memory_before_it_was_stored_is_known() {
        let (store, mut lids) = replaced(false).await;
        for n in 0..=CACHED {
            lids.remember(&format!("1666{n}").into(), &format!("9{n}").into());
        }
        assert_eq!(lids.lid_of(&store, &Jid::pn("1555")).await.unwrap(), Some(Jid::lid("8000")));
        assert_eq!(lids.pn_of(&store, &Jid::lid("8000")).await.unwrap(), Some(Jid::pn("1555")));
        assert!(lids.has_unstored());
    }
}
