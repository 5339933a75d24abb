//! Data files of other programs that become files of an append table: moved, not copied.
//!
//! Source: `FileMetaUtils`, `HiveMigrator.MigrateTask`. Java moves files first and commits them after that; a kill leaves
//! files that neither table names, which orphan cleaning deletes. Here the commit comes first:
//!
//! ```text
//! check every file  ->  write the journal  ->  commit  ->  move the files  ->  remove the journal
//! ```
//!
//! Wherever a call is cut off, each file is where its old table or a snapshot of the new one expects it, and the journal says
//! what is left to do: until that is done, files that have not been moved are missing to readers of the new table.

mod check;
mod journal;

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use indexmap::IndexMap;

use self::check::Examined;
use self::journal::{Journal, Move};
use crate::commit::{BATCH_COMMIT_IDENTIFIER, CommitContext, FileStoreCommit, RowChange};
use crate::error::{Error, ErrorKind, Result};
use crate::io::checked_name;
use crate::spec::{
    CommitMessage, CompactIncrement, DataFileMeta, DataIncrement, Datum, ManifestCommittable,
    Snapshot, binary_row,
};
use crate::table::Table;

/// Buckets of tables that have none.
const BUCKET: i32 = 0;
/// What the snapshot says it was made by.
const OPERATION: &str = "WRITE";
/// Commits that others may make in between before this one gives up.
const ATTEMPTS_MAX: usize = 100;
/// How many files are asked for at once.
const QUESTIONS: usize = 16;

/// A data file that another program wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignFile {
    /// Full location, on the store of the table.
    pub location: String,
    /// Bytes.
    pub size: u64,
    /// `parquet`, `orc` or `avro`, whatever its name says.
    pub format: String,
    /// One value per partition column of the table.
    pub partition: Vec<Option<Datum>>,
}

/// Makes data files of another program data files of an append table without buckets.
#[derive(Debug, Clone)]
pub struct AdoptFiles {
    /// The files.
    pub files: Vec<ForeignFile>,
    /// Files examined or moved at a time, at least one.
    pub parallelism: usize,
}

impl AdoptFiles {
    /// Commits the files, then moves them to the folders of their partitions. Their names stay, with the format as their
    /// ending. Returns how many there were.
    ///
    /// An adoption that was cut off is finished first, see [`finish_adoption`].
    ///
    /// # Errors
    /// `Unsupported` for a table with keys or buckets and for files that cannot be moved in one step, `InvalidInput` for a
    /// name that is taken, `Damaged` or `Unsupported` for a file that cannot be read as the table's: nothing has changed
    /// then. `CommitConflict` as a commit. `Io` when the store fails: [`finish_adoption`] goes on.
    ///
    /// # Cancel safety
    /// [`finish_adoption`] goes on after a cancelled call.
    pub async fn run(&self, table: &Table, context: &CommitContext) -> Result<usize> {
        let named = |e: Error| e.with_default("table", table.name());
        check::table(table).map_err(named)?;
        finish_adoption(table, context, self.parallelism).await?;
        let mut journal = Journal::new(context.ids.uuid().to_string());
        for file in &self.files {
            journal.files.push(planned(table, file).map_err(named)?);
        }
        journal.check_names().map_err(named)?;
        if journal.files.is_empty() {
            return Ok(0);
        }
        let examined = examine_all(table, &journal, self.parallelism).await?;
        if let Some(taken) = examined.iter().find(|e| e.moved) {
            return Err(Error::invalid("the table has a file of that name already")
                .with("path", &taken.location)
                .with("table", table.name()));
        }
        check::moves(table, &journal, context)
            .await
            .map_err(named)?;
        journal.create(table).await?;
        commit(table, context, &journal, examined).await?;
        move_all(table, &journal, self.parallelism).await
    }
}

/// Finishes an adoption that was cut off: commits its files unless they were, and moves those that have not been. Returns
/// how many files it has, 0 when there is none to finish.
///
/// # Errors
/// As [`AdoptFiles::run`]. One that was not committed and cannot be any more, because a file is gone or broken, is given up:
/// this call fails, the next begins anew.
///
/// # Cancel safety
/// Another call goes on.
pub async fn finish_adoption(
    table: &Table,
    context: &CommitContext,
    parallelism: usize,
) -> Result<usize> {
    let Some(journal) = Journal::read(table).await? else {
        return Ok(0);
    };
    if !was_committed(table, context, &journal).await? {
        let examined = match examine_all(table, &journal, parallelism).await {
            Err(error) if error.kind() != ErrorKind::Io => {
                Journal::remove(table).await?;
                return Err(error);
            }
            examined => examined?,
        };
        commit(table, context, &journal, examined).await?;
    }
    move_all(table, &journal, parallelism).await
}

/// Whether files are still to be moved into a table: what is missing there is not lost.
///
/// # Errors
/// `Damaged` for a broken journal.
pub(super) async fn is_unfinished(table: &Table) -> Result<bool> {
    Ok(Journal::read(table).await?.is_some())
}

/// Where a file goes.
fn planned(table: &Table, file: &ForeignFile) -> Result<Move> {
    let fields = table.schema().partition_fields();
    if fields.len() != file.partition.len() {
        return Err(Error::invalid(format!(
            "expected {} partition values of a file, found {}",
            fields.len(),
            file.partition.len()
        ))
        .with("path", &file.location));
    }
    let values = file.partition.iter().cloned().zip(&fields);
    let values: Vec<_> = values.map(|(v, f)| (v, f.data_type.clone())).collect();
    let row = binary_row(&values).to_serialized();
    let folder = check::folder(table, &row)?;
    let name = checked_name(file.location.rsplit('/').next().unwrap_or_default())?;
    let ending = format!(".{}", file.format);
    let ending = match name.ends_with(&ending) {
        true => "",
        false => ending.as_str(),
    };
    Ok(Move {
        from: file.location.clone(),
        to: format!("{folder}/{name}{ending}"),
        size: file.size,
        format: file.format.clone(),
        partition: row.to_vec(),
    })
}

