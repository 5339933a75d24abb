//! The statements.

/// A statement of the matrix.
pub(super) struct Statement {
    /// Head of its line.
    pub(super) name: &'static str,
    /// What is run before it.
    pub(super) prepare: &'static [&'static str],
    /// The statement; empty where it is the query.
    pub(super) run: &'static str,
    /// The query that shows that it worked.
    pub(super) ask: &'static str,
    /// The rows of that query.
    pub(super) rows: &'static str,
    /// Whether it says if there can be such a table.
    pub(super) makes_table: bool,
}

/// In place of a statement: rows that wait are compacted.
pub(super) const SETTLE: &str = "";

/// All rows of the table.
pub(super) const ALL_ROWS: &str = "SELECT id, v, w, p FROM t ORDER BY id";

/// The rows before each statement.
pub(super) const BASE: &str = "1 10 a 1 | 2 20 b 1 | 3 30 c 2";

const WITH_4: &str = "1 10 a 1 | 2 20 b 1 | 3 30 c 2 | 4 40 d 2";
const INSERT_4: &str = "INSERT INTO t VALUES (4, 40, 'd', 2)";

/// A statement after which the table has these rows.
const fn writes(name: &'static str, run: &'static str, rows: &'static str) -> Statement {
    asks(name, &[], run, ALL_ROWS, rows)
}

/// As [`writes`], after others.
const fn follows(
    name: &'static str,
    prepare: &'static [&'static str],
    run: &'static str,
    rows: &'static str,
) -> Statement {
    asks(name, prepare, run, ALL_ROWS, rows)
}

/// A query.
const fn reads(name: &'static str, ask: &'static str, rows: &'static str) -> Statement {
    asks(name, &[], "", ask, rows)
}

const fn asks(
    name: &'static str,
    prepare: &'static [&'static str],
    run: &'static str,
    ask: &'static str,
    rows: &'static str,
) -> Statement {
    Statement {
        name,
        prepare,
        run,
        ask,
        rows,
        makes_table: false,
    }
}

const TAG: &str = "CALL sys.create_tag('t', 'before')";
const BRANCH: &str = "CALL sys.create_branch('t', 'side', 'before')";
const INSERT_INTO_BRANCH: &str = "INSERT INTO t$branch_side VALUES (4, 40, 'd', 2)";

const READS: &[Statement] = &[
    Statement {
        makes_table: true,
        ..reads("CREATE TABLE, SELECT", ALL_ROWS, BASE)
    },
    asks(
        "SELECT .. VERSION AS OF",
        &[TAG, INSERT_4],
        "",
        "SELECT id, v, w, p FROM t VERSION AS OF 'before' ORDER BY id",
        BASE,
    ),
    asks(
        "paimon_incremental_query",
        &[TAG, INSERT_4, SETTLE, "CALL sys.create_tag('t', 'after')"],
        "",
        "SELECT id, v FROM paimon_incremental_query('t', 'before', 'after')",
        "4 40",
    ),
    reads(
        "$audit_log",
        "SELECT rowkind, id FROM t$audit_log ORDER BY id",
        "+I 1 | +I 2 | +I 3",
    ),
    reads(
        "$binlog",
        "SELECT rowkind, id[1] FROM t$binlog ORDER BY 2",
        "+I 1 | +I 2 | +I 3",
    ),
    reads(
        "$row_tracking",
        "SELECT id, \"_ROW_ID\" FROM t$row_tracking ORDER BY id",
        "1 0 | 2 1 | 3 2",
    ),
    reads("SHOW PARTITIONS", "SHOW PARTITIONS t", "p=1 | p=2"),
    asks(
        "ANALYZE TABLE",
        &[],
        "ANALYZE TABLE t COMPUTE STATISTICS",
        "SELECT count(*) FROM t$statistics",
        "1",
    ),
];

const WRITES: &[Statement] = &[
    writes("INSERT INTO", INSERT_4, WITH_4),
    writes(
        "INSERT INTO .. (columns)",
        "INSERT INTO t (p, id) VALUES (2, 4)",
        "1 10 a 1 | 2 20 b 1 | 3 30 c 2 | 4 NULL NULL 2",
    ),
    writes(
        "INSERT OVERWRITE",
        "INSERT OVERWRITE t VALUES (5, 50, 'e', 2)",
        "1 10 a 1 | 2 20 b 1 | 5 50 e 2",
    ),
    writes(
        "INSERT OVERWRITE .. PARTITION",
        "INSERT OVERWRITE t PARTITION (p = 2) SELECT 5, 50, 'e'",
        "1 10 a 1 | 2 20 b 1 | 5 50 e 2",
    ),
    writes(
        "UPDATE",
        "UPDATE t SET v = v + 1 WHERE id = 1",
        "1 11 a 1 | 2 20 b 1 | 3 30 c 2",
    ),
    writes(
        "UPDATE .. FROM",
        "UPDATE t SET v = s.v FROM (VALUES (1, 7)) AS s (id, v) WHERE t.id = s.id",
        "1 7 a 1 | 2 20 b 1 | 3 30 c 2",
    ),
    writes(
        "UPDATE .. LIMIT",
        "UPDATE t SET w = 'z' WHERE v > 10 ORDER BY id LIMIT 1",
        "1 10 a 1 | 2 20 z 1 | 3 30 c 2",
    ),
    writes(
        "DELETE of rows",
        "DELETE FROM t WHERE id = 1",
        "2 20 b 1 | 3 30 c 2",
    ),
    writes(
        "DELETE of partitions",
        "DELETE FROM t WHERE p = 1",
        "3 30 c 2",
    ),
    writes(
        "MERGE: UPDATE, INSERT",
        "MERGE INTO t USING (VALUES (1, 7, 'x', 1), (4, 40, 'd', 2)) AS s (id, v, w, p) ON t.id = s.id AND t.p = s.p \
         WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *",
        "1 7 a 1 | 2 20 b 1 | 3 30 c 2 | 4 40 d 2",
    ),
    writes(
        "MERGE: DELETE",
        "MERGE INTO t USING (VALUES (1)) AS s (id) ON t.id = s.id WHEN MATCHED THEN DELETE",
        "2 20 b 1 | 3 30 c 2",
    ),
    writes(
        "MERGE: INSERT",
        "MERGE INTO t USING (VALUES (1, 7, 'x', 1), (4, 40, 'd', 2)) AS s (id, v, w, p) ON t.id = s.id \
         WHEN NOT MATCHED THEN INSERT *",
        WITH_4,
    ),
    writes("TRUNCATE TABLE", "TRUNCATE TABLE t", ""),
    writes(
        "TRUNCATE TABLE .. PARTITION",
        "TRUNCATE TABLE t PARTITION (p = 1)",
        "3 30 c 2",
    ),
    writes(
        "CREATE OR REPLACE TABLE AS",
        "CREATE OR REPLACE TABLE t PARTITIONED BY (p) AS SELECT id, v + 1 AS v, w, p FROM t",
        "1 11 a 1 | 2 21 b 1 | 3 31 c 2",
    ),
];

