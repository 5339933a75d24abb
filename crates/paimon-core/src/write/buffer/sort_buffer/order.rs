//! The order of buffered rows.
//!
//! A single fixed-width key sorts as integers, other keys by the first bytes that tell them apart and then by all of them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::SortOptions;
use arrow_select::concat::concat;

use super::{SortSpec, index, place, row_id};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::mergetree::KeyBlock;

/// Arrival positions sorted by key and arrival, and where the keys change.
pub(super) fn sort_by_key(
    batches: &[RecordBatch],
    spec: &SortSpec,
) -> Result<(Vec<u32>, Vec<usize>)> {
    if batches.is_empty() {
        return Ok((Vec::new(), vec![0]));
    }
    let columns = spec
        .keys
        .iter()
        .map(|i| {
            let parts: Vec<&dyn Array> = batches.iter().map(|b| b.column(*i).as_ref()).collect();
            concat(&parts)
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    Ok(match spec.key_encoder()?.encode(&columns)? {
        KeyBlock::U64(keys) => sort_numbers(keys),
        KeyBlock::U128(keys) => sort_numbers(keys),
        KeyBlock::Rows(rows) => sort_bytes(&rows),
    })
}

fn sort_numbers<K: Ord + Copy>(keys: Vec<K>) -> (Vec<u32>, Vec<usize>) {
    let mut pairs: Vec<(K, u32)> = keys
        .into_iter()
        .enumerate()
        .map(|(row, key)| (key, row_id(row)))
        .collect();
    // finds runs that are sorted already
    pairs.sort();
    let groups = boundaries(pairs.len(), |i| pairs[i - 1].0 != pairs[i].0);
    (pairs.into_iter().map(|(_, row)| row).collect(), groups)
}

fn sort_bytes(rows: &Rows) -> (Vec<u32>, Vec<usize>) {
    let key = |row: u32| rows.row(index(row)).data();
    let count = rows.num_rows();
    let shared = shared_prefix(rows);
    let head = |bytes: &[u8]| {
        let mut first = [0; 8];
        let rest = &bytes[shared.min(bytes.len())..];
        let len = rest.len().min(8);
        first[..len].copy_from_slice(&rest[..len]);
        u64::from_be_bytes(first)
    };
    let mut pairs: Vec<(u64, u32)> = (0..count)
        .map(|row| (head(rows.row(row).data()), row_id(row)))
        .collect();
    pairs.sort_by(|a, b| {
        (a.0.cmp(&b.0))
            .then_with(|| key(a.1).cmp(key(b.1)))
            .then_with(|| a.1.cmp(&b.1))
    });
    let groups = boundaries(count, |i| {
        pairs[i - 1].0 != pairs[i].0 || key(pairs[i - 1].1) != key(pairs[i].1)
    });
    (pairs.into_iter().map(|(_, row)| row).collect(), groups)
}

/// Bytes that all keys begin with.
fn shared_prefix(rows: &Rows) -> usize {
    if rows.num_rows() == 0 {
        return 0;
    }
    let first = rows.row(0);
    let first = first.data();
    (1..rows.num_rows()).fold(first.len(), |shared, row| {
        let bytes = rows.row(row);
        let same = first[..shared].iter().zip(bytes.data());
        same.take_while(|(a, b)| a == b).count()
    })
}

/// 0, every position where `starts` says that a new key begins, and the end.
fn boundaries(count: usize, starts: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut groups = vec![0];
    if count > 0 {
        groups.extend((1..count).filter(|i| starts(*i)));
        groups.push(count);
    }
    groups
}

/// Orders the rows of each key by the sequence fields; ties stay in order of arrival.
pub(super) fn sort_groups(
    batches: &[RecordBatch],
    starts: &[usize],
    spec: &SortSpec,
    order: &mut [u32],
    groups: &[usize],
) -> Result<()> {
    let options = SortOptions {
        descending: spec.descending,
        // a null loses in either order
        nulls_first: true,
    };
    let fields = spec
        .sequence
        .iter()
        .map(|i| SortField::new_with_options(arrow_type(&spec.fields[*i].data_type), options))
        .collect();
    let converter = RowConverter::new(fields).map_err(|e| {
        Error::unsupported("sequence field of a type that cannot be compared")
            .with("option", "sequence.field")
            .with_source(e)
    })?;
    let rows: Vec<Arc<Rows>> = batches
        .iter()
        .map(|batch| {
            let columns: Vec<ArrayRef> = spec
                .sequence
                .iter()
                .map(|i| batch.column(*i).clone())
                .collect();
            Ok(Arc::new(converter.convert_columns(&columns)?))
        })
        .collect::<Result<_>>()?;
    let sequence = |row: u32| {
        let (batch, row) = place(starts, index(row));
        rows[batch].row(row)
    };
    for bounds in groups.windows(2).filter(|w| w[1] - w[0] > 1) {
        order[bounds[0]..bounds[1]]
            .sort_unstable_by(|a, b| sequence(*a).cmp(&sequence(*b)).then_with(|| a.cmp(b)));
    }
    Ok(())
}
