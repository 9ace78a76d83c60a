use std::collections::BTreeMap;

/// What a poll has come to: who chose which option. The last vote of each person counts.
///
/// ```
/// use wa_client::content::Tally;
///
/// let mut tally = Tally::of(["tea", "coffee"]);
/// tally.count("alice", 1, ["tea"]);
/// tally.count("bob", 2, ["tea", "coffee"]);
/// tally.count("alice", 3, ["coffee"]);
/// let voters: Vec<_> = tally.options().map(|(name, voters)| (name, voters.len())).collect();
/// assert_eq!(voters, [("tea", 1), ("coffee", 2)]);
/// ```
#[derive(Clone)]
pub struct Tally<V> {
    options: Vec<String>,
    /// The time of each person's last vote, and what it was for.
    votes: BTreeMap<V, (i64, Vec<String>)>,
}

impl<V: Ord> Tally<V> {
    /// Nobody has voted yet.
    pub fn of(options: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { options: options.into_iter().map(Into::into).collect(), votes: BTreeMap::new() }
    }

    /// Takes in a vote, in any order. One without choices takes an earlier one back; of two at the same time the one that is
    /// taken in later counts.
    pub fn count(&mut self, voter: V, at: i64, choices: impl IntoIterator<Item = impl Into<String>>) {
        let choices = choices.into_iter().map(Into::into).collect();
        let last = self.votes.entry(voter).or_insert((i64::MIN, Vec::new()));
        if at >= last.0 {
            *last = (at, choices);
        }
    }

    /// Each option in the order of the poll, with those who chose it.
    pub fn options(&self) -> impl Iterator<Item = (&str, Vec<&V>)> {
        self.options.iter().map(|option| {
            let chose =
                |(voter, (_, choices)): (_, &(i64, Vec<String>))| choices.contains(option).then_some(voter);
            (option.as_str(), self.votes.iter().filter_map(chose).collect())
        })
    }

    /// How many people have chosen anything.
    pub fn voters(&self) -> usize {
        self.votes.values().filter(|(_, choices)| !choices.is_empty()).count()
    }
}

impl<V> std::fmt::Debug for Tally<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("votes", &self.votes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_vote_of_a_person_counts_in_whatever_order_it_comes() {
        let mut tally = Tally::of(["tea", "coffee"]);
        tally.count("alice", 2, ["coffee"]);
        tally.count("alice", 1, ["tea"]);
        tally.count("bob", 1, ["tea", "milk"]);
        tally.count("bob", 2, [""; 0]);
        let chosen: Vec<_> = tally.options().collect();
        assert_eq!(chosen, [("tea", vec![]), ("coffee", vec![&"alice"])]);
        assert_eq!(tally.voters(), 1);
    }
}
