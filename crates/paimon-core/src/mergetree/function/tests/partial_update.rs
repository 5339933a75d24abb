//! Partial update: kinds, sequence groups, required columns.

use super::*;
use crate::ErrorKind;
use crate::spec::TypeKind;

const NULL: Value = Value::Null;

fn int(nullable: bool) -> DataType {
    DataType::nullable(TypeKind::Int).with_nullable(nullable)
}

/// Key k, columns a to d.
fn table() -> Vec<DataField> {
    let names = ["k", "a", "b", "c", "d"];
    fields(&names.map(|name| (name, int(name != "k"))))
}

fn record(kind: i8, values: [Option<i64>; 4]) -> Record {
    let rest = values.into_iter().map(|v| v.map_or(NULL, Value::Int));
    (kind, std::iter::once(Value::Int(1)).chain(rest).collect())
}

fn run(pairs: &[(&str, &str)], records: &[Record]) -> Result<(i8, [Option<i64>; 4], usize)> {
    let merged = merge_one(MergeEngine::PartialUpdate, &table(), pairs, records)?;
    let (kind, row, last) = merged.unwrap();
    Ok((kind, std::array::from_fn(|i| row[i + 1].int()), last))
}

#[test]
fn columns_take_their_last_non_null_value() {
    let records = [
        record(0, [Some(1), Some(1), None, None]),
        record(2, [Some(2), None, None, Some(4)]),
        record(0, [None, None, None, None]),
    ];
    let expected = (0, [Some(2), Some(1), None, Some(4)], 2);
    assert_eq!(run(&[], &records).unwrap(), expected);
}

#[test]
fn deletes_need_a_rule() {
    let records = [
        record(0, [Some(1), Some(1), None, None]),
        record(3, [None, Some(7), None, None]),
        record(0, [Some(3), None, None, None]),
    ];
    let error = run(&[], &records).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    for key in ["ignore-delete", "partial-update.ignore-delete"] {
        let found = run(&[(key, "true")], &records).unwrap();
        assert_eq!(found, (0, [Some(3), Some(1), None, None], 2));
    }
    let remove = [("partial-update.remove-record-on-delete", "true")];
    assert_eq!(
        run(&remove, &records[..2]).unwrap(),
        (3, [None, Some(7), None, None], 1)
    );
    // values of the delete stay as base values
    assert_eq!(
        run(&remove, &records).unwrap(),
        (0, [Some(3), Some(7), None, None], 2)
    );
    // -U is skipped, and clears the mark
    let update = [&records[..2], &[record(1, [Some(9); 4])]].concat();
    assert_eq!(
        run(&remove, &update).unwrap(),
        (0, [None, Some(7), None, None], 2)
    );
}

#[test]
fn without_an_add_the_result_is_a_delete() {
    let records = [
        record(1, [Some(1), None, None, None]),
        record(3, [Some(2), None, None, None]),
    ];
    let found = run(&[("ignore-delete", "true")], &records).unwrap();
    assert_eq!(found, (3, [Some(1), None, None, None], 1));
}

#[test]
fn null_in_a_not_null_column_is_refused() {
    let fields = fields(&[("a", int(false)), ("b", int(true))]);
    let group = [("fields.b.sequence-group", "a")];
    let records = [
        (0, vec![Value::Int(1), Value::Int(1)]),
        (1, vec![Value::Int(1), Value::Int(2)]),
    ];
    let error = merge_one(MergeEngine::PartialUpdate, &fields, &group, &records).unwrap_err();
    assert!(error.to_string().contains("'a' can not be null"), "{error}");
    // a record that ends deleted is not read: no complaint
    let found = merge_one(MergeEngine::PartialUpdate, &fields, &group, &records[1..]);
    assert_eq!(found.unwrap().unwrap().0, 3);
}

#[test]
fn groups_follow_their_ordering_columns() {
    let groups = [
        ("fields.b.sequence-group", "a"),
        ("fields.d.sequence-group", "c"),
    ];
    let records = [
        record(0, [Some(1), Some(5), Some(1), Some(1)]),
        // late for the first group, a null for the second
        record(0, [Some(2), Some(4), None, Some(2)]),
        // ties win; the second group is skipped
        record(0, [Some(3), Some(5), Some(9), None]),
    ];
    let found = run(&groups, &records).unwrap();
    assert_eq!(found, (0, [Some(3), Some(5), None, Some(2)], 2));
}

#[test]
fn two_ordering_columns_compare_one_after_the_other_with_nulls_smallest() {
    let groups = [("fields.b,c.sequence-group", "a")];
    let records = [
        record(0, [Some(1), Some(1), Some(1), None]),
        record(0, [Some(2), Some(1), None, None]),
        record(0, [Some(3), None, Some(9), None]),
    ];
    let expected = (0, [Some(1), Some(1), Some(1), None], 2);
    assert_eq!(run(&groups, &records).unwrap(), expected);
    let newer = [&records[..], &[record(0, [None, Some(2), None, Some(4)])]].concat();
    let expected = (0, [None, Some(2), None, Some(4)], 3);
    assert_eq!(run(&groups, &newer).unwrap(), expected);
}

