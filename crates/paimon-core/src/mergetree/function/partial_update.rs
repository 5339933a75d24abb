//! Merge engine `partial-update` (`PartialUpdateMergeFunction`).
//!
//! Without sequence groups each column takes its last non-null value. With groups, one pass per group compares the
//! ordering columns of each record with those of the record the group currently stands at; all columns of the group
//! share that verdict. The state of a group is always the ordering columns of one input row, so it is kept as a row
//! number.

mod classify;

use std::rc::Rc;

use arrow_array::ArrayRef;

use self::classify::{Classes, GroupState};
use super::aggregate::ColumnAggregator;
use super::groups::{REMOVE_ON_GROUP, SequenceGroup, sequence_groups};
use super::ops::{FoldPlan, NO_ROW, Op, any_retract, finish, not_null_error, row_id};
use super::options::{FieldOptions, boolean, ignore_delete};
use super::{MergeFunction, MergeInput, MergeOutput, OptionLookup};
use crate::spec::DataField;
use crate::spec::{is_retract, row_kind};
use crate::{Error, Result};

const REMOVE_ON_DELETE: &str = "partial-update.remove-record-on-delete";

/// What to do with retract records.
#[derive(Debug, Clone, Copy)]
struct RetractRules {
    ignore: bool,
    remove_on_delete: bool,
    /// The table has sequence groups, read or not.
    groups: bool,
}

/// A sequence group that is read, by column positions.
#[derive(Debug)]
struct ReadGroup {
    ordering: Vec<usize>,
    removes: bool,
}

/// Part of a column in the merge.
#[derive(Debug)]
enum Role {
    /// Outside any group.
    Base(ColumnAggregator),
    /// Orders a group.
    Ordering(usize),
    /// Protected by a group.
    Protected(usize),
    /// Protected by a group and aggregated.
    Aggregated(usize, ColumnAggregator),
}

/// Overwrites column by column.
#[derive(Debug)]
pub(super) struct PartialUpdate {
    fields: Vec<DataField>,
    roles: Vec<Role>,
    groups: Vec<ReadGroup>,
    rules: RetractRules,
}

impl PartialUpdate {
    pub(super) fn new(
        fields: &[DataField],
        primary_keys: &[String],
        options: &dyn OptionLookup,
    ) -> Result<Self> {
        let all = sequence_groups(primary_keys, options)?;
        let rules = RetractRules {
            ignore: ignore_delete(options)?,
            remove_on_delete: boolean(options, REMOVE_ON_DELETE)?,
            groups: !all.is_empty(),
        };
        check_conflicts(rules, options)?;
        let (groups, places) = read_groups(&all, fields)?;
        let roles = fields
            .iter()
            .zip(places)
            .map(|(field, place)| role(field, place, primary_keys, options))
            .collect::<Result<_>>()?;
        Ok(Self {
            fields: fields.to_vec(),
            roles,
            groups,
            rules,
        })
    }
}

fn check_conflicts(rules: RetractRules, options: &dyn OptionLookup) -> Result<()> {
    let conflict = |a: &str, b: &str| {
        Err(
            Error::invalid(format!("options '{a}' and '{b}' contradict each other"))
                .with("option", a),
        )
    };
    if rules.ignore && rules.remove_on_delete {
        return conflict("ignore-delete", REMOVE_ON_DELETE);
    }
    if rules.ignore && options.get(REMOVE_ON_GROUP).is_some() {
        return conflict("ignore-delete", REMOVE_ON_GROUP);
    }
    if rules.groups && rules.remove_on_delete {
        return conflict("sequence-group", REMOVE_ON_DELETE);
    }
    Ok(())
}

/// Group and whether it orders it, per read column.
type Place = Option<(usize, bool)>;

fn read_groups(
    all: &[SequenceGroup],
    fields: &[DataField],
) -> Result<(Vec<ReadGroup>, Vec<Place>)> {
    let position = |name: &String| fields.iter().position(|f| f.name == *name);
    let mut groups = Vec::new();
    let mut places: Vec<Place> = vec![None; fields.len()];
    for group in all {
        let ordering: Vec<Option<usize>> = group.ordering.iter().map(position).collect();
        let protected: Vec<usize> = group.protected.iter().filter_map(position).collect();
        if protected.is_empty() && ordering.iter().all(Option::is_none) {
            continue;
        }
        let Some(ordering) = ordering.into_iter().collect::<Option<Vec<usize>>>() else {
            return Err(Error::invalid(format!(
                "columns of sequence group '{}' are read without its ordering columns",
                group.key
            ))
            .with("option", &group.key));
        };
        for column in protected {
            // an ordering column stays with the group it orders
            places[column].get_or_insert((groups.len(), false));
        }
        for column in &ordering {
            places[*column] = Some((groups.len(), true));
        }
        groups.push(ReadGroup {
            ordering,
            removes: group.removes,
        });
    }
    Ok((groups, places))
}

