//! The records that a merge function gets, wherever they lie.
//!
//! Records of a key come from several runs. A column whose winner is known from its nulls alone needs one value a key,
//! not all of them, and a sum reads each value once: so the records are not brought together first. A column says where
//! its values are, and each function takes from it what it needs.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;

use super::ops::{indices, row_of};
use crate::arrow_bridge::interleave::{interleave_arrays, interleave_by};
use crate::{Error, Result};

/// (source, row in it)
pub type Place = (usize, usize);

/// Value columns of records in group order, typed as the read columns.
#[derive(Debug, Clone)]
pub struct MergeRows<'a> {
    schema: SchemaRef,
    columns: Vec<Column<'a>>,
    num_rows: usize,
}

impl<'a> MergeRows<'a> {
    /// The rows of a batch, as they lie.
    pub fn of(batch: &'a RecordBatch) -> Self {
        let column = |array| Column {
            sources: vec![array],
            places: None,
        };
        Self {
            schema: batch.schema(),
            columns: batch.columns().iter().map(column).collect(),
            num_rows: batch.num_rows(),
        }
    }

    /// Rows at places of several sources; `sources` are the columns of each.
    ///
    /// # Errors
    /// `Internal` when a source has other columns than `schema`, or a place is outside of its source.
    pub fn scattered(
        schema: SchemaRef,
        sources: &[&'a [ArrayRef]],
        places: &'a [Place],
    ) -> Result<Self> {
        let count = schema.fields().len();
        if sources.iter().any(|s| s.len() != count) {
            return Err(Error::internal(
                "sources of a merge differ in their columns",
            ));
        }
        let rows: Vec<usize> = sources
            .iter()
            .map(|s| s.first().map_or(usize::MAX, |c| c.len()))
            .collect();
        if !places
            .iter()
            .all(|(s, row)| rows.get(*s).is_some_and(|rows| row < rows))
        {
            return Err(Error::internal("a row to merge is outside of its source"));
        }
        let column = |c: usize| Column {
            sources: sources.iter().map(|s| &s[c]).collect(),
            places: Some(places),
        };
        Ok(Self {
            schema,
            columns: (0..count).map(column).collect(),
            num_rows: places.len(),
        })
    }

    /// Names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of records.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    pub(super) fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }
}

/// One column of [`MergeRows`].
#[derive(Debug, Clone)]
pub(super) struct Column<'a> {
    /// At least one; one alone where there are no places.
    sources: Vec<&'a ArrayRef>,
    /// Where each value lies; `None`: all of the only source, in order.
    places: Option<&'a [Place]>,
}

impl<'a> Column<'a> {
    pub(super) fn data_type(&self) -> &DataType {
        self.sources
            .first()
            .map_or(&DataType::Null, |s| s.data_type())
    }

    /// All values in group order.
    pub(super) fn gathered(&self) -> Result<ArrayRef> {
        match (self.places, self.sources.as_slice()) {
            (None, [only]) => Ok(ArrayRef::clone(only)),
            (None, _) => Err(Error::internal("a column to merge has no values")),
            (Some(places), sources) => {
                let arrays: Vec<&dyn Array> = sources.iter().map(|s| s.as_ref()).collect();
                interleave_arrays(&arrays, places)
            }
        }
    }

    /// The values of these rows; null for [`NO_ROW`](super::ops::NO_ROW).
    pub(super) fn take(&self, rows: &[u32]) -> Result<ArrayRef> {
        let Some(places) = self.places else {
            let rows = indices(rows.to_vec());
            return Ok(take(self.gathered()?.as_ref(), &rows, None)?);
        };
        let arrays: Vec<&dyn Array> = self.sources.iter().map(|s| s.as_ref()).collect();
        // NO_ROW is outside of all places
        let place = |i: usize| places.get(row_of(rows[i])).copied();
        interleave_by(&arrays, rows.len(), place)
    }

    /// Which of the first `rows` values are not null, as bits; `None` where all are.
    pub(super) fn valid_bits(&self, rows: usize) -> Option<ValidBits> {
        let valid = self.validity();
        let word = |first: usize| {
            let rows = first..rows.min(first + 64);
            rows.rfold(0, |word, row| word << 1 | u64::from(valid.is_valid(row)))
        };
        valid
            .has_nulls()
            .then(|| ValidBits((0..=rows).step_by(64).map(word).collect()))
    }

