//! Planning `ALTER TABLE`: what the table forbids is an error before anything happens.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use paimon_catalog::{Catalog, FormatTable, Identifier};
use paimon_core::options::CoreOptions;
use paimon_core::schema::{ColumnPath, ColumnPosition, SchemaChange};
use paimon_core::spec::{DataField, TableSchema, TypeKind};
use paimon_core::table::Table;
use paimon_core::write::WriteOptions;
use paimon_core::{Error, ErrorKind};

use super::{Action, AlterTable};
use crate::error::to_datafusion;
use crate::format_table::FormatTableProvider;
use crate::session::PaimonSession;
use crate::statement::ddl::target;
use crate::statement::effect::effect;
use crate::statement::partition::drop_partitions;
use crate::statement::result::nothing;

/// Plans a statement on a table of a Paimon catalog.
pub(crate) async fn plan(session: &PaimonSession, statement: AlterTable) -> Result<DataFrame> {
    let AlterTable {
        table: name,
        if_exists,
        action,
    } = statement;
    let (catalog, identifier) = target(session, &name)?;
    let what = format!("ALTER TABLE {identifier}");
    let table = match catalog.get_table(&identifier).await {
        Err(e) if if_exists && e.kind() == ErrorKind::NotFound => return nothing(session),
        Err(e) if e.kind() == ErrorKind::Unsupported => {
            let files = catalog.get_format_table(&identifier).await;
            let files = files.map_err(to_datafusion)?.ok_or(e);
            let files = files.map_err(to_datafusion)?;
            let action = without_present(&files.schema(), action);
            if let Some(done) = partitions_of_files(session, &what, &files, &action)? {
                return Ok(done);
            }
            let changes = changes_of_files(session, files, action)?;
            return alter(session, what, catalog, identifier, changes);
        }
        table => table.map_err(to_datafusion)?,
    };
    match without_present(table.schema(), action) {
        Action::Schema(changes) | Action::AddMissing(changes) => {
            let changes = named_as_columns(table.schema(), changes);
            checked(&table, &changes).await?;
            alter(session, what, catalog, identifier, changes)
        }
        Action::AddPartitions { .. } => Err(to_datafusion(
            Error::unsupported(
                "partitions come with their rows: ADD PARTITION makes the folders of format tables",
            )
            .with("table", table.name()),
        )),
        Action::DropPartitions { specs, .. } => {
            let values = specs.iter().map(|s| s.values(session, table.schema()));
            let partitions: Vec<_> = values.collect::<Result<_>>()?;
            drop_partitions(session, what, table, partitions)
        }
    }
}

fn alter(
    session: &PaimonSession,
    what: String,
    catalog: Arc<dyn Catalog>,
    identifier: Identifier,
    changes: Vec<SchemaChange>,
) -> Result<DataFrame> {
    if changes.is_empty() {
        return nothing(session);
    }
    effect(session, what, move || {
        let (catalog, identifier) = (catalog.clone(), identifier.clone());
        let changes = changes.clone();
        async move {
            let altered = catalog.alter_table(&identifier, &changes).await;
            altered.map_err(to_datafusion)
        }
    })
}

/// Adds or drops partitions of a format table; `None` for other actions.
fn partitions_of_files(
    session: &PaimonSession,
    what: &str,
    files: &FormatTable,
    action: &Action,
) -> Result<Option<DataFrame>> {
    let (specs, adds, lenient) = match action {
        Action::AddPartitions {
            specs,
            if_not_exists,
        } => (specs, true, *if_not_exists),
        Action::DropPartitions { specs, if_exists } => (specs, false, *if_exists),
        _ => return Ok(None),
    };
    let schema = files.schema();
    let given = specs.iter().map(|spec| spec.values(session, &schema));
    let given: Vec<_> = given.collect::<Result<_>>()?;
    let provider = FormatTableProvider::new(files.clone(), session.settings().clone());
    let provider = provider.map_err(to_datafusion)?;
    if adds {
        provider.check_whole(&given).map_err(to_datafusion)?;
    }
    let done = effect(session, what.to_string(), move || {
        let (provider, given) = (provider.clone(), given.clone());
        async move {
            match adds {
                true => provider.add_partitions(&given, lenient).await,
                false => provider.drop_partitions(&given, lenient).await,
            }
        }
    });
    done.map(Some)
}

/// The changes of a format table, checked.
fn changes_of_files(
    session: &PaimonSession,
    files: FormatTable,
    action: Action,
) -> Result<Vec<SchemaChange>> {
    let (Action::Schema(changes) | Action::AddMissing(changes)) = action else {
        return Err(to_datafusion(
            Error::internal("partitions are no changes of a schema").with("table", files.name),
        ));
    };
    let changes = named_as_columns(&files.schema(), changes);
    let altered = files.altered(&changes).map_err(to_datafusion)?;
    // options that reads and writes would refuse
    FormatTableProvider::new(altered, session.settings().clone()).map_err(to_datafusion)?;
    Ok(changes)
}

