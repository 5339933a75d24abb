//! One data file: encoding, statistics and everything a manifest says about it.
//!
//! Source: `StatsCollectingSingleFileWriter`, `KeyValueDataFileWriter`, `RowDataFileWriter`. No I/O here.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use std::sync::Arc;

use super::rows::{FileLayout, FileRows};
use crate::arrow_bridge::datum_at;
use crate::error::{Error, Result};
use crate::format::{FileEncoder, create_encoder};
use crate::index::FileIndexWriter;
use crate::options::CoreOptions;
use crate::spec::{
    BinaryRow, BinaryRowWriter, DataField, DataFileMeta, FileSource, TableSchema, is_retract,
};
use crate::write::options::{FileKind, WriteOptions};
use crate::write::stats::{KEY_STATS_MODE, StatsCollector, StatsModes, empty_stats};

/// Rows encoded between two looks at the size of the file.
const ROWS_PER_STEP: usize = 4096;

/// What the files of one writer have in common.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Columns.
    pub layout: FileLayout,
    /// Schema of the columns.
    pub schema_id: i64,
    /// Encoding.
    pub kind: FileKind,
    /// Statistics of the table's columns.
    pub stats: StatsModes,
    /// Begin of the file name.
    pub prefix: String,
    /// Level of the files.
    pub level: i32,
    /// Write or compaction.
    pub source: FileSource,
    /// Size at which a file ends, bytes.
    pub target_size: u64,
    /// Rows at which a file ends.
    pub target_rows: Option<u64>,
    /// Sequence numbers of append files begin at 0 in each file (row tracking), not once per writer.
    pub restart_sequence: bool,
    /// Whether files get the indexes that the options ask for; changelog files do not.
    pub indexed: bool,
    /// `file-index.in-manifest-threshold`: larger indexes lie beside their file, bytes.
    pub index_in_manifest: u64,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// New rows, at this level.
    Data {
        /// LSM level.
        level: i32,
    },
    /// Changelog, of a write or a compaction.
    Changelog,
    /// Rows that a compaction rewrites, at this level. Such files end by size only.
    Compacted {
        /// LSM level.
        level: i32,
    },
}

impl FileSettings {
    /// Settings of a table's files.
    ///
    /// # Errors
    /// `InvalidInput` naming an option.
    pub fn of(
        schema: &TableSchema,
        core: &CoreOptions,
        options: &WriteOptions,
        role: FileRole,
    ) -> Result<Self> {
        let (kind, level, changelog) = match role {
            FileRole::Data { level } | FileRole::Compacted { level } => {
                (options.data_file(level), level, false)
            }
            FileRole::Changelog => (options.changelog_file(), 0, true),
        };
        let prefix = match changelog {
            true => &options.changelog_prefix,
            false => &options.data_prefix,
        };
        Ok(Self {
            layout: match role {
                // rows keep their ids wherever they go
                FileRole::Compacted { .. } if core.row_tracking => {
                    FileLayout::of(schema, options.thin).with_row_ids()
                }
                _ => FileLayout::of(schema, options.thin),
            },
            schema_id: schema.id,
            stats: StatsModes::new(
                &schema.fields,
                kind.stats,
                &schema.trimmed_primary_keys(),
                options.thin,
                options.dense_stats,
                options.table(),
            )?,
            kind,
            prefix: prefix.clone(),
            level,
            source: match role {
                FileRole::Compacted { .. } => FileSource::Compact,
                _ => FileSource::Append,
            },
            target_size: options.target_file_size,
            target_rows: match role {
                FileRole::Data { .. } => options.target_file_rows,
                _ => None,
            },
            indexed: !changelog,
            index_in_manifest: options.index_in_manifest,
            restart_sequence: core.row_tracking,
        })
    }
}

