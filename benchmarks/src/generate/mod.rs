//! Writes the tables of the comparison: real Paimon tables with Parquet files laid out as the Java writer does.
//!
//! Every value follows from the row's key, the run and the column by a hash, so two generations give the same bytes and
//! nothing has to be kept in memory. Layout of a table: `spec` of data files (system columns, field ids, one row group
//! per file of about 128 MB) and of manifests.

mod column_stats;
mod data_file;
mod deletion;
pub mod fact;
pub mod hash;
pub mod input;
mod keyed;
mod lineitem;
mod many;
mod metadata;
mod plain;

pub use data_file::{Column, DataFileWriter, FilePlace, Layout};
pub use many::planning_entries;
pub use metadata::{IndexEntries, TableFolder};

use std::path::Path;

use crate::Result;

/// How many rows the tables get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 1/2000: for tests and for reading by other implementations.
    Tiny,
    /// 1/20.
    Small,
    /// 10 M keys, 18.9 M physical rows.
    Large,
}

impl Scale {
    /// Name of the cache folder.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Tiny => "tiny",
            Scale::Small => "small",
            Scale::Large => "large",
        }
    }

    /// `large` rows at this scale.
    pub fn rows(self, large: i64) -> i64 {
        match self {
            Scale::Tiny => large / 2000,
            Scale::Small => large / 20,
            Scale::Large => large,
        }
    }
}

/// A table or a group of tables that share files.
struct Job {
    /// The tables it makes; the first one is finished last.
    tables: &'static [&'static str],
    make: fn(&Path, Scale) -> Result<()>,
}

const JOBS: &[Job] = &[
    Job {
        tables: &["pk", "pk_compacted", "dv"],
        make: keyed::make_pk_family,
    },
    Job {
        tables: &["pk1"],
        make: keyed::make_pk1,
    },
    Job {
        tables: &["agg"],
        make: keyed::make_agg,
    },
    Job {
        tables: &["partial"],
        make: keyed::make_partial,
    },
    Job {
        tables: &["append"],
        make: plain::make_append,
    },
    Job {
        tables: &["lineitem"],
        make: lineitem::make_lineitem,
    },
    Job {
        tables: &["many"],
        make: many::make_many,
    },
];

/// Makes the tables of `wanted` that `warehouse` lacks, in database `default`.
///
/// # Errors
/// When a file cannot be written.
pub fn ensure_tables(warehouse: &Path, scale: Scale, wanted: &[&str]) -> Result<()> {
    let database = warehouse.join("default.db");
    for job in JOBS {
        let needed = job.tables.iter().any(|t| wanted.contains(t));
        let ready = job
            .tables
            .iter()
            .all(|t| TableFolder::is_complete(&database.join(t)));
        if !needed || ready {
            continue;
        }
        eprintln!("generating {} ({})", job.tables.join(", "), scale.name());
        for table in job.tables {
            let folder = database.join(table);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
        }
        (job.make)(&database, scale)?;
    }
    Ok(())
}
