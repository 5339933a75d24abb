//! Every batch query of the golden tables gives Java's rows through SQL, where other readers work than below it: filters
//! are pushed down by the optimizer, and DataFusion's own source reads what needs no merge.

use std::path::Path;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::functions::expr_fn::{contains, ends_with, starts_with};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{DataFrame, ident};
use paimon_core::arrow_bridge::{array_of, paimon_type};
use paimon_core::predicate::{Leaf, Predicate, PredicateOp};
use paimon_core::spec::{DataField, parse_data_type};
use paimon_datafusion::PaimonSession;
use paimon_testing::folders::{copy_folder, place_external_files};
use paimon_testing::golden::{GoldenEntry, GoldenQuery, compare, filter_of, load};
use paimon_testing::json_rows::rows_to_json;

use super::session;

/// The entry without row kinds, which SQL does not show.
fn without_kinds(mut entry: GoldenEntry) -> GoldenEntry {
    for row in entry.rows.iter_mut().flatten() {
        row[0] = "+I".into();
    }
    entry
}

/// Queries of a table's rows; changes and system tables have tests of their own.
fn is_covered(entry: &GoldenEntry) -> bool {
    let q = &entry.query;
    let rows = q.kind.is_none() && q.system.is_none() && q.table.is_none();
    rows && q.format_table.is_none() && !q.options.keys().any(|k| k.starts_with("incremental"))
}

fn source(entry: &GoldenEntry, table: &str) -> String {
    let q = &entry.query;
    let branch = q.branch.as_ref().map(|b| format!("$branch_{b}"));
    format!("\"{table}{}\"{}", branch.unwrap_or_default(), hint(q))
}

/// The options of a query behind the name of a table.
pub(super) fn hint(query: &GoldenQuery) -> String {
    let quoted = |(key, value): (&String, &String)| {
        let value = value.replace('\'', "''");
        format!("'{key}' = '{value}'")
    };
    let options: Vec<String> = query.options.iter().map(quoted).collect();
    match options.is_empty() {
        true => String::new(),
        false => format!(" /*+ OPTIONS({}) */", options.join(", ")),
    }
}

/// A filter for DataFusion.
fn expression(filter: &Predicate) -> Expr {
    match filter {
        Predicate::AlwaysTrue => lit(true),
        Predicate::AlwaysFalse => lit(false),
        Predicate::And(parts) => parts.iter().map(expression).reduce(Expr::and).unwrap(),
        Predicate::Or(parts) => parts.iter().map(expression).reduce(Expr::or).unwrap(),
        Predicate::Leaf(leaf) => comparison(leaf),
    }
}

fn comparison(leaf: &Leaf) -> Expr {
    let column = ident(&leaf.column);
    let mut literals = leaf.literals.iter().map(|literal| {
        let one = array_of(Some(literal), &leaf.data_type, 1).unwrap();
        lit(ScalarValue::try_from_array(&one, 0).unwrap())
    });
    match leaf.op {
        PredicateOp::IsNull => column.is_null(),
        PredicateOp::IsNotNull => column.is_not_null(),
        PredicateOp::In | PredicateOp::NotIn => Expr::InList(InList::new(
            Box::new(column),
            literals.collect(),
            leaf.op == PredicateOp::NotIn,
        )),
        op => {
            let literal = literals.next().unwrap();
            match op {
                PredicateOp::Eq => column.eq(literal),
                PredicateOp::NotEq => column.not_eq(literal),
                PredicateOp::Lt => column.lt(literal),
                PredicateOp::LtEq => column.lt_eq(literal),
                PredicateOp::Gt => column.gt(literal),
                PredicateOp::GtEq => column.gt_eq(literal),
                PredicateOp::StartsWith => starts_with(column, literal),
                PredicateOp::EndsWith => ends_with(column, literal),
                PredicateOp::Contains => contains(column, literal),
                _ => column.like(literal),
            }
        }
    }
}

fn filtered(frame: DataFrame, filter: &serde_json::Value) -> Result<DataFrame, DataFusionError> {
    let fields: Vec<DataField> = (0..)
        .zip(frame.schema().fields())
        .map(|(id, field)| {
            let data_type = paimon_type(field.data_type()).unwrap();
            DataField::new(id, field.name(), data_type)
        })
        .collect();
    frame.filter(expression(&filter_of(filter, &fields).unwrap()))
}

async fn rows(
    session: &PaimonSession,
    entry: &GoldenEntry,
    table: &str,
) -> Result<Vec<RecordBatch>, DataFusionError> {
    let sql = format!("SELECT * FROM {}", source(entry, table));
    let mut frame = session.sql(&sql).await?;
    if let Some(filter) = &entry.query.filter {
        frame = filtered(frame, filter)?;
    }
    let names = entry.columns.iter().map(|(name, _)| ident(name));
    match entry.columns.is_empty() {
        true => frame,
        false => frame.select(names)?,
    }
    .collect()
    .await
}

async fn ask(session: &PaimonSession, entry: &GoldenEntry, table: &str) -> Result<(), String> {
    let expects_error = entry.query.expect_error;
    let batches = match rows(session, entry, table).await {
        Ok(_) if expects_error => return Err("an error is expected, rows came".into()),
        Ok(batches) => batches,
        Err(_) if expects_error || entry.query.may_error => return Ok(()),
        // what Arrow's nanoseconds cannot hold is refused by name
        Err(error) if error.to_string().contains("1677..2262") => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let fields: Vec<DataField> = (0..)
        .zip(&entry.columns)
        .map(|(id, (name, text))| DataField::new(id, name, parse_data_type(text).unwrap()))
        .collect();
    let mut found = Vec::new();
    for batch in batches {
        found.extend(rows_to_json(&batch, &fields, &vec![0; batch.num_rows()]));
    }
    compare(entry, found)
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_read_as_java_reads_them() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    let golden = std::env::var("GOLDEN_ROOT").map_or(golden, Into::into);
    let warehouse = tempfile::tempdir().unwrap();
    let session = session(warehouse.path());
    let (mut passed, mut failures) = (0, Vec::new());
    for folder in std::fs::read_dir(golden).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.join("table").is_dir() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        let table = name.replace(['-', '.'], "_");
        let place = warehouse.path().join("default.db").join(&table);
        place_external_files(&folder).unwrap();
        copy_folder(&folder.join("table"), &place).unwrap();
        for entry in load(&folder).unwrap().into_iter().filter(is_covered) {
            let entry = without_kinds(entry);
            match ask(&session, &entry, &table).await {
                Ok(()) => passed += 1,
                Err(why) => failures.push(format!("{name} / {}: {why}", entry.query.name)),
            }
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    println!(
        "golden queries through SQL: {passed} passed, {} failed",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed > 0, "no golden table was found");
}
