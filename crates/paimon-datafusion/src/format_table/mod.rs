//! Format tables: folders of CSV, JSON, text, Parquet or ORC files that hold no snapshots.
//!
//! Java: `org.apache.paimon.table.FormatTable`, package `org.apache.paimon.table.format`. Text formats are read and
//! written by Java's rules, which differ from those of DataFusion's own readers; [`options`], [`csv`], [`json`],
//! [`lines`], [`values`] and [`partitions`] are pure.

mod base64;
mod csv;
mod encode;
mod folders;
mod json;
mod lines;
mod listing;
mod options;
mod partitions;
mod read;
mod scan;
mod sink;
mod values;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use paimon_catalog::{FileFormat, FormatTable};
use paimon_core::Error;
use paimon_core::arrow_bridge::arrow_schema;
use paimon_core::commit::Overwrite;
use paimon_core::predicate::Predicate;
use paimon_core::spec::{DataField, TableSchema};

use self::listing::Pruning;
use self::options::FileOptions;
use self::partitions::Layout;
use self::read::FileReader;
use self::scan::{FormatScanExec, Origin};
use self::sink::FormatSink;
use crate::error::to_datafusion;
use crate::scan::balance;
use crate::session::SessionSettings;
use crate::sink::SinkMode;

pub(crate) use json::column as json_column;
pub(crate) use lines::LineSplitter;
pub(crate) use options::refuse_options;

/// A format table as DataFusion sees it.
#[derive(Debug, Clone)]
pub(crate) struct FormatTableProvider {
    table: Arc<FormatTable>,
    options: Arc<FileOptions>,
    settings: Arc<SessionSettings>,
    schema: SchemaRef,
    mode: SinkMode,
}

impl FormatTableProvider {
    /// Serves a table to a session of these settings.
    ///
    /// # Errors
    /// `InvalidInput` naming a malformed option.
    pub(crate) fn new(
        table: FormatTable,
        settings: Arc<SessionSettings>,
    ) -> paimon_core::Result<Self> {
        let options = FileOptions::new(&table).map_err(|e| e.with("table", &table.name))?;
        Ok(Self {
            schema: arrow_schema(&table.fields),
            options: Arc::new(options),
            table: Arc::new(table),
            settings,
            mode: SinkMode::Append,
        })
    }

    /// The table.
    pub(crate) fn table(&self) -> &FormatTable {
        &self.table
    }

    /// Columns, partition columns and options.
    pub(crate) fn table_schema(&self) -> TableSchema {
        self.table.schema()
    }

    /// The same table, written to in a given way.
    pub(crate) fn with_mode(self, mode: SinkMode) -> Self {
        Self { mode, ..self }
    }

    /// Whether an overwrite without PARTITION replaces the partitions of its rows alone.
    pub(crate) fn overwrites_dynamically(&self) -> bool {
        self.options.overwrites_dynamically
    }

