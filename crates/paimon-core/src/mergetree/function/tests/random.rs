//! Random tables, options and records: the columnar merge against [`super::model`].
//!
//! `MERGE_SEED=<n>` runs one seed again, `MERGE_ROUNDS=<n>` more of them.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};

use super::model::{Function, Model};
use super::*;
use crate::spec::{DataType, TypeKind};

const ROUNDS: u64 = 1000;

/// A generated table.
struct Table {
    fields: Vec<DataField>,
    options: Vec<(String, String)>,
    model: Model,
    /// Columns compared as multisets.
    unordered: Vec<bool>,
    engine: MergeEngine,
}

fn nested_row() -> DataType {
    DataType::nullable(TypeKind::Row(fields(&[
        ("k", DataType::nullable(TypeKind::Int)),
        ("s", DataType::nullable(TypeKind::Int)),
        ("v", DataType::string()),
    ])))
}

fn types() -> Vec<DataType> {
    let int = || DataType::nullable(TypeKind::BigInt);
    let timed = DataType::nullable(TypeKind::Row(fields(&[
        ("v", int()),
        ("t", DataType::string()),
    ])));
    let map = |value| TypeKind::Map(Box::new(DataType::string()), Box::new(value));
    [
        TypeKind::BigInt,
        TypeKind::Double,
        TypeKind::Decimal {
            precision: 6,
            scale: 2,
        },
        TypeKind::Boolean,
        TypeKind::VarChar(crate::spec::MAX_LENGTH),
        TypeKind::Array(Box::new(int())),
        TypeKind::Array(Box::new(DataType::nullable(TypeKind::VarBinary(9)))),
        TypeKind::Array(Box::new(nested_row())),
        map(int()),
        map(timed),
    ]
    .into_iter()
    .map(DataType::nullable)
    .collect()
}

fn functions_of(data_type: &DataType) -> Vec<&'static str> {
    let any = [
        "last_value",
        "last_non_null_value",
        "first_value",
        "first_non_null_value",
    ];
    let own: &[&str] = match &data_type.kind {
        TypeKind::BigInt | TypeKind::Double => &["sum", "sum", "product", "max", "min"],
        TypeKind::Decimal { .. } => &["sum", "sum", "max", "min"],
        TypeKind::Boolean => &["bool_and", "bool_or", "max", "min"],
        TypeKind::VarChar(_) => &["listagg", "listagg", "max", "min"],
        TypeKind::Array(e) if e.kind.is_nested() => &[
            "nested_update",
            "nested_update",
            "nested_partial_update",
            "collect",
        ],
        TypeKind::Array(_) => &["collect", "collect", "collect"],
        TypeKind::Map(_, v) if v.kind.is_nested() => &["merge_map", "merge_map_with_keytime"],
        _ => &["merge_map", "merge_map"],
    };
    [own, &any].concat()
}

fn value(rng: &mut StdRng, data_type: &DataType, nulls: f64) -> Value {
    if data_type.nullable && rng.random_bool(nulls) {
        return Value::Null;
    }
    let inner = nulls / 2.0;
    match &data_type.kind {
        TypeKind::Int | TypeKind::BigInt if rng.random_bool(0.001) => {
            Value::Int(i64::from(i32::MAX))
        }
        TypeKind::Int => Value::Int(rng.random_range(0..4)),
        TypeKind::BigInt => Value::Int(rng.random_range(-3..5)),
        TypeKind::Double => Value::Double(*[0.0, -0.0, 1.5, -2.0, 0.25].choose(rng).unwrap()),
        TypeKind::Decimal { .. } => Value::Decimal(rng.random_range(-999_999..=999_999)),
        TypeKind::Boolean => Value::Bool(rng.random()),
        TypeKind::VarChar(_) => Value::Text(
            ["", " ", "a", "b", "a,b", "c,,a", ",", "b, ", "é"]
                .choose(rng)
                .unwrap()
                .to_string(),
        ),
        TypeKind::VarBinary(_) => bytes(rng),
        TypeKind::Array(e) => {
            let n = rng.random_range(0..4);
            Value::List((0..n).map(|_| value(rng, e, inner)).collect())
        }
        TypeKind::Map(_, v) => {
            let mut keys = ["x", "y", "z"].to_vec();
            keys.shuffle(rng);
            keys.truncate(rng.random_range(0..=3));
            let entry = |k: &str| Value::Row(vec![k.into(), value(rng, v, inner)]);
            Value::List(keys.into_iter().map(entry).collect())
        }
        TypeKind::Row(fields) => Value::Row(
            fields
                .iter()
                .map(|f| value(rng, &f.data_type, inner))
                .collect(),
        ),
        other => panic!("{other}"),
    }
}

