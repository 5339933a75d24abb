//! Changes of a table's schema.
//!
//! Source: `SchemaChange`, `SchemaManager.generateTableSchema`, `SchemaManager.commitChanges`.
//!
//! Several changes become one new schema. Names in a path below the first go into nested types: a field of a ROW by its
//! name, the elements of an ARRAY as `element`, the values of a MAP as `value`.

mod casts;
mod columns;
mod options;
mod path;
mod renames;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use self::casts::is_castable;
use self::columns::Columns;
pub(crate) use self::renames::options_in_names_of;
use super::{SchemaManager, validate_schema};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Publication;
use crate::options::parse_bool;
use crate::spec::{DataType, TableSchema};

/// Lost races for the next schema id before giving up.
const ATTEMPTS: usize = 100;

/// A column, or a field inside its type.
pub type ColumnPath = Vec<String>;

/// One change of a schema.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaChange {
    /// Sets an option.
    SetOption {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// Sets an option back to its default.
    RemoveOption {
        /// Key.
        key: String,
    },
    /// Sets the table's comment, or removes it.
    UpdateComment(Option<String>),
    /// Adds a column or nested field, null in all rows that are there.
    AddColumn {
        /// Its name, last in its path.
        path: ColumnPath,
        /// Its type; ids of nested fields are of no account.
        data_type: DataType,
        /// Its comment.
        comment: Option<String>,
        /// Where it goes; at the end when nothing is said.
        position: Option<ColumnPosition>,
    },
    /// Renames a column or nested field.
    RenameColumn {
        /// The field.
        path: ColumnPath,
        /// Its new name.
        to: String,
    },
    /// Drops a column or nested field. Its id is never used again.
    DropColumn {
        /// The field.
        path: ColumnPath,
    },
    /// Changes a type; values that are there are cast when they are read.
    UpdateColumnType {
        /// The field.
        path: ColumnPath,
        /// Its new type.
        data_type: DataType,
        /// Whether the field stays as nullable as it is.
        keep_nullability: bool,
    },
    /// Changes whether values may be null. Values that are there are not checked.
    UpdateColumnNullability {
        /// The field.
        path: ColumnPath,
        /// Whether they may.
        nullable: bool,
    },
    /// Sets a comment, or removes it.
    UpdateColumnComment {
        /// The field.
        path: ColumnPath,
        /// Its comment.
        comment: Option<String>,
    },
    /// Moves a column.
    UpdateColumnPosition {
        /// Name.
        column: String,
        /// Where to.
        position: ColumnPosition,
    },
    /// Sets the default that writers put in place of null, or removes it.
    UpdateColumnDefault {
        /// The field.
        path: ColumnPath,
        /// The default as text.
        default: Option<String>,
    },
    /// Makes the table one without primary key; only while it has no snapshot.
    DropPrimaryKey,
}

/// A place among the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPosition {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Right behind a column.
    After(String),
    /// Right before a column.
    Before(String),
}

impl TableSchema {
    /// The schema after some changes; the same one when nothing changes. `has_snapshots` tells whether the table may
    /// hold data, which forbids some changes.
    ///
    /// # Errors
    /// `NotFound` naming a column that does not exist, `InvalidInput` naming the option or column that must not change
    /// so, `Unsupported` naming what this engine cannot honour.
    pub fn altered(
        &self,
        changes: &[SchemaChange],
        has_snapshots: bool,
        now_ms: i64,
    ) -> Result<TableSchema> {
        let new = self.changed(changes, has_snapshots, now_ms)?;
        if new != *self {
            validate_schema(&new)?;
        }
        Ok(new)
    }

    /// As [`Self::altered`], without the rules of tables with snapshots: for those that have others.
    ///
    /// # Errors
    /// As [`Self::altered`], but for what the new schema as a whole breaks.
    pub fn changed(
        &self,
        changes: &[SchemaChange],
        has_snapshots: bool,
        now_ms: i64,
    ) -> Result<TableSchema> {
        let mut new = self.clone();
        for change in changes {
            apply(self, &mut new, change, has_snapshots)?;
        }
        renames::follow(&mut new, changes);
        if new != *self {
            new.id = self.id + 1;
            new.version = super::create::VERSION;
            new.time_millis = now_ms;
        }
        Ok(new)
    }

    /// A boolean option as it stands before a change.
    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        let parse = |text: &String| parse_bool(text).map_err(|e| e.with("option", key));
        self.options.get(key).map_or(Ok(default), parse)
    }
}

fn apply(
    old: &TableSchema,
    new: &mut TableSchema,
    change: &SchemaChange,
    has_snapshots: bool,
) -> Result<()> {
    match change {
        SchemaChange::SetOption { key, value } => {
            options::set(old, &mut new.options, key, value, has_snapshots)
        }
        SchemaChange::RemoveOption { key } => {
            options::remove(old, &mut new.options, key, has_snapshots)
        }
        SchemaChange::UpdateComment(comment) => {
            new.comment.clone_from(comment);
            Ok(())
        }
        SchemaChange::DropPrimaryKey if has_snapshots => Err(Error::invalid(
            "the primary key of a table that has snapshots cannot be dropped",
        )),
        SchemaChange::DropPrimaryKey => {
            new.primary_keys.clear();
            Ok(())
        }
        column => Columns { old, new }.apply(column),
    }
}

impl SchemaManager {
    /// Applies changes to the newest schema and returns the new one; the newest when nothing changes. Of several callers
    /// each builds on the schemas of the others.
    ///
    /// # Errors
    /// As [`TableSchema::altered`]; `NotFound` when there is no table; `Io` when the store fails, the schema may be there
    /// all the same; `CommitConflict` when others are faster again and again.
    ///
    /// # Cancel safety
    /// A cancelled call may have changed the schema.
    pub async fn alter(
        &self,
        changes: &[SchemaChange],
        has_snapshots: bool,
        now_ms: i64,
    ) -> Result<Arc<TableSchema>> {
        for _ in 0..ATTEMPTS {
            let newest = self.latest().await?;
            let newest = newest.ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "there is no schema to alter")
                    .with("path", &self.folder)
            })?;
            let altered = newest.altered(changes, has_snapshots, now_ms)?;
            if altered.id == newest.id {
                return Ok(newest);
            }
            match self.create(&altered).await? {
                Publication::Created => return Ok(Arc::new(altered)),
                Publication::Exists => tracing::debug!(id = altered.id, "a schema was faster"),
            }
        }
        Err(Error::new(
            ErrorKind::CommitConflict,
            format!("others changed the schema {ATTEMPTS} times meanwhile"),
        )
        .with("path", &self.folder))
    }
}
