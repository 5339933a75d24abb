//! What `SET` changes beside DataFusion's own options.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::timezone::Tz;
use datafusion::error::{DataFusionError, Result};
use paimon_catalog::redacted;
use paimon_core::table::BATCH_COMMIT_IDENTIFIER;
use paimon_core::write::{IdSource, RandomIds};
use parking_lot::RwLock;

/// Session time zone and dynamic table options.
///
/// Options follow Spark's `spark.paimon.<key>` and `spark.paimon.<catalog>.<db>.<table>.<key>`, and Flink's
/// `paimon.<catalog>.<db>.<table>.<key>`; each name may be `*`.
#[derive(Debug)]
pub struct SessionSettings {
    time_zone: RwLock<String>,
    options: RwLock<Vec<SessionOption>>,
    commits: RwLock<Option<CommitIdentity>>,
    overwrite_mode: RwLock<Option<OverwriteMode>>,
    streaming: RwLock<bool>,
    checkpoint_interval: RwLock<Duration>,
}

/// Time between two commits of an INSERT from a stream unless set.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// What INSERT OVERWRITE removes in a partitioned table when its partition is not given in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverwriteMode {
    /// Everything, or what matches the values that are given.
    Static,
    /// The partitions that the new rows are in.
    Dynamic,
}

/// Who commits, and under which number: the same user and identifier take effect at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitIdentity {
    /// Commit user.
    pub user: String,
    /// Commit identifier.
    pub identifier: i64,
}

/// Option of tables: what names of commit users begin with.
pub(crate) const USER_PREFIX: &str = "commit.user-prefix";

/// An identity that is chosen once, when it is first asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct FixedIdentity(Arc<OnceLock<CommitIdentity>>);

impl FixedIdentity {
    /// One that is chosen already.
    pub(crate) fn of(identity: CommitIdentity) -> Self {
        Self(Arc::new(OnceLock::from(identity)))
    }

    /// The identity if it was chosen.
    pub(crate) fn get(&self) -> Option<&CommitIdentity> {
        self.0.get()
    }

    /// The identity: now the session's next one, else of a user of its own, with the prefix of the table if it has one.
    pub(crate) fn choose(
        &self,
        settings: &SessionSettings,
        prefix: Option<&str>,
    ) -> CommitIdentity {
        let own = || {
            let own = RandomIds.uuid().to_string();
            CommitIdentity {
                user: match prefix {
                    Some(prefix) => format!("{prefix}_{own}"),
                    None => own,
                },
                identifier: BATCH_COMMIT_IDENTIFIER,
            }
        };
        let choose = || settings.next_commit_identity().unwrap_or_else(own);
        self.0.get_or_init(choose).clone()
    }
}

/// What a session of another process needs to know to run a statement as this one would. No secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedSettings {
    /// Time zone.
    pub time_zone: String,
    /// Keys and values as `SET`.
    pub options: Vec<(String, String)>,
    /// What INSERT OVERWRITE removes.
    pub overwrite_mode: Option<OverwriteMode>,
    /// Whether tables are read as streams.
    pub streaming: bool,
    /// Time between two commits of an INSERT from a stream.
    pub checkpoint_interval: Duration,
}

#[derive(Debug, Clone, PartialEq)]
struct SessionOption {
    /// The key as `SET`, without `spark.`.
    name: String,
    /// Catalog, database and table that it applies to; `None` for all.
    table: Option<[String; 3]>,
    key: String,
    value: String,
}

const PREFIX: &str = "paimon.";

impl SessionSettings {
    /// Settings with the time zone of the environment variable `TZ`, else UTC.
    pub fn from_environment() -> Self {
        let zone = std::env::var("TZ").unwrap_or_default();
        let zone = zone.trim_start_matches(':');
        let zone = if zone.is_empty() { "UTC" } else { zone };
        let zone = if zone.parse::<Tz>().is_ok() {
            zone
        } else {
            tracing::warn!(TZ = zone, "unknown time zone, UTC is used");
            "UTC"
        };
        Self {
            time_zone: RwLock::new(zone.to_string()),
            options: RwLock::default(),
            commits: RwLock::default(),
            overwrite_mode: RwLock::default(),
            streaming: RwLock::default(),
            checkpoint_interval: RwLock::new(CHECKPOINT_INTERVAL),
        }
    }

