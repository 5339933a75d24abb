//! Changes of rows that the merge would not take: it goes by sequence fields, so a changed row must not come before the one
//! it changes.

use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use datafusion::common::cast::as_boolean_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use paimon_core::Error;
use paimon_core::options::MergeEngine;

use super::assign::Assignments;
use super::target::Target;
use crate::error::to_datafusion;

const GROUP: &str = ".sequence-group";
const REMOVES: &str = "partial-update.remove-record-on-sequence-group";

/// Sequence columns that decide together, and the columns that they decide on.
struct Order {
    option: String,
    sequence: Vec<usize>,
    decided: Vec<usize>,
    descending: bool,
    /// Rows without any sequence value change nothing.
    needs_value: bool,
}

/// Whether a column is the one whose value passes the checks: the first of the primary key.
pub(super) fn is_checked(target: &Target, at: usize) -> bool {
    let key = target.table.schema().primary_keys.first();
    let name = target.fields().get(at).map(|f| &f.name);
    key.is_some() && key == name
}

/// Where the assigned values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The statement.
    Statement,
    /// Rows of another relation: where they bring sequence values, those that come late lose, as rows of INSERT do.
    Source,
}

/// An updated row with the value `key` of a column: an error where the merge would keep what is there.
///
/// # Errors
/// For columns that are not there.
pub(super) fn updated(
    target: &Target,
    (assignments, origin): (&Assignments, Origin),
    key: Expr,
    old: &dyn Fn(usize) -> Result<Expr>,
) -> Result<Expr> {
    let assigned: Vec<usize> = assignments.columns().collect();
    let new = |at: usize| {
        let old = old(at)?;
        Ok::<_, DataFusionError>(assignments.value(at, Some(&old))?.unwrap_or(old))
    };
    let mut checked = key;
    for order in orders(target) {
        let decides = order.decided.iter().any(|at| assigned.contains(at));
        let moves = order.sequence.iter().any(|at| assigned.contains(at));
        if moves && origin == Origin::Source {
            continue;
        }
        let mut holds = Vec::new();
        if moves {
            holds.push(is_not_before(&order, &new, old)?);
        }
        if order.needs_value && (decides || moves) {
            holds.push(has_value(&order, &new)?);
        }
        checked = holding(target, &order.option, holds, checked);
    }
    Ok(checked)
}

/// A deleted row with the value `key` of a column: an error where the merge would keep it.
///
/// # Errors
/// For columns that are not there.
pub(super) fn deleted(
    target: &Target,
    key: Expr,
    old: &dyn Fn(usize) -> Result<Expr>,
) -> Result<Expr> {
    let Some(removing) = target.table.options().get(REMOVES) else {
        return Ok(key);
    };
    let removing: Vec<&str> = removing.split(',').map(str::trim).collect();
    let name = |at: &usize| target.fields()[*at].name.as_str();
    let mut checked = key;
    for order in orders(target) {
        let removes = order.sequence.iter().any(|at| removing.contains(&name(at)));
        if order.needs_value && removes {
            let holds = vec![has_value(&order, &old)?];
            checked = holding(target, REMOVES, holds, checked);
        }
    }
    Ok(checked)
}

fn holding(target: &Target, option: &str, conditions: Vec<Expr>, value: Expr) -> Expr {
    let Some(holds) = conditions.into_iter().reduce(Expr::and) else {
        return value;
    };
    let check = CheckNewer::new(target.table.name(), option);
    ScalarUDF::new_from_impl(check).call(vec![value, holds])
}

fn orders(target: &Target) -> Vec<Order> {
    let options = target.table.options();
    let place = |name: &str| target.fields().iter().position(|f| f.name == name.trim());
    let mut orders = Vec::new();
    let sequence: Vec<usize> = options
        .sequence_fields
        .iter()
        .filter_map(|f| place(f))
        .collect();
    if !sequence.is_empty() {
        orders.push(Order {
            option: "sequence.field".into(),
            sequence,
            decided: Vec::new(),
            descending: options.sequence_descending,
            needs_value: false,
        });
    }
    if options.merge_engine != MergeEngine::PartialUpdate {
        return orders;
    }
    for (key, value) in options.map() {
        let names = key
            .strip_prefix("fields.")
            .and_then(|k| k.strip_suffix(GROUP));
        let Some(names) = names else { continue };
        orders.push(Order {
            option: key.clone(),
            sequence: names.split(',').filter_map(place).collect(),
            decided: value.split(',').filter_map(place).collect(),
            descending: false,
            needs_value: true,
        });
    }
    orders
}

/// Whether the values of the sequence columns are those that were there or later ones; null is before all others.
fn is_not_before(
    order: &Order,
    new: &dyn Fn(usize) -> Result<Expr>,
    old: &dyn Fn(usize) -> Result<Expr>,
) -> Result<Expr> {
    let mut result = lit(true);
    for at in order.sequence.iter().rev() {
        let (new, old) = (new(*at)?, old(*at)?);
        let (later, earlier) = match order.descending {
            true => (old, new),
            false => (new, old),
        };
        let both_null = later.clone().is_null().and(earlier.clone().is_null());
        let same = both_null.or(later.clone().eq(earlier.clone()).is_true());
        let after = later.clone().gt(earlier.clone()).is_true();
        let from_null = later.is_not_null().and(earlier.is_null());
        result = after.or(from_null).or(same.and(result));
    }
    Ok(result)
}

fn has_value(order: &Order, of: &dyn Fn(usize) -> Result<Expr>) -> Result<Expr> {
    let mut any = lit(false);
    for at in &order.sequence {
        any = any.or(of(*at)?.is_not_null());
    }
    Ok(any)
}

/// The first argument; an error where the second is not true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckNewer {
    table: String,
    option: String,
    signature: Signature,
}

impl Hash for CheckNewer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.hash(state);
        self.option.hash(state);
    }
}

impl CheckNewer {
    /// Name in plans.
    pub const NAME: &'static str = "paimon_check_newer";

    /// Checks rows of a table, by the sequence columns of an option.
    pub fn new(table: &str, option: &str) -> Self {
        Self {
            table: table.to_string(),
            option: option.to_string(),
            signature: Signature::any(2, Volatility::Immutable),
        }
    }

    /// Name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The option that names the sequence columns.
    pub fn option(&self) -> &str {
        &self.option
    }

    fn failure(&self) -> DataFusionError {
        to_datafusion(
            Error::unsupported(
                "a row would not change: the merge keeps what is there where the sequence value of the change is null or \
                 earlier. Set a later one in the same statement",
            )
            .with("table", &self.table)
            .with("option", &self.option),
        )
    }
}

impl ScalarUDFImpl for CheckNewer {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let value = arguments.first().cloned();
        value.ok_or_else(|| DataFusionError::Plan("a value is expected".into()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [value, holds]: [ColumnarValue; 2] = args.args.try_into().map_err(|_| {
            DataFusionError::Internal("a value and a condition are expected".into())
        })?;
        let holds = holds.into_array(rows)?;
        let holds = as_boolean_array(&holds)?;
        match holds.true_count() == holds.len() {
            true => Ok(value),
            false => Err(self.failure()),
        }
    }
}
