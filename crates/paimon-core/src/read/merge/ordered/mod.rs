//! The merged rows of a section in key order, every column with them: what compaction writes.
//!
//! All runs are read at once, window by window: a window ends with the smallest last key of the runs' current blocks, so
//! memory follows the number of runs, not their length. Where one run is alone in a range its rows pass as whole slices,
//! elsewhere they are gathered. Source: `MergeTreeReaders`, `SortMergeReaderWithLoserTree`,
//! `ReducerMergeFunctionWrapper`.

mod changes;
mod equality;
mod lookup;
mod run;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Int8Array, Int64Array, RecordBatch};
use futures::StreamExt;
use futures::stream::BoxStream;

pub(crate) use self::changes::{ChangelogMoment, ChangelogRules};
pub(in crate::read) use self::changes::{compare_column, compare_unordered};
pub(crate) use self::lookup::{BelowRun, KeyLookup};
use self::run::{Run, RunSource};
use super::section::{MergeRules, Resolution, needs_order};
use crate::error::Result;
use crate::mergetree::function::{MergeFunction, create_merge_function};
use crate::predicate::Predicate;
use crate::read::split::{Partition, Section, SortedRun};
use crate::table::Table;

/// Rows in key order, each key once.
#[derive(Debug, Clone)]
pub(crate) struct OrderedBatch {
    /// The table's columns.
    pub(crate) values: RecordBatch,
    /// Sequence number of every row: that of the last record merged into it.
    pub(crate) sequence: Int64Array,
    /// Kind of every row.
    pub(crate) kinds: Int8Array,
}

/// What a merge gives.
#[derive(Debug, Clone)]
pub(crate) enum Merged {
    /// Rows of the result.
    Rows(OrderedBatch),
    /// What the result changes for readers, in key order: -U before +U.
    Changelog(OrderedBatch),
}

/// A merge of one section.
#[derive(Debug)]
pub(crate) struct OrderedMerge {
    pub(crate) table: Table,
    pub(crate) partition: Arc<Partition>,
    pub(crate) section: Section,
    /// Whether -U and -D rows stay in the result.
    pub(crate) keep_deletes: bool,
    /// Rows of deeper levels with keys of the section's level-0 files, deepest first: they take part in the merge, but
    /// stay where they are.
    pub(crate) below: Vec<BelowRun>,
    /// Which changes are told.
    pub(crate) changelog: Option<ChangelogRules>,
    /// Whether a record that is alone in its key goes through the merge function, too, as in lookup compactions; an
    /// aggregate of one record may differ from it, and so may a partial update with no value in a sequence group.
    pub(crate) folds_single: bool,
}

impl OrderedMerge {
    /// The rows. Reading begins with the call.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` for options of the merge engine; through the stream `Damaged` naming the file,
    /// and the errors of the merge function.
    ///
    /// # Cancel safety
    /// Dropping the stream leaves nothing behind.
    pub(crate) fn stream(self) -> Result<BoxStream<'static, Result<Merged>>> {
        let rules = Arc::new(MergeRules::of(&self.table));
        let function: Option<Arc<dyn MergeFunction>> = match rules.resolution {
            Resolution::Fold => {
                let schema = self.table.schema();
                let function = create_merge_function(
                    self.table.options().merge_engine,
                    &schema.fields,
                    &schema.primary_keys,
                    self.table.options().map(),
                )
                .map_err(|e| e.with_default("table", self.table.name()))?;
                Some(function.into())
            }
            Resolution::Latest | Resolution::First => None,
        };
        let ordered = needs_order(&self.all_runs(), &rules);
        let source = |run: &SortedRun| RunSource {
            table: self.table.clone(),
            partition: self.partition.clone(),
            run: run.clone(),
            rows: None,
            fields: Arc::new(self.table.schema().fields.clone()),
            rules: rules.clone(),
            ordered,
            skip: Predicate::AlwaysTrue,
            with_positions: false,
            runs: self.section.runs.len() + self.below.len(),
        };
        let below = self.below.iter().map(|below| {
            let rows = Some(below.rows.clone());
            let source = RunSource {
                rows,
                ..source(&below.run)
            };
            Run::start(source, Role::Below)
        });
        let own = self.section.runs.iter();
        let own = own.map(|run| Run::start(source(run), Role::Merged));
        let merger = Merger {
            schema: self.table.arrow_schema(),
            function,
            ordered,
            keep_deletes: self.keep_deletes,
            runs: below.chain(own).collect(),
            changelog: self.changelog.clone(),
            folds_single: self.folds_single,
            rules,
            ready: VecDeque::new(),
        };
        let steps = futures::stream::try_unfold(merger, |mut merger| async move {
            Ok(merger.next().await?.map(|batch| (batch, merger)))
        });
        Ok(steps.boxed())
    }
}

impl OrderedMerge {
    /// The runs below and those of the section, oldest first.
    fn all_runs(&self) -> Section {
        let below = self.below.iter().map(|b| b.run.clone());
        Section {
            runs: below.chain(self.section.runs.iter().cloned()).collect(),
        }
    }
}

/// Whether the rows of a run move to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// They are merged and gone.
    Merged,
    /// They are only looked up.
    Below,
}

/// A merge under way.
struct Merger {
    schema: arrow_schema::SchemaRef,
    rules: Arc<MergeRules>,
    /// For engines that fold.
    function: Option<Arc<dyn MergeFunction>>,
    /// Whether the order of two runs' rows is not that of the runs.
    ordered: bool,
    keep_deletes: bool,
    /// Oldest first.
    runs: Vec<Run>,
    changelog: Option<ChangelogRules>,
    folds_single: bool,
    ready: VecDeque<Merged>,
}

impl Merger {
    async fn next(&mut self) -> Result<Option<Merged>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let mut active = Vec::with_capacity(self.runs.len());
            for (r, run) in self.runs.iter_mut().enumerate() {
                if run.fill().await? {
                    active.push(r);
                }
            }
            if active.is_empty() {
                return Ok(None);
            }
            self.window(&active)?;
        }
    }
}