    /// Settings of another session.
    ///
    /// # Errors
    /// When its time zone is not known.
    pub fn of_zone(zone: &str) -> Result<Self> {
        let settings = Self::from_environment();
        settings.set_time_zone(zone)?;
        Ok(settings)
    }

    /// The settings as a value.
    pub fn carried(&self) -> CarriedSettings {
        let options = self.all().into_iter();
        CarriedSettings {
            time_zone: self.time_zone(),
            options: options
                .filter(|(key, value)| redacted(key, value) == *value)
                .collect(),
            overwrite_mode: self.overwrite_mode(),
            streaming: self.is_streaming(),
            checkpoint_interval: self.checkpoint_interval(),
        }
    }

    /// Takes the settings of another session; `is_catalog` tells names of catalogs.
    ///
    /// # Errors
    /// When its time zone is not known.
    pub fn take(&self, carried: &CarriedSettings, is_catalog: impl Fn(&str) -> bool) -> Result<()> {
        self.set_time_zone(&carried.time_zone)?;
        for (key, value) in &carried.options {
            self.set(key, value, &is_catalog);
        }
        self.set_overwrite_mode(carried.overwrite_mode);
        self.set_streaming(carried.streaming);
        self.set_checkpoint_interval(Some(carried.checkpoint_interval));
        Ok(())
    }

    /// Makes the writes of the session idempotent: the first one commits under this identity, each later one under the
    /// next identifier. Running the same statements again adds nothing.
    pub fn set_commit_identity(&self, identity: CommitIdentity) {
        *self.commits.write() = Some(identity);
    }

    /// The identity of the next write; `None` when every write is a new one.
    pub(crate) fn next_commit_identity(&self) -> Option<CommitIdentity> {
        let mut commits = self.commits.write();
        let next = commits.as_mut()?;
        let own = next.clone();
        next.identifier = next.identifier.saturating_add(1);
        Some(own)
    }

    /// The mode of INSERT OVERWRITE; `None` leaves it to the table's option `dynamic-partition-overwrite`.
    pub fn overwrite_mode(&self) -> Option<OverwriteMode> {
        *self.overwrite_mode.read()
    }

    /// Changes the mode of INSERT OVERWRITE.
    pub fn set_overwrite_mode(&self, mode: Option<OverwriteMode>) {
        *self.overwrite_mode.write() = mode;
    }

    /// Whether tables are read as streams (`execution.runtime-mode`).
    pub fn is_streaming(&self) -> bool {
        *self.streaming.read()
    }

    /// Changes whether tables are read as streams.
    pub fn set_streaming(&self, streaming: bool) {
        *self.streaming.write() = streaming;
    }

    /// Time between two commits of an INSERT from a stream (`execution.checkpointing.interval`).
    pub fn checkpoint_interval(&self) -> Duration {
        *self.checkpoint_interval.read()
    }

    /// Changes the time between two commits of an INSERT from a stream; `None` is the default.
    pub fn set_checkpoint_interval(&self, interval: Option<Duration>) {
        *self.checkpoint_interval.write() = interval.unwrap_or(CHECKPOINT_INTERVAL);
    }

    /// The session time zone: `UTC`, `+08:00`, `Europe/Berlin`.
    pub fn time_zone(&self) -> String {
        self.time_zone.read().clone()
    }

    /// Changes the time zone.
    ///
    /// # Errors
    /// When it is not known.
    pub(crate) fn set_time_zone(&self, zone: &str) -> Result<()> {
        zone.parse::<Tz>()
            .map_err(|_| DataFusionError::Plan(format!("unknown time zone {zone:?}")))?;
        *self.time_zone.write() = zone.to_string();
        Ok(())
    }

