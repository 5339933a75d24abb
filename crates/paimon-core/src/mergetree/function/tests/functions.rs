//! Aggregate functions: a worked example for each rule.

use rstest::rstest;

use super::*;
use crate::ErrorKind;
use crate::spec::TypeKind;
use crate::spec::row_kind::UPDATE_BEFORE;

const ADD: i8 = 0;

/// Folds records of one column `v`; `pairs` are suffixes of `fields.v.` options.
fn try_fold(
    data_type: DataType,
    function: &str,
    pairs: &[(&str, &str)],
    records: &[(i8, Value)],
) -> Result<Value> {
    let fields = fields(&[("v", data_type)]);
    let mut options: Vec<(String, &str)> = vec![("fields.v.aggregate-function".into(), function)];
    options.extend(pairs.iter().map(|(k, v)| (format!("fields.v.{k}"), *v)));
    let options: Vec<(&str, &str)> = options.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let records: Vec<Record> = records.iter().map(|(k, v)| (*k, vec![v.clone()])).collect();
    let merged = merge_one(MergeEngine::Aggregation, &fields, &options, &records)?;
    Ok(merged.unwrap().1.remove(0))
}

fn adds(values: &[Value]) -> Vec<(i8, Value)> {
    values.iter().map(|v| (ADD, v.clone())).collect()
}

fn list(values: &[Value]) -> Value {
    Value::List(values.to_vec())
}

fn row(values: &[Value]) -> Value {
    Value::Row(values.to_vec())
}

fn nullable(kind: TypeKind) -> DataType {
    DataType::nullable(kind)
}

fn decimal(precision: u8, scale: u8) -> DataType {
    nullable(TypeKind::Decimal { precision, scale })
}

fn hex(text: &str) -> Value {
    Value::Bytes(hex::decode(text).unwrap())
}

