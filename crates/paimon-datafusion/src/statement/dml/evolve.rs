//! What the source of a MERGE changes in the schema of the target, as the option `write.merge-schema` asks.
//!
//! Source: `MergeSchemaEvolutionHelper`, `PaimonAssignmentUtils` of Paimon's Spark connector. `UPDATE SET *` and `INSERT *` take
//! in all columns of the source, other clauses the columns that they name.

use arrow::datatypes::{DataType as ArrowType, FieldRef, Fields};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::logical_expr::{Expr, lit, when};
use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, Merge, MergeAction, MergeClause, MergeClauseKind, ObjectName,
};
use paimon_core::schema::column_position;
use paimon_core::spec::{DataField, DataType, TypeKind};

use super::clause::STAR;
use super::query::{Query, plan_query};
use super::target::Target;
use crate::error::to_datafusion;
use crate::session::PaimonSession;
use crate::statement::alter::checked;
use crate::statement::ddl::target as target_of;
use crate::statement::evolution::Evolution;
use crate::statement::ident_text;

/// The change of the schema that a MERGE asks for.
///
/// # Errors
/// As planning the source, and for types that cannot be brought together.
pub(super) async fn wanted(
    session: &PaimonSession,
    target: &Target,
    merge: &Merge,
) -> Result<Option<Evolution>> {
    let Some(merging) = target.merging else {
        return Ok(None);
    };
    let mut star = false;
    let mut unknown: Vec<String> = Vec::new();
    for name in merge.clauses.iter().flat_map(assigned) {
        let known = || column_position(target.fields(), &name).is_some();
        match name == STAR {
            true => star = true,
            false if known() => {}
            false => unknown.push(name),
        }
    }
    if !star && unknown.is_empty() {
        return Ok(None);
    }
    let query = Query::of(merge.source.clone(), Vec::new());
    let (_, source) = plan_query(session, query).await?;
    let in_scope = |field: &&FieldRef| {
        star || unknown
            .iter()
            .any(|name| name.eq_ignore_ascii_case(field.name()))
    };
    let rows = source.schema().fields().iter().filter(in_scope).cloned();
    let rows: Vec<FieldRef> = rows.collect();
    let named = |e: paimon_core::Error| to_datafusion(e.with_default("table", target.table.name()));
    let schema = target.table.schema();
    let changes = schema.merging_changes(&rows, merging).map_err(named)?;
    if changes.is_empty() {
        return Ok(None);
    }
    checked(&target.table, &changes).await?;
    let named = target_of(session, &target.names)?;
    Evolution::new(named, &target.table, changes).map(Some)
}

/// The columns that a clause gives values from the source.
fn assigned(clause: &MergeClause) -> Vec<String> {
    if matches!(clause.clause_kind, MergeClauseKind::NotMatchedBySource) {
        return Vec::new();
    }
    let names: Vec<&ObjectName> = match &clause.action {
        MergeAction::Delete { .. } => Vec::new(),
        MergeAction::Insert(insert) => insert.columns.iter().collect(),
        MergeAction::Update(update) => update
            .assignments
            .iter()
            .filter_map(|assignment| match &assignment.target {
                AssignmentTarget::ColumnName(name) => Some(name),
                AssignmentTarget::Tuple(_) => None,
            })
            .collect(),
    };
    let last = |name: &&ObjectName| name.0.last()?.as_ident().map(ident_text);
    names.iter().filter_map(last).collect()
}

/// A value of the source with the fields of the old value that it lacks.
///
/// # Errors
/// As planning.
pub(super) fn keeping_fields(
    value: Expr,
    old: Expr,
    rows: &ArrowType,
    to: &DataType,
) -> Result<Expr> {
    let (TypeKind::Row(fields), ArrowType::Struct(given)) = (&to.kind, rows) else {
        return Ok(value);
    };
    let knows = |f: &FieldRef| column_position(fields, f.name()).is_some();
    if !lacks_fields(rows, to) || !given.iter().all(knows) {
        return Ok(value);
    }
    let mut parts = Vec::with_capacity(fields.len() * 2);
    for field in fields {
        let before = get_field(old.clone(), field.name.as_str());
        parts.push(lit(field.name.clone()));
        parts.push(match found(given, &field.name) {
            Some(row) => {
                let new = get_field(value.clone(), row.name().as_str());
                keeping_fields(new, before, row.data_type(), &field.data_type)?
            }
            None => before,
        });
    }
    let whole = named_struct(parts);
    when(value.is_not_null(), whole).end()
}

/// Whether rows lack a field of a type, at any depth of ROWs.
fn lacks_fields(rows: &ArrowType, to: &DataType) -> bool {
    let (TypeKind::Row(fields), ArrowType::Struct(given)) = (&to.kind, rows) else {
        return false;
    };
    let lacks = |field: &DataField| match found(given, &field.name) {
        Some(row) => lacks_fields(row.data_type(), &field.data_type),
        None => true,
    };
    fields.iter().any(lacks)
}

fn found<'a>(given: &'a Fields, name: &str) -> Option<&'a FieldRef> {
    given.iter().find(|f| f.name().eq_ignore_ascii_case(name))
}
