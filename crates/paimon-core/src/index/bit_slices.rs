//! Numbers as one bitmap per binary digit.
//!
//! Comparison walks the digits from the highest: O'Neil and Quass, "Improved Query Performance with Variant Indexes".

use std::cmp::Ordering;

use roaring::RoaringBitmap;

use crate::predicate::PredicateOp;

/// Non-negative numbers per row: slice `i` holds the rows whose digit of weight 2^i is set.
pub(super) struct BitSlices {
    /// Rows with a number.
    pub(super) existing: RoaringBitmap,
    /// Lowest digit first, at most 64.
    pub(super) slices: Vec<RoaringBitmap>,
}

/// Rows by how their number compares with a literal.
struct Split {
    less: RoaringBitmap,
    equal: RoaringBitmap,
    greater: RoaringBitmap,
}

impl BitSlices {
    /// Rows whose number compares so with `literal`, for `=`, `<>`, `<`, `<=`, `>`, `>=`; all for another operation.
    pub(super) fn compare(&self, op: PredicateOp, literal: i128) -> RoaringBitmap {
        if let Some(order) = self.outside(literal) {
            return if op_holds(op, order) {
                self.existing.clone()
            } else {
                RoaringBitmap::new()
            };
        }
        let Split {
            less,
            equal,
            greater,
        } = self.split(literal);
        match op {
            PredicateOp::Eq => equal,
            PredicateOp::NotEq => less | greater,
            PredicateOp::Lt => less,
            PredicateOp::LtEq => less | equal,
            PredicateOp::Gt => greater,
            PredicateOp::GtEq => greater | equal,
            _ => self.existing.clone(),
        }
    }

    /// How every number compares with a literal that the digits cannot express.
    fn outside(&self, literal: i128) -> Option<Ordering> {
        let digits = u32::try_from(self.slices.len()).unwrap_or(u32::MAX).min(64);
        if literal < 0 {
            Some(Ordering::Greater)
        } else if literal >> digits != 0 {
            Some(Ordering::Less)
        } else {
            None
        }
    }

    fn split(&self, literal: i128) -> Split {
        let mut split = Split {
            less: RoaringBitmap::new(),
            equal: self.existing.clone(),
            greater: RoaringBitmap::new(),
        };
        for (digit, slice) in self.slices.iter().enumerate().rev() {
            if literal >> digit & 1 == 1 {
                split.less |= &split.equal - slice;
                split.equal &= slice;
            } else {
                split.greater |= &split.equal & slice;
                split.equal -= slice;
            }
        }
        split
    }
}

fn op_holds(op: PredicateOp, order: Ordering) -> bool {
    match op {
        PredicateOp::Eq => order.is_eq(),
        PredicateOp::NotEq => order.is_ne(),
        PredicateOp::Lt => order.is_lt(),
        PredicateOp::LtEq => order.is_le(),
        PredicateOp::Gt => order.is_gt(),
        PredicateOp::GtEq => order.is_ge(),
        _ => true,
    }
}
