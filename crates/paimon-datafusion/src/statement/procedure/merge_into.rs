//! MERGE INTO with its clauses as texts. Source: `MergeIntoProcedure`, `MergeIntoAction`,
//! `DataEvolutionMergeIntoProcedure` of Paimon's Flink connector.

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;

use paimon_core::Error;

use super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::list::{Procedure, Running};
use super::plan::name_parts;
use super::rows::{RESULT, done};
use crate::error::to_datafusion;
use crate::parse::split_statements;
use crate::session::PaimonSession;

const TARGET: Parameter = required(&["target_table", "table"], Kind::Text);
const ALIAS: Parameter = optional(&["target_alias"], Kind::Text);
const BEFORE: Parameter = optional(&["source_sqls"], Kind::Text);
const SOURCE: Parameter = required(&["source_table"], Kind::Text);
const CONDITION: Parameter = required(&["merge_condition"], Kind::Text);

pub(super) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "merge_into",
        parameters: &[
            TARGET,
            ALIAS,
            BEFORE,
            SOURCE,
            CONDITION,
            optional(&["matched_upsert_condition"], Kind::Text),
            optional(&["matched_upsert_setting"], Kind::Text),
            optional(&["not_matched_insert_condition"], Kind::Text),
            optional(&["not_matched_insert_values"], Kind::Text),
            optional(&["matched_delete_condition"], Kind::Text),
            optional(&["not_matched_by_source_upsert_condition"], Kind::Text),
            optional(&["not_matched_by_source_upsert_setting"], Kind::Text),
            optional(&["not_matched_by_source_delete_condition"], Kind::Text),
        ],
        result: RESULT,
        check: |arguments| statement(arguments).map(drop),
        run: |session, arguments| {
            async move { merge(session, arguments, &statement(arguments)?).await }.boxed()
        },
    },
    Procedure {
        name: "data_evolution_merge_into",
        parameters: &[
            TARGET,
            ALIAS,
            BEFORE,
            SOURCE,
            CONDITION,
            required(&["matched_update_set"], Kind::Text),
            optional(&["sink_parallelism"], Kind::Number),
        ],
        result: RESULT,
        check: |arguments| update_of_columns(arguments).map(drop),
        run: merge_columns,
    },
];

async fn merge(
    session: &PaimonSession,
    arguments: &Arguments,
    statement: &str,
) -> Result<Vec<ArrayRef>> {
    if let Some(before) = arguments.text("source_sqls") {
        session.sql(before).await?.collect().await?;
    }
    session.sql(statement).await?.collect().await?;
    Ok(done())
}

fn merge_columns<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let target = name_parts(arguments.required("target_table"));
        let table = session.paimon_table(&target, Vec::new()).await?;
        if !table.options().data_evolution {
            let error = Error::unsupported(
                "data_evolution_merge_into changes tables with `data-evolution.enabled`: call merge_into",
            );
            return Err(to_datafusion(error.with("table", table.name())));
        }
        merge(session, arguments, &update_of_columns(arguments)?).await
    }
    .boxed()
}

/// The statement of `data_evolution_merge_into`.
fn update_of_columns(arguments: &Arguments) -> Result<String> {
    // how a cluster shares the work changes nothing here
    if arguments.number("sink_parallelism").is_some_and(|n| n < 1) {
        return wrong(arguments, "takes a sink_parallelism of at least 1");
    }
    let setting = arguments.required("matched_update_set").trim();
    let update = when("MATCHED", None, &format!("UPDATE SET {setting}"));
    with_clauses(arguments, &[update])
}

fn wrong<T>(arguments: &Arguments, what: &str) -> Result<T> {
    let procedure = arguments.procedure();
    Err(DataFusionError::Plan(format!(
        "procedure {procedure} {what}"
    )))
}

