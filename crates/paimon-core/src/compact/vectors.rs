//! Deletion vectors of a bucket after some of its files are gone. Source: `BucketedDvMaintainer`,
//! `AppendDeleteFileMaintainer`.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use crate::deletionvectors::{DeletionVector, DeletionVectorVersion};
use crate::error::Result;
use crate::spec::{CompactIncrement, IndexManifestEntry};
use crate::table::Table;
use crate::write::{WriteContext, read_vectors, write_vectors};

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

    async fn without(
        &self,
        entries: &[IndexManifestEntry],
        gone: &HashSet<&str>,
    ) -> Result<BTreeMap<String, DeletionVector>> {
        read_vectors(self.table, entries, gone).await
    }

    async fn write(
        &self,
        vectors: BTreeMap<String, DeletionVector>,
    ) -> Result<Option<IndexManifestEntry>> {
        let bucket = (self.partition, self.bucket);
        write_vectors(self.table, self.context, bucket, vectors, self.version).await
    }
}
