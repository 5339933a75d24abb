//! Options of a JDBC catalog.
//!
//! Java: `org.apache.paimon.jdbc.JdbcCatalogOptions`, `CatalogOptions`.

use std::collections::BTreeMap;
use std::time::Duration;

use paimon_core::io::split_location;
use paimon_core::options::{parse_bool, parse_duration_ms, parse_i64};
use paimon_core::{Error, Result};

use super::address::Address;
use super::connections::PoolSettings;
use crate::names::absolute_location;

/// Options in their types.
#[derive(Debug, Clone)]
pub(super) struct JdbcSettings {
    pub(super) address: Address,
    pub(super) pool: PoolSettings,
    /// Without a trailing slash.
    pub(super) warehouse: String,
    /// Whose rows these are: several catalogs may share a database.
    pub(super) catalog_key: String,
    pub(super) sync_all_properties: bool,
    pub(super) lock: LockSettings,
}

/// How to lock tables.
#[derive(Debug, Clone)]
pub(super) struct LockSettings {
    pub(super) enabled: bool,
    pub(super) check_max_sleep: Duration,
    /// Longest wait for a lock, and the age at which others may take one that was not renewed.
    pub(super) acquire_timeout: Duration,
    /// Longest name of a lock, characters.
    pub(super) key_length_max: usize,
}

struct Options<'a>(&'a BTreeMap<String, String>);

impl JdbcSettings {
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let given = Options(options);
        let warehouse = options.get("warehouse").ok_or_else(|| {
            Error::invalid(
                "option warehouse is missing: the location of the warehouse folder is expected",
            )
            .with("option", "warehouse")
        })?;
        let warehouse = absolute_location(warehouse)?;
        let catalog_key = options.get("catalog-key").map_or("jdbc", String::as_str);
        Ok(Self {
            address: Address::new(options)?,
            pool: PoolSettings {
                size: u32::try_from(given.number("client-pool-size", 2)?.max(1))
                    .unwrap_or(u32::MAX),
                idle: given.duration(
                    "client-pool-cache.eviction-interval-ms",
                    Duration::from_secs(300),
                )?,
            },
            catalog_key: catalog_key.to_string(),
            sync_all_properties: given.flag("sync-all-properties", true)?,
            lock: given.lock(&warehouse)?,
            warehouse,
        })
    }
}

impl Options<'_> {
    fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        match self.0.get(key) {
            Some(text) => parse_bool(text).map_err(|e| e.with("option", key)),
            None => Ok(default),
        }
    }

    fn number(&self, key: &'static str, default: usize) -> Result<usize> {
        let Some(text) = self.0.get(key) else {
            return Ok(default);
        };
        let number = parse_i64(text).map_err(|e| e.with("option", key))?;
        usize::try_from(number).map_err(|_| {
            Error::invalid(format!(
                "expected a number that is not negative, found {number}"
            ))
            .with("option", key)
        })
    }

    fn duration(&self, key: &'static str, default: Duration) -> Result<Duration> {
        let Some(text) = self.0.get(key) else {
            return Ok(default);
        };
        let ms = parse_duration_ms(text).map_err(|e| e.with("option", key))?;
        Ok(Duration::from_millis(ms))
    }

    fn lock(&self, warehouse: &str) -> Result<LockSettings> {
        if let Some(kind) = self.0.get("lock.type").filter(|k| *k != "jdbc") {
            return Err(Error::unsupported(format!(
                "a JDBC catalog locks through its database: expected 'jdbc', found {kind:?}"
            ))
            .with("option", "lock.type"));
        }
        let (store, _) = split_location(warehouse)?;
        let is_file_system = ["file:", "memory:", "hdfs:", "viewfs:"]
            .iter()
            .any(|scheme| store.starts_with(scheme));
        Ok(LockSettings {
            enabled: self.flag("lock.enabled", !is_file_system)?,
            check_max_sleep: self.duration("lock-check-max-sleep", Duration::from_secs(8))?,
            acquire_timeout: self.duration("lock-acquire-timeout", Duration::from_secs(8 * 60))?,
            key_length_max: self.number("lock-key-max-length", 255)?.max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(options: &[(&str, &str)]) -> Result<JdbcSettings> {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        JdbcSettings::new(&options.collect())
    }

    #[test]
    fn defaults_are_those_of_java() {
        let uri = ("uri", "jdbc:sqlite:/c.db");
        let s = settings(&[uri, ("warehouse", "/wh/")]).unwrap();
        assert_eq!(
            (s.catalog_key.as_str(), s.warehouse.as_str()),
            ("jdbc", "/wh")
        );
        assert!(s.sync_all_properties && !s.lock.enabled);
        assert_eq!(s.lock.acquire_timeout, Duration::from_secs(480));
        assert_eq!(s.pool.size, 2);
        assert!(
            settings(&[uri, ("warehouse", "s3://b/wh")])
                .unwrap()
                .lock
                .enabled
        );
        assert!(
            settings(&[uri])
                .unwrap_err()
                .to_string()
                .contains("warehouse")
        );
        for (key, value) in [
            ("lock.type", "hive"),
            ("lock.enabled", "maybe"),
            ("client-pool-size", "-1"),
        ] {
            let error = settings(&[uri, ("warehouse", "/wh"), (key, value)]).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
