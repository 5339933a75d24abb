//! Progress of long statements on a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// Statements shorter than this show nothing.
const DELAY: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows what the leaves of a running plan have read, until it is dropped.
pub(crate) struct Progress {
    task: tokio::task::JoinHandle<()>,
    bar: ProgressBar,
}

impl Progress {
    /// Begins to watch a plan; `None` when stderr is no terminal or the user wants quiet.
    pub(crate) fn watch(plan: &Arc<dyn ExecutionPlan>, quiet: bool) -> Option<Self> {
        if quiet || !std::io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        let (plan, shown) = (plan.clone(), bar.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(DELAY).await;
            loop {
                let read = Read::of(plan.as_ref());
                shown.set_message(read.to_string());
                shown.tick();
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Some(Self { task, bar })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

#[derive(Default)]
struct Read {
    rows: u64,
    bytes: u64,
    files: u64,
}

impl Read {
    fn of(plan: &dyn ExecutionPlan) -> Self {
        let mut read = Self::default();
        read.add(plan);
        read
    }

    fn add(&mut self, plan: &dyn ExecutionPlan) {
        let children = plan.children();
        if children.is_empty()
            && let Some(metrics) = plan.metrics()
        {
            let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |v| count(v.as_usize()));
            self.rows += metrics.output_rows().map_or(0, count);
            self.bytes += sum("bytes_scanned");
            self.files += sum("files_opened");
        }
        for child in children {
            self.add(child.as_ref());
        }
    }
}

impl std::fmt::Display for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows", HumanCount(self.rows))?;
        if self.bytes > 0 {
            write!(f, ", {}", HumanBytes(self.bytes))?;
        }
        if self.files > 0 {
            write!(f, ", {} files", HumanCount(self.files))?;
        }
        Ok(())
    }
}
