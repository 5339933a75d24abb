//! Whether two values are the same, maps by what they hold. Source: `EqualiserCodeGenerator`, `ScalarOperatorGens`.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::{DataType, SortOptions};

use crate::error::Result;

/// Compares values of two columns of one type by their positions.
pub(super) struct Equality {
    nulls: [Option<NullBuffer>; 2],
    kind: Kind,
}

enum Kind {
    /// Numbers, text, bytes; nulls are each other's equal.
    Leaf(DynComparator),
    Row(Vec<Equality>),
    List([OffsetBuffer<i32>; 2], Box<Equality>),
    /// Arrays whose distinct elements have no order.
    Set([OffsetBuffer<i32>; 2], Box<Equality>),
    /// Keys, then values.
    Map([OffsetBuffer<i32>; 2], Box<[Equality; 2]>),
}

impl Equality {
    /// For two columns.
    ///
    /// # Errors
    /// `Internal` for types that differ.
    pub(super) fn new(left: &ArrayRef, right: &ArrayRef) -> Result<Self> {
        let kind = match (left.data_type(), right.data_type()) {
            (DataType::Struct(_), DataType::Struct(_)) => {
                let (left, right) = (left.as_struct(), right.as_struct());
                let parts = left.columns().iter().zip(right.columns());
                Kind::Row(parts.map(|(l, r)| Self::new(l, r)).collect::<Result<_>>()?)
            }
            (DataType::List(_), DataType::List(_)) => {
                let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
                let offsets = [left.offsets().clone(), right.offsets().clone()];
                Kind::List(offsets, Box::new(Self::new(left.values(), right.values())?))
            }
            (DataType::Map(..), DataType::Map(..)) => {
                let (left, right) = (left.as_map(), right.as_map());
                let offsets = [left.offsets().clone(), right.offsets().clone()];
                let keys = Self::new(left.keys(), right.keys())?;
                let values = Self::new(left.values(), right.values())?;
                Kind::Map(offsets, Box::new([keys, values]))
            }
            _ => Kind::Leaf(make_comparator(left, right, SortOptions::default())?),
        };
        Ok(Self {
            nulls: [left.nulls().cloned(), right.nulls().cloned()],
            kind,
        })
    }

    /// As [`Self::new`]; arrays (of distinct elements) are the same in any order.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn of_sets(left: &ArrayRef, right: &ArrayRef) -> Result<Self> {
        let mut equality = Self::new(left, right)?;
        if let Kind::List(offsets, elements) = equality.kind {
            equality.kind = Kind::Set(offsets, elements);
        }
        Ok(equality)
    }

    /// Whether the value at `left` of the first column is that at `right` of the second.
    pub(super) fn is_same(&self, left: usize, right: usize) -> bool {
        let is_null = |side: usize, at| self.nulls[side].as_ref().is_some_and(|n| n.is_null(at));
        match (is_null(0, left), is_null(1, right)) {
            (false, false) => {}
            (left, right) => return left == right,
        }
        match &self.kind {
            Kind::Leaf(compare) => compare(left, right).is_eq(),
            Kind::Row(parts) => parts.iter().all(|part| part.is_same(left, right)),
            Kind::List(offsets, elements) => {
                let (left, right) = (range(&offsets[0], left), range(&offsets[1], right));
                left.len() == right.len() && left.zip(right).all(|(l, r)| elements.is_same(l, r))
            }
            Kind::Set(offsets, elements) => {
                let ranges = [range(&offsets[0], left), range(&offsets[1], right)];
                in_any_order(ranges, |l, r| elements.is_same(l, r))
            }
            Kind::Map(offsets, parts) => {
                let ranges = [range(&offsets[0], left), range(&offsets[1], right)];
                let [keys, values] = parts.as_ref();
                in_any_order(ranges, |l, r| keys.is_same(l, r) && values.is_same(l, r))
            }
        }
    }
}

