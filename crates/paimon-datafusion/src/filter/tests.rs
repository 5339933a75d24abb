#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use datafusion::arrow::datatypes::{DataType as ArrowType, TimeUnit};
use datafusion::prelude::{cast, col, lit};
use paimon_core::spec::DataType;

use super::*;

fn fields() -> Vec<DataField> {
    [
        ("id", TypeKind::Int),
        ("name", TypeKind::VarChar(10)),
        ("flag", TypeKind::Boolean),
        (
            "price",
            TypeKind::Decimal {
                precision: 10,
                scale: 2,
            },
        ),
        ("ts", TypeKind::Timestamp(3)),
    ]
    .into_iter()
    .zip(0..)
    .map(|((name, kind), id)| DataField::new(id, name, DataType::nullable(kind)))
    .collect()
}

fn text(predicate: &Predicate) -> String {
    match predicate {
        Predicate::AlwaysTrue => "true".into(),
        Predicate::AlwaysFalse => "false".into(),
        Predicate::Leaf(l) => format!("{} {:?} {:?}", l.column, l.op, l.literals),
        Predicate::And(all) => format!(
            "({})",
            all.iter().map(text).collect::<Vec<_>>().join(" and ")
        ),
        Predicate::Or(all) => format!(
            "({})",
            all.iter().map(text).collect::<Vec<_>>().join(" or ")
        ),
    }
}

fn check(filter: Expr, expected: &str, exact: bool) {
    let converted = convert(&filter, &fields());
    assert_eq!(
        (text(&converted.predicate).as_str(), converted.exact),
        (expected, exact),
        "{filter}"
    );
}

#[test]
fn comparisons_work_from_both_sides_and_negated() {
    check(col("id").gt(lit(3)), "id Gt [Int(3)]", true);
    check(lit(3).gt(col("id")), "id Lt [Int(3)]", true);
    check(
        Expr::Not(Box::new(col("id").lt(lit(3i64)))),
        "id GtEq [Int(3)]",
        true,
    );
    check(
        cast(col("id"), ArrowType::Int64).eq(lit(7i64)),
        "id Eq [Int(7)]",
        true,
    );
    check(
        cast(col("id"), ArrowType::Int16).eq(lit(7i16)),
        "true",
        false,
    );
    check(col("id").eq(lit(1i64 << 40)), "true", false);
    check(col("id").eq(lit(ScalarValue::Int32(None))), "false", true);
    check(
        col("price").lt(lit(ScalarValue::Decimal128(Some(15), 3, 1))),
        "price Lt [Decimal { unscaled: 150, scale: 2 }]",
        true,
    );
    check(
        col("price").lt(lit(ScalarValue::Decimal128(Some(1_555), 4, 3))),
        "true",
        false,
    );
    check(
        col("ts").lt_eq(lit(ScalarValue::TimestampMicrosecond(Some(-1), None))),
        "ts LtEq [Timestamp { millis: -1, nanos: 999000 }]",
        true,
    );
    let zoned = ScalarValue::TimestampMillisecond(Some(0), Some("UTC".into()));
    check(col("ts").lt(lit(zoned)), "true", false);
    let ms = ArrowType::Timestamp(TimeUnit::Microsecond, None);
    check(
        cast(col("ts"), ms).eq(lit(ScalarValue::TimestampMicrosecond(Some(2_000), None))),
        "ts Eq [Timestamp { millis: 2, nanos: 0 }]",
        true,
    );
}

#[test]
fn unknown_parts_weaken_the_predicate_but_never_strengthen_it() {
    let unknown = col("id").rem_expr();
    check(
        col("id").eq(lit(1)).and(unknown.clone()),
        "id Eq [Int(1)]",
        false,
    );
    check(col("id").eq(lit(1)).or(unknown.clone()), "true", false);
    let negated = Expr::Not(Box::new(col("id").eq(lit(1)).or(unknown.clone())));
    check(negated, "id NotEq [Int(1)]", false);
    let negated = Expr::Not(Box::new(col("id").eq(lit(1)).and(unknown)));
    check(negated, "true", false);
}

trait RemExpr {
    fn rem_expr(self) -> Expr;
}

impl RemExpr for Expr {
    fn rem_expr(self) -> Expr {
        (self % lit(2)).eq(lit(0))
    }
}

#[test]
fn lists_ranges_nulls_and_flags() {
    check(
        col("id").in_list(vec![lit(1), lit(2)], false),
        "id In [Int(1), Int(2)]",
        true,
    );
    let with_null = vec![lit(1), lit(ScalarValue::Int32(None))];
    check(
        col("id").in_list(with_null.clone(), false),
        "id In [Int(1)]",
        true,
    );
    check(col("id").in_list(with_null, true), "false", true);
    check(
        col("id").between(lit(1), lit(5)),
        "(id GtEq [Int(1)] and id LtEq [Int(5)])",
        true,
    );
    check(
        col("id").not_between(lit(1), lit(5)),
        "(id Lt [Int(1)] or id Gt [Int(5)])",
        true,
    );
    check(col("id").is_null(), "id IsNull []", true);
    check(
        Expr::Not(Box::new(col("id").is_null())),
        "id IsNotNull []",
        true,
    );
    check(col("flag"), "flag Eq [Boolean(true)]", true);
    check(
        Expr::Not(Box::new(col("flag"))),
        "flag Eq [Boolean(false)]",
        true,
    );
}

#[test]
fn like_patterns_become_the_cheapest_operation() {
    for (pattern, expected) in [
        ("abc", "name Eq [String(\"abc\")]"),
        ("abc%", "name StartsWith [String(\"abc\")]"),
        ("%abc", "name EndsWith [String(\"abc\")]"),
        ("%abc%", "name Contains [String(\"abc\")]"),
        ("a_c%", "name Like [String(\"a_c%\")]"),
    ] {
        check(col("name").like(lit(pattern)), expected, true);
    }
    check(col("name").not_like(lit("a%")), "true", false);
    check(col("name").ilike(lit("a%")), "true", false);
}
