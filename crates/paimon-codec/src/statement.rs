//! Statements: they travel as their text and the settings of their session, and are planned where they run.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::Schema;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion_proto::protobuf;
use paimon_core::Error;
use paimon_datafusion::nodes::{CarriedSettings, Effect};
use paimon_datafusion::{OverwriteMode, redact_sql, to_datafusion};
use prost::Message;

use crate::envelope::{malformed, refused, required};
use crate::resolver::Catalogs;
use crate::wire::identity::IdentityMessage;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct StatementMessage {
    #[prost(string, tag = "1")]
    sql: String,
    /// What shows in plans.
    #[prost(string, tag = "2")]
    what: String,
    /// Arrow schema as DataFusion writes it.
    #[prost(bytes = "vec", tag = "3")]
    schema: Vec<u8>,
    #[prost(string, tag = "4")]
    catalog: String,
    #[prost(string, tag = "5")]
    database: String,
    #[prost(string, tag = "6")]
    time_zone: String,
    #[prost(message, repeated, tag = "7")]
    options: Vec<SettingMessage>,
    #[prost(string, optional, tag = "8")]
    overwrite_mode: Option<String>,
    #[prost(bool, tag = "9")]
    streaming: bool,
    #[prost(uint64, tag = "10")]
    checkpoint_interval_ms: u64,
    #[prost(message, optional, tag = "11")]
    identity: Option<IdentityMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SettingMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

const STATIC: &str = "static";
const DYNAMIC: &str = "dynamic";

impl StatementMessage {
    /// # Errors
    /// `Unsupported` for statements with secrets and those that no session planned from SQL.
    pub(crate) fn new(effect: &Effect) -> Result<Self> {
        let Some(origin) = effect.origin() else {
            return Err(refused(format!("the statement {}", effect.what())));
        };
        if redact_sql(&origin.sql) != origin.sql {
            return Err(refused(format!(
                "the statement {}, which holds a secret,",
                effect.what()
            )));
        }
        let settings = &origin.settings;
        let options = settings.options.iter().map(|(key, value)| SettingMessage {
            key: key.clone(),
            value: value.clone(),
        });
        let interval = settings.checkpoint_interval.as_millis();
        Ok(Self {
            sql: origin.sql.clone(),
            what: effect.what().to_string(),
            schema: protobuf::Schema::try_from(effect.arrow_schema().as_ref())?.encode_to_vec(),
            catalog: origin.current.0.clone(),
            database: origin.current.1.clone(),
            time_zone: settings.time_zone.clone(),
            options: options.collect(),
            overwrite_mode: settings.overwrite_mode.map(|mode| match mode {
                OverwriteMode::Static => STATIC.to_string(),
                OverwriteMode::Dynamic => DYNAMIC.to_string(),
            }),
            streaming: settings.streaming,
            checkpoint_interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
            identity: Some(origin.identity().into()),
        })
    }

    /// The statement, planned and run by a session of its own when its plan is executed.
    pub(crate) fn effect(self, catalogs: &Catalogs, context: &TaskContext) -> Result<Effect> {
        let schema = protobuf::Schema::decode(self.schema.as_slice())
            .map_err(|e| to_datafusion(malformed(e)))?;
        let schema = Arc::new(Schema::try_from(&schema)?);
        let overwrite_mode = match self.overwrite_mode.as_deref() {
            None => None,
            Some(STATIC) => Some(OverwriteMode::Static),
            Some(DYNAMIC) => Some(OverwriteMode::Dynamic),
            Some(other) => {
                return Err(to_datafusion(Error::damaged(format!(
                    "an overwrite mode is {STATIC} or {DYNAMIC}, found {other:?} in a plan"
                ))));
            }
        };
        let carried = CarriedSettings {
            time_zone: self.time_zone,
            options: self.options.into_iter().map(|o| (o.key, o.value)).collect(),
            overwrite_mode,
            streaming: self.streaming,
            checkpoint_interval: Duration::from_millis(self.checkpoint_interval_ms),
        };
        let session = catalogs.session(context);
        let is_catalog = |name: &str| session.context().catalog(name).is_some();
        session.settings().take(&carried, is_catalog)?;
        let identity = required(self.identity, "commit identity").map_err(to_datafusion)?;
        session.settings().set_commit_identity(identity.into());
        session.set_current(&self.catalog, &self.database);
        Ok(Effect::of_sql(session, self.sql, self.what, schema))
    }
}
