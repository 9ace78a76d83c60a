use std::fmt;
use std::time::Duration;

use super::trouble::Counts;
use super::verdict::Verdict;

/// Memory may differ by this much between the beginning and the end of the calm part, in kilobytes: what caches and the
/// allocator keep of a burst.
const FLAT: u64 = 20_000;

/// What a run met and what it found.
pub struct Report {
    pub(super) length: Duration,
    pub(super) instances: usize,
    pub(super) seed: u64,
    pub(super) counts: Counts,
    pub(super) verdict: Verdict,
    /// Resident kilobytes through the calm part.
    pub(super) memory: Vec<u64>,
}

impl Report {
    /// Medians of the first and the last quarter of the calm part, in kilobytes.
    fn memory(&self) -> (u64, u64) {
        let quarter = (self.memory.len() / 4).max(1).min(self.memory.len());
        let last = self.memory.len() - quarter;
        (median(&self.memory[..quarter]), median(&self.memory[last..]))
    }
}

impl fmt::Display for Report {
    /// # Panics
    /// When memory has grown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, instances, seed, counts, verdict, .. } = self;
        writeln!(f, "{instances} instances, {} s, SOAK_SEED={seed}", length.as_secs())?;
        writeln!(f, "troubles: {counts}")?;
        writeln!(f, "texts sent: {}, received: {}; lost: 0, doubled: 0", verdict.sent, verdict.received)?;
        writeln!(f, "arrived damaged: {}, never read: {}", verdict.damaged, verdict.never_read)?;
        writeln!(
            f,
            "repeated under the same id: texts {}, webhook calls {}",
            verdict.repeats, verdict.repeated_calls
        )?;
        let (first, last) = self.memory();
        writeln!(f, "resident memory: {first} kB at first, {last} kB at last")?;
        assert!(last <= first + FLAT, "memory grows: {:?}", self.memory);
        Ok(())
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or(0)
}
