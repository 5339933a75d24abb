//! Programs that change the same row at the same time.

use std::path::Path;

use crate::support::{command, paimon, warehouse};

const PROGRAMS: usize = 4;
const UPDATES: usize = 25;

/// Runs `sql` so often; counts the runs that said that it is done.
fn repeat(folder: &Path, sql: &str) -> usize {
    let done = (0..UPDATES).filter(|_| {
        let mut command = command();
        command.arg("--warehouse").arg(folder);
        let output = command.args(["-q", "-c", sql]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success() || error.contains("giving up"),
            "{error}"
        );
        output.status.success()
    });
    done.count()
}

#[test]
fn no_acknowledged_update_of_several_programs_is_lost() {
    let folder = warehouse(&[]);
    let create = "CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED, v INT) \
        WITH ('bucket' = '1', 'commit.max-retry-wait' = '100 ms', 'commit.max-retries' = '30')";
    for sql in [create, "INSERT INTO t VALUES (1, 0)"] {
        assert_eq!(paimon(folder.path(), &["-q", "-c", sql]).code, 0);
    }
    let acknowledged: usize = std::thread::scope(|scope| {
        let update = || repeat(folder.path(), "UPDATE t SET v = v + 1");
        let programs: Vec<_> = (0..PROGRAMS).map(|_| scope.spawn(update)).collect();
        programs.into_iter().map(|p| p.join().unwrap()).sum()
    });
    let select = ["-q", "--format", "csv", "-c", "SELECT v FROM t"];
    let run = paimon(folder.path(), &select);
    assert_eq!(run.stdout, format!("v\n{acknowledged}\n"), "{run:?}");
    assert!(acknowledged > PROGRAMS);
    println!(
        "{acknowledged} of {} updates acknowledged",
        PROGRAMS * UPDATES
    );
    let run = paimon(folder.path(), &["fsck", "default.t"]);
    assert_eq!(run.code, 0, "{run:?}");
}