#[rstest]
#[case(TypeKind::TinyInt, 127)]
#[case(TypeKind::SmallInt, 32767)]
#[case(TypeKind::Int, i64::from(i32::MAX))]
#[case(TypeKind::BigInt, i64::MAX)]
fn integer_overflow_is_an_error(#[case] kind: TypeKind, #[case] max: i64) {
    let run = |function: &str, records: &[(i8, Value)]| {
        try_fold(nullable(kind.clone()), function, &[], records)
    };
    let max: Value = max.into();
    assert_eq!(run("sum", &adds(&[max.clone(), 0.into()])).unwrap(), max);
    for (function, records) in [
        ("sum", adds(&[max.clone(), 1.into()])),
        ("product", adds(&[max.clone(), 2.into()])),
        ("sum", vec![(ADD, (-2).into()), (DELETE, max.clone())]),
    ] {
        let error = run(function, &records).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn sum_retracts_and_negates() {
    let run = |records: &[(i8, Value)]| {
        try_fold(nullable(TypeKind::BigInt), "sum", &[], records).unwrap()
    };
    let add = |v: i64| (ADD, Value::Int(v));
    let del = |v: i64| (DELETE, Value::Int(v));
    assert_eq!(run(&[add(5), del(2), (UPDATE_BEFORE, 1.into())]), 2.into());
    assert_eq!(run(&[del(2), add(5)]), 3.into());
    assert_eq!(run(&[(DELETE, Value::Null)]), Value::Null);
    assert_eq!(run(&[add(5), (DELETE, Value::Null)]), 5.into());
    assert_eq!(
        run(&[(ADD, Value::Null), add(1), (ADD, Value::Null)]),
        1.into()
    );
}

#[rstest]
// 999.99 + 999.99 keeps its six digits in a long
#[case(decimal(5, 2), "sum", &[99_999, 99_999], Some(199_998))]
// beyond 64 bits, and wider than the precision
#[case(decimal(18, 0), "sum", &[9_000_000_000_000_000_000, 9_000_000_000_000_000_000], None)]
#[case(decimal(19, 0), "sum", &[9_999_999_999_999_999_999, 1], None)]
#[case(decimal(38, 0), "sum", &[99_999_999_999_999_999_999_999_999_999_999_999_999, 1], None)]
// after null the next value starts again
#[case(decimal(19, 0), "sum", &[9_999_999_999_999_999_999, 1, 7], Some(7))]
// 1.25 * 1.5 = 1.875 at scale 2 rounds half up
#[case(decimal(5, 2), "product", &[125, 150], Some(188))]
#[case(decimal(5, 2), "product", &[-125, 150], Some(-188))]
#[case(decimal(5, 2), "product", &[99_999, 99_999], None)]
fn decimals_add_and_multiply(
    #[case] data_type: DataType,
    #[case] function: &str,
    #[case] values: &[i128],
    #[case] expected: Option<i128>,
) {
    let records: Vec<(i8, Value)> = values.iter().map(|v| (ADD, Value::Decimal(*v))).collect();
    let found = try_fold(data_type, function, &[], &records).unwrap();
    assert_eq!(found, expected.map_or(Value::Null, Value::Decimal));
}

#[test]
fn product_retracts_by_division() {
    let run = |data_type: &DataType, a: Value, b: Value| {
        try_fold(data_type.clone(), "product", &[], &[(ADD, a), (DELETE, b)])
    };
    let int = nullable(TypeKind::TinyInt);
    assert_eq!(run(&int, 7.into(), 2.into()).unwrap(), 3.into());
    assert_eq!(run(&int, (-7).into(), 2.into()).unwrap(), (-3).into());
    assert!(run(&int, 7.into(), 0.into()).is_err());
    assert!(run(&int, (-128).into(), (-1).into()).is_err());
    assert_eq!(run(&int, Value::Null, 2.into()).unwrap(), Value::Null);
    let double = nullable(TypeKind::Double);
    assert_eq!(
        run(&double, 1.0.into(), 0.0.into()).unwrap(),
        f64::INFINITY.into()
    );
    let money = decimal(6, 2);
    let of = Value::Decimal;
    assert_eq!(run(&money, of(300), of(800)).unwrap(), of(38));
    assert_eq!(run(&money, of(-300), of(800)).unwrap(), of(-38));
    assert!(run(&money, of(100), of(300)).is_err());
    assert_eq!(run(&money, of(600), of(300)).unwrap(), of(200));
    assert!(run(&money, of(600), of(0)).is_err());
}

#[test]
fn max_and_min_follow_java_order() {
    let double = |function: &str, values: &[f64]| {
        let values: Vec<Value> = values.iter().map(|v| (*v).into()).collect();
        match try_fold(nullable(TypeKind::Double), function, &[], &adds(&values)).unwrap() {
            Value::Double(v) => v,
            other => panic!("{other:?}"),
        }
    };
    assert!(double("max", &[1.0, -f64::NAN, 2.0]).is_nan());
    assert_eq!(double("min", &[-f64::NAN, 2.0]), 2.0);
    assert!(double("min", &[0.0, -0.0]).is_sign_negative());
    assert!(double("max", &[-0.0, 0.0]).is_sign_positive());
    let bytes = |v: u8| Value::Bytes(vec![v]);
    let binary = nullable(TypeKind::VarBinary(9));
    let run = |function: &str| {
        let records = adds(&[bytes(0x7f), Value::Null, bytes(0x80)]);
        try_fold(binary.clone(), function, &[], &records).unwrap()
    };
    assert_eq!((run("max"), run("min")), (bytes(0x80), bytes(0x7f)));
    let zoned = nullable(TypeKind::LocalZonedTimestamp(3));
    assert_eq!(
        try_fold(zoned, "max", &[], &adds(&[1.into(), 5.into(), 2.into()])).unwrap(),
        5.into()
    );
}

#[test]
fn listagg_joins_what_is_not_blank() {
    let run = |pairs: &[(&str, &str)], values: &[&str]| {
        let values: Vec<Value> = values.iter().map(|v| Value::from(*v)).collect();
        try_fold(DataType::string(), "listagg", pairs, &adds(&values)).unwrap()
    };
    assert_eq!(run(&[], &["a", " ", "", "b", "a"]), "a,b,a".into());
    assert_eq!(run(&[], &[" ", "\t"]), Value::Null);
    assert_eq!(run(&[], &["\u{a0}", "a"]), "\u{a0},a".into());
    assert_eq!(
        run(&[("list-agg-delimiter", ";")], &["a", "b"]),
        "a;b".into()
    );
    let distinct = [("distinct", "true")];
    assert_eq!(run(&distinct, &["a,a", "b,a, ,c"]), "a,a,b,c".into());
    assert_eq!(
        run(
            &[("distinct", "true"), ("list-agg-delimiter", "")],
            &["a b", "b c"]
        ),
        "a bc".into()
    );
}

#[test]
fn listagg_needs_an_unbounded_string() {
    let error = try_fold(nullable(TypeKind::VarChar(9)), "listagg", &[], &[]).unwrap_err();
    assert!(error.to_string().contains("STRING"), "{error}");
}

#[test]
fn collect_joins_and_retracts_one_equal_element_each() {
    let ints = |v: &[i64]| list(&v.iter().map(|v| (*v).into()).collect::<Vec<_>>());
    let array = nullable(TypeKind::Array(Box::new(nullable(TypeKind::Int))));
    let run = |pairs: &[(&str, &str)], records: &[(i8, Value)]| {
        try_fold(array.clone(), "collect", pairs, records).unwrap()
    };
    let all = adds(&[ints(&[1, 2]), Value::Null, ints(&[2, 2])]);
    assert_eq!(run(&[], &all), ints(&[1, 2, 2, 2]));
    assert_eq!(run(&[("distinct", "true")], &all), ints(&[1, 2]));
    let retract = [all.as_slice(), &[(DELETE, ints(&[2, 2, 9]))]].concat();
    assert_eq!(run(&[], &retract), ints(&[1, 2]));
    assert_eq!(run(&[], &[(DELETE, ints(&[1]))]), Value::Null);
    assert_eq!(run(&[], &adds(&[Value::Null, Value::Null])), Value::Null);
}

#[test]
fn merge_map_overwrites_and_retracts_keys() {
    let map = nullable(TypeKind::Map(
        Box::new(DataType::string()),
        Box::new(nullable(TypeKind::Int)),
    ));
    let of = |v: &[(&str, i64)]| {
        list(
            &v.iter()
                .map(|(k, v)| row(&[(*k).into(), (*v).into()]))
                .collect::<Vec<_>>(),
        )
    };
    let records = [
        (ADD, of(&[("a", 1), ("b", 2)])),
        (ADD, of(&[("b", 3), ("c", 4)])),
        (DELETE, of(&[("a", 9)])),
    ];
    let found = try_fold(map, "merge_map", &[], &records).unwrap();
    assert_eq!(found, of(&[("b", 3), ("c", 4)]));
}

#[test]
fn merge_map_with_keytime_keeps_the_newest_entry() {
    let value = nullable(TypeKind::Row(fields(&[
        ("t", DataType::string()),
        ("v", DataType::string()),
    ])));
    let map = nullable(TypeKind::Map(Box::new(DataType::string()), Box::new(value)));
    let entry = |k: &str, t: Value, v: &str| row(&[k.into(), row(&[t, v.into()])]);
    let records = adds(&[
        list(&[
            entry("a", "2".into(), "old"),
            entry("b", "2".into(), "b"),
            entry("n", Value::Null, "n"),
        ]),
        list(&[
            entry("a", "10".into(), "text order: 10 is before 2"),
            row(&["b".into(), Value::Null]),
            entry("c", Value::Null, "no time"),
            entry("n", "1".into(), "n1"),
        ]),
        list(&[entry("a", "3".into(), "new"), entry("a2", "1".into(), "x")]),
    ]);
    let found = try_fold(
        map.clone(),
        "merge_map_with_keytime",
        &[("ts-field", "t")],
        &records,
    );
    let expected = list(&[
        entry("a", "3".into(), "new"),
        entry("n", "1".into(), "n1"),
        entry("a2", "1".into(), "x"),
    ]);
    assert_eq!(found.unwrap(), expected);
    let error = try_fold(
        map,
        "merge_map_with_keytime",
        &[("ts-field", "no")],
        &records,
    )
    .unwrap_err();
    assert!(error.to_string().contains("fields.v.ts-field"), "{error}");
}

fn table_type() -> DataType {
    nullable(TypeKind::Array(Box::new(nullable(TypeKind::Row(fields(
        &[
            ("k", nullable(TypeKind::Int)),
            ("s", nullable(TypeKind::Int)),
            ("v", DataType::string()),
        ],
    ))))))
}

fn nested(k: impl Into<Value>, s: impl Into<Value>, v: &str) -> Value {
    row(&[k.into(), s.into(), v.into()])
}

#[test]
fn nested_update_without_key_appends_up_to_the_limit() {
    let (a, b, c) = (nested(1, 1, "a"), nested(1, 1, "b"), nested(1, 1, "c"));
    let records = adds(&[
        list(&[a.clone(), Value::Null, b.clone()]),
        list(std::slice::from_ref(&a)),
        list(std::slice::from_ref(&c)),
    ]);
    let run = |pairs: &[(&str, &str)], records: &[(i8, Value)]| {
        try_fold(table_type(), "nested_update", pairs, records).unwrap()
    };
    assert_eq!(
        run(&[], &records),
        list(&[a.clone(), b.clone(), a.clone(), c.clone()])
    );
    assert_eq!(
        run(&[("count-limit", "3")], &records),
        list(&[a.clone(), b.clone(), a.clone()])
    );
    let retract = [records.as_slice(), &[(DELETE, list(&[a]))]].concat();
    assert_eq!(run(&[], &retract), list(&[b, c]));
}

#[test]
fn nested_update_with_key_replaces_by_sequence() {
    let key = ("nested-key", "k");
    let sequence = ("nested-sequence-field", "s");
    let records = adds(&[
        list(&[nested(1, 5, "a"), nested(2, Value::Null, "b")]),
        list(&[nested(1, 4, "late"), nested(2, 1, "c"), nested(3, 1, "d")]),
    ]);
    let run = |pairs: &[(&str, &str)], records: &[(i8, Value)]| {
        try_fold(table_type(), "nested_update", pairs, records).unwrap()
    };
    let (late, c, d) = (nested(1, 4, "late"), nested(2, 1, "c"), nested(3, 1, "d"));
    assert_eq!(run(&[key], &records), list(&[late, c.clone(), d.clone()]));
    let newest = nested(1, 5, "a");
    assert_eq!(
        run(&[key, sequence], &records),
        list(&[newest.clone(), c.clone(), d])
    );
    let limit = ("count-limit", "2");
    assert_eq!(
        run(&[key, sequence, limit], &records),
        list(&[newest, c.clone()])
    );
    let retract = [
        records.as_slice(),
        &[(DELETE, list(&[nested(1, 0, ""), nested(3, 0, "")]))],
    ]
    .concat();
    assert_eq!(run(&[key], &retract), list(&[c]));
}

#[test]
fn nested_partial_update_overwrites_what_is_not_null() {
    let records = adds(&[
        list(&[
            row(&[1.into(), Value::Null, "a".into()]),
            row(&[Value::Null, 1.into(), "n".into()]),
        ]),
        list(&[row(&[1.into(), 11.into(), Value::Null]), nested(3, 3, "c")]),
    ]);
    let run =
        |pairs: &[(&str, &str)]| try_fold(table_type(), "nested_partial_update", pairs, &records);
    let (merged, null, other) = (
        nested(1, 11, "a"),
        row(&[Value::Null, 1.into(), "n".into()]),
        nested(3, 3, "c"),
    );
    let key = ("nested-key", "k");
    assert_eq!(
        run(&[key]).unwrap(),
        list(&[merged.clone(), null, other.clone()])
    );
    let strategy = |v| [key, ("nested-key-null-strategy", v)];
    assert_eq!(run(&strategy("ignore")).unwrap(), list(&[merged, other]));
    assert!(run(&strategy("error")).is_err());
    assert!(run(&strategy("what")).is_err());
    assert!(run(&[]).is_err());
}

#[test]
fn rbm32_is_the_union_of_bitmaps() {
    // golden pk-agg-roaring: {1, 2, 5, 70000} as Java wrote it
    let golden = "3a300000020000000000020001000000180000001e0000000100020005007011";
    let of = |values: &[u32]| {
        let mut bytes = Vec::new();
        let bitmap: roaring::RoaringBitmap = values.iter().collect();
        bitmap.serialize_into(&mut bytes).unwrap();
        Value::Bytes(bytes)
    };
    let type_ = nullable(TypeKind::VarBinary(1000));
    let run = |values: &[Value]| try_fold(type_.clone(), "rbm32", &[], &adds(values)).unwrap();
    assert_eq!(
        run(&[of(&[1, 2]), of(&[5, 70_000]), Value::Null]),
        hex(golden)
    );
    assert_eq!(run(&[hex(golden), of(&[2])]), hex(golden));
    let broken = try_fold(type_.clone(), "rbm32", &[], &adds(&[hex("00"), hex("00")]));
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::Damaged);
    // alone, a value keeps its bytes
    assert_eq!(run(&[Value::Null, hex("00")]), hex("00"));
}

#[test]
fn sketches_are_united_as_java_does() {
    // golden pk-agg-sketches: the union as Java wrote it
    let hll = "0201070c030804007581660781bc5d062bf2fb06862ff90d";
    let theta = "02030300001acc93040000000000803f15f97dcbbd86a10540de2ee1c9db3d08c397fc1281709d1eba40b3c1da06695d";
    for (function, golden) in [("hll_sketch", hll), ("theta_sketch", theta)] {
        let type_ = nullable(TypeKind::VarBinary(1000));
        let run = |values: &[Value]| try_fold(type_.clone(), function, &[], &adds(values));
        assert_eq!(
            run(&[hex(golden), hex(golden)]).unwrap(),
            hex(golden),
            "{function}"
        );
        let broken = run(&[hex("0203"), hex("0203")]).unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::Damaged, "{broken}");
    }
}

