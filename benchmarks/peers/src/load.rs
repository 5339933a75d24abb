//! Writes a Parquet file to a table.

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use paimon::Table;
use paimon::catalog::Identifier;

/// Rows handed over at a time, as a query would.
const BATCH_ROWS: usize = 8192;

/// WAREHOUSE TABLE INPUT [ROWS COMMITS]
pub async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [warehouse, table, input, rest @ ..] = args else {
        return Err("usage: paimon-peer load WAREHOUSE TABLE INPUT [ROWS COMMITS]".into());
    };
    let start = Instant::now();
    let catalog = crate::open(warehouse).await?;
    let table = catalog
        .get_table(&Identifier::new("default", table.as_str()))
        .await?;
    let setup_ms = ms_since(start);
    let (rows, times) = match rest {
        [rows, commits] => commit_often(&table, input, rows.parse()?, commits.parse()?).await?,
        _ => load_once(&table, input).await?,
    };
    crate::report(setup_ms, &times, (rows, String::new()));
    Ok(())
}

/// Everything in one commit; one time.
async fn load_once(table: &Table, input: &str) -> Result<(usize, Vec<f64>), Box<dyn Error>> {
    let start = Instant::now();
    let builder = table.new_write_builder();
    let mut write = builder.new_write()?;
    let mut rows = 0;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(input)?)?;
    for batch in reader.with_batch_size(BATCH_ROWS).build()? {
        let batch: RecordBatch = batch?;
        rows += batch.num_rows();
        write.write_arrow_batch(&batch).await?;
    }
    let messages = write.prepare_commit().await?;
    builder.new_commit().commit(messages).await?;
    Ok((rows, vec![ms_since(start)]))
}

/// The same rows again and again; the time of each write and commit.
async fn commit_often(
    table: &Table,
    input: &str,
    rows: usize,
    commits: usize,
) -> Result<(usize, Vec<f64>), Box<dyn Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(input)?)?;
    let mut reader = reader.with_batch_size(rows).build()?;
    let batch = reader.next().ok_or("the input has no rows")??;
    let mut times = Vec::with_capacity(commits);
    for _ in 0..commits {
        let start = Instant::now();
        let builder = table.new_write_builder();
        let mut write = builder.new_write()?;
        write.write_arrow_batch(&batch).await?;
        let messages = write.prepare_commit().await?;
        builder.new_commit().commit(messages).await?;
        times.push(ms_since(start));
    }
    Ok((rows * commits, times))
}

fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
