//! Statistics of a table and its columns. Source: `PaimonAnalyzeTableColumnCommand`, `StatsFileHandler`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{OwnedRow, RowConverter, SortField};
use datasketches::hll::{HllSketch, HllType};
use futures::TryStreamExt;
use indexmap::IndexMap;

use super::partitions::live_scan;
use crate::arrow_bridge::{arrow_type, datum_at};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Publication;
use crate::spec::{
    ColStats, DataField, DataType, Snapshot, Statistics, TypeKind, datum_to_legacy_text,
    datum_to_text,
};
use crate::table::Table;

/// Size of the sketches that count distinct values: 2^14 registers, an error below one percent.
const SKETCH_SIZE_LOG: u8 = 14;

/// Reads a table, writes what it is like to a file in `statistics/` and commits that as an ANALYZE snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalyzeTable {
    /// Columns that statistics are made of, besides the number and size of the rows.
    pub columns: AnalyzedColumns,
}

/// Which columns are analyzed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnalyzedColumns {
    /// None.
    None,
    /// All of a type that has single values.
    All,
    /// These.
    Named(Vec<String>),
}

impl AnalyzeTable {
    /// Returns the id of the snapshot made; `None` for a table without snapshots, which has nothing to analyze. Counts of
    /// rows and nulls and bounds are exact, counts of distinct values come from a HyperLogLog sketch.
    ///
    /// # Errors
    /// `NotFound` for an unknown column, `Unsupported` for one that has no single values, `InvalidInput` for a table at
    /// another snapshot than its newest, otherwise as reads and commits.
    ///
    /// # Cancel safety
    /// A cancelled call leaves a file behind that no snapshot names; the commit may have taken effect.
    pub async fn run(&self, table: &Table, context: &CommitContext) -> Result<Option<i64>> {
        if table.target().snapshot().is_some() {
            return Err(Error::invalid("only the newest snapshot can be analyzed")
                .with("table", table.name()));
        }
        let user = context.ids.uuid().to_string();
        let commit = FileStoreCommit::new(table, &user, context.clone())?;
        let fields = self.fields(table)?;
        let Some(statistics) = analyze(table, &fields).await? else {
            return Ok(None);
        };
        let name = format!("stat-{}-0", context.ids.uuid());
        let path = format!("{}/statistics/{name}", table.location());
        let bytes = serde_json::to_vec_pretty(&statistics)
            .map_err(|e| Error::internal("statistics are no JSON").with_source(e))?;
        match table.io().publish(&path, bytes.into()).await? {
            Publication::Created => {}
            Publication::Exists => {
                return Err(
                    Error::internal("a file of a fresh name exists already").with("path", path)
                );
            }
        }
        match commit
            .commit_statistics(&name, BATCH_COMMIT_IDENTIFIER)
            .await
        {
            Ok(id) => Ok(Some(id)),
            Err(error) => {
                // after other errors the commit may have taken effect
                if error.kind() == ErrorKind::CommitConflict {
                    table.io().discard(&path).await?;
                }
                Err(error)
            }
        }
    }

    fn fields(&self, table: &Table) -> Result<Vec<DataField>> {
        let schema = table.schema();
        match &self.columns {
            AnalyzedColumns::None => Ok(Vec::new()),
            AnalyzedColumns::All => {
                let single = schema
                    .fields
                    .iter()
                    .filter(|f| has_single_values(&f.data_type));
                Ok(single.cloned().collect())
            }
            AnalyzedColumns::Named(names) => names.iter().map(|n| named(table, n)).collect(),
        }
    }
}

fn named(table: &Table, name: &str) -> Result<DataField> {
    let field = table.schema().field(name).ok_or_else(|| {
        let message = format!("the table has no column {name:?}");
        Error::new(ErrorKind::NotFound, message).with("table", table.name())
    })?;
    if !has_single_values(&field.data_type) {
        return Err(Error::unsupported(format!(
            "statistics of a {} are not supported",
            field.data_type
        ))
        .with("column", name));
    }
    Ok(field.clone())
}

fn has_single_values(data_type: &DataType) -> bool {
    use TypeKind::*;
    matches!(
        data_type.kind,
        Boolean
            | TinyInt
            | SmallInt
            | Int
            | BigInt
            | Float
            | Double
            | Decimal { .. }
            | Char(_)
            | VarChar(_)
            | Binary(_)
            | VarBinary(_)
            | Date
            | Time(_)
            | Timestamp(_)
            | LocalZonedTimestamp(_)
    )
}

async fn analyze(table: &Table, fields: &[DataField]) -> Result<Option<Statistics>> {
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let builder = table.alone().read_builder().with_projection(&names);
    let plan = builder.plan().await?;
    let Some(snapshot) = &plan.snapshot else {
        return Ok(None);
    };
    let reader = builder.reader()?;
    let mut columns = fields.iter().map(Column::new).collect::<Result<Vec<_>>>()?;
    let mut rows = 0u64;
    for split in &plan.splits {
        let mut batches = reader.read(split)?;
        while let Some(batch) = batches.try_next().await? {
            rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
            add(&mut columns, &batch)?;
        }
    }
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let stats = columns.into_iter().map(Column::finish);
    Ok(Some(Statistics {
        snapshot_id: snapshot.id,
        schema_id: table.schema().id,
        merged_record_count: Some(rows),
        merged_record_size: Some(merged_size(table, snapshot, rows).await?),
        col_stats: stats.collect::<Result<IndexMap<_, _>>>()?,
    }))
}

