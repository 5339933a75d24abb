//! `MERGE INTO`: target and source joined; of the clauses that fit a row the first one counts.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, case, col, lit, when};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Join, JoinConstraint, JoinOperator, Merge, MergeAction, TableFactor,
    TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use futures::FutureExt;

use super::assign::or_default;
use super::clause::{Planned, STAR, Written, planned_clause};
use super::join::{Parts, Side, with_column};
use super::query::{Query, plan_query};
use super::target::{Changes, Target};
use super::{
    Changed, DELETED, UPDATED, evolve, finish, newer, refuse_clauses, refused, sorted_rows,
};
use crate::parse::tokenize;
use crate::session::PaimonSession;
use crate::sink::rows::{ACTION_COLUMN, Operation};
use crate::statement::evolution::{Step, evolving};

/// Number of the clause of a row of the join.
const CLAUSE_COLUMN: &str = "__paimon_clause";

/// Puts words that the parser knows in place of `UPDATE SET *` and `INSERT *`.
///
/// # Errors
/// Never for what was tokenized.
pub(super) fn without_stars(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let is_merge = first_word(&tokens).is_some_and(|w| w.eq_ignore_ascii_case("MERGE"));
    if !is_merge {
        return Ok(tokens);
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut before: [String; 2] = Default::default();
    for token in tokens {
        let [earlier, last] = &before;
        let text = match &token.token {
            Token::Mul if last == "SET" && earlier == "UPDATE" => Some(format!("{STAR} = 0")),
            Token::Mul if last == "INSERT" => Some(format!("({STAR}) VALUES (0)")),
            _ => None,
        };
        match text {
            Some(text) => {
                let more = tokenize(&text)?.into_iter();
                out.extend(more.map(|t| TokenWithSpan::new(t.token, Span::empty())));
            }
            None => out.push(token.clone()),
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            let [_, last] = before;
            before = [last, token.token.to_string().to_ascii_uppercase()];
        }
    }
    Ok(out)
}

fn first_word(tokens: &[TokenWithSpan]) -> Option<&str> {
    let mut words = tokens.iter().filter_map(|t| match &t.token {
        Token::Word(word) => Some(word.value.as_str()),
        _ => None,
    });
    words.next()
}

/// Plans a MERGE, or another operation said as one.
///
/// # Errors
/// As [`super::plan`].
pub(super) async fn plan(
    session: &PaimonSession,
    merge: Merge,
    operation: Operation,
) -> Result<DataFrame> {
    let first = step(session, merge.clone(), operation).await?;
    let again = (session.clone(), merge);
    evolving(session, "MERGE INTO", first, move || {
        let (session, merge) = again.clone();
        async move { step(&session, merge, operation).await }.boxed()
    })
}

/// What is to be done for a MERGE as its target is now.
async fn step(session: &PaimonSession, merge: Merge, operation: Operation) -> Result<Step> {
    refuse_clauses(&[(merge.output.is_some(), "MERGE .. RETURNING")])?;
    if merge.clauses.is_empty() {
        return Err(DataFusionError::Plan(
            "MERGE needs at least one WHEN clause".into(),
        ));
    }
    let does = |test: fn(&MergeAction) -> bool| merge.clauses.iter().any(|c| test(&c.action));
    let changes = Changes {
        deletes: does(|a| matches!(a, MergeAction::Delete { .. })),
        updates: does(|a| matches!(a, MergeAction::Update(_))),
    };
    let target = Target::open(session, &merge.table, changes, operation).await?;
    if let Some(change) = evolve::wanted(session, &target, &merge).await? {
        return Ok(Step::Change(change));
    }
    let clauses = merge
        .clauses
        .into_iter()
        .map(|clause| Written::new(&target, clause))
        .collect::<Result<Vec<_>>>()?;
    let scopes = Scopes {
        session,
        target: merge.table,
        source: merge.source,
        on: *merge.on,
    };
    let (planned, join) = scopes.plan(&target, clauses).await?;
    let keyed = target.table.schema().has_primary_key();
    let sorted = target.table.options().data_evolution
        || keyed && planned.iter().any(|clause| clause.side == Side::Both);
    let updates = planned.iter().filter(|clause| clause.kind == UPDATED);
    let assigned: BTreeSet<usize> = updates.flat_map(|c| c.assignments.columns()).collect();
    let changed = Changed {
        rows: changed_rows(&target, planned, join, sorted)?,
        sorted,
        assigned: assigned.into_iter().collect(),
        dropped: None,
    };
    finish(session, target, changed).map(Step::Rows)
}

/// What the names in clauses stand for.
struct Scopes<'a> {
    session: &'a PaimonSession,
    target: TableFactor,
    source: TableFactor,
    on: SqlExpr,
}