fn role(
    field: &DataField,
    place: Place,
    primary_keys: &[String],
    options: &dyn OptionLookup,
) -> Result<Role> {
    if let Some((group, true)) = place {
        return Ok(Role::Ordering(group));
    }
    if primary_keys.contains(&field.name) {
        let key = ColumnAggregator::new(field, "primary-key", "primary-key", options)?;
        return Ok(Role::Base(key));
    }
    const PLAIN: &str = "last_non_null_value";
    let function = FieldOptions::new(options, &field.name).aggregate_function();
    match (place, function) {
        (Some((group, _)), None) => Ok(Role::Protected(group)),
        (Some((group, _)), Some((key, name))) => Ok(Role::Aggregated(
            group,
            ColumnAggregator::new(field, &key, name, options)?,
        )),
        (None, Some((key, name))) if name != PLAIN => Err(Error::invalid(format!(
            "option '{key}' sets aggregate function '{name}' for field '{}', which no sequence group protects",
            field.name
        ))
        .with("option", key)),
        (None, _) => Ok(Role::Base(ColumnAggregator::new(
            field, "", PLAIN, options,
        )?)),
    }
}

impl MergeFunction for PartialUpdate {
    fn merge(&self, input: &MergeInput) -> Result<MergeOutput> {
        input.check(self.fields.len())?;
        let retract = any_retract(input.kinds, input.offsets);
        self.check_nulls(input)?;
        let states = self
            .groups
            .iter()
            .map(|g| GroupState::new(input.rows, &g.ordering))
            .collect::<Result<Vec<_>>>()?;
        let classes = if retract {
            classify::with_retracts(input, &self.groups, &states, self.rules)?
        } else {
            self.adds_only(input, &states)
        };
        let columns = self.fold_columns(input, &classes)?;
        Ok(MergeOutput {
            rows: finish(
                input.rows,
                &self.fields,
                columns,
                input.offsets,
                &classes.kinds,
            )?,
            kinds: classes.kinds,
            keep: None,
            last_row: classes.last_row,
        })
    }
}

impl PartialUpdate {
    /// Without groups Java refuses any added record with null in a NOT NULL column.
    fn check_nulls(&self, input: &MergeInput) -> Result<()> {
        for (field, column) in self.fields.iter().zip(input.rows.columns()) {
            if field.data_type.nullable || !self.groups.is_empty() {
                continue;
            }
            let valid = column.validity();
            if !valid.has_nulls() {
                continue;
            }
            let mut rows = input.offsets.windows(2).flat_map(|w| w[0]..w[1]);
            if rows.any(|r| !valid.is_valid(r) && !is_retract(input.kinds[r])) {
                return Err(not_null_error(field));
            }
        }
        Ok(())
    }

    fn adds_only(&self, input: &MergeInput, states: &[GroupState]) -> Classes {
        let needs_ops = |group: usize| {
            self.roles
                .iter()
                .any(|role| matches!(role, Role::Aggregated(g, _) if *g == group))
        };
        Classes {
            base: None,
            groups: states
                .iter()
                .enumerate()
                .map(|(g, state)| state.classify_adds(input, needs_ops(g)))
                .collect(),
            kinds: vec![row_kind::INSERT; input.num_groups()],
            last_row: input.offsets.iter().skip(1).map(|end| end - 1).collect(),
        }
    }

    fn fold_columns(&self, input: &MergeInput, classes: &Classes) -> Result<Vec<ArrayRef>> {
        let mut winners: Vec<[Option<Rc<[u32]>>; 2]> = vec![[None, None]; self.groups.len()];
        let mut of_group = |group: usize, ordering: bool| {
            // without retracts all columns of a group come from the same record
            let share = ordering || classes.groups[group].winners.is_some();
            winners[group][usize::from(share)]
                .get_or_insert_with(|| classes.winners(group, input.offsets, ordering).into())
                .clone()
        };
        let base = FoldPlan::new(input.offsets, classes.base.as_deref());
        let ops = classes.groups.iter().map(|class| class.ops.as_deref());
        let plans: Vec<FoldPlan> = ops.map(|ops| FoldPlan::new(input.offsets, ops)).collect();
        let columns = self.roles.iter().zip(input.rows.columns());
        columns
            .map(|(role, column)| match role {
                Role::Base(aggregator) => aggregator.fold(column, &base),
                Role::Aggregated(group, aggregator) => aggregator.fold(column, &plans[*group]),
                Role::Ordering(group) => column.take(&of_group(*group, true)),
                Role::Protected(group) => column.take(&of_group(*group, false)),
            })
            .collect()
    }
}

impl Classes {
    /// Rows whose values the ordering columns, or the plain protected columns, of a group take.
    fn winners(&self, group: usize, offsets: &[usize], ordering: bool) -> Vec<u32> {
        let class = &self.groups[group];
        if let Some(winners) = &class.winners {
            return winners.clone();
        }
        let plan = FoldPlan::new(offsets, class.ops.as_deref());
        let fold = |range: std::ops::Range<usize>| {
            range.fold(NO_ROW, |winner, row| match plan.op(row) {
                Op::Agg | Op::Set => row_id(row),
                Op::Retract | Op::SetRetract if ordering => row_id(row),
                Op::Retract | Op::SetRetract => NO_ROW,
                Op::Skip | Op::AggReversed | Op::RetractOld => winner,
            })
        };
        plan.groups().map(fold).collect()
    }
}