    /// Writes rows that have the columns of the table, in whatever order. Returns their number.
    ///
    /// # Errors
    /// When rows do not fit the table, and for what cannot be written.
    pub(crate) async fn fill(
        &self,
        rows: SendableRecordBatchStream,
        context: &Arc<TaskContext>,
    ) -> Result<u64> {
        let given = rows.schema();
        let columns = self
            .schema
            .fields()
            .iter()
            .map(|f| given.index_of(f.name()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        let schema = Arc::new(given.project(&columns)?);
        let sink = self.sink(self.mode.clone(), &schema)?;
        let rows = rows.map(move |batch| Ok(batch?.project(&columns)?));
        let rows = RecordBatchStreamAdapter::new(schema, rows);
        sink.write_all(Box::pin(rows), context).await
    }

    fn sink(&self, mode: SinkMode, rows: &SchemaRef) -> Result<FormatSink> {
        let zone = self.settings.time_zone();
        let sink = FormatSink::new(self.table.clone(), self.options.clone(), mode, &zone);
        let sink = sink.map_err(to_datafusion)?;
        sink.check(rows).map_err(to_datafusion)?;
        Ok(sink)
    }

    /// Partitions as `k1=v1/k2=v2`, sorted.
    ///
    /// # Errors
    /// As a scan.
    pub(crate) async fn partition_names(&self) -> Result<Vec<String>> {
        let layout = Layout::new(&self.table, &self.options);
        let found = listing::partitions(&self.table, &layout, None).await?;
        let mut names = found
            .iter()
            .map(|folder| layout.name(&folder.values))
            .collect::<paimon_core::Result<Vec<_>>>()
            .map_err(to_datafusion)?;
        names.sort();
        Ok(names)
    }

    /// What stands for null in names of partitions.
    pub(crate) fn partition_default_name(&self) -> String {
        self.options.default_partition.clone()
    }

    /// Columns that files hold, with their positions in the table.
    fn stored(&self) -> Vec<(usize, DataField)> {
        let is_key = |f: &DataField| self.table.partition_keys.contains(&f.name);
        let fields = self.table.fields.iter().enumerate();
        fields
            .filter(|(_, f)| !is_key(f))
            .map(|(i, f)| (i, f.clone()))
            .collect()
    }

    /// Positions of wanted columns among those in files, and where each column of the rows comes from.
    fn origins(
        &self,
        columns: &[usize],
        stored: &[(usize, DataField)],
    ) -> (Vec<usize>, Vec<Origin>) {
        let (mut wanted, mut origins) = (Vec::new(), Vec::new());
        for column in columns {
            let name = self.table.fields.get(*column).map(|f| &f.name);
            let level = self
                .table
                .partition_keys
                .iter()
                .position(|k| Some(k) == name);
            let in_files = stored.iter().position(|(at, _)| at == column);
            origins.push(match (level, in_files) {
                (Some(level), _) => Origin::Folder(level),
                (None, at) => {
                    wanted.extend(at);
                    Origin::File(wanted.len().saturating_sub(1))
                }
            });
        }
        (wanted, origins)
    }

    fn check_text(&self, stored: &[(usize, DataField)]) -> Result<()> {
        let is_one = matches!(stored, [(_, only)] if only.data_type.kind.is_string());
        match self.table.format == FileFormat::Text && !is_one {
            true => Err(to_datafusion(
                Error::invalid("text files hold one column of type STRING")
                    .with("table", &self.table.name),
            )),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl TableProvider for FormatTableProvider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.table.fields.len()).collect(),
        };
        let stored = self.stored();
        self.check_text(&stored)?;
        let (wanted, origins) = self.origins(&columns, &stored);
        let stored: Vec<DataField> = stored.into_iter().map(|(_, f)| f).collect();
        let predicate = match self.table.format {
            FileFormat::Parquet | FileFormat::Orc => {
                crate::filter::convert_all(filters, &stored).predicate
            }
            _ => Predicate::AlwaysTrue,
        };
        let layout = Layout::new(&self.table, &self.options);
        let partitions =
            listing::partitions(&self.table, &layout, Some(Pruning { filters, state })).await?;
        let files = listing::files(&self.table, partitions).await;
        let files = files.map_err(to_datafusion)?;
        let config = state.config();
        let reader = FileReader {
            format: self.table.format,
            options: self.options.clone(),
            stored: Arc::new(stored),
            wanted: Arc::new(wanted),
            predicate,
            batch_size: config.batch_size().max(1),
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        let files = balance(files, config.target_partitions(), |file| file.size);
        let scan = FormatScanExec::new(self.table.clone(), reader, origins, schema, files, limit);
        Ok(Arc::new(scan))
    }

    async fn insert_into(
        &self,
        _state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        insert_op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = match insert_op {
            InsertOp::Append => self.mode.clone(),
            InsertOp::Overwrite => SinkMode::Overwrite(Overwrite::Dynamic),
            InsertOp::Replace => {
                return Err(to_datafusion(Error::unsupported(
                    "REPLACE INTO is not supported",
                )));
            }
        };
        let sink = self.sink(mode, &input.schema())?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), None)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // files are left out, rows are not
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