#[test]
fn late_records_aggregate_in_reverse() {
    let fields = fields(&[
        ("g", int(true)),
        ("l", DataType::string()),
        ("f", int(true)),
        ("s", int(true)),
    ]);
    let pairs = [
        ("fields.g.sequence-group", "l,f,s"),
        ("fields.l.aggregate-function", "listagg"),
        ("fields.f.aggregate-function", "first_value"),
        ("fields.s.aggregate-function", "sum"),
    ];
    let record = |g: i64, l: &str, v: i64| (0, vec![g.into(), l.into(), v.into(), v.into()]);
    let records = [record(2, "b", 2), record(1, "a", 1), record(3, "c", 3)];
    let found = merge_one(MergeEngine::PartialUpdate, &fields, &pairs, &records).unwrap();
    let expected: Vec<Value> = vec![3.into(), "a,b,c".into(), 1.into(), 6.into()];
    assert_eq!(found, Some((0, expected, 2)));
}

#[test]
fn group_retracts_clear_plain_columns_and_may_remove_the_row() {
    let groups = [
        ("fields.b.sequence-group", "a"),
        ("fields.d.sequence-group", "c"),
    ];
    let records = [
        record(0, [Some(1), Some(5), Some(1), Some(5)]),
        record(3, [Some(8), Some(6), Some(8), Some(4)]),
    ];
    // first group newer: cleared; second older: untouched
    assert_eq!(
        run(&groups, &records).unwrap(),
        (0, [None, Some(6), Some(1), Some(5)], 1)
    );
    let remove = |column| {
        let option = ("partial-update.remove-record-on-sequence-group", column);
        run(&[groups[0], groups[1], option], &records).unwrap()
    };
    assert_eq!(remove("b"), (3, [Some(8), Some(6), Some(8), Some(4)], 1));
    assert_eq!(remove("d"), (0, [None, Some(6), Some(1), Some(5)], 1));
}

#[test]
fn contradicting_options_are_refused() {
    let group = ("fields.b.sequence-group", "a");
    let on_group = "partial-update.remove-record-on-sequence-group";
    let remove = ("partial-update.remove-record-on-delete", "true");
    let ignore = ("ignore-delete", "true");
    for pairs in [
        &[remove, ignore][..],
        &[remove, group],
        &[group, ignore, (on_group, "b")],
        &[group, (on_group, "a")],
        &[("fields.b.sequence-group", "k")],
        &[group, ("fields.c.sequence-group", "a")],
        &[group, ("fields.c,b.sequence-group", "d")],
        &[("fields.a.aggregate-function", "sum")],
        &[("ignore-delete", "yes")],
        &[group, ("fields.default-aggregate-function", "no")],
    ] {
        let found = run(pairs, &[record(0, [None; 4])]);
        assert!(found.is_err(), "{pairs:?}");
    }
    let plain = ("fields.default-aggregate-function", "last_non_null_value");
    assert!(run(&[plain], &[record(0, [None; 4])]).is_ok());
}

#[test]
fn required_columns_are_the_ordering_ones_of_touched_and_removing_groups() {
    let pairs = options(&[
        ("fields.b,c.sequence-group", "a"),
        ("fields.d.sequence-group", "e"),
    ]);
    let fields = fields(&["k", "a", "b", "c", "d", "e", "f"].map(|n| (n, int(true))));
    let key = ["k".to_string()];
    let run = |projected: &[&str], options: &HashMap<String, String>| {
        let projected: Vec<String> = projected.iter().map(|c| c.to_string()).collect();
        required_columns(
            MergeEngine::PartialUpdate,
            &projected,
            &fields,
            &key,
            options,
        )
        .unwrap()
    };
    assert_eq!(run(&["f"], &pairs), Vec::<String>::new());
    assert_eq!(run(&["a"], &pairs), ["b", "c"]);
    assert_eq!(run(&["c", "a"], &pairs), ["b"]);
    assert_eq!(run(&["c"], &pairs), ["b"]);
    let mut removing = pairs.clone();
    let key = "partial-update.remove-record-on-sequence-group";
    removing.insert(key.into(), "d".into());
    assert_eq!(run(&["c", "a"], &removing), ["b", "d"]);
    assert_eq!(run(&["f"], &removing), ["d"]);
}

#[test]
fn groups_that_are_not_read_do_not_matter() {
    let fields = fields(&[("c", int(true)), ("b", int(true)), ("a", int(true))]);
    let pairs = [
        ("fields.b.sequence-group", "a,x"),
        ("fields.y.sequence-group", "z"),
    ];
    let row = |c: i64, b: i64, a: i64| (0, vec![Value::Int(c), Value::Int(b), Value::Int(a)]);
    let records = [row(1, 2, 1), row(2, 1, 2)];
    let found = merge_one(MergeEngine::PartialUpdate, &fields, &pairs, &records).unwrap();
    assert_eq!(found, Some((0, vec![2.into(), 2.into(), 1.into()], 1)));
    let without = [("fields.y.sequence-group", "a")];
    assert!(merge_one(MergeEngine::PartialUpdate, &fields, &without, &records).is_err());
}
