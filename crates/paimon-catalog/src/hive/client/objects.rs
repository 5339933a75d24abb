//! Databases, tables and partitions as a metastore stores them.
//!
//! Field ids: Hive's `hive_metastore.thrift`. Each object keeps the fields that are not named here as they came.

use std::collections::BTreeMap;

use paimon_core::Result;

use crate::hive::thrift::{Struct, Value};

/// A database.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct HiveDatabase {
    pub(in crate::hive) name: String,
    pub(in crate::hive) description: Option<String>,
    pub(in crate::hive) location: Option<String>,
    pub(in crate::hive) parameters: BTreeMap<String, String>,
    pub(in crate::hive) owner: Option<String>,
    pub(in crate::hive) rest: Struct,
}

impl HiveDatabase {
    pub(super) fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            name: fields.take_text(1)?.unwrap_or_default(),
            description: fields.take_text(2)?,
            location: fields.take_text(3)?,
            parameters: fields.take_text_map(4)?.unwrap_or_default(),
            owner: fields.take_text(6)?,
            rest: fields,
        })
    }

    pub(super) fn encode(&self) -> Struct {
        self.rest
            .clone()
            .with(1, Value::text(&self.name))
            .with_text(2, self.description.as_deref())
            .with_text(3, self.location.as_deref())
            .with(4, Value::text_map(&self.parameters))
            .with_text(6, self.owner.as_deref())
    }
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct FieldSchema {
    pub(in crate::hive) name: String,
    /// Hive's name of the type.
    pub(in crate::hive) data_type: String,
    pub(in crate::hive) comment: Option<String>,
}

impl FieldSchema {
    fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            name: fields.take_text(1)?.unwrap_or_default(),
            data_type: fields.take_text(2)?.unwrap_or_default(),
            comment: fields.take_text(3)?,
        })
    }

    fn encode(&self) -> Struct {
        Struct::default()
            .with(1, Value::text(&self.name))
            .with(2, Value::text(&self.data_type))
            .with_text(3, self.comment.as_deref())
    }

    fn decode_all(fields: Option<Vec<Struct>>) -> Result<Vec<Self>> {
        let fields = fields.unwrap_or_default();
        fields.into_iter().map(Self::decode).collect()
    }

    fn encode_all(fields: &[Self]) -> Value {
        Value::structs(fields.iter().map(Self::encode).collect())
    }
}

/// How rows are read from bytes, by Hive.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct SerDeInfo {
    pub(in crate::hive) library: Option<String>,
    pub(in crate::hive) parameters: BTreeMap<String, String>,
    pub(in crate::hive) rest: Struct,
}

impl SerDeInfo {
    fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            library: fields.take_text(2)?,
            parameters: fields.take_text_map(3)?.unwrap_or_default(),
            rest: fields,
        })
    }

    fn encode(&self) -> Struct {
        self.rest
            .clone()
            .with_text(2, self.library.as_deref())
            .with(3, Value::text_map(&self.parameters))
    }
}

/// Where and how data lie.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct StorageDescriptor {
    pub(in crate::hive) columns: Vec<FieldSchema>,
    pub(in crate::hive) location: Option<String>,
    pub(in crate::hive) input_format: Option<String>,
    pub(in crate::hive) output_format: Option<String>,
    pub(in crate::hive) serde: SerDeInfo,
    pub(in crate::hive) rest: Struct,
}

impl StorageDescriptor {
    fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            columns: FieldSchema::decode_all(fields.take_structs(1)?)?,
            location: fields.take_text(2)?,
            input_format: fields.take_text(3)?,
            output_format: fields.take_text(4)?,
            serde: SerDeInfo::decode(fields.take_struct(7)?.unwrap_or_default())?,
            rest: fields,
        })
    }

    fn encode(&self) -> Struct {
        self.rest
            .clone()
            .with(1, FieldSchema::encode_all(&self.columns))
            .with_text(2, self.location.as_deref())
            .with_text(3, self.input_format.as_deref())
            .with_text(4, self.output_format.as_deref())
            .with(7, Value::Struct(self.serde.encode()))
    }

    /// What Java's thrift classes send for a new table: no buckets, nothing compressed, skewed or sorted.
    pub(in crate::hive) fn plain() -> Self {
        let rest = Struct::default()
            .with(5, Value::Bool(false))
            .with(6, Value::I32(0))
            .with(8, Value::texts(&[]))
            .with(9, Value::structs(Vec::new()))
            .with(10, Value::text_map(&BTreeMap::new()))
            .with(12, Value::Bool(false));
        Self {
            rest,
            ..Self::default()
        }
    }
}

