//! Row ids given anew, so that the rows of a partition have ids that follow each other: a snapshot of the same files.
//!
//! Source: `DataEvolutionRowIdReassigner`, `DataEvolutionRowIdAssignmentPlanner`, `LiveFileRowIdRangeCollector`. [`Moves`] is
//! pure: it decides which rows get which ids.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::manifests::files::ManifestFiles;
use super::{FileStoreCommit, Plan};
use crate::error::{Error, Result};
use crate::manifest::{ManifestScan, partition_values};
use crate::options::parse_i64;
use crate::read::is_side_file;
use crate::spec::{
    CommitKind, DataField, Datum, FileKind, IndexManifestEntry, ManifestCommittable, ManifestEntry,
    ManifestFileMeta, ROW_ID,
};

/// Rows that follow each other in numbers larger than this keep their ids.
const SKIP_KEY: &str = "data-evolution.reassign.skip-contiguous-row-count";
const SKIP_DEFAULT: i64 = 1_000_000_000;

/// Which partitions get new ids, by their serialised rows.
pub type PartitionChoice<'a> = dyn Fn(&Bytes) -> Result<bool> + Send + Sync + 'a;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReassignedRowIds {
    /// The snapshot with the new ids.
    pub snapshot_id: i64,
    /// The first new id.
    pub first_row_id: i64,
    /// The id behind the last new one.
    pub next_row_id: i64,
    /// Entries of data files with new ids.
    pub files: u64,
    /// Global index files with new ids.
    pub index_files: u64,
}

/// The work of a commit, and what its last attempt did.
pub(super) struct RowIds<'a> {
    chosen: &'a PartitionChoice<'a>,
    done: Mutex<ReassignedRowIds>,
}

impl fmt::Debug for RowIds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowIds").finish_non_exhaustive()
    }
}

impl FileStoreCommit {
    /// Gives the rows of partitions whose ids have gaps new ones, behind all that were ever given, as an OVERWRITE snapshot
    /// that changes no file. `None` when no partition needs it.
    ///
    /// # Errors
    /// `Unsupported` for tables without data evolution and for files that store ids; `Damaged` for files of one partition
    /// that share some of their rows; else as [`Self::commit`].
    ///
    /// # Cancel safety
    /// A cancelled call may have taken effect; calling it again finds nothing to do then.
    pub async fn reassign_row_ids(
        &self,
        identifier: i64,
        chosen: &PartitionChoice<'_>,
    ) -> Result<Option<ReassignedRowIds>> {
        if !self.table.options().data_evolution {
            return Err(Error::unsupported(
                "row ids are given anew in tables with `data-evolution.enabled` alone",
            )
            .with("option", "data-evolution.enabled")
            .with("table", self.table.name()));
        }
        let Some(snapshot) = self.table.snapshots().latest().await? else {
            return Ok(None);
        };
        let (live, _) = self.table.manifest_scan().live_files(&snapshot).await?;
        let next = snapshot.next_row_id.unwrap_or(0);
        let work = RowIds {
            chosen,
            done: Mutex::default(),
        };
        let moves = self.moves(&work, &live, next);
        let moves = moves.map_err(|e| e.with_default("table", self.table.name()))?;
        if moves.is_empty() {
            return Ok(None);
        }
        let committable = ManifestCommittable {
            identifier,
            ..ManifestCommittable::default()
        };
        let plan = Plan::RowIds(&work);
        let request = self.request(CommitKind::Overwrite, &committable, false, plan);
        let snapshot_id = self.publish(&request).await?;
        let done = work.done.lock().clone();
        Ok(Some(ReassignedRowIds {
            snapshot_id,
            ..done
        }))
    }

    /// The new ids of live files.
    pub(super) fn moves(
        &self,
        work: &RowIds<'_>,
        live: &[ManifestEntry],
        next_row_id: i64,
    ) -> Result<Moves> {
        let skip = match self.table.options().get(SKIP_KEY) {
            None => SKIP_DEFAULT,
            Some(text) => parse_i64(text)
                .and_then(|rows| match rows {
                    0.. => Ok(rows),
                    _ => Err(Error::invalid(format!("expected at least 0, found {rows}"))),
                })
                .map_err(|e| e.with("option", SKIP_KEY))?,
        };
        let fields = self.table.schema().partition_fields();
        Moves::plan(live, &fields, next_row_id, skip, work.chosen)
    }
}

