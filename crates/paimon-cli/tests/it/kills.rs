//! The real program, killed at random moments and racing with itself: nothing acknowledged is lost or there twice.
//!
//! `PAIMON_KILLS` is the number of kills, `PAIMON_RACE` the number of statements of each racing process, `SEED` the
//! seed. For a soak: `PAIMON_KILLS=1000 PAIMON_RACE=50 cargo test -p paimon-cli --test it kills`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::{Run, command, paimon, warehouse};

/// Retention that leaves a handful of snapshots, compaction after nearly every commit, changelogs of lookups.
const UPSERTS: &str = "CREATE TABLE u (k INT PRIMARY KEY NOT ENFORCED, v INT) WITH ('bucket' = '2',
  'changelog-producer' = 'lookup', 'num-sorted-run.compaction-trigger' = '3',
  'snapshot.num-retained.min' = '2', 'snapshot.num-retained.max' = '6',
  'changelog.num-retained.min' = '1000000', 'changelog.num-retained.max' = '1000000')";
const APPENDS: &str = "CREATE TABLE a (id INT, v INT) WITH ('bucket' = '1', 'bucket-key' = 'id',
  'compaction.min.file-num' = '2', 'snapshot.num-retained.min' = '2', 'snapshot.num-retained.max' = '6')";
/// Rows that count: one that is there twice shows.
const SUMS: &str = "CREATE TABLE s (k INT PRIMARY KEY NOT ENFORCED, n BIGINT) WITH ('bucket' = '2',
  'merge-engine' = 'aggregation', 'fields.n.aggregate-function' = 'sum',
  'num-sorted-run.compaction-trigger' = '3', 'snapshot.num-retained.min' = '2', 'snapshot.num-retained.max' = '10')";

/// Statements of a run; a kill comes long before the last.
const STATEMENTS: u32 = 400;
const KEYS: u32 = 40;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |t| t.parse().expect("a number"))
}

fn ok(run: Run) -> String {
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

fn sql(warehouse: &Path, statements: &str) -> String {
    ok(paimon(
        warehouse,
        &["-q", "--format", "csv", "-c", statements],
    ))
}

/// Rows of whole numbers below the header of a result.
fn numbers(csv: &str) -> Vec<Vec<i64>> {
    let lines = csv.lines().skip(1);
    lines
        .map(|l| l.split(',').map(|n| n.parse().unwrap()).collect())
        .collect()
}

fn rows(warehouse: &Path, query: &str) -> Vec<Vec<i64>> {
    numbers(&sql(warehouse, query))
}

/// What the tables hold: of the upserts the value of each key, of the appended rows their number.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    upserts: BTreeMap<i64, i64>,
    appended: i64,
}

/// A statement and what it does.
#[derive(Clone)]
enum Change {
    Upsert(Vec<(i64, i64)>),
    /// Ids from the first to before the second.
    Append(i64, i64),
}

impl Change {
    fn sql(&self) -> String {
        let (table, rows): (&str, Vec<(i64, i64)>) = match self {
            Self::Upsert(rows) => ("u", rows.clone()),
            Self::Append(from, to) => ("a", (*from..*to).map(|id| (id, id)).collect()),
        };
        let rows: Vec<String> = rows.iter().map(|(a, b)| format!("({a}, {b})")).collect();
        format!("INSERT INTO {table} VALUES {}", rows.join(", "))
    }

    fn apply(&self, model: &mut Model) {
        match self {
            Self::Upsert(rows) => model.upserts.extend(rows.iter().copied()),
            Self::Append(_, to) => model.appended = *to,
        }
    }
}

