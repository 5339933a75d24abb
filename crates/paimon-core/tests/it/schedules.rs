//! Writers, a compactor, an expirer, a tagger, a reader and a maker of file indexes take turns at a store in an order that a seed decides.
//!
//! `SCHEDULES` is the number of schedules, `SEED` the first one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;
use paimon_core::codec::parse_json;
use paimon_core::commit::{CommitContext, CommitTurns, Overwrite};
use paimon_core::io::FileIo;
use paimon_core::maintenance::{
    ExpireSnapshots, NewTag, RemoveOrphanFiles, RewriteFileIndexes, create_tag, delete_tag,
    fsck::fsck,
};
use paimon_core::snapshot::list_tags;
use paimon_core::spec::{CommitKind, Snapshot};
use paimon_core::table::Table;
use paimon_core::write::{Clock, IdSource, WriteContext};
use paimon_core::{Error, ErrorKind, Result};
use paimon_testing::schedule::Scheduler;
use uuid::Uuid;

use crate::commit::{PLAIN, create, in_memory, written};

const NOW: i64 = 4_000_000_000_000;

/// Rows of the table: column `p` by column `id`, and how often.
type Rows = BTreeMap<(i32, i32), usize>;

/// Tables that are tried in turn: primary key, bucket and other options.
const TABLES: &[(&str, &str)] = &[
    ("", r#""write-only": "true""#),
    ("", r#""bucket": "1", "bucket-key": "id""#),
    (r#""id""#, r#""bucket": "1", "write-only": "true""#),
    (
        r#""id""#,
        r#""bucket": "1", "num-sorted-run.compaction-trigger": "2",
        "snapshot.num-retained.min": "1", "snapshot.num-retained.max": "2""#,
    ),
    (
        r#""id""#,
        r#""bucket": "1", "changelog-producer": "full-compaction",
        "full-compaction.delta-commits": "2", "manifest.merge-min-count": "2""#,
    ),
    (
        "",
        r#""write-only": "true", "manifest.merge-min-count": "2""#,
    ),
];

const WRITERS: usize = 2;
const ACTORS: usize = 7;
const COMMITS: i32 = 3;

fn schema(seed: u64) -> String {
    let (key, options) = TABLES[usize::try_from(seed).unwrap() % TABLES.len()];
    format!(
        r#"{{"version": 3, "id": 0, "highestFieldId": 1, "partitionKeys": [], "primaryKeys": [{key}],
        "fields": [{{"id": 0, "name": "id", "type": "INT NOT NULL"}}, {{"id": 1, "name": "p", "type": "INT"}}],
        "options": {{{options}, "file.format": "avro", "file.compression": "none",
        "manifest.compression": "null", "commit.max-retries": "100",
        "commit.min-retry-wait": "0 ms", "commit.max-retry-wait": "0 ms"}}}}"#
    )
}

/// Time and names that follow from a number alone.
#[derive(Debug)]
struct Counter {
    actor: u64,
    next: AtomicU64,
}

impl Counter {
    fn tick(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Clock for Counter {
    fn local_ms(&self) -> i64 {
        self.epoch_ms()
    }

    fn epoch_ms(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.tick()).unwrap()
    }
}

impl IdSource for Counter {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(self.actor, self.tick())
    }
}

/// One actor's table and context.
struct Actor {
    table: Table,
    counter: Arc<Counter>,
    notes: Arc<Mutex<Vec<Note>>>,
}

/// What an actor saw.
#[derive(Debug)]
enum Note {
    /// A commit of a user and identifier: acknowledged, refused for good, or of unknown outcome.
    Commit(String, i64, Option<bool>),
    /// Rows of a snapshot.
    Read(i64, Rows),
    /// So many files have another index.
    Indexed(usize),
    /// A snapshot expired under its reader.
    Expired,
    /// Something that must not happen.
    Violation(String),
}

impl Actor {
    fn commit(&self) -> CommitContext {
        CommitContext {
            clock: self.counter.clone(),
            ids: self.counter.clone(),
            turns: CommitTurns::default(),
        }
    }

    fn write(&self) -> WriteContext {
        WriteContext {
            clock: self.counter.clone(),
            ids: self.counter.clone(),
            parallelism: 1,
            ..WriteContext::with_memory(16 << 20)
        }
    }

    fn note(&self, note: Note) {
        self.notes.lock().unwrap().push(note);
    }

    /// Errors of these kinds are answers, others are not.
    fn expect<T>(&self, what: &str, result: Result<T>, kinds: &[ErrorKind]) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if !kinds.contains(&error.kind()) {
                    self.note(Note::Violation(format!("{what}: {}", chain(&error))));
                }
                None
            }
        }
    }
}