impl RowIds<'_> {
    /// The manifests with new ids in place of the old ones.
    ///
    /// # Errors
    /// `Damaged` naming a manifest that cannot be read; those of writing.
    pub(super) async fn rewritten(
        &self,
        moves: &Moves,
        manifests: Vec<ManifestFileMeta>,
        scan: &ManifestScan,
        files: &mut ManifestFiles<'_>,
    ) -> Result<Vec<ManifestFileMeta>> {
        let mut out = Vec::with_capacity(manifests.len());
        let mut added = 0;
        for manifest in manifests {
            let mut entries = scan.entries(std::slice::from_ref(&manifest)).await?;
            let mut changed = false;
            for entry in &mut entries {
                let Some(first) = moves.first_of(entry)? else {
                    continue;
                };
                Arc::make_mut(&mut entry.file).first_row_id = Some(first);
                changed = true;
                added += u64::from(entry.kind == FileKind::Add);
            }
            match changed {
                true => out.extend(files.entries(&entries).await?),
                false => out.push(manifest),
            }
        }
        *self.done.lock() = ReassignedRowIds {
            first_row_id: moves.first,
            next_row_id: moves.next,
            files: added,
            ..ReassignedRowIds::default()
        };
        Ok(out)
    }

    /// The index files of the snapshot; those that cover rows of several stretches go.
    pub(super) fn indexes(
        &self,
        moves: &Moves,
        before: Vec<IndexManifestEntry>,
    ) -> Vec<IndexManifestEntry> {
        let mut after = Vec::with_capacity(before.len());
        for mut entry in before {
            let Some(index) = &mut entry.global_index else {
                after.push(entry);
                continue;
            };
            let range = RowRange {
                first: index.row_range_start,
                last: index.row_range_end,
            };
            match moves.moved(&entry.partition, range) {
                Some(first) => {
                    index.row_range_start = first;
                    index.row_range_end = first + range.last - range.first;
                    self.done.lock().index_files += 1;
                    after.push(entry);
                }
                None if moves.touches(&entry.partition, range) => tracing::warn!(
                    index_file = entry.file_name,
                    "an index of rows that do not stay together is left out"
                ),
                None => after.push(entry),
            }
        }
        after
    }
}

/// Ids of rows, the last one among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowRange {
    first: i64,
    last: i64,
}

/// Stretches of rows and the first of their new ids, by partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    stretches: HashMap<Bytes, Vec<(RowRange, i64)>>,
    first: i64,
    next: i64,
}

/// A partition whose rows get new ids.
struct Selected<'a> {
    values: Vec<Option<Datum>>,
    bytes: &'a Bytes,
    stretches: Vec<RowRange>,
}

