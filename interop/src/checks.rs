//! What must agree after a step: rows, snapshots, changelogs, system tables, filters.

use std::path::Path;

use paimon_core::spec::{DataField, TypeKind};
use serde_json::{Value, json};

use crate::java::Java;
use crate::ours::{self, Options};
use crate::play::{Play, Stop};
use crate::rows::{difference, fields_of_java, texts_of_java};

/// The system tables that are compared.
const SYSTEM_TABLES: &[&str] = &["snapshots", "files", "manifests", "partitions"];

/// What streaming reads of postponed rows show.
const MERGED: &str =
    "batches go to buckets at once here and are merged, the twin's Java postpones every record";

fn same(stage: &str, left: (&str, &[String]), right: (&str, &[String])) -> Result<(), Stop> {
    match difference(left, right) {
        None => Ok(()),
        Some(text) => Err(Stop::Wrong(format!("{stage}: {text}"))),
    }
}

/// Rows that Java reads, sorted texts, with their columns.
async fn java_rows(
    play: &Play<'_>,
    folder: &Path,
    more: Value,
) -> Result<(Vec<String>, Vec<DataField>), Stop> {
    let answer = play.ask("read", folder, more).await?;
    let fields = fields_of_java(&answer).map_err(|e| Stop::ours("columns of Java", &e))?;
    Ok((texts_of_java(&answer["rows"], &fields), fields))
}

/// Java and this engine read the same of our table, Java the same of its twin, and no invariant is violated.
pub async fn rows(play: &Play<'_>, stage: &str) -> Result<(), Stop> {
    let findings = ours::findings(&play.table).await;
    let findings = findings.map_err(|e| Stop::ours(stage, &e))?;
    if !findings.is_empty() {
        return Err(Stop::Wrong(format!("{stage}: fsck: {findings}")));
    }
    let ours = read(play, stage, &[]).await?;
    let (java, _) = java_rows(play, &play.table, json!({})).await?;
    same(stage, ("this engine", &ours), ("Java", &java))?;
    let (twin, _) = java_rows(play, &play.twin, json!({})).await?;
    same(stage, ("the table", &ours), ("its twin", &twin))?;
    if play.option("row-tracking.enabled") == Some("true") {
        row_tracking(play, stage).await?;
    }
    Ok(())
}

/// Row ids and sequence numbers agree, where Java can read them at all: of Avro files it cannot.
async fn row_tracking(play: &Play<'_>, stage: &str) -> Result<(), Stop> {
    let system = json!({"system": "row_tracking"});
    let readable = play.java.ask("read", &play.twin, system.clone()).await;
    if readable.is_err() {
        return Ok(());
    }
    let ours = ours::read_row_tracking(&play.table).await;
    let ours = ours.map_err(|e| Stop::ours(stage, &e))?;
    let (java, _) = java_rows(play, &play.table, system).await?;
    let (ours, java) = (
        ("row tracking here", &ours[..]),
        ("row tracking of Java", &java[..]),
    );
    same(stage, ours, java)
}

async fn read(play: &Play<'_>, stage: &str, options: Options<'_>) -> Result<Vec<String>, Stop> {
    let rows = ours::read(&play.table, options).await;
    rows.map_err(|e| Stop::ours(stage, &e))
}

/// Every snapshot reads the same.
pub async fn snapshots(play: &Play<'_>) -> Result<(), Stop> {
    let range = ours::snapshots(&play.table).await;
    let (oldest, newest) = range.map_err(|e| Stop::ours("snapshots", &e))?;
    for id in oldest..=newest {
        let stage = format!("snapshot {id}");
        let ours = read(play, &stage, &[("scan.snapshot-id", id.to_string())]).await?;
        let options = json!({"options": {"scan.snapshot-id": id.to_string()}});
        let (java, _) = java_rows(play, &play.table, options).await?;
        same(&stage, ("this engine", &ours), ("Java", &java))?;
    }
    Ok(())
}

/// Java follows our table from its first snapshot and sees the changes of the twin; with `commits` those are, for
/// changelog producer `input`, the rows of so many batches.
pub async fn changelog(
    play: &mut Play<'_>,
    stage: &str,
    commits: Option<usize>,
) -> Result<(), Stop> {
    let stage = format!("{stage}: changelog");
    let of_table = follow(play, &play.table).await;
    let of_twin = follow(play, &play.twin).await;
    let (table, twin) = match (of_table, of_twin) {
        (Ok(table), Ok(twin)) => (table, twin),
        // Java follows no such table
        (Err(_), Err(_)) => return Ok(()),
        (Err(why), Ok(_)) => return Err(Stop::java(&stage, &why)),
        (Ok(_), Err(why)) => return Err(Stop::java(&format!("{stage} of the twin"), &why)),
    };
    if play.option("bucket") == Some("-2") && play.option("changelog-producer") == Some("none") {
        if table != twin {
            play.differs(MERGED);
        }
        return Ok(());
    }
    same(&stage, ("the table", &table), ("its twin", &twin))?;
    let moves = play.option("bucket") == Some("-1") && !key_has_partition(play);
    if let Some(commits) = commits
        && play.option("changelog-producer") == Some("input")
        && play.option("bucket") != Some("-2")
        && !moves
    {
        let batches = &play.case.batches[..commits];
        let mut written: Vec<String> = batches
            .iter()
            .flat_map(|b| b.json.iter().map(ToString::to_string))
            .collect();
        written.sort();
        same(
            &stage,
            ("the table", &table),
            ("what was written", &written),
        )?;
    }
    Ok(())
}

