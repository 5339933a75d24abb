//! What happens to a table: steps of either engine, one after the other, each of them on a twin that Java alone writes
//! wherever the two must hold the same rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paimon_core::commit::Overwrite;
use paimon_core::spec::{DataField, TableSchema};
use paimon_core::table::BATCH_COMMIT_IDENTIFIER;
use paimon_datafusion::PaimonSession;
use serde_json::{Value, json};

use super::alters;
use super::arrow::batch;
use super::definition::{Definition, INSERTIONS};
use super::dml;
use super::places::place;
use super::pools::Pools;
use super::{sql, upkeep};
use crate::java::Java;
use crate::numbers::Numbers;
use crate::ours;
use crate::play::Stop;

/// Name of the table in its warehouse.
pub const TABLE: &str = "t";

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// This engine.
    Ours,
    /// Released Java.
    Java,
}

/// A history under way.
pub struct History<'a> {
    /// What the table is.
    pub definition: Definition,
    /// Where choices come from.
    pub numbers: Numbers,
    /// The other implementation.
    pub java: &'a Java,
    /// SQL of this engine over the warehouse.
    pub session: PaimonSession,
    /// Folder of the table.
    pub table: PathBuf,
    /// Folder of the table that Java alone writes, while both hold the same rows.
    pub twin: Option<PathBuf>,
    /// Folder of a table that has schemas only: tells which changes Java allows.
    pub shape: PathBuf,
    /// Values of columns.
    pub pools: Pools,
    /// The steps so far, one a line.
    pub log: Vec<String>,
    /// Names of tags.
    pub tags: Vec<String>,
    /// What this engine refused by name.
    pub refused: Vec<String>,
    /// Whether everything is compacted.
    pub compacted: bool,
    /// The release of Java.
    pub release: String,
}

impl<'a> History<'a> {
    /// Declares the table, its twin and its shape in an empty folder.
    pub async fn start(
        definition: Definition,
        mut numbers: Numbers,
        java: &'a Java,
        release: &str,
        folder: &Path,
    ) -> Result<Self, (String, Stop)> {
        let session = PaimonSession::new();
        let pools = Pools::new(&definition, release);
        let engine = *numbers.pick(&[Engine::Ours, Engine::Java]);
        let postponed = definition.option("bucket") == "-2";
        // whoever assigns the twin's partitions does not see rows that are hidden
        let unseen = definition.moves() && definition.hides_new_rows();
        let mut history = Self {
            definition,
            numbers,
            java,
            session,
            table: folder.join("default.db").join(TABLE),
            // batches go to buckets at once here, Java postpones every record: what is merged first differs
            twin: (!postponed && !unseen).then(|| folder.join("twin")),
            shape: folder.join("shape"),
            pools,
            log: Vec::new(),
            tags: Vec::new(),
            refused: Vec::new(),
            compacted: true,
            release: release.to_string(),
        };
        let done = history.declare(engine, folder).await;
        match done {
            Ok(()) => Ok(history),
            Err(stop) => Err((history.log.join("\n"), stop)),
        }
    }

    async fn declare(&mut self, engine: Engine, folder: &Path) -> Result<(), Stop> {
        let schema = serde_json::to_value(&self.definition.schema)
            .map_err(|e| Stop::Wrong(e.to_string()))?;
        self.log.push(format!("{engine:?} creates {schema}"));
        let options = BTreeMap::from([("warehouse".to_string(), folder.display().to_string())]);
        let created = self.session.create_catalog("paimon", options);
        created
            .and_then(|()| self.session.use_catalog("paimon"))
            .map_err(|e| sql::stop("catalog", &e))?;
        std::fs::create_dir_all(folder.join("default.db"))
            .map_err(|e| Stop::Wrong(e.to_string()))?;
        let request = json!({"schema": schema});
        let java = self.java.ask("create", &self.shape, request.clone()).await;
        let scratch = folder.join("ours");
        let ours = ours::create(&scratch, &self.definition.schema).await;
        match (java, ours) {
            (Ok(_), Ok(())) => {}
            (Ok(_), Err(error)) => return Err(Stop::ours("create", &error)),
            (Err(why), Err(_)) => return Err(Stop::Skipped(format!("create: {why}"))),
            (Err(why), Ok(())) => {
                return Err(Stop::Wrong(format!(
                    "Java refuses what was created here: {why}"
                )));
            }
        }
        if let Some(twin) = &self.twin {
            self.ask("create", twin, request.clone()).await?;
        }
        match engine {
            Engine::Java => self.ask("create", &self.table, request).await.map(drop),
            Engine::Ours => {
                let created = ours::create(&self.table, &self.definition.schema).await;
                created.map_err(|e| Stop::ours("create", &e))
            }
        }
    }