impl Moves {
    /// Decides the new ids, from `next_row_id` on, partition after partition in the order of their values. Stretches of more
    /// than `skip` rows keep theirs, unless it is 0.
    fn plan(
        live: &[ManifestEntry],
        fields: &[DataField],
        next_row_id: i64,
        skip: i64,
        chosen: &PartitionChoice<'_>,
    ) -> Result<Self> {
        let mut files: HashMap<&Bytes, Option<Vec<&ManifestEntry>>> = HashMap::new();
        for entry in live {
            if !files.contains_key(&entry.partition) {
                let wanted = chosen(&entry.partition)?.then(Vec::new);
                files.insert(&entry.partition, wanted);
            }
            if let Some(Some(files)) = files.get_mut(&entry.partition) {
                files.push(entry);
            }
        }
        let mut selected = Vec::new();
        for (bytes, files) in files {
            let mut stretches = stretches(&files.unwrap_or_default())?;
            if skip > 0 && has_gaps(&stretches) {
                stretches = without_long_runs(&stretches, skip);
            }
            if has_gaps(&stretches) {
                selected.push(Selected {
                    values: partition_values(bytes, fields)?,
                    bytes,
                    stretches,
                });
            }
        }
        selected.sort_by(|a, b| {
            let order = compare(&a.values, &b.values);
            order.then_with(|| a.stretches.first().cmp(&b.stretches.first()))
        });
        let mut moves = Self {
            first: next_row_id,
            next: next_row_id,
            ..Self::default()
        };
        for partition in selected {
            let mut moved = Vec::with_capacity(partition.stretches.len());
            for stretch in partition.stretches {
                moved.push((stretch, moves.next));
                let rows = stretch.last - stretch.first + 1;
                let next = moves.next.checked_add(rows);
                moves.next = next.ok_or_else(|| Error::damaged("there are no row ids left"))?;
            }
            moves.stretches.insert(partition.bytes.clone(), moved);
        }
        Ok(moves)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The id behind the last new one.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// The first new id of a file, also of one that was removed; `None` when its rows keep theirs.
    fn first_of(&self, entry: &ManifestEntry) -> Result<Option<i64>> {
        if !self.stretches.contains_key(&entry.partition) {
            return Ok(None);
        }
        Ok(self.moved(&entry.partition, rows_of(entry)?))
    }

    /// The first new id of rows that lie in one stretch.
    fn moved(&self, partition: &Bytes, rows: RowRange) -> Option<i64> {
        let stretches = self.stretches.get(partition)?;
        let behind = stretches.partition_point(|(stretch, _)| stretch.first <= rows.first);
        let (stretch, first) = stretches.get(behind.checked_sub(1)?)?;
        (rows.last <= stretch.last).then(|| first + (rows.first - stretch.first))
    }

    /// Whether some of these rows get new ids.
    fn touches(&self, partition: &Bytes, rows: RowRange) -> bool {
        let stretches = self.stretches.get(partition).into_iter().flatten();
        stretches
            .into_iter()
            .any(|(s, _)| s.first <= rows.last && rows.first <= s.last)
    }
}

fn compare(a: &[Option<Datum>], b: &[Option<Datum>]) -> Ordering {
    let pairs = a.iter().zip(b).map(|pair| match pair {
        (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

/// The ids of a file's rows.
fn rows_of(entry: &ManifestEntry) -> Result<RowRange> {
    let file = &entry.file;
    let stored = (file.write_cols.iter().flatten()).any(|name| name == ROW_ID);
    if stored {
        return Err(Error::unsupported(
            "a file stores the ids of its rows: they cannot be given anew",
        )
        .with("file", &file.file_name));
    }
    let last = |first: i64| first.checked_add(file.row_count.checked_sub(1)?);
    match file
        .first_row_id
        .and_then(|first| Some((first, last(first)?)))
    {
        Some((first, last)) if first <= last => Ok(RowRange { first, last }),
        _ => Err(Error::damaged("a file has no row ids").with("file", &file.file_name)),
    }
}

/// The stretches of rows that files of a partition hold, ascending. Files of some columns lie over the same rows, side files
/// (blobs) within them.
fn stretches(files: &[&ManifestEntry]) -> Result<Vec<RowRange>> {
    let mut ranges = Vec::with_capacity(files.len());
    for entry in files {
        let is_side = is_side_file(&entry.file.file_name);
        ranges.push((rows_of(entry)?, is_side, &entry.file.file_name));
    }
    ranges.sort();
    // all rows of a group, and those of its normal files
    let mut groups: Vec<(RowRange, Option<RowRange>)> = Vec::new();
    for (rows, is_side, name) in ranges {
        let normal = (!is_side).then_some(rows);
        let Some((all, known)) = groups.last_mut().filter(|(all, _)| rows.first <= all.last) else {
            groups.push((rows, normal));
            continue;
        };
        all.last = all.last.max(rows.last);
        if known.is_some_and(|known| normal.is_some_and(|rows| rows != known)) {
            return Err(
                Error::damaged("files of a partition share some of their rows").with("file", name),
            );
        }
        *known = known.or(normal);
    }
    let mut stretches = Vec::with_capacity(groups.len());
    for (all, normal) in groups {
        let stretch = normal.unwrap_or(all);
        if all != stretch {
            return Err(
                Error::damaged("a side file has rows that no other file has")
                    .with("first_row_id", all.first),
            );
        }
        stretches.push(stretch);
    }
    Ok(stretches)
}

fn follows(before: &RowRange, after: &RowRange) -> bool {
    before.last.checked_add(1) == Some(after.first)
}

fn has_gaps(stretches: &[RowRange]) -> bool {
    stretches.windows(2).any(|pair| match pair {
        [before, after] => !follows(before, after),
        _ => false,
    })
}

/// The stretches that are no part of more than `rows` rows that follow each other.
fn without_long_runs(stretches: &[RowRange], rows: i64) -> Vec<RowRange> {
    let runs = stretches.chunk_by(follows).filter(|run| {
        let length = run.first().zip(run.last()).map(|(a, b)| b.last - a.first);
        // one less than the number of rows
        length.is_some_and(|length| length < rows)
    });
    runs.flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::commit::testing::{entry, file, key, key_fields};

    /// A file of a partition with rows from an id on.
    fn rows(partition: i32, name: &str, first: i64, count: i64) -> ManifestEntry {
        let mut entry = entry(FileKind::Add, file(name, count));
        Arc::make_mut(&mut entry.file).first_row_id = Some(first);
        ManifestEntry {
            partition: key(partition),
            ..entry
        }
    }

    fn plan(live: &[ManifestEntry], skip: i64) -> Result<Moves> {
        Moves::plan(live, &key_fields(), 100, skip, &|_| Ok(true))
    }

    fn firsts(moves: &Moves, live: &[ManifestEntry]) -> Vec<Option<i64>> {
        let first = |entry| moves.first_of(entry).unwrap();
        live.iter().map(first).collect()
    }

    #[test]
    fn partitions_with_gaps_get_ids_in_the_order_of_their_values() {
        let live = [
            rows(7, "a", 0, 10),
            rows(3, "b", 10, 5),
            rows(7, "c", 15, 5),
            rows(3, "d", 20, 5),
            // these follow each other
            rows(5, "e", 25, 5),
            rows(5, "f", 30, 5),
        ];
        let moves = plan(&live, 0).unwrap();
        assert_eq!((moves.first, moves.next), (100, 125));
        let expected = [Some(110), Some(100), Some(120), Some(105), None, None];
        assert_eq!(firsts(&moves, &live), expected);
        let chosen = |partition: &Bytes| Ok(*partition == key(3));
        let some = Moves::plan(&live, &key_fields(), 100, 0, &chosen).unwrap();
        let expected = [None, Some(100), None, Some(105), None, None];
        assert_eq!(firsts(&some, &live), expected);
        assert!(plan(&live[4..], 0).unwrap().is_empty());
    }

    #[test]
    fn files_of_columns_and_side_files_move_with_their_rows() {
        let live = [
            rows(1, "a", 0, 10),
            rows(1, "columns", 0, 10),
            rows(1, "1.blob", 0, 4),
            rows(1, "2.blob", 4, 6),
            rows(1, "b", 20, 10),
            rows(1, "3.blob", 20, 10),
        ];
        let moves = plan(&live, 0).unwrap();
        let expected = [100, 100, 100, 104, 110, 110].map(Some);
        assert_eq!(firsts(&moves, &live), expected);
        // a file that was removed meanwhile keeps ids that no live row has
        assert_eq!(moves.first_of(&rows(1, "old", 12, 2)).unwrap(), None);
        assert_eq!(moves.first_of(&rows(1, "old", 2, 3)).unwrap(), Some(102));
    }

    #[test]
    fn long_runs_keep_their_ids() {
        let live = [
            rows(1, "a", 0, 10),
            rows(1, "b", 10, 10),
            rows(1, "c", 40, 5),
            rows(1, "d", 60, 5),
        ];
        let moves = plan(&live, 19).unwrap();
        assert_eq!(firsts(&moves, &live), [None, None, Some(100), Some(105)]);
        assert_eq!(plan(&live, 20).unwrap().next, 130);
        assert!(plan(&live[..3], 19).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_moved_is_named() {
        let shared = [
            rows(1, "a", 0, 10),
            rows(1, "b", 5, 10),
            rows(1, "c", 50, 1),
        ];
        let error = plan(&shared, 0).unwrap_err().to_string();
        assert!(error.contains("share some of their rows"), "{error}");
        let mut stored = rows(1, "a", 0, 10);
        Arc::make_mut(&mut stored.file).write_cols = Some(vec![ROW_ID.to_string()]);
        let error = plan(&[stored], 0).unwrap_err().to_string();
        assert!(error.contains("stores the ids"), "{error}");
        let none = entry(FileKind::Add, file("a", 1));
        let none = ManifestEntry {
            partition: key(1),
            ..none
        };
        assert!(plan(&[none], 0).is_err());
        let outside = [rows(1, "a", 0, 5), rows(1, "1.blob", 3, 5)];
        assert!(plan(&outside, 0).is_err());
    }
}
