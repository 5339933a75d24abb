//! Random UPDATE, DELETE and MERGE statements against a model. After each statement the rows are those of the model, the
//! count is right and `fsck` finds nothing.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use paimon_core::maintenance::fsck::fsck;
use paimon_datafusion::{PaimonSession, PaimonTableProvider, paimon_error};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::session;

type Row = (i32, Option<i32>, i32);

/// What a table looks like; `true`: with a primary key.
const TABLES: &[(bool, &str)] = &[
    (false, "CREATE TABLE t (id INT, a INT, p INT)"),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) PARTITIONED BY (p)",
    ),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) WITH ('deletion-vectors.enabled' = 'true')",
    ),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) PARTITIONED BY (p) WITH ('deletion-vectors.enabled' = 'true', 'deletion-vectors.bitmap64' = 'true')",
    ),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) WITH ('bucket' = '3', 'bucket-key' = 'id', 'deletion-vectors.enabled' = 'true')",
    ),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) WITH ('bucket' = '2', 'bucket-key' = 'id', 'file.format' = 'avro')",
    ),
    (
        false,
        "CREATE TABLE t (id INT, a INT, p INT) WITH ('row-tracking.enabled' = 'true', 'data-evolution.enabled' = 'true', 'deletion-vectors.enabled' = 'true')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '2')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '-1')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) PARTITIONED BY (p) WITH ('bucket' = '-1')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '1', 'deletion-vectors.enabled' = 'true')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '-2')",
    ),
    (
        true,
        "CREATE TABLE t (id INT NOT NULL, a INT, p INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('bucket' = '2', 'changelog-producer' = 'input', 'write-only' = 'true')",
    ),
];

/// A condition with SQL's three values.
#[derive(Debug, Clone)]
enum Condition {
    Compare(&'static str, &'static str, i32),
    IsNull,
    Divides(i32, i32),
    In(Vec<i32>),
    AboveAverage,
    /// `a <op> ANY | ALL (SELECT ..)`; `true`: ANY.
    Quantified(&'static str, bool, Vec<Option<i32>>),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn random(rng: &mut StdRng, depth: u32) -> Self {
        let inner = |rng: &mut StdRng| Box::new(Self::random(rng, depth - 1));
        match rng.random_range(0..if depth > 0 { 10 } else { 7 }) {
            0..2 => Self::Compare(
                ["id", "a", "p"][rng.random_range(0..3)],
                OPERATORS[rng.random_range(0..OPERATORS.len())],
                rng.random_range(0..30),
            ),
            2 => Self::IsNull,
            3 => Self::Divides(rng.random_range(2..5), rng.random_range(0..2)),
            4 => Self::In((0..3).map(|_| rng.random_range(0..30)).collect()),
            5 => Self::AboveAverage,
            6 => Self::Quantified(
                OPERATORS[rng.random_range(0..OPERATORS.len())],
                rng.random_bool(0.5),
                (0..rng.random_range(0..4))
                    .map(|_| rng.random_bool(0.8).then(|| rng.random_range(0..30)))
                    .collect(),
            ),
            7 => Self::Not(inner(rng)),
            8 => Self::And(inner(rng), inner(rng)),
            _ => Self::Or(inner(rng), inner(rng)),
        }
    }

    fn sql(&self) -> String {
        match self {
            Self::Compare(column, op, value) => format!("{column} {op} {value}"),
            Self::IsNull => "a IS NULL".to_string(),
            Self::Divides(by, rest) => format!("id % {by} = {rest}"),
            Self::In(values) => {
                let rows: Vec<String> = values.iter().map(|v| format!("({v})")).collect();
                format!(
                    "id IN (SELECT column1 + 0 AS k FROM (VALUES {}))",
                    rows.join(", ")
                )
            }
            Self::AboveAverage => "a > (SELECT avg(a) FROM t)".to_string(),
            Self::Quantified(op, any, values) => {
                let word = if *any { "ANY" } else { "ALL" };
                let rows: Vec<String> = values
                    .iter()
                    .map(|v| v.map_or("(NULL, 1)".to_string(), |v| format!("({v}, 1)")))
                    .collect();
                format!(
                    "a {op} {word} (SELECT CAST(column1 AS INT) AS k FROM (VALUES (0, 0), {}) WHERE column2 = 1)",
                    match rows.is_empty() {
                        true => "(0, 0)".to_string(),
                        false => rows.join(", "),
                    }
                )
            }
            Self::Not(inner) => format!("NOT ({})", inner.sql()),
            Self::And(a, b) => format!("({}) AND ({})", a.sql(), b.sql()),
            Self::Or(a, b) => format!("({}) OR ({})", a.sql(), b.sql()),
        }
    }