fn chain(error: &Error) -> String {
    let mut text = format!("{:?} {error}", error.kind());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" <- {cause}"));
        source = cause.source();
    }
    text
}

/// The rows that commit `n` of a writer writes.
fn batch(writer: i32, n: i32, keyed: bool) -> Vec<(i32, i32)> {
    let first = writer * 100 + if keyed { 0 } else { n * 10 };
    vec![(first, n), (first + 1, n), (first + 2 + n, n)]
}

/// Whether commit `n` of a writer replaces all rows.
fn overwrites(seed: u64, writer: i32, n: i32) -> bool {
    (seed / 7).wrapping_add(u64::from((writer * 3 + n).cast_unsigned())) % 5 == 0
}

fn user(writer: i32) -> String {
    format!("writer-{writer}")
}

async fn write(actor: Actor, seed: u64, writer: i32) {
    let keyed = actor.table.schema().has_primary_key();
    let user = user(writer);
    for n in 0..COMMITS {
        let rows = batch(writer, n, keyed);
        let replaces = overwrites(seed, writer, n);
        let commit = async {
            let builder = actor.table.write_builder().with_context(actor.write());
            let mut write = builder.with_ignore_previous_files(replaces).build()?;
            let id: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.0)));
            let p: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.1)));
            let batch = RecordBatch::try_new(actor.table.arrow_schema(), vec![id, p]).unwrap();
            write.write(&batch).await?;
            let messages = write.prepare_commit().await?;
            let commit = actor
                .table
                .new_commit()
                .with_user(&user)
                .with_context(actor.commit());
            match replaces {
                true => {
                    let all = Overwrite::Static(Vec::new());
                    commit.overwrite(all, n.into(), messages).await
                }
                false => commit.commit(n.into(), messages).await,
            }
        };
        let outcome = match commit.await {
            Ok(_) => Some(true),
            Err(error) if is_unknown(&error) => None,
            other => {
                actor.expect(&user, other, &[ErrorKind::CommitConflict]);
                Some(false)
            }
        };
        actor.note(Note::Commit(user.clone(), n.into(), outcome));
    }
}

/// Whether a commit cannot tell its outcome: its snapshot expired before it could look.
fn is_unknown(error: &Error) -> bool {
    error.kind() == ErrorKind::Io
        && error
            .context()
            .contains(&("outcome", "unknown".to_string()))
}

async fn compact(actor: Actor) {
    for _ in 0..2 {
        let compact = actor.table.new_compact().with_context(actor.write());
        actor.expect(
            "compaction",
            compact.commit().await,
            &[ErrorKind::CommitConflict],
        );
    }
}

async fn expire(actor: Actor) {
    for _ in 0..3 {
        let expire = ExpireSnapshots {
            retain_min: Some(1),
            older_than_ms: Some(NOW),
            ..ExpireSnapshots::default()
        };
        actor.expect("expiry", expire.run(&actor.table, NOW).await, &[]);
    }
}

async fn tag(actor: Actor) {
    let gone = [ErrorKind::SnapshotExpired, ErrorKind::NotFound];
    for name in ["a", "b", "c"] {
        let tag = NewTag {
            name: name.into(),
            ..NewTag::default()
        };
        let made = create_tag(&actor.table, &tag, 0).await;
        let made = actor.expect("creating a tag", made, &gone);
        if name == "b" && made.is_some() {
            actor.expect("deleting a tag", delete_tag(&actor.table, name).await, &[]);
        }
    }
}

