//! INSERT and INSERT OVERWRITE.

use paimon_core::Result;
use paimon_core::commit::Overwrite;
use paimon_core::spec::Datum;
use paimon_datafusion::nodes::{SinkMode, SinkParts};
use prost::{Message, Oneof};

use crate::envelope::required;
use crate::resolver::Catalogs;
use crate::wire::identity::IdentityMessage;
use crate::wire::predicate::DatumMessage;
use crate::wire::table::TableMessage;

/// A write to a table.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SinkMessage {
    #[prost(message, optional, tag = "1")]
    table: Option<TableMessage>,
    #[prost(string, tag = "2")]
    time_zone: String,
    #[prost(message, optional, tag = "3")]
    identity: Option<IdentityMessage>,
    #[prost(oneof = "ModeMessage", tags = "4, 5, 6, 7")]
    mode: Option<ModeMessage>,
}

#[derive(Clone, PartialEq, Oneof)]
enum ModeMessage {
    #[prost(bool, tag = "4")]
    Append(bool),
    #[prost(bool, tag = "5")]
    Dynamic(bool),
    #[prost(message, tag = "6")]
    Static(PairsMessage),
    #[prost(message, tag = "7")]
    AnyOf(AnyOfMessage),
}

#[derive(Clone, PartialEq, Message)]
struct PairsMessage {
    #[prost(message, repeated, tag = "1")]
    pairs: Vec<PairMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyOfMessage {
    #[prost(message, repeated, tag = "1")]
    partitions: Vec<PairsMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct PairMessage {
    #[prost(string, tag = "1")]
    column: String,
    #[prost(message, optional, tag = "2")]
    value: Option<DatumMessage>,
}

impl SinkMessage {
    /// # Errors
    /// `Unsupported` for a table that no catalog has.
    pub(crate) fn new(parts: SinkParts) -> Result<Self> {
        let mode = match &parts.mode {
            SinkMode::Append => ModeMessage::Append(true),
            SinkMode::Overwrite(Overwrite::Dynamic) => ModeMessage::Dynamic(true),
            SinkMode::Overwrite(Overwrite::Static(own)) => {
                ModeMessage::Static(PairsMessage::new(own))
            }
            SinkMode::Overwrite(Overwrite::AnyOf(all)) => ModeMessage::AnyOf(AnyOfMessage {
                partitions: all.iter().map(|own| PairsMessage::new(own)).collect(),
            }),
        };
        Ok(Self {
            table: Some(TableMessage::new(&parts.table)?),
            time_zone: parts.time_zone,
            identity: Some(parts.identity.into()),
            mode: Some(mode),
        })
    }

    pub(crate) fn parts(self, catalogs: &Catalogs) -> Result<SinkParts> {
        let mode = match required(self.mode, "mode of a write")? {
            ModeMessage::Append(_) => SinkMode::Append,
            ModeMessage::Dynamic(_) => SinkMode::Overwrite(Overwrite::Dynamic),
            ModeMessage::Static(own) => SinkMode::Overwrite(Overwrite::Static(own.value()?)),
            ModeMessage::AnyOf(all) => {
                let all = all.partitions.into_iter().map(PairsMessage::value);
                SinkMode::Overwrite(Overwrite::AnyOf(all.collect::<Result<_>>()?))
            }
        };
        Ok(SinkParts {
            table: required(self.table, "table")?.open_now(catalogs)?,
            time_zone: self.time_zone,
            mode,
            identity: required(self.identity, "commit identity")?.into(),
        })
    }
}

impl PairsMessage {
    fn new(pairs: &[(String, Option<Datum>)]) -> Self {
        let pair = |(column, value): &(String, Option<Datum>)| PairMessage {
            column: column.clone(),
            value: Some(DatumMessage::from(value)),
        };
        Self {
            pairs: pairs.iter().map(pair).collect(),
        }
    }

    fn value(self) -> Result<Vec<(String, Option<Datum>)>> {
        let pairs = self.pairs.into_iter().map(|pair| {
            let value = pair.value.unwrap_or_default().value()?;
            Ok((pair.column, value))
        });
        pairs.collect()
    }
}