fn table(rng: &mut StdRng, engine: MergeEngine) -> Table {
    let mut columns: Vec<(String, DataType, Option<usize>, bool)> = Vec::new();
    let groups = match engine {
        MergeEngine::PartialUpdate => rng.random_range(0..=2),
        _ => 0,
    };
    let mut options: Vec<(String, String)> = Vec::new();
    let mut set = |key: String, value: &str| options.push((key, value.to_string()));
    let types = types();
    for i in 0..rng.random_range(1..6) {
        let nullable = rng.random_bool(0.9);
        let data_type = types.choose(rng).unwrap().with_nullable(nullable);
        let group = (groups > 0 && rng.random_bool(0.8)).then(|| rng.random_range(0..groups));
        columns.push((format!("c{i}"), data_type, group, false));
    }
    let sequence = [TypeKind::Int, TypeKind::BigInt, TypeKind::Date];
    for group in 0..groups {
        let names: Vec<String> = (0..rng.random_range(1..=2))
            .map(|i| format!("g{group}{i}"))
            .collect();
        let protected: Vec<&str> = columns
            .iter()
            .filter(|c| c.2 == Some(group))
            .map(|c| c.0.as_str())
            .collect();
        // Java needs a protected column; the ordering ones may stand there themselves
        let protected = match protected.is_empty() {
            true => names[0].clone(),
            false => protected.join(","),
        };
        set(
            format!("fields.{}.sequence-group", names.join(",")),
            &protected,
        );
        for name in names {
            let kind = match sequence.choose(rng).unwrap() {
                TypeKind::Date => TypeKind::Int,
                kind => kind.clone(),
            };
            columns.push((name, DataType::nullable(kind), Some(group), true));
        }
    }
    columns.shuffle(rng);

    let partial_update = engine == MergeEngine::PartialUpdate;
    let mut model = Model {
        partial_update,
        not_null: columns.iter().map(|c| !c.1.nullable).collect(),
        ..Model::default()
    };
    let mut unordered = Vec::new();
    let ordering_of = |group: usize| -> Vec<usize> {
        let mut of: Vec<usize> = (0..columns.len())
            .filter(|i| columns[*i].3 && columns[*i].2 == Some(group))
            .collect();
        of.sort_by_key(|i| columns[*i].0.clone());
        of
    };
    if partial_update {
        match rng.random_range(0..3) {
            0 => {
                set("ignore-delete".into(), "true");
                model.ignore_delete = true;
            }
            1 if groups == 0 => {
                set("partial-update.remove-record-on-delete".into(), "true");
                model.remove_on_delete = true;
            }
            1 => {
                let column = ordering_of(rng.random_range(0..groups))[0];
                let key = "partial-update.remove-record-on-sequence-group";
                set(key.into(), &columns[column].0);
                model.remove_on_group = vec![column];
            }
            _ => {}
        }
    } else if rng.random_bool(0.3) {
        set("aggregation.remove-record-on-delete".into(), "true");
        model.remove_on_delete = true;
    }
    for (name, data_type, group, ordering) in &columns {
        model.groups.push(group.map(ordering_of));
        let plain = *ordering || partial_update && (group.is_none() || rng.random_bool(0.3));
        if plain {
            model.functions.push(None);
            unordered.push(false);
            continue;
        }
        let function = function(rng, name, data_type, model.remove_on_delete, &mut set);
        unordered.push(is_unordered(&function));
        model.functions.push(Some(function));
    }
    let fields = columns
        .iter()
        .map(|(name, t, ..)| (name.as_str(), t.clone()));
    Table {
        fields: super::fields(&fields.collect::<Vec<_>>()),
        options,
        model,
        unordered,
        engine,
    }
}

fn bytes(rng: &mut StdRng) -> Value {
    Value::Bytes(vec![rng.random_range(0..3); rng.random_range(0..2)])
}

fn is_unordered(function: &Function) -> bool {
    match function.name.as_str() {
        "merge_map" | "merge_map_with_keytime" => true,
        "collect" => function.distinct,
        "nested_update" | "nested_partial_update" => !function.key.is_empty(),
        _ => false,
    }
}

