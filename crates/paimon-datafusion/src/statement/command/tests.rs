#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn command(sql: &str) -> Option<Command> {
    parse(&mut Cursor::from_sql(sql).unwrap(), sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
}

#[test]
fn set_takes_keys_and_values_in_every_form() {
    for (sql, key, value) in [
        (
            "SET spark.paimon.scan.snapshot-id=2",
            "spark.paimon.scan.snapshot-id",
            "2",
        ),
        (
            "set 'paimon.*.*.t.scan.tag-name' = 'a b'",
            "paimon.*.*.t.scan.tag-name",
            "a b",
        ),
        (
            "SET datafusion.execution.batch_size TO 17",
            "datafusion.execution.batch_size",
            "17",
        ),
        (
            "SET TIME ZONE 'Asia/Shanghai'",
            "datafusion.execution.time_zone",
            "Asia/Shanghai",
        ),
        ("/* x */ SET a = b = c", "a", "b = c"),
        ("-- set it\nSET a = 'b' -- so", "a", "b"),
    ] {
        let expected = Command::Set {
            key: key.into(),
            value: value.into(),
        };
        assert_eq!(command(sql), Some(expected), "{sql}");
    }
    assert_eq!(command("SET"), Some(Command::SetShow { key: None }));
    assert_eq!(
        command("RESET 'a.b'"),
        Some(Command::Reset {
            key: Some("a.b".into())
        })
    );
}

#[test]
fn show_statements_are_recognised() {
    for sql in [
        "SHOW DATABASES",
        "SHOW SCHEMAS LIKE 'a*'",
        "SHOW TABLES IN db LIKE '%x%'",
        "SHOW TABLES FROM c.db 'x'",
        "SHOW TABLE EXTENDED IN db LIKE 'x*'",
        "SHOW TABLE EXTENDED LIKE 'x|y'",
        "SHOW CREATE TABLE `db`.`t`",
        "SHOW PARTITIONS t PARTITION (dt = '2024-01-01')",
        "SHOW COLUMNS FROM t",
        "SHOW TBLPROPERTIES t ('bucket')",
        "SHOW CATALOGS",
        "DESC t",
        "DESCRIBE TABLE EXTENDED db.t$snapshots",
        "DESCRIBE FORMATTED t",
        "SHOW USER FUNCTIONS",
        "SHOW USER FUNCTIONS IN db LIKE 'a*'",
        "SHOW FUNCTIONS FROM c.db 'x'",
        "DESCRIBE FUNCTION f",
        "DESC FUNCTION EXTENDED db.f",
        "DESCRIBE function",
        "USE db",
        "USE CATALOG c",
        "USE c.db",
        "CREATE CATALOG c WITH ('type'='paimon', 'warehouse'='/x')",
        "DROP CATALOG c",
        "DROP CATALOG IF EXISTS c",
    ] {
        let found = command(sql);
        assert!(found.is_some(), "{sql}");
    }
    for sql in [
        "SHOW ALL",
        "SHOW FUNCTIONS",
        "SHOW FUNCTIONS LIKE 'a%'",
        "DESCRIBE SELECT 1",
        "SELECT 1",
        "EXPLAIN SELECT 1",
    ] {
        assert_eq!(command(sql), None, "{sql}");
    }
    let sql = "USE a.b.c";
    assert!(parse(&mut Cursor::from_sql(sql).unwrap(), sql).is_err());
}

#[test]
fn like_patterns_of_both_engines_match() {
    for (name, pattern, expected) in [
        ("orders", "ord%", true),
        ("orders", "ord*", true),
        ("orders", "*der*", true),
        ("orders", "order", false),
        ("orders", "x|orders", true),
        ("Orders", "orders", true),
        ("a_b", "a_b", true),
        ("aab", "a*b", true),
        ("aabx", "a*b", false),
        ("", "%", true),
    ] {
        assert_eq!(matches_like(name, pattern), expected, "{name} {pattern}");
    }
}