const CHANGES: &[Statement] = &[
    asks(
        "ADD COLUMN",
        &[],
        "ALTER TABLE t ADD COLUMN n INT",
        "SELECT id, n FROM t ORDER BY id",
        "1 NULL | 2 NULL | 3 NULL",
    ),
    asks(
        "RENAME COLUMN",
        &[],
        "ALTER TABLE t RENAME COLUMN v TO n",
        "SELECT id, n FROM t ORDER BY id",
        "1 10 | 2 20 | 3 30",
    ),
    asks(
        "ALTER COLUMN .. TYPE",
        &[],
        "ALTER TABLE t ALTER COLUMN v TYPE BIGINT",
        "SELECT id, v, arrow_typeof(v) FROM t WHERE id = 1",
        "1 10 Int64",
    ),
    asks(
        "DROP COLUMN",
        &[],
        "ALTER TABLE t DROP COLUMN w",
        "SELECT * FROM t ORDER BY id",
        "1 10 1 | 2 20 1 | 3 30 2",
    ),
    asks(
        "SET (option)",
        &[],
        "ALTER TABLE t SET ('snapshot.num-retained.max' = '20')",
        "SHOW TBLPROPERTIES t ('snapshot.num-retained.max')",
        "snapshot.num-retained.max 20",
    ),
    writes(
        "DROP PARTITION",
        "ALTER TABLE t DROP PARTITION (p = 1)",
        "3 30 c 2",
    ),
    asks(
        "CREATE TAG",
        &[],
        "ALTER TABLE t CREATE TAG kept",
        "SHOW TAGS t",
        "kept",
    ),
];

const CALLS: &[Statement] = &[
    follows("compact", &[INSERT_4], "CALL sys.compact('t')", WITH_4),
    writes(
        "compact, sorting",
        "CALL sys.compact('t', order_strategy => 'order', order_by => 'id')",
        BASE,
    ),
    follows(
        "materialize_deletion_vectors",
        &["DELETE FROM t WHERE id = 2"],
        "CALL sys.materialize_deletion_vectors('t')",
        "1 10 a 1 | 3 30 c 2",
    ),
    writes("rescale", "CALL sys.rescale('t', 3)", BASE),
    follows(
        "rollback",
        &[TAG, INSERT_4],
        "CALL sys.rollback('t', tag => 'before')",
        BASE,
    ),
    follows(
        "rollback_to_as_latest",
        &[TAG, INSERT_4],
        "CALL sys.rollback_to_as_latest('t', 'before')",
        BASE,
    ),
    follows(
        "rollback_schema",
        &["ALTER TABLE t ADD COLUMN n INT"],
        "CALL sys.rollback_schema('t', 0)",
        BASE,
    ),
    asks(
        "create_branch",
        &[TAG],
        BRANCH,
        "SELECT id, v, w, p FROM t$branch_side ORDER BY id",
        BASE,
    ),
    follows(
        "fast_forward",
        &[TAG, BRANCH, INSERT_INTO_BRANCH],
        "CALL sys.fast_forward('t', 'side')",
        WITH_4,
    ),
    follows(
        "merge_branch",
        &[TAG, BRANCH, INSERT_INTO_BRANCH],
        "CALL sys.merge_branch('t', 'side')",
        WITH_4,
    ),
    follows(
        "expire_snapshots",
        &[INSERT_4],
        "CALL sys.expire_snapshots('t', retain_max => 1, retain_min => 1, older_than => '2100-01-01 00:00:00')",
        WITH_4,
    ),
    follows(
        "compact_manifest",
        &[INSERT_4],
        "CALL sys.compact_manifest('t')",
        WITH_4,
    ),
    writes(
        "drop_partition",
        "CALL sys.drop_partition('t', 'p=1')",
        "3 30 c 2",
    ),
    writes(
        "remove_orphan_files",
        "CALL sys.remove_orphan_files('t')",
        BASE,
    ),
    writes("purge_files", "CALL sys.purge_files('t')", ""),
    asks(
        "copy",
        &[],
        "CALL sys.copy('t', 'u')",
        "SELECT id, v, w, p FROM u ORDER BY id",
        BASE,
    ),
];

/// All statements, in groups.
pub(super) const GROUPS: &[(&str, &[Statement])] = &[
    ("Queries", READS),
    ("Rows", WRITES),
    ("`ALTER TABLE`", CHANGES),
    ("`CALL sys.`", CALLS),
];
