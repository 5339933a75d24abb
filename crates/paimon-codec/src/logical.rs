//! Logical plans: the tables that are read and written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan, ScalarUDF};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use paimon_core::{Error, ErrorKind};
use paimon_datafusion::nodes::{
    ChangesProvider, Effect, NewTableTarget, ObjectReference, ReadOptimizedProvider, RowsTarget,
    SinkTarget, StreamSource, TargetProvider,
};
use paimon_datafusion::{
    PaimonCatalogProvider, PaimonTableProvider, SessionSettings, SystemTableProvider, to_datafusion,
};
use prost::{Message, Oneof};

use crate::envelope::{opened, refused, required, sealed};
use crate::function;
use crate::resolver::{CatalogResolver, Catalogs};
use crate::statement::StatementMessage;
use crate::wait::wait;
use crate::wire::table::TableMessage;
use crate::write::new_table::NewTableMessage;
use crate::write::rows::{RowsMessage, TargetMessage, Targets};
use crate::write::sink::SinkMessage;

/// What serves a table in a plan.
#[derive(Clone, PartialEq, Message)]
struct ProviderMessage {
    #[prost(oneof = "ProviderKind", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    kind: Option<ProviderKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ProviderKind {
    #[prost(message, tag = "1")]
    Table(ReadTableMessage),
    #[prost(message, tag = "2")]
    ReadOptimized(TableMessage),
    #[prost(message, tag = "3")]
    Object(ObjectMessage),
    #[prost(message, tag = "4")]
    Sink(SinkMessage),
    #[prost(message, tag = "5")]
    NewTable(NewTableMessage),
    #[prost(message, tag = "6")]
    Target(TargetMessage),
    #[prost(message, boxed, tag = "7")]
    Rows(Box<RowsMessage>),
    #[prost(message, tag = "8")]
    Statement(StatementMessage),
}

#[derive(Clone, PartialEq, Message)]
struct ReadTableMessage {
    #[prost(message, optional, tag = "1")]
    table: Option<TableMessage>,
}

/// A system table, changes or a stream: opened anew by the receiver.
#[derive(Clone, PartialEq, Message)]
struct ObjectMessage {
    #[prost(string, tag = "1")]
    catalog: String,
    #[prost(string, tag = "2")]
    database: String,
    #[prost(string, tag = "3")]
    object: String,
    #[prost(btree_map = "string, string", tag = "4")]
    options: BTreeMap<String, String>,
    #[prost(bool, tag = "5")]
    streaming: bool,
}

/// Codec of the tables of `paimon-datafusion` in logical plans.
///
/// A table without time travel is read at the snapshot that is the newest when the receiver plans the query; one with time
/// travel, and the target of UPDATE, DELETE and MERGE, stays pinned to its snapshot.
#[derive(Debug, Clone)]
pub struct PaimonLogicalCodec {
    catalogs: Catalogs,
    targets: Arc<Targets>,
}

impl PaimonLogicalCodec {
    /// A codec that opens tables by the catalogs of this process.
    pub fn new(resolver: Arc<dyn CatalogResolver>) -> Self {
        Self {
            catalogs: Catalogs(resolver),
            targets: Arc::default(),
        }
    }

    pub(crate) fn catalogs(&self) -> &Catalogs {
        &self.catalogs
    }

    pub(crate) fn targets(&self) -> &Targets {
        &self.targets
    }

    fn message(&self, name: &TableReference, provider: &dyn TableProvider) -> Result<ProviderKind> {
        if let Some(table) = provider.downcast_ref::<PaimonTableProvider>() {
            if let Some(reference) = table.stream_reference() {
                return object(reference).map(ProviderKind::Object);
            }
            let table = TableMessage::new(table.table()).map_err(to_datafusion)?;
            return Ok(ProviderKind::Table(ReadTableMessage { table: Some(table) }));
        }
        if let Some(table) = provider.downcast_ref::<ReadOptimizedProvider>() {
            let table = TableMessage::new(table.table()).map_err(to_datafusion)?;
            return Ok(ProviderKind::ReadOptimized(table));
        }
        if let Some(reference) = reference(provider) {
            return object(reference).map(ProviderKind::Object);
        }
        if let Some(sink) = provider.downcast_ref::<SinkTarget>() {
            let sink = SinkMessage::new(sink.parts()).map_err(to_datafusion)?;
            return Ok(ProviderKind::Sink(sink));
        }
        if let Some(table) = provider.downcast_ref::<NewTableTarget>() {
            return NewTableMessage::new(table.parts()).map(ProviderKind::NewTable);
        }
        if let Some(target) = provider.downcast_ref::<TargetProvider>() {
            let target = TargetMessage::unplanned(target).map_err(to_datafusion)?;
            return Ok(ProviderKind::Target(target));
        }
        if let Some(rows) = provider.downcast_ref::<RowsTarget>() {
            let rows = RowsMessage::new(&rows.parts(), false, self)?;
            return Ok(ProviderKind::Rows(Box::new(rows)));
        }
        if let Some(effect) = provider.downcast_ref::<Effect>() {
            return StatementMessage::new(effect).map(ProviderKind::Statement);
        }
        Err(match provider.downcast_ref::<MemTable>() {
            Some(_) => refused(format!("the in-memory table {name}")),
            None => refused(format!("the table {name}, which is none of Paimon's,")),
        })
    }

