//! Plays one case: the same rows go to our table and to its twin, which only Java writes; after every step all readers
//! must agree.

use std::path::{Path, PathBuf};

use paimon_core::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::case::{Case, Outcome};
use crate::checks;
use crate::java::Java;
use crate::ours;

/// Why a case does not go on.
pub enum Stop {
    /// This engine refused, by name.
    Refused(String),
    /// Java refuses such tables.
    Skipped(String),
    /// Something is wrong.
    Wrong(String),
}

impl Stop {
    /// What an error of ours means at a stage.
    pub fn ours(stage: &str, error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Unsupported => {
                let option = error.context().iter().find(|(key, _)| *key == "option");
                let option = option.map_or(String::new(), |(_, value)| format!(" [{value}]"));
                Self::Refused(format!("{}{option}", error.message()))
            }
            _ => Self::Wrong(format!("{stage}: {error:?}")),
        }
    }

    /// An error of Java's at a stage.
    pub fn java(stage: &str, error: &str) -> Self {
        Self::Wrong(format!("{stage}: Java: {error}"))
    }
}

/// A case under way.
pub struct Play<'a> {
    /// What is played.
    pub case: &'a Case,
    /// The other implementation.
    pub java: &'a Java,
    /// Folder of the table that both write.
    pub table: PathBuf,
    /// Folder of the table that Java alone writes.
    pub twin: PathBuf,
    refused: Vec<String>,
    differs: Vec<String>,
}

/// Plays a case in an empty folder.
pub async fn play(case: &Case, java: &Java, folder: &Path) -> Outcome {
    let mut play = Play {
        case,
        java,
        table: folder.join("table"),
        twin: folder.join("twin"),
        refused: Vec::new(),
        differs: Vec::new(),
    };
    match play.run().await {
        Ok(()) if !play.refused.is_empty() => Outcome::Refused(play.refused),
        Ok(()) if !play.differs.is_empty() => Outcome::Differs(play.differs),
        Ok(()) => Outcome::Ok,
        Err(Stop::Refused(why)) => {
            play.refused.push(why);
            Outcome::Refused(play.refused)
        }
        Err(Stop::Skipped(why)) => Outcome::Skipped(why),
        Err(Stop::Wrong(why)) => Outcome::Failed(why),
    }
}

impl Play<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        self.create().await?;
        for batch in 0..3 {
            self.ours_grows(batch, self.case.compacted).await?;
        }
        checks::rows(self, "after three commits of ours").await?;
        checks::snapshots(self).await?;
        checks::changelog(self, "after three commits of ours", Some(3)).await?;
        checks::system_tables(self, "after three commits of ours").await?;
        checks::filters(self, "after three commits of ours").await?;

        self.java_grows(3).await?;
        checks::rows(self, "after Java's write").await?;
        self.java_compacts(&self.table).await?;
        self.java_compacts(&self.twin).await?;
        checks::rows(self, "after Java's compaction").await?;

        self.ours_grows(4, true).await?;
        checks::rows(self, "after our compaction on Java's").await?;
        checks::changelog(self, "after our compaction on Java's", None).await?;
        checks::system_tables(self, "after our compaction on Java's").await?;
        checks::filters(self, "after our compaction on Java's").await?;

        self.ask("expire", &self.table, json!({"keep": 1})).await?;
        checks::rows(self, "after Java's expiry").await
    }

    /// Declares the table on both sides: they must agree on whether it may exist, and on its schema file.
    async fn create(&mut self) -> Result<(), Stop> {
        let schema =
            serde_json::to_value(&self.case.schema).map_err(|e| Stop::Wrong(e.to_string()))?;
        let java = self
            .java
            .ask("create", &self.twin, json!({"schema": schema}))
            .await;
        let ours = ours::create(&self.table, &self.case.schema).await;
        match (java, ours) {
            (Ok(_), Ok(())) => {}
            (Ok(_), Err(error)) => return Err(Stop::ours("create", &error)),
            (Err(why), Err(_)) => return Err(Stop::Skipped(why)),
            (Err(why), Ok(())) => {
                return Err(Stop::Wrong(format!(
                    "Java refuses the schema that was created here: {why}"
                )));
            }
        }
        let (ours, twin) = (schema_file(&self.table)?, schema_file(&self.twin)?);
        match ours == twin {
            true => Ok(()),
            false => Err(Stop::Wrong(format!("schema file {ours}, Java's {twin}"))),
        }
    }

    /// Our commit, on the twin Java's; with a compaction of everything behind it when asked for. A compaction that this
    /// engine refuses is left to Java.
    async fn ours_grows(&mut self, batch: usize, compact: bool) -> Result<(), Stop> {
        let rows = &self.case.batches[batch];
        let written = ours::write(&self.table, rows).await;
        written.map_err(|e| Stop::ours("our write", &e))?;
        self.ask("write", &self.twin, json!({"rows": rows.json}))
            .await?;
        if !compact {
            return Ok(());
        }
        if let Err(error) = ours::compact(&self.table).await {
            match Stop::ours("our compaction", &error) {
                Stop::Refused(why) if !self.refused.contains(&why) => self.refused.push(why),
                Stop::Refused(_) => {}
                other => return Err(other),
            }
            self.java_compacts(&self.table).await?;
        }
        self.java_compacts(&self.twin).await
    }

    /// Java's commit with compaction, to both tables.
    async fn java_grows(&self, batch: usize) -> Result<(), Stop> {
        for folder in [&self.table, &self.twin] {
            let rows = json!({"rows": self.case.batches[batch].json, "compact": true});
            self.ask("write", folder, rows).await?;
            if let Some(filter) = &self.case.deletes {
                self.ask("delete", folder, json!({"filter": filter}))
                    .await?;
            }
        }
        Ok(())
    }

    async fn java_compacts(&self, folder: &Path) -> Result<(), Stop> {
        self.ask("compact", folder, json!({})).await.map(drop)
    }

    /// A request to Java that must succeed.
    pub async fn ask(&self, command: &str, folder: &Path, more: Value) -> Result<Value, Stop> {
        let answer = self.java.ask(command, folder, more).await;
        answer.map_err(|e| Stop::java(command, &e))
    }

    /// Notes a difference that is known, once.
    pub fn differs(&mut self, what: &str) {
        if !self.differs.iter().any(|d| d == what) {
            self.differs.push(what.to_string());
        }
    }

    /// The value of a table option.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.case.schema.options.get(key).map(String::as_str)
    }
}

/// The first schema without its time.
fn schema_file(folder: &Path) -> Result<Value, Stop> {
    let bytes = std::fs::read(folder.join("schema/schema-0"));
    let bytes = bytes.map_err(|e| Stop::Wrong(format!("schema file: {e}")))?;
    let mut schema: Value =
        serde_json::from_slice(&bytes).map_err(|e| Stop::Wrong(format!("schema file: {e}")))?;
    schema["timeMillis"] = json!(0);
    Ok(schema)
}