    /// A request to Java that must succeed.
    pub async fn ask(&self, command: &str, folder: &Path, more: Value) -> Result<Value, Stop> {
        let answer = self.java.ask(command, folder, more).await;
        answer.map_err(|e| Stop::java(command, &e))
    }

    /// The newest schema.
    pub async fn schema(&self) -> Result<Arc<TableSchema>, Stop> {
        let table = ours::open(&self.table, &[])
            .await
            .map_err(|e| Stop::ours("open", &e))?;
        Ok(table.schema().clone())
    }

    /// Whoever is next.
    pub fn engine(&mut self) -> Engine {
        *self
            .numbers
            .pick(&[Engine::Ours, Engine::Ours, Engine::Java])
    }

    /// One step of any kind.
    pub async fn step(&mut self) -> Result<(), Stop> {
        match self.numbers.below(20) {
            0..=9 => self.write().await,
            10 | 11 => self.compact(true).await,
            12 => self.compact(false).await,
            13 | 14 => alters::step(self).await,
            15 => self.overwrite().await,
            16 | 17 => dml::step(self).await,
            18 if self.numbers.one_in(2) => upkeep::step(self).await,
            18 => self.tag().await,
            _ => self.expire().await,
        }
    }

    /// Ends the twin where compactions at other times may lead to other rows.
    pub fn compacted_somehow(&mut self) {
        self.compacted = false;
        if self.definition.depends_on_compactions() {
            self.twin = None;
        }
    }

    /// What a step on the table and on its twin comes to.
    fn settle(
        &self,
        name: &str,
        twin: Option<Result<Value, String>>,
        table: Result<(), Stop>,
    ) -> Result<(), Stop> {
        match (twin, table) {
            (Some(Err(why)), Err(_)) => Err(Stop::Skipped(format!("{name}: {why}"))),
            (Some(Err(why)), Ok(())) => Err(Stop::Wrong(format!(
                "{name}: went through on the table, on its twin Java says {why}"
            ))),
            (_, table) => table,
        }
    }

    async fn on_twin(&self, command: &str, more: Value) -> Option<Result<Value, String>> {
        match &self.twin {
            None => None,
            Some(twin) => Some(self.java.ask(command, twin, more).await),
        }
    }

    /// A commit of rows.
    pub async fn write(&mut self) -> Result<(), Stop> {
        let schema = self.schema().await?;
        let Definition {
            kinds,
            kind_column,
            distinct,
            ..
        } = self.definition;
        let rows = self
            .pools
            .rows(&mut self.numbers, &schema, kinds, kind_column, distinct);
        let engine = self.engine();
        // where keys move and go away, what becomes of a key depends on what its writer remembers
        if self.definition.moves() && kinds != INSERTIONS {
            self.twin = None;
        }
        self.compacted = false;
        let compact = engine == Engine::Java && self.numbers.one_in(3);
        let insert =
            engine == Engine::Ours && rows.iter().all(|r| r[0] == "+I") && self.numbers.one_in(2);
        let how = if insert { "INSERT" } else { "write" };
        self.log.push(format!(
            "{engine:?} {how} compact={compact} {}",
            Value::Array(rows.clone())
        ));
        if insert {
            self.compacted_somehow();
        }
        let request = json!({"rows": rows, "compact": compact});
        let twin = self.on_twin("write", request.clone()).await;
        let done = match engine {
            Engine::Java => self.ask("write", &self.table, request).await.map(drop),
            Engine::Ours if insert => sql::insert(&self.session, &schema.fields, &rows).await,
            Engine::Ours => self.our_write(&schema.fields, &rows, None).await,
        };
        self.settle("write", twin, done)
    }

    /// A commit without compactions.
    async fn our_write(
        &self,
        fields: &[DataField],
        rows: &[Value],
        overwrite: Option<Overwrite>,
    ) -> Result<(), Stop> {
        let written = async {
            let table = ours::open(&self.table, &[("write-only", "true".to_string())]).await?;
            let (batch, kinds) = batch(rows, fields)?;
            let mut write = table
                .write_builder()
                .with_ignore_previous_files(overwrite.is_some())
                .build()?;
            write.write_with_kinds(&batch, &kinds).await?;
            let messages = write.prepare_commit().await?;
            let commit = table.new_commit();
            match overwrite {
                Some(target) => {
                    commit
                        .overwrite(target, BATCH_COMMIT_IDENTIFIER, messages)
                        .await
                }
                None => commit.commit(BATCH_COMMIT_IDENTIFIER, messages).await,
            }
        };
        written
            .await
            .map(drop)
            .map_err(|e| Stop::ours("our write", &e))
    }

