//! Scans with their files.

use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalPlanDecodeContext, PhysicalProtoConverterExtension};
use datafusion_proto::protobuf::PhysicalPlanNode;
use paimon_core::Error;
use paimon_core::table::Table;
use paimon_datafusion::nodes::{
    ChangesExec, CoreScanExec, MergeParts, MergeScanExec, PositionScanExec, Shape, StreamScanExec,
    TableFileSource,
};
use paimon_datafusion::to_datafusion;
use prost::{Message, Oneof};

use super::{ColumnsMessage, PaimonPhysicalCodec};
use crate::envelope::{malformed, narrow, required, wide};
use crate::wait::wait;
use crate::wire::predicate::PredicateMessage;
use crate::wire::read::ReadMessage;
use crate::wire::split::{
    CarriedSectionMessage, NumberedFileMessage, PartMessage, ShareMessage, SplitMessage,
};
use crate::wire::table::TableMessage;

/// A scan of a table.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScanMessage {
    #[prost(message, optional, tag = "1")]
    table: Option<TableMessage>,
    #[prost(uint64, optional, tag = "2")]
    limit: Option<u64>,
    #[prost(message, optional, tag = "3")]
    filter: Option<PredicateMessage>,
    #[prost(oneof = "Kind", tags = "4, 5, 6, 7, 8, 9")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    /// DataFusion's node, its source being that of files of nobody.
    #[prost(bytes = "vec", tag = "4")]
    Files(Vec<u8>),
    #[prost(message, tag = "5")]
    Core(CoreMessage),
    #[prost(message, tag = "6")]
    Merge(MergeMessage),
    #[prost(message, tag = "7")]
    Positions(PositionsMessage),
    #[prost(message, tag = "8")]
    Changes(ChangesMessage),
    #[prost(message, tag = "9")]
    Stream(StreamMessage),
}

#[derive(Clone, PartialEq, Message)]
struct CoreMessage {
    #[prost(message, optional, tag = "1")]
    read: Option<ReadMessage>,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<SplitsMessage>,
    /// Bounds of columns stay behind: they are for planning, which is over.
    #[prost(message, optional, tag = "3")]
    rows: Option<CountMessage>,
    #[prost(message, optional, tag = "4")]
    bytes: Option<CountMessage>,
}

/// A number that may be a guess.
#[derive(Clone, Copy, PartialEq, Message)]
struct CountMessage {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(bool, tag = "2")]
    exact: bool,
}

impl CountMessage {
    fn new(count: Precision<usize>) -> Option<Self> {
        let exact = matches!(count, Precision::Exact(_));
        let count = wide(*count.get_value()?);
        Some(Self { count, exact })
    }

