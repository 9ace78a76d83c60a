//! How many files and sockets the process may have open.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is usual where it can't be asked.
#[cfg(not(unix))]
const USUAL: u64 = 1024;

/// Raises the limit as far as the process itself may: services are often started with 1,024, though the system would give
/// them half a million. Returns what it was and what it is.
pub(crate) fn raise() -> (u64, u64) {
    let before = limit();
    #[cfg(unix)]
    {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Where it can't be raised it stays, and the limits below fit.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    (before, limit())
}

/// How many there may be.
pub(crate) fn limit() -> u64 {
    #[cfg(unix)]
    return getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    #[cfg(not(unix))]
    USUAL
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let (before, now) = raise();
        assert!(now >= before && now > 0);
        assert_eq!(Some(now), getrlimit(Resource::Nofile).maximum.or(Some(u64::MAX)));
    }
}
