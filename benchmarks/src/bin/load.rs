//! Writes a Parquet file to a table with this engine and prints one `RunnerReport`.
//!
//! ```text
//! load load WAREHOUSE TABLE INPUT [ROWS COMMITS]   INPUT in one commit, or its first ROWS rows in COMMITS commits
//! load split WAREHOUSE TABLE INPUT COMMITS         INPUT in COMMITS commits
//! load compact WAREHOUSE TABLE                     full compaction and its commit
//! ```
//! Tables are those of the database `default`, and exist. `--no-sync` before the command leaves files to the cache of the
//! system.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use paimon_benchmarks::Result;
use paimon_benchmarks::measure::RunnerReport;
use paimon_benchmarks::sqlrun::ms_since;
use paimon_core::io::{Durability, FileIo};
use paimon_core::table::{BATCH_COMMIT_IDENTIFIER, Table};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

/// Rows handed over at a time, as a query would.
const BATCH_ROWS: usize = 8192;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut durability = Durability::Synced;
    if args.first() == Some(&"--no-sync") {
        args.remove(0);
        durability = Durability::Cached;
    }
    let [command, warehouse, name, rest @ ..] = args.as_slice() else {
        return Err("usage: load load|split|compact WAREHOUSE TABLE [INPUT ..]".into());
    };
    let start = Instant::now();
    let table = open(warehouse, name, durability).await?;
    let mut report = RunnerReport {
        setup_ms: ms_since(start),
        ..Default::default()
    };
    match (*command, rest) {
        ("load", [input]) => split(&table, input, 1, &mut report).await?,
        ("split", [input, commits]) => split(&table, input, commits.parse()?, &mut report).await?,
        ("load", [input, rows, commits]) => {
            commit_often(&table, input, rows.parse()?, commits.parse()?, &mut report).await?;
        }
        ("compact", []) => compact(&table, &mut report).await?,
        _ => return Err(format!("unknown command {command:?}").into()),
    }
    println!("{}", serde_json::to_string(&report.with_own_cost())?);
    Ok(())
}

async fn open(warehouse: &str, name: &str, durability: Durability) -> Result<Table> {
    let location = format!("{warehouse}/default.db/{name}");
    let io = FileIo::for_location(&location)?.with_durability(durability);
    Ok(Table::open(io, &location, name).await?)
}

/// Everything, in some commits of the same size; one time for each.
async fn split(
    table: &Table,
    input: &str,
    commits: usize,
    report: &mut RunnerReport,
) -> Result<()> {
    let rows = row_count(input)?;
    let mut batches = reader(input, BATCH_ROWS)?;
    for commit in 1..=commits {
        let start = Instant::now();
        let mut write = table.new_write()?;
        while report.rows < rows * commit / commits
            && let Some(batch) = batches.next()
        {
            let batch = batch?;
            report.rows += batch.num_rows();
            write.write(&batch).await?;
        }
        let messages = write.prepare_commit().await?;
        let commit = table.new_commit();
        commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await?;
        report.query_ms.push(ms_since(start));
    }
    Ok(())
}

/// The same rows again and again; the time of each write and commit.
async fn commit_often(
    table: &Table,
    input: &str,
    rows: usize,
    commits: usize,
    report: &mut RunnerReport,
) -> Result<()> {
    let batch: RecordBatch = reader(input, rows)?
        .next()
        .ok_or("the input has no rows")??;
    for _ in 0..commits {
        let start = Instant::now();
        let mut write = table.new_write()?;
        write.write(&batch).await?;
        let messages = write.prepare_commit().await?;
        let commit = table.new_commit();
        commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await?;
        report.query_ms.push(ms_since(start));
        report.rows += batch.num_rows();
    }
    Ok(())
}

async fn compact(table: &Table, report: &mut RunnerReport) -> Result<()> {
    let start = Instant::now();
    let messages = table.new_compact().full(true).run().await?;
    let commit = table.new_commit();
    commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await?;
    report.query_ms.push(ms_since(start));
    Ok(())
}

fn row_count(input: &str) -> Result<usize> {
    let metadata = ArrowReaderMetadata::load(&File::open(input)?, ArrowReaderOptions::new())?;
    Ok(usize::try_from(
        metadata.metadata().file_metadata().num_rows(),
    )?)
}

/// Batches with strings as views, as the queries of this engine have them.
fn reader(input: &str, batch_rows: usize) -> Result<ParquetRecordBatchReader> {
    let file = File::open(input)?;
    let stored = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let fields: Vec<Field> = stored
        .schema()
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Utf8View),
            _ => field.as_ref().clone(),
        })
        .collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
    Ok(builder.with_batch_size(batch_rows).build()?)
}
