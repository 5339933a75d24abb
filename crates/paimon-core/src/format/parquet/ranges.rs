//! Sorted, disjoint, non-empty ranges of row numbers.

use std::ops::Range;

/// Rows as ascending ranges.
pub(super) type Ranges = Vec<Range<u64>>;

/// One stretch of rows.
pub(super) fn one(range: Range<u64>) -> Ranges {
    let mut ranges = Ranges::with_capacity(1);
    push(&mut ranges, range);
    ranges
}

/// Rows in all ranges.
pub(super) fn count(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|r| r.end - r.start).sum()
}

/// Appends a range that starts at or after the end of the last one; joins what touches.
pub(super) fn push(ranges: &mut Ranges, range: Range<u64>) {
    if range.start >= range.end {
        return;
    }
    match ranges.last_mut() {
        Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}

/// Rows in both.
pub(super) fn intersect(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let mut out = Ranges::new();
    let (mut i, mut j) = (0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        push(&mut out, x.start.max(y.start)..x.end.min(y.end));
        if x.end <= y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

/// Rows in one or both.
pub(super) fn union(a: &[Range<u64>], b: &[Range<u64>]) -> Ranges {
    let mut all: Ranges = a.iter().chain(b).cloned().collect();
    all.sort_by_key(|r| r.start);
    let mut out = Ranges::with_capacity(all.len());
    for range in all {
        push(&mut out, range);
    }
    out
}

/// Joins ranges with fewer than `gap` rows between them.
pub(super) fn close_gaps(ranges: &[Range<u64>], gap: u64) -> Ranges {
    let mut out = Ranges::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start - last.end < gap => last.end = range.end,
            _ => out.push(range.clone()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]
    use super::*;

    #[test]
    fn set_operations() {
        let a = vec![0..10, 20..30];
        let b = vec![5..25, 29..40];
        assert_eq!(intersect(&a, &b), vec![5..10, 20..25, 29..30]);
        assert_eq!(union(&a, &b), vec![0..40]);
        assert_eq!(count(&a), 20);
        assert_eq!(close_gaps(&a, 10), a);
        assert_eq!(close_gaps(&a, 11), vec![0..30]);
        assert_eq!(intersect(&a, &[]), Ranges::new());
    }
}
