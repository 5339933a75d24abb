//! A stream of changes into a primary-key table, its changelog read back commit by commit, compaction, expiry.
//!
//! `cargo run -p paimon-catalog --example upserts` works in a temporary folder; give a warehouse folder to keep the table.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type};
use arrow_array::{Int8Array, Int64Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use paimon_catalog::{Identifier, create_catalog};
use paimon_core::maintenance::ExpireSnapshots;
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::{DataType, TypeKind};
use paimon_core::table::Table;
use paimon_core::write::{Clock, SystemClock};

/// Row kinds as stored.
const KINDS: [&str; 4] = ["+I", "-U", "+U", "-D"];

fn orders() -> NewTable {
    let column = |name: &str, data_type| NewColumn {
        name: name.into(),
        data_type,
        comment: None,
        default: None,
    };
    let text = TypeKind::VarChar(2_147_483_647);
    NewTable {
        columns: vec![
            column("id", DataType::not_null(TypeKind::BigInt)),
            column("state", DataType::nullable(text)),
        ],
        partition_keys: Vec::new(),
        primary_keys: vec!["id".into()],
        options: [("bucket", "2"), ("changelog-producer", "lookup")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        comment: Some("orders and what became of them".into()),
    }
}

/// One commit of changes: key, state, row kind.
async fn upsert(
    table: &Table,
    commit: i64,
    rows: &[(i64, &str, i8)],
) -> Result<(), Box<dyn Error>> {
    let ids: Int64Array = rows.iter().map(|r| Some(r.0)).collect();
    let states: StringArray = rows.iter().map(|r| Some(r.1)).collect();
    let kinds: Int8Array = rows.iter().map(|r| Some(r.2)).collect();
    let batch =
        RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("state", Arc::new(states) as _)])?;
    let mut write = table.new_write()?;
    write.write_with_kinds(&batch, &kinds).await?;
    let messages = write.prepare_commit().await?;
    // the same user and number again would change nothing
    let commits = table.new_commit().with_user("orders-job");
    commits.commit(commit, messages).await?;
    Ok(())
}

/// Prints what changed after a snapshot; returns the newest one.
async fn follow(table: &Table, seen: i64) -> Result<i64, Box<dyn Error>> {
    let newest = table.snapshots().latest_id().await?.unwrap_or(seen);
    let mut changes = table.changes_between(seen, newest).stream().await?;
    while let Some(batch) = changes.try_next().await? {
        let ids = batch.column(0).as_primitive::<Int64Type>().values();
        let states = batch.column(1).as_string_view();
        let kinds = batch.column(2).as_primitive::<Int8Type>().values();
        for ((id, state), kind) in ids.iter().zip(states).zip(kinds) {
            let kind = usize::try_from(*kind).ok().and_then(|k| KINDS.get(k));
            println!(
                "  {} order {id} {}",
                kind.unwrap_or(&"?"),
                state.unwrap_or("-")
            );
        }
    }
    Ok(newest)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().display().to_string();
    let warehouse = std::env::args().nth(1).unwrap_or(folder);
    let options = BTreeMap::from([("warehouse".to_string(), warehouse)]);
    let catalog = create_catalog("lake", options)?;
    let name = Identifier::parse("default.orders")?;
    catalog.create_database("default", true).await?;
    catalog.create_table(&name, orders(), true).await?;
    let table = catalog.get_table(&name).await?;

    let mut seen = table.snapshots().latest_id().await?.unwrap_or(0);
    let stream: [&[(i64, &str, i8)]; 3] = [
        &[(1, "new", 0), (2, "new", 0), (3, "new", 0)],
        &[(1, "paid", 2), (3, "new", 3)],
        &[(1, "shipped", 2), (4, "new", 0)],
    ];
    for (commit, rows) in (seen + 1..).zip(stream) {
        upsert(&table, commit, rows).await?;
        println!("commit {commit}:");
        seen = follow(&table, seen).await?;
    }

    let compacted = table.new_compact().commit().await?;
    println!("a full compaction made snapshots {compacted:?}");
    let expiry = ExpireSnapshots {
        retain_max: Some(2),
        retain_min: Some(1),
        ..ExpireSnapshots::default()
    };
    let expired = expiry.run(&table, SystemClock.epoch_ms()).await?;
    println!(
        "expired snapshots {:?}, {} files",
        expired.snapshots,
        expired.files.len()
    );
    let rows: usize = table
        .read_builder()
        .collect()
        .await?
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    println!("{rows} orders are left");
    Ok(())
}
