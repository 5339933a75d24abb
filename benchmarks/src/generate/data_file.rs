//! One Parquet data file as the Java writer lays it out, and its entry for the manifest.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int8Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use paimon_core::arrow_bridge::arrow_field;
use paimon_core::spec::{
    BinaryRow, DataField, DataFileMeta, DataType, Datum, FileSource, SimpleStats, TypeKind,
    binary_row,
};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::column_stats::ColumnStats;
use crate::Result;

const KEY_ID_BASE: i32 = 1_073_741_823;
const SEQUENCE_ID: i32 = i32::MAX - 1;
const VALUE_KIND_ID: i32 = i32::MAX - 2;

/// A table column and whether its values repeat enough for a dictionary.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub data_type: DataType,
    /// Write a dictionary.
    pub dictionary: bool,
}

/// Columns of a table and whether the first one is its primary key.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Table columns; field ids follow their order.
    pub columns: Vec<Column>,
    /// The first column is a BIGINT primary key and files carry system columns.
    pub keyed: bool,
}

impl Layout {
    /// Fields of the table schema.
    pub fn fields(&self) -> Vec<DataField> {
        let field = |(id, column): (i32, &Column)| {
            DataField::new(id, column.name, column.data_type.clone())
        };
        (0..).zip(&self.columns).map(field).collect()
    }

    fn physical_schema(&self) -> SchemaRef {
        let with_id = |field: Field, id: i32| {
            field.with_metadata(HashMap::from([(
                "PARQUET:field_id".to_string(),
                id.to_string(),
            )]))
        };
        let mut fields = Vec::new();
        if self.keyed {
            let key = self.columns.first().map_or("", |c| c.name);
            fields.push(with_id(
                Field::new(format!("_KEY_{key}"), ArrowType::Int64, false),
                KEY_ID_BASE,
            ));
            fields.push(with_id(
                Field::new("_SEQUENCE_NUMBER", ArrowType::Int64, false),
                SEQUENCE_ID,
            ));
            fields.push(with_id(
                Field::new("_VALUE_KIND", ArrowType::Int8, false),
                VALUE_KIND_ID,
            ));
        }
        fields.extend(self.fields().iter().map(|f| with_id(arrow_field(f), f.id)));
        Arc::new(Schema::new(fields))
    }

    /// zstd 1, one row group, pages of 20,000 rows, page index, format version 1.
    fn properties(&self) -> Result<WriterProperties> {
        let mut builder = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(None)
            .set_data_page_row_count_limit(20_000);
        let unique = ["_KEY_id", "_SEQUENCE_NUMBER"].into_iter();
        let plain = self
            .columns
            .iter()
            .filter(|c| !c.dictionary)
            .map(|c| c.name);
        for name in unique.chain(plain) {
            builder = builder.set_column_dictionary_enabled(ColumnPath::from(name), false);
        }
        Ok(builder.build())
    }
}

/// Where a file sits in its table.
#[derive(Debug, Clone)]
pub struct FilePlace {
    /// Base name.
    pub name: String,
    /// LSM level; 0 in append tables.
    pub level: i32,
    /// Write or compaction.
    pub source: FileSource,
    /// Sequence number of the first row of an append file.
    pub first_sequence: i64,
}

/// Writes one data file batch by batch and gathers what its manifest entry says.
pub struct DataFileWriter {
    layout: Layout,
    place: FilePlace,
    schema: SchemaRef,
    writer: ArrowWriter<File>,
    stats: Vec<ColumnStats>,
    rows: i64,
    keys: Option<(i64, i64)>,
    sequences: Option<(i64, i64)>,
}

