//! A table with metadata columns: where each row is stored. Source: `PaimonMetadataColumn`.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use paimon_core::Error;
use paimon_core::predicate::Predicate;
use paimon_core::read::SplitKind;
use paimon_core::table::Table;

use super::place::Place;
use super::positions::{NumberedFile, PositionScanExec, Wanted};
use crate::error::to_datafusion;
use crate::filter::convert;

/// A table whose columns are followed by metadata columns.
#[derive(Debug)]
pub(crate) struct MetadataProvider {
    table: Table,
    places: Vec<Place>,
    schema: SchemaRef,
}

impl MetadataProvider {
    /// A table with those of the named columns that it has.
    pub(crate) fn new<'a>(table: Table, names: impl Iterator<Item = &'a str>) -> Self {
        let places: Vec<Place> = names.filter_map(|n| Place::of_name(&table, n)).collect();
        let own = table.arrow_schema();
        let own = own.fields().iter().map(|f| f.as_ref().clone());
        let more = places.iter().map(|place| place.field(&table));
        let schema = Arc::new(Schema::new(own.chain(more).collect::<Vec<_>>()));
        Self {
            table,
            places,
            schema,
        }
    }

    fn wanted(&self, column: usize) -> Wanted {
        let own = self.table.schema().fields.len();
        match column.checked_sub(own).and_then(|at| self.places.get(at)) {
            Some(place) => Wanted::Place(*place),
            None => Wanted::Column(column),
        }
    }
}

#[async_trait]
impl TableProvider for MetadataProvider {
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
        let table = &self.table;
        let fields = &table.schema().fields;
        let columns: Vec<usize> = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        if columns.iter().all(|column| *column < fields.len()) {
            let read = table.read_builder();
            return super::scan_table(table, read, state, projection, filters, limit).await;
        }
        let wanted: Vec<Wanted> = columns.iter().map(|c| self.wanted(*c)).collect();
        let predicate = Predicate::and(filters.iter().map(|f| convert(f, fields).predicate));
        let read = table.read_builder().with_filter(predicate.clone());
        let plan = read.plan().await.map_err(to_datafusion)?;
        let mut files = Vec::new();
        for split in plan.splits {
            let SplitKind::Raw(own) = split.kind else {
                return Err(to_datafusion(merged(table)));
            };
            files.extend(own.into_iter().map(|file| NumberedFile {
                number: 0,
                partition: split.partition.clone(),
                bucket: split.bucket,
                file,
            }));
        }
        let partitions = state.config().target_partitions().max(1);
        let shape = (partitions, state.config().batch_size());
        let exec = PositionScanExec::new(table, files, &wanted, predicate, shape)?;
        Ok(Arc::new(exec))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(super::supports_filters(&self.table, filters))
    }
}

fn merged(table: &Table) -> Error {
    Error::unsupported(
        "metadata columns are of append tables and of primary-key tables with deletion vectors: rows of this one are \
         merged from several files",
    )
    .with("table", table.name())
}
