//! UPDATE and DELETE of this engine, and Java's deletion vectors: what is left must be what the filter says.

use paimon_core::spec::{DataField, TypeKind};
use serde_json::{Value, json};

use super::agree;
use super::filters::{Filter, filter, literal, quoted};
use super::history::{Engine, History, TABLE};
use super::sql;
use crate::play::Stop;

/// One change of rows by a filter, where the table takes it.
pub async fn step(history: &mut History<'_>) -> Result<(), Stop> {
    let schema = history.schema().await?;
    let (_, newest) = history.snapshots().await?;
    let Some(filter) = filter(&mut history.numbers, &schema.fields, &mut history.pools) else {
        return Ok(());
    };
    let engine = history.definition.engine().to_string();
    let keyed = history.definition.keyed();
    let marks = history.definition.is("deletion-vectors.enabled");
    if newest < 1
        || history.definition.kind_column.is_some()
        || history.definition.option("bucket") == "-2"
    {
        return Ok(());
    }
    if !keyed && marks && history.numbers.one_in(3) {
        return java_deletes(history, &filter).await;
    }
    if keyed && !matches!(engine.as_str(), "deduplicate") {
        return Ok(());
    }
    let keys = |f: &&DataField| {
        schema.primary_keys.contains(&f.name) || schema.partition_keys.contains(&f.name)
    };
    // Java's rows have numbers with a point as texts
    let floats = |f: &&DataField| matches!(f.data_type.kind, TypeKind::Float | TypeKind::Double);
    let values: Vec<&DataField> = schema
        .fields
        .iter()
        .filter(|f| !keys(f) && !floats(f))
        .collect();
    let (statement, set) = match values.is_empty() || history.numbers.one_in(2) {
        true => (format!("DELETE FROM {TABLE} WHERE {}", filter.sql), None),
        false => {
            let field = *history.numbers.pick(&values);
            let value = history.pools.value(&mut history.numbers, field);
            let text = if value.is_null() {
                Some("NULL".to_string())
            } else {
                literal(&value, &field.data_type)
            };
            let Some(text) = text else { return Ok(()) };
            let place = schema
                .fields
                .iter()
                .position(|f| f.name == field.name)
                .unwrap_or(0);
            let name = quoted(&field.name);
            (
                format!("UPDATE {TABLE} SET {name} = {text} WHERE {}", filter.sql),
                Some((place, value)),
            )
        }
    };
    apply(history, &filter, &statement, set).await
}

/// Runs a statement, then looks for what it should have left.
async fn apply(
    history: &mut History<'_>,
    filter: &Filter,
    statement: &str,
    set: Option<(usize, Value)>,
) -> Result<(), Stop> {
    history.log.push(format!("Ours {statement}"));
    let before = agree::texts(history, json!({})).await?;
    let matching = agree::texts(history, json!({"filter": filter.json})).await?;
    let mut expected = before;
    for row in &matching {
        if let Some(place) = expected.iter().position(|r| r == row) {
            expected.remove(place);
        }
    }
    let changed = match &set {
        None => Vec::new(),
        Some((column, value)) => changed(&matching, *column, value)?,
    };
    expected.extend(changed.iter().map(ToString::to_string));
    match sql::run(&history.session, statement).await {
        Err(Stop::Refused(why)) => {
            history.refused.push(why);
            return Ok(());
        }
        other => other?,
    };
    // the twin would have to be changed in the same way
    history.twin = None;
    history.compacted_somehow();
    let filters = history.definition.schema.options.keys();
    let reorders = filters
        .clone()
        .any(|k| k.contains("sequence") || k.contains("ignore"))
        || history.definition.hides_new_rows();
    if reorders {
        return Ok(());
    }
    let after = agree::texts(history, json!({})).await?;
    agree::same_values(
        statement,
        ("what should be left", expected),
        ("Java", after),
    )
}

/// Rows with another value in a column.
fn changed(rows: &[String], column: usize, value: &Value) -> Result<Vec<Value>, Stop> {
    rows.iter()
        .map(|text| {
            let mut row: Value =
                serde_json::from_str(text).map_err(|e| Stop::Wrong(e.to_string()))?;
            row[column + 1] = value.clone();
            Ok(row)
        })
        .collect()
}

async fn java_deletes(history: &mut History<'_>, filter: &Filter) -> Result<(), Stop> {
    history
        .log
        .push(format!("{:?} deletes {}", Engine::Java, filter.json));
    let request = json!({"filter": filter.json});
    if let Some(twin) = &history.twin {
        history.ask("delete", twin, request.clone()).await?;
    }
    history
        .ask("delete", &history.table, request)
        .await
        .map(drop)
}
