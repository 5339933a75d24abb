//! CREATE TABLE AS.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion_proto::protobuf;
use indexmap::IndexMap;
use paimon_catalog::{Identifier, redacted};
use paimon_core::Error;
use paimon_core::schema::{NewColumn, NewTable};
use paimon_datafusion::nodes::{Creation, NewTableParts};
use paimon_datafusion::to_datafusion;
use prost::Message;

use crate::envelope::{malformed, required};
use crate::resolver::Catalogs;
use crate::wire::identity::IdentityMessage;
use crate::wire::predicate::{json, of_json};

/// What becomes of a table that is there, by number.
const CREATIONS: [Creation; 4] = [
    Creation::Create,
    Creation::CreateIfMissing,
    Creation::CreateOrReplace,
    Creation::Replace,
];

fn number_of(creation: Creation) -> u32 {
    let numbered = (0..).zip(CREATIONS);
    let mut found = numbered.filter(|(_, c)| *c == creation);
    found.next().map_or(0, |(number, _)| number)
}

fn creation_of(number: u32) -> paimon_core::Result<Creation> {
    let at = usize::try_from(number).ok().and_then(|n| CREATIONS.get(n));
    at.copied()
        .ok_or_else(|| Error::damaged(format!("there is no way {number} of making a table")))
}

/// A table to make and fill.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct NewTableMessage {
    #[prost(string, tag = "1")]
    catalog: String,
    #[prost(string, tag = "2")]
    database: String,
    #[prost(string, tag = "3")]
    table: String,
    #[prost(message, repeated, tag = "4")]
    columns: Vec<ColumnMessage>,
    #[prost(string, repeated, tag = "5")]
    partition_keys: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    primary_keys: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    options: Vec<OptionMessage>,
    #[prost(string, optional, tag = "8")]
    comment: Option<String>,
    /// Place in [`CREATIONS`].
    #[prost(uint32, tag = "9")]
    creation: u32,
    /// Arrow schema as DataFusion writes it.
    #[prost(bytes = "vec", tag = "10")]
    schema: Vec<u8>,
    #[prost(string, tag = "11")]
    time_zone: String,
    #[prost(message, optional, tag = "12")]
    identity: Option<IdentityMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct ColumnMessage {
    #[prost(string, tag = "1")]
    name: String,
    /// As in schema files.
    #[prost(string, tag = "2")]
    data_type: String,
    #[prost(string, optional, tag = "3")]
    comment: Option<String>,
    #[prost(string, optional, tag = "4")]
    default: Option<String>,
}

/// Options keep their order.
#[derive(Clone, PartialEq, Message)]
struct OptionMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl NewTableMessage {
    /// # Errors
    /// `Unsupported` naming an option that holds a secret.
    pub(crate) fn new(parts: NewTableParts) -> Result<Self> {
        let table = parts.table;
        let secret = |(key, value): &(&String, &String)| redacted(key, value) != **value;
        if let Some((key, _)) = table.options.iter().find(secret) {
            let message = "a plan holds no secrets: the table cannot be made in another process";
            return Err(to_datafusion(
                Error::unsupported(message).with("option", key),
            ));
        }
        let columns = table.columns.iter().map(ColumnMessage::new);
        Ok(Self {
            catalog: parts.catalog.name().to_string(),
            database: parts.identifier.database().to_string(),
            table: parts.identifier.object(),
            columns: columns
                .collect::<paimon_core::Result<_>>()
                .map_err(to_datafusion)?,
            partition_keys: table.partition_keys,
            primary_keys: table.primary_keys,
            options: options(table.options),
            comment: table.comment,
            creation: number_of(parts.creation),
            schema: protobuf::Schema::try_from(parts.schema.as_ref())?.encode_to_vec(),
            time_zone: parts.time_zone,
            identity: Some(parts.identity.into()),
        })
    }

    pub(crate) fn parts(self, catalogs: &Catalogs) -> Result<NewTableParts> {
        let schema = protobuf::Schema::decode(self.schema.as_slice())
            .map_err(|e| to_datafusion(malformed(e)))?;
        let schema = arrow::datatypes::Schema::try_from(&schema)?;
        let columns = self.columns.into_iter().map(ColumnMessage::value);
        let identity = required(self.identity, "commit identity").map_err(to_datafusion)?;
        let options = self.options.into_iter().map(|o| (o.key, o.value));
        Ok(NewTableParts {
            catalog: catalogs.catalog(&self.catalog)?,
            identifier: Identifier::new(&self.database, &self.table).map_err(to_datafusion)?,
            table: NewTable {
                columns: columns
                    .collect::<paimon_core::Result<_>>()
                    .map_err(to_datafusion)?,
                partition_keys: self.partition_keys,
                primary_keys: self.primary_keys,
                options: options.collect(),
                comment: self.comment,
            },
            creation: creation_of(self.creation).map_err(to_datafusion)?,
            schema: Arc::new(schema),
            time_zone: self.time_zone,
            identity: identity.into(),
        })
    }
}

fn options(options: IndexMap<String, String>) -> Vec<OptionMessage> {
    let options = options.into_iter();
    options
        .map(|(key, value)| OptionMessage { key, value })
        .collect()
}

impl ColumnMessage {
    fn new(column: &NewColumn) -> paimon_core::Result<Self> {
        Ok(Self {
            name: column.name.clone(),
            data_type: json(&column.data_type)?,
            comment: column.comment.clone(),
            default: column.default.clone(),
        })
    }

    fn value(self) -> paimon_core::Result<NewColumn> {
        Ok(NewColumn {
            name: self.name,
            data_type: of_json(&self.data_type, "type")?,
            comment: self.comment,
            default: self.default,
        })
    }
}
