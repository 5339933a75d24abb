//! `PARTITION (a = 1, b)` of INSERT, TRUNCATE and ALTER TABLE.

use arrow::array::ArrayRef;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::arrow_bridge::datum_at;
use paimon_core::spec::{Datum, TableSchema};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};

use super::effect::effect;
use super::ident_text;
use crate::error::to_datafusion;
use crate::parse::Cursor;
use crate::session::PaimonSession;
use crate::store::StoreAssignment;

/// Partition columns as named, with the tokens of their values; a column without a value is left to the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PartitionSpec {
    pairs: Vec<(Ident, Option<Vec<Token>>)>,
}

/// A partition column with a given value.
#[derive(Debug, Clone)]
pub(crate) struct StaticValue {
    /// Name of the column.
    pub(crate) column: String,
    /// One row.
    pub(crate) array: ArrayRef,
    /// The same.
    pub(crate) datum: Option<Datum>,
}

impl PartitionSpec {
    /// Reads the parenthesis behind PARTITION.
    ///
    /// # Errors
    /// On a syntax error.
    pub(crate) fn parse(cursor: &mut Cursor) -> Result<Self> {
        if !cursor.eat(&Token::LParen) {
            return cursor.expected("(");
        }
        let mut pairs = Vec::new();
        loop {
            let name = match cursor.object_name()?.as_slice() {
                [name] => name.clone(),
                _ => return cursor.expected("the name of a partition column"),
            };
            let value = match cursor.eat(&Token::Eq) {
                true => Some(cursor.balanced()),
                false => None,
            };
            pairs.push((name, value));
            if cursor.eat(&Token::RParen) {
                return Ok(Self { pairs });
            }
            if !cursor.eat(&Token::Comma) {
                return cursor.expected(", or )");
            }
        }
    }

    /// Whether all columns, at least one, have values.
    pub(super) fn is_static(&self) -> bool {
        !self.pairs.is_empty() && self.pairs.iter().all(|(_, value)| value.is_some())
    }

    /// The columns with values, as values of their types.
    ///
    /// # Errors
    /// For a column that is no partition column or appears twice, a value that is no constant or does not fit.
    pub(crate) fn values(
        &self,
        session: &PaimonSession,
        schema: &TableSchema,
    ) -> Result<Vec<StaticValue>> {
        let mut seen: Vec<String> = Vec::new();
        let mut values = Vec::new();
        for (name, tokens) in &self.pairs {
            let column = partition_column(schema, name)?;
            if seen.contains(&column) {
                return Err(DataFusionError::Plan(format!(
                    "PARTITION names column {column} twice"
                )));
            }
            seen.push(column.clone());
            if let Some(tokens) = tokens {
                values.push(value(session, schema, column, tokens)?);
            }
        }
        Ok(values)
    }
}

/// A statement that makes one snapshot without the rows of some partitions, of all when none is given.
pub(super) fn drop_partitions(
    session: &PaimonSession,
    what: String,
    table: Table,
    partitions: Vec<Vec<StaticValue>>,
) -> Result<DataFrame> {
    let settings = session.settings().clone();
    let pairs = |values: &Vec<StaticValue>| {
        let pair = |v: &StaticValue| (v.column.clone(), v.datum.clone());
        values.iter().map(pair).collect::<Vec<_>>()
    };
    let partitions: Vec<Vec<_>> = partitions.iter().map(pairs).collect();
    effect(session, what, move || {
        let (table, partitions) = (table.clone(), partitions.clone());
        let settings = settings.clone();
        async move {
            let (commit, identifier) = match settings.next_commit_identity() {
                Some(own) => (table.new_commit().with_user(&own.user), own.identifier),
                None => (table.new_commit(), BATCH_COMMIT_IDENTIFIER),
            };
            let done = commit.drop_partitions(partitions, identifier).await;
            done.map(|_| ())
                .map_err(|e| to_datafusion(e.with_default("table", table.name())))
        }
    })
}

fn partition_column(schema: &TableSchema, name: &Ident) -> Result<String> {
    let wanted = ident_text(name);
    let keys = &schema.partition_keys;
    let found = keys
        .iter()
        .find(|k| **k == wanted)
        .or_else(|| keys.iter().find(|k| k.eq_ignore_ascii_case(&wanted)));
    found.cloned().ok_or_else(|| {
        DataFusionError::Plan(format!(
            "{wanted} is not a partition column: the table has [{}]",
            keys.join(", ")
        ))
    })
}

fn value(
    session: &PaimonSession,
    schema: &TableSchema,
    column: String,
    tokens: &[Token],
) -> Result<StaticValue> {
    let field = schema
        .field(&column)
        .ok_or_else(|| DataFusionError::Internal(format!("no column {column}")))?;
    let mut parser = Parser::new(&GenericDialect).with_tokens(tokens.to_vec());
    let expr = parser
        .parse_expr()
        .map_err(|e| DataFusionError::SQL(Box::new(e), None))?;
    if parser.peek_token().token != Token::EOF {
        return Err(DataFusionError::Plan(format!(
            "expected one constant for partition column {column}, found {} behind it",
            parser.peek_token().token
        )));
    }
    let constant = session.constant(expr)?;
    let store = StoreAssignment::new(vec![field.clone()], &session.settings().time_zone());
    let array = store
        .column(0, &constant.to_array()?)
        .map_err(to_datafusion)?;
    let datum = datum_at(array.as_ref(), 0, &field.data_type).map_err(to_datafusion)?;
    Ok(StaticValue {
        column,
        array,
        datum,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(sql: &str) -> Result<PartitionSpec> {
        let mut cursor = Cursor::from_sql(sql)?;
        let spec = PartitionSpec::parse(&mut cursor)?;
        cursor.end()?;
        Ok(spec)
    }

    #[test]
    fn values_are_expressions_and_may_be_missing() {
        let spec = parse("(dt = DATE '2024-01-01', `H` = f(1, 2), region)").unwrap();
        let names: Vec<String> = spec.pairs.iter().map(|(n, _)| ident_text(n)).collect();
        assert_eq!(names, ["dt", "H", "region"]);
        let lengths: Vec<Option<usize>> = spec
            .pairs
            .iter()
            .map(|(_, v)| v.as_ref().map(Vec::len))
            .collect();
        assert_eq!(lengths, [Some(2), Some(6), None]);
        for sql in ["(", "()", "(a = 1", "(a.b = 1)", "(a = 1 b = 2)"] {
            assert!(parse(sql).is_err() || sql == "(a = 1 b = 2)", "{sql}");
        }
    }
}
