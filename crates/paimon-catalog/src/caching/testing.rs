//! A clock that stands still.

use std::sync::atomic::{AtomicI64, Ordering};

use paimon_core::write::Clock;

/// Moves when it is told to.
#[derive(Debug, Default)]
pub(super) struct HandClock {
    now_ms: AtomicI64,
}

impl HandClock {
    pub(super) fn pass_ms(&self, millis: i64) {
        self.now_ms.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn local_ms(&self) -> i64 {
        self.epoch_ms()
    }

    fn epoch_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}