/// Gives files an index in their entries, then one beside them, then none.
async fn index(actor: Actor) {
    let bitmap = ("file-index.bitmap.columns", "p");
    let beside = ("file-index.in-manifest-threshold", "1 B");
    for options in [&[bitmap][..], &[bitmap, beside], &[]] {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let table = actor.table.with_options(&options.collect()).await;
        let gone = [ErrorKind::SnapshotExpired];
        let Some(table) = actor.expect("options", table, &gone) else {
            continue;
        };
        let all = RewriteFileIndexes {
            partitions: None,
            parallelism: 1,
        };
        let made = all.run(&table, &actor.commit()).await;
        if let Some(made) = actor.expect("indexes", made, &[ErrorKind::CommitConflict]) {
            actor.note(Note::Indexed(made.files));
        }
    }
}

async fn read(actor: Actor) {
    for _ in 0..3 {
        let rows = rows_now(&actor.table).await;
        match actor.expect("reading", rows, &[ErrorKind::SnapshotExpired]) {
            Some(Some((id, rows))) => actor.note(Note::Read(id, rows)),
            Some(None) => {}
            None => actor.note(Note::Expired),
        }
    }
}

/// The rows of the newest snapshot and its id.
async fn rows_now(table: &Table) -> Result<Option<(i64, Rows)>> {
    let Some(snapshot) = table.snapshots().latest().await? else {
        return Ok(None);
    };
    let id = snapshot.id;
    Ok(Some((id, rows_of(&table.pinned(Some(snapshot))).await?)))
}

async fn rows_of(table: &Table) -> Result<Rows> {
    let builder = table.read_builder();
    let plan = builder.plan().await?;
    let reader = builder.reader()?;
    let mut rows = Rows::new();
    for split in &plan.splits {
        let batches: Vec<RecordBatch> = reader.read(split)?.try_collect().await?;
        for batch in batches {
            let [id, p] = [0, 1].map(|i| batch.column(i).as_primitive::<Int32Type>().clone());
            for row in 0..batch.num_rows() {
                *rows.entry((id.value(row), p.value(row))).or_default() += 1;
            }
        }
    }
    Ok(rows)
}

/// Rows after each snapshot, by what was committed, in the order of snapshots.
fn model(seed: u64, keyed: bool, snapshots: &[Snapshot]) -> BTreeMap<i64, Rows> {
    let mut rows = Rows::new();
    let mut all = BTreeMap::new();
    for snapshot in snapshots {
        let writer = (0..2).find(|w| user(*w) == snapshot.commit_user);
        if let Some(writer) = writer
            && snapshot.commit_kind != CommitKind::Compact
        {
            let n = i32::try_from(snapshot.commit_identifier).unwrap();
            if overwrites(seed, writer, n) {
                rows.clear();
            }
            for (id, p) in batch(writer, n, keyed) {
                if keyed {
                    rows.retain(|(old, _), _| *old != id);
                }
                *rows.entry((id, p)).or_default() += 1;
            }
        }
        all.insert(snapshot.id, rows.clone());
    }
    all
}

/// What is left of a schedule.
struct World {
    /// The table, without turns.
    table: Table,
    notes: Vec<Note>,
    /// Every snapshot that was published, expired ones too.
    snapshots: Vec<Snapshot>,
    log: Vec<String>,
}

async fn play(seed: u64) -> World {
    let inner = Arc::new(InMemory::new());
    let io = FileIo::with_store(inner.clone(), "memory://");
    let table = create(io, "memory:/t", &schema(seed)).await;
    let notes: Arc<Mutex<Vec<Note>>> = Arc::default();
    let scheduler = Scheduler::new(ACTORS, seed);
    let mut actors: Vec<BoxFuture<'static, ()>> = Vec::new();
    for i in 0..ACTORS {
        let io = FileIo::with_store(scheduler.store(i, &inner), "memory://");
        let notes = notes.clone();
        let actor = async move {
            let table = Table::open(io, "memory:/t", "t").await.unwrap();
            let counter = Arc::new(Counter {
                actor: u64::try_from(i).unwrap(),
                next: AtomicU64::new(0),
            });
            let actor = Actor {
                table,
                counter,
                notes,
            };
            match i {
                0..WRITERS => write(actor, seed, i32::try_from(i).unwrap()).await,
                2 => compact(actor).await,
                3 => expire(actor).await,
                4 => tag(actor).await,
                5 => index(actor).await,
                _ => read(actor).await,
            }
        };
        actors.push(actor.boxed());
    }
    scheduler.run(actors).await;
    World {
        table,
        notes: std::mem::take(&mut *notes.lock().unwrap()),
        snapshots: history(&scheduler.snapshots()),
        log: scheduler.log(),
    }
}

