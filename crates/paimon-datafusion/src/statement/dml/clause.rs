//! The clauses of a MERGE.

use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr, MergeInsertKind,
    MergeUpdateExpr, ObjectName,
};
use paimon_core::spec::DataField;

use super::super::ident_text;
use super::super::insert::{missing as absent, position};
use super::assign::{self, Assignments};
use super::evolve::keeping_fields;
use super::join::{Parts, Side, no_source_column, source_column};
use super::target::Target;
use super::{DELETED, UPDATED, refuse_clauses, refused};
use crate::parse::default_value;

/// Row kind +I.
const INSERTED: i8 = 0;

/// Stands for all columns: sqlparser has no word for it.
pub(super) const STAR: &str = "__paimon_star";

/// A clause as written.
pub(super) struct Written {
    pub(super) side: Side,
    pub(super) condition: Option<SqlExpr>,
    /// Row kind of what it makes.
    pub(super) kind: i8,
    /// Columns are filled by name from the source.
    star: bool,
    columns: Vec<usize>,
    pub(super) values: Vec<SqlExpr>,
}

impl Written {
    /// # Errors
    /// For a form that is not supported, and columns that are not there.
    pub(super) fn new(target: &Target, clause: MergeClause) -> Result<Self> {
        let mut written = Self {
            side: match clause.clause_kind {
                MergeClauseKind::Matched => Side::Both,
                MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => {
                    Side::SourceOnly
                }
                MergeClauseKind::NotMatchedBySource => Side::TargetOnly,
            },
            condition: clause.predicate,
            kind: DELETED,
            star: false,
            columns: Vec::new(),
            values: Vec::new(),
        };
        match clause.action {
            MergeAction::Delete { .. } => {}
            MergeAction::Update(update) => written.update(target, update)?,
            MergeAction::Insert(insert) => written.insert(target, insert)?,
        }
        Ok(written)
    }

    fn update(&mut self, target: &Target, update: MergeUpdateExpr) -> Result<()> {
        refuse_clauses(&[
            (
                update.update_predicate.is_some(),
                "UPDATE .. WHERE in MERGE",
            ),
            (update.delete_predicate.is_some(), "DELETE WHERE in MERGE"),
        ])?;
        self.kind = UPDATED;
        if let [assignment] = update.assignments.as_slice()
            && assignment.target.to_string() == STAR
        {
            if self.side != Side::Both {
                return Err(refused("UPDATE SET * WHEN NOT MATCHED BY SOURCE"));
            }
            self.star = true;
            return Ok(());
        }
        (self.columns, self.values) = assign::parse(target, update.assignments)?;
        Ok(())
    }

    fn insert(&mut self, target: &Target, insert: MergeInsertExpr) -> Result<()> {
        refuse_clauses(&[(
            insert.insert_predicate.is_some(),
            "INSERT .. WHERE in MERGE",
        )])?;
        self.kind = INSERTED;
        if let [column] = insert.columns.as_slice()
            && column.to_string() == STAR
        {
            self.star = true;
            return Ok(());
        }
        let MergeInsertKind::Values(mut values) = insert.kind else {
            return Err(refused("INSERT ROW in MERGE"));
        };
        let (Some(row), true) = (values.rows.pop(), values.rows.is_empty()) else {
            return Err(refused("INSERT of several rows in MERGE"));
        };
        let columns = match insert.columns.is_empty() {
            true => (0..target.fields().len()).collect(),
            false => columns(target, &insert.columns)?,
        };
        if columns.len() != row.content.len() {
            return Err(DataFusionError::Plan(format!(
                "INSERT names {} columns and gives {} values",
                columns.len(),
                row.content.len()
            )));
        }
        for (at, value) in columns.iter().zip(row.content) {
            self.values.push(assign::value(target, *at, value)?);
        }
        self.columns = columns;
        for (at, field) in target.fields().iter().enumerate() {
            if !self.columns.contains(&at) {
                self.columns.push(at);
                self.values.push(missing(field)?);
            }
        }
        Ok(())
    }
}

fn columns(target: &Target, names: &[ObjectName]) -> Result<Vec<usize>> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let last = name.0.last().and_then(|part| part.as_ident());
        let Some(ident) = last else {
            return Err(refused("INSERT of a part of a column"));
        };
        let at = position(target.table.schema(), &ident_text(ident))?;
        if columns.contains(&at) {
            return Err(DataFusionError::Plan(format!(
                "column {} is given twice",
                ident.value
            )));
        }
        columns.push(at);
    }
    Ok(columns)
}

/// What `*` gives a column of the target; `None` where it stays as it is.
fn starred(
    target: &Target,
    join: &Parts,
    kind: i8,
    at: usize,
    field: &DataField,
) -> Result<Option<Expr>> {
    let found = source_column(join.source(), &field.name)?;
    match (found, &target.merging) {
        (Some(value), Some(_)) if kind == UPDATED => {
            let old = target.column(join.target().schema(), at)?;
            let rows = value.get_type(join.source().schema())?;
            keeping_fields(value, old, &rows, &field.data_type).map(Some)
        }
        (Some(value), _) => Ok(Some(value)),
        (None, Some(_)) if kind == UPDATED => Ok(None),
        (None, Some(_)) => absent(field).map(Some),
        (None, None) => Err(no_source_column(join.source(), &field.name)),
    }
}

/// A column that INSERT does not name.
fn missing(field: &DataField) -> Result<SqlExpr> {
    default_value(field).map_err(|e| e.context("INSERT in MERGE does not give all columns"))
}

/// A clause as planned.
pub(super) struct Planned {
    pub(super) side: Side,
    pub(super) condition: Option<Expr>,
    pub(super) kind: i8,
    pub(super) assignments: Assignments,
}

/// Plans a clause; `items` begin with its condition and values.
///
/// # Errors
/// When a column of the primary key would change, and where the source lacks a column.
pub(super) fn planned_clause(
    target: &Target,
    clause: Written,
    items: &mut impl Iterator<Item = Expr>,
    join: &Parts,
) -> Result<Planned> {
    let condition = clause.condition.as_ref().and_then(|_| items.next());
    let values: Vec<Expr> = items.by_ref().take(clause.values.len()).collect();
    let mut pairs: Vec<(usize, Expr)> = clause.columns.into_iter().zip(values).collect();
    if clause.star {
        for (at, field) in target.fields().iter().enumerate() {
            if let Some(value) = starred(target, join, clause.kind, at, field)? {
                pairs.push((at, value));
            }
        }
    }
    if clause.kind == UPDATED {
        let keys = target.keys();
        // what the condition equates with the key is the key
        let mut changed = Vec::with_capacity(pairs.len());
        for (at, value) in pairs {
            let name = target.name_of(at)?;
            let is_key = keys.iter().any(|k| k == name);
            if !(is_key && join.equates(&target.column(join.target().schema(), at)?, &value)) {
                changed.push((at, value));
            }
        }
        pairs = changed;
        let columns: Vec<usize> = pairs.iter().map(|(at, _)| *at).collect();
        target.refuse_keys(&columns)?;
    }
    let (columns, values) = pairs.into_iter().unzip();
    Ok(Planned {
        side: clause.side,
        condition,
        kind: clause.kind,
        assignments: Assignments::new(target, columns, values)?,
    })
}
