//! Tables of Hive that become Paimon tables in place. Source: `MigrateTableProcedure`, `MigrateDatabaseProcedure`.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use datafusion::error::{DataFusionError, Result};
use futures::FutureExt;
use paimon_catalog::{Identifier, Migration};

use super::super::arguments::{Arguments, Kind, Parameter, optional, required};
use super::super::list::{Procedure, Running};
use super::super::plan::{current_catalog, name_parts};
use super::super::rows::{Column, RESULT, done, texts};
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::ident_text;

/// The only kind of source there is.
const HIVE: &str = "hive";

const SOURCE_TYPE: Parameter = required(&["source_type", "connector"], Kind::Text);
const OPTIONS: Parameter = optional(&["options"], Kind::Options);
const OPTIONS_MAP: Parameter = optional(&["options_map"], Kind::Options);
const PARALLELISM: Parameter = optional(&["parallelism"], Kind::Number);

pub(in crate::statement::procedure) const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "migrate_table",
        parameters: &[
            SOURCE_TYPE,
            required(&["table", "source_table"], Kind::Text),
            OPTIONS,
            optional(&["delete_origin"], Kind::Boolean),
            optional(&["target_table"], Kind::Text),
            OPTIONS_MAP,
            PARALLELISM,
        ],
        result: RESULT,
        check: |arguments| {
            check(arguments)?;
            match arguments.text("target_table") {
                None if !drops_source(arguments) => Err(DataFusionError::Plan(
                    "procedure migrate_table with delete_origin => false needs a target_table"
                        .into(),
                )),
                _ => Ok(()),
            }
        },
        run: migrate_table,
    },
    Procedure {
        name: "migrate_database",
        parameters: &[
            SOURCE_TYPE,
            required(&["database", "source_database"], Kind::Text),
            OPTIONS,
            OPTIONS_MAP,
            PARALLELISM,
        ],
        result: &[Column::Text("result")],
        check,
        run: migrate_database,
    },
];

fn check(arguments: &Arguments) -> Result<()> {
    let source = arguments.required("source_type");
    if !source.eq_ignore_ascii_case(HIVE) {
        return Err(DataFusionError::Plan(format!(
            "argument source_type of procedure {} must be hive, found {source}",
            arguments.procedure()
        )));
    }
    parallelism(arguments).map(drop)
}

/// Those of the text, and over them those of the map.
fn options(arguments: &Arguments) -> BTreeMap<String, String> {
    let given = ["options", "options_map"].map(|name| arguments.options(name));
    given.into_iter().flatten().collect()
}

fn drops_source(arguments: &Arguments) -> bool {
    arguments.boolean_or("delete_origin", true)
}

/// Files looked at or moved at a time: one per core by default.
pub(super) fn parallelism(arguments: &Arguments) -> Result<usize> {
    match arguments.number("parallelism") {
        None => Ok(available_parallelism().map_or(1, usize::from)),
        Some(number) => match usize::try_from(number) {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(DataFusionError::Plan(format!(
                "argument parallelism of procedure {} must be positive, found {number}",
                arguments.procedure()
            ))),
        },
    }
}

/// A table that an argument names, in the current database unless it names another.
fn identifier(session: &PaimonSession, text: &str) -> Result<Identifier> {
    let parts: Vec<String> = name_parts(text).iter().map(ident_text).collect();
    let (_, current) = session.current();
    let made = match parts.as_slice() {
        [table] => Identifier::new(&current, table),
        [database, table] => Identifier::new(database, table),
        _ => {
            return Err(DataFusionError::Plan(format!(
                "expected the name of a table such as db.t, found {text:?}"
            )));
        }
    };
    made.map_err(to_datafusion)
}

fn migrate_table<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let target = arguments.text("target_table");
        let target = target.map(|name| identifier(session, name)).transpose()?;
        let migration = Migration {
            source: identifier(session, arguments.required("table"))?,
            target,
            drops_source: drops_source(arguments),
            options: options(arguments),
            parallelism: parallelism(arguments)?,
        };
        let migrated = current_catalog(session)?.migrate_table(&migration).await;
        migrated.map(|()| done()).map_err(to_datafusion)
    }
    .boxed()
}

/// Migrates what can be migrated. One row: how many tables were and were not, and why not.
fn migrate_database<'a>(session: &'a PaimonSession, arguments: &'a Arguments) -> Running<'a> {
    async move {
        let catalog = current_catalog(session)?;
        let database = arguments.required("database");
        let tables = catalog.list_migratable_tables(database).await;
        let (mut migrated, mut failures) = (0usize, Vec::new());
        for table in tables.map_err(to_datafusion)? {
            let migration = Migration {
                source: Identifier::new(database, &table).map_err(to_datafusion)?,
                target: None,
                drops_source: true,
                options: options(arguments),
                parallelism: parallelism(arguments)?,
            };
            match catalog.migrate_table(&migration).await {
                Ok(()) => migrated += 1,
                Err(error) => {
                    tracing::warn!(database, table, %error, "a table was not migrated");
                    failures.push(format!("; {table}: {error}"));
                }
            }
        }
        let text = format!(
            "migrate database is finished, success cnt: {migrated} , failed cnt: {}{}",
            failures.len(),
            failures.concat()
        );
        Ok(vec![texts([Some(text)])])
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::arguments::Value;
    use super::*;

    fn arguments_of(procedure: usize, call: &[(&str, Value)]) -> Result<Arguments> {
        let procedure = &PROCEDURES[procedure];
        let call: Vec<_> = call
            .iter()
            .map(|(name, value)| (Some(name.to_string()), value.clone()))
            .collect();
        Arguments::new(procedure.name, procedure.parameters, &call, &|_| Ok(0))
    }

    fn checked(procedure: usize, call: &[(&str, Value)]) -> std::result::Result<(), String> {
        let arguments = arguments_of(procedure, call);
        let checked = arguments.and_then(|a| (PROCEDURES[procedure].check)(&a));
        checked.map_err(|e| e.to_string())
    }

    #[test]
    fn names_of_spark_and_flink_are_known_and_what_makes_no_sense_is_named() {
        let text = |text: &str| Value::Text(text.into());
        let spark = [("source_type", text("hive")), ("table", text("db.t"))];
        let flink = [("connector", text("HIVE")), ("source_table", text("t"))];
        checked(0, &spark).unwrap();
        checked(0, &flink).unwrap();
        checked(
            1,
            &[("connector", text("hive")), ("source_database", text("db"))],
        )
        .unwrap();
        for (extra, message) in [
            (
                ("delete_origin", Value::Boolean(false)),
                "needs a target_table",
            ),
            (("parallelism", Value::Number(0)), "must be positive"),
            (("options", text("a")), "key=value"),
            (("options_map", text("a")), "key=value"),
            (("options_map", Value::Number(1)), "map('key', 'value')"),
        ] {
            let call: Vec<_> = spark.iter().cloned().chain([extra]).collect();
            let error = checked(0, &call).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        let map = Value::Map(vec![("a".into(), "2".into()), ("b".into(), "3".into())]);
        let own = [("options", text("a=1, c = 4")), ("options_map", map)];
        let call: Vec<_> = spark.iter().cloned().chain(own).collect();
        let arguments = arguments_of(0, &call).unwrap();
        let expected = [("a", "2"), ("b", "3"), ("c", "4")];
        let expected = expected.map(|(k, v)| (k.to_string(), v.to_string()));
        assert_eq!(options(&arguments), expected.into());
        let iceberg = [("source_type", text("iceberg")), ("table", text("t"))];
        assert!(checked(0, &iceberg).unwrap_err().contains("must be hive"));
    }
}
