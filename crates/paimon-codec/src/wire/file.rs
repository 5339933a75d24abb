//! Data files as manifests know them.

use std::sync::Arc;

use bytes::Bytes;
use paimon_core::manifest::DeletionFile;
use paimon_core::read::SplitFile;
use paimon_core::spec::{DataFileMeta, DeletionVectorMeta, FileSource, SimpleStats};
use paimon_core::{Error, Result};
use prost::Message;

use crate::envelope::required;

/// A data file of a split.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FileMessage {
    #[prost(message, optional, tag = "1")]
    meta: Option<MetaMessage>,
    #[prost(string, tag = "2")]
    path: String,
    #[prost(message, optional, tag = "3")]
    deletion: Option<DeletionMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct DeletionMessage {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(uint64, tag = "2")]
    file_size: u64,
    #[prost(string, tag = "3")]
    data_file_name: String,
    #[prost(sint32, tag = "4")]
    offset: i32,
    #[prost(sint32, tag = "5")]
    length: i32,
    #[prost(sint64, optional, tag = "6")]
    cardinality: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct MetaMessage {
    #[prost(string, tag = "1")]
    file_name: String,
    #[prost(sint64, tag = "2")]
    file_size: i64,
    #[prost(sint64, tag = "3")]
    row_count: i64,
    #[prost(bytes = "bytes", tag = "4")]
    min_key: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    max_key: Bytes,
    #[prost(message, optional, tag = "6")]
    key_stats: Option<StatsMessage>,
    #[prost(message, optional, tag = "7")]
    value_stats: Option<StatsMessage>,
    #[prost(sint64, tag = "8")]
    min_sequence_number: i64,
    #[prost(sint64, tag = "9")]
    max_sequence_number: i64,
    #[prost(sint64, tag = "10")]
    schema_id: i64,
    #[prost(sint32, tag = "11")]
    level: i32,
    #[prost(string, repeated, tag = "12")]
    extra_files: Vec<String>,
    #[prost(sint64, optional, tag = "13")]
    creation_time: Option<i64>,
    #[prost(sint64, optional, tag = "14")]
    delete_row_count: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "15")]
    embedded_index: Option<Bytes>,
    /// 0 a write, 1 a compaction.
    #[prost(uint32, optional, tag = "16")]
    file_source: Option<u32>,
    #[prost(message, optional, tag = "17")]
    value_stats_cols: Option<NamesMessage>,
    #[prost(string, optional, tag = "18")]
    external_path: Option<String>,
    #[prost(sint64, optional, tag = "19")]
    first_row_id: Option<i64>,
    #[prost(message, optional, tag = "20")]
    write_cols: Option<NamesMessage>,
    #[prost(message, optional, tag = "21")]
    write_cols_sequences: Option<NumbersMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct NamesMessage {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct NumbersMessage {
    #[prost(sint64, repeated, tag = "1")]
    numbers: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct StatsMessage {
    #[prost(bytes = "bytes", tag = "1")]
    min_values: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    max_values: Bytes,
    #[prost(message, optional, tag = "3")]
    null_counts: Option<CountsMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct CountsMessage {
    #[prost(message, repeated, tag = "1")]
    counts: Vec<CountMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct CountMessage {
    #[prost(sint64, optional, tag = "1")]
    count: Option<i64>,
}

impl From<&SplitFile> for FileMessage {
    fn from(file: &SplitFile) -> Self {
        Self {
            meta: Some(MetaMessage::from(file.meta.as_ref())),
            path: file.path.to_string(),
            deletion: file.deletion.as_ref().map(DeletionMessage::from),
        }
    }
}

impl FileMessage {
    pub(crate) fn value(self) -> Result<SplitFile> {
        Ok(SplitFile {
            meta: Arc::new(required(self.meta, "data file")?.value()?),
            path: self.path.into(),
            deletion: self.deletion.map(DeletionMessage::value),
        })
    }
}

impl From<&DeletionFile> for DeletionMessage {
    fn from(file: &DeletionFile) -> Self {
        Self {
            path: file.path.to_string(),
            file_size: file.file_size,
            data_file_name: file.meta.data_file_name.clone(),
            offset: file.meta.offset,
            length: file.meta.length,
            cardinality: file.meta.cardinality,
        }
    }
}

impl DeletionMessage {
    fn value(self) -> DeletionFile {
        DeletionFile {
            path: self.path.into(),
            file_size: self.file_size,
            meta: DeletionVectorMeta {
                data_file_name: self.data_file_name,
                offset: self.offset,
                length: self.length,
                cardinality: self.cardinality,
            },
        }
    }
}

fn names(names: &Option<Vec<String>>) -> Option<NamesMessage> {
    names.clone().map(|names| NamesMessage { names })
}

impl From<&DataFileMeta> for MetaMessage {
    fn from(meta: &DataFileMeta) -> Self {
        Self {
            file_name: meta.file_name.clone(),
            file_size: meta.file_size,
            row_count: meta.row_count,
            min_key: meta.min_key.clone(),
            max_key: meta.max_key.clone(),
            key_stats: Some(StatsMessage::from(&meta.key_stats)),
            value_stats: Some(StatsMessage::from(&meta.value_stats)),
            min_sequence_number: meta.min_sequence_number,
            max_sequence_number: meta.max_sequence_number,
            schema_id: meta.schema_id,
            level: meta.level,
            extra_files: meta.extra_files.clone(),
            creation_time: meta.creation_time,
            delete_row_count: meta.delete_row_count,
            embedded_index: meta.embedded_index.clone(),
            file_source: meta.file_source.map(|source| match source {
                FileSource::Append => 0,
                FileSource::Compact => 1,
            }),
            value_stats_cols: names(&meta.value_stats_cols),
            external_path: meta.external_path.clone(),
            first_row_id: meta.first_row_id,
            write_cols: names(&meta.write_cols),
            write_cols_sequences: meta
                .write_cols_sequences
                .clone()
                .map(|numbers| NumbersMessage { numbers }),
        }
    }
}

impl MetaMessage {
    fn value(self) -> Result<DataFileMeta> {
        let source = self.file_source.map(|source| match source {
            0 => Ok(FileSource::Append),
            1 => Ok(FileSource::Compact),
            other => Err(Error::damaged(format!(
                "the source of a file is 0 or 1, found {other} in a plan"
            ))),
        });
        Ok(DataFileMeta {
            file_name: self.file_name,
            file_size: self.file_size,
            row_count: self.row_count,
            min_key: self.min_key,
            max_key: self.max_key,
            key_stats: required(self.key_stats, "key statistics")?.value(),
            value_stats: required(self.value_stats, "statistics")?.value(),
            min_sequence_number: self.min_sequence_number,
            max_sequence_number: self.max_sequence_number,
            schema_id: self.schema_id,
            level: self.level,
            extra_files: self.extra_files,
            creation_time: self.creation_time,
            delete_row_count: self.delete_row_count,
            embedded_index: self.embedded_index,
            file_source: source.transpose()?,
            value_stats_cols: self.value_stats_cols.map(|n| n.names),
            external_path: self.external_path,
            first_row_id: self.first_row_id,
            write_cols: self.write_cols.map(|n| n.names),
            write_cols_sequences: self.write_cols_sequences.map(|n| n.numbers),
        })
    }
}

impl From<&SimpleStats> for StatsMessage {
    fn from(stats: &SimpleStats) -> Self {
        let counts = stats.null_counts.as_ref().map(|counts| CountsMessage {
            counts: counts.iter().map(|c| CountMessage { count: *c }).collect(),
        });
        Self {
            min_values: stats.min_values.clone(),
            max_values: stats.max_values.clone(),
            null_counts: counts,
        }
    }
}

impl StatsMessage {
    fn value(self) -> SimpleStats {
        let counts = self.null_counts.map(|c| c.counts.into_iter());
        SimpleStats {
            min_values: self.min_values,
            max_values: self.max_values,
            null_counts: counts.map(|counts| counts.map(|c| c.count).collect()),
        }
    }
}
