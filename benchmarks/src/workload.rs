//! The statements of the comparison.

/// What counts as the time of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// The statement, in a session that is set up, first time.
    Query,
    /// The same statement a second time in that session.
    SecondQuery,
    /// The whole process, from start to exit.
    Process,
}

/// One statement over one table.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Short name, for `--only`.
    pub name: &'static str,
    /// What the reader of the report sees.
    pub title: &'static str,
    /// Table it reads.
    pub table: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// What counts.
    pub metric: Metric,
    /// Plain DataFusion over the same files runs too.
    pub bound: bool,
    /// Plain DataFusion must give the same rows: the table needs no merge.
    pub bound_is_exact: bool,
    /// The engines must give the same rows (not for `EXPLAIN`).
    pub checked: bool,
}

const ALL_COLUMNS: &str =
    "id, qty, status, amount, price, total, day, updated, city, tag, note, flag";

/// Every workload, in the order of the report.
pub fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    all.extend(merged());
    all.extend(engines());
    all.extend(unmerged());
    all.extend(tpch());
    all.extend(metadata());
    all
}

fn query(
    name: &'static str,
    title: &'static str,
    table: &'static str,
    sql: impl Into<String>,
) -> Workload {
    Workload {
        name,
        title,
        table,
        sql: leak(sql.into()),
        metric: Metric::Query,
        bound: true,
        bound_is_exact: matches!(table, "pk_compacted" | "append" | "lineitem"),
        checked: true,
    }
}

/// Statements live as long as the program.
fn leak(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}

/// All columns, each decoded, none computed with.
fn full_scan(table: &str) -> String {
    format!("SELECT {ALL_COLUMNS} FROM {table}")
}

/// All columns, each folded to one value, so that the result is small and comparable.
fn all_columns_folded(table: &str) -> String {
    format!(
        "SELECT count(*), sum(id), sum(qty), sum(status), sum(amount), max(price), sum(total), max(day), \
         max(updated), max(city), max(tag), max(note), count(flag) FROM {table}"
    )
}

fn two_columns(table: &str) -> String {
    format!("SELECT sum(qty), sum(amount) FROM {table}")
}

fn filter_one_in_1000(table: &str) -> String {
    format!("SELECT count(*), sum(qty), max(city), max(note) FROM {table} WHERE amount < 1000000")
}

fn top_10(table: &str) -> String {
    format!("SELECT id, city, note, amount FROM {table} ORDER BY amount DESC, id LIMIT 10")
}

fn group_by(table: &str) -> String {
    format!(
        "SELECT tag, status, count(*), sum(qty), max(amount) FROM {table} GROUP BY tag, status ORDER BY tag, status"
    )
}

/// One part in a hundred of the small scale's keys.
fn key_range(table: &str) -> String {
    format!(
        "SELECT count(*), sum(amount), max(note) FROM {table} WHERE id BETWEEN 200000 AND 204999"
    )
}

fn merged() -> Vec<Workload> {
    let second = |w: Workload| Workload {
        metric: Metric::SecondQuery,
        ..w
    };
    vec![
        query(
            "pk-full",
            "deduplicate, 5 runs a bucket: all 12 columns",
            "pk",
            full_scan("pk"),
        ),
        query(
            "pk-folded",
            "the same, one aggregate a column",
            "pk",
            all_columns_folded("pk"),
        ),
        query("pk-two", "the same: two columns", "pk", two_columns("pk")),
        query(
            "pk-count",
            "the same: count(*)",
            "pk",
            "SELECT count(*) FROM pk",
        ),
        query(
            "pk-filter",
            "the same: value filter, 0.1 %",
            "pk",
            filter_one_in_1000("pk"),
        ),
        query("pk-top10", "the same: top 10", "pk", top_10("pk")),
        query("pk-group", "the same: group by", "pk", group_by("pk")),
        second(query(
            "pk-two-again",
            "the same: two columns, second query of the session",
            "pk",
            two_columns("pk"),
        )),
        second(query(
            "pk-count-again",
            "the same: count(*), second query",
            "pk",
            "SELECT count(*) FROM pk",
        )),
        query(
            "pk1-full",
            "the same rows in one bucket: all 12 columns",
            "pk1",
            full_scan("pk1"),
        ),
        query(
            "pk1-two",
            "one bucket: two columns",
            "pk1",
            two_columns("pk1"),
        ),
    ]
}

