//! Runs a statement with DataFusion, dropping large results as they come.

use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::Result;

/// Results up to this many rows are kept as text, larger ones only counted.
const ROWS_KEPT: usize = 200;

/// Rows of a result and its text when it is small.
pub struct Outcome {
    /// Rows.
    pub rows: usize,
    /// The table as text, empty for large results.
    pub text: String,
}

/// Consumes the output of a plan.
///
/// # Errors
/// Those of the query.
pub async fn drain(plan: Arc<dyn ExecutionPlan>, task: Arc<TaskContext>) -> Result<Outcome> {
    let mut stream = execute_stream(plan, task)?;
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
    Ok(Outcome { rows, text })
}

/// Milliseconds since `start`.
pub fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
