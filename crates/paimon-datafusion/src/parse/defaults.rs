//! The word DEFAULT in the VALUES of an INSERT.

use datafusion::error::{DataFusionError, Result};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, SetExpr, Statement as SqlStatement, Value, ValueWithSpan,
};
use paimon_core::spec::DataField;

/// Puts the defaults of columns where a row of VALUES says DEFAULT; `columns` are those the query fills, in order.
///
/// # Errors
/// For a statement that is no query, and DEFAULT for a NOT NULL column without one.
pub(crate) fn query_with_defaults(
    statement: &mut Statement,
    columns: &[Option<&DataField>],
) -> Result<()> {
    let query = match statement {
        Statement::Statement(inner) => match inner.as_mut() {
            SqlStatement::Query(query) => query,
            other => return Err(no_query(&other.to_string())),
        },
        other => return Err(no_query(&other.to_string())),
    };
    let SetExpr::Values(values) = query.body.as_mut() else {
        return Ok(());
    };
    for row in &mut values.rows {
        for (expr, column) in row.content.iter_mut().zip(columns) {
            if let Some(field) = column
                && is_default(expr)
            {
                *expr = default_value(field)?;
            }
        }
    }
    Ok(())
}

/// Whether an expression is the word DEFAULT.
pub(crate) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name)
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT"))
}

/// The default of a column, else null.
///
/// # Errors
/// For a NOT NULL column without one.
pub(crate) fn default_value(field: &DataField) -> Result<Expr> {
    let value = match &field.default_value {
        Some(text) => Value::SingleQuotedString(text.clone()),
        None if field.data_type.nullable => Value::Null,
        None => {
            return Err(DataFusionError::Plan(format!(
                "column {} is NOT NULL and has no default",
                field.name
            )));
        }
    };
    Ok(Expr::Value(ValueWithSpan::from(value)))
}

fn no_query(found: &str) -> DataFusionError {
    let found: String = found.chars().take(60).collect();
    DataFusionError::Plan(format!("a query is expected, found {found}"))
}
