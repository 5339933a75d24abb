//! What a key merge decided.

use std::sync::Arc;

use crate::selection::FileSelection;

/// What the merge decided about one file.
#[derive(Debug, Clone)]
pub struct FileOutcome {
    /// Rows that go to the result as they are.
    pub keep: Arc<FileSelection>,
    /// Rows that are folded with others; empty unless the resolution is [`super::Resolution::Fold`].
    pub fold: Option<Arc<FileSelection>>,
}

/// What the merge decided about a section.
#[derive(Debug, Clone, Default)]
pub struct SectionOutcome {
    /// Per run and file, in the section's order.
    pub files: Vec<Vec<FileOutcome>>,
    /// Groups to fold, in key order: number of members.
    pub group_sizes: Vec<u32>,
    /// Runs of the members, group by group, oldest first. The rows are those of `fold`, in file order.
    pub group_runs: Vec<u16>,
}

impl SectionOutcome {
    /// Rows that go to the result as they are.
    pub fn kept_rows(&self) -> usize {
        self.files.iter().flatten().map(|f| f.keep.selected()).sum()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        let bits: usize = self
            .files
            .iter()
            .flatten()
            .map(|f| f.keep.rows() / 8 * if f.fold.is_some() { 2 } else { 1 })
            .sum();
        bits + self.group_sizes.len() * 4 + self.group_runs.len() * 2
    }
}
