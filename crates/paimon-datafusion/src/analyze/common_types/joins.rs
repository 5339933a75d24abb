//! Keys of joins: of USING and NATURAL, INTERSECT and EXCEPT. Those of ON are operands of its condition.

use datafusion::logical_expr::{Expr, ExprSchemable, Join, JoinConstraint};

use super::{brought_to, to_be_compared};

/// Brings the keys of both sides to their common types.
pub(super) fn with_common_keys(mut join: Join, zone: &str) -> Join {
    for (left, right) in &mut join.on {
        let types = [
            left.get_type(join.left.schema()).ok(),
            right.get_type(join.right.schema()).ok(),
        ];
        let Some((from, to)) = to_be_compared(&types, zone) else {
            continue;
        };
        for (key, data_type) in [left, right].into_iter().zip(&types) {
            if data_type.as_ref().is_some_and(from) {
                let own: Expr = std::mem::take(key);
                *key = brought_to(own, &to, zone);
            }
        }
        // keys of USING are columns; what it shows of them was resolved when the query was read
        join.join_constraint = JoinConstraint::On;
    }
    join
}
