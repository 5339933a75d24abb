//! Every golden table, compacted by this engine, reads the same.
//!
//! With `PAIMON_COMPACT_DIR` the compacted copies stay in that folder for another implementation to read.

use std::path::{Path, PathBuf};

use paimon_core::ErrorKind;
use paimon_core::compact::OrderStrategy;
use paimon_core::spec::{TypeKind, row_id_field, sequence_number_field};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table, TableCompact};

use paimon_testing::json_rows::rows_to_json;

use crate::golden::catalogue;
use crate::write::copies::rows;
use crate::write::publish::open;

/// What became of a table.
#[derive(PartialEq)]
enum Outcome {
    /// Compacted, and the rows are the same.
    Same,
    /// Nothing to compact.
    Nothing,
    /// Not compacted: refused by name, or not readable to begin with.
    Refused(String),
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether reads leave out rows that compaction makes visible.
fn hides_rows(table: &Table) -> bool {
    let options = table.options();
    table.schema().has_primary_key() && (options.batch_scan_skips_level0() || options.bucket == -2)
}

/// Rows without the difference of +U and +I, which reads of a whole file do not tell.
fn plain(rows: Vec<String>) -> Vec<String> {
    let plain = |row: String| match row.strip_prefix("[\"+U\"") {
        Some(rest) => format!("[\"+I\"{rest}"),
        None => row,
    };
    let mut plain: Vec<String> = rows.into_iter().map(plain).collect();
    plain.sort();
    plain
}

/// Rows of a table with their ids and sequence numbers, where it tracks them.
async fn tracked(table: &Table) -> Vec<String> {
    let options = table.options();
    if !options.row_tracking {
        return Vec::new();
    }
    let mut fields = table.schema().fields.clone();
    fields.push(row_id_field());
    // files of several rows that become one have one sequence number
    if !options.data_evolution {
        fields.push(sequence_number_field());
    }
    let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
    let mut texts = Vec::new();
    let read = table.read_builder().with_projection(&names);
    for batch in read.collect().await.unwrap() {
        let kinds = vec![0; batch.num_rows()];
        let rows = rows_to_json(&batch, &fields, &kinds);
        texts.extend(rows.iter().map(ToString::to_string));
    }
    texts.sort();
    texts
}

/// How a table is compacted.
#[derive(Clone, Copy, PartialEq, Debug)]
enum How {
    Full,
    Due,
    Clustered,
    Sorted(OrderStrategy),
}

impl How {
    fn of(self, table: &Table) -> TableCompact {
        let columns = sortable(table);
        match self {
            Self::Full | Self::Clustered => table.new_compact(),
            Self::Due => table.new_compact().full(false),
            Self::Sorted(strategy) => table.new_compact().order(strategy, columns),
        }
    }
}

/// The first columns that rows can be sorted by.
fn sortable(table: &Table) -> Vec<String> {
    let schema = table.schema();
    let sortable = schema.fields.iter().filter(|f| {
        let kind = &f.data_type.kind;
        let nested = kind.is_nested() || *kind == TypeKind::Blob;
        !nested && !schema.partition_keys.contains(&f.name)
    });
    sortable.take(4).map(|f| f.name.clone()).collect()
}

/// The table, clustered by its first columns if that is asked for.
async fn opened(folder: &Path, how: How) -> Option<Table> {
    let table = open(folder).await;
    if how != How::Clustered {
        return Some(table);
    }
    let columns = sortable(&table).join(",");
    let options = [
        ("clustering.incremental", "true"),
        ("clustering.columns", columns.as_str()),
        ("bucket-append-ordered", "false"),
    ];
    let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
    let append = !table.schema().has_primary_key() && !columns.is_empty();
    match append {
        // options that are fixed are no matter of this test
        true => table.with_options(&options.into()).await.ok(),
        false => None,
    }
}

async fn compact(folder: &Path, how: How) -> Result<Outcome, String> {
    let Some(table) = opened(folder, how).await else {
        return Ok(Outcome::Nothing);
    };
    // damaged goldens are other tests' matter
    let Ok((before, _)) = rows(&table).await else {
        return Ok(Outcome::Refused("cannot be read".into()));
    };
    let ids = tracked(&table).await;
    let messages = match how.of(&table).run().await {
        Ok(messages) => messages,
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput) => {
            return Ok(Outcome::Refused(e.to_string()));
        }
        Err(e) => return Err(e.to_string()),
    };
    if messages.is_empty() {
        return Ok(Outcome::Nothing);
    }
    let commit = table.new_commit();
    let done = commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await;
    done.map_err(|e| e.to_string())?;
    let table = open(folder).await;
    let (after, _) = rows(&table).await.map_err(|e| e.to_string())?;
    if tracked(&table).await != ids {
        return Err("rows have other ids".into());
    }
    let (before, after) = (plain(before), plain(after));
    if before != after && !hides_rows(&table) {
        let differs = before.iter().zip(&after).find(|(a, b)| a != b);
        return Err(format!(
            "{} rows became {}: {differs:?}",
            before.len(),
            after.len()
        ));
    }
    if how == How::Full && table.schema().has_primary_key() && table.options().bucket != -2 {
        let again = table.new_compact().run().await.map_err(|e| e.to_string())?;
        if !again.is_empty() {
            return Err("a second full compaction finds something to do".into());
        }
    }
    Ok(Outcome::Same)
}

async fn compact_all(how: How, at_least: usize) {
    let temp = tempfile::tempdir().unwrap();
    let root =
        std::env::var_os("PAIMON_COMPACT_DIR").map_or(temp.path().to_path_buf(), PathBuf::from);
    let mut failures = Vec::new();
    let mut compacted = 0;
    let mut names: Vec<PathBuf> = std::fs::read_dir(catalogue().canonicalize().unwrap())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("table/schema").is_dir())
        .collect();
    names.sort();
    for golden in names {
        let name = golden.file_name().unwrap().to_str().unwrap();
        let folder = format!("{how:?}-{name}").replace(['.', '(', ')'], "_");
        let folder = root.join(folder);
        copy_folder(&golden.join("table"), &folder);
        let location = folder.to_str().unwrap();
        let io = paimon_core::io::FileIo::for_location(location).unwrap();
        if Table::open(io, location, "t").await.is_err() {
            continue;
        }
        match compact(&folder, how).await {
            Ok(Outcome::Same) => compacted += 1,
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Refused(why)) => println!("{name}: {why}"),
            Err(e) => failures.push(format!("{name}: {e}")),
        }
    }
    println!("{compacted} tables compacted, {how:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compacted > at_least, "only {compacted} tables");
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_read_the_same_after_a_full_compaction() {
    compact_all(How::Full, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_tables_read_the_same_after_a_compaction_of_what_is_due() {
    compact_all(How::Due, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_append_tables_read_the_same_sorted_by_any_strategy() {
    for strategy in [
        OrderStrategy::Order,
        OrderStrategy::ZOrder,
        OrderStrategy::Hilbert,
    ] {
        compact_all(How::Sorted(strategy), 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_append_tables_read_the_same_clustered() {
    compact_all(How::Clustered, 10).await;
}
