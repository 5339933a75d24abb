//! The key merge of a section: which rows of its files survive, and which are to be folded.
//!
//! Only key columns are read, the sequence columns where the runs' sequence ranges overlap or `sequence.field` is set,
//! `_VALUE_KIND` where files hold deletes. Runs are decoded by tasks of their own and merged window by window, so
//! memory follows the number of runs, not their length. Source: `MergeTreeReaders`, `LookupMergeFunction`,
//! `SortMergeReaderWithLoserTree`.

mod block;
mod decoder;
mod merger;
mod outcome;
mod rules;
mod run_state;
mod source;

use std::sync::Arc;

pub(super) use decoder::order_converter;
pub use outcome::{FileOutcome, SectionOutcome};
pub use rules::{MergeRules, Resolution};

use self::merger::Merger;
use self::run_state::RunState;
use self::source::{KEY_STEP_BYTES, RunSource};
use crate::error::Result;
use crate::read::memory::ReadMemory;
use crate::read::split::{Partition, Section, SortedRun};
use crate::table::Table;

/// Merges the keys of a section, holding about `memory` of encoded keys.
///
/// # Errors
/// `Damaged` naming the file; also when a run is not sorted by key.
#[tracing::instrument(name = "key_merge", skip_all, fields(runs = section.runs.len()))]
pub async fn merge_section(
    table: &Table,
    partition: &Arc<Partition>,
    section: &Section,
    rules: &MergeRules,
    memory: ReadMemory,
) -> Result<SectionOutcome> {
    let ordered = needs_order(section, rules);
    let mut runs = Vec::with_capacity(section.runs.len());
    for run in &section.runs {
        let source = RunSource {
            table: table.clone(),
            partition: partition.clone(),
            run: run.clone(),
            rules: rules.clone(),
            ordered,
            step_bytes: memory.step_bytes(section.runs.len(), KEY_STEP_BYTES),
        };
        runs.push(RunState::start(source, run));
    }
    let mut merger = Merger {
        rules,
        ordered,
        runs,
        outcome: SectionOutcome::default(),
    };
    merger.run().await?;
    merger.finish()
}

/// Whether the order of two runs' rows is not that of the runs.
pub(super) fn needs_order(section: &Section, rules: &MergeRules) -> bool {
    if section.runs.len() < 2 {
        return false;
    }
    if !rules.sequence_fields.is_empty() {
        return true;
    }
    let range = |run: &SortedRun| {
        let min = run.files.iter().map(|f| f.meta.min_sequence_number).min();
        let max = run.files.iter().map(|f| f.meta.max_sequence_number).max();
        (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX))
    };
    section
        .runs
        .windows(2)
        .any(|w| range(&w[0]).1 >= range(&w[1]).0)
}
