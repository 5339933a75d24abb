//! Primary-key tables: a compacted run with every key and four level-0 runs with random updates.

use std::fs;
use std::path::Path;
use std::thread;

use paimon_core::deletionvectors::DeletionVector;
use paimon_core::spec::{DataFileMeta, FileSource, murmur_hash};

use super::data_file::{FilePlace, Layout, key_row};
use super::hash::{below, mix, shuffled, uuid_like};
use super::{DataFileWriter, Scale, TableFolder, deletion, fact};
use crate::Result;

const KEYS: i64 = 10_000_000;
/// Level-0 runs over the compacted one.
const UPDATE_RUNS: u64 = 4;
/// Of 10,000 keys, how many a level-0 run updates: 18.9 M physical rows for 10 M keys.
const UPDATED_OF_10000: u64 = 2_225;
/// Of 100 rows, how many the deletion vectors delete.
const DELETED_PERCENT: u64 = 10;
const TOP_LEVEL: i32 = 5;
/// Rows of a compacted file: about 128 MB.
const ROWS_PER_FILE: usize = 2_000_000;
const BATCH_ROWS: usize = 1 << 16;

/// What a keyed table looks like.
#[derive(Clone, Copy)]
struct Shape<'a> {
    name: &'a str,
    buckets: i32,
    options: &'a [(&'a str, &'a str)],
    /// Nulls among nullable values of the compacted run and of the others.
    null_percents: (u64, u64),
}

/// Files of one bucket.
struct BucketFiles {
    compacted: Vec<DataFileMeta>,
    updates: Vec<DataFileMeta>,
    /// Deleted positions of each compacted file, for the table with deletion vectors.
    deleted: Vec<DeletionVector>,
}

/// `pk` with five runs a bucket, `pk_compacted` with its top run alone, `dv` with deletion vectors on the top run. The
/// files of the top run are shared by hard links.
///
/// # Errors
/// When the disk refuses.
pub fn make_pk_family(database: &Path, scale: Scale) -> Result<()> {
    let shape = Shape {
        name: "pk",
        buckets: 4,
        options: &[("bucket", "4")],
        null_percents: (1, 1),
    };
    let (table, buckets) = write_table(database, scale, shape)?;
    let compacted = create(
        database,
        Shape {
            name: "pk_compacted",
            ..shape
        },
    )?;
    let dv_options = [("bucket", "4"), ("deletion-vectors.enabled", "true")];
    let dv = create(
        database,
        Shape {
            name: "dv",
            options: &dv_options,
            ..shape
        },
    )?;

    let mut top_files = Vec::new();
    let mut index = Vec::new();
    for (bucket, files) in (0..).zip(&buckets) {
        let source = table.bucket(bucket)?;
        let mut vectors = Vec::new();
        for (file, deleted) in files.compacted.iter().zip(&files.deleted) {
            for other in [&compacted, &dv] {
                link_or_copy(
                    &source.join(&file.file_name),
                    &other.bucket(bucket)?.join(&file.file_name),
                )?;
            }
            vectors.push((file.file_name.clone(), deleted.clone()));
            top_files.push((bucket, file.clone()));
        }
        index.push(deletion::write_vectors(&dv, bucket, vectors)?);
    }
    compacted.commit(top_files.clone(), shape.buckets, vec![])?;
    dv.commit(top_files, shape.buckets, index)?;
    commit(&table, shape, buckets)
}

/// `pk1`: the rows of `pk` in one bucket.
///
/// # Errors
/// When the disk refuses.
pub fn make_pk1(database: &Path, scale: Scale) -> Result<()> {
    make(
        database,
        scale,
        Shape {
            name: "pk1",
            buckets: 1,
            options: &[("bucket", "1")],
            null_percents: (1, 1),
        },
    )
}

/// `agg`: the aggregation engine with a function for every column.
///
/// # Errors
/// When the disk refuses.
pub fn make_agg(database: &Path, scale: Scale) -> Result<()> {
    let options = [
        ("bucket", "4"),
        ("merge-engine", "aggregation"),
        ("fields.qty.aggregate-function", "sum"),
        ("fields.status.aggregate-function", "max"),
        ("fields.amount.aggregate-function", "sum"),
        ("fields.price.aggregate-function", "max"),
        ("fields.total.aggregate-function", "sum"),
        ("fields.day.aggregate-function", "min"),
        ("fields.updated.aggregate-function", "max"),
        ("fields.city.aggregate-function", "last_non_null_value"),
        ("fields.tag.aggregate-function", "last_non_null_value"),
        ("fields.note.aggregate-function", "last_non_null_value"),
        ("fields.flag.aggregate-function", "bool_or"),
    ];
    make(
        database,
        scale,
        Shape {
            name: "agg",
            buckets: 4,
            options: &options,
            null_percents: (1, 1),
        },
    )
}

/// `partial`: the partial-update engine, most values of an update null.
///
/// # Errors
/// When the disk refuses.
pub fn make_partial(database: &Path, scale: Scale) -> Result<()> {
    let options = [("bucket", "4"), ("merge-engine", "partial-update")];
    make(
        database,
        scale,
        Shape {
            name: "partial",
            buckets: 4,
            options: &options,
            null_percents: (10, 60),
        },
    )
}

fn make(database: &Path, scale: Scale, shape: Shape<'_>) -> Result<()> {
    let (table, buckets) = write_table(database, scale, shape)?;
    commit(&table, shape, buckets)
}

