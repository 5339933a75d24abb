//! UPDATE, DELETE and MERGE.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use paimon_core::Error;
use paimon_datafusion::nodes::{Operation, RowsParts, RowsTarget, TargetProvider};
use paimon_datafusion::to_datafusion;
use parking_lot::Mutex;
use prost::Message;

use crate::envelope::{narrow, required, wide};
use crate::logical::PaimonLogicalCodec;
use crate::plan::logical_bytes;
use crate::resolver::Catalogs;
use crate::wire::identity::IdentityMessage;
use crate::wire::predicate::PredicateMessage;
use crate::wire::split::TargetFileMessage;
use crate::wire::table::TableMessage;

/// The target of a statement, as it is read.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TargetMessage {
    /// Scans of one target in one plan have the same.
    #[prost(uint64, tag = "1")]
    token: u64,
    /// Pinned.
    #[prost(message, optional, tag = "2")]
    table: Option<TableMessage>,
    /// Files that the scans of the plan numbered.
    #[prost(message, repeated, tag = "3")]
    files: Vec<TargetFileMessage>,
}

/// A statement that changes rows.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RowsMessage {
    #[prost(message, optional, tag = "1")]
    table: Option<TableMessage>,
    #[prost(string, tag = "2")]
    time_zone: String,
    #[prost(string, tag = "3")]
    operation: String,
    #[prost(message, optional, tag = "4")]
    target: Option<TargetMessage>,
    /// The logical plan of the changed rows, for another try.
    #[prost(bytes = "vec", tag = "5")]
    rows: Vec<u8>,
    #[prost(bool, tag = "6")]
    sorted: bool,
    #[prost(message, optional, tag = "7")]
    identity: Option<IdentityMessage>,
    /// Columns that may change.
    #[prost(uint64, repeated, tag = "8")]
    assigned: Vec<u64>,
    /// Partitions that go as a whole.
    #[prost(message, optional, tag = "9")]
    dropped: Option<PredicateMessage>,
}

const OPERATIONS: [Operation; 3] = [Operation::Delete, Operation::Update, Operation::Merge];

impl TargetMessage {
    /// A target whose scans are planned by the receiver.
    ///
    /// # Errors
    /// `Unsupported` for a table that no catalog has.
    pub(crate) fn unplanned(target: &TargetProvider) -> paimon_core::Result<Self> {
        let address = std::ptr::from_ref(target).addr();
        Ok(Self {
            token: wide(address),
            table: Some(TableMessage::new(target.pinned())?),
            files: Vec::new(),
        })
    }

    /// A target whose scans are in the plan.
    fn planned(target: &TargetProvider) -> paimon_core::Result<Self> {
        let files = target.named_files();
        Ok(Self {
            files: files.iter().map(TargetFileMessage::from).collect(),
            ..Self::unplanned(target)?
        })
    }

    fn open(self, catalogs: &Catalogs) -> paimon_core::Result<TargetProvider> {
        let files = self.files.into_iter().map(TargetFileMessage::value);
        let files = files.collect::<paimon_core::Result<_>>()?;
        let pinned = required(self.table, "target")?.open_now(catalogs)?;
        Ok(TargetProvider::of_files(pinned, files))
    }
}

/// Targets by token: what a plan scans is what its statement changes.
#[derive(Debug, Default)]
pub(crate) struct Targets(Mutex<HashMap<u64, Weak<TargetProvider>>>);

impl Targets {
    /// The target of a message: the same for all scans of a plan that is in memory.
    pub(crate) fn open(
        &self,
        message: TargetMessage,
        catalogs: &Catalogs,
    ) -> paimon_core::Result<Arc<TargetProvider>> {
        let token = message.token;
        let made = Arc::new(message.open(catalogs)?);
        let mut targets = self.0.lock();
        targets.retain(|_, target| target.strong_count() > 0);
        if let Some(known) = targets.get(&token).and_then(Weak::upgrade)
            && same(&known, &made)
        {
            return Ok(known);
        }
        targets.insert(token, Arc::downgrade(&made));
        Ok(made)
    }
}

/// Tokens of different senders may be the same.
fn same(a: &TargetProvider, b: &TargetProvider) -> bool {
    let (a, b) = (a.pinned(), b.pinned());
    let snapshot = |t: &paimon_core::table::Table| t.target().snapshot().map(|s| s.id);
    a.location() == b.location()
        && a.branch_name() == b.branch_name()
        && a.schema().id == b.schema().id
        && a.options().map() == b.options().map()
        && snapshot(a) == snapshot(b)
}

impl RowsMessage {
    /// # Errors
    /// When a table of the statement cannot travel.
    pub(crate) fn new(
        parts: &RowsParts,
        planned: bool,
        codec: &PaimonLogicalCodec,
    ) -> Result<Self> {
        let target = match planned {
            true => TargetMessage::planned(&parts.target),
            false => TargetMessage::unplanned(&parts.target),
        };
        let dropped = parts.dropped.as_ref().map(PredicateMessage::new);
        Ok(Self {
            assigned: parts.assigned.iter().map(|at| wide(*at)).collect(),
            dropped: dropped.transpose().map_err(to_datafusion)?,
            table: Some(TableMessage::new(&parts.table).map_err(to_datafusion)?),
            time_zone: parts.time_zone.clone(),
            operation: parts.operation.name().to_string(),
            target: Some(target.map_err(to_datafusion)?),
            rows: logical_bytes(&parts.rows, codec)?,
            sorted: parts.sorted,
            identity: Some(parts.identity.clone().into()),
        })
    }

    /// The statement. `planned`: the scans of the target are in the plan already.
    pub(crate) fn target(
        self,
        planned: bool,
        codec: &PaimonLogicalCodec,
        context: &TaskContext,
    ) -> Result<RowsTarget> {
        let operation = OPERATIONS.iter().find(|o| o.name() == self.operation);
        let Some(operation) = operation else {
            return Err(to_datafusion(Error::unsupported(format!(
                "a plan changes rows by {:?}, which is not known",
                self.operation
            ))));
        };
        let catalogs = codec.catalogs();
        let target = required(self.target, "target").map_err(to_datafusion)?;
        let target = match planned {
            true => target.open(catalogs).map(Arc::new),
            false => codec.targets().open(target, catalogs),
        };
        let table = required(self.table, "table").and_then(|t| t.open_now(catalogs));
        let identity = required(self.identity, "commit identity").map_err(to_datafusion)?;
        let assigned = self.assigned.into_iter();
        let assigned = assigned.map(|at| narrow(at, "a column"));
        let dropped = self.dropped.map(PredicateMessage::value).transpose();
        let parts = RowsParts {
            assigned: assigned
                .collect::<paimon_core::Result<_>>()
                .map_err(to_datafusion)?,
            dropped: dropped.map_err(to_datafusion)?,
            table: table.map_err(to_datafusion)?,
            time_zone: self.time_zone,
            operation: *operation,
            target: target.map_err(to_datafusion)?,
            rows: logical_plan_from_bytes_with_extension_codec(&self.rows, context, codec)?,
            sorted: self.sorted,
            identity: identity.into(),
        };
        let session = catalogs.session(context);
        RowsTarget::of_parts(parts, session.context().state())
    }
}
