//! INSERT into tables whose keys tell their buckets: what others overtook is run once more.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use paimon_core::Error;
use paimon_core::commit::OVERTAKEN;

use crate::error::paimon_error;

/// The query of an INSERT.
#[derive(Debug)]
pub(crate) struct Query {
    plan: LogicalPlan,
    state: SessionState,
}

impl Query {
    pub(crate) fn new(plan: LogicalPlan, state: SessionState) -> Self {
        Self { plan, state }
    }

    /// Its rows once more.
    pub(super) async fn rows(
        &self,
        context: &Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = self.state.create_physical_plan(&self.plan).await?;
        execute_stream(plan, Arc::clone(context))
    }
}

/// Whether a write failed because others moved keys meanwhile: a new look at the table puts the rows where they belong.
pub(super) fn was_overtaken(error: &DataFusionError) -> bool {
    let context = paimon_error(error).map_or(&[][..], Error::context);
    context.iter().any(|(key, _)| *key == OVERTAKEN)
}
