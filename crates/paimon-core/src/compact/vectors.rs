//! Deletion vectors of a bucket after some of its files are gone. Source: `BucketedDvMaintainer`,
//! `AppendDeleteFileMaintainer`.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::deletionvectors::{
    DeletionVector, DeletionVectorVersion, decode_deletion_vector, encode_deletion_vectors,
    read_range_of,
};
use crate::error::Result;
use crate::manifest::index_file_path;
use crate::spec::{CompactIncrement, FileKind, IndexManifestEntry};
use crate::table::Table;
use crate::write::WriteContext;

/// Index files of one bucket.
pub(super) struct BucketVectors<'a> {
    pub table: &'a Table,
    pub context: &'a WriteContext,
    pub partition: &'a Bytes,
    pub bucket: i32,
    pub files: &'a [IndexManifestEntry],
    pub version: DeletionVectorVersion,
    /// A bucket has one index file; else it may have many, each with the vectors of some files.
    pub bucketed: bool,
}

impl BucketVectors<'_> {
    /// Takes the vectors of files that `increment` rewrites out of the bucket's index files, marks more rows of others
    /// as deleted (by file name; buckets with one index file only), and adds what changes there to `increment`.
    ///
    /// # Errors
    /// `Damaged` naming the index file, `Io` when the store fails.
    pub async fn update(
        &self,
        increment: &mut CompactIncrement,
        deletions: HashMap<String, DeletionVector>,
    ) -> Result<()> {
        let after = increment.compact_after.iter();
        let stays: HashSet<&str> = after.map(|f| f.file_name.as_str()).collect();
        let gone: HashSet<&str> = increment
            .compact_before
            .iter()
            .map(|f| f.file_name.as_str())
            .filter(|name| !stays.contains(name))
            .collect();
        let touched = |entry: &IndexManifestEntry| {
            let mut ranges = entry.dv_ranges.iter().flatten();
            ranges.any(|r| gone.contains(r.data_file_name.as_str()))
        };
        if self.bucketed {
            if !deletions.is_empty() || self.files.iter().any(touched) {
                let mut vectors = self.without(self.files, &gone).await?;
                for (file, more) in deletions {
                    vectors.entry(file).or_default().merge(&more);
                }
                let rest = self.write(vectors).await?;
                increment.new_index_files.extend(rest);
                increment.deleted_index_files.extend(self.files.to_vec());
            }
            return Ok(());
        }
        for entry in self.files.iter().filter(|e| touched(e)) {
            let vectors = self.without(std::slice::from_ref(entry), &gone).await?;
            increment.new_index_files.extend(self.write(vectors).await?);
            increment.deleted_index_files.push(entry.clone());
        }
        Ok(())
    }

    /// The vectors in some index files, without those of files that are gone.
    async fn without(
        &self,
        entries: &[IndexManifestEntry],
        gone: &HashSet<&str>,
    ) -> Result<BTreeMap<String, DeletionVector>> {
        let mut vectors = BTreeMap::new();
        for entry in entries {
            let path = index_file_path(self.table.location(), entry)?;
            let size = u64::try_from(entry.file_size).unwrap_or(0);
            let input = self.table.io().input(&path, size)?;
            for range in entry.dv_ranges.iter().flatten() {
                if gone.contains(range.data_file_name.as_str()) {
                    continue;
                }
                let bytes = input.read_range(read_range_of(range, size)?).await?;
                let vector = decode_deletion_vector(&bytes, range, &path)?;
                vectors.insert(range.data_file_name.clone(), vector);
            }
        }
        Ok(vectors)
    }

    /// One index file; `None` without vectors.
    async fn write(
        &self,
        vectors: BTreeMap<String, DeletionVector>,
    ) -> Result<Option<IndexManifestEntry>> {
        if vectors.is_empty() {
            return Ok(None);
        }
        let vectors: Vec<_> = vectors.into_iter().collect();
        let count = i64::try_from(vectors.len()).unwrap_or(i64::MAX);
        let (bytes, ranges) = encode_deletion_vectors(vectors, self.version)?;
        let name = format!("index-{}-0", self.context.ids.uuid());
        let location = format!("{}/index/{name}", self.table.location());
        let mut file = self.table.io().create(&location).await?;
        file.write(bytes.into()).await?;
        let file_size = file.close().await?;
        Ok(Some(IndexManifestEntry {
            kind: FileKind::Add,
            partition: self.partition.clone(),
            bucket: self.bucket,
            index_type: "DELETION_VECTORS".to_string(),
            file_name: name,
            file_size: i64::try_from(file_size).unwrap_or(i64::MAX),
            row_count: count,
            dv_ranges: Some(ranges),
            external_path: None,
            global_index: None,
        }))
    }
}
