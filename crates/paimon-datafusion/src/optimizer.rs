//! The physical optimizer of a session: DataFusion's rules and ours between them.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::stream::EndlessWork;

/// Chooses sides of joins by statistics; what it leaves as it is, is ours to decide.
const JOIN_SELECTION: &str = "join_selection";

/// DataFusion's check of endless plans does not say what to do.
const SANITY_CHECK: &str = "SanityCheckPlan";

/// A side of a join that has so many rows streams past another of unknown size.
const MANY_ROWS: usize = 1 << 18;

/// All rules, in order.
pub(crate) fn rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let place = |rules: &[Arc<dyn PhysicalOptimizerRule + Send + Sync>], name: &str| {
        let at = rules.iter().position(|rule| rule.name() == name);
        at.unwrap_or(rules.len())
    };
    let at = place(&rules, SANITY_CHECK);
    rules.insert(at, Arc::new(EndlessWork));
    let at = place(&rules, JOIN_SELECTION).saturating_add(1);
    rules.insert(at.min(rules.len()), Arc::new(LargeSideStreams));
    rules
}

/// Swaps the sides of a hash join that would keep many rows in memory, to find them for the rows of a side of which no
/// size is known: a table function, or nested values of a small table laid out as rows. Files of unknown size, which may
/// be large, stay where they are, and so do streams.
#[derive(Debug)]
struct LargeSideStreams;

impl PhysicalOptimizerRule for LargeSideStreams {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !config.optimizer.join_reordering {
            return Ok(plan);
        }
        plan.transform_up(swapped).data()
    }

    fn name(&self) -> &'static str {
        "PaimonLargeSideStreams"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn swapped(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
        return Ok(Transformed::no(plan));
    };
    if !join.join_type().supports_swap() || join.null_aware {
        return Ok(Transformed::no(plan));
    }
    let kept = Size::of(join.left().as_ref())?;
    let streamed = Size::of(join.right().as_ref())?;
    match kept.is_large() && streamed.is_unknown() && is_made_of_little(join.right().as_ref())? {
        true => Ok(Transformed::yes(join.swap_inputs(*join.partition_mode())?)),
        false => Ok(Transformed::no(plan)),
    }
}

/// Whether a plan ends, and reads nothing but what functions make and tables of few rows.
fn is_made_of_little(plan: &dyn ExecutionPlan) -> Result<bool> {
    if plan.boundedness().is_unbounded() {
        return Ok(false);
    }
    let children = plan.children();
    if children.is_empty() {
        let few = |rows: usize| rows < MANY_ROWS;
        return Ok(plan.is::<LazyMemoryExec>() || Size::of(plan)?.rows.is_some_and(few));
    }
    for child in children {
        if !is_made_of_little(child.as_ref())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What statistics say of the rows of a plan.
struct Size {
    rows: Option<usize>,
    bytes: Option<usize>,
}

impl Size {
    fn of(plan: &dyn ExecutionPlan) -> Result<Self> {
        let statistics = StatisticsContext::new().compute(plan, &StatisticsArgs::new())?;
        Ok(Self {
            rows: statistics.num_rows.get_value().copied(),
            bytes: statistics.total_byte_size.get_value().copied(),
        })
    }

    fn is_large(&self) -> bool {
        self.rows.is_some_and(|rows| rows >= MANY_ROWS)
    }

    fn is_unknown(&self) -> bool {
        self.rows.is_none() && self.bytes.is_none()
    }
}
