//! Scans with their files.

mod changes;
mod files;

use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::PhysicalProtoConverterExtension;
use paimon_core::Error;
use paimon_core::table::Table;
use paimon_datafusion::nodes::{
    ChangesExec, CoreScanExec, MergeScanExec, Place, PositionScanExec, StreamScanExec,
    TableFileSource, Wanted,
};
use paimon_datafusion::to_datafusion;
use prost::{Message, Oneof};

use self::changes::{ChangesMessage, StreamMessage, changes, stream};
use self::files::{MergeMessage, decoded, files, merge, source_of};
use super::PaimonPhysicalCodec;
use crate::envelope::{narrow, required, wide};
use crate::wire::predicate::PredicateMessage;
use crate::wire::read::ReadMessage;
use crate::wire::split::{NumberedFileMessage, SplitMessage};
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
struct PositionsMessage {
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<NumberedMessage>,
    #[prost(message, repeated, tag = "2")]
    columns: Vec<WantedMessage>,
    #[prost(uint64, tag = "3")]
    batch_size: u64,
}

/// A column of the table by position, or a place by the name of its column.
#[derive(Clone, PartialEq, Message)]
struct WantedMessage {
    #[prost(uint64, tag = "1")]
    column: u64,
    #[prost(string, optional, tag = "2")]
    place: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct NumberedMessage {
    #[prost(message, repeated, tag = "1")]
    files: Vec<NumberedFileMessage>,
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
            columns: scan.wanted().iter().map(WantedMessage::from).collect(),
            batch_size: wide(scan.batch_size()),
        })),
    })
}

impl From<&Wanted> for WantedMessage {
    fn from(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Column(at) => Self {
                column: wide(*at),
                place: None,
            },
            Wanted::Place(place) => Self {
                column: 0,
                place: Some(place.name().to_string()),
            },
        }
    }
}

impl WantedMessage {
    fn value(self) -> paimon_core::Result<Wanted> {
        let Some(name) = self.place else {
            return Ok(Wanted::Column(narrow(self.column, "a column")?));
        };
        let place = Place::of_column(&name).ok_or_else(|| {
            Error::unsupported(format!("a plan reads {name:?} of rows, which is not known"))
        })?;
        Ok(Wanted::Place(place))
    }
}

impl PositionsMessage {
    fn node(self, opened: Opened) -> paimon_core::Result<Result<Arc<dyn ExecutionPlan>>> {
        let groups = self.partitions.into_iter().map(|own| {
            let files = own.files.into_iter().map(NumberedFileMessage::value);
            files.collect::<paimon_core::Result<Vec<_>>>()
        });
        let columns = self.columns.into_iter().map(WantedMessage::value);
        let made = PositionScanExec::of_groups(
            &opened.table,
            groups.collect::<paimon_core::Result<_>>()?,
            &columns.collect::<paimon_core::Result<Vec<_>>>()?,
            opened.filter.value()?,
            narrow(self.batch_size, "a batch size")?,
        );
        Ok(made.map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>))
    }
}
