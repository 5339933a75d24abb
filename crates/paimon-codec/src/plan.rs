//! Whole plans.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};

use crate::logical::PaimonLogicalCodec;
use crate::physical::PaimonPhysicalCodec;
use crate::resolver::CatalogResolver;

/// A logical plan as bytes.
///
/// # Errors
/// `Unsupported` naming the table, statement or node that cannot travel.
pub fn encode_logical_plan(
    plan: &LogicalPlan,
    resolver: Arc<dyn CatalogResolver>,
) -> Result<Vec<u8>> {
    logical_bytes(plan, &PaimonLogicalCodec::new(resolver))
}

/// The bytes of a plan, whose IN and EXISTS became joins: DataFusion has no message for subqueries of these kinds.
///
/// # Errors
/// As [`encode_logical_plan`].
pub(crate) fn logical_bytes(plan: &LogicalPlan, codec: &PaimonLogicalCodec) -> Result<Vec<u8>> {
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(DecorrelatePredicateSubquery::new())];
    let context = OptimizerContext::new();
    let joined = Optimizer::with_rules(rules).optimize(plan.clone(), &context, |_, _| {})?;
    let bytes = logical_plan_to_bytes_with_extension_codec(&joined, codec)?;
    Ok(bytes.to_vec())
}

/// A logical plan from bytes; functions are those of the context.
///
/// # Errors
/// `Unsupported` for a version that is not known, `Damaged` for bytes that are no plan, `NotFound` for catalogs and tables
/// that this process does not have.
pub fn decode_logical_plan(
    bytes: &[u8],
    context: &TaskContext,
    resolver: Arc<dyn CatalogResolver>,
) -> Result<LogicalPlan> {
    let codec = PaimonLogicalCodec::new(resolver);
    logical_plan_from_bytes_with_extension_codec(bytes, context, &codec)
}

/// A physical plan as bytes.
///
/// # Errors
/// `Unsupported` naming the table, statement or node that cannot travel.
pub fn encode_physical_plan(
    plan: Arc<dyn ExecutionPlan>,
    resolver: Arc<dyn CatalogResolver>,
) -> Result<Vec<u8>> {
    let codec = PaimonPhysicalCodec::new(resolver);
    let bytes = physical_plan_to_bytes_with_extension_codec(plan, &codec)?;
    Ok(bytes.to_vec())
}

/// A physical plan from bytes; functions, stores and memory are those of the context.
///
/// # Errors
/// As [`decode_logical_plan`].
pub fn decode_physical_plan(
    bytes: &[u8],
    context: &TaskContext,
    resolver: Arc<dyn CatalogResolver>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let codec = PaimonPhysicalCodec::new(resolver);
    physical_plan_from_bytes_with_extension_codec(bytes, context, &codec)
}
