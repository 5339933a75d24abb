//! Which leaves of the file a request needs and how they become its columns.

mod matching;
pub(super) mod physical;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::{DataType as ArrowType, Field, Schema, SchemaRef};
use parquet::arrow::parquet_to_arrow_schema;

pub(super) use self::matching::leaf_count;
use self::matching::{Matcher, with_views};
use super::cast::Cast;
use super::footer::{Footer, guarded};
use super::nested::Node;
use crate::arrow_bridge::arrow_field;
use crate::error::{Error, Result};
use crate::format::{FileReadRequest, POSITION_COLUMN};
use crate::spec::DataType;

/// The columns of a request matched with those of a file.
pub(super) struct ColumnsPlan {
    /// Arrow schema of the whole file as the decoder shall produce it: strings and binaries as views.
    pub(super) file_schema: SchemaRef,
    /// Leaf columns to read, ascending.
    pub(super) leaves: BTreeSet<usize>,
    /// Schema of the batches.
    pub(super) schema: SchemaRef,
    /// First leaf of each column of the file.
    first_leaf: Vec<usize>,
    int96: Vec<bool>,
    columns: Vec<Column>,
}

enum Column {
    /// Not in the file: null.
    Missing(ArrowType),
    /// At this index of the decoded batch.
    Read { index: usize, node: Node },
}

/// A primitive column of the file whose statistics can be compared with literals of a type.
pub(super) struct PrimitiveColumn {
    /// Leaf in the file.
    pub(super) leaf: usize,
    /// How its values become those of the wanted type.
    pub(super) cast: Cast,
}

impl ColumnsPlan {
    /// Matches the request's fields with the file's columns by name.
    pub(super) fn new(request: &FileReadRequest, footer: &Footer) -> Result<Self> {
        let file = footer.metadata().file_metadata();
        let derived = guarded("schema", || {
            parquet_to_arrow_schema(file.schema_descr(), None)
        })?;
        let file_schema = Arc::new(with_views(&derived));
        let first_leaf = first_leaves(&file_schema);
        let int96 = (0..file.schema_descr().num_columns())
            .map(|leaf| footer.is_int96(leaf))
            .collect::<Vec<_>>();
        let has_arrow_schema = file
            .key_value_metadata()
            .is_some_and(|pairs| pairs.iter().any(|p| p.key == "ARROW:schema"));
        let mut matcher = Matcher::new(&int96, has_arrow_schema);
        let mut nodes = Vec::with_capacity(request.fields.len());
        let mut roots = BTreeSet::new();
        for field in &request.fields {
            let Some(root) = find(&file_schema, &field.name) else {
                nodes.push(None);
                continue;
            };
            let leaf = first_leaf.get(root).copied().unwrap_or_default();
            let node =
                matcher.field(&field.name, file_schema.field(root), &field.data_type, leaf)?;
            roots.insert(root);
            nodes.push(Some((root, node)));
        }
        let leaves = matcher.into_leaves();
        let mut fields = Vec::with_capacity(nodes.len() + 1);
        let mut columns = Vec::with_capacity(nodes.len());
        for (node, wanted) in nodes.into_iter().zip(&request.fields) {
            let field = arrow_field(wanted);
            match node {
                Some((root, node)) => {
                    columns.push(Column::Read {
                        index: roots.range(..root).count(),
                        node,
                    });
                    fields.push(field);
                }
                None => {
                    columns.push(Column::Missing(field.data_type().clone()));
                    fields.push(field.with_nullable(true));
                }
            }
        }
        if request.with_position {
            fields.push(Field::new(POSITION_COLUMN, ArrowType::Int64, false));
        }
        Ok(Self {
            file_schema,
            leaves,
            schema: Arc::new(Schema::new(fields)),
            first_leaf,
            int96,
            columns,
        })
    }

    /// The primitive column of the file with this name, compared as `data_type`; `None` when there is none or
    /// its values do not convert.
    pub(super) fn primitive(&self, name: &str, data_type: &DataType) -> Option<PrimitiveColumn> {
        let root = find(&self.file_schema, name)?;
        let leaf = *self.first_leaf.get(root)?;
        let int96 = self.int96.get(leaf).copied().unwrap_or(false);
        let file_type = self.file_schema.field(root).data_type();
        if data_type.kind.is_nested() || file_type.is_nested() || int96 {
            return None;
        }
        let cast = Cast::plan(file_type, false, data_type)?;
        Some(PrimitiveColumn { leaf, cast })
    }

    /// The columns of a decoded batch as the request wants them, without the position column.
    pub(super) fn convert(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.columns
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| match column {
                Column::Missing(data_type) => Ok(new_null_array(data_type, batch.num_rows())),
                Column::Read { index, node } => {
                    let array = batch.columns().get(*index).ok_or_else(|| {
                        Error::internal("decoded batch lacks a column").with("column", field.name())
                    })?;
                    convert(node, array, field)
                }
            })
            .collect()
    }
}

fn convert(node: &Node, array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    let array = node
        .convert(array)
        .map_err(|e| e.with_default("column", field.name()))?;
    if array.data_type() != field.data_type() {
        return Err(Error::internal(format!(
            "column decoded as {}, expected {}",
            array.data_type(),
            field.data_type()
        ))
        .with("column", field.name()));
    }
    if !field.is_nullable() && array.null_count() > 0 {
        return Err(Error::damaged(format!(
            "column is NOT NULL, found {} nulls",
            array.null_count()
        ))
        .with("column", field.name()));
    }
    Ok(array)
}

fn find(schema: &Schema, name: &str) -> Option<usize> {
    schema.fields().iter().position(|f| f.name() == name)
}

fn first_leaves(schema: &Schema) -> Vec<usize> {
    let mut next = 0;
    schema
        .fields()
        .iter()
        .map(|field| {
            let first = next;
            next += leaf_count(field.data_type());
            first
        })
        .collect()
}
