//! Queries over the table and over its rows in memory: what is pushed down, answered from statistics or cut short must not
//! show in the result.

use arrow_array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use paimon_core::spec::{DataField, TypeKind};

use super::filters::{filter, quoted};
use super::history::{History, TABLE};
use super::sql;
use crate::numbers::Numbers;
use crate::play::Stop;
use crate::rows::difference;

/// Queries in one round.
const QUERIES: usize = 5;

/// Random queries.
pub async fn all(history: &mut History<'_>, stage: &str) -> Result<(), Stop> {
    let schema = history.schema().await?;
    let batches = sql::run(&history.session, &format!("SELECT * FROM {TABLE}")).await?;
    if batches.is_empty() {
        return Ok(());
    }
    let memory = sql::in_memory(&history.session, batches)?;
    for _ in 0..QUERIES {
        let filter = match history.numbers.one_in(2) {
            true => filter(&mut history.numbers, &schema.fields, &mut history.pools),
            false => None,
        };
        let mut condition = filter.map(|f| f.sql);
        if history.numbers.one_in(4) {
            condition = special(&mut history.numbers, &schema.fields).or(condition);
        }
        let condition = condition.map_or(String::new(), |sql| format!(" WHERE {sql}"));
        let Some((select, tail)) = shape(&mut history.numbers, &schema.fields) else {
            continue;
        };
        let query = |from: &str| format!("SELECT {select} FROM {from} t{condition}{tail}");
        let here = texts(&sql::run(&history.session, &query(TABLE)).await?)?;
        let there = texts(&sql::run(&history.session, &query(memory)).await?)?;
        if let Some(text) = difference(("the table", &here), ("its rows in memory", &there)) {
            return Err(Stop::Wrong(format!("{stage}: {}: {text}", query(TABLE))));
        }
    }
    Ok(())
}

/// A condition that Java is not asked about: numbers that are none, zeros with a sign, fields inside rows.
fn special(numbers: &mut Numbers, fields: &[DataField]) -> Option<String> {
    let field = numbers.pick(fields);
    let name = quoted(&field.name);
    match &field.data_type.kind {
        TypeKind::Float | TypeKind::Double => {
            let op = numbers.pick(&["=", "!=", "<", "<=", ">", ">="]);
            let value = numbers.pick(&[
                "NaN",
                "-0.0",
                "0.0",
                "Infinity",
                "-Infinity",
                "1.0",
                "3.4028235E38",
            ]);
            let kind = if field.data_type.kind == TypeKind::Float {
                "FLOAT"
            } else {
                "DOUBLE"
            };
            Some(format!("{name} {op} CAST('{value}' AS {kind})"))
        }
        TypeKind::Row(inner) => {
            let inner = numbers.pick(inner);
            let test = numbers.pick(&["IS NULL", "IS NOT NULL"]);
            Some(format!("{name}['{}'] {test}", inner.name))
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            let pattern = numbers.pick(&["a%", "%b", "_", "%", "__%", "A%b", "%😀%", ""]);
            let word = numbers.pick(&["LIKE", "NOT LIKE", "ILIKE"]);
            Some(format!("{name} {word} '{pattern}'"))
        }
        _ => None,
    }
}

/// What is selected, and what stands behind the condition.
fn shape(numbers: &mut Numbers, fields: &[DataField]) -> Option<(String, String)> {
    let plain: Vec<&DataField> = fields
        .iter()
        .filter(|f| !f.data_type.kind.is_nested())
        .collect();
    if plain.is_empty() {
        return Some(("count(*)".to_string(), String::new()));
    }
    let name = quoted(&numbers.pick(&plain).name);
    let other = *numbers.pick(&plain);
    // DataFusion's maximum of a group that holds NaN depends on the order of its rows
    let per_group = match other.data_type.kind {
        TypeKind::Float | TypeKind::Double => "count",
        _ => "max",
    };
    let other = quoted(&other.name);
    Some(match numbers.below(7) {
        0 => (
            format!("count(*), count({name}), min({name}), max({name})"),
            String::new(),
        ),
        1 => (format!("min({name}), max({other})"), String::new()),
        2 => (
            format!("{name}, count(*), {per_group}({other})"),
            format!(" GROUP BY {name}"),
        ),
        3 => (format!("count(DISTINCT {name})"), String::new()),
        4 => {
            let order = numbers.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
            (
                name.clone(),
                format!(" ORDER BY {name}{order} LIMIT {}", 1 + numbers.below(4)),
            )
        }
        5 => {
            let rows: Vec<&DataField> = fields
                .iter()
                .filter(|f| matches!(f.data_type.kind, TypeKind::Row(_)))
                .collect();
            let row = *numbers.pick(&rows.first().map(|_| rows.clone())?);
            let TypeKind::Row(inner) = &row.data_type.kind else {
                return None;
            };
            (
                format!(
                    "{}['{}'], {name}",
                    quoted(&row.name),
                    numbers.pick(inner).name
                ),
                String::new(),
            )
        }
        _ => {
            let names: Vec<String> = numbers
                .some(fields, fields.len())
                .iter()
                .map(|f| quoted(&f.name))
                .collect();
            (
                if names.is_empty() {
                    "1".to_string()
                } else {
                    names.join(", ")
                },
                String::new(),
            )
        }
    })
}

/// Rows as sorted texts.
fn texts(batches: &[RecordBatch]) -> Result<Vec<String>, Stop> {
    let options = FormatOptions::default().with_null("null");
    let wrong = |e: datafusion::arrow::error::ArrowError| Stop::Wrong(e.to_string());
    let mut texts = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns: Vec<ArrayFormatter<'_>> = columns
            .map(|c| ArrayFormatter::try_new(c, &options))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        for row in 0..batch.num_rows() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            texts.push(values.join(" | "));
        }
    }
    texts.sort();
    Ok(texts)
}
