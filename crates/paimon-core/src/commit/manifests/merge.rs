//! Merging the manifests of earlier commits, so that planning does not grow with their number.
//!
//! Source: `ManifestFileMerger`. What to merge is decided purely by [`plan`]; [`merge`] reads and writes.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;

use super::files::ManifestFiles;
use crate::commit::options::CommitOptions;
use crate::error::Result;
use crate::manifest::{FileIdentifier, ManifestScan, merge_entries};
use crate::spec::{FileKind, ManifestEntry, ManifestFileMeta};

/// What to do with the manifests of a list.
#[derive(Debug, PartialEq, Eq)]
enum MergePlan {
    /// Rewrite all small ones and those with DELETE entries, dropping dead entries.
    Full,
    /// Merge each of these stretches into one.
    Minor(Vec<Range<usize>>),
}

fn must_change(meta: &ManifestFileMeta, target: u64) -> bool {
    meta.num_deleted_files > 0 || size_of(meta) < target
}

fn size_of(meta: &ManifestFileMeta) -> u64 {
    u64::try_from(meta.file_size).unwrap_or(0)
}

fn plan(metas: &[ManifestFileMeta], options: &CommitOptions) -> MergePlan {
    let target = options.manifest_target_size;
    let changing = metas.iter().filter(|m| must_change(m, target));
    if changing.map(size_of).sum::<u64>() >= options.full_merge_size {
        return MergePlan::Full;
    }
    let mut stretches = Vec::new();
    let (mut start, mut size) = (0, 0u64);
    for (i, meta) in metas.iter().enumerate() {
        size = size.saturating_add(size_of(meta));
        if size >= target {
            if i > start {
                stretches.push(start..i + 1);
            }
            start = i + 1;
            size = 0;
        }
    }
    let tail = metas.len() - start;
    if tail >= options.merge_min_count.max(2) {
        stretches.push(start..metas.len());
    }
    MergePlan::Minor(stretches)
}

/// Whether a full merge leaves fewer manifests or fewer entries.
pub(in crate::commit) fn pays(metas: &[ManifestFileMeta], target: u64) -> bool {
    let small = || metas.iter().map(size_of).filter(|size| *size < target);
    let needed = small().sum::<u64>().div_ceil(target.max(1));
    let has_dead = metas.iter().any(|m| m.num_deleted_files > 0);
    has_dead || small().count() > usize::try_from(needed).unwrap_or(usize::MAX)
}

/// The manifests that stand for `metas`, some of them new.
///
/// # Errors
/// `Damaged` naming a manifest that cannot be read; those of writing.
pub(in crate::commit) async fn merge(
    metas: Vec<ManifestFileMeta>,
    scan: &ManifestScan,
    options: &CommitOptions,
    files: &mut ManifestFiles<'_>,
) -> Result<Vec<ManifestFileMeta>> {
    match plan(&metas, options) {
        MergePlan::Full => merge_fully(metas, scan, options, files).await,
        MergePlan::Minor(stretches) => {
            let mut out = Vec::with_capacity(metas.len());
            let mut at = 0;
            for stretch in stretches {
                out.extend_from_slice(&metas[at..stretch.start]);
                at = stretch.end;
                let entries = scan.entries(&metas[stretch]).await?;
                out.extend(files.entries(&merge_entries(entries)).await?);
            }
            out.extend_from_slice(&metas[at..]);
            Ok(out)
        }
    }
}

async fn merge_fully(
    metas: Vec<ManifestFileMeta>,
    scan: &ManifestScan,
    options: &CommitOptions,
    files: &mut ManifestFiles<'_>,
) -> Result<Vec<ManifestFileMeta>> {
    let target = options.manifest_target_size;
    let (changing, large): (Vec<_>, Vec<_>) =
        metas.into_iter().partition(|m| must_change(m, target));
    let rewritten = scan.entries(&changing).await?;
    let deleted: Vec<ManifestEntry> = rewritten
        .iter()
        .filter(|e| e.kind == FileKind::Delete)
        .cloned()
        .collect();
    let gone: HashSet<FileIdentifier<'_>> = deleted.iter().map(FileIdentifier::of).collect();
    let partitions: HashSet<&Bytes> = deleted.iter().map(|e| &e.partition).collect();
    let mut kept = Vec::new();
    let mut live = Vec::new();
    for meta in large {
        let entries = if partitions.is_empty() {
            Vec::new()
        } else {
            scan.entries(std::slice::from_ref(&meta)).await?
        };
        if entries
            .iter()
            .any(|e| gone.contains(&FileIdentifier::of(e)))
        {
            live.extend(entries);
        } else {
            kept.push(meta);
        }
    }
    live.extend(rewritten);
    live.retain(|e| e.kind == FileKind::Add && !gone.contains(&FileIdentifier::of(e)));
    kept.extend(files.entries(&live).await?);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
    use super::*;
    use crate::options::CoreOptions;
    use crate::spec::{SimpleStats, TableSchema};

    fn options() -> CommitOptions {
        let schema: TableSchema = serde_json::from_str(
            r#"{"id": 0, "version": 3, "fields": [], "options": {
                "manifest.target-file-size": "100 b", "manifest.full-compaction-threshold-size": "1000 b",
                "manifest.merge-min-count": "3"}}"#,
        )
        .unwrap();
        CommitOptions::new(&CoreOptions::new(&schema).unwrap()).unwrap()
    }

    fn manifest(size: i64, deleted: i64) -> ManifestFileMeta {
        ManifestFileMeta {
            file_name: "m".into(),
            file_size: size,
            num_added_files: 1,
            num_deleted_files: deleted,
            partition_stats: SimpleStats::default(),
            schema_id: 0,
            min_bucket: None,
            max_bucket: None,
            min_level: None,
            max_level: None,
            min_row_id: None,
            max_row_id: None,
        }
    }

    #[test]
    fn a_full_merge_pays_for_dead_entries_and_for_small_manifests_that_fit_into_fewer() {
        assert!(pays(&[manifest(200, 1)], 100));
        assert!(pays(&[manifest(10, 0), manifest(10, 0)], 100));
        assert!(!pays(&[manifest(10, 0), manifest(200, 0)], 100));
        // what a full merge leaves when the entries fill more than one manifest
        assert!(!pays(&[manifest(60, 0), manifest(60, 0)], 100));
        assert!(!pays(&[], 100));
    }

    #[test]
    fn few_small_manifests_stay() {
        assert_eq!(
            plan(&[manifest(10, 0), manifest(10, 0)], &options()),
            MergePlan::Minor(vec![])
        );
    }

    #[test]
    fn a_tail_of_many_small_manifests_is_merged() {
        let metas = vec![manifest(10, 0); 3];
        assert_eq!(plan(&metas, &options()), MergePlan::Minor(vec![0..3]));
    }

    #[test]
    fn stretches_end_where_the_target_is_reached() {
        let metas = [60, 60, 200, 10, 10, 10].map(|size| manifest(size, 0));
        assert_eq!(plan(&metas, &options()), MergePlan::Minor(vec![0..2, 3..6]));
    }

    #[test]
    fn many_bytes_of_dead_entries_call_for_a_full_merge() {
        let metas = vec![manifest(400, 1); 3];
        assert_eq!(plan(&metas, &options()), MergePlan::Full);
        let clean = vec![manifest(400, 0); 3];
        assert_eq!(plan(&clean, &options()), MergePlan::Minor(vec![]));
    }
}
