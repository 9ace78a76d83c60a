use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often something had which size, since the process began: counted without a lock, for whoever watches.
///
/// The bounds are those of the buckets, ascending; what is larger than the last is counted behind them.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds.
    buckets: Box<[AtomicU64]>,
    /// In millionths.
    sum: AtomicU64,
}

/// A histogram as it was when it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Each bound with the number of values up to it, ascending.
    pub up_to: Vec<(f64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    /// Times in seconds, from half a millisecond to half a minute.
    pub const SECONDS: &'static [f64] =
        &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    /// Numbers of things that are done together.
    pub const SIZES: &'static [f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

    /// With these bounds.
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn record(&self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        // A negative or absurd value adds nothing, or as much as there is room for.
        self.sum.fetch_add((value * MILLION) as u64, Ordering::Relaxed);
    }

    /// Counts a time, in seconds.
    pub fn record_time(&self, time: Duration) {
        self.record(time.as_secs_f64());
    }

    /// What was counted so far.
    pub fn read(&self) -> Distribution {
        let mut count = 0;
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| {
                count += bucket.load(Ordering::Relaxed);
                count
            })
            .collect();
        let up_to = self.bounds.iter().copied().zip(counts).collect();
        Distribution { up_to, count, sum: self.sum.load(Ordering::Relaxed) as f64 / MILLION }
    }
}

const MILLION: f64 = 1_000_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_each_bound() {
        let histogram = Histogram::new(&[1.0, 10.0]);
        for value in [0.5, 1.0, 1.5, 10.0, 11.0] {
            histogram.record(value);
        }
        let read = histogram.read();
        assert_eq!((read.up_to, read.count, read.sum), (vec![(1.0, 2), (10.0, 4)], 5, 24.0));
    }
}