    /// Takes a `SET` of a Paimon key; false when the key is none. `is_catalog` tells names of catalogs.
    pub(crate) fn set(&self, name: &str, value: &str, is_catalog: impl Fn(&str) -> bool) -> bool {
        let Some(option) = parse(name, value, is_catalog) else {
            return false;
        };
        let mut options = self.options.write();
        options.retain(|o| o.name != option.name);
        options.push(option);
        true
    }

    /// Takes back a `SET`; false when the key is none of ours.
    pub(crate) fn reset(&self, name: &str) -> bool {
        let name = name.strip_prefix("spark.").unwrap_or(name);
        self.options.write().retain(|o| o.name != name);
        name.starts_with(PREFIX)
    }

    /// Takes back all `SET`s of Paimon keys.
    pub(crate) fn reset_all(&self) {
        self.options.write().clear();
    }

    /// Value of a key as `SET`.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("spark.").unwrap_or(name);
        let options = self.options.read();
        let option = options.iter().find(|o| o.name == name)?;
        Some(option.value.clone())
    }

    /// All keys and values as `SET`.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let options = self.options.read();
        options
            .iter()
            .map(|o| (o.name.clone(), o.value.clone()))
            .collect()
    }

    /// Dynamic options that apply to a table; those that name the table win over those for all.
    pub fn table_options(
        &self,
        catalog: &str,
        database: &str,
        table: &str,
    ) -> HashMap<String, String> {
        let options = self.options.read();
        let name = [catalog, database, table];
        let applies = |o: &&SessionOption| match &o.table {
            None => true,
            Some(wanted) => wanted
                .iter()
                .zip(name)
                .all(|(w, n)| w == "*" || w.eq_ignore_ascii_case(n)),
        };
        let (general, own): (Vec<_>, Vec<_>) = options
            .iter()
            .filter(applies)
            .partition(|o| o.table.is_none());
        general
            .into_iter()
            .chain(own)
            .map(|o| (o.key.clone(), o.value.clone()))
            .collect()
    }
}

fn parse(name: &str, value: &str, is_catalog: impl Fn(&str) -> bool) -> Option<SessionOption> {
    let name = name.strip_prefix("spark.").unwrap_or(name);
    let rest = name.strip_prefix(PREFIX)?;
    let parts: Vec<&str> = rest.splitn(4, '.').collect();
    let (table, key) = match parts.as_slice() {
        [catalog, database, table, key] if *catalog == "*" || is_catalog(catalog) => (
            Some([*catalog, *database, *table].map(str::to_string)),
            *key,
        ),
        _ => (None, rest),
    };
    Some(SessionOption {
        name: name.to_string(),
        table,
        key: key.to_string(),
        value: value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_forms_win_over_general_ones() {
        let settings = SessionSettings::from_environment();
        let is_catalog = |name: &str| name == "paimon";
        for (key, value) in [
            ("spark.paimon.paimon.db.t.scan.snapshot-id", "2"),
            ("spark.paimon.scan.snapshot-id", "1"),
            ("paimon.*.*.u.scan.tag-name", "x"),
            ("spark.paimon.read.batch-size.of.something", "9"),
        ] {
            assert!(settings.set(key, value, is_catalog), "{key}");
        }
        assert!(!settings.set("datafusion.x", "1", is_catalog));
        let options = settings.table_options("paimon", "db", "t");
        assert_eq!(
            options.get("scan.snapshot-id").map(String::as_str),
            Some("2")
        );
        assert!(!options.contains_key("scan.tag-name"));
        let options = settings.table_options("paimon", "db", "u");
        assert_eq!(
            options.get("scan.snapshot-id").map(String::as_str),
            Some("1")
        );
        assert_eq!(options.get("scan.tag-name").map(String::as_str), Some("x"));
        assert!(options.contains_key("read.batch-size.of.something"));
        assert!(settings.reset("spark.paimon.scan.snapshot-id"));
        assert!(settings.get("paimon.scan.snapshot-id").is_none());
    }
}