async fn examine_all(
    table: &Table,
    journal: &Journal,
    parallelism: usize,
) -> Result<Vec<Examined>> {
    let mut examined = Vec::with_capacity(journal.files.len());
    for file in &journal.files {
        examined.push(check::examine(table, file));
    }
    let examined = futures::stream::iter(examined).buffered(parallelism.max(1));
    let examined: Result<Vec<_>> = examined.try_collect().await;
    examined.map_err(|e| e.with_default("table", table.name()))
}

/// Whether a snapshot has or had the files. The one that added them may have expired: files that are live tell, and
/// those that were moved.
async fn was_committed(table: &Table, context: &CommitContext, journal: &Journal) -> Result<bool> {
    let commit = FileStoreCommit::new(table, &journal.user, context.clone())?;
    if !commit.committed(BATCH_COMMIT_IDENTIFIER).await?.is_empty() {
        return Ok(true);
    }
    let newest = table.snapshots().latest().await?;
    if are_live(table, newest.as_ref(), journal).await? {
        return Ok(true);
    }
    let mut asked = Vec::with_capacity(journal.files.len());
    for file in &journal.files {
        asked.push(table.io().exists(&file.to));
    }
    let mut asked = futures::stream::iter(asked).buffer_unordered(QUESTIONS);
    while let Some(moved) = asked.next().await {
        if moved? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a snapshot has any of the files.
async fn are_live(table: &Table, newest: Option<&Snapshot>, journal: &Journal) -> Result<bool> {
    let Some(snapshot) = newest else {
        return Ok(false);
    };
    let own: HashSet<(&[u8], &str)> = journal
        .files
        .iter()
        .map(|file| (file.partition.as_slice(), file.name()))
        .collect();
    let (live, _) = table.manifest_scan().live_files(snapshot).await?;
    Ok(live
        .iter()
        .any(|e| own.contains(&(e.partition.as_ref(), e.file.file_name.as_str()))))
}

/// Moves the files that have not been moved, and forgets the adoption.
async fn move_all(table: &Table, journal: &Journal, parallelism: usize) -> Result<usize> {
    let mut moves = Vec::with_capacity(journal.files.len());
    for file in &journal.files {
        moves.push(relocate(table, file));
    }
    futures::stream::iter(moves)
        .buffer_unordered(parallelism.max(1))
        .try_collect::<()>()
        .await
        .map_err(|e| {
            e.with("outcome", "committed; the same call again moves the rest")
                .with_default("table", table.name())
        })?;
    Journal::remove(table).await?;
    Ok(journal.files.len())
}

/// Moves a file, unless it was moved before; it may have been removed by an expiry since.
async fn relocate(table: &Table, file: &Move) -> Result<()> {
    let io = table.io();
    if !io.exists(&file.from).await? {
        if !io.exists(&file.to).await? {
            tracing::warn!(from = file.from, to = file.to, "a file is at neither place");
        }
        return Ok(());
    }
    if let Some((folder, _)) = file.to.rsplit_once('/') {
        io.create_folder(folder).await?;
    }
    let Err(error) = io.rename_file(&file.from, &file.to).await else {
        return Ok(());
    };
    // another call may go on with the same journal
    match !io.exists(&file.from).await? && io.exists(&file.to).await? {
        true => Ok(()),
        false => Err(error),
    }
}

/// Commits the files on the newest snapshot, unless another call with the same journal has. A snapshot that comes in between
/// is looked at first: files that were added twice would be read twice.
async fn commit(
    table: &Table,
    context: &CommitContext,
    journal: &Journal,
    examined: Vec<Examined>,
) -> Result<()> {
    let committable = ManifestCommittable {
        identifier: BATCH_COMMIT_IDENTIFIER,
        messages: messages(table, context, journal, examined)?,
        ..ManifestCommittable::default()
    };
    let commit = FileStoreCommit::new(table, &journal.user, context.clone())?;
    let mut attempts = 0;
    loop {
        let base = table.snapshots().latest().await?;
        if are_live(table, base.as_ref(), journal).await? {
            return Ok(());
        }
        let change = RowChange {
            base,
            operation: OPERATION,
            even_if_empty: false,
        };
        attempts += 1;
        match commit.commit_change(&committable, &change).await {
            Err(e) if e.kind() == ErrorKind::CommitConflict && attempts < ATTEMPTS_MAX => {}
            done => return done.map(drop),
        }
    }
}

fn messages(
    table: &Table,
    context: &CommitContext,
    journal: &Journal,
    examined: Vec<Examined>,
) -> Result<Vec<CommitMessage>> {
    let mut partitions: IndexMap<&[u8], Vec<DataFileMeta>> = IndexMap::new();
    for (file, examined) in journal.files.iter().zip(examined) {
        let meta = check::meta(table, context, file.name(), file.size, &examined)?;
        partitions.entry(&file.partition).or_default().push(meta);
    }
    let message = |(partition, new_files): (&[u8], _)| CommitMessage {
        partition: partition.to_vec().into(),
        bucket: BUCKET,
        total_buckets: table.options().bucket,
        base: None,
        data: DataIncrement {
            new_files,
            ..DataIncrement::default()
        },
        compact: CompactIncrement::default(),
    };
    Ok(partitions.into_iter().map(message).collect())
}
