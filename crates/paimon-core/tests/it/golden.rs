//! Every batch query of the golden tables gives Java's rows, row kinds included.

use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::io::FileIo;
use paimon_core::read::ReadMemory;
use paimon_core::spec::{DataField, parse_data_type, row_id_field, sequence_number_field};
use paimon_core::table::Table;
use paimon_testing::folders::place_external_files;
use paimon_testing::golden::{GoldenEntry, compare, filter_of, load};
use paimon_testing::json_rows::rows_to_json;

/// The folder of the golden tables; files that lie outside of them are where their tables say.
pub(crate) fn catalogue() -> PathBuf {
    static PLACED: Once = Once::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/golden");
    PLACED.call_once(|| {
        for table in std::fs::read_dir(&golden).unwrap() {
            place_external_files(&table.unwrap().path()).unwrap();
        }
    });
    golden
}

/// Queries that this test answers; the others belong to other issues or to other tests.
fn is_covered(entry: &GoldenEntry) -> bool {
    let q = &entry.query;
    let batch =
        q.kind.as_deref() != Some("stream") && q.format_table.is_none() && q.table.is_none();
    let system = q.system.as_deref().is_none_or(|s| {
        s == "ro" || s == "row_tracking" || paimon_core::table::system::SYSTEM_TABLES.contains(&s)
    });
    batch && system && !KNOWN_DIFFERENCES.iter().any(|k| q.name.contains(k))
}

/// Answers of Java that ours differ from on purpose: it fails where rows can be shown.
const KNOWN_DIFFERENCES: &[&str] = &[
    "$partitions fails on timestamp partitions",
    // of snapshots that live on as changelogs alone
    "incremental over changelogs",
];

/// (golden, system table): a creation time finer than its declared TIMESTAMP(3); snapshots outside wrong hints.
const SYSTEM_DIFFERENCES: &[(&str, &str)] = &[
    ("meta-time-travel", "tags"),
    ("v2-flink-admin", "tags"),
    ("v2-meta", "tags"),
    ("odd-hints-wrong", "snapshots"),
];

/// What Arrow's nanosecond timestamps cannot hold is refused by name, never read wrong.
fn is_out_of_range(error: &str) -> bool {
    error.contains("Unsupported") && error.contains("1677..2262")
}

/// The entry without the columns whose values Arrow cannot hold; `None` when the query is about such a column.
fn without_wide_timestamps(entry: &GoldenEntry) -> Option<GoldenEntry> {
    let wide = |name: &str| {
        matches!(
            name,
            "ts7" | "ts8" | "ts9" | "ltz7" | "ltz8" | "ltz9" | "t9"
        )
    };
    if entry
        .query
        .filter
        .as_ref()
        .is_some_and(|f| f[1].as_str().is_some_and(wide))
    {
        return None;
    }
    let mut entry = entry.clone();
    let keep: Vec<bool> = entry.columns.iter().map(|(n, _)| !wide(n)).collect();
    let names = entry.columns.iter().map(|(n, _)| n.clone());
    entry.query.projection = Some(names.filter(|n| !wide(n)).collect());
    for row in entry.rows.iter_mut().flatten() {
        let values = row.as_array_mut()?;
        let mut i = 0;
        values.retain(|_| {
            i += 1;
            i == 1 || keep[i - 2]
        });
    }
    entry.columns.retain(|(n, _)| !wide(n));
    Some(entry)
}

async fn run(folder: &Path, entry: &GoldenEntry) -> Result<(), String> {
    match query(folder, entry).await {
        Err(error) if is_out_of_range(&error) => match without_wide_timestamps(entry) {
            Some(rest) => query(folder, &rest).await,
            None => Ok(()),
        },
        other => other,
    }
}

