//! `append`: the rows of the compacted `pk` in an append table of four files.

use std::path::Path;

use paimon_core::spec::FileSource;

use super::data_file::{FilePlace, Layout};
use super::hash::uuid_like;
use super::{DataFileWriter, Scale, TableFolder, fact};
use crate::Result;

const ROWS: i64 = 10_000_000;
const FILES: i64 = 4;
const BATCH_ROWS: i64 = 1 << 16;

/// Writes the table.
///
/// # Errors
/// When the disk refuses.
pub fn make_append(database: &Path, scale: Scale) -> Result<()> {
    let layout = Layout {
        columns: fact::columns(),
        keyed: false,
    };
    let table = TableFolder::create(
        &database.join("append"),
        &layout.fields(),
        &[],
        &[],
        &[("bucket", "-1")],
    )?;
    let folder = table.bucket(0)?;
    let per_file = scale.rows(ROWS) / FILES;
    let mut files = Vec::new();
    for number in 0..FILES {
        let first = number * per_file;
        let place = FilePlace {
            name: format!("data-{}-0.parquet", uuid_like(&format!("append {number}"))),
            level: 0,
            source: FileSource::Append,
            first_sequence: first,
        };
        let mut writer = DataFileWriter::create(&folder, place, &layout)?;
        while writer.rows() < per_file {
            let start = first + writer.rows();
            let end = (start + BATCH_ROWS).min(first + per_file);
            let ids: Vec<i64> = (start..end).collect();
            writer.write_plain(fact::arrays(&ids, 0, 1)?)?;
        }
        files.push((0, writer.finish()?));
    }
    table.commit(files, -1, vec![])
}
