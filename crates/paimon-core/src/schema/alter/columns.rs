//! Changes of columns.

use super::casts::is_castable;
use super::path::{data_type, field, missing, siblings};
use super::{ColumnPosition, SchemaChange};
use crate::error::{Error, Result};
use crate::schema::create::{assign_ids, check_comment};
use crate::spec::{DataField, DataType, TableSchema};

/// A schema before and after.
pub(super) struct Columns<'a> {
    pub old: &'a TableSchema,
    pub new: &'a mut TableSchema,
}

impl Columns<'_> {
    /// Applies a change of a column.
    pub fn apply(self, change: &SchemaChange) -> Result<()> {
        match change {
            SchemaChange::AddColumn {
                path,
                data_type,
                comment,
                position,
            } => self.add(path, data_type, comment.as_deref(), position.as_ref()),
            SchemaChange::RenameColumn { path, to } => self.rename(path, to),
            SchemaChange::DropColumn { path } => self.drop(path),
            SchemaChange::UpdateColumnType {
                path,
                data_type,
                keep_nullability,
            } => self.change_type(path, data_type, *keep_nullability),
            SchemaChange::UpdateColumnNullability { path, nullable } => {
                self.change_nullability(path, *nullable)
            }
            SchemaChange::UpdateColumnComment { path, comment } => {
                check_comment(&path.join("."), comment.as_deref())?;
                field(&mut self.new.fields, path)?
                    .description
                    .clone_from(comment);
                Ok(())
            }
            SchemaChange::UpdateColumnPosition { column, position } => self.shift(column, position),
            SchemaChange::UpdateColumnDefault { path, default } => {
                let unquoted = default.as_deref().map(unquoted);
                field(&mut self.new.fields, path)?.default_value = unquoted;
                Ok(())
            }
            _ => Err(Error::internal("a change that is about no column")),
        }
    }

    fn add(
        self,
        path: &[String],
        data_type: &DataType,
        comment: Option<&str>,
        position: Option<&ColumnPosition>,
    ) -> Result<()> {
        let full = path.join(".");
        if !data_type.nullable {
            return Err(Error::invalid(
                "a new column must be nullable: it is null in the rows that are there",
            )
            .with("column", full));
        }
        check_comment(&full, comment)?;
        let before_partition = self.old.flag("add-column-before-partition", false)?;
        let mut next_id = self.new.highest_field_id + 1;
        let (siblings, name) = siblings(&mut self.new.fields, path)?;
        check_free(siblings, name, path)?;
        let mut added = DataField::new(0, name, data_type.clone());
        added.description = comment.map(str::to_string);
        assign_ids(std::slice::from_mut(&mut added), &mut next_id)?;
        let at = match position {
            Some(position) => place(siblings, position)?,
            None if before_partition && path.len() == 1 => {
                let keys = &self.old.partition_keys;
                let first = siblings.iter().position(|f| keys.contains(&f.name));
                first.unwrap_or(siblings.len())
            }
            None => siblings.len(),
        };
        siblings.insert(at, added);
        self.new.highest_field_id = next_id - 1;
        Ok(())
    }

    fn rename(self, path: &[String], to: &str) -> Result<()> {
        self.refuse_partition(path, "renamed")?;
        if to.trim().is_empty() {
            return Err(Error::invalid("a column must have a name").with("column", path.join(".")));
        }
        let (siblings, name) = siblings(&mut self.new.fields, path)?;
        let Some(at) = siblings.iter().position(|f| f.name == name) else {
            return Err(missing(path, siblings));
        };
        check_free(siblings, to, path)?;
        if let Some(field) = siblings.get_mut(at) {
            field.name = to.to_string();
        }
        Ok(())
    }

    fn drop(self, path: &[String]) -> Result<()> {
        self.refuse_partition(path, "dropped")?;
        self.refuse_key(path, "dropped")?;
        let (siblings, name) = siblings(&mut self.new.fields, path)?;
        let Some(at) = siblings.iter().position(|f| f.name == name) else {
            return Err(missing(path, siblings));
        };
        if siblings.len() == 1 {
            return Err(
                Error::invalid("the last column cannot be dropped").with("column", path.join("."))
            );
        }
        siblings.remove(at);
        Ok(())
    }

    fn change_type(self, path: &[String], to: &DataType, keep_nullability: bool) -> Result<()> {
        self.refuse_partition(path, "given another type")?;
        self.refuse_key(path, "given another type")?;
        let explicit = !self.old.flag("disable-explicit-type-casting", false)?;
        let strict = self.old.flag(NULL_TO_NOT_NULL, true)?;
        let there = data_type(&mut self.new.fields, path)?;
        let nullable = match keep_nullability {
            true => there.nullable,
            false => to.nullable,
        };
        let to = to.with_nullable(nullable);
        check_nullability(there.nullable, nullable, strict, path)?;
        if !is_castable(there, &to, explicit) {
            return Err(Error::invalid(format!(
                "{there} cannot become {to}: there is no such cast of columns"
            ))
            .with("column", path.join(".")));
        }
        if there.kind != to.kind {
            *there = to;
        } else {
            there.nullable = nullable;
        }
        Ok(())
    }

    fn change_nullability(self, path: &[String], nullable: bool) -> Result<()> {
        if nullable {
            self.refuse_key(path, "made nullable")?;
        }
        let strict = self.old.flag(NULL_TO_NOT_NULL, true)?;
        let there = data_type(&mut self.new.fields, path)?;
        check_nullability(there.nullable, nullable, strict, path)?;
        there.nullable = nullable;
        Ok(())
    }

    fn shift(self, column: &str, position: &ColumnPosition) -> Result<()> {
        let fields = &mut self.new.fields;
        let path = [column.to_string()];
        let Some(at) = fields.iter().position(|f| f.name == column) else {
            return Err(missing(&path, fields));
        };
        let relative = matches!(
            position,
            ColumnPosition::After(other) | ColumnPosition::Before(other) if other == column
        );
        if relative {
            return Err(
                Error::invalid("a column cannot be moved relative to itself")
                    .with("column", column),
            );
        }
        let moved = fields.remove(at);
        match place(fields, position) {
            Ok(to) => {
                fields.insert(to, moved);
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn refuse_partition(&self, path: &[String], what: &str) -> Result<()> {
        refuse_if(&self.old.partition_keys, "partition", path, what)
    }

    fn refuse_key(&self, path: &[String], what: &str) -> Result<()> {
        refuse_if(&self.old.primary_keys, "primary key", path, what)
    }
}

const NULL_TO_NOT_NULL: &str = "alter-column-null-to-not-null.disabled";

fn refuse_if(keys: &[String], kind: &str, path: &[String], what: &str) -> Result<()> {
    match path {
        [name] if keys.contains(name) => Err(Error::invalid(format!(
            "{kind} column `{name}` cannot be {what}"
        ))
        .with("column", name)),
        _ => Ok(()),
    }
}

fn check_free(fields: &[DataField], name: &str, path: &[String]) -> Result<()> {
    match fields.iter().any(|f| f.name == name) {
        false => Ok(()),
        true => Err(
            Error::invalid(format!("there is a column `{name}` already"))
                .with("column", path.join(".")),
        ),
    }
}

fn check_nullability(from: bool, to: bool, strict: bool, path: &[String]) -> Result<()> {
    match strict && from && !to {
        false => Ok(()),
        true => Err(Error::invalid(format!(
            "a nullable column cannot become NOT NULL unless option `{NULL_TO_NOT_NULL}` is false"
        ))
        .with("column", path.join("."))),
    }
}

/// Where a field goes among others.
fn place(fields: &[DataField], position: &ColumnPosition) -> Result<usize> {
    let at = |name: &String| {
        let found = fields.iter().position(|f| f.name == *name);
        found.ok_or_else(|| missing(std::slice::from_ref(name), fields))
    };
    match position {
        ColumnPosition::First => Ok(0),
        ColumnPosition::Last => Ok(fields.len()),
        ColumnPosition::After(name) => at(name).map(|at| at + 1),
        ColumnPosition::Before(name) => at(name),
    }
}

/// Without one surrounding pair of single quotes.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    inner.unwrap_or(text).to_string()
}