async fn query(folder: &Path, entry: &GoldenEntry) -> Result<(), String> {
    let q = &entry.query;
    let location = folder.join("table");
    let location = location.canonicalize().unwrap();
    let location = location.to_str().unwrap();
    let read = async {
        let io = FileIo::for_location(location)?;
        let mut table = Table::open(io, location, "golden").await?;
        if let Some(branch) = &q.branch {
            table = table.branch(branch).await?;
        }
        let mut options = q.options.clone();
        if options.keys().any(|k| k.starts_with("incremental")) {
            options.clear();
        }
        if !options.is_empty() {
            table = table.with_options(&options).await?;
        }
        if let Some(name) = q
            .system
            .as_deref()
            .filter(|s| *s != "ro" && *s != "row_tracking")
        {
            return system_rows(&table, name, entry, location).await;
        }
        let mut builder = table.read_builder().with_row_kind();
        if q.projection.is_some() {
            // the rows are the same, however little is fetched at a time
            builder = builder.with_memory(ReadMemory::new(0));
        }
        let mut fields: Vec<DataField> = table.schema().fields.clone();
        match q.system.as_deref() {
            Some("ro") => builder = builder.read_optimized(),
            Some(_) => fields.extend([row_id_field(), sequence_number_field()]),
            None => {}
        }
        if let Some(names) = &q.projection {
            fields = names
                .iter()
                .map(|n| fields.iter().find(|f| f.name == *n).unwrap().clone())
                .collect();
        }
        let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
        builder = builder.with_projection(&names);
        if let Some(filter) = &q.filter {
            let filter =
                filter_of(filter, &table.schema().fields).map_err(paimon_core::Error::invalid)?;
            builder = builder.with_filter(filter);
        }
        let batches = match table.incremental(&q.options).await? {
            None => builder.collect().await?,
            Some(changes) => {
                let mut changes = changes.with_projection(&names);
                if let Some(filter) = &q.filter {
                    let filter = filter_of(filter, &table.schema().fields);
                    changes = changes.with_filter(filter.map_err(paimon_core::Error::invalid)?);
                }
                changes.collect().await?
            }
        };
        let mut rows = Vec::new();
        for batch in batches {
            let kinds = batch.column(fields.len()).as_primitive::<Int8Type>();
            rows.extend(rows_to_json(&batch, &fields, kinds.values()));
        }
        Ok::<_, paimon_core::Error>(rows)
    };
    match read.await {
        Ok(_) if q.expect_error => Err("an error is expected, rows came".into()),
        Ok(rows) => compare(entry, rows),
        Err(_) if q.expect_error || q.may_error => Ok(()),
        Err(e) => Err(format!("{e:?}")),
    }
}

/// Rows of a system table, the table's folder replaced as in the expected ones.
async fn system_rows(
    table: &Table,
    name: &str,
    entry: &GoldenEntry,
    location: &str,
) -> paimon_core::Result<Vec<serde_json::Value>> {
    let content = table.system_table(name).await?;
    let mut rows = Vec::new();
    for batch in content.batches {
        let columns: Vec<usize> = entry
            .columns
            .iter()
            .map(|(n, _)| batch.schema().index_of(n))
            .collect::<Result<_, _>>()?;
        let batch = batch.project(&columns)?;
        let fields: Vec<DataField> = (0..)
            .zip(&entry.columns)
            .map(|(id, (n, t))| Ok(DataField::new(id, n, parse_data_type(t)?)))
            .collect::<paimon_core::Result<_>>()?;
        for field in &fields {
            let own = batch
                .schema()
                .field_with_name(&field.name)?
                .data_type()
                .clone();
            assert_eq!(own, arrow_type(&field.data_type), "type of {}", field.name);
        }
        let kinds = vec![0; batch.num_rows()];
        for row in rows_to_json(&batch, &fields, &kinds) {
            let text = row.to_string().replace(location, "${TABLE}");
            rows.push(serde_json::from_str(&text).unwrap());
        }
    }
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_tables_read_as_java_reads_them() {
    let wanted = std::env::var("GOLDEN").ok();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(catalogue())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("table").is_dir())
        .filter(|p| {
            wanted
                .as_ref()
                .is_none_or(|w| p.to_str().unwrap().contains(w.as_str()))
        })
        .collect();
    folders.sort();
    let (mut passed, mut failures) = (0, Vec::new());
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_string();
        let differs = |e: &GoldenEntry| {
            let system = e.query.system.as_deref().unwrap_or_default();
            SYSTEM_DIFFERENCES.contains(&(name.as_str(), system))
        };
        let entries = load(&folder).unwrap().into_iter();
        for entry in entries.filter(|e| is_covered(e) && !differs(e)) {
            let (folder, name) = (folder.clone(), name.clone());
            let label = format!("{name} / {}", entry.query.name);
            let task = tokio::spawn(async move { run(&folder, &entry).await });
            match task.await {
                Ok(Ok(())) => passed += 1,
                Ok(Err(why)) => failures.push(format!("{label}: {why}")),
                Err(panic) => failures.push(format!("{label}: panicked: {panic}")),
            }
        }
    }
    println!("golden queries: {passed} passed, {} failed", failures.len());
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(passed > 0, "no golden table was found");
}
