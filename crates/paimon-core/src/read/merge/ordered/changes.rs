//! What a merge changes for readers, key by key. Source: `LookupChangelogMergeFunctionWrapper`,
//! `FullChangelogMergeFunctionWrapper`, `FirstRowMergeFunctionWrapper`.

use arrow_array::{Array, ArrayRef, Int8Array, Int64Array};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;

use super::equality::{Equality, holds_map};
use super::window::{Source, gathered};
use crate::error::Result;
use crate::mergetree::function::Place;
use crate::spec::is_retract;
use crate::spec::row_kind::{DELETE, INSERT, UPDATE_AFTER, UPDATE_BEFORE};

/// When a key has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangelogMoment {
    /// When a level-0 file holds it: against its newest record in deeper levels.
    Lookup,
    /// When it is new in the deepest level: against its record there.
    FullCompaction {
        /// The deepest level.
        top_level: i32,
    },
}

/// Which changes are told.
#[derive(Debug, Clone)]
pub(crate) struct ChangelogRules {
    /// When a key has changed.
    pub(crate) moment: ChangelogMoment,
    /// Updates that leave these columns (by position) as they are are not told; `None`: all are.
    pub(crate) compared: Option<Vec<usize>>,
}

/// A key before and after a merge. Deletes are no rows here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) before: Option<Place>,
    pub(super) after: Option<Place>,
}

/// The rows that tell some changes: values, sequence numbers (each of the row it is about) and kinds. Insertions keep
/// the kind of the row with `keep_kind`.
///
/// # Errors
/// `Internal` when rows cannot be gathered.
pub(super) fn told(
    rules: &ChangelogRules,
    keep_kind: bool,
    sources: &[Source],
    changes: &[Change],
) -> Result<(Vec<ArrayRef>, Int64Array, Int8Array)> {
    let row = |place: Option<Place>| place.filter(|p| !is_retract(kind_of(sources, *p)));
    let changes: Vec<(Option<Place>, Option<Place>)> = changes
        .iter()
        .map(|c| (row(c.before), row(c.after)))
        .collect();
    let mut same = same_values(rules, sources, &changes)?.into_iter();
    let mut places = Vec::with_capacity(changes.len());
    let mut kinds = Vec::with_capacity(changes.len());
    let mut tell = |place, kind| {
        places.push(place);
        kinds.push(kind);
    };
    for change in changes {
        match change {
            (None, None) => {}
            (None, Some(after)) if keep_kind => tell(after, kind_of(sources, after)),
            (None, Some(after)) => tell(after, INSERT),
            (Some(before), None) => tell(before, DELETE),
            (Some(before), Some(after)) => {
                if !same.next().unwrap_or(false) {
                    tell(before, UPDATE_BEFORE);
                    tell(after, UPDATE_AFTER);
                }
            }
        }
    }
    let (values, sequence, _) = gathered(sources, &places)?;
    Ok((values, sequence, kinds.into()))
}

fn kind_of(sources: &[Source], place: Place) -> i8 {
    sources[place.0].kinds.value(place.1)
}

/// For each update whether it leaves the compared columns as they are.
fn same_values(
    rules: &ChangelogRules,
    sources: &[Source],
    changes: &[(Option<Place>, Option<Place>)],
) -> Result<Vec<bool>> {
    let Some(columns) = &rules.compared else {
        return Ok(Vec::new());
    };
    let updates = changes.iter().filter_map(|(b, a)| b.zip(*a));
    let (before, after): (Vec<Place>, Vec<Place>) = updates.unzip();
    let mut same = vec![true; before.len()];
    let (old, ..) = gathered(sources, &before)?;
    let (new, ..) = gathered(sources, &after)?;
    for column in columns {
        let (Some(old), Some(new)) = (old.get(*column), new.get(*column)) else {
            continue;
        };
        match holds_map(old.data_type()) {
            true => mark(&Equality::new(old, new)?, &mut same),
            false => compare_column(old, new, &mut same),
        }
    }
    Ok(same)
}

/// Clears the marks of rows in which two columns hold something else, with arrays as sets.
pub(in crate::read) fn compare_unordered(
    old: &ArrayRef,
    new: &ArrayRef,
    same: &mut [bool],
) -> Result<()> {
    mark(&Equality::of_sets(old, new)?, same);
    Ok(())
}

fn mark(equality: &Equality, same: &mut [bool]) {
    for (i, same) in same.iter_mut().enumerate() {
        *same = *same && equality.is_same(i, i);
    }
}

/// Clears the marks of rows in which two columns differ, be it in the order of a map's entries: Java compares the bytes
/// of rows where it compares two states.
pub(in crate::read) fn compare_column(old: &ArrayRef, new: &ArrayRef, same: &mut [bool]) {
    let comparator = make_comparator(old, new, SortOptions::default());
    for (i, same) in same.iter_mut().enumerate().filter(|(_, same)| **same) {
        *same = match &comparator {
            Ok(compare) => compare(i, i).is_eq(),
            // maps cannot be sorted, but compared
            Err(_) => old.slice(i, 1) == new.slice(i, 1),
        };
    }
}
