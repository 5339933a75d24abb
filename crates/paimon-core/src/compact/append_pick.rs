//! Which files of an append bucket to join. Pure.
//!
//! Source: `AppendCompactCoordinator` (one unaware bucket), `BucketedAppendCompactManager` (buckets with an order).

/// What picking looks at of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AppendFile {
    pub bytes: u64,
    pub rows: u64,
    /// Rows its deletion vector removes; `None` without one.
    pub deleted: Option<u64>,
}

/// The rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct AppendRules {
    /// `target-file-size`, bytes
    pub target: u64,
    /// Files below this size are candidates, bytes.
    pub small: u64,
    /// `compaction.min.file-num`
    pub min_files: usize,
    /// `source.split.open-file-cost`, bytes
    pub open_cost: u64,
    /// `compaction.delete-ratio-threshold`
    pub delete_ratio: f64,
}

/// Fewest files that a full compaction of an ordered bucket joins.
const FULL_MIN_FILES: usize = 3;

impl AppendRules {
    /// Packs of an unaware bucket: positions of the files to join, smallest files first. `full` takes what is left over
    /// however few files that is.
    pub fn unaware(&self, files: &[AppendFile], full: bool) -> Vec<Vec<usize>> {
        let mut candidates: Vec<usize> = (0..files.len())
            .filter(|i| files[*i].bytes < self.small || self.mostly_deleted(&files[*i]))
            .collect();
        candidates.sort_by_key(|i| files[*i].bytes);
        let mut packs = Vec::new();
        let mut pack: Vec<usize> = Vec::new();
        let mut weight = 0u64;
        for i in candidates {
            pack.push(i);
            weight = weight.saturating_add(files[i].bytes.saturating_add(self.open_cost));
            if pack.len() > 1 && weight >= self.target.saturating_mul(2) {
                packs.push(std::mem::take(&mut pack));
                weight = 0;
            }
        }
        let deletes = pack.iter().any(|i| files[*i].deleted.is_some());
        if pack.len() >= self.min_files || (full && pack.len() > 1) || deletes {
            packs.push(pack);
        }
        packs
    }

    /// Whether so many rows are deleted that a file is rewritten whatever its size.
    fn mostly_deleted(&self, file: &AppendFile) -> bool {
        let number = |n: u64| u32::try_from(n.min(u64::from(u32::MAX))).unwrap_or(u32::MAX);
        // both halved until they fit: the ratio stays
        let (mut deleted, mut rows) = (file.deleted.unwrap_or(0), file.rows);
        while rows > u64::from(u32::MAX) {
            (deleted, rows) = (deleted / 2, rows / 2);
        }
        f64::from(number(deleted)) > self.delete_ratio * f64::from(number(rows))
    }

    /// Packs of an ordered bucket whose files come oldest first: ranges of neighbours.
    pub fn ordered(&self, files: &[AppendFile], full: bool) -> Vec<Vec<usize>> {
        if full {
            let pack = self.ordered_full(files);
            return (!pack.is_empty()).then_some(pack).into_iter().collect();
        }
        let mut packs = Vec::new();
        let (mut first, mut bytes) = (0, 0u64);
        for (i, file) in files.iter().enumerate() {
            bytes = bytes.saturating_add(file.bytes);
            if i + 1 - first >= self.min_files {
                packs.push((first..=i).collect());
                (first, bytes) = (i + 1, 0);
            } else if bytes >= self.target.saturating_mul(2) {
                bytes = bytes.saturating_sub(files[first].bytes);
                first += 1;
            }
        }
        packs
    }

    fn ordered_full(&self, files: &[AppendFile]) -> Vec<usize> {
        let large = |f: &AppendFile| f.bytes >= self.small && f.deleted.is_none();
        let skipped = files.iter().take_while(|f| large(f)).count();
        let rest = &files[skipped..];
        let deletes = rest.iter().any(|f| f.deleted.is_some());
        let small = rest.iter().filter(|f| f.bytes < self.small).count();
        let worth = rest.len() >= FULL_MIN_FILES && small > rest.len() - small;
        match deletes || worth {
            true => (skipped..files.len()).collect(),
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: AppendRules = AppendRules {
        target: 100,
        small: 70,
        min_files: 4,
        open_cost: 1,
        delete_ratio: 0.2,
    };

    fn files(sizes: &[u64]) -> Vec<AppendFile> {
        let file = |bytes: &u64| AppendFile {
            bytes: *bytes,
            rows: 100,
            deleted: None,
        };
        sizes.iter().map(file).collect()
    }

    #[test]
    fn small_files_fill_packs_of_twice_the_target() {
        let sizes = files(&[60, 10, 69, 70, 65, 20]);
        // 10 + 20 + 60 + 65 + 69 pass 200 with the last; 70 is large
        assert_eq!(RULES.unaware(&sizes, false), [vec![1, 5, 0, 4, 2]]);
    }

    #[test]
    fn a_few_files_wait_for_more_unless_all_is_wanted() {
        let few = files(&[10, 20, 30]);
        assert!(RULES.unaware(&few, false).is_empty());
        assert_eq!(RULES.unaware(&few, true), [vec![0, 1, 2]]);
        assert!(RULES.unaware(&files(&[10]), true).is_empty());
        assert_eq!(RULES.unaware(&files(&[1, 1, 1, 1]), false).len(), 1);
    }

    #[test]
    fn files_with_many_deleted_rows_are_rewritten() {
        let mut all = files(&[500, 500]);
        all[0].deleted = Some(20);
        assert!(RULES.unaware(&all, true).is_empty());
        all[0].deleted = Some(21);
        assert_eq!(RULES.unaware(&all, false), [vec![0]]);
    }

    #[test]
    fn ordered_buckets_join_neighbours() {
        let sizes = files(&[10, 10, 10, 10, 10]);
        assert_eq!(RULES.ordered(&sizes, false), [vec![0, 1, 2, 3]]);
        // the window moves on past a large file
        let sizes = files(&[200, 10, 10, 10, 10, 5]);
        assert_eq!(RULES.ordered(&sizes, false), [vec![1, 2, 3, 4]]);
        assert!(RULES.ordered(&files(&[10, 10, 10]), false).is_empty());
    }

    #[test]
    fn a_full_compaction_of_an_ordered_bucket_leaves_large_files_in_front() {
        assert_eq!(
            RULES.ordered(&files(&[100, 10, 10, 10]), true),
            [vec![1, 2, 3]]
        );
        assert!(RULES.ordered(&files(&[100, 10, 10]), true).is_empty());
        assert!(RULES.ordered(&files(&[10, 100, 100]), true).is_empty());
        let mut deleted = files(&[100, 100]);
        deleted[1].deleted = Some(1);
        assert_eq!(RULES.ordered(&deleted, true), [vec![1]]);
    }
}
