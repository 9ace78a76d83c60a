//! Nobody's questions keep others from the reading connections.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use storage::UserId;

/// Reads of one user that run, or wait for a connection, at once. With fewer than there are connections, what one user asks
/// for never occupies all of them, and it waits in no line before what others ask for.
const READS: usize = 2;

/// The reads of all users that ask for something, each user's in a line of its own.
pub struct Shares<T> {
    by_owner: HashMap<UserId, Line<T>>,
}

struct Line<T> {
    /// How many have gone ahead and aren't over.
    ahead: usize,
    waiting: VecDeque<T>,
}

impl<T> Shares<T> {
    /// Gives a read back that may go ahead; else it waits until one of its owner's is over.
    pub fn enter(&mut self, owner: UserId, read: T) -> Option<T> {
        let line = self.by_owner.entry(owner).or_default();
        if line.ahead >= READS {
            line.waiting.push_back(read);
            return None;
        }
        line.ahead += 1;
        Some(read)
    }

    /// A read of this owner is over. Gives the one that may go ahead in its place.
    pub fn leave(&mut self, owner: UserId) -> Option<T> {
        let Entry::Occupied(mut line) = self.by_owner.entry(owner) else { return None };
        let next = line.get_mut().waiting.pop_front();
        if next.is_none() {
            line.get_mut().ahead -= 1;
            if line.get().ahead == 0 {
                line.remove();
            }
        }
        next
    }

    /// Takes out all that wait.
    pub fn drain(&mut self) -> Vec<T> {
        self.by_owner.values_mut().flat_map(|line| line.waiting.drain(..)).collect()
    }
}

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self { by_owner: HashMap::new() }
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { ahead: 0, waiting: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_users_reads_wait_for_each_other_and_for_nobody_else() {
        let (mut shares, zoe, max) = (Shares::default(), UserId::generate(), UserId::generate());
        for n in 0..READS {
            assert_eq!(shares.enter(zoe, n), Some(n));
        }
        assert_eq!((shares.enter(zoe, 7), shares.enter(zoe, 8)), (None, None));
        assert_eq!(shares.enter(max, 9), Some(9));
        assert_eq!((shares.leave(zoe), shares.leave(zoe)), (Some(7), Some(8)), "in their order");
        assert_eq!(shares.leave(max), None);
        for _ in 0..READS {
            assert_eq!(shares.leave(zoe), None);
        }
        assert!(shares.by_owner.is_empty(), "nobody is remembered who asks for nothing");
    }
}