/// Encodes one file and collects its metadata.
pub(in crate::write) struct FileBuilder {
    settings: Arc<FileSettings>,
    fields: Vec<DataField>,
    encoder: Box<dyn FileEncoder>,
    values: StatsCollector,
    keys: StatsCollector,
    index: Option<FileIndexWriter>,
    min_key: Option<Bytes>,
    max_key: Bytes,
    sequence: Option<(i64, i64)>,
    rows: u64,
    deletes: i64,
}

/// How far a file got with some rows.
pub(in crate::write) struct Filled {
    /// First row that the file did not take.
    pub next: usize,
    /// Bytes that are final.
    pub output: Vec<Bytes>,
    /// Whether the file has reached its size.
    pub full: bool,
}

/// A file that is complete but for its name.
pub(in crate::write) struct Finished {
    /// Its last bytes.
    pub output: Vec<Bytes>,
    /// What a manifest says about it, without name, size and time.
    pub meta: DataFileMeta,
    /// Its index container.
    pub index: Option<Bytes>,
}

impl FileBuilder {
    /// An empty file.
    ///
    /// # Errors
    /// As [`create_encoder`].
    pub fn new(settings: Arc<FileSettings>) -> Result<Self> {
        let layout = &settings.layout;
        let fields = layout.file_fields();
        let key_fields = layout.key_fields();
        let key_modes = StatsModes {
            columns: vec![KEY_STATS_MODE; key_fields.len()],
            dense: false,
        };
        let index = match settings.indexed {
            true => FileIndexWriter::new(&layout.values, &settings.kind.encoder.table)?,
            false => None,
        };
        let nested_counts = matches!(settings.kind.encoder.format.as_str(), "avro" | "orc");
        Ok(Self {
            encoder: create_encoder(&fields, &settings.kind.encoder)?,
            values: StatsCollector::new(&layout.values, &settings.stats, nested_counts),
            keys: StatsCollector::new(&key_fields, &key_modes, nested_counts),
            fields,
            index,
            min_key: None,
            max_key: Bytes::new(),
            sequence: None,
            rows: 0,
            deletes: 0,
            settings,
        })
    }

    /// Bytes of memory held.
    pub fn memory_size(&self) -> usize {
        self.encoder.memory_size()
    }

    /// Ends the open row group and returns the bytes that became final.
    pub fn flush(&mut self) -> Result<Vec<Bytes>> {
        self.encoder.flush()?;
        Ok(self.encoder.take_output())
    }

    /// Takes rows from position `from` until they or the file end. Plain rows are numbered from `first_sequence`.
    pub fn fill(&mut self, rows: &FileRows, from: usize, first_sequence: i64) -> Result<Filled> {
        let mut next = from;
        let mut full = false;
        while next < rows.len() && !full {
            let mut step = ROWS_PER_STEP.min(rows.len() - next);
            if let Some(target) = self.settings.target_rows {
                let left = usize::try_from(target.saturating_sub(self.rows));
                step = step.min(left.unwrap_or(usize::MAX).max(1));
            }
            let offset = i64::try_from(next - from).unwrap_or(i64::MAX);
            self.add(
                &rows.slice(next, step),
                first_sequence.saturating_add(offset),
            )?;
            next += step;
            full = self.encoder.estimated_size() >= self.settings.target_size
                || self.settings.target_rows.is_some_and(|t| self.rows >= t);
        }
        Ok(Filled {
            next,
            output: self.encoder.take_output(),
            full,
        })
    }

