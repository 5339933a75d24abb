//! Runs SQL with the crates.io Paimon crates and prints what it cost.
//!
//! `paimon-peer WAREHOUSE SQL [REPEATS]` opens a filesystem catalog, runs the statement REPEATS times in one session
//! and prints one line of JSON: set-up and query times in milliseconds, rows, a digest of the result, CPU and peak
//! memory of the process. The protocol is that of `paimon_benchmarks::measure`.
//!
//! `paimon-peer load WAREHOUSE TABLE INPUT [ROWS COMMITS]` writes the Parquet file INPUT to a table that exists, in one
//! commit, or its first ROWS rows again and again in COMMITS commits.

mod load;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use paimon::{Catalog, CatalogFactory, CatalogOptions, Options};
use paimon_datafusion::SQLContext;

/// Results up to this many rows are printed, larger ones only counted.
const ROWS_KEPT: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("load") {
        return load::run(&args.skip(1).collect::<Vec<_>>()).await;
    }
    let usage = "usage: paimon-peer WAREHOUSE SQL [REPEATS]";
    let warehouse = args.next().ok_or(usage)?;
    let sql = args.next().ok_or(usage)?;
    let repeats: usize = args.next().map_or(Ok(1), |n| n.parse())?;

    let start = Instant::now();
    let catalog = open(&warehouse).await?;
    let mut context = SQLContext::new();
    context.register_catalog("paimon", catalog).await?;
    let setup_ms = start.elapsed().as_secs_f64() * 1e3;

    let mut query_ms = Vec::new();
    let mut last = (0, String::new());
    for _ in 0..repeats {
        let start = Instant::now();
        last = run(&context, &sql).await?;
        query_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    report(setup_ms, &query_ms, last);
    Ok(())
}

async fn open(warehouse: &str) -> Result<Arc<dyn Catalog>, Box<dyn Error>> {
    let mut options = Options::new();
    options.set(CatalogOptions::WAREHOUSE, warehouse);
    Ok(CatalogFactory::create(options).await?)
}

/// Prints the line that the comparison reads.
fn report(setup_ms: f64, query_ms: &[f64], (rows, result): (usize, String)) {
    let (cpu_ms, peak_rss_kb) = usage_of_self();
    println!(
        "{}",
        serde_json::json!({
            "setup_ms": setup_ms, "query_ms": query_ms, "rows": rows, "result": result,
            "cpu_ms": cpu_ms, "peak_rss_kb": peak_rss_kb,
        })
    );
}

/// Runs one statement: rows and, for small results, their text.
async fn run(context: &SQLContext, sql: &str) -> Result<(usize, String), Box<dyn Error>> {
    let frame = context.sql(sql).await?;
    let plan = frame.create_physical_plan().await?;
    let mut stream = execute_stream(plan, context.ctx().task_ctx())?;
    let mut rows = 0;
    let mut kept: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows <= ROWS_KEPT {
            kept.push(batch);
        } else {
            kept.clear();
        }
    }
    let text = if rows <= ROWS_KEPT {
        pretty_format_batches(&kept)?.to_string()
    } else {
        String::new()
    };
    Ok((rows, text))
}

/// CPU time in milliseconds and peak resident memory in KiB of this process, as Linux counts them; 0 elsewhere.
fn usage_of_self() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    (ticks * 10.0, peak.unwrap_or(0))
}
