//! Plain DataFusion over the Parquet files of a table: the bound that no merge can beat.
//!
//! `bound WAREHOUSE TABLE SQL [REPEATS]` registers all files below the table's folder as one table of its name,
//! superseded and deleted rows included, and prints one `RunnerReport`.

use std::time::Instant;

use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use paimon_benchmarks::Result;
use paimon_benchmarks::measure::RunnerReport;
use paimon_benchmarks::sqlrun::{drain, ms_since};

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, table, sql, rest @ ..] = args.as_slice() else {
        return Err("usage: bound WAREHOUSE TABLE SQL [REPEATS]".into());
    };
    let repeats: usize = rest.first().map_or(Ok(1), |n| n.parse())?;

    let start = Instant::now();
    let mut config = SessionConfig::new();
    config
        .options_mut()
        .execution
        .listing_table_ignore_subdirectory = false;
    let context = SessionContext::new_with_config(config);
    let folder = format!("{warehouse}/default.db/{table}/");
    context
        .register_parquet(table.as_str(), folder, ParquetReadOptions::default())
        .await?;
    let mut report = RunnerReport {
        setup_ms: ms_since(start),
        ..Default::default()
    };
    for _ in 0..repeats {
        let start = Instant::now();
        let plan = context.sql(sql).await?.create_physical_plan().await?;
        let outcome = drain(plan, context.task_ctx()).await?;
        report.query_ms.push(ms_since(start));
        (report.rows, report.result) = (outcome.rows, outcome.text);
    }
    println!("{}", serde_json::to_string(&report.with_own_cost())?);
    Ok(())
}