    /// Which values are not null.
    pub(super) fn validity(&self) -> Validity<'a> {
        let nulls = |source: &'a ArrayRef| source.nulls().filter(|n| n.null_count() > 0);
        let sources: Vec<Option<&'a NullBuffer>> =
            self.sources.iter().copied().map(nulls).collect();
        if sources.iter().all(Option::is_none) {
            return Validity::All;
        }
        match (self.places, sources.as_slice()) {
            (None, [Some(only)]) => Validity::InOrder(only),
            (places, _) => Validity::Scattered(sources, places.unwrap_or_default()),
        }
    }

    /// Calls `fold` with a function that gives the value of a row, none where it is null.
    pub(super) fn primitives<T: ArrowPrimitiveType, F: RowFold<T::Native>>(
        &self,
        fold: F,
    ) -> Result<F::Output> {
        let arrays = self.sources.iter().map(|s| s.as_primitive_opt::<T>());
        let Some(arrays) = arrays.collect::<Option<Vec<_>>>() else {
            return Err(Error::internal("sources of a column differ in their types"));
        };
        let values: Vec<&[T::Native]> = arrays.iter().map(|a| a.values().as_ref()).collect();
        let nulls = self.validity();
        match (self.places, values.as_slice(), &nulls) {
            (None, [values], Validity::All) => fold.run(|row| Some(values[row])),
            (None, [values], nulls) => fold.run(|row| nulls.is_valid(row).then(|| values[row])),
            (Some(places), values, Validity::All) => fold.run(|row| {
                let (source, row) = places[row];
                Some(values[source][row])
            }),
            (places, values, Validity::Scattered(nulls, _)) => {
                let places = places.unwrap_or_default();
                fold.run(|row| {
                    let (source, row) = places[row];
                    let valid = nulls[source].is_none_or(|n| n.is_valid(row));
                    valid.then(|| values[source][row])
                })
            }
            _ => Err(Error::internal("a column to merge has no values")),
        }
    }

    /// The values as booleans, with a way to find that of a row; `None` for another type.
    pub(super) fn booleans(&self) -> Option<impl Fn(usize) -> Option<bool> + use<'a>> {
        let arrays = self.sources.iter().map(|s| s.as_boolean_opt());
        let arrays: Vec<&'a BooleanArray> = arrays.collect::<Option<_>>()?;
        let places = self.places;
        Some(move |row: usize| {
            let (source, row) = places.map_or((0, row), |p| p[row]);
            let array = arrays[source];
            array.is_valid(row).then(|| array.value(row))
        })
    }
}

/// Something to do with the values of a column, compiled for each way in which they may lie.
pub(super) trait RowFold<N> {
    type Output;

    /// Runs with the function that gives the value of a row.
    fn run(self, value: impl Fn(usize) -> Option<N>) -> Result<Self::Output>;
}

/// Which values of a column are not null.
#[derive(Debug)]
pub(super) enum Validity<'a> {
    /// All of them.
    All,
    InOrder(&'a NullBuffer),
    /// Nulls of each source.
    Scattered(Vec<Option<&'a NullBuffer>>, &'a [Place]),
}

impl Validity<'_> {
    #[inline]
    pub(super) fn is_valid(&self, row: usize) -> bool {
        match self {
            Validity::All => true,
            Validity::InOrder(nulls) => nulls.is_valid(row),
            Validity::Scattered(nulls, places) => {
                let (source, row) = places[row];
                nulls[source].is_none_or(|n| n.is_valid(row))
            }
        }
    }

    pub(super) fn has_nulls(&self) -> bool {
        !matches!(self, Validity::All)
    }
}

/// Which rows have a value, one bit each. Finding the first or last of a short group takes no branch, which counts where
/// nulls are spread at random.
#[derive(Debug)]
pub(super) struct ValidBits(Vec<u64>);

impl ValidBits {
    /// The bits of up to 64 rows, the first one lowest.
    #[inline]
    fn window(&self, rows: &Range<usize>) -> u64 {
        let (word, shift) = (rows.start / 64, rows.start % 64);
        let low = self.0.get(word).map_or(0, |w| w >> shift);
        // a shift by 64 in two steps
        let high = self.0.get(word + 1).map_or(0, |w| w << 1 << (63 - shift));
        let unused = 64 - rows.len().clamp(1, 64);
        (low | high) << unused >> unused
    }

    #[inline]
    pub(super) fn first_in(&self, rows: Range<usize>) -> Option<usize> {
        let parts = rows
            .clone()
            .step_by(64)
            .map(|start| start..rows.end.min(start + 64));
        let mut found = parts.filter_map(|part| {
            let bits = self.window(&part);
            (bits != 0).then(|| part.start + bits.trailing_zeros() as usize)
        });
        found.next()
    }

    #[inline]
    pub(super) fn last_in(&self, rows: Range<usize>) -> Option<usize> {
        let mut end = rows.end;
        while end > rows.start {
            let part = rows.start.max(end.saturating_sub(64))..end;
            let bits = self.window(&part);
            if bits != 0 {
                return Some(part.start + 63 - bits.leading_zeros() as usize);
            }
            end = part.start;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_value_of_any_range_are_found() {
        let valid = |row: usize| row % 67 == 3 || row.is_multiple_of(130);
        let rows = 300;
        let words = (0..=rows).step_by(64).map(|first| {
            (first..rows.min(first + 64)).rfold(0, |w, row| w << 1 | u64::from(valid(row)))
        });
        let bits = ValidBits(words.collect());
        for start in 0..rows {
            for end in start..=rows {
                let mut range = start..end;
                assert_eq!(bits.first_in(start..end), range.clone().find(|r| valid(*r)));
                assert_eq!(bits.last_in(start..end), range.rfind(|r| valid(*r)));
            }
        }
    }
}
