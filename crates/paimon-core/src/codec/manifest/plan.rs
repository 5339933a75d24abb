//! How the records of one file are read: the fields we know, found by name in the writer schema, once per file.

use super::layout::{Field, Shape};
use crate::codec::avro::{AvroRecord, AvroType, Cursor};
use crate::error::{Error, Result};

/// Steps for the fields of a record, in stored order.
pub(super) struct Plan {
    fields: &'static [Field],
    steps: Vec<Step>,
    /// One bit per field that must not be null.
    required: u32,
}

/// One stored field.
pub(super) struct Step {
    /// Position in our table of fields; `None` is skipped.
    field: Option<usize>,
    optional: bool,
    /// Below the `["null", T]` for a known field.
    avro: AvroType,
    /// Of a record, or of the records in an array.
    pub nested: Option<Plan>,
    /// Whether the items of an array are `["null", T]`.
    pub optional_items: bool,
}

impl Plan {
    /// Finds `fields` in the writer's record.
    ///
    /// # Errors
    /// `Damaged` when a required field is missing or a field has another type than Paimon gives it.
    pub fn compile(fields: &'static [Field], record: &AvroRecord) -> Result<Self> {
        let mut steps = Vec::with_capacity(record.fields.len());
        let mut found = 0u32;
        for stored in &record.fields {
            let known = fields.iter().position(|f| f.name == stored.name);
            let known = known.filter(|i| found & (1 << i) == 0);
            let step = match known {
                Some(i) => {
                    found |= 1 << i;
                    Step::known(i, &fields[i], &stored.avro)?
                }
                None => Step::skipped(&stored.avro),
            };
            steps.push(step);
        }
        let required = (0..fields.len())
            .filter(|i| !fields[*i].optional)
            .fold(0, |mask, i| mask | 1 << i);
        let plan = Self {
            fields,
            steps,
            required,
        };
        plan.check_required(found)?;
        Ok(plan)
    }

    fn check_required(&self, found: u32) -> Result<()> {
        if found & self.required == self.required {
            return Ok(());
        }
        let missing = (0..self.fields.len()).find(|i| self.required & !found & (1 << i) != 0);
        let name = missing.map_or("", |i| self.fields[i].name);
        Err(Error::damaged(format!(
            "field `{name}` is missing or null, a value is expected"
        )))
    }

    /// Reads one record: `set` gets every field that is not null, by its position in the table, and must consume it.
    ///
    /// # Errors
    /// `Damaged` when the bytes end or a required field is null; what `set` returns.
    #[inline]
    pub fn read<'a>(
        &'a self,
        cursor: &mut Cursor<'_>,
        mut set: impl FnMut(&mut Cursor<'_>, usize, &'a Step) -> Result<()>,
    ) -> Result<()> {
        let mut found = 0u32;
        for step in &self.steps {
            let Some(field) = step.field else {
                cursor.skip(&step.avro)?;
                continue;
            };
            if step.optional && !cursor.non_null()? {
                continue;
            }
            found |= 1 << field;
            set(cursor, field, step)?;
        }
        if found & self.required == self.required {
            return Ok(());
        }
        self.check_required(found)
    }

    /// Whether fields `first` are stored before field `last`.
    pub fn in_order(&self, first: &[usize], last: usize) -> bool {
        let at = |field: usize| self.steps.iter().position(|s| s.field == Some(field));
        first.iter().all(|field| at(*field) < at(last))
    }
}

impl Step {
    fn skipped(avro: &AvroType) -> Self {
        Self {
            field: None,
            optional: false,
            avro: avro.clone(),
            nested: None,
            optional_items: false,
        }
    }

    fn known(position: usize, field: &Field, stored: &AvroType) -> Result<Self> {
        let wrong = |e: Error| e.with("field", field.name);
        let (avro, optional) = stored.optional().map_err(wrong)?;
        let mut step = Self {
            field: Some(position),
            optional,
            avro: avro.clone(),
            nested: None,
            optional_items: false,
        };
        match (&field.shape, avro) {
            (Shape::Array(item, _), AvroType::Array(stored_item)) => {
                let (stored_item, optional) = stored_item.optional().map_err(wrong)?;
                step.optional_items = optional;
                step.nested = nested(item, stored_item).map_err(wrong)?;
            }
            (shape, avro) => step.nested = nested(shape, avro).map_err(wrong)?,
        }
        Ok(step)
    }

    /// Plan of the record below.
    ///
    /// # Errors
    /// `Internal` when the field is no record.
    pub fn record(&self) -> Result<&Plan> {
        self.nested
            .as_ref()
            .ok_or_else(|| Error::internal("field is not a record"))
    }

    /// Skips the value.
    pub fn skip(&self, cursor: &mut Cursor<'_>) -> Result<()> {
        cursor.skip(&self.avro)
    }
}

/// Checks that the stored type fits; compiles a record.
fn nested(shape: &Shape, stored: &AvroType) -> Result<Option<Plan>> {
    match (shape, stored) {
        (Shape::Int | Shape::Long | Shape::Timestamp, AvroType::Int(_) | AvroType::Long(_))
        | (Shape::Bytes | Shape::String, AvroType::Bytes(_) | AvroType::String) => Ok(None),
        (Shape::Record(fields), AvroType::Record(record)) => {
            Plan::compile(fields, record).map(Some)
        }
        (_, stored) => Err(Error::damaged(format!(
            "field has the Avro type {}, which Paimon does not give it",
            stored.kind_name()
        ))),
    }
}
