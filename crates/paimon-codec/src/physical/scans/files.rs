//! Scans of Parquet files by DataFusion's source, and scans that merge before it.

use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalPlanDecodeContext, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::PhysicalPlanNode;
use paimon_core::Error;
use paimon_datafusion::nodes::{MergeParts, MergeScanExec, TableFileSource};
use paimon_datafusion::to_datafusion;
use prost::Message;

use super::super::PaimonPhysicalCodec;
use super::{CountMessage, Kind, Opened, ScanMessage};
use crate::envelope::{malformed, wide};
use crate::wire::predicate::PredicateMessage;
use crate::wire::split::{CarriedSectionMessage, ShareMessage};
use crate::wire::table::TableMessage;

#[derive(Clone, PartialEq, Message)]
pub(super) struct MergeMessage {
    #[prost(message, repeated, tag = "1")]
    sections: Vec<CarriedSectionMessage>,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<SharesMessage>,
    /// DataFusion's node of the source.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) inner: Vec<u8>,
    /// Rows before filters.
    #[prost(message, optional, tag = "4")]
    rows: Option<CountMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SharesMessage {
    #[prost(message, repeated, tag = "1")]
    shares: Vec<ShareMessage>,
}

/// A node of DataFusion's inside of one of ours.
pub(super) fn decoded(
    bytes: &[u8],
    codec: &PaimonPhysicalCodec,
    context: &TaskContext,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let node = PhysicalPlanNode::decode(bytes).map_err(|e| to_datafusion(malformed(e)))?;
    converter.proto_to_execution_plan(&node, &PhysicalPlanDecodeContext::new(context, codec))
}

pub(super) fn source_of(plan: &Arc<dyn ExecutionPlan>) -> Result<&FileScanConfig> {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let scan = scan.and_then(|s| s.data_source().downcast_ref::<FileScanConfig>());
    scan.ok_or_else(|| {
        to_datafusion(Error::damaged(format!(
            "a scan of files is expected in a plan, found {}",
            plan.name()
        )))
    })
}

pub(super) fn files(
    scan: &DataSourceExec,
    codec: &PaimonPhysicalCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Option<ScanMessage>> {
    let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else {
        return Ok(None);
    };
    let Some(source) = config.file_source().downcast_ref::<TableFileSource>() else {
        return Ok(None);
    };
    let mut plain = config.clone();
    plain.file_source = source.inner().clone();
    let plain: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(plain);
    let node = converter.execution_plan_to_proto(&plain, codec)?;
    Ok(Some(ScanMessage {
        table: Some(TableMessage::new(source.table()).map_err(to_datafusion)?),
        limit: None,
        filter: None,
        kind: Some(Kind::Files(node.encode_to_vec())),
    }))
}

pub(super) fn merge(
    parts: MergeParts,
    codec: &PaimonPhysicalCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<ScanMessage> {
    let inner: Arc<dyn ExecutionPlan> = Arc::new(parts.inner);
    let inner = converter.execution_plan_to_proto(&inner, codec)?;
    let shares = |own: &Vec<_>| SharesMessage {
        shares: own.iter().map(ShareMessage::from).collect(),
    };
    let sections = parts.sections.iter().map(CarriedSectionMessage::from);
    let kind = MergeMessage {
        sections: sections.collect(),
        partitions: parts.shares.iter().map(shares).collect(),
        inner: inner.encode_to_vec(),
        rows: CountMessage::new(parts.rows),
    };
    let filter = PredicateMessage::new(&parts.filter).map_err(to_datafusion)?;
    Ok(ScanMessage {
        table: Some(TableMessage::new(&parts.table).map_err(to_datafusion)?),
        limit: parts.limit.map(wide),
        filter: Some(filter),
        kind: Some(Kind::Merge(kind)),
    })
}

impl MergeMessage {
    pub(super) fn node(
        self,
        opened: Opened,
        inner: &Arc<dyn ExecutionPlan>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = inner.downcast_ref::<DataSourceExec>().ok_or_else(|| {
            to_datafusion(Error::damaged(format!(
                "a scan of files is expected in a plan, found {}",
                inner.name()
            )))
        })?;
        let sections = self.sections.into_iter().map(CarriedSectionMessage::value);
        let shares = self.partitions.into_iter().map(|own| {
            let shares = own.shares.into_iter().map(ShareMessage::value);
            shares.collect::<paimon_core::Result<Vec<_>>>()
        });
        let parts = MergeParts {
            table: opened.table,
            filter: opened.filter.value().map_err(to_datafusion)?,
            sections: sections
                .collect::<paimon_core::Result<_>>()
                .map_err(to_datafusion)?,
            shares: shares
                .collect::<paimon_core::Result<_>>()
                .map_err(to_datafusion)?,
            inner: inner.clone(),
            limit: opened.limit,
            rows: CountMessage::value(self.rows).map_err(to_datafusion)?,
        };
        Ok(Arc::new(MergeScanExec::of_parts(parts)?))
    }
}
