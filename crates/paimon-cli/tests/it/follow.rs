//! `paimon follow` and streaming INSERT, interrupted and killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::{command, paimon, warehouse};

fn sql(warehouse: &Path, statements: &str) -> String {
    let run = paimon(warehouse, &["-q", "--format", "csv", "-c", statements]);
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

/// A program that goes on until it is stopped.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    fn start(warehouse: &Path, arguments: &[&str]) -> Self {
        let mut child = command()
            .arg("--warehouse")
            .arg(warehouse)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines: Vec<String> = (0..count).map(|_| self.line()).collect();
        lines.sort();
        lines
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As ctrl-C does; the exit code.
    fn interrupt(mut self) -> i32 {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

const KEYED: &str = "CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED, v STRING)
    WITH ('bucket' = '1', 'changelog-producer' = 'lookup')";

#[test]
fn changes_are_printed_as_they_come_until_ctrl_c() {
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    sql(path, KEYED);
    sql(path, "INSERT INTO t VALUES (1, 'a')");
    let follow = [
        "-q",
        "--format",
        "csv",
        "follow",
        "--poll",
        "10 ms",
        "default.t",
    ];
    let mut running = Running::start(path, &follow);
    assert_eq!(running.line(), "rowkind,id,v");
    assert_eq!(running.line(), "+I,1,a");
    sql(path, "INSERT INTO t VALUES (1, 'b'), (2, 'c')");
    assert_eq!(running.lines(3), ["+I,2,c", "+U,1,b", "-U,1,a"]);
    sql(path, "DELETE FROM t WHERE id = 2");
    assert_eq!(running.line(), "-D,2,c");
    assert_eq!(running.interrupt(), 130);
}

#[test]
fn every_format_prints_complete_groups() {
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    sql(path, "CREATE TABLE t (id INT)");
    sql(path, "INSERT INTO t VALUES (1), (2)");
    for (format, expected) in [
        ("tsv", &["rowkind\tid", "+I\t1", "+I\t2"][..]),
        (
            "ndjson",
            &[r#"{"rowkind":"+I","id":1}"#, r#"{"rowkind":"+I","id":2}"#],
        ),
        (
            "json",
            &[r#"[{"rowkind":"+I","id":1},{"rowkind":"+I","id":2}]"#],
        ),
        (
            "table",
            &[
                "+---------+----+",
                "| rowkind | id |",
                "+---------+----+",
                "| +I      | 1  |",
            ],
        ),
    ] {
        let follow = [
            "-q",
            "--format",
            format,
            "follow",
            "--from",
            "earliest",
            "default.t",
        ];
        let mut running = Running::start(path, &follow);
        for line in expected {
            assert_eq!(running.line(), *line);
        }
        running.kill();
    }
}

#[test]
fn a_streaming_select_prints_rows_at_once() {
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    sql(path, "CREATE TABLE t (id INT)");
    let script = "SET 'execution.runtime-mode' = 'streaming';
        SET 'paimon.continuous.discovery-interval' = '10 ms'; SELECT id * 2 AS two FROM t";
    let mut running = Running::start(path, &["-q", "--format", "csv", "-c", script]);
    sql(path, "INSERT INTO t VALUES (4)");
    assert_eq!(running.line(), "two");
    assert_eq!(running.line(), "8");
    sql(path, "INSERT INTO t VALUES (5)");
    assert_eq!(running.line(), "10");
    assert_eq!(running.interrupt(), 130);
}

#[test]
fn a_consumer_goes_on_where_it_was_killed() {
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    sql(path, "CREATE TABLE t (id INT)");
    sql(path, "INSERT INTO t VALUES (1)");
    let follow = [
        "-q",
        "--format",
        "ndjson",
        "follow",
        "--consumer-id",
        "c",
        "--poll",
        "10 ms",
        "default.t",
    ];
    let mut running = Running::start(path, &follow);
    assert_eq!(running.line(), r#"{"rowkind":"+I","id":1}"#);
    for next in 2..5 {
        // quiet: what was printed is kept
        until(|| sql(path, "SELECT * FROM t$consumers").contains(&format!("c,{next}")));
        running.kill();
        sql(path, &format!("INSERT INTO t VALUES ({next})"));
        running = Running::start(path, &follow);
        assert_eq!(running.line(), format!(r#"{{"rowkind":"+I","id":{next}}}"#));
    }
    running.kill();
}

fn until(is: impl Fn() -> bool) {
    for _ in 0..400 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("it did not come true");
}

#[test]
fn bad_starts_are_named() {
    let warehouse = warehouse(&[]);
    sql(warehouse.path(), "CREATE TABLE t (id INT)");
    for (arguments, named) in [
        (&["follow", "default.x"][..], "x"),
        (&["follow", "--from", "soon", "default.t"], "soon"),
        (
            &["follow", "--option", "scan.mode=incremental", "default.t"],
            "scan.mode",
        ),
        (&["follow", "--consumer-id", "a/b", "default.t"], "a/b"),
    ] {
        let run = paimon(warehouse.path(), arguments);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(named), "{run:?}");
    }
}

/// Inserts ids one after the other, in a program of its own, into a table that keeps two snapshots.
fn writer(path: &Path, count: i32) -> Child {
    sql(
        path,
        "CREATE TABLE t (id INT) WITH ('snapshot.num-retained.min' = '1', 'snapshot.num-retained.max' = '2',
         'compaction.min.file-num' = '3')",
    );
    // nothing expires before the reader has it
    sql(path, "CALL sys.reset_consumer('default.t', 'c', 1)");
    let statements: String = (0..count)
        .map(|id| format!("INSERT INTO t VALUES ({id});\n"))
        .collect();
    let script = path.join("script.sql");
    std::fs::write(&script, statements).unwrap();
    command()
        .arg("--warehouse")
        .arg(path)
        .args(["-q", "--format", "csv", "-f"])
        .arg(script)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn seed() -> StdRng {
    let seed: u64 = std::env::var("SEED").map_or(11, |s| s.parse().unwrap());
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

/// Kills with SIGKILL while writers, compaction and expiry run: no row is lost or there twice.
#[test]
fn an_output_file_has_every_change_once_however_often_the_program_is_killed() {
    let mut random = seed();
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    let count = 120;
    let mut writing = writer(path, count);
    let file = path.join("changes.csv");
    let output = file.to_str().unwrap();
    let follow = [
        "-q",
        "--format",
        "csv",
        "follow",
        "--from",
        "1",
        "--consumer-id",
        "c",
        "--output",
        output,
        "--poll",
        "5 ms",
        "default.t",
    ];
    let expected: BTreeSet<String> = (0..count).map(|id| format!("+I,{id}")).collect();
    let written = || std::fs::read_to_string(&file).unwrap_or_default();
    let mut kills = 0;
    let last = format!("+I,{}\n", count - 1);
    while !written().contains(&last) {
        let running = Running::start(path, &follow);
        std::thread::sleep(Duration::from_millis(random.random_range(60..400)));
        running.kill();
        kills += 1;
        assert!(kills < 500, "{}", written());
    }
    assert!(writing.wait().unwrap().success());
    let text = written();
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.remove(0), "rowkind,id");
    let found: BTreeSet<String> = lines.iter().map(|l| (*l).to_string()).collect();
    assert_eq!(lines.len(), found.len(), "a row is there twice");
    let first = sql(path, "SELECT min(snapshot_id) FROM t$snapshots");
    assert!(
        first.trim_end() != "min(t$snapshots.snapshot_id)\n1",
        "nothing expired"
    );
    let missing: Vec<&String> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?} after {kills} kills");
}

/// The same for a table that is written from a stream.
#[test]
fn a_table_has_every_row_of_a_stream_once_however_often_the_program_is_killed() {
    let mut random = seed();
    let warehouse = warehouse(&[]);
    let path = warehouse.path();
    sql(path, "CREATE TABLE sink (id INT)");
    let count = 60;
    let mut writing = writer(path, count);
    let script = "SET 'execution.runtime-mode' = 'streaming'; SET 'execution.checkpointing.interval' = '20 ms';
        SET 'paimon.continuous.discovery-interval' = '5 ms';
        INSERT INTO sink SELECT id FROM t /*+ OPTIONS('consumer-id' = 'c', 'scan.snapshot-id' = '1') */";
    let rows = || {
        let csv = sql(path, "SELECT count(*), count(DISTINCT id) FROM sink");
        csv.lines().nth(1).unwrap().to_string()
    };
    let mut kills = 0;
    loop {
        let done = writing.try_wait().unwrap().is_some();
        let running = Running::start(path, &["-q", "-c", script]);
        if done {
            until(|| rows() == format!("{count},{count}"));
            running.kill();
            break;
        }
        std::thread::sleep(Duration::from_millis(random.random_range(60..500)));
        running.kill();
        kills += 1;
    }
    assert!(kills > 1, "{kills}");
    assert_eq!(rows(), format!("{count},{count}"));
}
