//! Waiting for the next snapshot.

use std::fmt;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::write::{IdSource, RandomIds};

/// Waits between two looks for the next snapshot.
pub trait Pause: Send + Sync + fmt::Debug {
    /// Ends after about `time`.
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()>;
}

/// Waits by the system's clock, up to a tenth longer than asked for: readers of one table do not look at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemPause;

impl Pause for SystemPause {
    fn pause(&self, time: Duration) -> BoxFuture<'static, ()> {
        let part = u32::from(RandomIds.uuid().as_bytes()[0]);
        tokio::time::sleep(time + time * part / 2560).boxed()
    }
}