/// The snapshots by id. A number that was in use may be taken again, by a commit that then looks and goes back.
fn history(files: &[Bytes]) -> Vec<Snapshot> {
    let mut by_id: BTreeMap<i64, Snapshot> = BTreeMap::new();
    for file in files {
        let snapshot: Snapshot = parse_json(file, "snapshot").unwrap();
        by_id.entry(snapshot.id).or_insert(snapshot);
    }
    by_id.into_values().collect()
}

/// What is wrong after a schedule.
async fn violations(seed: u64, world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let ids: Vec<i64> = world.snapshots.iter().map(|s| s.id).collect();
    let count = i64::try_from(ids.len()).unwrap();
    if ids != (1..=count).collect::<Vec<_>>() {
        wrong.push(format!("snapshot ids {ids:?}"));
    }
    let keyed = world.table.schema().has_primary_key();
    let model = model(seed, keyed, &world.snapshots);
    for note in &world.notes {
        match note {
            Note::Commit(user, identifier, acknowledged) => {
                let own = |s: &&Snapshot| {
                    s.commit_user == *user
                        && s.commit_identifier == *identifier
                        && s.commit_kind != CommitKind::Compact
                };
                let there = world.snapshots.iter().filter(own).count();
                let wanted = acknowledged.map_or(there.min(1), usize::from);
                if there != wanted {
                    wrong.push(format!(
                        "commit {user} {identifier} is there {there} times, acknowledged: {acknowledged:?}"
                    ));
                }
            }
            Note::Read(id, rows) if model.get(id) == Some(rows) => {}
            Note::Expired | Note::Indexed(_) => {}
            Note::Read(id, rows) => {
                wrong.push(format!(
                    "read {rows:?} at {id}, expected {:?}",
                    model.get(id)
                ));
            }
            Note::Violation(text) => wrong.push(text.clone()),
        }
    }
    wrong.extend(left(&world.table, &model).await);
    // what no snapshot needs may go, and nothing else does
    let orphans = RemoveOrphanFiles {
        older_than_ms: Some(NOW),
        dry_run: false,
    };
    match orphans.run(&world.table, NOW).await {
        Ok(_) => wrong.extend(left(&world.table, &model).await),
        Err(error) => wrong.push(format!("orphans: {}", chain(&error))),
    }
    wrong
}

/// What is wrong with the newest snapshot, the tags and the files.
async fn left(table: &Table, model: &BTreeMap<i64, Rows>) -> Vec<String> {
    let mut wrong = Vec::new();
    match fsck(table).await {
        Ok(report) => wrong.extend(report.findings.iter().map(|f| format!("{f:?}"))),
        Err(error) => wrong.push(format!("fsck: {}", chain(&error))),
    }
    let newest = model.last_key_value().map(|(id, rows)| (*id, rows.clone()));
    match rows_now(table).await {
        Ok(rows) if rows == newest => {}
        Ok(rows) => wrong.push(format!("the rows are {rows:?}, expected {newest:?}")),
        Err(error) => wrong.push(format!("the newest snapshot: {}", chain(&error))),
    }
    for tag in list_tags(table.io(), &table.metadata_root().unwrap())
        .await
        .unwrap()
    {
        let options = HashMap::from([("scan.tag-name".to_string(), tag.name.clone())]);
        let at_tag = async { rows_of(&table.with_options(&options).await?).await };
        let (name, id) = (&tag.name, tag.tag.snapshot.id);
        match at_tag.await {
            Ok(rows) if model.get(&id) == Some(&rows) => {}
            Ok(rows) => {
                wrong.push(format!(
                    "tag {name} of {id}: {rows:?}, expected {:?}",
                    model.get(&id)
                ));
            }
            Err(error) => wrong.push(format!("tag {name} of {id}: {}", chain(&error))),
        }
    }
    wrong
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build();
    runtime.unwrap().block_on(future)
}

