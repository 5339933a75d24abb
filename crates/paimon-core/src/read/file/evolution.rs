//! Columns of an old file as columns of the current schema, matched by field id at every depth.
//!
//! Source: `SchemaEvolutionUtil`, `FormatReaderMapping`. A column the file lacks reads as null; a column of another
//! type is cast.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    new_null_array,
};
use arrow_schema::{DataType as ArrowType, Schema};

use crate::arrow_bridge::{arrow_field, arrow_type, cast_array};
use crate::error::{Error, Result};
use crate::predicate::{Leaf, PredicateOp};
use crate::spec::{DataField, DataType, Datum, TypeKind};

/// How the columns of one file become the wanted ones.
#[derive(Debug)]
pub struct EvolutionPlan {
    file_columns: Vec<DataField>,
    /// Per wanted column: its field and where it comes from.
    outputs: Vec<(DataField, Option<(usize, Convert)>)>,
    identity: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Convert {
    Same,
    Cast(DataType, DataType),
    /// Per wanted nested field: its position in the file's struct and its conversion.
    Row(Vec<(DataField, Option<(usize, Convert)>)>),
    List(Box<Convert>, DataType),
    Map(Box<Convert>, DataType),
}

impl EvolutionPlan {
    /// A plan from the file's schema to the wanted columns.
    ///
    /// # Errors
    /// `Unsupported` for a change of type without a conversion.
    pub fn new(file_fields: &[DataField], read_fields: &[DataField]) -> Result<Self> {
        let mut file_columns: Vec<DataField> = Vec::new();
        let mut outputs = Vec::with_capacity(read_fields.len());
        for wanted in read_fields {
            let Some(own) = file_fields.iter().find(|f| f.id == wanted.id) else {
                outputs.push((wanted.clone(), None));
                continue;
            };
            let (needed, convert) = conversion(&own.data_type, &wanted.data_type)?;
            let mut column = own.clone();
            column.data_type = needed;
            outputs.push((wanted.clone(), Some((file_columns.len(), convert))));
            file_columns.push(column);
        }
        let identity = outputs
            .iter()
            .all(|(_, source)| matches!(source, Some((_, Convert::Same))));
        Ok(Self {
            file_columns,
            outputs,
            identity,
        })
    }

    /// Columns to read from the file, typed as the file has them, in the order [`Self::apply`] expects.
    pub fn file_columns(&self) -> &[DataField] {
        &self.file_columns
    }

    /// Whether the file's columns are the wanted ones as they are (names aside).
    pub fn is_identity(&self) -> bool {
        self.identity
    }

    /// Turns a batch of [`Self::file_columns`] into the wanted columns. A NOT NULL column that the file lacks becomes
    /// nullable in the batch's schema.
    ///
    /// # Errors
    /// `InvalidInput` where a value cannot be cast.
    pub fn apply(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.outputs.len());
        let mut fields = Vec::with_capacity(self.outputs.len());
        for (wanted, source) in &self.outputs {
            let column = match source {
                None => new_null_array(&arrow_type(&wanted.data_type), rows),
                Some((i, convert)) => convert
                    .apply(batch.column(*i))
                    .map_err(|e| e.with_default("column", &wanted.name))?,
            };
            let field = arrow_field(wanted);
            let nullable = field.is_nullable() || column.null_count() > 0;
            fields.push(field.with_nullable(nullable));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &options,
        )?)
    }

    /// A filter on a wanted column as a filter on the file's column, where it says exactly the same.
    pub fn map_leaf(&self, leaf: &Leaf) -> Option<Leaf> {
        let at = self.outputs.iter().find(|(f, _)| f.id == leaf.field_id)?;
        let (i, _) = at.1.as_ref()?;
        let own = &self.file_columns[*i];
        let literals = if own.data_type.kind == leaf.data_type.kind {
            leaf.literals.clone()
        } else {
            let comparable = !matches!(
                leaf.op,
                PredicateOp::StartsWith
                    | PredicateOp::EndsWith
                    | PredicateOp::Contains
                    | PredicateOp::Like
            );
            let both = own.data_type.kind.is_integer() && leaf.data_type.kind.is_integer();
            if !both || !comparable || width(&own.data_type.kind) > width(&leaf.data_type.kind) {
                return None;
            }
            let narrow = leaf.literals.iter().map(|l| narrow(l, &own.data_type.kind));
            narrow.collect::<Option<Vec<_>>>()?
        };
        Some(Leaf {
            field_id: own.id,
            column: own.name.clone(),
            data_type: own.data_type.clone(),
            op: leaf.op,
            literals,
        })
    }
}

fn width(kind: &TypeKind) -> u8 {
    match kind {
        TypeKind::TinyInt => 1,
        TypeKind::SmallInt => 2,
        TypeKind::Int => 4,
        _ => 8,
    }
}

