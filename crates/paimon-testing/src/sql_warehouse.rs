//! The warehouse that the SQL logic tests run on.

use std::io;
use std::path::Path;

use crate::folders::copy_folder;

/// Golden tables in `default` under the names that the test files use.
const TABLES: &[(&str, &str)] = &[
    ("travel", "meta-time-travel"),
    ("evolved", "evolution-time-travel-schema"),
    ("branched", "meta-branches"),
    ("parted", "append-partitioned"),
    ("pk", "pk-dedup-partitioned"),
    ("types", "types-parquet"),
    ("indexed", "index-bloom-filter"),
    ("lost", "bad-missing-data-file"),
    ("gone", "bad-missing-data-file"),
    ("lost_twin", "bad-missing-data-file"),
    ("consumed", "meta-consumers"),
    ("decoupled", "changelog-decoupled"),
    ("levels", "pk-dedup-levels-parquet"),
    ("logged", "changelog-input"),
    ("with_row_ids", "row-tracking"),
    ("analyzed", "meta-statistics"),
    ("aggregated", "pk-agg-functions"),
    ("marked", "append-dv-bucketed"),
    ("retracted", "pk-cross-partition-retracted"),
];

/// Puts the golden warehouse's databases and the tables above into a folder; `golden` is the folder of golden tables.
///
/// # Errors
/// When the disk refuses.
pub fn sql_warehouse(golden: &Path, to: &Path) -> io::Result<()> {
    copy_folder(&golden.join("catalog-warehouse/warehouse"), to)?;
    for (name, source) in TABLES {
        let table = golden.join(source).join("table");
        copy_folder(&table, &to.join("default.db").join(name))?;
    }
    Ok(())
}
