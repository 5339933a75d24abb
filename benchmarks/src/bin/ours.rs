//! Runs a statement with this engine and prints one `RunnerReport`.
//!
//! `ours WAREHOUSE SQL [REPEATS]` opens a filesystem catalog in a session of its own.

use std::collections::BTreeMap;
use std::time::Instant;

use paimon_benchmarks::Result;
use paimon_benchmarks::measure::RunnerReport;
use paimon_benchmarks::sqlrun::{drain, ms_since};
use paimon_datafusion::PaimonSession;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [warehouse, sql, rest @ ..] = args.as_slice() else {
        return Err("usage: ours WAREHOUSE SQL [REPEATS]".into());
    };
    let repeats: usize = rest.first().map_or(Ok(1), |n| n.parse())?;

    let start = Instant::now();
    let session = PaimonSession::new();
    let options = BTreeMap::from([("warehouse".to_string(), warehouse.clone())]);
    session.create_catalog("paimon", options)?;
    session.use_catalog("paimon")?;
    let mut report = RunnerReport {
        setup_ms: ms_since(start),
        ..Default::default()
    };
    for _ in 0..repeats {
        let start = Instant::now();
        let plan = session.sql(sql).await?.create_physical_plan().await?;
        let outcome = drain(plan, session.context().task_ctx()).await?;
        report.query_ms.push(ms_since(start));
        (report.rows, report.result) = (outcome.rows, outcome.text);
    }
    println!("{}", serde_json::to_string(&report.with_own_cost())?);
    Ok(())
}