/// Whether as many elements, all of them distinct, are the same; most often they come in the same order.
fn in_any_order([left, right]: [Range<usize>; 2], is_same: impl Fn(usize, usize) -> bool) -> bool {
    let in_order = || left.clone().zip(right.clone()).all(|(l, r)| is_same(l, r));
    let has = |l| right.clone().any(|r| is_same(l, r));
    left.len() == right.len() && (in_order() || left.clone().all(has))
}

/// Where the elements of a row lie.
fn range(offsets: &OffsetBuffer<i32>, row: usize) -> Range<usize> {
    let at = |i: usize| usize::try_from(offsets[i]).unwrap_or(0);
    at(row)..at(row + 1)
}

/// Whether there is a map anywhere in a type.
pub(super) fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::List(field) => holds_map(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| holds_map(f.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow_array::types::Int32Type;
    use arrow_array::{Int32Array, ListArray, StructArray};
    use arrow_schema::Field;

    use super::*;

    type Entries<'a> = Option<&'a [(&'a str, Option<i32>)]>;

    fn maps(rows: &[Entries<'_>]) -> ArrayRef {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        for row in rows {
            for (key, value) in row.unwrap_or_default() {
                builder.keys().append_value(key);
                builder.values().append_option(*value);
            }
            builder.append(row.is_some()).unwrap();
        }
        Arc::new(builder.finish())
    }

    #[test]
    fn maps_are_the_same_in_any_order() {
        let (a, b) = (("a", Some(1)), ("b", Some(2)));
        let cases: &[(Entries<'_>, Entries<'_>, bool)] = &[
            (Some(&[a, b]), Some(&[b, a]), true),
            (Some(&[a, b]), Some(&[a, b]), true),
            (Some(&[a, b]), Some(&[a]), false),
            (Some(&[a]), Some(&[("a", Some(2))]), false),
            (Some(&[a]), Some(&[("c", Some(1))]), false),
            (Some(&[("a", None), b]), Some(&[b, ("a", None)]), true),
            (Some(&[("a", None)]), Some(&[a]), false),
            (Some(&[]), Some(&[]), true),
            (None, None, true),
            (None, Some(&[]), false),
        ];
        let left: Vec<_> = cases.iter().map(|c| c.0).collect();
        let right: Vec<_> = cases.iter().map(|c| c.1).collect();
        let (left, right) = (maps(&left), maps(&right));
        let equality = Equality::new(&left, &right).unwrap();
        for (i, (.., expected)) in cases.iter().enumerate() {
            assert_eq!(equality.is_same(i, i), *expected, "case {i}");
        }
    }

    #[test]
    fn arrays_are_the_same_in_any_order_where_they_are_sets() {
        let array = |values: &[i32]| -> ArrayRef {
            let row = Some(values.iter().copied().map(Some));
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([row]))
        };
        let left = array(&[1, 2, 3]);
        for (right, as_set, as_list) in [
            (array(&[1, 2, 3]), true, true),
            (array(&[3, 1, 2]), true, false),
            (array(&[1, 2]), false, false),
            (array(&[1, 2, 4]), false, false),
        ] {
            let same = |equality: Result<Equality>| equality.unwrap().is_same(0, 0);
            assert_eq!(same(Equality::of_sets(&left, &right)), as_set);
            assert_eq!(same(Equality::new(&left, &right)), as_list);
        }
    }

    #[test]
    fn maps_inside_rows_count_alike() {
        let row = |map: ArrayRef, number: i32| -> ArrayRef {
            let fields = vec![
                Arc::new(Field::new("m", map.data_type().clone(), true)),
                Arc::new(Field::new("n", DataType::Int32, true)),
            ];
            let number: ArrayRef = Arc::new(Int32Array::from(vec![number]));
            Arc::new(StructArray::new(fields.into(), vec![map, number], None))
        };
        let (a, b) = (("a", Some(1)), ("b", Some(2)));
        let left = row(maps(&[Some(&[a, b])]), 1);
        assert!(holds_map(left.data_type()));
        for (right, expected) in [(1, true), (2, false)] {
            let right = row(maps(&[Some(&[b, a])]), right);
            let equality = Equality::new(&left, &right).unwrap();
            assert_eq!(equality.is_same(0, 0), expected);
        }
    }
}