    fn add(&mut self, rows: &FileRows, first_sequence: i64) -> Result<()> {
        let batch = self.settings.layout.file_batch(rows, &self.fields)?;
        self.encoder.write(&batch)?;
        let values = rows.values();
        self.values.update(values.columns())?;
        if let Some(index) = &mut self.index {
            index.update(values)?;
        }
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.rows += count;
        match rows {
            FileRows::Plain(batch) if self.settings.layout.has_row_ids() => {
                self.cover_stored(batch)?;
            }
            FileRows::Plain(_) => {
                let last = first_sequence.saturating_add_unsigned(count.saturating_sub(1));
                self.cover(first_sequence, last);
            }
            FileRows::Keyed(rows) => {
                let keys: Vec<ArrayRef> = self
                    .settings
                    .layout
                    .keys
                    .iter()
                    .map(|i| values.column(*i).clone())
                    .collect();
                self.keys.update(&keys)?;
                if self.min_key.is_none() {
                    self.min_key = Some(self.key_at(&keys, 0)?);
                }
                self.max_key = self.key_at(&keys, rows.values.num_rows() - 1)?;
                for sequence in rows.sequence.values() {
                    self.cover(*sequence, *sequence);
                }
                let retracts = rows
                    .kinds
                    .values()
                    .iter()
                    .filter(|k| is_retract(**k))
                    .count();
                self.deletes += i64::try_from(retracts).unwrap_or(i64::MAX);
            }
        }
        Ok(())
    }

    /// Takes the sequence numbers into account that lie in the last column. Null stands for the snapshot to come: then
    /// the commit gives the file its number, as it does where the smallest is 0.
    fn cover_stored(&mut self, batch: &RecordBatch) -> Result<()> {
        let stored = batch
            .columns()
            .last()
            .and_then(|c| c.as_primitive_opt::<Int64Type>())
            .ok_or_else(|| Error::internal("rows that keep their ids need sequence numbers"))?;
        for sequence in stored.iter() {
            let sequence = sequence.unwrap_or(0);
            self.cover(sequence, sequence);
        }
        Ok(())
    }

    fn cover(&mut self, first: i64, last: i64) {
        let (min, max) = self.sequence.unwrap_or((first, last));
        self.sequence = Some((min.min(first), max.max(last)));
    }

    fn key_at(&self, keys: &[ArrayRef], row: usize) -> Result<Bytes> {
        let mut writer = BinaryRowWriter::new(keys.len());
        for (array, i) in keys.iter().zip(&self.settings.layout.keys) {
            let data_type = &self.settings.layout.values[*i].data_type;
            let value = datum_at(array.as_ref(), row, data_type)?;
            writer.push(value.as_ref(), data_type);
        }
        Ok(writer.finish().to_serialized())
    }

    /// Ends the file: its last bytes, its metadata without name, size and time, and its index.
    ///
    /// # Errors
    /// `Internal` for a file without rows: those are never kept.
    pub fn finish(self) -> Result<Finished> {
        let Some((min_sequence_number, max_sequence_number)) = self.sequence else {
            return Err(Error::internal("a data file needs at least one row"));
        };
        let output = self.encoder.finish()?;
        let index = self.index.map(FileIndexWriter::finish).transpose()?;
        let (value_stats, mut value_stats_cols) = self.values.finish();
        let layout = &self.settings.layout;
        let mut write_cols = None;
        if layout.names_columns() {
            let names = |fields: &[DataField]| fields.iter().map(|f| f.name.clone()).collect();
            // without names the statistics would be of all columns of the file
            value_stats_cols.get_or_insert_with(|| names(&layout.values));
            write_cols = Some(names(&self.fields));
        }
        let keyed = self.settings.layout.is_keyed();
        let empty = || BinaryRow::empty().to_serialized();
        Ok(Finished {
            output,
            index,
            meta: DataFileMeta {
                file_name: String::new(),
                file_size: 0,
                row_count: i64::try_from(self.rows).unwrap_or(i64::MAX),
                min_key: self.min_key.unwrap_or_else(empty),
                max_key: if keyed { self.max_key } else { empty() },
                key_stats: if keyed {
                    self.keys.finish().0
                } else {
                    empty_stats()
                },
                value_stats,
                min_sequence_number,
                max_sequence_number,
                schema_id: self.settings.schema_id,
                level: self.settings.level,
                extra_files: Vec::new(),
                creation_time: None,
                delete_row_count: Some(self.deletes),
                embedded_index: None,
                file_source: Some(self.settings.source),
                value_stats_cols,
                external_path: None,
                first_row_id: None,
                write_cols,
                write_cols_sequences: None,
            },
        })
    }
}
