//! Merge engine `aggregation` (`AggregateMergeFunction`): every column has its own aggregate function.

use super::aggregate::ColumnAggregator;
use super::ops::{FoldPlan, Op, any_retract, finish};
use super::options::{FieldOptions, boolean};
use super::{MergeFunction, MergeInput, MergeOutput, OptionLookup};
use crate::Result;
use crate::spec::DataField;
use crate::spec::row_kind::{DELETE, INSERT, UPDATE_BEFORE};

/// Folds every column with its function.
#[derive(Debug)]
pub(super) struct Aggregation {
    fields: Vec<DataField>,
    aggregators: Vec<ColumnAggregator>,
    remove_record_on_delete: bool,
}

impl Aggregation {
    pub(super) fn new(
        fields: &[DataField],
        primary_keys: &[String],
        options: &dyn OptionLookup,
    ) -> Result<Self> {
        let sequence: Vec<&str> = options
            .get("sequence.field")
            .map(|v| v.split(',').map(str::trim).collect())
            .unwrap_or_default();
        let create = |field: &DataField| {
            let own = FieldOptions::new(options, &field.name);
            let (key, name) = if sequence.contains(&field.name.as_str()) {
                ("sequence.field".to_string(), "last_value")
            } else if primary_keys.contains(&field.name) {
                ("primary-key".to_string(), "primary-key")
            } else {
                own.aggregate_function()
                    .unwrap_or_else(|| (String::new(), "last_non_null_value"))
            };
            ColumnAggregator::new(field, &key, name, options)
        };
        Ok(Self {
            fields: fields.to_vec(),
            aggregators: fields.iter().map(create).collect::<Result<_>>()?,
            remove_record_on_delete: boolean(options, "aggregation.remove-record-on-delete")?,
        })
    }

    fn op(&self, kind: i8) -> Op {
        match kind {
            DELETE if self.remove_record_on_delete => Op::Set,
            DELETE | UPDATE_BEFORE => Op::Retract,
            _ => Op::Agg,
        }
    }
}

impl MergeFunction for Aggregation {
    fn merge(&self, input: &MergeInput) -> Result<MergeOutput> {
        input.check(self.fields.len())?;
        let retract = any_retract(input.kinds, input.offsets);
        let ops: Option<Vec<Op>> =
            retract.then(|| input.kinds.iter().map(|k| self.op(*k)).collect());
        let plan = FoldPlan::new(input.offsets, ops.as_deref());
        let columns = self
            .aggregators
            .iter()
            .zip(input.rows.columns())
            .map(|(aggregator, column)| aggregator.fold(column, &plan))
            .collect::<Result<Vec<_>>>()?;
        let last_row: Vec<usize> = input.offsets.iter().skip(1).map(|end| end - 1).collect();
        let kind = |row: &usize| match self.op(input.kinds[*row]) {
            Op::Set => DELETE,
            _ => INSERT,
        };
        let kinds: Vec<i8> = last_row.iter().map(kind).collect();
        Ok(MergeOutput {
            rows: finish(input.rows, &self.fields, columns, input.offsets, &kinds)?,
            kinds,
            keep: None,
            last_row,
        })
    }
}
