//! Follows a table: a copy in memory that is always what the table is, and goes on where it stopped.
//!
//! `cargo run -p paimon-catalog --example follow` works in a temporary folder.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{Int32Array, RecordBatch, StringArray};
use futures::TryStreamExt;
use paimon_catalog::{Identifier, create_catalog};
use paimon_core::schema::{NewColumn, NewTable};
use paimon_core::spec::{DataType, TypeKind, is_retract};
use paimon_core::table::Table;

const BATCH: i64 = paimon_core::table::BATCH_COMMIT_IDENTIFIER;

/// Rows by key, and what the application remembers of the stream with them.
#[derive(Default)]
struct Copy {
    names: BTreeMap<i32, String>,
    snapshots: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let table = create(temporary.path().display().to_string()).await?;
    let mut copy = Copy::default();
    upsert(&table, &[(1, "one"), (2, "two")]).await?;
    follow(&table, &mut copy, 2).await?;
    println!("{:?}", copy.names);
    upsert(&table, &[(2, "zwei"), (3, "drei")]).await?;
    // another process, a day later: it goes on behind what was acknowledged
    follow(&table, &mut copy, 3).await?;
    println!("{:?} after {} snapshots", copy.names, copy.snapshots);
    Ok(())
}

/// Applies what changes until the copy has this many rows.
async fn follow(table: &Table, copy: &mut Copy, rows: usize) -> paimon_core::Result<()> {
    let options = [
        ("consumer-id", "copy"),
        ("continuous.discovery-interval", "50 ms"),
    ];
    let options: HashMap<String, String> =
        options.map(|(k, v)| (k.to_string(), v.to_string())).into();
    let read = table.new_stream_read(&options).await?;
    let mut changes = read.changes().await?;
    while let Some(batch) = changes.try_next().await? {
        let ids = batch.rows.column(0).as_primitive::<Int32Type>();
        let names = batch.rows.column(1).as_string_view();
        let kinds = batch.rows.column(2).as_primitive::<Int8Type>();
        for ((id, name), kind) in ids.values().iter().zip(names).zip(kinds.values()) {
            match (is_retract(*kind), name) {
                (false, Some(name)) => copy.names.insert(*id, name.to_string()),
                _ => copy.names.remove(id),
            };
        }
        // a snapshot is complete: here the copy would be made durable, and only then
        if let (Some(progress), Some(consumer)) = (batch.completes, read.consumer()) {
            consumer.acknowledge(&progress).await?;
            copy.snapshots += 1;
        }
        if copy.names.len() == rows {
            break;
        }
    }
    Ok(())
}

async fn create(warehouse: String) -> paimon_core::Result<Table> {
    let options = BTreeMap::from([("warehouse".to_string(), warehouse)]);
    let catalog = create_catalog("lake", options)?;
    catalog.create_database("default", true).await?;
    let name = Identifier::parse("default.people")?;
    let column = |name: &str, data_type| NewColumn {
        name: name.into(),
        data_type,
        comment: None,
        default: None,
    };
    let table = NewTable {
        columns: vec![
            column("id", DataType::not_null(TypeKind::Int)),
            column("name", DataType::nullable(TypeKind::VarChar(100))),
        ],
        partition_keys: Vec::new(),
        primary_keys: vec!["id".into()],
        options: [("bucket", "1"), ("changelog-producer", "lookup")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        comment: None,
    };
    catalog.create_table(&name, table, false).await?;
    catalog.get_table(&name).await
}

async fn upsert(table: &Table, rows: &[(i32, &str)]) -> Result<(), Box<dyn Error>> {
    let ids: Int32Array = rows.iter().map(|(id, _)| Some(*id)).collect();
    let names: StringArray = rows.iter().map(|(_, name)| Some(*name)).collect();
    let batch =
        RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("name", Arc::new(names) as _)])?;
    let mut write = table.new_write()?;
    write.write(&batch).await?;
    let messages = write.prepare_commit().await?;
    table.new_commit().commit(BATCH, messages).await?;
    Ok(())
}
