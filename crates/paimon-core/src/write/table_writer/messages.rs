//! From buffered rows and finished files to commit messages.

use bytes::Bytes;
use tokio::task::JoinSet;

use super::TableWriter;
use super::bucket::{Bucket, Writer};
use crate::error::{Error, Result};
use crate::spec::{CommitMessage, CompactIncrement, DataFileMeta, FileKind, IndexManifestEntry};
use crate::write::assign::HashIndex;

type Closed = (usize, Writer, Result<Vec<DataFileMeta>>);

impl TableWriter {
    pub(super) async fn collect_messages(&mut self) -> Result<Vec<CommitMessage>> {
        match self.setup.key_value {
            Some(_) => self.flush_all().await?,
            None => self.close_all().await?,
        }
        for index in self.dynamic.take_changed() {
            let entry = self.write_hash_index(&index).await?;
            let key = (index.partition, index.bucket);
            let replaced = self.hash_indexes.insert(key.clone(), entry.clone());
            if let Some(bucket) = self.buckets.get_mut(&key) {
                bucket.ready.deleted_index_files.extend(replaced);
                bucket.ready.new_index_files.push(entry);
            }
        }
        let base = self.base.clone();
        let message = |((partition, bucket), writer): (&(Bytes, i32), &mut Bucket)| CommitMessage {
            partition: partition.clone(),
            bucket: *bucket,
            total_buckets: writer.total_buckets,
            base: base.clone(),
            data: writer.take_ready(),
            compact: CompactIncrement::default(),
        };
        let messages = self.buckets.iter_mut().map(message);
        Ok(messages.filter(|m| !m.is_empty()).collect())
    }

    async fn flush_all(&mut self) -> Result<()> {
        while self.wait_for_flush().await? {}
        for at in 0..self.buckets.len() {
            while self.flushes.len() >= self.context.parallelism.max(1) {
                self.wait_for_flush().await?;
            }
            self.start_flush(at)?;
        }
        while self.wait_for_flush().await? {}
        Ok(())
    }

    /// Ends the files of all append buckets, several at a time.
    async fn close_all(&mut self) -> Result<()> {
        let mut closing: JoinSet<Closed> = JoinSet::new();
        let mut failure = None;
        let mut waiting: Vec<usize> = (0..self.buckets.len()).rev().collect();
        loop {
            while closing.len() < self.context.parallelism.max(1)
                && let Some(at) = waiting.pop()
            {
                let bucket = self.bucket_at(at)?;
                if let Some(mut writer) = bucket.take_append() {
                    closing.spawn(async move {
                        let files = match &mut writer {
                            Writer::Append { writer, .. } => writer.close().await,
                            _ => Ok(Vec::new()),
                        };
                        (at, writer, files)
                    });
                }
            }
            let Some(done) = closing.join_next().await else {
                break;
            };
            let (at, writer, files) =
                done.map_err(|e| Error::internal("a writing task stopped").with_source(e))?;
            let bucket = self.bucket_at(at)?;
            bucket.writer = writer;
            bucket.reservation.shrink_to(0);
            match files {
                Ok(files) => bucket.ready.new_files.extend(files),
                Err(e) => failure = failure.or(Some(e)),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn write_hash_index(&mut self, index: &HashIndex) -> Result<IndexManifestEntry> {
        let name = format!("index-{}-{}", self.index_uuid, self.index_files);
        self.index_files += 1;
        let location = format!("{}/index/{name}", self.table.location());
        let mut file = self.table.io().create(&location).await?;
        file.write(index.encode()).await?;
        let size = file.close().await?;
        Ok(IndexManifestEntry {
            kind: FileKind::Add,
            partition: index.partition.clone(),
            bucket: index.bucket,
            index_type: "HASH".into(),
            file_name: name,
            file_size: i64::try_from(size).unwrap_or(i64::MAX),
            row_count: i64::try_from(index.hashes.len()).unwrap_or(i64::MAX),
            dv_ranges: None,
            external_path: None,
            global_index: None,
        })
    }
}