    fn provider(
        &self,
        kind: ProviderKind,
        context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let catalogs = &self.catalogs;
        Ok(match kind {
            ProviderKind::Table(table) => {
                let table = required(table.table, "table").and_then(|t| t.open_now(catalogs));
                let settings = Arc::new(SessionSettings::from_environment());
                Arc::new(PaimonTableProvider::new(
                    table.map_err(to_datafusion)?,
                    settings,
                ))
            }
            ProviderKind::ReadOptimized(table) => {
                let table = table.open_now(catalogs).map_err(to_datafusion)?;
                Arc::new(ReadOptimizedProvider::new(table))
            }
            ProviderKind::Object(object) => object.open(catalogs)?,
            ProviderKind::Sink(sink) => {
                let parts = sink.parts(catalogs).map_err(to_datafusion)?;
                Arc::new(SinkTarget::of_parts(parts)?)
            }
            ProviderKind::NewTable(table) => {
                Arc::new(NewTableTarget::of_parts(table.parts(catalogs)?)?)
            }
            ProviderKind::Target(target) => {
                let target = self.targets.open(target, catalogs);
                target.map_err(to_datafusion)?
            }
            ProviderKind::Rows(rows) => Arc::new(rows.target(false, self, context)?),
            ProviderKind::Statement(statement) => Arc::new(statement.effect(catalogs, context)?),
        })
    }
}

/// What objects are opened by that travel by name alone.
fn reference(provider: &dyn TableProvider) -> Option<&ObjectReference> {
    if let Some(changes) = provider.downcast_ref::<ChangesProvider>() {
        return changes.reference();
    }
    if let Some(system) = provider.downcast_ref::<SystemTableProvider>() {
        return system.reference();
    }
    let stream = provider.downcast_ref::<StreamSource>();
    stream.map(StreamSource::reference)
}

fn object(reference: &ObjectReference) -> Result<ObjectMessage> {
    let options = &reference.options;
    let secret = options
        .iter()
        .find(|(key, value)| paimon_catalog::redacted(key, value) != **value);
    if let Some((key, _)) = secret {
        return Err(refused(format!(
            "{}.{} with the secret option `{key}`",
            reference.database, reference.object
        )));
    }
    Ok(ObjectMessage {
        catalog: reference.catalog.clone(),
        database: reference.database.clone(),
        object: reference.object.clone(),
        options: options.clone(),
        streaming: reference.streaming,
    })
}

impl ObjectMessage {
    fn open(self, catalogs: &Catalogs) -> Result<Arc<dyn TableProvider>> {
        let catalog = catalogs.catalog(&self.catalog)?;
        let settings = SessionSettings::from_environment();
        settings.set_streaming(self.streaming);
        let catalog = PaimonCatalogProvider::new(catalog, Arc::new(settings));
        let database = catalog.database(&self.database);
        let options = self.options.into_iter().collect();
        let opening = async {
            let opened = database.open_with(&self.object, options).await;
            // the error of the engine is inside
            Ok(opened)
        };
        wait(opening).map_err(to_datafusion)??.ok_or_else(|| {
            let missing = Error::new(ErrorKind::NotFound, "table does not exist");
            to_datafusion(missing.with("table", format!("{}.{}", self.database, self.object)))
        })
    }
}

impl LogicalExtensionCodec for PaimonLogicalCodec {
    fn try_decode(
        &self,
        _buf: &[u8],
        _inputs: &[LogicalPlan],
        _ctx: &TaskContext,
    ) -> Result<Extension> {
        Err(refused("a logical node of another engine"))
    }

    fn try_encode(&self, node: &Extension, _buf: &mut Vec<u8>) -> Result<()> {
        Err(refused(format!("the logical node {}", node.node.name())))
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        _table_ref: &TableReference,
        _schema: SchemaRef,
        ctx: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let message: ProviderMessage = opened(buf).map_err(to_datafusion)?;
        let kind = required(message.kind, "kind of table").map_err(to_datafusion)?;
        self.provider(kind, ctx)
    }

    fn try_encode_table_provider(
        &self,
        table_ref: &TableReference,
        node: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let kind = Some(self.message(table_ref, node.as_ref())?);
        buf.extend(sealed(&ProviderMessage { kind }));
        Ok(())
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        function::decode(name, buf)
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        function::encode(node, buf)
    }
}
