//! Which files of a partition to join. Pure.
//!
//! Source: `DataEvolutionCompactCoordinator.CompactPlanner`.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::read::{SplitFile, is_side_file};

/// The rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `target-file-size`, bytes.
    pub target: u64,
    /// `source.split.open-file-cost`, bytes.
    pub open_cost: u64,
    /// Files that are joined at least.
    pub min_files: usize,
}

/// A column that files beside the normal ones hold, as those who read such files side by side tell them apart: BLOBs by
/// name, vectors by the schema they were written with, too.
type SideColumns = (Option<i64>, Vec<String>);

/// The files with columns of the same rows.
#[derive(Debug, Clone)]
pub(super) struct RowGroup {
    pub first_row_id: i64,
    pub rows: i64,
    /// Normal files, the oldest first; never none.
    pub files: Vec<SplitFile>,
    side: BTreeSet<SideColumns>,
}

impl RowGroup {
    /// The row id behind the last.
    pub fn end(&self) -> i64 {
        self.first_row_id.saturating_add(self.rows)
    }
}

/// Groups of a partition's files, in the order of their rows.
///
/// # Errors
/// `Damaged` naming a file without row id, or one that covers a part of another's rows.
pub(super) fn row_groups(files: &[SplitFile]) -> Result<Vec<RowGroup>> {
    let (side, normal): (Vec<_>, Vec<_>) =
        (files.iter()).partition(|f| is_side_file(&f.meta.file_name));
    let mut normal = normal
        .into_iter()
        .map(|file| Ok((first_row_id(file)?, file)))
        .collect::<Result<Vec<_>>>()?;
    normal.sort_by_key(|(first, f)| (*first, f.meta.max_sequence_number, &f.meta.file_name));
    let mut groups: Vec<RowGroup> = Vec::new();
    for (first, file) in normal {
        let rows = file.meta.row_count;
        match groups.last_mut() {
            Some(group) if first < group.end() => {
                if (first, rows) != (group.first_row_id, group.rows) {
                    return Err(Error::damaged(
                        "row ids of two files overlap without being the same",
                    )
                    .with("path", &file.path));
                }
                group.files.push(file.clone());
            }
            _ => groups.push(RowGroup {
                first_row_id: first,
                rows,
                files: vec![file.clone()],
                side: BTreeSet::new(),
            }),
        }
    }
    for file in side {
        note_side_file(&mut groups, file)?;
    }
    Ok(groups)
}

fn first_row_id(file: &SplitFile) -> Result<i64> {
    let first = file.meta.first_row_id;
    first.ok_or_else(|| {
        Error::damaged("a data file of a table with row ids has none").with("path", &file.path)
    })
}

fn note_side_file(groups: &mut [RowGroup], file: &SplitFile) -> Result<()> {
    let first = first_row_id(file)?;
    let end = first.saturating_add(file.meta.row_count);
    let vector = !file.meta.file_name.ends_with(".blob");
    let columns = (
        vector.then_some(file.meta.schema_id),
        file.meta.write_cols.clone().unwrap_or_default(),
    );
    let from = groups.partition_point(|g| g.end() <= first);
    for group in groups.iter_mut().skip(from) {
        if group.first_row_id >= end {
            break;
        }
        group.side.insert(columns.clone());
    }
    Ok(())
}

impl Rules {
    /// What becomes one file each: groups whose rows follow each other, until they are large enough. A group that is
    /// large by itself stays alone.
    ///
    /// Rows that have a BLOB beside them and rows that have none do not come together: files of a BLOB column cover all
    /// rows of the normal file beside them.
    pub fn packs(&self, groups: Vec<RowGroup>) -> Vec<Vec<RowGroup>> {
        let mut packs = Vec::new();
        let mut pack: Vec<RowGroup> = Vec::new();
        let mut weight = 0u64;
        for group in groups {
            let own = self.weight(&group);
            let follows = (pack.last())
                .is_none_or(|last| last.end() == group.first_row_id && last.side == group.side);
            let large = own > self.target;
            if !follows || large {
                packs.push(std::mem::take(&mut pack));
                weight = 0;
            }
            if large {
                packs.push(vec![group]);
                continue;
            }
            pack.push(group);
            weight = weight.saturating_add(own);
            if weight > self.target {
                packs.push(std::mem::take(&mut pack));
                weight = 0;
            }
        }
        packs.push(pack);
        packs.retain(|pack| {
            let files: usize = pack.iter().map(|g| g.files.len()).sum();
            files >= self.min_files.max(2)
        });
        packs
    }

