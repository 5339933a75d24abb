//! `SET column = value`: values become those of their columns by the rules of INSERT.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{
    ColumnarValue, Expr as PlannedExpr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, lit,
};
use datafusion::sql::sqlparser::ast::{Assignment, AssignmentTarget, Expr};
use paimon_core::Error;
use paimon_core::options::MergeEngine;
use paimon_core::spec::DataField;
use paimon_core::write::default_value_of;

use super::super::ident_text;
use super::super::insert::position;
use super::refused;
use super::target::Target;
use crate::error::to_datafusion;
use crate::parse::{default_value, is_default};
use crate::store::StoreAssignment;

/// Columns of the target by position, and the values as written. `DEFAULT` is the column's default.
///
/// # Errors
/// For a column that is not there or assigned twice, and parts of nested columns.
pub(super) fn parse(
    target: &Target,
    assignments: Vec<Assignment>,
) -> Result<(Vec<usize>, Vec<Expr>)> {
    let mut columns = Vec::with_capacity(assignments.len());
    let mut values = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let AssignmentTarget::ColumnName(name) = assignment.target else {
            return Err(refused("SET of several columns at once"));
        };
        let idents: Option<Vec<_>> = name.0.iter().map(|p| p.as_ident()).collect();
        let column = match idents.as_deref() {
            Some([column]) => column,
            Some([table, column]) if ident_text(table) == target.alias => column,
            _ => return Err(refused("SET of a part of a column")),
        };
        let at = position(target.table.schema(), &ident_text(column))?;
        if columns.contains(&at) {
            return Err(DataFusionError::Plan(format!(
                "column {} is assigned twice",
                column.value
            )));
        }
        columns.push(at);
        values.push(value(target, at, assignment.value)?);
    }
    Ok((columns, values))
}

/// A value for a column, where DEFAULT is the column's default.
pub(super) fn value(target: &Target, at: usize, value: Expr) -> Result<Expr> {
    match target.fields().get(at) {
        Some(field) if is_default(&value) => default_value(field),
        _ => Ok(value),
    }
}

/// Planned values by column.
pub(super) struct Assignments {
    assign: Assign,
    values: BTreeMap<usize, PlannedExpr>,
    /// Columns of which null means that the old value stays.
    null_keeps: Vec<bool>,
}

impl Assignments {
    pub(super) fn none(target: &Target) -> Self {
        let zone = target.time_zone.as_str();
        Self {
            assign: Assign::new(target.fields().to_vec(), target.table.name(), zone, 0)
                .filling(target.merging.is_some()),
            values: BTreeMap::new(),
            null_keeps: null_keeps(target),
        }
    }

    /// # Errors
    /// When there are not as many values as columns.
    pub(super) fn new(
        target: &Target,
        columns: Vec<usize>,
        values: Vec<PlannedExpr>,
    ) -> Result<Self> {
        if columns.len() != values.len() {
            return Err(DataFusionError::Internal(
                "columns and values of a statement differ in number".into(),
            ));
        }
        Ok(Self {
            values: columns.into_iter().zip(values).collect(),
            ..Self::none(target)
        })
    }

    /// The columns that are assigned, ascending.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.values.keys().copied()
    }

    /// The value of a column, of its type; `None` when it is not assigned. `old` is what the row has, if there is one.
    ///
    /// # Errors
    /// Never for columns of the target.
    pub(super) fn value(
        &self,
        at: usize,
        old: Option<&PlannedExpr>,
    ) -> Result<Option<PlannedExpr>> {
        let Some(value) = self.values.get(&at) else {
            return Ok(None);
        };
        let mut arguments = vec![value.clone()];
        if let Some(old) = old
            && self.null_keeps.get(at) == Some(&true)
        {
            arguments.push(old.clone());
        }
        let assign = Assign {
            column: at,
            ..self.assign.clone()
        };
        Ok(Some(ScalarUDF::new_from_impl(assign).call(arguments)))
    }
}

fn has_default(field: &DataField) -> bool {
    field.default_value.is_some() && field.data_type.nullable
}

/// A column of a row that is written: null becomes the default, as in every row that Java's writer takes.
///
/// # Errors
/// For a default that is no value of its column.
pub(super) fn or_default(field: &DataField, value: PlannedExpr) -> Result<PlannedExpr> {
    if !has_default(field) {
        return Ok(value);
    }
    match default_value_of(field).map_err(to_datafusion)? {
        Some(default) => {
            let default = lit(ScalarValue::try_from_array(&default, 0)?);
            Ok(coalesce(vec![value, default]))
        }
        None => Ok(value),
    }
}