fn create(database: &Path, shape: Shape<'_>) -> Result<TableFolder> {
    TableFolder::create(
        &database.join(shape.name),
        &layout().fields(),
        &[],
        &["id"],
        shape.options,
    )
}

fn commit(table: &TableFolder, shape: Shape<'_>, buckets: Vec<BucketFiles>) -> Result<()> {
    let mut files = Vec::new();
    for (bucket, of_bucket) in (0..).zip(buckets) {
        files.extend(
            of_bucket
                .compacted
                .into_iter()
                .chain(of_bucket.updates)
                .map(|file| (bucket, file)),
        );
    }
    table.commit(files, shape.buckets, vec![])
}

fn layout() -> Layout {
    Layout {
        columns: fact::columns(),
        keyed: true,
    }
}

/// Writes the data files, bucket by bucket, on as many threads as there are cores.
fn write_table(
    database: &Path,
    scale: Scale,
    shape: Shape<'_>,
) -> Result<(TableFolder, Vec<BucketFiles>)> {
    let table = create(database, shape)?;
    let threads = i32::try_from(thread::available_parallelism().map_or(1, usize::from))?;
    let mut done = Vec::new();
    let numbers: Vec<i32> = (0..shape.buckets).collect();
    for group in numbers.chunks(usize::try_from(threads)?) {
        let results: Vec<Result<BucketFiles>> = thread::scope(|scope| {
            let table = &table;
            let start =
                |&bucket: &i32| scope.spawn(move || write_bucket(table, scale, shape, bucket));
            let running: Vec<_> = group.iter().map(start).collect();
            let joined = |t: thread::ScopedJoinHandle<'_, _>| {
                t.join().unwrap_or_else(|_| Err("a writer died".into()))
            };
            running.into_iter().map(joined).collect()
        });
        for result in results {
            done.push(result?);
        }
    }
    Ok((table, done))
}

fn write_bucket(
    table: &TableFolder,
    scale: Scale,
    shape: Shape<'_>,
    bucket: i32,
) -> Result<BucketFiles> {
    let keys = scale.rows(KEYS);
    let folder = table.bucket(bucket)?;
    let ids: Vec<i64> = (0..keys)
        .filter(|id| bucket_of(*id, shape.buckets) == bucket)
        .collect();
    let run = |version, level, nulls| Run {
        folder: &folder,
        shape,
        bucket,
        version,
        level,
        nulls,
    };

    let mut files = BucketFiles {
        compacted: Vec::new(),
        updates: Vec::new(),
        deleted: Vec::new(),
    };
    let total = i64::try_from(ids.len())?;
    let mut first = 0;
    for chunk in ids.chunks(ROWS_PER_FILE) {
        let sequence = |i: i64| shuffled(i, total);
        files
            .compacted
            .push(run(0, TOP_LEVEL, shape.null_percents.0).write(chunk, first, &sequence)?);
        let deleted = (0u64..)
            .zip(chunk)
            .filter(|(_, id)| below(mix(**id, 9, 88), 100) < DELETED_PERCENT);
        files
            .deleted
            .push(deleted.map(|(position, _)| position).collect());
        first += i64::try_from(chunk.len())?;
    }
    let mut base = total;
    for version in 1..=UPDATE_RUNS {
        let updated = |id: &i64| below(mix(*id, version, 77), 10_000) < UPDATED_OF_10000;
        let updates: Vec<i64> = ids.iter().copied().filter(updated).collect();
        let count = i64::try_from(updates.len())?;
        let sequence = |i: i64| base + shuffled(i, count);
        files
            .updates
            .push(run(version, 0, shape.null_percents.1).write(&updates, 0, &sequence)?);
        base += count;
    }
    Ok(files)
}

/// A sorted run about to be written.
struct Run<'a> {
    folder: &'a Path,
    shape: Shape<'a>,
    bucket: i32,
    version: u64,
    level: i32,
    nulls: u64,
}

impl Run<'_> {
    /// Writes one file with rows `ids`, of which the first is row `first` of the run.
    fn write(
        &self,
        ids: &[i64],
        first: i64,
        sequence: &dyn Fn(i64) -> i64,
    ) -> Result<DataFileMeta> {
        let seed = format!(
            "{} {} {} {first}",
            self.shape.name, self.bucket, self.version
        );
        let place = FilePlace {
            name: format!("data-{}-0.parquet", uuid_like(&seed)),
            level: self.level,
            source: if self.level == 0 {
                FileSource::Append
            } else {
                FileSource::Compact
            },
            first_sequence: 0,
        };
        let mut writer = DataFileWriter::create(self.folder, place, &layout())?;
        for chunk in ids.chunks(BATCH_ROWS) {
            let start = first + writer.rows();
            let sequences = (start..).take(chunk.len()).map(sequence).collect();
            writer.write_keyed(fact::arrays(chunk, self.version, self.nulls)?, sequences)?;
        }
        writer.finish()
    }
}

/// Bucket of a key by Paimon's default bucket function.
fn bucket_of(id: i64, buckets: i32) -> i32 {
    let mut row = [0; 16];
    row[8..].copy_from_slice(&id.to_le_bytes());
    debug_assert_eq!(&row[..], &key_row(id).bytes()[..]);
    (murmur_hash(&row) % buckets).abs()
}

fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}