/// The schema after some changes.
///
/// # Errors
/// For what the schema forbids, and options that writes would refuse.
pub(crate) async fn checked(table: &Table, changes: &[SchemaChange]) -> Result<TableSchema> {
    let checked = async {
        let has_snapshots = table.snapshots().latest_id().await?.is_some();
        let schema = table.schema().altered(changes, has_snapshots, 0)?;
        let options = CoreOptions::new(&schema)?;
        let options = WriteOptions::new(&schema, &options)?;
        // what another program set may stay while other things change
        if changes.iter().any(changes_options) {
            options.check_compression()?;
        }
        Ok(schema)
    };
    let checked: paimon_core::Result<TableSchema> = checked.await;
    checked.map_err(|e| to_datafusion(e.with_default("table", table.name())))
}

fn changes_options(change: &SchemaChange) -> bool {
    matches!(
        change,
        SchemaChange::SetOption { .. } | SchemaChange::RemoveOption { .. }
    )
}

/// Names without quotes are lower case: those of columns that exist are spelled as the schema has them.
fn named_as_columns(schema: &TableSchema, changes: Vec<SchemaChange>) -> Vec<SchemaChange> {
    let fields = &schema.fields;
    let mut named = changes;
    for change in &mut named {
        match change {
            SchemaChange::AddColumn { path, position, .. } => {
                spell_parents(fields, path);
                if let Some(position) = position {
                    spell_position(fields, position);
                }
            }
            SchemaChange::RenameColumn { path, .. }
            | SchemaChange::DropColumn { path }
            | SchemaChange::UpdateColumnType { path, .. }
            | SchemaChange::UpdateColumnNullability { path, .. }
            | SchemaChange::UpdateColumnComment { path, .. }
            | SchemaChange::UpdateColumnDefault { path, .. } => spell(fields, path),
            SchemaChange::UpdateColumnPosition { column, position } => {
                spell(fields, std::slice::from_mut(column));
                spell_position(fields, position);
            }
            SchemaChange::SetOption { .. }
            | SchemaChange::RemoveOption { .. }
            | SchemaChange::UpdateComment(_)
            | SchemaChange::DropPrimaryKey => {}
        }
    }
    named
}

/// Of columns to be added where they are missing, those that are.
fn without_present(schema: &TableSchema, action: Action) -> Action {
    let Action::AddMissing(mut changes) = action else {
        return action;
    };
    changes.retain(|change| match change {
        SchemaChange::AddColumn { path, .. } => !is_there(&schema.fields, path),
        _ => true,
    });
    Action::AddMissing(changes)
}

fn is_there(fields: &[DataField], path: &[String]) -> bool {
    let mut spelled = path.to_vec();
    spell(fields, &mut spelled);
    let mut fields = fields;
    let mut rest = spelled.as_slice();
    loop {
        let Some((name, behind)) = rest.split_first() else {
            return true;
        };
        let Some(field) = fields.iter().find(|f| f.name == *name) else {
            return false;
        };
        rest = behind;
        let mut kind = &field.data_type.kind;
        fields = loop {
            kind = match kind {
                TypeKind::Row(fields) => break fields.as_slice(),
                TypeKind::Array(inner) | TypeKind::Map(_, inner) => &inner.kind,
                _ => break &[],
            };
            // `element` or `value`
            rest = rest.get(1..).unwrap_or_default();
        };
    }
}

fn spell_parents(fields: &[DataField], path: &mut ColumnPath) {
    let parents = path.len().saturating_sub(1);
    if let Some(parents) = path.get_mut(..parents) {
        spell(fields, parents);
    }
}

fn spell_position(fields: &[DataField], position: &mut ColumnPosition) {
    match position {
        ColumnPosition::After(name) | ColumnPosition::Before(name) => {
            spell(fields, std::slice::from_mut(name));
        }
        ColumnPosition::First | ColumnPosition::Last => {}
    }
}

/// Follows a path as far as it leads through fields.
fn spell(fields: &[DataField], path: &mut [String]) {
    let Some((name, mut rest)) = path.split_first_mut() else {
        return;
    };
    let exact = fields.iter().find(|f| f.name == *name);
    let similar = || {
        let mut similar = fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name));
        similar.next().filter(|_| similar.next().is_none())
    };
    let Some(field) = exact.or_else(similar) else {
        return;
    };
    name.clone_from(&field.name);
    let mut kind = &field.data_type.kind;
    loop {
        kind = match kind {
            TypeKind::Row(fields) => return spell(fields, rest),
            TypeKind::Array(inner) | TypeKind::Map(_, inner) => &inner.kind,
            _ => return,
        };
        // `element` or `value`
        rest = match rest.split_first_mut() {
            Some((_, rest)) => rest,
            None => return,
        };
    }
}