#[test]
fn no_order_of_requests_breaks_a_table() {
    let first = number("SEED").unwrap_or(1);
    let count = number("SCHEDULES").unwrap_or(200);
    println!("SEED={first} SCHEDULES={count}");
    let (mut requests, mut snapshots) = (0, 0);
    let (mut commits, mut unknown, mut reads, mut expired) = (0, 0, 0, 0);
    let mut indexed = 0;
    let mut failed = Vec::new();
    for seed in first..first + count {
        let (world, wrong) = on_one_thread(async {
            let world = play(seed).await;
            let wrong = violations(seed, &world).await;
            (world, wrong)
        });
        requests += world.log.len();
        snapshots += world.snapshots.len();
        for note in &world.notes {
            commits += usize::from(matches!(note, Note::Commit(_, _, Some(true))));
            unknown += usize::from(matches!(note, Note::Commit(_, _, None)));
            reads += usize::from(matches!(note, Note::Read(..)));
            expired += usize::from(matches!(note, Note::Expired));
            if let Note::Indexed(files) = note {
                indexed += files;
            }
        }
        if !wrong.is_empty() {
            println!("SEED={seed} SCHEDULES=1: {wrong:#?}");
            if count == 1 {
                println!("{:#?}", world.log);
            }
            failed.push(seed);
        }
    }
    println!("{count} schedules, {requests} requests, {snapshots} snapshots");
    println!(
        "{commits} commits, {unknown} of unknown outcome, {reads} reads, {expired} of expired snapshots, {indexed} indexes"
    );
    assert!(indexed > 0 || count < 20, "no file got another index");
    assert!(
        failed.is_empty(),
        "{} of {count} schedules: SEED={failed:?}",
        failed.len()
    );
}

#[test]
fn a_seed_gives_the_same_order_again() {
    for seed in 0..6 {
        let [a, b] = [0, 1].map(|_| on_one_thread(play(seed)).log);
        let differs = a.iter().zip(&b).position(|(a, b)| a != b);
        if let Some(at) = differs {
            panic!("SEED={seed}: request {at} is {} and {}", a[at], b[at]);
        }
        assert_eq!(a.len(), b.len(), "SEED={seed}");
    }
}

#[tokio::test]
async fn a_planned_read_of_an_expired_snapshot_says_so() {
    let table = in_memory(PLAIN).await;
    let messages = written(&table, &[1], 0).await;
    table.new_commit().commit(1, messages).await.unwrap();
    let pinned = table.pinned(table.snapshots().latest().await.unwrap());
    for reading in [&table, &pinned] {
        let builder = reading.read_builder();
        let plan = builder.plan().await.unwrap();
        let fork = table.io().clone();
        let path = plan.splits[0].files()[0].path.to_string();
        let bytes = fork.read(&path, 1 << 20).await.unwrap();
        fork.discard(&path).await.unwrap();
        let read = async || {
            let stream = builder.reader().unwrap().read(&plan.splits[0]).unwrap();
            stream.try_collect::<Vec<_>>().await.unwrap_err()
        };
        assert_eq!(
            read().await.kind(),
            ErrorKind::Damaged,
            "the snapshot is there"
        );
        let snapshot = table.snapshots().location(1);
        let saved = fork.read(&snapshot, 1 << 20).await.unwrap();
        fork.discard(&snapshot).await.unwrap();
        let error = read().await;
        assert_eq!(error.kind(), ErrorKind::SnapshotExpired, "{error}");
        fork.overwrite(&snapshot, saved).await.unwrap();
        fork.overwrite(&path, bytes).await.unwrap();
    }
}