    /// A compaction of everything, or of what either engine chooses.
    pub async fn compact(&mut self, full: bool) -> Result<(), Stop> {
        // Java's library has no one call that compacts column files
        let engine = match self.definition.is("data-evolution.enabled") {
            true => Engine::Ours,
            false => self.engine(),
        };
        self.log.push(format!("{engine:?} compact full={full}"));
        match full {
            true => self.compacted = true,
            false => self.compacted_somehow(),
        }
        let twin = match self.definition.is("data-evolution.enabled") {
            true => None,
            false => self.on_twin("compact", json!({"full": full})).await,
        };
        let done = match engine {
            Engine::Java => self
                .ask("compact", &self.table, json!({"full": full}))
                .await
                .map(drop),
            Engine::Ours => self.our_compaction(full).await,
        };
        self.settle("compact", twin, done)
    }

    /// What is refused here by name, Java does instead.
    async fn our_compaction(&mut self, full: bool) -> Result<(), Stop> {
        let done = async {
            let table = ours::open(&self.table, &[]).await?;
            table.new_compact().full(full).commit().await
        };
        match done.await.map_err(|e| Stop::ours("our compaction", &e)) {
            Err(Stop::Refused(why)) if !self.definition.is("data-evolution.enabled") => {
                self.refused.push(why);
                self.ask("compact", &self.table, json!({"full": full}))
                    .await
                    .map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Other rows in place of a partition's, or of all.
    async fn overwrite(&mut self) -> Result<(), Stop> {
        let schema = self.schema().await?;
        let keeps_parts = self.definition.moves() || self.definition.is("row-tracking.enabled");
        let Some(place) = place(&mut self.numbers, &mut self.pools, &schema) else {
            return Ok(());
        };
        if keeps_parts {
            return Ok(());
        }
        let Definition { kind_column, .. } = self.definition;
        let mut rows = self
            .pools
            .rows(&mut self.numbers, &schema, &["+I"], kind_column, true);
        for row in &mut rows {
            place.put(row, &schema);
        }
        let engine = self.engine();
        self.compacted = false;
        self.log.push(format!(
            "{engine:?} overwrite {} {}",
            place.json,
            Value::Array(rows.clone())
        ));
        let request = json!({"rows": rows, "overwrite": place.json});
        let twin = self.on_twin("write", request.clone()).await;
        let done = match engine {
            Engine::Java => self.ask("write", &self.table, request).await.map(drop),
            Engine::Ours => {
                // Java's default: the partitions of the rows
                self.our_write(&schema.fields, &rows, Some(Overwrite::Dynamic))
                    .await
            }
        };
        self.settle("overwrite", twin, done)
    }

    async fn tag(&mut self) -> Result<(), Stop> {
        let (_, newest) = self.snapshots().await?;
        if newest < 1 {
            return Ok(());
        }
        let name = format!("tag{}", self.log.len());
        let engine = self.engine();
        self.log.push(format!("{engine:?} tag {name}"));
        match engine {
            Engine::Java => self
                .ask("tag", &self.table, json!({"name": name}))
                .await
                .map(drop)?,
            Engine::Ours => {
                let call = format!("CALL sys.create_tag(table => '{TABLE}', tag => '{name}')");
                sql::run(&self.session, &call).await?;
            }
        }
        self.tags.push(name);
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), Stop> {
        let keep = 2 + self.numbers.below(4);
        let engine = self.engine();
        self.log.push(format!("{engine:?} expire keep={keep}"));
        match engine {
            Engine::Java => self
                .ask("expire", &self.table, json!({"keep": keep}))
                .await
                .map(drop),
            Engine::Ours => {
                let call = format!(
                    "CALL sys.expire_snapshots(table => '{TABLE}', retain_max => {keep}, retain_min => {keep}, older_than => '2100-01-01 00:00:00')"
                );
                sql::run(&self.session, &call).await.map(drop)
            }
        }
    }

    /// Ids of the oldest and the newest snapshot.
    pub async fn snapshots(&self) -> Result<(i64, i64), Stop> {
        ours::snapshots(&self.table)
            .await
            .map_err(|e| Stop::ours("snapshots", &e))
    }
}