impl Scopes<'_> {
    /// Plans the clauses, those of each side in the scope of the tables that have a row there.
    async fn plan(self, target: &Target, clauses: Vec<Written>) -> Result<(Vec<Planned>, Parts)> {
        let (matched, join) = self.items(Side::Both, &clauses).await?;
        let (inserts, _) = self.items(Side::SourceOnly, &clauses).await?;
        let (by_source, _) = self.items(Side::TargetOnly, &clauses).await?;
        let join = Parts::new(join.ok_or_else(|| refused("this condition of MERGE"))?)?;
        let mut matched = matched.into_iter();
        let mut inserts = inserts.into_iter();
        let mut by_source = by_source.into_iter();
        let mut planned = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let items = match clause.side {
                Side::Both => &mut matched,
                Side::SourceOnly => &mut inserts,
                Side::TargetOnly => &mut by_source,
            };
            planned.push(planned_clause(target, clause, items, &join)?);
        }
        Ok((planned, join))
    }

    /// Conditions and values of the clauses of a side, in order.
    async fn items(
        &self,
        side: Side,
        clauses: &[Written],
    ) -> Result<(Vec<Expr>, Option<LogicalPlan>)> {
        let own = || clauses.iter().filter(|c| c.side == side);
        let items: Vec<SqlExpr> = own()
            .flat_map(|c| c.condition.iter().chain(&c.values))
            .cloned()
            .collect();
        let query = match side {
            Side::Both => {
                let on = JoinConstraint::On(self.on.clone());
                let from = TableWithJoins {
                    relation: self.target.clone(),
                    joins: vec![Join {
                        relation: self.source.clone(),
                        global: false,
                        join_operator: JoinOperator::Inner(on),
                    }],
                };
                Query::over(from, items, None)
            }
            _ if items.is_empty() => return Ok((Vec::new(), None)),
            Side::SourceOnly => Query::of(self.source.clone(), items),
            Side::TargetOnly => Query::of(self.target.clone(), items),
        };
        let (items, input) = plan_query(self.session, query).await?;
        Ok((items, Some(input)))
    }
}

/// The rows that the clauses make: action, place, columns.
fn changed_rows(
    target: &Target,
    clauses: Vec<Planned>,
    join: Parts,
    sorted: bool,
) -> Result<LogicalPlan> {
    let sides: Vec<Side> = clauses.iter().map(|c| c.side).collect();
    let joined = join.joined(target, &sides)?;
    let clause = clause_of(&clauses)?;
    let rows = with_column(joined, clause.alias(CLAUSE_COLUMN))?;
    let rows = LogicalPlanBuilder::from(rows)
        .filter(col(CLAUSE_COLUMN).is_not_null())?
        .build()?;
    let mut exprs = vec![kind_of(&clauses)?.alias(ACTION_COLUMN)];
    exprs.extend(target.places(rows.schema())?);
    for at in 0..target.fields().len() {
        let old = target.column(rows.schema(), at)?;
        let field = target.field(at)?;
        let mut value = value_of(&clauses, at, old)?;
        if newer::is_checked(target, at) {
            value = checked(target, &clauses, value, rows.schema())?;
        }
        let value = or_default(field, value)?;
        exprs.push(value.alias(field.name.as_str()));
    }
    let rows = LogicalPlanBuilder::from(rows).project(exprs)?;
    if !sorted {
        return rows.build();
    }
    sorted_rows(target, rows.build()?)
}