fn function(
    rng: &mut StdRng,
    column: &str,
    data_type: &DataType,
    remove_on_delete: bool,
    set: &mut impl FnMut(String, &str),
) -> Function {
    let name = *functions_of(data_type).choose(rng).unwrap();
    let mut option = |suffix: &str, value: &str| set(format!("fields.{column}.{suffix}"), value);
    option("aggregate-function", name);
    let mut function = Function {
        name: name.to_string(),
        delimiter: ",".into(),
        limit: i32::MAX as usize,
        null_keys: "merge".into(),
        ..Function::default()
    };
    if !remove_on_delete && rng.random_bool(0.4) {
        option("ignore-retract", "true");
        function.ignore_retract = true;
    }
    if ["listagg", "collect"].contains(&name) && rng.random() {
        option("distinct", "true");
        function.distinct = true;
    }
    if let TypeKind::Array(e) = &data_type.kind {
        function.equaliser = e.kind.is_nested() || e.kind.is_binary();
    }
    if name == "listagg" && rng.random() {
        option("list-agg-delimiter", "; ");
        function.delimiter = "; ".into();
    }
    if name == "nested_update" && rng.random_bool(0.3) {
        option("count-limit", "3");
        function.limit = 3;
    }
    if name.starts_with("nested") && (name == "nested_partial_update" || rng.random_bool(0.7)) {
        let (key, value) = [(vec![0], "k"), (vec![2, 0], "v, k")]
            .choose(rng)
            .unwrap()
            .clone();
        option("nested-key", value);
        function.key = key;
        function.null_keys = ["merge", "ignore", "ignore", "error"]
            .choose(rng)
            .unwrap()
            .to_string();
        option("nested-key-null-strategy", &function.null_keys);
        if name == "nested_update" && rng.random() {
            option("nested-sequence-field", "s");
            function.sequence = vec![1];
        }
    }
    function
}

fn records(rng: &mut StdRng, table: &Table) -> Vec<Vec<Record>> {
    let retracts = *[0.0, 0.0, 0.1, 0.4].choose(rng).unwrap();
    let nulls = *[0.0, 0.2, 0.5].choose(rng).unwrap();
    let longest = *[2, 4, 12].choose(rng).unwrap();
    let record = |rng: &mut StdRng| {
        let kind = match rng.random_bool(retracts) {
            true => *[1, 3].choose(rng).unwrap(),
            false => *[0, 2].choose(rng).unwrap(),
        };
        let row = table.fields.iter().map(|f| value(rng, &f.data_type, nulls));
        (kind, row.collect())
    };
    (0..rng.random_range(1..8))
        .map(|_| {
            let n = rng.random_range(1..=longest);
            (0..n).map(|_| record(rng)).collect()
        })
        .collect()
}

/// Result with the columns of undefined order sorted; a deleted row's NOT NULL columns are not compared.
fn comparable(merged: Merged, table: &Table) -> Merged {
    let row = |(kind, row, last): (i8, Vec<Value>, usize)| {
        let column = |(i, v): (usize, Value)| match (table.unordered[i], table.model.not_null[i]) {
            (_, true) if kind == DELETE => Value::Null,
            (true, _) => v.sorted(),
            _ => v,
        };
        (
            kind,
            row.into_iter().enumerate().map(column).collect(),
            last,
        )
    };
    merged.into_iter().map(|key| key.map(row)).collect()
}

/// Whether both agreed on a result (and not on a failure).
fn round(seed: u64) -> bool {
    let mut rng = StdRng::seed_from_u64(seed);
    let engine = match rng.random_bool(0.6) {
        true => MergeEngine::PartialUpdate,
        false => MergeEngine::Aggregation,
    };
    let table = table(&mut rng, engine);
    let pairs: Vec<(&str, &str)> = table
        .options
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let function =
        create_merge_function(table.engine, &table.fields, &[], &super::options(&pairs)).unwrap();
    let mut agreed = false;
    for _ in 0..4 {
        let keys = records(&mut rng, &table);
        let expected = table.model.merge(&keys);
        let found = merge(function.as_ref(), &table.fields, &keys);
        match (expected, found) {
            (Ok(expected), Ok(found)) => {
                // as text: NaN is itself, 0.0 is not -0.0
                assert_eq!(
                    format!("{:?}", comparable(expected, &table)),
                    format!("{:?}", comparable(found, &table)),
                    "seed {seed}, expected left\n{keys:?}\n{:?}\n{:?}",
                    table.options,
                    table.fields
                );
                agreed = true;
            }
            (Err(_), Err(_)) => {}
            (expected, found) => panic!(
                "seed {seed}: expected {expected:?}, found {found:?}\n{keys:?}\n{:?}\n{:?}",
                table.options, table.fields
            ),
        }
    }
    agreed
}

#[test]
fn random_tables_merge_as_the_model_does() {
    let number = |key: &str| std::env::var(key).ok().and_then(|v| v.parse::<u64>().ok());
    if let Some(seed) = number("MERGE_SEED") {
        round(seed);
        return;
    }
    let rounds = number("MERGE_ROUNDS").unwrap_or(ROUNDS);
    let agreed = (0..rounds).filter(|seed| round(*seed)).count();
    assert!(
        agreed as u64 > rounds / 2,
        "only {agreed} rounds gave a result"
    );
}
