//! DataFusion's `COPY .. TO 'file'`: values that a format cannot hold become texts.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::dml::CopyTo;

use crate::text;

/// The plan with rows for the files of a COPY that these can hold.
///
/// # Errors
/// Never for valid plans.
pub(crate) fn writable(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down(|plan| {
        let LogicalPlan::Copy(copy) = plan else {
            return Ok(Transformed::no(plan));
        };
        let rows = Arc::unwrap_or_clone(copy.input);
        let input = Arc::new(match copy.file_type.get_ext().as_str() {
            "csv" => text::for_csv(rows)?,
            "json" => text::for_json(rows)?,
            _ => rows,
        });
        let copy = LogicalPlan::Copy(CopyTo { input, ..copy });
        Ok(Transformed::new(copy, true, TreeNodeRecursion::Jump))
    });
    rewritten.data()
}
