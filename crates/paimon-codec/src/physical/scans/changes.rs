//! Scans of changes and streams.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use paimon_core::Error;
use paimon_datafusion::nodes::{ChangesExec, Shape, StreamScanExec};
use prost::Message;

use super::{Kind, Opened, ScanMessage};
use crate::envelope::{required, wide};
use crate::wait::wait;
use crate::wire::predicate::PredicateMessage;
use crate::wire::read::ReadMessage;
use crate::wire::split::PartMessage;
use crate::wire::table::TableMessage;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ChangesMessage {
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
pub(super) struct StreamMessage {
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

pub(super) fn changes(scan: &ChangesExec) -> paimon_core::Result<ScanMessage> {
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
    pub(super) fn node(self, opened: Opened) -> paimon_core::Result<Arc<dyn ExecutionPlan>> {
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

pub(super) fn stream(scan: &StreamScanExec) -> paimon_core::Result<ScanMessage> {
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
    pub(super) fn node(self, opened: Opened) -> paimon_core::Result<Arc<dyn ExecutionPlan>> {
        let (shape, filter) = (shape_of(&self.shape)?, opened.filter.value()?);
        let opening = StreamScanExec::open(&opened.table, shape, &self.columns, filter);
        Ok(Arc::new(wait(opening)?))
    }
}