    fn value(message: Option<Self>) -> paimon_core::Result<Precision<usize>> {
        let Some(Self { count, exact }) = message else {
            return Ok(Precision::Absent);
        };
        let count = narrow(count, "a number of rows or bytes")?;
        Ok(match exact {
            true => Precision::Exact(count),
            false => Precision::Inexact(count),
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct SplitsMessage {
    #[prost(message, repeated, tag = "1")]
    splits: Vec<SplitMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct MergeMessage {
    #[prost(message, repeated, tag = "1")]
    sections: Vec<CarriedSectionMessage>,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<SharesMessage>,
    /// DataFusion's node of the source.
    #[prost(bytes = "vec", tag = "3")]
    inner: Vec<u8>,
    /// Rows before filters.
    #[prost(message, optional, tag = "4")]
    rows: Option<CountMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SharesMessage {
    #[prost(message, repeated, tag = "1")]
    shares: Vec<ShareMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct PositionsMessage {
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<NumberedMessage>,
    #[prost(message, optional, tag = "2")]
    columns: Option<ColumnsMessage>,
    #[prost(uint64, tag = "3")]
    batch_size: u64,
}

#[derive(Clone, PartialEq, Message)]
struct NumberedMessage {
    #[prost(message, repeated, tag = "1")]
    files: Vec<NumberedFileMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ChangesMessage {
    #[prost(message, optional, tag = "1")]
    read: Option<ReadMessage>,
    #[prost(message, repeated, tag = "2")]
    partitions: Vec<PartsMessage>,
    #[prost(string, tag = "3")]
    shape: String,
    #[prost(string, repeated, tag = "4")]
    columns: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct PartsMessage {
    #[prost(message, repeated, tag = "1")]
    parts: Vec<PartMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamMessage {
    #[prost(string, tag = "1")]
    shape: String,
    #[prost(string, repeated, tag = "2")]
    columns: Vec<String>,
}

/// Shapes by the names that they travel under.
const SHAPES: &[(&str, Shape)] = &[
    ("rows", Shape::Rows),
    ("audit", Shape::Audit),
    ("binlog", Shape::Binlog),
    ("kinds", Shape::Kinds),
];

fn shape_name(shape: Shape) -> String {
    let found = SHAPES.iter().find(|(_, s)| *s == shape);
    found.map(|(name, _)| *name).unwrap_or_default().to_string()
}

fn shape_of(name: &str) -> paimon_core::Result<Shape> {
    let found = SHAPES.iter().find(|(n, _)| *n == name);
    found.map(|(_, shape)| *shape).ok_or_else(|| {
        Error::unsupported(format!("a plan shows rows as {name:?}, which is not known"))
    })
}

fn names(plan: &dyn ExecutionPlan) -> Vec<String> {
    let schema = plan.schema();
    schema.fields().iter().map(|f| f.name().clone()).collect()
}

impl ScanMessage {
    /// The message of a scan; `None` for other nodes.
    pub(super) fn new(
        node: &Arc<dyn ExecutionPlan>,
        codec: &PaimonPhysicalCodec,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Option<Self>> {
        if let Some(scan) = node.downcast_ref::<DataSourceExec>() {
            return files(scan, codec, converter);
        }
        if let Some(scan) = node.downcast_ref::<MergeScanExec>() {
            return merge(scan.parts(), codec, converter).map(Some);
        }
        let made = if let Some(scan) = node.downcast_ref::<CoreScanExec>() {
            core(scan)
        } else if let Some(scan) = node.downcast_ref::<PositionScanExec>() {
            positions(scan)
        } else if let Some(scan) = node.downcast_ref::<ChangesExec>() {
            changes(scan)
        } else if let Some(scan) = node.downcast_ref::<StreamScanExec>() {
            stream(scan)
        } else {
            return Ok(None);
        };
        made.map(Some).map_err(to_datafusion)
    }

    pub(super) fn node(
        self,
        codec: &PaimonPhysicalCodec,
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let catalogs = codec.logical().catalogs();
        let table = required(self.table, "table").and_then(|t| t.open_now(catalogs));
        let opened = Opened {
            table: table.map_err(to_datafusion)?,
            limit: match self.limit {
                Some(limit) => Some(narrow(limit, "a limit").map_err(to_datafusion)?),
                None => None,
            },
            filter: self.filter.unwrap_or_default(),
        };
        match required(self.kind, "kind of scan").map_err(to_datafusion)? {
            Kind::Files(node) => {
                let plan = decoded(&node, codec, context, converter)?;
                let scan = source_of(&plan)?.clone();
                let runtime = context.runtime_env();
                let scan = TableFileSource::adopt(opened.table, scan, &runtime)?;
                Ok(DataSourceExec::from_data_source(scan))
            }
            Kind::Merge(own) => {
                let inner = decoded(&own.inner, codec, context, converter)?;
                own.node(opened, &inner)
            }
            Kind::Core(own) => own.node(opened).map_err(to_datafusion),
            Kind::Positions(own) => own.node(opened).map_err(to_datafusion)?,
            Kind::Changes(own) => own.node(opened).map_err(to_datafusion),
            Kind::Stream(own) => own.node(opened).map_err(to_datafusion),
        }
    }
}

/// What all scans have.
struct Opened {
    table: Table,
    limit: Option<usize>,
    filter: PredicateMessage,
}

/// A node of DataFusion's inside of one of ours.
fn decoded(
    bytes: &[u8],
    codec: &PaimonPhysicalCodec,
    context: &TaskContext,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let node = PhysicalPlanNode::decode(bytes).map_err(|e| to_datafusion(malformed(e)))?;
    converter.proto_to_execution_plan(&node, &PhysicalPlanDecodeContext::new(context, codec))
}

fn source_of(plan: &Arc<dyn ExecutionPlan>) -> Result<&FileScanConfig> {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let scan = scan.and_then(|s| s.data_source().downcast_ref::<FileScanConfig>());
    scan.ok_or_else(|| {
        to_datafusion(Error::damaged(format!(
            "a scan of files is expected in a plan, found {}",
            plan.name()
        )))
    })
}

fn files(
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

fn merge(
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
    fn node(
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

fn core(scan: &CoreScanExec) -> paimon_core::Result<ScanMessage> {
    let splits = |own: &Vec<_>| SplitsMessage {
        splits: own.iter().map(SplitMessage::from).collect(),
    };
    Ok(ScanMessage {
        table: Some(TableMessage::new(scan.reader().table())?),
        limit: scan.limit().map(wide),
        filter: None,
        kind: Some(Kind::Core(CoreMessage {
            read: Some(ReadMessage::new(scan.reader())?),
            partitions: scan.splits().iter().map(splits).collect(),
            rows: CountMessage::new(scan.statistics().num_rows),
            bytes: CountMessage::new(scan.statistics().total_byte_size),
        })),
    })
}

impl CoreMessage {
    fn node(self, opened: Opened) -> paimon_core::Result<Arc<dyn ExecutionPlan>> {
        let reader = required(self.read, "columns")?.reader(&opened.table)?;
        let mut statistics = Statistics::new_unknown(reader.schema());
        statistics.num_rows = CountMessage::value(self.rows)?;
        statistics.total_byte_size = CountMessage::value(self.bytes)?;
        let splits = self.partitions.into_iter().map(|own| {
            let splits = own.splits.into_iter().map(SplitMessage::value);
            splits.collect::<paimon_core::Result<Vec<_>>>()
        });
        Ok(Arc::new(CoreScanExec::of_splits(
            reader,
            splits.collect::<paimon_core::Result<_>>()?,
            opened.limit,
            statistics,
        )))
    }
}

fn positions(scan: &PositionScanExec) -> paimon_core::Result<ScanMessage> {
    let files = |own: &Vec<_>| NumberedMessage {
        files: own.iter().map(NumberedFileMessage::from).collect(),
    };
    Ok(ScanMessage {
        table: Some(TableMessage::new(scan.table())?),
        limit: None,
        filter: Some(PredicateMessage::new(scan.filter())?),
        kind: Some(Kind::Positions(PositionsMessage {
            partitions: scan.groups().iter().map(files).collect(),
            columns: Some(ColumnsMessage::new(scan.columns())),
            batch_size: wide(scan.batch_size()),
        })),
    })
}

impl PositionsMessage {
    fn node(self, opened: Opened) -> paimon_core::Result<Result<Arc<dyn ExecutionPlan>>> {
        let groups = self.partitions.into_iter().map(|own| {
            let files = own.files.into_iter().map(NumberedFileMessage::value);
            files.collect::<paimon_core::Result<Vec<_>>>()
        });
        let made = PositionScanExec::of_groups(
            &opened.table,
            groups.collect::<paimon_core::Result<_>>()?,
            &required(self.columns, "columns")?.value()?,
            opened.filter.value()?,
            narrow(self.batch_size, "a batch size")?,
        );
        Ok(made.map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>))
    }
}

fn changes(scan: &ChangesExec) -> paimon_core::Result<ScanMessage> {
    let parts = |own: &Vec<_>| PartsMessage {
        parts: own.iter().map(PartMessage::from).collect(),
    };
    Ok(ScanMessage {
        table: Some(TableMessage::new(scan.reader().table())?),
        limit: scan.limit().map(wide),
        filter: None,
        kind: Some(Kind::Changes(ChangesMessage {
            read: Some(ReadMessage::new(scan.reader())?),
            partitions: scan.groups().iter().map(parts).collect(),
            shape: shape_name(scan.shape()),
            columns: names(scan),
        })),
    })
}

impl ChangesMessage {
    fn node(self, opened: Opened) -> paimon_core::Result<Arc<dyn ExecutionPlan>> {
        let reader = required(self.read, "columns")?.reader(&opened.table)?;
        let groups = self.partitions.into_iter().map(|own| {
            let parts = own.parts.into_iter().map(PartMessage::value);
            parts.collect::<paimon_core::Result<Vec<_>>>()
        });
        let groups = groups.collect::<paimon_core::Result<_>>()?;
        let made = ChangesExec::of_columns(
            reader,
            groups,
            shape_of(&self.shape)?,
            &self.columns,
            opened.limit,
        );
        Ok(Arc::new(made?))
    }
}

fn stream(scan: &StreamScanExec) -> paimon_core::Result<ScanMessage> {
    Ok(ScanMessage {
        table: Some(TableMessage::new(scan.read().table())?),
        limit: None,
        filter: Some(PredicateMessage::new(scan.read().filter())?),
        kind: Some(Kind::Stream(StreamMessage {
            shape: shape_name(scan.shape()),
            columns: names(scan),
        })),
    })
}

impl StreamMessage {
    fn node(self, opened: Opened) -> paimon_core::Result<Arc<dyn ExecutionPlan>> {
        let (shape, filter) = (shape_of(&self.shape)?, opened.filter.value()?);
        let opening = StreamScanExec::open(&opened.table, shape, &self.columns, filter);
        Ok(Arc::new(wait(opening)?))
    }
}