fn add(columns: &mut [Column], batch: &RecordBatch) -> Result<()> {
    for (column, array) in columns.iter_mut().zip(batch.columns()) {
        column.add(array)?;
    }
    Ok(())
}

/// The share of the files' bytes that rows left after merging have.
async fn merged_size(table: &Table, snapshot: &Snapshot, merged: i64) -> Result<i64> {
    let (entries, _) = live_scan(table).live_files(snapshot).await?;
    let bytes: i128 = entries.iter().map(|e| i128::from(e.file.file_size)).sum();
    let rows: i128 = entries.iter().map(|e| i128::from(e.file.row_count)).sum();
    let share = bytes * i128::from(merged) / rows.max(1);
    Ok(i64::try_from(share).unwrap_or(i64::MAX))
}

/// What is known of a column so far.
struct Column {
    field: DataField,
    converter: RowConverter,
    distinct: HllSketch,
    nulls: u64,
    values: u64,
    min: Option<OwnedRow>,
    max: Option<OwnedRow>,
    /// Bytes of all values, for types of variable length.
    length: u64,
    length_max: u64,
}

impl Column {
    fn new(field: &DataField) -> Result<Self> {
        let sort = SortField::new(arrow_type(&field.data_type));
        let distinct = HllSketch::new(SKETCH_SIZE_LOG, HllType::Hll8)
            .map_err(|e| Error::internal("no sketch of distinct values").with_source(e))?;
        Ok(Self {
            field: field.clone(),
            converter: RowConverter::new(vec![sort])?,
            distinct,
            nulls: 0,
            values: 0,
            min: None,
            max: None,
            length: 0,
            length_max: 0,
        })
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        // encoded rows compare as the values do
        let rows = self
            .converter
            .convert_columns(std::slice::from_ref(array))?;
        let (mut min, mut max) = (None, None);
        for (i, row) in rows.iter().enumerate() {
            if array.is_null(i) {
                self.nulls += 1;
                continue;
            }
            self.values += 1;
            self.distinct.update(row.as_ref());
            min = Some(min.map_or(row, |known| row.min(known)));
            max = Some(max.map_or(row, |known| row.max(known)));
        }
        if let Some(row) = min
            && self.min.as_ref().is_none_or(|known| row < known.row())
        {
            self.min = Some(row.owned());
        }
        if let Some(row) = max
            && self.max.as_ref().is_none_or(|known| row > known.row())
        {
            self.max = Some(row.owned());
        }
        self.measure(array);
        Ok(())
    }

    fn measure(&mut self, array: &ArrayRef) {
        let lengths: Vec<usize> = match &self.field.data_type.kind {
            TypeKind::Char(_) | TypeKind::VarChar(_) => {
                let texts = array.as_string_view();
                texts.iter().flatten().map(str::len).collect()
            }
            TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
                let values = array.as_binary_view();
                values.iter().flatten().map(<[u8]>::len).collect()
            }
            _ => return,
        };
        for length in lengths {
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            self.length = self.length.saturating_add(length);
            self.length_max = self.length_max.max(length);
        }
    }

    fn finish(self) -> Result<(String, ColStats)> {
        let (average, longest) = match fixed_length(&self.field.data_type) {
            Some(length) => (length, length),
            None => (self.length.div_ceil(self.values.max(1)), self.length_max),
        };
        let count = |n: u64| i64::try_from(n).ok();
        let stats = ColStats {
            col_id: self.field.id,
            distinct_count: count(self.distinct_count()),
            min: self.bound(self.min.as_ref())?,
            max: self.bound(self.max.as_ref())?,
            null_count: count(self.nulls),
            avg_len: count(average),
            max_len: count(longest),
        };
        Ok((self.field.name, stats))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate: saturates"
    )]
    fn distinct_count(&self) -> u64 {
        let estimate = self.distinct.estimate().round() as u64;
        estimate.min(self.values)
    }

    /// Text of a bound; columns of bytes have none.
    fn bound(&self, row: Option<&OwnedRow>) -> Result<Option<String>> {
        let data_type = &self.field.data_type;
        let Some(row) = row else {
            return Ok(None);
        };
        if matches!(data_type.kind, TypeKind::Binary(_) | TypeKind::VarBinary(_)) {
            return Ok(None);
        }
        let arrays = self.converter.convert_rows([row.row()])?;
        let Some(array) = arrays.first() else {
            return Ok(None);
        };
        let value = datum_at(array.as_ref(), 0, data_type)?;
        Ok(value.map(|value| match data_type.kind {
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
                datum_to_text(&value, data_type)
            }
            _ => datum_to_legacy_text(&value),
        }))
    }
}

/// Bytes of a value in memory; `None` for types of variable length.
fn fixed_length(data_type: &DataType) -> Option<u64> {
    Some(match data_type.kind {
        TypeKind::Boolean | TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int | TypeKind::Float | TypeKind::Date | TypeKind::Time(_) => 4,
        TypeKind::Decimal { precision, .. } if precision > 18 => 16,
        TypeKind::BigInt
        | TypeKind::Double
        | TypeKind::Decimal { .. }
        | TypeKind::Timestamp(_)
        | TypeKind::LocalZonedTimestamp(_) => 8,
        _ => return None,
    })
}
