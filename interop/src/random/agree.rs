//! What both engines must say alike about a table.

use std::collections::HashMap;

use paimon_core::spec::{DataField, DataType, TypeKind};
use serde_json::{Value, json};

use super::filters::{filter, quoted};
use super::history::{History, TABLE};
use super::{roads, sql};
use crate::checks;
use crate::ours;
use crate::play::Stop;
use crate::rows::{difference, fields_of_java, texts_of_batches, texts_of_java};

/// Most snapshots and tags that one round reads.
const STATES: usize = 4;
/// The system tables that are compared, one in each round.
const SYSTEM_TABLES: &[&str] = &[
    "snapshots",
    "files",
    "manifests",
    "partitions",
    "buckets",
    "tags",
    "options",
];

fn same(stage: &str, left: (&str, &[String]), right: (&str, &[String])) -> Result<(), Stop> {
    match difference(left, right) {
        None => Ok(()),
        Some(text) => Err(Stop::Wrong(format!("{stage}: {text}"))),
    }
}

/// Compares rows without their kinds, in any order.
pub fn same_values(
    stage: &str,
    left: (&str, Vec<String>),
    right: (&str, Vec<String>),
) -> Result<(), Stop> {
    let (l, r) = (values(left.1), values(right.1));
    same(stage, (left.0, &l), (right.0, &r))
}

/// Rows without their kinds: whether an update still shows as one depends on the files that were read with it.
fn values(mut rows: Vec<String>) -> Vec<String> {
    for row in &mut rows {
        if let Some(values) = row.get(5..) {
            *row = format!("[\"+I\"{values}");
        }
    }
    rows.sort();
    rows
}

/// Rows of Java with their columns.
async fn java_rows(
    history: &History<'_>,
    command: &str,
    more: Value,
) -> Result<(Vec<String>, Vec<DataField>), Stop> {
    let answer = history.ask(command, &history.table, more).await?;
    let fields = fields_of_java(&answer).map_err(|e| Stop::ours("columns of Java", &e))?;
    Ok((texts_of_java(&answer["rows"], &fields), fields))
}

/// Rows that Java reads.
pub async fn texts(history: &History<'_>, more: Value) -> Result<Vec<String>, Stop> {
    Ok(java_rows(history, "read", more).await?.0)
}

/// Everything that is compared after some steps.
pub async fn all(history: &mut History<'_>) -> Result<(), Stop> {
    let stage = format!("after step {}", history.log.len() - 1);
    rows(history, &stage).await?;
    filters(history, &stage).await?;
    states(history, &stage).await?;
    changes(history, &stage).await?;
    roads::all(history, &stage).await?;
    let schema = history.schema().await?;
    let name = *history.numbers.pick(SYSTEM_TABLES);
    // Java cannot show partitions of instants
    let partitions = schema.partition_fields();
    if name == "partitions" && partitions.iter().any(|f| f.data_type.kind.is_timestamp()) {
        return Ok(());
    }
    checks::system_table(history.java, &history.table, &schema.fields, name, &stage).await
}

/// The newest rows, with their kinds, by the core, by SQL and by Java; those of the twin; no invariant is violated.
async fn rows(history: &History<'_>, stage: &str) -> Result<(), Stop> {
    let findings = ours::findings(&history.table)
        .await
        .map_err(|e| Stop::ours(stage, &e))?;
    if !findings.is_empty() {
        return Err(Stop::Wrong(format!("{stage}: fsck: {findings}")));
    }
    let here = ours::read(&history.table, &[])
        .await
        .map_err(|e| Stop::ours(stage, &e))?;
    let java = texts(history, json!({})).await?;
    same(stage, ("this engine", &here), ("Java", &java))?;
    let schema = history.schema().await?;
    let by_sql = sql::rows(
        &history.session,
        &format!("SELECT * FROM {TABLE}"),
        &schema.fields,
    )
    .await?;
    same_values(
        &format!("{stage}: SQL"),
        ("SQL", by_sql),
        ("Java", java.clone()),
    )?;
    let Some(twin) = &history.twin else {
        return Ok(());
    };
    if history.definition.hides_new_rows() && !history.compacted {
        return Ok(());
    }
    let answer = history.ask("read", twin, json!({})).await?;
    let fields = fields_of_java(&answer).map_err(|e| Stop::ours("columns of Java", &e))?;
    let twin = texts_of_java(&answer["rows"], &fields);
    same_values(
        &format!("{stage}: twin"),
        ("the table", here),
        ("its twin", twin),
    )
}

/// Random filters and projections.
async fn filters(history: &mut History<'_>, stage: &str) -> Result<(), Stop> {
    let schema = history.schema().await?;
    for _ in 0..4 {
        let Some(filter) = filter(&mut history.numbers, &schema.fields, &mut history.pools) else {
            continue;
        };
        let mut columns = history.numbers.some(&schema.fields, 3);
        // without the column that orders a group Java merges retractions in another way
        if history
            .definition
            .schema
            .options
            .keys()
            .any(|k| k.ends_with(".sequence-group"))
        {
            columns = schema.fields.clone();
        }
        if columns.is_empty() {
            columns.push(history.numbers.pick(&schema.fields).clone());
        }
        let names: Vec<&str> = columns.iter().map(|f| f.name.as_str()).collect();
        let request = json!({"filter": filter.json, "projection": names});
        let java = texts(history, request).await?;
        let list: Vec<String> = names.iter().map(|n| quoted(n)).collect();
        let query = format!(
            "SELECT {} FROM {TABLE} WHERE {}",
            list.join(", "),
            filter.sql
        );
        let here = sql::rows(&history.session, &query, &columns).await?;
        let count = java.len();
        same_values(
            &format!("{stage}: {query} {}", filter.json),
            ("this engine", here),
            ("Java", java),
        )?;
        let query = format!("SELECT count(*) FROM {TABLE} WHERE {}", filter.sql);
        let counter = DataField::new(0, "n", DataType::not_null(TypeKind::BigInt));
        let counted = sql::rows(&history.session, &query, &[counter]).await?;
        same(
            &format!("{stage}: {query}"),
            ("this engine", &counted),
            ("Java", &[format!("[\"+I\",{count}]")]),
        )?;
    }
    Ok(())
}