fn narrow(literal: &Datum, to: &TypeKind) -> Option<Datum> {
    let wide = match literal {
        Datum::TinyInt(v) => i64::from(*v),
        Datum::SmallInt(v) => i64::from(*v),
        Datum::Int(v) => i64::from(*v),
        Datum::BigInt(v) => *v,
        _ => return None,
    };
    match to {
        TypeKind::TinyInt => i8::try_from(wide).ok().map(Datum::TinyInt),
        TypeKind::SmallInt => i16::try_from(wide).ok().map(Datum::SmallInt),
        TypeKind::Int => i32::try_from(wide).ok().map(Datum::Int),
        _ => Some(Datum::BigInt(wide)),
    }
}

/// The type to read from the file (nested rows cut to what is wanted) and the conversion from it.
fn conversion(own: &DataType, wanted: &DataType) -> Result<(DataType, Convert)> {
    let typed = |kind| DataType {
        kind,
        nullable: own.nullable,
    };
    if own.kind == wanted.kind {
        return Ok((own.clone(), Convert::Same));
    }
    match (&own.kind, &wanted.kind) {
        (TypeKind::Row(own_fields), TypeKind::Row(wanted_fields)) => {
            let mut needed = Vec::new();
            let mut parts = Vec::new();
            for field in wanted_fields {
                let Some(from) = own_fields.iter().find(|f| f.id == field.id) else {
                    parts.push((field.clone(), None));
                    continue;
                };
                let (part_type, part) = conversion(&from.data_type, &field.data_type)?;
                let mut from = from.clone();
                from.data_type = part_type;
                parts.push((field.clone(), Some((needed.len(), part))));
                needed.push(from);
            }
            Ok((typed(TypeKind::Row(needed)), Convert::Row(parts)))
        }
        (TypeKind::Array(a), TypeKind::Array(b)) => {
            let (needed, part) = conversion(a, b)?;
            let convert = Convert::List(Box::new(part), wanted.clone());
            Ok((typed(TypeKind::Array(Box::new(needed))), convert))
        }
        (TypeKind::Map(key, a), TypeKind::Map(_, b)) => {
            let (needed, part) = conversion(a, b)?;
            let convert = Convert::Map(Box::new(part), wanted.clone());
            Ok((typed(TypeKind::Map(key.clone(), Box::new(needed))), convert))
        }
        _ => Ok((own.clone(), Convert::Cast(own.clone(), wanted.clone()))),
    }
}

impl Convert {
    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Convert::Same => Ok(array.clone()),
            Convert::Cast(from, to) => cast_array(array, from, to),
            Convert::Row(parts) => row(array, parts),
            Convert::List(part, wanted) => {
                let list = array.as_list::<i32>();
                let values = part.apply(list.values())?;
                let ArrowType::List(field) = arrow_type(wanted) else {
                    return Err(Error::internal("a list type is expected"));
                };
                let field = relaxed(&field, &values);
                let built = ListArray::try_new(
                    field,
                    list.offsets().clone(),
                    values,
                    list.nulls().cloned(),
                )?;
                Ok(Arc::new(built))
            }
            Convert::Map(part, wanted) => map(array, part, wanted),
        }
    }
}

/// The field, nullable where the values hold nulls.
fn relaxed(field: &Arc<arrow_schema::Field>, values: &ArrayRef) -> Arc<arrow_schema::Field> {
    let nullable = field.is_nullable() || values.null_count() > 0;
    Arc::new(field.as_ref().clone().with_nullable(nullable))
}

fn row(array: &ArrayRef, parts: &[(DataField, Option<(usize, Convert)>)]) -> Result<ArrayRef> {
    let from = array.as_struct();
    let mut fields = Vec::with_capacity(parts.len());
    let mut columns = Vec::with_capacity(parts.len());
    for (wanted, source) in parts {
        let column = match source {
            None => new_null_array(&arrow_type(&wanted.data_type), from.len()),
            Some((i, convert)) => convert.apply(from.column(*i))?,
        };
        fields.push(relaxed(&Arc::new(arrow_field(wanted)), &column));
        columns.push(column);
    }
    if columns.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(
            from.len(),
            from.nulls().cloned(),
        )));
    }
    Ok(Arc::new(StructArray::try_new(
        fields.into(),
        columns,
        from.nulls().cloned(),
    )?))
}

fn map(array: &ArrayRef, part: &Convert, wanted: &DataType) -> Result<ArrayRef> {
    let from = array.as_map();
    let values = part.apply(from.values())?;
    let ArrowType::Map(entries, sorted) = arrow_type(wanted) else {
        return Err(Error::internal("a map type is expected"));
    };
    let ArrowType::Struct(fields) = entries.data_type() else {
        return Err(Error::internal("map entries are a struct"));
    };
    let fields: arrow_schema::Fields = vec![fields[0].clone(), relaxed(&fields[1], &values)].into();
    let entries_array =
        StructArray::try_new(fields.clone(), vec![from.keys().clone(), values], None)?;
    let entries = Arc::new(arrow_schema::Field::new(
        "entries",
        ArrowType::Struct(fields),
        false,
    ));
    Ok(Arc::new(MapArray::try_new(
        entries,
        from.offsets().clone(),
        entries_array,
        from.nulls().cloned(),
        sorted,
    )?))
}
