//! Tables by name and state.

use std::collections::BTreeMap;

use paimon_catalog::Identifier;
use paimon_core::spec::Snapshot;
use paimon_core::table::{ScanTarget, Table, TableOrigin, TableState};
use paimon_core::{Error, Result};
use prost::{Message, Oneof};

use super::predicate::{json, of_json};
use crate::envelope::required;
use crate::resolver::Catalogs;
use crate::wait::wait;

/// A table of a catalog and the state in which it is read or written.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TableMessage {
    #[prost(string, tag = "1")]
    catalog: String,
    #[prost(string, tag = "2")]
    database: String,
    #[prost(string, tag = "3")]
    table: String,
    #[prost(message, optional, tag = "4")]
    state: Option<StateMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct StateMessage {
    #[prost(string, tag = "1")]
    branch: String,
    #[prost(sint64, tag = "2")]
    schema_id: i64,
    /// Stored and dynamic ones, no secrets.
    #[prost(btree_map = "string, string", tag = "3")]
    options: BTreeMap<String, String>,
    #[prost(oneof = "TargetMessage", tags = "4, 5, 6")]
    target: Option<TargetMessage>,
    /// The branch that completes the partitions.
    #[prost(message, optional, boxed, tag = "7")]
    other: Option<Box<StateMessage>>,
    #[prost(bool, tag = "8")]
    other_first: bool,
}

#[derive(Clone, PartialEq, Oneof)]
enum TargetMessage {
    /// The newest snapshot.
    #[prost(bool, tag = "4")]
    Latest(bool),
    /// No row.
    #[prost(bool, tag = "5")]
    Empty(bool),
    #[prost(message, tag = "6")]
    Pinned(PinnedMessage),
}

#[derive(Clone, PartialEq, Message)]
struct PinnedMessage {
    /// As in its file.
    #[prost(string, tag = "1")]
    snapshot: String,
    #[prost(sint64, optional, tag = "2")]
    created_since_ms: Option<i64>,
    #[prost(bool, tag = "3")]
    delta_only: bool,
}

impl TableMessage {
    /// # Errors
    /// `Unsupported` for a table that no catalog has.
    pub(crate) fn new(table: &Table) -> Result<Self> {
        let Some(origin) = table.origin() else {
            return Err(Error::unsupported(
                "a table that was opened without a catalog cannot travel to another process",
            )
            .with("table", table.name()));
        };
        Ok(Self {
            catalog: origin.catalog.clone(),
            database: origin.database.clone(),
            table: origin.table.clone(),
            state: Some(StateMessage::new(&table.state())?),
        })
    }

    /// Opens the table through the receiver's catalog.
    pub(crate) async fn open(self, catalogs: &Catalogs) -> Result<Table> {
        let catalog = catalogs.0.catalog(&self.catalog)?;
        let identifier = Identifier::new(&self.database, &self.table)?;
        let state = required(self.state, "state of a table")?.value()?;
        let opened = catalog.get_table(&identifier).await?;
        let opened = opened.with_origin(TableOrigin {
            catalog: self.catalog,
            database: self.database,
            table: self.table,
        });
        let restored = opened.restored(&state).await;
        restored.map_err(|e| e.with_default("table", opened.name()))
    }

    /// As [`Self::open`], where DataFusion's interface is not async.
    pub(crate) fn open_now(self, catalogs: &Catalogs) -> Result<Table> {
        wait(self.open(catalogs))
    }
}

impl StateMessage {
    fn new(state: &TableState) -> Result<Self> {
        let target = match &state.target {
            ScanTarget::Latest => TargetMessage::Latest(true),
            ScanTarget::Empty => TargetMessage::Empty(true),
            ScanTarget::Pinned {
                snapshot,
                created_since_ms,
                delta_only,
            } => TargetMessage::Pinned(PinnedMessage {
                snapshot: json(snapshot)?,
                created_since_ms: *created_since_ms,
                delta_only: *delta_only,
            }),
        };
        let (other, first) = match &state.other {
            Some((other, first)) => (Some(Box::new(Self::new(other)?)), *first),
            None => (None, false),
        };
        Ok(Self {
            branch: state.branch.clone(),
            schema_id: state.schema_id,
            options: state.options.clone().into_iter().collect(),
            target: Some(target),
            other,
            other_first: first,
        })
    }

    fn value(self) -> Result<TableState> {
        let target = match required(self.target, "target of a table")? {
            TargetMessage::Latest(_) => ScanTarget::Latest,
            TargetMessage::Empty(_) => ScanTarget::Empty,
            TargetMessage::Pinned(pinned) => ScanTarget::Pinned {
                snapshot: Box::new(of_json::<Snapshot>(&pinned.snapshot, "snapshot")?),
                created_since_ms: pinned.created_since_ms,
                delta_only: pinned.delta_only,
            },
        };
        let other = match self.other {
            Some(other) => Some((Box::new(other.value()?), self.other_first)),
            None => None,
        };
        Ok(TableState {
            branch: self.branch,
            schema_id: self.schema_id,
            options: self.options.into_iter().collect(),
            target,
            other,
        })
    }
}
