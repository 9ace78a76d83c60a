use std::borrow::Borrow;
use std::hash::Hash;

use lru::LruCache;

/// A map that forgets what was used longest ago. It grows as it is filled: one with a fixed bound would reserve all
/// its room at once, for each of thousands of companions.
#[derive(Debug)]
pub(crate) struct Cache<K: Hash + Eq, V> {
    entries: LruCache<K, V>,
    most: usize,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: LruCache::unbounded(), most: most.max(1) }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub(crate) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key)
    }

    /// The value, without counting as a use.
    pub(crate) fn peek<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.peek(key)
    }

    /// The value, without counting as a use.
    pub(crate) fn peek_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.peek_mut(key)
    }

    pub(crate) fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains(key)
    }

    /// Everything, without counting as a use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Remembers a value, and forgets another if there are too many.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.put_for_now(key, value);
        self.trim(|_| true);
    }

    /// Remembers a value beyond the bound, until the next [`Self::trim`].
    pub(crate) fn put_for_now(&mut self, key: K, value: V) {
        self.entries.put(key, value);
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.pop(key)
    }

    /// Keeps to the bound, as far as what was used longest ago may go.
    pub(crate) fn trim(&mut self, may_go: impl Fn(&V) -> bool) {
        while self.entries.len() > self.most
            && self.entries.peek_lru().is_some_and(|(_, value)| may_go(value))
        {
            self.entries.pop_lru();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        std::mem::replace(&mut self.entries, LruCache::unbounded()).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache::new(2);
        cache.put("a", 1);
        cache.put("b", 2);
        assert_eq!(cache.get("a"), Some(&1));
        cache.put("c", 3);
        assert!(cache.contains("a") && !cache.contains("b"));
        assert_eq!(cache.peek("c"), Some(&3));
    }

    #[test]
    fn what_must_not_go_stays_beyond_the_bound() {
        let mut cache = Cache::new(1);
        for key in ["a", "b", "c"] {
            cache.put_for_now(key, key == "a");
        }
        cache.trim(|kept| !kept);
        assert!(cache.contains("a") && cache.contains("c"));
        assert_eq!(cache.remove("a"), Some(true));
        cache.trim(|kept| !kept);
        assert_eq!(cache.take().map(|(key, _)| key).collect::<Vec<_>>(), ["c"]);
        assert!(cache.is_empty());
    }
}
