//! Plans that would wait for the end of a stream are refused, with the reason and the way out.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};

use super::exec::StreamScanExec;
use crate::error::to_datafusion;

/// Refuses operators that give their first row after the last one of a stream.
#[derive(Debug)]
pub(crate) struct EndlessWork;

impl PhysicalOptimizerRule for EndlessWork {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check(plan.as_ref())?;
        Ok(plan)
    }

    fn name(&self) -> &'static str {
        "PaimonEndlessWork"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn check(plan: &dyn ExecutionPlan) -> Result<()> {
    for child in plan.children() {
        check(child.as_ref())?;
    }
    let properties = plan.properties();
    let endless = match properties.boundedness {
        Boundedness::Bounded => false,
        Boundedness::Unbounded {
            requires_infinite_memory,
        } => requires_infinite_memory || properties.emission_type == EmissionType::Final,
    };
    match endless.then(|| stream_below(plan)).flatten() {
        Some(table) => Err(refusal(plan.name(), &table)),
        None => Ok(()),
    }
}

fn stream_below(plan: &dyn ExecutionPlan) -> Option<String> {
    if let Some(scan) = plan.downcast_ref::<StreamScanExec>() {
        return Some(scan.table().to_string());
    }
    let mut children = plan.children().into_iter();
    children.find_map(|child| stream_below(child.as_ref()))
}

fn refusal(operator: &str, table: &str) -> DataFusionError {
    to_datafusion(
        paimon_core::Error::unsupported(format!(
            "{operator} waits for the end of a stream that has none: give the table the option \
             `scan.bounded.watermark`, or read its state with SET 'execution.runtime-mode' = 'batch'"
        ))
        .with("table", table),
    )
}