#[test]
fn unknown_functions_and_wrong_types_name_the_option() {
    let error = try_fold(DataType::string(), "count", &[], &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(
        error.to_string().contains("fields.v.aggregate-function"),
        "{error}"
    );
    for (function, data_type) in [
        ("sum", DataType::string()),
        ("product", nullable(TypeKind::Boolean)),
        ("max", table_type()),
        ("bool_or", DataType::string()),
        ("collect", DataType::string()),
        ("merge_map", table_type()),
        ("merge_map_with_keytime", table_type()),
        (
            "nested_update",
            nullable(TypeKind::Array(Box::new(DataType::string()))),
        ),
        ("rbm64", nullable(TypeKind::Binary(9))),
        ("theta_sketch", DataType::string()),
    ] {
        let error = try_fold(data_type, function, &[], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{function}");
    }
}

#[test]
fn default_function_and_sequence_field_choose_functions() {
    let fields = fields(&[
        ("k", DataType::not_null(TypeKind::Int)),
        ("s", nullable(TypeKind::Int)),
        ("a", nullable(TypeKind::Int)),
        ("b", nullable(TypeKind::Int)),
    ]);
    let row = |s: Value, a: i64, b: Value| (ADD, vec![1.into(), s, a.into(), b]);
    let records = [row(9.into(), 1, 1.into()), row(Value::Null, 2, Value::Null)];
    let run = |pairs: &[(&str, &str)]| {
        let merged = merge_one(MergeEngine::Aggregation, &fields, pairs, &records);
        merged.unwrap().unwrap().1
    };
    let default = ("fields.default-aggregate-function", "sum");
    let sequence = ("sequence.field", "s");
    let first = ("fields.b.aggregate-function", "first_value");
    assert_eq!(run(&[]), vec![1.into(), 9.into(), 2.into(), 1.into()]);
    assert_eq!(
        run(&[default]),
        vec![1.into(), 9.into(), 3.into(), 1.into()]
    );
    assert_eq!(
        run(&[default, sequence, first]),
        vec![1.into(), Value::Null, 3.into(), 1.into()]
    );
}

#[test]
fn retract_of_a_function_without_one_is_refused_or_ignored() {
    let run = |pairs: &[(&str, &str)]| {
        let records = [(ADD, 5.into()), (DELETE, 9.into()), (ADD, 2.into())];
        try_fold(nullable(TypeKind::Int), "max", pairs, &records)
    };
    let error = run(&[]).unwrap_err();
    assert!(
        error.to_string().contains("fields.v.ignore-retract"),
        "{error}"
    );
    assert_eq!(run(&[("ignore-retract", "true")]).unwrap(), 5.into());
}

#[test]
fn remove_record_on_delete_resets_the_row() {
    let fields = fields(&[("v", nullable(TypeKind::Int))]);
    let remove = ("aggregation.remove-record-on-delete", "true");
    let sum = ("fields.v.aggregate-function", "sum");
    let records: Vec<Record> = [(0, 5), (3, 7), (0, 1), (1, 2)]
        .map(|(kind, v)| (kind, vec![Value::Int(v)]))
        .to_vec();
    let run = |n: usize| {
        merge_one(
            MergeEngine::Aggregation,
            &fields,
            &[remove, sum],
            &records[..n],
        )
        .unwrap()
    };
    assert_eq!(run(2), Some((3, vec![7.into()], 1)));
    assert_eq!(run(3), Some((0, vec![8.into()], 2)));
    assert_eq!(run(4), Some((0, vec![6.into()], 3)));
    let ignore = ("fields.v.ignore-retract", "true");
    assert!(
        merge_one(
            MergeEngine::Aggregation,
            &fields,
            &[remove, sum, ignore],
            &records
        )
        .is_err()
    );
}