fn engines() -> Vec<Workload> {
    vec![
        query(
            "agg-full",
            "aggregation engine: all 12 columns",
            "agg",
            full_scan("agg"),
        ),
        query(
            "agg-folded",
            "aggregation engine: one aggregate a column",
            "agg",
            all_columns_folded("agg"),
        ),
        query(
            "partial-full",
            "partial-update engine: all 12 columns",
            "partial",
            full_scan("partial"),
        ),
        query(
            "partial-folded",
            "partial-update engine: one aggregate a column",
            "partial",
            all_columns_folded("partial"),
        ),
    ]
}

fn unmerged() -> Vec<Workload> {
    vec![
        query(
            "compacted-full",
            "compacted: all 12 columns",
            "pk_compacted",
            full_scan("pk_compacted"),
        ),
        query(
            "compacted-two",
            "compacted: two columns",
            "pk_compacted",
            two_columns("pk_compacted"),
        ),
        query(
            "compacted-range",
            "compacted: key range",
            "pk_compacted",
            key_range("pk_compacted"),
        ),
        query(
            "compacted-top10",
            "compacted: top 10",
            "pk_compacted",
            top_10("pk_compacted"),
        ),
        query(
            "dv-full",
            "deletion vectors, 10 %: all 12 columns",
            "dv",
            full_scan("dv"),
        ),
        query(
            "dv-folded",
            "deletion vectors, 10 %: one aggregate a column",
            "dv",
            all_columns_folded("dv"),
        ),
        query(
            "append-full",
            "append: all 12 columns",
            "append",
            full_scan("append"),
        ),
        query(
            "append-two",
            "append: two columns",
            "append",
            two_columns("append"),
        ),
        query(
            "append-range",
            "append: key range",
            "append",
            key_range("append"),
        ),
        query(
            "append-filter",
            "append: value filter, 0.1 %",
            "append",
            filter_one_in_1000("append"),
        ),
        query("append-top10", "append: top 10", "append", top_10("append")),
    ]
}

fn tpch() -> Vec<Workload> {
    vec![
        query(
            "tpch-q1",
            "TPC-H Q1 on an append table",
            "lineitem",
            "SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), \
             sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), \
             avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM lineitem \
             WHERE l_shipdate <= DATE '1998-09-02' \
             GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus",
        ),
        query(
            "tpch-q6",
            "TPC-H Q6 on an append table",
            "lineitem",
            "SELECT sum(l_extendedprice * l_discount) FROM lineitem \
             WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' \
             AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24",
        ),
    ]
}

fn metadata() -> Vec<Workload> {
    let unbound = |w: Workload| Workload { bound: false, ..w };
    let planning = |w: Workload| Workload {
        bound: false,
        checked: false,
        ..w
    };
    let process = |w: Workload| Workload {
        metric: Metric::Process,
        ..w
    };
    vec![
        unbound(process(query(
            "lookup",
            "one row by key, whole process",
            "pk",
            format!("SELECT {ALL_COLUMNS} FROM pk WHERE id = 123456"),
        ))),
        planning(query(
            "plan-all",
            "plan of 50,000 files in 2,000 partitions",
            "many",
            "EXPLAIN SELECT id FROM many",
        )),
        planning(query(
            "plan-partition",
            "plan of one partition of them",
            "many",
            "EXPLAIN SELECT id FROM many WHERE dt = '2021-03-04'",
        )),
        planning(query(
            "plan-key",
            "plan with a filter on values",
            "many",
            "EXPLAIN SELECT amount FROM many WHERE id = 1234567890",
        )),
    ]
}

#[cfg(test)]
mod tests {
    use super::workloads;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = workloads().iter().map(|w| w.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
