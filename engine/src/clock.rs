//! The wall clock and the monotonic clock: the only module of the engine that reads them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970 in UTC; 0 if the machine's clock stands before that.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A point on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Mark(Instant);

/// Now, on the monotonic clock.
pub fn mark() -> Mark {
    Mark(Instant::now())
}

impl Mark {
    /// Time since the mark.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
