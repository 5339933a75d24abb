//! Which files may be cached: those that never change under their name, by kind.
//!
//! Java: `org.apache.paimon.utils.FileType`.

use crate::error::{Error, Result};

/// A kind of files that never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Manifests, manifest lists, index manifests, statistics.
    Meta,
    /// Indexes over the rows of a whole table.
    GlobalIndex,
    /// Deletion vectors and hash indexes of buckets.
    BucketIndex,
    /// Data and changelog files.
    Data,
    /// Indexes of single data files.
    FileIndex,
}

/// Kinds with their names in the option `local-cache.whitelist`.
const NAMES: [(&str, FileKind); 5] = [
    ("meta", FileKind::Meta),
    ("global-index", FileKind::GlobalIndex),
    ("bucket-index", FileKind::BucketIndex),
    ("data", FileKind::Data),
    ("file-index", FileKind::FileIndex),
];

impl FileKind {
    /// The kind of the file at `path`. `None` for what may change or be made anew under its name: snapshots, hints,
    /// tags, schemas, consumers, temporary files; and for anything unknown.
    pub(super) fn of(path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/');
        let (name, folder) = (parts.next()?, parts.next()?);
        if name.starts_with(['.', '_']) || name.ends_with(".tmp") || name.contains(".tmp.") {
            return None;
        }
        match folder {
            "manifest" => ["manifest-", "index-manifest-"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                .then_some(Self::Meta),
            "statistics" => name.starts_with("stat-").then_some(Self::Meta),
            _ if name.contains("global-index-") => Some(Self::GlobalIndex),
            "index" => name.starts_with("index-").then_some(Self::BucketIndex),
            _ if !folder.starts_with("bucket-") => None,
            _ if name.starts_with("index-") => Some(Self::BucketIndex),
            _ if name.ends_with(".index") => Some(Self::FileIndex),
            _ => Some(Self::Data),
        }
    }

    /// A list of kinds, or `*` for all.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown kind.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Self>> {
        let mut kinds = Vec::new();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            if word == "*" {
                return Ok(NAMES.iter().map(|(_, kind)| *kind).collect());
            }
            let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == word) else {
                let known: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                return Err(Error::invalid(format!(
                    "kinds of files are expected ({}, or *), found {word:?}",
                    known.join(", ")
                )));
            };
            kinds.push(*kind);
        }
        Ok(kinds)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_files_that_never_change_have_a_kind() {
        for (path, kind) in [
            ("wh/d.db/t/manifest/manifest-5e-0", Some(FileKind::Meta)),
            (
                "wh/d.db/t/manifest/manifest-list-5e-1",
                Some(FileKind::Meta),
            ),
            (
                "wh/d.db/t/manifest/index-manifest-5e-0",
                Some(FileKind::Meta),
            ),
            ("wh/d.db/t/statistics/stat-5e-0", Some(FileKind::Meta)),
            ("wh/d.db/t/index/index-5e-0", Some(FileKind::BucketIndex)),
            ("t/bucket-0/index-5e-0", Some(FileKind::BucketIndex)),
            (
                "t/index/btree-global-index-5e.index",
                Some(FileKind::GlobalIndex),
            ),
            ("t/dt=1/bucket-0/data-5e-0.parquet", Some(FileKind::Data)),
            ("t/bucket-postpone/data-u-5e.avro", Some(FileKind::Data)),
            (
                "t/bucket-0/data-5e-0.parquet.index",
                Some(FileKind::FileIndex),
            ),
            ("t/snapshot/snapshot-1", None),
            ("t/snapshot/LATEST", None),
            ("t/schema/schema-0", None),
            ("t/tag/tag-a", None),
            ("t/branch/branch-b/snapshot/snapshot-1", None),
            ("t/consumer/consumer-c", None),
            ("t/dt=1/_SUCCESS", None),
            ("t/bucket-0/.data-5e-0.parquet.5e.tmp", None),
            ("somewhere/else.csv", None),
            ("alone", None),
        ] {
            assert_eq!(FileKind::of(path), kind, "{path}");
        }
    }

    #[test]
    fn lists_name_kinds() {
        assert_eq!(
            FileKind::parse_list("meta, data,").unwrap(),
            [FileKind::Meta, FileKind::Data]
        );
        assert_eq!(FileKind::parse_list("*").unwrap().len(), 5);
        let error = FileKind::parse_list("meta,datas").unwrap_err();
        assert!(error.to_string().contains("datas"), "{error}");
    }
}