/// Changes that follow on a state; the values are new ones.
fn changes(random: &mut StdRng, model: &Model, next_value: &mut i64) -> Vec<Change> {
    let mut appended = model.appended;
    let mut out = Vec::new();
    for i in 0..STATEMENTS {
        if i % 3 == 2 {
            let to = appended + random.random_range(1..5);
            out.push(Change::Append(appended, to));
            appended = to;
            continue;
        }
        let mut rows = BTreeMap::new();
        for _ in 0..random.random_range(1..8) {
            *next_value += 1;
            rows.insert(i64::from(random.random_range(0..KEYS)), *next_value);
        }
        out.push(Change::Upsert(rows.into_iter().collect()));
    }
    out
}

/// Runs statements and kills the program after a while; how many it had acknowledged.
fn killed(warehouse: &Path, changes: &[Change], after: Duration) -> usize {
    let mut script = String::new();
    for change in changes {
        writeln!(script, "{};", change.sql()).unwrap();
    }
    let file = warehouse.join("script.sql");
    std::fs::write(&file, script).unwrap();
    let mut child = command()
        .arg("--warehouse")
        .arg(warehouse)
        .args(["-q", "--format", "csv", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    std::thread::sleep(after);
    let ended = child.try_wait().unwrap();
    assert!(ended.is_none(), "the program ended by itself: {ended:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let text = reader.join().unwrap().unwrap();
    // each statement prints `count` and its number of rows
    text.matches("count\n").count()
}

/// Both columns of a table, sorted.
fn found(warehouse: &Path, table: &str) -> Vec<(i64, i64)> {
    let rows = rows(warehouse, &format!("SELECT * FROM {table} ORDER BY 1, 2"));
    rows.iter().map(|r| (r[0], r[1])).collect()
}

fn model_of(warehouse: &Path) -> Model {
    let rows = found(warehouse, "u");
    let upserts: BTreeMap<i64, i64> = rows.iter().copied().collect();
    assert_eq!(upserts.len(), rows.len(), "a key is there twice");
    let ids = found(warehouse, "a");
    let appended = i64::try_from(ids.len()).unwrap();
    let expected: Vec<(i64, i64)> = (0..appended).map(|id| (id, id)).collect();
    assert_eq!(ids, expected, "appended rows are missing or there twice");
    Model { upserts, appended }
}

/// Snapshots of a table: without gaps, each of them readable, no file missing.
fn assert_sound(warehouse: &Path, table: &str) -> i64 {
    ok(paimon(warehouse, &["fsck", &format!("default.{table}")]));
    let query = format!("SELECT snapshot_id FROM `{table}$snapshots` ORDER BY snapshot_id");
    let ids: Vec<i64> = rows(warehouse, &query).into_iter().map(|r| r[0]).collect();
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    assert_eq!(
        ids,
        (first..=last).collect::<Vec<i64>>(),
        "snapshots of {table}"
    );
    let mut reads = String::new();
    for id in ids {
        write!(reads, "SELECT count(*) FROM {table} VERSION AS OF {id};").unwrap();
    }
    sql(warehouse, &reads);
    last
}

/// The upserts as of a snapshot.
struct Known {
    snapshot: i64,
    upserts: BTreeMap<i64, i64>,
}

impl Known {
    /// The newest snapshot, after a compaction: until then the changelog lacks what lies in level 0.
    fn newest(warehouse: &Path) -> Self {
        sql(warehouse, "CALL sys.compact('u')");
        let newest = rows(warehouse, "SELECT max(snapshot_id) FROM `u$snapshots`");
        Self {
            snapshot: newest[0][0],
            upserts: found(warehouse, "u").into_iter().collect(),
        }
    }

    /// The changelog from then to now makes the one of the other; then is now from here on.
    fn assert_changelog(&mut self, warehouse: &Path) {
        let now = Self::newest(warehouse);
        let mut balance: HashMap<(i64, i64), i64> = HashMap::new();
        for (key, value) in &self.upserts {
            *balance.entry((*key, *value)).or_default() += 1;
        }
        for (key, value) in &now.upserts {
            *balance.entry((*key, *value)).or_default() -= 1;
        }
        let sign = "CASE WHEN rowkind IN ('+I', '+U') THEN 1 ELSE -1 END";
        let (from, to) = (self.snapshot, now.snapshot);
        let between = format!(
            "SELECT k, v, {sign} FROM u$audit_log /*+ OPTIONS('incremental-between'='{from},{to}') */"
        );
        for row in rows(warehouse, &between) {
            *balance.entry((row[0], row[1])).or_default() += row[2];
        }
        balance.retain(|_, n| *n != 0);
        assert!(balance.is_empty(), "between {from} and {to}: {balance:?}");
        *self = now;
    }
}

#[test]
fn a_killed_program_loses_and_doubles_nothing() {
    let seed = number("SEED", 17);
    let kills = number("PAIMON_KILLS", 40);
    println!("seed {seed}, {kills} kills");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = warehouse(&[]);
    let root = folder.path();
    sql(
        root,
        &format!("{UPSERTS}; {APPENDS}; INSERT INTO u VALUES (0, 0); INSERT INTO a VALUES (0, 0)"),
    );
    let mut model = Model {
        upserts: BTreeMap::from([(0, 0)]),
        appended: 1,
    };
    let mut known = Known::newest(root);
    let (mut value, mut acknowledged, mut finished) = (0, 0, 0);
    for round in 0..kills {
        let changes = changes(&mut random, &model, &mut value);
        let after = Duration::from_millis(random.random_range(50..1200));
        let done = killed(root, &changes, after);
        acknowledged += done;
        changes[..done].iter().for_each(|c| c.apply(&mut model));
        let found = model_of(root);
        if found != model {
            // the statement that was running may have been committed
            changes[done].apply(&mut model);
            finished += 1;
        }
        assert_eq!(
            found, model,
            "seed {seed}, round {round}, {done} acknowledged"
        );
        for table in ["u", "a"] {
            assert_sound(root, table);
        }
        known.assert_changelog(root);
    }
    println!("{acknowledged} statements acknowledged, {finished} more committed");
    assert!(acknowledged > 0);
}

#[test]
fn racing_programs_commit_every_statement_once() {
    let processes = 4;
    let count = number("PAIMON_RACE", 12);
    let folder = warehouse(&[]);
    let root = folder.path();
    sql(
        root,
        &format!("{SUMS}; {UPSERTS}; INSERT INTO u VALUES (100, 0)"),
    );
    let mut known = Known::newest(root);
    let running: Vec<_> = (0..processes)
        .map(|process| {
            let mut script = String::new();
            for n in 1..=count {
                let sums: Vec<String> = (0..5).map(|k| format!("({}, 1)", k + process)).collect();
                let sums = sums.join(", ");
                write!(
                    script,
                    "INSERT INTO s VALUES {sums}; INSERT INTO u VALUES ({process}, {n}), (100, {n});"
                )
                .unwrap();
            }
            command()
                .arg("--warehouse")
                .arg(root)
                .args(["-q", "--format", "csv", "-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in running {
        let printed = ok(child.wait_with_output().unwrap().into());
        let acknowledged = printed.matches("count\n").count();
        assert_eq!(u64::try_from(acknowledged).unwrap(), 2 * count);
    }
    let count = i64::try_from(count).unwrap();
    let expected: Vec<Vec<i64>> = (0..4 + processes)
        .map(|k| {
            let writers = (0..processes).filter(|p| (*p..p + 5).contains(&k)).count();
            vec![k, i64::try_from(writers).unwrap() * count]
        })
        .collect();
    let found_sums: Vec<Vec<i64>> = found(root, "s").iter().map(|r| vec![r.0, r.1]).collect();
    assert_eq!(found_sums, expected);
    let last: Vec<(i64, i64)> = (0..processes).map(|p| (p, count)).collect();
    let upserts = found(root, "u");
    assert_eq!(upserts[..4], last[..]);
    // whoever came last
    assert_eq!(upserts[4].0, 100);
    for table in ["s", "u"] {
        assert!(assert_sound(root, table) >= processes * count);
    }
    known.assert_changelog(root);
}