/// The statement of `merge_into`.
fn statement(arguments: &Arguments) -> Result<String> {
    let matched = clause(arguments, "matched_upsert", "setting")?;
    let inserted = clause(arguments, "not_matched_insert", "values")?;
    let by_source = clause(arguments, "not_matched_by_source_upsert", "setting")?;
    let deleted = arguments.text("matched_delete_condition");
    let lost = arguments.text("not_matched_by_source_delete_condition");
    for (upserted, deleted, what) in [
        (&matched, deleted, "matched"),
        (&by_source, lost, "not_matched_by_source"),
    ] {
        if deleted.is_some() && matches!(upserted, Some((None, _))) {
            let what =
                format!("takes {what}_upsert_condition where {what}_delete_condition is given");
            return wrong(arguments, &what);
        }
    }
    let mut clauses = Vec::new();
    if let Some((condition, setting)) = matched {
        clauses.push(when("MATCHED", condition, &format!("UPDATE SET {setting}")));
    }
    if deleted.is_some() {
        clauses.push(when("MATCHED", deleted, "DELETE"));
    }
    if let Some((condition, values)) = inserted {
        let insert = match values {
            "*" => "INSERT *".to_string(),
            values => format!("INSERT VALUES ({values}\n)"),
        };
        clauses.push(when("NOT MATCHED", condition, &insert));
    }
    if let Some((condition, setting)) = by_source {
        let update = format!("UPDATE SET {setting}");
        clauses.push(when("NOT MATCHED BY SOURCE", condition, &update));
    }
    if lost.is_some() {
        clauses.push(when("NOT MATCHED BY SOURCE", lost, "DELETE"));
    }
    if clauses.is_empty() {
        let what = "takes at least one thing to do, such as matched_upsert_setting";
        return wrong(arguments, what);
    }
    with_clauses(arguments, &clauses)
}

/// The statement that the arguments are parts of. What follows one begins on a line of its own: the argument may end with a
/// comment.
fn with_clauses(arguments: &Arguments, clauses: &[String]) -> Result<String> {
    let alias = arguments.text("target_alias");
    let merge = format!(
        "MERGE INTO {}{}\nUSING {}\nON {}\n{}",
        arguments.required("target_table"),
        alias.map(|a| format!("\nAS {a}")).unwrap_or_default(),
        arguments.required("source_table"),
        arguments.required("merge_condition"),
        clauses.join("\n")
    );
    match split_statements(&merge).len() {
        1 => Ok(merge),
        _ => wrong(
            arguments,
            "takes parts of one statement, without ; between them",
        ),
    }
}

/// Condition and contents of a clause; `None` when it is not given.
fn clause<'a>(
    arguments: &'a Arguments,
    name: &str,
    contents: &str,
) -> Result<Option<(Option<&'a str>, &'a str)>> {
    let condition = arguments.text(&format!("{name}_condition"));
    match arguments.text(&format!("{name}_{contents}")) {
        Some(contents) => Ok(Some((condition, contents.trim()))),
        None if condition.is_none() => Ok(None),
        None => Err(DataFusionError::Plan(format!(
            "procedure merge_into takes {name}_{contents} where {name}_condition is given"
        ))),
    }
}

fn when(matched: &str, condition: Option<&str>, then: &str) -> String {
    let and = condition.map(|c| format!(" AND ({c}\n)"));
    format!("WHEN {matched}{} THEN {then}", and.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::super::arguments::Value;
    use super::*;

    #[test]
    fn comments_end_with_the_argument_they_are_in() {
        let given = [
            ("target_table", "t"),
            ("target_alias", "x"),
            ("source_table", "s"),
            ("merge_condition", "x.id = s.id"),
            ("matched_upsert_condition", "s.v > 5"),
            ("matched_upsert_setting", "v = s.v"),
            ("not_matched_insert_condition", "s.v > 6"),
            ("not_matched_insert_values", "s.id, s.v"),
            ("matched_delete_condition", "s.v < 5"),
            ("not_matched_by_source_upsert_condition", "x.v = 1"),
            ("not_matched_by_source_upsert_setting", "v = 2"),
            ("not_matched_by_source_delete_condition", "x.v = 3"),
        ];
        let parsed = |comment: &str| {
            let call = given.iter().map(|(name, text)| {
                let value = Value::Text(format!("{text}{comment}"));
                (Some((*name).to_string()), value)
            });
            let call: Vec<_> = call.collect();
            let known = PROCEDURES.first().unwrap().parameters;
            let arguments = Arguments::new("merge_into", known, &call, &|_| Ok(0)).unwrap();
            let text = statement(&arguments).unwrap();
            let mut parsed = Parser::parse_sql(&GenericDialect, &text).unwrap();
            assert_eq!(parsed.len(), 1, "{text}");
            parsed.pop().unwrap()
        };
        let plain = parsed("");
        let Statement::Merge(merge) = &plain else {
            panic!("no MERGE: {plain}");
        };
        assert_eq!(merge.clauses.len(), 5);
        assert_eq!(parsed(" -- why; and how").to_string(), plain.to_string());
        assert_eq!(parsed(" /* why */").to_string(), plain.to_string());
    }
}