fn key_has_partition(play: &Play<'_>) -> bool {
    let schema = &play.case.schema;
    let mut partition = schema.partition_keys.iter();
    partition.all(|p| schema.primary_keys.contains(p))
}

/// Rows of all plans of a streaming read from the first snapshot.
async fn follow(play: &Play<'_>, folder: &Path) -> Result<Vec<String>, String> {
    let options = json!({"scan.mode": "from-snapshot", "scan.snapshot-id": "1"});
    let answer = play
        .java
        .ask("stream", folder, json!({"options": options}))
        .await?;
    let mut rows = Vec::new();
    for batch in answer["batches"].as_array().into_iter().flatten() {
        rows.extend(texts_of_java(batch, &play.case.schema.fields));
    }
    rows.sort();
    Ok(rows)
}

/// Java's system tables over our metadata hold what ours do.
pub async fn system_tables(play: &Play<'_>, stage: &str) -> Result<(), Stop> {
    let fields = &play.case.schema.fields;
    for name in SYSTEM_TABLES {
        system_table(play.java, &play.table, fields, name, stage).await?;
    }
    Ok(())
}

/// Java's rows of one system table of a table with these columns are ours.
pub async fn system_table(
    java: &Java,
    table: &Path,
    of: &[DataField],
    name: &str,
    stage: &str,
) -> Result<(), Stop> {
    let location = table.display().to_string();
    let stage = format!("{stage}: ${name}");
    let asked = java.ask("read", table, json!({"system": name})).await;
    let answer = asked.map_err(|e| Stop::java(&stage, &e))?;
    let fields = fields_of_java(&answer).map_err(|e| Stop::ours(&stage, &e))?;
    let (fields, rows) = comparable(of, fields, &answer["rows"]);
    let texts = texts_of_java(&rows, &fields);
    let scheme = format!("file:{location}");
    let mut java: Vec<String> = texts
        .iter()
        .map(|t| t.replace(&scheme, &location))
        .collect();
    java.sort();
    let ours = ours::system(table, name, &fields).await;
    let ours = ours.map_err(|e| Stop::ours(&stage, &e))?;
    same(&stage, ("this engine", &ours), ("Java", &java))
}

/// The columns of a system table without bounds of binary columns, which Java shows as the identities of objects.
fn comparable(of: &[DataField], fields: Vec<DataField>, rows: &Value) -> (Vec<DataField>, Value) {
    let binary = |f: &DataField| {
        let kind = &f.data_type.kind;
        matches!(kind, TypeKind::Binary(_) | TypeKind::VarBinary(_))
    };
    let some_binary = of.iter().any(binary);
    let kept =
        |f: &DataField| !some_binary || !(f.name.starts_with("min_") || f.name.starts_with("max_"));
    let keep: Vec<bool> = fields.iter().map(kept).collect();
    let row = |row: &Value| -> Value {
        let values = row.as_array().into_iter().flatten();
        // the row's kind comes first
        let flags = std::iter::once(&true).chain(&keep);
        values
            .zip(flags)
            .filter(|(_, keep)| **keep)
            .map(|(v, _)| v.clone())
            .collect()
    };
    let rows = rows.as_array().into_iter().flatten().map(row).collect();
    (fields.into_iter().filter(kept).collect(), rows)
}

/// Java finds as many rows with a filter given to its planner and file readers as without: it prunes by our statistics
/// and indexes.
pub async fn filters(play: &Play<'_>, stage: &str) -> Result<(), Stop> {
    for filter in &play.case.filters {
        let stage = format!("{stage}: filter {filter}");
        let request = |push_down: bool| json!({"filter": filter, "push_down": push_down});
        let pruned = values(java_rows(play, &play.table, request(true)).await?.0);
        let all = values(java_rows(play, &play.table, request(false)).await?.0);
        same(
            &stage,
            ("the pruned read", &pruned),
            ("the whole read", &all),
        )?;
    }
    Ok(())
}

/// Rows without their kinds: whether an update still shows as one depends on the files that were read with it.
fn values(mut rows: Vec<String>) -> Vec<String> {
    for row in &mut rows {
        if let Some(values) = row.strip_prefix("[\"+U\"") {
            *row = format!("[\"+I\"{values}");
        }
    }
    rows.sort();
    rows
}
