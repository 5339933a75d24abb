//! A table that gets other columns, keys and options and keeps its snapshots.
//!
//! Source: `AbstractCatalog.replaceTable`.

use super::SchemaManager;
use super::create::{VERSION, assign_ids};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Publication;
use crate::spec::{DataField, TableSchema};

impl TableSchema {
    /// The schema that follows this one when the table becomes another one: `new`, as for a new table, under the next id.
    ///
    /// Its fields get ids that none of this table's had, so that rows of before are never taken for rows of the new
    /// columns. (Java begins again with 0.)
    ///
    /// # Errors
    /// `Unsupported` when the partition columns or their types differ: manifests of before would be misread.
    pub fn replaced_by(&self, mut new: TableSchema) -> Result<TableSchema> {
        let shape = |schema: &TableSchema| {
            let fields = schema.partition_fields().into_iter();
            fields
                .map(|f| (f.name, f.data_type.with_nullable(true)))
                .collect::<Vec<_>>()
        };
        if shape(self) != shape(&new) {
            return Err(Error::unsupported(format!(
                "a table that is replaced keeps its partition columns and their types: it has ({}), the new one ({}); \
                 DROP the table and CREATE it again",
                listed(&self.partition_fields()),
                listed(&new.partition_fields()),
            )));
        }
        let mut next = self
            .highest_field_id
            .checked_add(1)
            .ok_or_else(|| Error::invalid("there is no field id after the highest one"))?;
        assign_ids(&mut new.fields, &mut next)?;
        new.highest_field_id = next - 1;
        new.id = self.id + 1;
        new.version = VERSION;
        Ok(new)
    }

    /// Whether nothing of another schema of the table is left in this one, or its keys are others: it was replaced since, not
    /// altered.
    pub(crate) fn has_replaced(&self, other: &Self) -> bool {
        let ids = |fields: &[DataField]| fields.iter().map(|f| f.id).collect::<Vec<_>>();
        let own = ids(&self.fields);
        ids(&self.key_fields()) != ids(&other.key_fields())
            || !other.fields.iter().any(|f| own.contains(&f.id))
    }
}

fn listed(fields: &[DataField]) -> String {
    let texts = fields.iter().map(|f| format!("{} {}", f.name, f.data_type));
    texts.collect::<Vec<_>>().join(", ")
}

impl SchemaManager {
    /// Makes a schema the newest one, right behind the one of the id before.
    ///
    /// # Errors
    /// `CommitConflict` when another schema has its id; `Io` when the store fails: the schema may be there all the same.
    ///
    /// # Cancel safety
    /// A cancelled call may have created the schema.
    pub async fn append(&self, schema: &TableSchema) -> Result<()> {
        match self.create(schema).await? {
            Publication::Created => Ok(()),
            Publication::Exists => Err(changed_meanwhile(schema)),
        }
    }

    /// Checks that a schema would be the next one.
    ///
    /// # Errors
    /// `CommitConflict` when it would not.
    pub async fn check_next(&self, schema: &TableSchema) -> Result<()> {
        match self.ids().await?.last().map(|id| id + 1) == Some(schema.id) {
            true => Ok(()),
            false => Err(changed_meanwhile(schema)),
        }
    }
}

/// The error of who comes second.
pub(crate) fn changed_meanwhile(schema: &TableSchema) -> Error {
    Error::new(
        ErrorKind::CommitConflict,
        "another change of the schema came first",
    )
    .with("schema_id", schema.id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::io::FileIo;
    use crate::schema::{NewColumn, NewTable};
    use crate::spec::parse_data_type;

    fn schema(columns: &[(&str, &str)], partition: &[&str]) -> TableSchema {
        let column = |(name, text): &(&str, &str)| NewColumn {
            name: (*name).to_string(),
            data_type: parse_data_type(text).unwrap(),
            comment: None,
            default: None,
        };
        let new = NewTable {
            columns: columns.iter().map(column).collect(),
            partition_keys: partition.iter().map(|p| p.to_string()).collect(),
            ..NewTable::default()
        };
        new.into_schema(7).unwrap()
    }

    #[test]
    fn fields_get_ids_that_were_never_used() {
        let mut old = schema(&[("id", "INT"), ("r", "ROW<a INT, b INT>")], &[]);
        old.id = 4;
        let new = schema(&[("id", "STRING"), ("r", "ROW<c INT>"), ("z", "INT")], &[]);
        let next = old.replaced_by(new).unwrap();
        assert_eq!((old.highest_field_id, next.id), (3, 5));
        let ids: Vec<i32> = next.fields.iter().map(|f| f.id).collect();
        assert_eq!(ids, [4, 5, 7]);
        assert_eq!(next.highest_field_id, 7);
    }

    #[test]
    fn partition_columns_stay_what_they_are() {
        let old = schema(&[("dt", "STRING"), ("v", "INT")], &["dt"]);
        let same = schema(&[("v", "STRING"), ("dt", "STRING NOT NULL")], &["dt"]);
        assert_eq!(old.replaced_by(same).unwrap().partition_keys, ["dt"]);
        for (columns, partition) in [
            ([("dt", "INT"), ("v", "INT")], ["dt"].as_slice()),
            ([("dt", "STRING"), ("v", "INT")], &[]),
            ([("dt", "STRING"), ("v", "INT")], &["v"]),
        ] {
            let error = old.replaced_by(schema(&columns, partition)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("(dt STRING)"), "{error}");
        }
    }

    #[tokio::test]
    async fn of_two_next_schemas_one_is_made() {
        let io = FileIo::with_store(Arc::new(InMemory::new()), "memory://");
        let manager = SchemaManager::new(io, "memory:/t");
        let first = schema(&[("a", "INT")], &[]);
        manager.append(&first).await.unwrap();
        let next = first.replaced_by(schema(&[("b", "INT")], &[])).unwrap();
        manager.check_next(&next).await.unwrap();
        manager.append(&next).await.unwrap();
        for error in [
            manager.append(&next).await.unwrap_err(),
            manager.check_next(&next).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::CommitConflict);
        }
    }
}
