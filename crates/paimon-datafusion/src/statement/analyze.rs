//! `ANALYZE TABLE t COMPUTE STATISTICS [FOR COLUMNS a, b | FOR ALL COLUMNS]`, as Spark has it.

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::sql::sqlparser::ast::Ident;
use datafusion::sql::sqlparser::tokenizer::Token;
use paimon_core::commit::CommitContext;
use paimon_core::maintenance::{AnalyzeTable, AnalyzedColumns};

use super::effect::effect;
use super::ident_text;
use crate::error::to_datafusion;
use crate::parse::Cursor;
use crate::session::PaimonSession;

/// A statement as parsed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Analyze {
    table: Vec<Ident>,
    columns: AnalyzedColumns,
}

/// Recognises the statement; `None` for all others.
///
/// # Errors
/// When it is malformed.
pub(crate) fn parse(cursor: &mut Cursor) -> Result<Option<Analyze>> {
    if !cursor.keywords(&["ANALYZE", "TABLE"]) {
        return Ok(None);
    }
    let table = cursor.object_name()?;
    if !cursor.keywords(&["COMPUTE", "STATISTICS"]) {
        return cursor.expected("COMPUTE STATISTICS");
    }
    let columns = if cursor.keywords(&["FOR", "ALL", "COLUMNS"]) {
        AnalyzedColumns::All
    } else if cursor.keywords(&["FOR", "COLUMNS"]) {
        let mut names = vec![column(cursor)?];
        while cursor.eat(&Token::Comma) {
            names.push(column(cursor)?);
        }
        AnalyzedColumns::Named(names)
    } else {
        AnalyzedColumns::None
    };
    cursor.end()?;
    Ok(Some(Analyze { table, columns }))
}

fn column(cursor: &mut Cursor) -> Result<String> {
    match cursor.object_name()?.as_slice() {
        [name] => Ok(ident_text(name)),
        _ => cursor.expected("the name of a column"),
    }
}

/// Plans the statement on a Paimon table.
///
/// # Errors
/// When there is no such table.
pub(crate) async fn plan(session: &PaimonSession, statement: Analyze) -> Result<DataFrame> {
    let table = session.paimon_table(&statement.table, Vec::new()).await?;
    let analyze = AnalyzeTable {
        columns: statement.columns,
    };
    effect(
        session,
        format!("{}: ANALYZE TABLE", table.name()),
        move || {
            let (table, analyze) = (table.clone(), analyze.clone());
            async move {
                let done = analyze.run(&table, &CommitContext::default()).await;
                done.map(drop)
                    .map_err(|e| to_datafusion(e.with_default("table", table.name())))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn columns(sql: &str) -> Result<Option<AnalyzedColumns>> {
        let parsed = parse(&mut Cursor::from_sql(sql)?)?;
        Ok(parsed.map(|s| s.columns))
    }

    #[test]
    fn columns_are_none_all_or_named() {
        let found = |sql| columns(sql).unwrap().unwrap();
        let plain = "ANALYZE TABLE db.t COMPUTE STATISTICS";
        assert_eq!(found(plain), AnalyzedColumns::None);
        let all = "analyze table t compute statistics for all columns";
        assert_eq!(found(all), AnalyzedColumns::All);
        let named = "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS A, `B`";
        let names = vec!["a".to_string(), "B".to_string()];
        assert_eq!(found(named), AnalyzedColumns::Named(names));
        assert_eq!(columns("SELECT 1").unwrap(), None);
    }

    #[test]
    fn other_forms_are_errors() {
        for sql in [
            "ANALYZE TABLE t",
            "ANALYZE TABLE t COMPUTE STATISTICS NOSCAN",
            "ANALYZE TABLE t PARTITION (p = 1) COMPUTE STATISTICS",
            "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS",
            "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS a,",
            "ANALYZE TABLE t COMPUTE STATISTICS FOR COLUMNS a b",
        ] {
            assert!(columns(sql).is_err(), "{sql}");
        }
    }
}