    fn weight(&self, group: &RowGroup) -> u64 {
        let size = |f: &SplitFile| u64::try_from(f.meta.file_size).unwrap_or(0);
        let weights = group.files.iter().map(|f| size(f).max(self.open_cost));
        weights.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::commit::testing::file;

    const RULES: Rules = Rules {
        target: 100,
        open_cost: 10,
        min_files: 2,
    };

    fn of(name: &str, first: i64, rows: i64, size: i64) -> SplitFile {
        let mut meta = file(name, rows);
        meta.first_row_id = Some(first);
        meta.file_size = size;
        SplitFile {
            meta: Arc::new(meta),
            path: name.into(),
            deletion: None,
        }
    }

    fn blob(name: &str, first: i64, rows: i64) -> SplitFile {
        let mut file = of(name, first, rows, 1);
        Arc::make_mut(&mut file.meta).write_cols = Some(vec!["b".into()]);
        file
    }

    fn newer(mut file: SplitFile, sequence: i64) -> SplitFile {
        Arc::make_mut(&mut file.meta).max_sequence_number = sequence;
        file
    }

    /// Names of the files of each pack.
    fn packs(rules: Rules, files: &[SplitFile]) -> Vec<Vec<String>> {
        let names = |pack: Vec<RowGroup>| {
            let files = pack.into_iter().flat_map(|g| g.files);
            files.map(|f| f.meta.file_name.clone()).collect()
        };
        let packs = rules.packs(row_groups(files).unwrap());
        packs.into_iter().map(names).collect()
    }

    #[test]
    fn columns_of_the_same_rows_and_their_neighbours_come_together() {
        let files = [
            of("c", 10, 5, 1),
            newer(of("b", 0, 10, 1), 3),
            of("a", 0, 10, 1),
            of("alone", 20, 5, 1),
        ];
        assert_eq!(packs(RULES, &files), [["a", "b", "c"]]);
    }

    #[test]
    fn a_large_group_is_joined_by_itself_and_parts_its_neighbours() {
        let files = [
            of("a", 0, 1, 1),
            of("b", 1, 1, 1),
            of("c", 2, 1, 90),
            newer(of("d", 2, 1, 20), 2),
            of("e", 3, 1, 1),
            of("large", 4, 1, 200),
        ];
        assert_eq!(packs(RULES, &files), [["a", "b"], ["c", "d"]]);
    }

    #[test]
    fn a_pack_ends_when_it_passes_the_target() {
        let files: Vec<_> = (0..25).map(|i| of(&format!("{i:02}"), i, 1, 1)).collect();
        let sizes: Vec<usize> = packs(RULES, &files).iter().map(Vec::len).collect();
        assert_eq!(sizes, [11, 11, 3]);
        let patient = Rules {
            min_files: 5,
            ..RULES
        };
        assert_eq!(packs(patient, &files).len(), 2);
    }

    #[test]
    fn rows_with_and_without_blobs_stay_apart() {
        let files = [
            of("a", 0, 2, 1),
            of("b", 2, 2, 1),
            of("c", 4, 2, 1),
            of("d", 6, 2, 1),
            blob("x.blob", 4, 3),
            blob("y.blob", 7, 1),
        ];
        assert_eq!(packs(RULES, &files), [["a", "b"], ["c", "d"]]);
    }

    #[test]
    fn ranges_that_overlap_by_a_part_are_damage() {
        let files = [of("a", 0, 10, 1), of("b", 5, 10, 1)];
        assert!(row_groups(&files).is_err());
        let mut bare = of("a", 0, 10, 1);
        Arc::make_mut(&mut bare.meta).first_row_id = None;
        assert!(row_groups(&[bare]).is_err());
    }
}
