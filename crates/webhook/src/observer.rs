//! Who is told how calls end.

use std::fmt;
use std::time::Duration;

use storage::InstanceId;

/// Hears how calls end, and says how many more there may be. Called from the workers: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// A call for this instance has ended so. `lag` is the time since the event, as far as that is known.
    fn called(&self, instance: InstanceId, outcome: CallOutcome, lag: Duration);

    /// How many calls may be under way for this instance, where that is limited. What may not be made waits, and is asked
    /// about again within [`ASK_AGAIN`].
    fn room(&self, _instance: InstanceId) -> Option<u64> {
        None
    }

    /// Calls wait for room.
    fn waiting(&self, _instance: InstanceId) {}
}

/// How often is asked whether there is room again.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How a call has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The receiver has it.
    Delivered,
    /// It failed, and is made again.
    Failed,
    /// It failed for the last time: it is a dead letter now.
    GivenUp,
}

/// Nobody hears of it.
pub(crate) struct Unobserved;

impl Observer for Unobserved {
    fn called(&self, _: InstanceId, _: CallOutcome, _: Duration) {}
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