fn number(at: usize) -> Result<Expr> {
    let number = i32::try_from(at)
        .map_err(|_| DataFusionError::Plan("MERGE has too many clauses".into()))?;
    Ok(lit(number))
}

/// Number of the first clause that fits; null where none does.
fn clause_of(clauses: &[Planned]) -> Result<Expr> {
    let mut branches = Vec::with_capacity(clauses.len());
    for (at, clause) in clauses.iter().enumerate() {
        let fits = match &clause.condition {
            Some(condition) => clause.side.condition().and(condition.clone()),
            None => clause.side.condition(),
        };
        branches.push((fits, number(at)?));
    }
    let mut branches = branches.into_iter();
    let Some((fits, number)) = branches.next() else {
        return Err(DataFusionError::Internal("MERGE without clauses".into()));
    };
    let mut first = when(fits, number);
    for (fits, number) in branches {
        first = first.when(fits, number);
    }
    first.end()
}

fn kind_of(clauses: &[Planned]) -> Result<Expr> {
    let Some((last, others)) = clauses.split_last() else {
        return Err(DataFusionError::Internal("MERGE without clauses".into()));
    };
    let mut kinds = case(col(CLAUSE_COLUMN));
    if others.iter().all(|clause| clause.kind == last.kind) {
        return Ok(lit(last.kind));
    }
    for (at, clause) in others.iter().enumerate() {
        kinds = kinds.when(number(at)?, lit(clause.kind));
    }
    kinds.otherwise(lit(last.kind))
}

/// The value of a column with the checks of the clause that changes it.
fn checked(target: &Target, clauses: &[Planned], value: Expr, schema: &DFSchema) -> Result<Expr> {
    let old = |at: usize| target.column(schema, at);
    let mut values = case(col(CLAUSE_COLUMN));
    let mut any = false;
    for (number_of, clause) in clauses.iter().enumerate() {
        let checked = match clause.kind {
            UPDATED => {
                let assigned = (&clause.assignments, newer::Origin::Source);
                newer::updated(target, assigned, value.clone(), &old)?
            }
            DELETED => newer::deleted(target, value.clone(), &old)?,
            _ => continue,
        };
        if checked != value {
            values = values.when(number(number_of)?, checked);
            any = true;
        }
    }
    match any {
        true => values.otherwise(value),
        false => Ok(value),
    }
}

/// A column after the change.
fn value_of(clauses: &[Planned], at: usize, old: Expr) -> Result<Expr> {
    let mut values = case(col(CLAUSE_COLUMN));
    let mut any = false;
    for (number_of, clause) in clauses.iter().enumerate() {
        let before = (clause.kind == UPDATED).then_some(&old);
        if let Some(value) = clause.assignments.value(at, before)? {
            values = values.when(number(number_of)?, value);
            any = true;
        }
    }
    match any {
        true => values.otherwise(old),
        false => Ok(old),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(sql: &str) -> String {
        let tokens = without_stars(tokenize(sql).unwrap()).unwrap();
        tokens.iter().map(|t| t.token.to_string()).collect()
    }

    #[test]
    fn stars_of_clauses_get_words() {
        let sql = "MERGE INTO t USING (SELECT a * 2, count(*), * FROM s) s ON a = b WHEN MATCHED THEN UPDATE /* all */ SET * \
                   WHEN NOT MATCHED THEN insert *";
        let expected = sql
            .replace("SET *", "SET __paimon_star = 0")
            .replace("insert *", "insert (__paimon_star) VALUES (0)");
        assert_eq!(text(sql), expected);
        let update = "UPDATE t SET a = 2 * 3";
        assert_eq!(text(update), update);
    }
}