/// Columns of partial-update tables that no sequence group protects.
fn null_keeps(target: &Target) -> Vec<bool> {
    let fields = target.fields();
    if target.table.options().merge_engine != MergeEngine::PartialUpdate {
        return vec![false; fields.len()];
    }
    let options = target.table.options().map().iter();
    let protected: Vec<&str> = options
        .filter_map(|(key, value)| {
            let sequence = key
                .strip_prefix("fields.")?
                .strip_suffix(".sequence-group")?;
            Some(sequence.split(',').chain(value.split(',')).map(str::trim))
        })
        .flatten()
        .collect();
    let is_open = |name: &str| !protected.contains(&name);
    // null becomes the default where there is one
    let keeps = |f: &DataField| is_open(&f.name) && !has_default(f);
    fields.iter().map(keeps).collect()
}

/// A value as that of a column; with a second argument null may not take the place of that.
#[derive(Debug, Clone)]
pub struct Assign {
    store: Arc<StoreAssignment>,
    table: String,
    zone: String,
    column: usize,
    signature: Signature,
}

impl PartialEq for Assign {
    fn eq(&self, other: &Self) -> bool {
        self.column == other.column
            && Arc::ptr_eq(&self.store, &other.store)
            && self.zone == other.zone
    }
}

impl Eq for Assign {}

impl Hash for Assign {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.table.hash(state);
        self.zone.hash(state);
    }
}

impl Assign {
    /// Assigns to the column at a place of those of a table, in a session of this time zone.
    pub fn new(fields: Vec<DataField>, table: &str, zone: &str, column: usize) -> Self {
        Self {
            store: Arc::new(StoreAssignment::new(fields, zone)),
            table: table.to_string(),
            zone: zone.to_string(),
            column,
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }

    /// Whether fields that nested values lack become null, instead of an error.
    #[must_use]
    pub fn filling(self, fills: bool) -> Self {
        let store = StoreAssignment::clone(&self.store).filling(fills);
        Self {
            store: Arc::new(store),
            ..self
        }
    }

    /// See [`Self::filling`].
    pub fn fills(&self) -> bool {
        self.store.fills()
    }

    /// The columns of the table.
    pub fn fields(&self) -> &[DataField] {
        self.store.fields()
    }

    /// Name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Time zone of the session.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Place of the column.
    pub fn column(&self) -> usize {
        self.column
    }

    fn assign(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let assigned = self.store.column(self.column, array);
        assigned.map_err(|e| to_datafusion(e.with_default("table", &self.table)))
    }

    /// # Errors
    /// `InvalidInput` where a null would replace a value.
    fn check_nulls(&self, new: &ArrayRef, old: &ArrayRef) -> Result<()> {
        let (new, old) = (new.logical_nulls(), old.logical_nulls());
        let Some(new) = new.filter(|nulls| nulls.null_count() > 0) else {
            return Ok(());
        };
        let is_valid = |row: usize| old.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        match (0..new.len()).any(|row| new.is_null(row) && is_valid(row)) {
            false => Ok(()),
            true => Err(to_datafusion(
                Error::unsupported(
                    "a value cannot be updated to NULL: merge engine partial-update keeps the old one",
                )
                .with("table", &self.table)
                .with("option", "merge-engine"),
            )),
        }
    }
}

impl ScalarUDFImpl for Assign {
    fn name(&self) -> &'static str {
        "paimon_assign"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let Some(value) = arguments.first() else {
            return Err(DataFusionError::Plan("a value is expected".into()));
        };
        // says now what does not fit
        let assigned = self.assign(&new_empty_array(value))?;
        Ok(assigned.data_type().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut values = args.args.into_iter();
        let Some(value) = values.next() else {
            return Err(DataFusionError::Internal("a value is expected".into()));
        };
        if let Some(old) = values.next() {
            let rows = args.number_rows;
            let new = self.assign(&value.into_array(rows)?)?;
            self.check_nulls(&new, &old.into_array(rows)?)?;
            return Ok(ColumnarValue::Array(new));
        }
        match value {
            ColumnarValue::Array(array) => self.assign(&array).map(ColumnarValue::Array),
            ColumnarValue::Scalar(scalar) => {
                let one = self.assign(&scalar.to_array()?)?;
                let one = ScalarValue::try_from_array(&one, 0)?;
                Ok(ColumnarValue::Scalar(one))
            }
        }
    }
}
