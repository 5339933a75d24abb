//! What readers return.

use paimon_core::Result;
use paimon_core::table::{ReadSpec, Table, TableRead};
use prost::Message;

use super::predicate::PredicateMessage;
use crate::envelope::{narrow, wide};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadMessage {
    #[prost(string, repeated, tag = "1")]
    columns: Vec<String>,
    #[prost(message, optional, tag = "2")]
    filter: Option<PredicateMessage>,
    #[prost(bool, tag = "3")]
    with_row_kind: bool,
    #[prost(bool, tag = "4")]
    keep_deletes: bool,
    #[prost(uint64, tag = "5")]
    batch_size: u64,
}

impl ReadMessage {
    pub(crate) fn new(reader: &TableRead) -> Result<Self> {
        let spec = reader.spec();
        Ok(Self {
            columns: spec.columns,
            filter: Some(PredicateMessage::new(&spec.filter)?),
            with_row_kind: spec.with_row_kind,
            keep_deletes: spec.keep_deletes,
            batch_size: wide(spec.batch_size),
        })
    }

    pub(crate) fn reader(self, table: &Table) -> Result<TableRead> {
        let spec = ReadSpec {
            columns: self.columns,
            filter: self.filter.unwrap_or_default().value()?,
            with_row_kind: self.with_row_kind,
            keep_deletes: self.keep_deletes,
            batch_size: narrow(self.batch_size, "a batch size")?,
        };
        spec.reader(table)
    }
}
