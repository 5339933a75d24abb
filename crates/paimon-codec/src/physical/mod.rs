//! Physical plans: scans with their files, writes, statements.

mod scans;

use std::sync::Arc;

use datafusion::datasource::sink::DataSinkExec;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use paimon_core::Error;
use paimon_datafusion::nodes::{EffectExec, NewTableTarget, PaimonSink, RowsSink};
use paimon_datafusion::to_datafusion;
use prost::{Message, Oneof};

use self::scans::ScanMessage;
use crate::envelope::{narrow, opened, refused, required, sealed, wide};
use crate::function;
use crate::logical::PaimonLogicalCodec;
use crate::resolver::CatalogResolver;
use crate::statement::StatementMessage;
use crate::write::new_table::NewTableMessage;
use crate::write::rows::RowsMessage;
use crate::write::sink::SinkMessage;

/// A node of a plan.
#[derive(Clone, PartialEq, Message)]
struct NodeMessage {
    #[prost(oneof = "NodeKind", tags = "1, 2, 3, 4, 5")]
    kind: Option<NodeKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum NodeKind {
    #[prost(message, tag = "1")]
    Scan(ScanMessage),
    #[prost(message, tag = "2")]
    Sink(SinkMessage),
    #[prost(message, tag = "3")]
    NewTable(NewTableMessage),
    #[prost(message, tag = "4")]
    Rows(RowsMessage),
    #[prost(message, tag = "5")]
    Statement(StatementExecMessage),
}

#[derive(Clone, PartialEq, Message)]
struct StatementExecMessage {
    #[prost(message, optional, tag = "1")]
    statement: Option<StatementMessage>,
    #[prost(message, optional, tag = "2")]
    projection: Option<ColumnsMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ColumnsMessage {
    #[prost(uint64, repeated, tag = "1")]
    columns: Vec<u64>,
}

impl ColumnsMessage {
    pub(crate) fn new(columns: &[usize]) -> Self {
        Self {
            columns: columns.iter().map(|c| wide(*c)).collect(),
        }
    }

    pub(crate) fn value(self) -> paimon_core::Result<Vec<usize>> {
        let columns = self.columns.into_iter();
        columns.map(|c| narrow(c, "a column")).collect()
    }
}

/// Codec of the nodes of `paimon-datafusion` in physical plans.
///
/// Scans bring their files: they read the snapshot that they were planned on. A write that is encoded commits once,
/// however often it is run and wherever.
#[derive(Debug, Clone)]
pub struct PaimonPhysicalCodec {
    logical: PaimonLogicalCodec,
}

impl PaimonPhysicalCodec {
    /// A codec that opens tables by the catalogs of this process.
    pub fn new(resolver: Arc<dyn CatalogResolver>) -> Self {
        Self {
            logical: PaimonLogicalCodec::new(resolver),
        }
    }

    fn message(
        &self,
        node: &Arc<dyn ExecutionPlan>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<NodeKind> {
        if let Some(scan) = ScanMessage::new(node, self, converter)? {
            return Ok(NodeKind::Scan(scan));
        }
        if let Some(statement) = node.downcast_ref::<EffectExec>() {
            return Ok(NodeKind::Statement(StatementExecMessage {
                statement: Some(StatementMessage::new(statement.effect())?),
                projection: statement.projection().map(ColumnsMessage::new),
            }));
        }
        if let Some(sink) = node.downcast_ref::<DataSinkExec>() {
            return self.sink_message(sink);
        }
        Err(refused(format!("the plan node {}", node.name())))
    }

    fn sink_message(&self, node: &DataSinkExec) -> Result<NodeKind> {
        let sink = node.sink();
        if let Some(sink) = sink.downcast_ref::<PaimonSink>() {
            let sink = SinkMessage::new(sink.parts()).map_err(to_datafusion)?;
            return Ok(NodeKind::Sink(sink));
        }
        if let Some(table) = sink.downcast_ref::<NewTableTarget>() {
            return NewTableMessage::new(table.parts()).map(NodeKind::NewTable);
        }
        if let Some(rows) = sink.downcast_ref::<RowsSink>() {
            return RowsMessage::new(&rows.parts(), true, &self.logical).map(NodeKind::Rows);
        }
        Err(refused("a write to a table that is none of Paimon's"))
    }

    fn node(
        &self,
        kind: NodeKind,
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let catalogs = self.logical.catalogs();
        Ok(match kind {
            NodeKind::Scan(scan) => scan.node(self, context, converter)?,
            NodeKind::Sink(sink) => {
                let parts = sink.parts(catalogs).map_err(to_datafusion)?;
                let sink = Arc::new(PaimonSink::of_parts(parts)?);
                Arc::new(DataSinkExec::new(input(inputs)?, sink, None))
            }
            NodeKind::NewTable(table) => {
                let table = NewTableTarget::of_parts(table.parts(catalogs)?)?;
                Arc::new(DataSinkExec::new(input(inputs)?, Arc::new(table), None))
            }
            NodeKind::Rows(rows) => {
                let sink = rows.target(true, &self.logical, context)?.sink();
                let input = input(inputs)?;
                let order = sink.order(&input.schema())?;
                Arc::new(DataSinkExec::new(input, Arc::new(sink), order))
            }
            NodeKind::Statement(exec) => {
                let statement = required(exec.statement, "statement").map_err(to_datafusion)?;
                let projection = exec.projection.map(ColumnsMessage::value).transpose();
                let projection = projection.map_err(to_datafusion)?;
                let effect = statement.effect(catalogs, context)?;
                Arc::new(EffectExec::new(effect, projection)?)
            }
        })
    }

    pub(crate) fn logical(&self) -> &PaimonLogicalCodec {
        &self.logical
    }
}

/// The rows that a node writes.
fn input(inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    match inputs {
        [input] => Ok(input.clone()),
        _ => Err(to_datafusion(Error::damaged(format!(
            "a write of a plan has one input, found {}",
            inputs.len()
        )))),
    }
}

impl PhysicalExtensionCodec for PaimonPhysicalCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let message: NodeMessage = opened(buf).map_err(to_datafusion)?;
        let kind = required(message.kind, "kind of node").map_err(to_datafusion)?;
        self.node(kind, inputs, ctx, proto_converter)
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let kind = Some(self.message(&node, proto_converter)?);
        buf.extend(sealed(&NodeMessage { kind }));
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        function::decode(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        function::encode(node, buf)
    }
}
