//! Scripts, exit codes and messages.

use crate::support::{command, golden, paimon, piped, plain, warehouse};

#[test]
fn commands_and_files_run_in_order() {
    let wh = warehouse(&["meta-time-travel"]);
    let file = wh.path().join("script.sql");
    std::fs::write(&file, "SELECT 2 AS n; -- two\nSELECT 3 AS n").unwrap();
    let file = file.to_str().unwrap();
    let line = [
        "-q",
        "--format",
        "csv",
        "-c",
        "SELECT 1 AS n",
        "-f",
        file,
        "-c",
        "SELECT 4 AS n;",
    ];
    let run = paimon(wh.path(), &line);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout, "n\n1\nn\n2\nn\n3\nn\n4\n");
    assert_eq!(run.stderr, "");
}

#[test]
fn a_script_on_standard_input_runs() {
    let wh = warehouse(&["meta-time-travel"]);
    let sql = "SELECT count(*) AS n FROM meta_time_travel VERSION AS OF 3;";
    let run = piped(wh.path(), &["-q", "--format", "csv"], sql);
    assert_eq!((run.code, run.stdout.as_str()), (0, "n\n3\n"), "{run:?}");
}

#[test]
fn the_first_failing_statement_stops_the_run_with_one_message() {
    let wh = warehouse(&["meta-time-travel"]);
    let sql = "SELECT 1 AS n; SELECT * FROM nope_table; SELECT 2 AS n";
    let run = paimon(wh.path(), &["-q", "--format", "csv", "-c", sql]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout, "n\n1\n");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    for part in ["statement 2", "SELECT * FROM nope_table", "nope_table"] {
        assert!(run.stderr.contains(part), "{}", run.stderr);
    }
}

#[test]
fn exit_codes_tell_the_kind_of_failure() {
    let wh = warehouse(&["meta-time-travel", "bad-missing-manifest"]);
    for (arguments, code) in [
        (&["-c", "SELECT * FROM bad_missing_manifest"][..], 4),
        (&["-c", "REPLACE INTO meta_time_travel VALUES (1, 1)"], 1),
        (&["-c", "SELEC 1"], 1),
        (&["--no-such-flag"], 2),
        (&["-f", "/no/such/file.sql"], 2),
        (
            &["--catalog-option", "metastore=unheard", "-c", "SELECT 1"],
            2,
        ),
        (&["-c", "SELECT 1"], 0),
    ] {
        let run = paimon(wh.path(), arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(code == 0 || !run.stderr.is_empty());
    }
}

#[test]
fn reads_create_no_warehouse() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("wh");
    let run = paimon(
        &missing,
        &["-q", "--format", "csv", "-c", "SHOW DATABASES; SHOW TABLES"],
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        run.stdout,
        "namespace\ndefault\nnamespace,tableName,isTemporary\n"
    );
    assert!(!missing.exists());
}

#[test]
fn catalogs_come_from_a_file_and_from_statements() {
    let folder = tempfile::tempdir().unwrap();
    let source = golden().join("catalog-warehouse/warehouse");
    let config = folder.path().join("lake.toml");
    let text = "default-catalog = 'lake'\n[catalogs.lake]\nwarehouse = '${LAKE}'\n";
    std::fs::write(&config, text).unwrap();
    let output = command()
        .env("LAKE", &source)
        .arg("--config")
        .arg(&config)
        .args(["-q", "--format", "csv", "-c", "SELECT v FROM db1.t1"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "v\nt1\n",
        "{output:?}"
    );
    let sql = format!(
        "CREATE CATALOG c WITH ('type'='paimon', 'warehouse'='{}'); USE CATALOG c; USE db1; SELECT v FROM t2",
        source.display()
    );
    let run = plain(&["-q", "--format", "csv", "-c", &sql]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "v\nt2\n"), "{run:?}");
}