/// Earlier snapshots and tags.
async fn states(history: &mut History<'_>, stage: &str) -> Result<(), Stop> {
    let (oldest, newest) = history.snapshots().await?;
    let mut states: Vec<(&str, String)> = (oldest.max(1)..=newest)
        .map(|id| ("scan.snapshot-id", id.to_string()))
        .collect();
    states.extend(
        history
            .tags
            .iter()
            .map(|tag| ("scan.tag-name", tag.clone())),
    );
    let chosen = history.numbers.some(&states, STATES);
    for (key, value) in chosen {
        let stage = format!("{stage}: {key}={value}");
        let here = ours::read(&history.table, &[(key, value.clone())])
            .await
            .map_err(|e| Stop::ours(&stage, &e))?;
        let java = texts(history, json!({"options": {key: value}})).await?;
        same(&stage, ("this engine", &here), ("Java", &java))?;
    }
    Ok(())
}

/// Changes between two snapshots, as rows and in the audit log; what Java cannot show is not asked for.
async fn changes(history: &mut History<'_>, stage: &str) -> Result<(), Stop> {
    let (oldest, newest) = history.snapshots().await?;
    if newest <= oldest || oldest < 1 {
        return Ok(());
    }
    let mut ids: Vec<i64> = (oldest..=newest).collect();
    while ids.len() > 2 {
        let gone = history.numbers.index(ids.len());
        ids.remove(gone);
    }
    let mode = *history
        .numbers
        .pick(&["auto", "delta", "changelog", "diff"]);
    if !comparable(history, mode).await? {
        return Ok(());
    }
    let options = [
        ("incremental-between", format!("{},{}", ids[0], ids[1])),
        ("incremental-between-scan-mode", mode.to_string()),
    ];
    let stage = format!("{stage}: changes {},{} {mode}", ids[0], ids[1]);
    let map: HashMap<String, String> = options
        .iter()
        .map(|(k, v)| ((*k).to_string(), v.clone()))
        .collect();
    let java = java_rows(history, "read", json!({"options": map})).await;
    let here = our_changes(history, &map).await;
    let (java, here) = match (java, here) {
        (Ok((java, _)), Ok(here)) => (java, here),
        // nothing to compare with
        (Err(_), _) => return Ok(()),
        (Ok(_), Err(error)) => return refusal(history, Stop::ours(&stage, &error)),
    };
    same(&stage, ("this engine", &here), ("Java", &java))?;
    let audit = java_rows(
        history,
        "read",
        json!({"options": map, "system": "audit_log"}),
    )
    .await;
    let Ok((java, fields)) = audit else {
        return Ok(());
    };
    let hints: Vec<String> = map.iter().map(|(k, v)| format!("'{k}'='{v}'")).collect();
    let query = format!(
        "SELECT * FROM {TABLE}$audit_log /*+ OPTIONS({}) */",
        hints.join(",")
    );
    match sql::rows(&history.session, &query, &fields).await {
        Err(stop) => refusal(history, stop),
        Ok(here) => same_values(
            &format!("{stage}: audit log"),
            ("this engine", here),
            ("Java", java),
        ),
    }
}

/// Whether Java says the truth about such changes.
async fn comparable(history: &History<'_>, mode: &str) -> Result<bool, Stop> {
    // 1.4.2 leaves out files of level 0 here, 2.0.0 does not
    if history.release == "1.4.2" && history.definition.hides_new_rows() {
        return Ok(false);
    }
    if mode != "diff" {
        return Ok(true);
    }
    // two rows differ when their maps have the same entries in another order
    let schema = history.schema().await?;
    let maps = schema.fields.iter().any(|f| holds_map(&f.data_type));
    // 1.4.2 leaves out rows that an overwrite gave a smaller sequence number than the rows before had
    let wrong = history.release == "1.4.2" && history.definition.keyed();
    Ok(!maps && !wrong)
}

fn holds_map(data_type: &DataType) -> bool {
    match &data_type.kind {
        TypeKind::Map(..) | TypeKind::Multiset(_) => true,
        TypeKind::Array(element) => holds_map(element),
        TypeKind::Row(fields) => fields.iter().any(|f| holds_map(&f.data_type)),
        _ => false,
    }
}

async fn our_changes(
    history: &History<'_>,
    options: &HashMap<String, String>,
) -> paimon_core::Result<Vec<String>> {
    let table = ours::open(&history.table, &[]).await?;
    match table.incremental(options).await? {
        Some(changes) => texts_of_batches(&changes.collect().await?, &table.schema().fields),
        None => Ok(Vec::new()),
    }
}

/// A refusal by name is noted, anything else ends the history.
fn refusal(history: &mut History<'_>, stop: Stop) -> Result<(), Stop> {
    match stop {
        Stop::Refused(why) => {
            history.refused.push(why);
            Ok(())
        }
        other => Err(other),
    }
}
