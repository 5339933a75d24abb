//! Which rows of deeper levels have a key that newer files have, too. Source: `LookupLevels`.
//!
//! Java builds a hash file of every deeper file it looks into. Here the sorted keys of both sides are merged, and pages of
//! the deeper files that cannot hold any of the keys are left out.

use std::sync::Arc;

use arrow_array::{Array, Int64Array};
use futures::StreamExt;

use super::Role;
use super::run::{Run, RunBlock, RunSource};
use super::window::{Window, cut};
use crate::arrow_bridge::datum_at;
use crate::error::{Error, Result};
use crate::predicate::{Predicate, PredicateOp};
use crate::read::file::scan::FileScan;
use crate::read::merge::section::MergeRules;
use crate::read::split::{Partition, SortedRun, SplitFile};
use crate::selection::FileSelection;
use crate::spec::{DataField, Datum};
use crate::table::Table;

/// So many keys are looked up one by one in the page indexes of the deeper files.
const POINT_KEYS: i64 = 1024;

/// A run of a deeper level and the rows of it that are looked up.
#[derive(Debug, Clone)]
pub(crate) struct BelowRun {
    pub(crate) run: SortedRun,
    /// Rows of each file.
    pub(crate) rows: Vec<Arc<FileSelection>>,
}

/// A lookup of the keys of some files in deeper runs.
#[derive(Debug)]
pub(crate) struct KeyLookup {
    pub(crate) table: Table,
    pub(crate) partition: Arc<Partition>,
    /// Files whose keys are looked up.
    pub(crate) newer: Vec<SplitFile>,
    /// Smallest and largest value that the first key column has in them, where known.
    pub(crate) first_key: Option<(Datum, Datum)>,
    /// Runs that are looked into, deepest first.
    pub(crate) below: Vec<SortedRun>,
}

impl KeyLookup {
    /// The rows found, without those that are deleted; runs and files without any are left out.
    ///
    /// # Errors
    /// `Damaged` naming a file.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub(crate) async fn run(self) -> Result<Vec<BelowRun>> {
        if self.below.is_empty() || self.newer.is_empty() {
            return Ok(Vec::new());
        }
        let skip = self.skip().await?;
        let rules = Arc::new(MergeRules::of(&self.table));
        let fields = Arc::new(rules.key_fields.clone());
        let source = |run: &SortedRun, skip: &Predicate| RunSource {
            table: self.table.clone(),
            partition: self.partition.clone(),
            run: run.clone(),
            rows: None,
            fields: fields.clone(),
            rules: rules.clone(),
            ordered: false,
            skip: skip.clone(),
            with_positions: true,
            runs: self.below.len() + self.newer.len(),
        };
        let below = self.below.iter();
        let mut runs: Vec<Run> = below
            .map(|run| Run::start(source(run, &skip), Role::Below))
            .collect();
        runs.extend(self.newer.iter().map(|file| {
            let run = SortedRun {
                level: 0,
                files: vec![file.clone()],
            };
            Run::start(source(&run, &Predicate::AlwaysTrue), Role::Merged)
        }));
        let mut found: Vec<Vec<Vec<u64>>> = (self.below.iter())
            .map(|run| vec![Vec::new(); run.files.len()])
            .collect();
        while step(&mut runs, &mut found).await? {}
        Ok(self.selections(found))
    }

    fn selections(self, found: Vec<Vec<Vec<u64>>>) -> Vec<BelowRun> {
        let mut runs = Vec::new();
        for (run, positions) in self.below.into_iter().zip(found) {
            let mut kept = BelowRun {
                run: SortedRun {
                    level: run.level,
                    files: Vec::new(),
                },
                rows: Vec::new(),
            };
            for (file, positions) in run.files.into_iter().zip(positions) {
                if !positions.is_empty() {
                    let rows = usize::try_from(file.meta.row_count).unwrap_or(0);
                    let selection = FileSelection::only(rows, positions.into_iter());
                    kept.rows.push(Arc::new(selection));
                    kept.run.files.push(file);
                }
            }
            if !kept.rows.is_empty() {
                runs.push(kept);
            }
        }
        runs
    }

    /// A filter that all rows wanted match.
    async fn skip(&self) -> Result<Predicate> {
        let Some(column) = self.table.schema().key_fields().into_iter().next() else {
            return Err(Error::internal("keys of a table without a primary key"));
        };
        let rows: i64 = self.newer.iter().map(|f| f.meta.row_count).sum();
        if rows <= POINT_KEYS {
            let keys = self.first_keys(&column).await?;
            return match keys.iter().any(Option::is_none) {
                true => Ok(Predicate::AlwaysTrue),
                false => Predicate::leaf(&column, PredicateOp::In, keys),
            };
        }
        let Some((min, max)) = &self.first_key else {
            return Ok(Predicate::AlwaysTrue);
        };
        Ok(Predicate::and([
            Predicate::leaf(&column, PredicateOp::GtEq, vec![Some(min.clone())])?,
            Predicate::leaf(&column, PredicateOp::LtEq, vec![Some(max.clone())])?,
        ]))
    }

    /// Values of the first key column in the newer files, neighbours that are the same once.
    async fn first_keys(&self, column: &DataField) -> Result<Vec<Option<Datum>>> {
        let mut keys = Vec::new();
        for file in &self.newer {
            let fields = std::slice::from_ref(column);
            let mut batches = FileScan::new(&self.table, &self.partition, file, fields)
                .open()
                .await?;
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let values = batch.column(0);
                for i in 0..values.len() {
                    let value = datum_at(values.as_ref(), i, &column.data_type)?;
                    if keys.last() != Some(&value) {
                        keys.push(value);
                    }
                }
            }
        }
        Ok(keys)
    }
}

/// Merges one window of keys; false at the end.
async fn step(runs: &mut [Run], found: &mut [Vec<Vec<u64>>]) -> Result<bool> {
    let mut active = Vec::with_capacity(runs.len());
    let (mut newer, mut below) = (false, false);
    for (r, run) in runs.iter_mut().enumerate() {
        if run.fill().await? {
            active.push(r);
            newer |= run.role == Role::Merged;
            below |= run.role == Role::Below;
        }
    }
    // one side alone has no matches
    if !newer || !below {
        return Ok(false);
    }
    let blocks: Vec<&RunBlock> = active
        .iter()
        .filter_map(|r| runs[*r].current.as_ref())
        .collect();
    let offsets: Vec<usize> = active.iter().map(|r| runs[*r].offset).collect();
    let (ends, window) = cut(&blocks, &offsets);
    if let Window::Shared { rows, groups } = window {
        let is_newer = |slot: usize| runs[active[slot]].role == Role::Merged;
        for bounds in groups.windows(2) {
            let members = &rows[bounds[0]..bounds[1]];
            if members.iter().all(|m| !is_newer(m.0)) {
                continue;
            }
            for (slot, row) in members.iter().filter(|m| !is_newer(m.0)) {
                let position = blocks[*slot].positions.as_ref().map(|p| at(p, *row));
                let position =
                    position.ok_or_else(|| Error::internal("a block lacks positions"))?;
                found[active[*slot]][blocks[*slot].file].push(position);
            }
        }
    }
    for (r, end) in active.iter().zip(ends) {
        runs[*r].offset = end;
    }
    Ok(true)
}

fn at(positions: &Int64Array, row: usize) -> u64 {
    u64::try_from(positions.value(row)).unwrap_or(0)
}
