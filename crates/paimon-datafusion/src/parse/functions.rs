//! Table functions that stand for a table with options, and names of scalar functions.
//!
//! ```text
//! FROM paimon_incremental_query('db.t', 1, 5)   ->   FROM db."t /*+ OPTIONS('incremental-between'='1,5') */"
//! ```
//! Source: `PaimonTableValuedFunctions`.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, UnaryOperator, Value,
};

/// Names of the functions, the option that the arguments after the table make, and the names of the arguments.
const FUNCTIONS: &[(&str, &str, &[&str])] = &[
    (
        "paimon_incremental_query",
        "incremental-between",
        &["table", "start", "end"],
    ),
    (
        "paimon_incremental_between_timestamp",
        "incremental-between-timestamp",
        &["table", "start", "end"],
    ),
    (
        "paimon_incremental_to_auto_tag",
        "incremental-to-auto-tag",
        &["table", "tag"],
    ),
];

/// Keys and values.
pub(super) type OptionPairs = Vec<(String, String)>;

/// Name of a function without a schema, in small letters.
pub(super) fn function_named(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The table that a function stands for and its options; `None` for other functions.
///
/// # Errors
/// When arguments are missing, too many, or no constants.
pub(super) fn table_of(
    name: &ObjectName,
    arguments: &[FunctionArg],
) -> Result<Option<(ObjectName, OptionPairs)>> {
    let Some(wanted) = function_named(name) else {
        return Ok(None);
    };
    let Some((function, option, names)) = FUNCTIONS.iter().find(|(f, ..)| *f == wanted) else {
        return Ok(None);
    };
    let wrong = |what: String| DataFusionError::Plan(format!("table function {function} {what}"));
    let mut values: Vec<Option<String>> = vec![None; names.len()];
    for (i, argument) in arguments.iter().enumerate() {
        let (at, expr) = match argument {
            FunctionArg::Unnamed(expr) => (Some(i), expr),
            FunctionArg::Named { name, arg, .. } => {
                let at = names
                    .iter()
                    .position(|n| n.eq_ignore_ascii_case(&name.value));
                (at, arg)
            }
            FunctionArg::ExprNamed { .. } => (None, &FunctionArgExpr::Wildcard),
        };
        let text = constant(expr);
        match (at.and_then(|at| values.get_mut(at)), text) {
            (Some(value @ None), Some(text)) => *value = Some(text),
            _ => return Err(wrong(format!("cannot take the argument {argument}"))),
        }
    }
    let values: Option<Vec<String>> = values.into_iter().collect();
    let Some((table, rest)) = values.as_deref().and_then(<[String]>::split_first) else {
        return Err(wrong(format!(
            "takes {} arguments: {}",
            names.len(),
            names.join(", ")
        )));
    };
    let parts = table.split('.').map(|part| {
        let part = part.trim().trim_matches('`').trim_matches('"');
        ObjectNamePart::Identifier(Ident::with_quote('"', part))
    });
    let options = vec![((*option).to_string(), rest.join(","))];
    Ok(Some((ObjectName(parts.collect()), options)))
}

/// Writes the name of a function in the database `sys`, of whatever catalog, as it is registered: DataFusion takes names with
/// a database as they stand.
pub(super) fn name_as_registered(expr: &mut Expr) {
    let Expr::Function(function) = expr else {
        return;
    };
    let (database, name) = match function.name.0.as_slice() {
        [database, name] | [_, database, name] => (database.as_ident(), name.as_ident()),
        _ => return,
    };
    let (Some(database), Some(name)) = (database, name) else {
        return;
    };
    if database.value.eq_ignore_ascii_case("sys") {
        let name = Ident::new(name.value.to_ascii_lowercase());
        function.name = ObjectName::from(vec![Ident::new("sys"), name]);
    }
}

pub(super) fn constant(argument: &FunctionArgExpr) -> Option<String> {
    let FunctionArgExpr::Expr(expr) = argument else {
        return None;
    };
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            Value::Number(number, _) => Some(number.clone()),
            Value::Boolean(yes) => Some(yes.to_string()),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => constant(&FunctionArgExpr::Expr((**expr).clone())).map(|n| format!("-{n}")),
        _ => None,
    }
}