#[test]
fn secrets_stay_out_of_messages() {
    let sql = "CREATE CATALOG c WITH ('type'='nope', 's3.secret-key'='hush-hush')";
    let run = plain(&["-c", sql]);
    assert_eq!(run.code, 1);
    assert!(!run.stderr.contains("hush-hush"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_quiet() {
    let child = command()
        .args([
            "--format",
            "csv",
            "-q",
            "-c",
            "SELECT * FROM generate_series(1, 2000000)",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = child;
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn memory_limits_hold_and_spill() {
    let sql = "SELECT count(*) AS n FROM (SELECT value AS v, count(*) FROM generate_series(1, 3000000) GROUP BY v ORDER BY v)";
    let run = plain(&["-q", "--format", "csv", "-m", "64m", "-c", sql]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "n\n3000000\n"),
        "{run:?}"
    );
}

#[test]
fn times_in_options_and_system_tables_are_of_the_zone_of_the_process() {
    let wh = warehouse(&["meta-time-travel"]);
    let asked = |zone: &str, sql: &str| {
        let mut command = command();
        let command = command.env("TZ", zone).arg("--warehouse").arg(wh.path());
        let output = command.args(["-q", "--format", "csv", "-c", sql]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().nth(1).unwrap().to_string()
    };
    let time = "SELECT commit_time FROM meta_time_travel$snapshots WHERE snapshot_id = 2";
    let (utc, east) = (asked("UTC", time), asked("Asia/Kolkata", time));
    assert_ne!(utc, east);
    let count = |zone: &str, clause: &str| {
        asked(
            zone,
            &format!("SELECT count(*) AS n FROM meta_time_travel {clause}"),
        )
    };
    let expected = count("UTC", "VERSION AS OF 2");
    assert_ne!(expected, count("UTC", "VERSION AS OF 3"));
    let hint = format!("/*+ OPTIONS('scan.timestamp'='{east}') */");
    assert_eq!(count("Asia/Kolkata", &hint), expected);
    let clause = format!("TIMESTAMP AS OF '{east}'");
    assert_eq!(count("Asia/Kolkata", &clause), expected);
    let from_then =
        format!("/*+ OPTIONS('incremental-between-timestamp'='{east},2100-01-01 00:00:00') */");
    let since =
        format!("/*+ OPTIONS('incremental-between-timestamp'='{utc},2100-01-01 00:00:00') */");
    assert_eq!(count("Asia/Kolkata", &from_then), count("UTC", &since));
}

#[test]
fn texts_between_dollar_signs_hold_semicolons() {
    let run = plain(&[
        "-q",
        "--format",
        "csv",
        "-c",
        "select $$a;b$$ as x; select $t$;$$;$t$ as y",
    ]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "x\na;b\ny\n;$$;\n"),
        "{run:?}"
    );
}

#[test]
fn scripts_may_begin_with_a_byte_order_mark() {
    let wh = warehouse(&[]);
    let script = "\u{feff}SELECT 1 AS n";
    let run = piped(wh.path(), &["-q", "--format", "csv"], script);
    assert_eq!((run.code, run.stdout.as_str()), (0, "n\n1\n"), "{run:?}");
    let file = wh.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let run = plain(&["-q", "--format", "csv", "-f", file.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "n\n1\n"), "{run:?}");
}

#[test]
fn logs_have_colours_on_demand_alone() {
    let stderr = |arguments: &[&str]| {
        let output = command()
            .args(arguments)
            .args(["-q", "-c", "SELECT 1"])
            .env("RUST_LOG", "debug")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let plain = stderr(&[]);
    assert!(plain.contains("DEBUG"), "{plain}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(!stderr(&["--color=never"]).contains('\u{1b}'));
    assert!(stderr(&["--color=always"]).contains('\u{1b}'));
}

#[test]
fn messages_name_the_cause_alone() {
    let run = plain(&["-q", "-c", "SELECT CAST('abc' AS INT) AS n"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let cause = "Cannot cast string 'abc' to value of Int32 type";
    assert!(run.stderr.contains(cause), "{}", run.stderr);
    assert!(!run.stderr.contains("Optimizer"), "{}", run.stderr);
}
