//! Aggregate functions of columns (`org.apache.paimon.mergetree.compact.aggregate`).
//!
//! A function folds one column: it gets the whole column and the effect of every row, and returns one value per group.

mod bitmap;
mod boolean;
mod collect;
mod decimal;
mod elements;
mod extreme;
mod listagg;
mod merge_map;
mod nested;
mod nested_options;
mod numeric;
mod pick;
mod roaring64;
mod sketch;

use std::fmt::Debug;

use arrow_array::ArrayRef;
use arrow_schema::DataType as ArrowType;

use super::OptionLookup;
use super::ops::{FoldPlan, without_retracts};
use super::options::{FieldOptions, boolean as boolean_option};
use super::rows::Column;
use crate::spec::{DataField, MAX_LENGTH, TypeKind};
use crate::{Error, Result};

/// Folds the values of a column, group by group.
pub(super) trait FieldAggregator: Send + Sync + Debug {
    /// Whether retract records have a meaning.
    fn retracts(&self) -> bool {
        false
    }

    /// One value per group of `plan`.
    fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef>;
}

/// The aggregate function of one column.
#[derive(Debug)]
pub(super) struct ColumnAggregator {
    field: String,
    name: String,
    ignore_retract: bool,
    function: Box<dyn FieldAggregator>,
}

impl ColumnAggregator {
    /// Builds function `name`, which option `key` asks for.
    pub(super) fn new(
        field: &DataField,
        key: &str,
        name: &str,
        options: &dyn OptionLookup,
    ) -> Result<Self> {
        const REMOVE: &str = "aggregation.remove-record-on-delete";
        let own = FieldOptions::new(options, &field.name);
        let ignore_retract = own.boolean("ignore-retract")?;
        if ignore_retract && boolean_option(options, REMOVE)? {
            return Err(Error::invalid(format!(
                "options '{REMOVE}' and '{}' contradict each other",
                own.key("ignore-retract")
            ))
            .with("option", REMOVE));
        }
        let function = create(field, name, &own)
            .map_err(|e| e.with_default("option", key).with("column", &field.name))?;
        Ok(Self {
            field: field.name.clone(),
            name: name.to_string(),
            ignore_retract,
            function,
        })
    }

    /// One value per group.
    pub(super) fn fold(&self, column: &Column, plan: &FoldPlan) -> Result<ArrayRef> {
        let located = |e: Error| {
            e.with_default("column", &self.field)
                .with_default("aggregate-function", &self.name)
        };
        if let (true, Some(ops)) = (self.ignore_retract, plan.ops) {
            let ops = without_retracts(ops);
            let plan = FoldPlan::new(plan.offsets, Some(&ops));
            return self.function.fold(column, &plan).map_err(located);
        }
        if !self.function.retracts() && plan.has_retract() {
            return Err(Error::invalid(format!(
                "aggregate function '{}' does not support retraction; set 'fields.{}.ignore-retract' = 'true' to skip retract records",
                self.name, self.field
            ))
            .with("column", &self.field));
        }
        self.function.fold(column, plan).map_err(located)
    }
}

fn create(
    field: &DataField,
    name: &str,
    options: &FieldOptions,
) -> Result<Box<dyn FieldAggregator>> {
    let kind = &field.data_type.kind;
    let wrong = |expected: &str| {
        Error::invalid(format!(
            "aggregate function '{name}' of field '{}' needs {expected}, found {kind}",
            field.name
        ))
    };
    let binary = || matches!(kind, TypeKind::VarBinary(_));
    Ok(match name {
        "primary-key" => Box::new(pick::Pick::PrimaryKey),
        "last_value" => Box::new(pick::Pick::Last),
        "last_non_null_value" => Box::new(pick::Pick::LastNonNull),
        "first_value" => Box::new(pick::Pick::First),
        "first_non_null_value" | "first_not_null_value" => Box::new(pick::Pick::FirstNonNull),
        "sum" | "product" if !is_numeric(kind) => return Err(wrong("a numeric type")),
        "sum" => Box::new(numeric::Sum),
        "product" => Box::new(numeric::Product),
        "max" | "min" if kind.is_nested() || *kind == TypeKind::Blob => {
            return Err(wrong("a comparable type"));
        }
        "max" => Box::new(extreme::Extreme::Max),
        "min" => Box::new(extreme::Extreme::Min),
        "bool_and" | "bool_or" if *kind != TypeKind::Boolean => return Err(wrong("BOOLEAN")),
        "bool_and" => Box::new(boolean::BoolFold::And),
        "bool_or" => Box::new(boolean::BoolFold::Or),
        "listagg" if *kind != TypeKind::VarChar(MAX_LENGTH) => return Err(wrong("STRING")),
        "listagg" => Box::new(listagg::ListAgg::new(options)?),
        "collect" => match kind {
            TypeKind::Array(element) => Box::new(collect::Collect::new(element, options)?),
            _ => return Err(wrong("ARRAY")),
        },
        "merge_map" => match kind {
            TypeKind::Map(..) => Box::new(merge_map::MergeMap),
            _ => return Err(wrong("MAP")),
        },
        "merge_map_with_keytime" => match kind {
            TypeKind::Map(_, value) => {
                Box::new(merge_map::MergeMapWithKeyTime::new(value, options)?)
            }
            _ => return Err(wrong("MAP")),
        },
        "nested_update" | "nested_partial_update" => {
            let TypeKind::Array(element) = kind else {
                return Err(wrong("ARRAY<ROW>"));
            };
            let TypeKind::Row(fields) = &element.kind else {
                return Err(wrong("ARRAY<ROW>"));
            };
            let options = nested_options::NestedOptions::new(fields, options)?;
            if name == "nested_update" {
                Box::new(nested::NestedUpdate::new(options)?)
            } else {
                Box::new(nested::NestedPartialUpdate::new(options, &field.name)?)
            }
        }
        "rbm32" | "rbm64" | "hll_sketch" | "theta_sketch" if !binary() => {
            return Err(wrong("VARBINARY"));
        }
        "rbm32" => Box::new(bitmap::Rbm32),
        "rbm64" => Box::new(bitmap::Rbm64),
        "hll_sketch" => Box::new(sketch::Hll),
        "theta_sketch" => Box::new(sketch::Theta),
        unknown => {
            return Err(Error::invalid(format!(
                "unknown aggregate function '{unknown}' for field '{}'",
                field.name
            )));
        }
    })
}

fn is_numeric(kind: &TypeKind) -> bool {
    kind.is_integer()
        || matches!(
            kind,
            TypeKind::Float | TypeKind::Double | TypeKind::Decimal { .. }
        )
}

/// A value in a state the function cannot fold: the batch is not typed as declared.
fn unexpected_type(found: &ArrowType) -> Error {
    Error::internal(format!(
        "unexpected Arrow type {found} in an aggregate function"
    ))
}