impl DataFileWriter {
    /// Creates `bucket/place.name`.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(bucket: &Path, place: FilePlace, layout: &Layout) -> Result<Self> {
        let schema = layout.physical_schema();
        let options = ArrowWriterOptions::new()
            .with_properties(layout.properties()?)
            .with_skip_arrow_metadata(true)
            .with_schema_root("paimon_schema".to_string());
        let file = File::create(bucket.join(&place.name))?;
        Ok(Self {
            stats: layout
                .columns
                .iter()
                .map(|c| ColumnStats::new(c.data_type.clone()))
                .collect(),
            writer: ArrowWriter::try_new_with_options(file, schema.clone(), options)?,
            layout: layout.clone(),
            place,
            schema,
            rows: 0,
            keys: None,
            sequences: None,
        })
    }

    /// Rows so far.
    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// Appends rows of a keyed file: table columns sorted by the first one, and the sequence number of each row.
    ///
    /// # Errors
    /// When the columns do not fit or the disk is full.
    pub fn write_keyed(&mut self, values: Vec<ArrayRef>, sequences: Vec<i64>) -> Result<()> {
        let key = values.first().ok_or("a keyed file needs columns")?.clone();
        let keys = key
            .as_any()
            .downcast_ref::<Int64Array>()
            .ok_or("the key must be BIGINT")?;
        if let (Some(first), Some(last)) = (keys.values().first(), keys.values().last()) {
            self.keys = Some((self.keys.map_or(*first, |k| k.0), *last));
        }
        for &sequence in &sequences {
            let (low, high) = self.sequences.unwrap_or((sequence, sequence));
            self.sequences = Some((low.min(sequence), high.max(sequence)));
        }
        let rows = sequences.len();
        let mut columns: Vec<ArrayRef> = vec![
            key,
            Arc::new(Int64Array::from(sequences)),
            Arc::new(Int8Array::from(vec![0; rows])),
        ];
        self.observe(&values)?;
        columns.extend(values);
        self.append(columns)
    }

    /// Appends rows of an append file.
    ///
    /// # Errors
    /// When the columns do not fit or the disk is full.
    pub fn write_plain(&mut self, values: Vec<ArrayRef>) -> Result<()> {
        self.observe(&values)?;
        self.append(values)
    }

    fn observe(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (stats, column) in self.stats.iter_mut().zip(values) {
            stats.observe(column)?;
        }
        Ok(())
    }

    fn append(&mut self, columns: Vec<ArrayRef>) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.rows += i64::try_from(batch.num_rows())?;
        Ok(self.writer.write(&batch)?)
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(mut self) -> Result<DataFileMeta> {
        self.writer.finish()?;
        let file_size = i64::try_from(self.writer.bytes_written())?;
        let key = |value: Option<i64>| match value {
            Some(value) => key_row(value),
            None => BinaryRow::empty(),
        };
        let min_key = key(self.keys.map(|k| k.0));
        let max_key = key(self.keys.map(|k| k.1));
        let key_stats = SimpleStats {
            min_values: min_key.to_serialized(),
            max_values: max_key.to_serialized(),
            null_counts: Some(if self.layout.keyed {
                vec![Some(0)]
            } else {
                vec![]
            }),
        };
        let first = self.place.first_sequence;
        let (min_sequence_number, max_sequence_number) =
            self.sequences.unwrap_or((first, first + self.rows - 1));
        Ok(DataFileMeta {
            file_name: self.place.name,
            file_size,
            row_count: self.rows,
            min_key: min_key.to_serialized(),
            max_key: max_key.to_serialized(),
            key_stats,
            value_stats: ColumnStats::simple_stats(&self.stats),
            min_sequence_number,
            max_sequence_number,
            schema_id: 0,
            level: self.place.level,
            extra_files: Vec::new(),
            creation_time: Some(super::metadata::TIME_MILLIS),
            delete_row_count: Some(0),
            embedded_index: None,
            file_source: Some(self.place.source),
            value_stats_cols: None,
            external_path: None,
            first_row_id: None,
            write_cols: None,
            write_cols_sequences: None,
        })
    }
}

/// The key row of a BIGINT key, as manifests hold it.
pub fn key_row(id: i64) -> BinaryRow {
    binary_row(&[(
        Some(Datum::BigInt(id)),
        DataType::not_null(TypeKind::BigInt),
    )])
}