/// A table or view.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct HiveTable {
    pub(in crate::hive) name: String,
    pub(in crate::hive) database: String,
    pub(in crate::hive) owner: Option<String>,
    /// Epoch seconds.
    pub(in crate::hive) create_time: i32,
    pub(in crate::hive) storage: StorageDescriptor,
    pub(in crate::hive) partition_keys: Vec<FieldSchema>,
    pub(in crate::hive) parameters: BTreeMap<String, String>,
    /// `MANAGED_TABLE`, `EXTERNAL_TABLE`, `VIRTUAL_VIEW`.
    pub(in crate::hive) table_type: String,
    /// Query of a view as it was written.
    pub(in crate::hive) view_original: Option<String>,
    /// Query of a view as it is read.
    pub(in crate::hive) view_expanded: Option<String>,
    pub(in crate::hive) rest: Struct,
}

impl HiveTable {
    pub(super) fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            name: fields.take_text(1)?.unwrap_or_default(),
            database: fields.take_text(2)?.unwrap_or_default(),
            owner: fields.take_text(3)?,
            create_time: fields.take_i32(4)?.unwrap_or_default(),
            storage: StorageDescriptor::decode(fields.take_struct(7)?.unwrap_or_default())?,
            partition_keys: FieldSchema::decode_all(fields.take_structs(8)?)?,
            parameters: fields.take_text_map(9)?.unwrap_or_default(),
            view_original: fields.take_text(10)?,
            view_expanded: fields.take_text(11)?,
            table_type: fields.take_text(12)?.unwrap_or_default(),
            rest: fields,
        })
    }

    pub(super) fn encode(&self) -> Struct {
        self.rest
            .clone()
            .with(1, Value::text(&self.name))
            .with(2, Value::text(&self.database))
            .with_text(3, self.owner.as_deref())
            .with(4, Value::I32(self.create_time))
            .with(7, Value::Struct(self.storage.encode()))
            .with(8, FieldSchema::encode_all(&self.partition_keys))
            .with(9, Value::text_map(&self.parameters))
            .with_text(10, self.view_original.as_deref())
            .with_text(11, self.view_expanded.as_deref())
            .with(12, Value::text(&self.table_type))
    }

    /// Fields of a new table beyond the named ones: last access in epoch seconds, kept for ever, owned by a user.
    pub(in crate::hive) fn rest_of_new(last_access: i32) -> Struct {
        const USER: i32 = 1;
        Struct::default()
            .with(5, Value::I32(last_access))
            .with(6, Value::I32(i32::MAX))
            .with(14, Value::Bool(false))
            .with(18, Value::I32(USER))
    }
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::hive) struct HivePartition {
    pub(in crate::hive) values: Vec<String>,
    pub(in crate::hive) database: String,
    pub(in crate::hive) table: String,
    /// Epoch seconds.
    pub(in crate::hive) create_time: i32,
    /// Epoch seconds.
    pub(in crate::hive) last_access_time: i32,
    pub(in crate::hive) storage: StorageDescriptor,
    pub(in crate::hive) parameters: BTreeMap<String, String>,
    pub(in crate::hive) rest: Struct,
}

impl HivePartition {
    pub(super) fn decode(mut fields: Struct) -> Result<Self> {
        Ok(Self {
            values: fields.take_texts(1)?.unwrap_or_default(),
            database: fields.take_text(2)?.unwrap_or_default(),
            table: fields.take_text(3)?.unwrap_or_default(),
            create_time: fields.take_i32(4)?.unwrap_or_default(),
            last_access_time: fields.take_i32(5)?.unwrap_or_default(),
            storage: StorageDescriptor::decode(fields.take_struct(6)?.unwrap_or_default())?,
            parameters: fields.take_text_map(7)?.unwrap_or_default(),
            rest: fields,
        })
    }

    pub(super) fn encode(&self) -> Struct {
        self.rest
            .clone()
            .with(1, Value::texts(&self.values))
            .with(2, Value::text(&self.database))
            .with(3, Value::text(&self.table))
            .with(4, Value::I32(self.create_time))
            .with(5, Value::I32(self.last_access_time))
            .with(6, Value::Struct(self.storage.encode()))
            .with(7, Value::text_map(&self.parameters))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_that_are_not_known_here_survive_a_round_trip() {
        let newer = Struct::default().with(99, Value::text("kept"));
        let storage = Struct::default()
            .with(7, Value::Struct(newer.clone()))
            .with(11, Value::Struct(newer.clone()));
        let table = Struct::default()
            .with(1, Value::text("t"))
            .with(7, Value::Struct(storage))
            .with(19, Value::I64(-1))
            .with(30, Value::Struct(newer));
        let encoded = HiveTable::decode(table).unwrap().encode();
        let text = format!("{encoded:?}");
        assert_eq!(text.matches("99: Binary").count(), 3, "{text}");
        assert_eq!(
            HiveTable::decode(encoded.clone()).unwrap().encode(),
            encoded
        );
    }
}