    fn holds(&self, row: &Row, all: &[Row]) -> Option<bool> {
        match self {
            Self::Compare(column, op, value) => {
                let found = match *column {
                    "id" => Some(row.0),
                    "a" => row.1,
                    _ => Some(row.2),
                }?;
                Some(compare(found, op, *value))
            }
            Self::IsNull => Some(row.1.is_none()),
            Self::Divides(by, rest) => Some(row.0 % by == *rest),
            Self::In(values) => Some(values.contains(&row.0)),
            Self::AboveAverage => {
                let known: Vec<f64> = all.iter().filter_map(|r| r.1).map(f64::from).collect();
                let sum: f64 = known.iter().sum();
                let average = (!known.is_empty()).then(|| sum / known.len() as f64)?;
                Some(f64::from(row.1?) > average)
            }
            Self::Quantified(op, any, values) => {
                let each = values.iter().map(|v| Some(compare(row.1?, op, (*v)?)));
                let each: Vec<Option<bool>> = each.collect();
                match each.contains(&Some(*any)) {
                    true => Some(*any),
                    false if each.contains(&None) => None,
                    false => Some(!*any),
                }
            }
            Self::Not(inner) => inner.holds(row, all).map(|b| !b),
            Self::And(a, b) => match (a.holds(row, all), b.holds(row, all)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(a, b) => match (a.holds(row, all), b.holds(row, all)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

const OPERATORS: &[&str] = &["<", "<=", "=", "<>", ">", ">="];

fn compare(left: i32, op: &str, right: i32) -> bool {
    match op {
        "<" => left < right,
        "<=" => left <= right,
        "=" => left == right,
        "<>" => left != right,
        ">" => left > right,
        _ => left >= right,
    }
}

/// The first rows of a statement: how many, and the clauses that say so.
fn first(rng: &mut StdRng) -> (usize, &'static str, String) {
    let limit = rng.random_range(0..6);
    match rng.random_range(0..4) {
        0 => (
            limit,
            "up",
            format!(" ORDER BY id, a NULLS FIRST, p LIMIT {limit}"),
        ),
        1 => (
            limit,
            "down",
            format!(" ORDER BY id DESC, a DESC NULLS LAST, p DESC LIMIT {limit}"),
        ),
        _ => (usize::MAX, "up", String::new()),
    }
}

/// Which rows are hit: of those that the condition means the first ones.
fn hit(
    rows: &[Row],
    condition: &Condition,
    (limit, direction, _): &(usize, &'static str, String),
) -> Vec<bool> {
    let mut meant: Vec<usize> = (0..rows.len())
        .filter(|i| condition.holds(&rows[*i], rows) == Some(true))
        .collect();
    meant.sort_by_key(|i| rows[*i]);
    if *direction == "down" {
        meant.reverse();
    }
    meant.truncate(*limit);
    (0..rows.len()).map(|i| meant.contains(&i)).collect()
}

struct World {
    session: PaimonSession,
    rows: Vec<Row>,
    keyed: bool,
    log: Vec<String>,
}

/// The result of a statement by the model; `None`: an error.
type Expected = Option<(i64, Vec<Row>)>;

impl World {
    async fn run(&mut self, sql: String, expected: Expected) {
        self.log.push(sql.clone());
        let result = async { self.session.sql(&sql).await?.collect().await }.await;
        match (result, expected) {
            (Ok(batches), Some((count, rows))) => {
                let found = batches[0].column(0).as_primitive::<Int64Type>().value(0);
                assert_eq!(found, count, "count; {}", self.log.join(";\n"));
                self.rows = rows;
            }
            (Err(error), None) => {
                let own = paimon_error(&error).map(|e| e.message().to_string());
                let text = own.unwrap_or_default();
                assert!(text.contains("several rows of the source"), "{error}");
            }
            (Ok(_), None) => panic!("an error was expected; {}", self.log.join(";\n")),
            (Err(error), Some(_)) => panic!("{error}; {}", self.log.join(";\n")),
        }
        self.check().await;
    }

    async fn check(&mut self) {
        let frame = self.session.sql("SELECT id, a, p FROM t").await.unwrap();
        let mut found: Vec<Row> = Vec::new();
        for batch in frame.collect().await.unwrap() {
            let columns: Vec<_> = (0..3)
                .map(|i| batch.column(i).as_primitive::<Int32Type>().clone())
                .collect();
            for row in 0..batch.num_rows() {
                let a = columns[1].is_valid(row).then(|| columns[1].value(row));
                found.push((columns[0].value(row), a, columns[2].value(row)));
            }
        }
        found.sort_unstable();
        self.rows.sort_unstable();
        assert_eq!(found, self.rows, "{}", self.log.join(";\n"));
        let provider = self.session.context().table_provider("t").await.unwrap();
        let table = provider.downcast_ref::<PaimonTableProvider>().unwrap();
        let report = fsck(table.table()).await.unwrap();
        assert!(
            report.findings.is_empty(),
            "{:?}; {}",
            report.findings,
            self.log.join(";\n")
        );
    }

    async fn insert(&mut self, rng: &mut StdRng) {
        let mut rows = self.rows.clone();
        let new: Vec<Row> = (0..rng.random_range(1..12))
            .map(|_| random_row(rng))
            .collect();
        for row in &new {
            if self.keyed {
                rows.retain(|r| r.0 != row.0);
            }
            rows.push(*row);
        }
        let values: Vec<String> = new.iter().map(|r| values(*r)).collect();
        let sql = format!("INSERT INTO t VALUES {}", values.join(", "));
        let count = i64::try_from(new.len()).unwrap();
        self.run(sql, Some((count, rows))).await;
    }

    async fn delete(&mut self, rng: &mut StdRng) {
        let condition = Condition::random(rng, 2);
        let first = first(rng);
        let hit = hit(&self.rows, &condition, &first);
        let rest = self.rows.iter().zip(hit).filter(|(_, hit)| !hit);
        let rest: Vec<Row> = rest.map(|(row, _)| *row).collect();
        let count = i64::try_from(self.rows.len() - rest.len()).unwrap();
        let sql = format!("DELETE FROM t WHERE {}{}", condition.sql(), first.2);
        self.run(sql, Some((count, rest))).await;
    }

    async fn update(&mut self, rng: &mut StdRng) {
        let condition = Condition::random(rng, 2);
        let first = first(rng);
        let mut count = 0;
        let by = rng.random_range(0..5);
        let moves = rng.random_bool(0.3);
        let rows: Vec<Row> = self
            .rows
            .iter()
            .zip(hit(&self.rows, &condition, &first))
            .map(|(r, hit)| {
                if !hit {
                    return *r;
                }
                count += 1;
                (
                    r.0,
                    r.1.map(|a| a + by),
                    if moves { (r.2 + 1) % 3 } else { r.2 },
                )
            })
            .collect();
        let more = if moves { ", p = (p + 1) % 3" } else { "" };
        let sql = format!(
            "UPDATE t SET a = a + {by}{more} WHERE {}{}",
            condition.sql(),
            first.2
        );
        self.run(sql, Some((count, rows))).await;
    }

    /// `WHEN MATCHED AND s.a is small DELETE, MATCHED UPDATE, NOT MATCHED AND .. INSERT, BY SOURCE AND .. UPDATE`.
    async fn merge(&mut self, rng: &mut StdRng) {
        let mut source: Vec<Row> = (0..rng.random_range(1..10))
            .map(|_| random_row(rng))
            .collect();
        if rng.random_bool(0.7) {
            source.sort_unstable();
            source.dedup_by_key(|r| r.0);
        }
        let limit = rng.random_range(0..20);
        let by_source = Condition::random(rng, 1);
        let (updates, inserts, others) = (
            rng.random_bool(0.8),
            rng.random_bool(0.7),
            rng.random_bool(0.4),
        );
        let (mut count, mut rows, mut twice) = (0i64, Vec::new(), false);
        for row in &self.rows {
            let matches: Vec<&Row> = source.iter().filter(|s| s.0 == row.0).collect();
            let deletes = |s: &Row| s.1.is_some_and(|a| a < limit);
            let changing: Vec<&Row> = matches
                .iter()
                .copied()
                .filter(|s| updates || deletes(s))
                .collect();
            twice |= changing.len() > 1;
            match changing.first() {
                Some(s) => {
                    count += 1;
                    if !deletes(s) {
                        rows.push((row.0, s.1, row.2 + s.2));
                    }
                }
                None if matches.is_empty()
                    && others
                    && by_source.holds(row, &self.rows) == Some(true) =>
                {
                    count += 1;
                    rows.push((row.0, None, row.2));
                }
                None => rows.push(*row),
            }
        }
        for s in source
            .iter()
            .filter(|s| inserts && s.2 > 0 && !self.rows.iter().any(|r| r.0 == s.0))
        {
            count += 1;
            if self.keyed && rows.iter().any(|r| r.0 == s.0) {
                // which of two inserted rows stays is open
                return;
            }
            rows.push(*s);
        }
        let shown: Vec<String> = source.iter().map(|r| values(*r)).collect();
        let mut sql = format!(
            "MERGE INTO t USING (SELECT column1 AS id, column2 AS a, column3 AS p FROM (VALUES {})) s ON t.id = s.id \
             WHEN MATCHED AND s.a < {limit} THEN DELETE",
            shown.join(", ")
        );
        if updates {
            sql.push_str(" WHEN MATCHED THEN UPDATE SET a = s.a, p = t.p + s.p");
        }
        if inserts {
            sql.push_str(" WHEN NOT MATCHED AND s.p > 0 THEN INSERT *");
        }
        if others {
            sql.push_str(&format!(
                " WHEN NOT MATCHED BY SOURCE AND {} THEN UPDATE SET a = NULL",
                by_source.sql()
            ));
        }
        let expected = (!twice).then_some((count, rows));
        self.run(sql, expected).await;
    }
}

fn random_row(rng: &mut StdRng) -> Row {
    let a = rng.random_bool(0.8).then(|| rng.random_range(0..30));
    (rng.random_range(0..30), a, rng.random_range(0..3))
}

fn values(row: Row) -> String {
    let a = row.1.map_or("NULL".to_string(), |a| a.to_string());
    format!("({}, CAST({a} AS INT), {})", row.0, row.2)
}

async fn history(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (keyed, create) = TABLES[usize::try_from(seed).unwrap() % TABLES.len()];
    println!("seed {seed}: {create}");
    let folder = tempfile::tempdir().unwrap();
    let session = session(folder.path());
    session.sql(create).await.unwrap().collect().await.unwrap();
    let mut world = World {
        session,
        rows: Vec::new(),
        keyed,
        log: vec![format!("seed {seed}"), create.to_string()],
    };
    world.insert(&mut rng).await;
    for _ in 0..8 {
        match rng.random_range(0..8) {
            0..2 => world.insert(&mut rng).await,
            2..4 => world.delete(&mut rng).await,
            4..6 => world.update(&mut rng).await,
            _ => world.merge(&mut rng).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_changes_equal_the_model() {
    let number = |name: &str, default: u64| {
        let value = std::env::var(name).ok();
        value.map_or(default, |v| v.parse().unwrap())
    };
    let first = number("PAIMON_TEST_SEED", 1);
    for seed in first..first + number("PAIMON_TEST_HISTORIES", 30) {
        Box::pin(history(seed)).await;
    }
}
