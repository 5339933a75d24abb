//! How often and after what pause a commit is attempted again.

use std::time::Duration;

use crate::commit::CommitContext;
use crate::commit::options::CommitOptions;
use crate::error::Result;
use crate::table::Table;

/// Attempts of one commit, or of a statement that reads what it changes: as many as `commit.max-retries` and
/// `commit.timeout` allow, with the pauses of `commit.min-retry-wait` and `commit.max-retry-wait`.
#[derive(Debug, Clone)]
pub struct Retries {
    options: CommitOptions,
    context: CommitContext,
    started_ms: i64,
    attempts: u32,
}

impl Retries {
    /// By the options of a table, from now on.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` naming the option.
    pub fn of(table: &Table, context: &CommitContext) -> Result<Self> {
        let options = CommitOptions::new(table.options());
        let options = options.map_err(|e| e.with("table", table.name()))?;
        Ok(Self::new(&options, context))
    }

    pub(in crate::commit) fn new(options: &CommitOptions, context: &CommitContext) -> Self {
        Self {
            options: options.clone(),
            context: context.clone(),
            started_ms: context.clock.epoch_ms(),
            attempts: 0,
        }
    }

    /// Attempts that failed so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Counts a failed attempt and pauses; false when there shall be no other one.
    pub async fn wait(&mut self) -> bool {
        self.attempts += 1;
        let spent = self.context.clock.epoch_ms() - self.started_ms;
        let late = self
            .options
            .timeout_ms
            .is_some_and(|limit| u64::try_from(spent).unwrap_or(0) > limit);
        if self.attempts > self.options.max_retries || late {
            return false;
        }
        let jitter = self.context.ids.uuid().as_u128() % 1000;
        let jitter = u64::try_from(jitter).unwrap_or(0);
        tokio::time::sleep(pause(&self.options, self.attempts, jitter)).await;
        true
    }
}

/// Doubles with every attempt up to the limit; `jitter` of 0..1000 adds up to a fifth.
fn pause(options: &CommitOptions, attempt: u32, jitter: u64) -> Duration {
    let doubled = options
        .retry_wait_min_ms
        .saturating_mul(1u64.checked_shl(attempt - 1).unwrap_or(u64::MAX));
    let base = doubled.min(options.retry_wait_max_ms);
    Duration::from_millis(base + base * jitter / 5000)
}
