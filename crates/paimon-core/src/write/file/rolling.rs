//! A sequence of data files of bounded size. Source: `RollingFileWriter`.

use std::sync::Arc;

use bytes::Bytes;

use super::data_file::{FileBuilder, FileSettings, Filled};
use super::paths::{DataFilePaths, NewFile};
use super::rows::FileRows;
use crate::error::{Error, Result};
use crate::io::OutputFile;
use crate::read::{INDEX_SUFFIX, check_index_size};
use crate::spec::DataFileMeta;
use crate::write::context::WriteContext;

/// Writes rows into files, a new one whenever the last has reached its size.
///
/// Rows of primary-key tables must come sorted by key. Encoding runs on blocking threads. After an error the writer is
/// only good for [`RollingFileWriter::abort`].
pub struct RollingFileWriter {
    settings: Arc<FileSettings>,
    paths: Arc<DataFilePaths>,
    context: WriteContext,
    open: Option<OpenFile>,
    done: Vec<(NewFile, DataFileMeta)>,
    /// Sequence number of the next plain row.
    next_sequence: i64,
}

struct OpenFile {
    file: NewFile,
    output: OutputFile,
    builder: Box<FileBuilder>,
}

impl RollingFileWriter {
    /// A writer without files. Plain rows are numbered from `next_sequence`.
    pub fn new(
        settings: Arc<FileSettings>,
        paths: Arc<DataFilePaths>,
        context: WriteContext,
        next_sequence: i64,
    ) -> Self {
        Self {
            settings,
            paths,
            context,
            open: None,
            done: Vec::new(),
            next_sequence,
        }
    }

    /// Bytes of memory the open file holds.
    pub fn memory_size(&self) -> usize {
        self.open.as_ref().map_or(0, |o| o.builder.memory_size())
    }

    /// Sequence number of the next plain row.
    pub fn next_sequence(&self) -> i64 {
        self.next_sequence
    }

    /// Appends rows.
    ///
    /// # Errors
    /// `InvalidInput` for rows that do not fit the columns, `Unsupported` for a format or type that cannot be written
    /// (before the first byte), `Io` when the store fails.
    ///
    /// # Cancel safety
    /// A cancelled write loses the open file; abort the writer then.
    pub async fn write(&mut self, rows: FileRows) -> Result<()> {
        let rows = Arc::new(rows);
        let mut from = 0;
        while from < rows.len() {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open_file().await?,
            };
            let input = Arc::clone(&rows);
            let first = self.next_sequence;
            let (builder, filled) = blocking(move || {
                let filled: Filled = open.builder.fill(&input, from, first)?;
                Ok((open.builder, filled))
            })
            .await?;
            open.builder = builder;
            let taken = i64::try_from(filled.next - from).unwrap_or(i64::MAX);
            self.next_sequence = self.next_sequence.saturating_add(taken);
            from = filled.next;
            open.output.write_all(filled.output).await?;
            self.open = Some(open);
            if filled.full {
                self.end_file().await?;
            }
        }
        Ok(())
    }

    /// Ends the open row group, so that the open file holds little memory.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn flush_memory(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let (builder, bytes) = blocking(move || {
            let bytes = open.builder.flush()?;
            Ok((open.builder, bytes))
        })
        .await?;
        open.builder = builder;
        open.output.write_all(bytes).await?;
        self.open = Some(open);
        Ok(())
    }

    /// Ends the open file and returns the metadata of all files since the last call, in order.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn close(&mut self) -> Result<Vec<DataFileMeta>> {
        self.end_file().await?;
        Ok(self.take_files())
    }

    /// Metadata of the files that have ended since the last call, in order.
    pub fn take_files(&mut self) -> Vec<DataFileMeta> {
        self.done.drain(..).map(|(_, meta)| meta).collect()
    }

    /// Removes every file that [`Self::close`] has not returned.
    pub async fn abort(&mut self) {
        if let Some(open) = self.open.take() {
            open.output.abort().await;
        }
        for (_, meta) in self.done.drain(..) {
            self.paths.discard(&meta).await;
        }
    }

    async fn open_file(&mut self) -> Result<OpenFile> {
        if self.settings.restart_sequence {
            self.next_sequence = 0;
        }
        let builder = Box::new(FileBuilder::new(Arc::clone(&self.settings))?);
        let file = self
            .paths
            .next(&self.settings.prefix, &self.settings.kind.extension)?;
        let output = file.io.create(&file.location).await?;
        Ok(OpenFile {
            file,
            output,
            builder,
        })
    }

    /// Ends the open file.
    ///
    /// # Errors
    /// `Io` when the store fails.
    pub async fn end_file(&mut self) -> Result<()> {
        let Some(OpenFile {
            file,
            mut output,
            builder,
        }) = self.open.take()
        else {
            return Ok(());
        };
        let finished = blocking(move || builder.finish()).await?;
        let mut meta = finished.meta;
        output.write_all(finished.output).await?;
        meta.file_size = i64::try_from(output.close().await?).unwrap_or(i64::MAX);
        meta.file_name = file.name.clone();
        meta.external_path = file.external_path.clone();
        meta.creation_time = Some(self.context.clock.local_ms());
        self.done.push((file.clone(), meta));
        match finished.index {
            Some(index) => self.keep_index(&file, index).await,
            None => Ok(()),
        }
    }

    /// Puts the index of the last file into its metadata or, when it is large, beside it.
    async fn keep_index(&mut self, file: &NewFile, index: Bytes) -> Result<()> {
        let size = u64::try_from(index.len()).unwrap_or(u64::MAX);
        let Some((_, meta)) = self.done.last_mut() else {
            return Err(Error::internal("an index without a file"));
        };
        if size <= self.settings.index_in_manifest {
            meta.embedded_index = Some(index);
            return Ok(());
        }
        check_index_size(&index)?;
        let name = format!("{}{INDEX_SUFFIX}", file.name);
        let side = self.paths.beside(file, &name);
        meta.extra_files.push(name);
        let mut output = side.io.create(&side.location).await?;
        output.write(index).await?;
        output.close().await?;
        Ok(())
    }
}

/// Runs CPU work on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("an encoding task stopped").with_source(e))?
}

#[cfg(test)]
pub(in crate::write) mod tests;
