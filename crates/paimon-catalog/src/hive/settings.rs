//! Options of a Hive catalog, over those of `hive-site.xml` and `core-site.xml`.
//!
//! Java: `org.apache.paimon.hive.HiveCatalogOptions`, `CatalogOptions`, Hive's `MetastoreConf`.

mod kerberos;

use std::collections::BTreeMap;
use std::time::Duration;

use paimon_core::io::split_location;
use paimon_core::options::{parse_bool, parse_duration_ms, parse_i64};
use paimon_core::{Error, Result};

use self::kerberos::login;
use super::client::PoolSettings;
use super::machine;
use super::site::SiteConfig;
use super::thrift::{Endpoint, Timeouts};
use crate::names::absolute_location;

const DEFAULT_PORT: u16 = 9083;
const DEFAULT_WAREHOUSE: &str = "/user/hive/warehouse";
const CLIENT_CLASS: &str = "org.apache.hadoop.hive.metastore.HiveMetaStoreClient";

/// What is refused: key, the only values that are fine (lower case), what it would be.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("hive.metastore.use.SSL", &["false"], "TLS to the metastore"),
    (
        "hive.metastore.thrift.compact.protocol.enabled",
        &["false"],
        "Thrift's compact protocol",
    ),
    (
        "hive.metastore.client.auth.mode",
        &["none", "nosasl", ""],
        "logging in to the metastore",
    ),
    (
        "hive.metastore.service.discovery.mode",
        &[""],
        "finding metastores through a service",
    ),
    (
        "hive.metastore.client.kerberos.principal",
        &[""],
        "a principal of clients",
    ),
];

/// Options in their types.
#[derive(Debug, Clone)]
pub(super) struct HiveSettings {
    pub(super) pool: PoolSettings,
    /// Without a trailing slash.
    pub(super) warehouse: String,
    /// New tables are external unless told otherwise.
    pub(super) external_by_default: bool,
    pub(super) sync_all_properties: bool,
    pub(super) location_in_properties: bool,
    pub(super) case_sensitive: bool,
    pub(super) format_tables: bool,
    pub(super) alter_cascades: bool,
    pub(super) skip_update_stats: bool,
    /// Tables to get at a time.
    pub(super) table_batch: usize,
    pub(super) lock: LockSettings,
    pub(super) user: String,
}

/// How to lock tables.
#[derive(Debug, Clone)]
pub(super) struct LockSettings {
    pub(super) enabled: bool,
    pub(super) check_max_sleep: Duration,
    pub(super) acquire_timeout: Duration,
    pub(super) user: String,
    pub(super) host: String,
}

/// Options over site files.
struct Config<'a> {
    options: &'a BTreeMap<String, String>,
    site: SiteConfig,
}

impl HiveSettings {
    /// # Errors
    /// `InvalidInput` for a missing or malformed option, `Unsupported` naming what this client cannot do.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let folder = |key: &str| options.get(key).map(String::as_str);
        let config = Config {
            options,
            site: SiteConfig::load(folder("hive-conf-dir"), folder("hadoop-conf-dir"))?,
        };
        config.refuse()?;
        let warehouse = config.warehouse()?;
        let pool = config.pool()?;
        let user = pool.user.clone();
        Ok(Self {
            pool,
            external_by_default: config.external_by_default()?,
            sync_all_properties: config.flag("sync-all-properties", true)?,
            location_in_properties: config.flag("location-in-properties", false)?,
            case_sensitive: config.flag("case-sensitive", false)?,
            format_tables: config.flag("format-table.enabled", true)?,
            alter_cascades: config.flag("alter-table-cascade", true)?,
            skip_update_stats: config.flag("hive.skip-update-stats", false)?,
            table_batch: config
                .number("hive.metastore.batch.retrieve.max", 300)?
                .max(1),
            lock: config.lock(&warehouse, &user)?,
            warehouse,
            user,
        })
    }
}

impl Config<'_> {
    /// An option, else the site files' value. Hive 3 and later know their keys without the leading `hive.` as well.
    fn get(&self, key: &str) -> Option<String> {
        let short = key
            .strip_prefix("hive.")
            .filter(|k| k.starts_with("metastore."));
        let keys = || [Some(key), short].into_iter().flatten();
        keys()
            .find_map(|key| self.options.get(key).cloned())
            .or_else(|| keys().find_map(|key| self.site.get(key)))
    }

    fn flag(&self, key: &'static str, default: bool) -> Result<bool> {
        match self.get(key) {
            Some(text) => parse_bool(&text).map_err(|e| e.with("option", key)),
            None => Ok(default),
        }
    }

    fn number(&self, key: &'static str, default: usize) -> Result<usize> {
        let Some(text) = self.get(key) else {
            return Ok(default);
        };
        let number = parse_i64(&text).map_err(|e| e.with("option", key))?;
        usize::try_from(number).map_err(|_| {
            Error::invalid(format!(
                "expected a number that is not negative, found {number}"
            ))
            .with("option", key)
        })
    }

    /// A duration of Hive's, whose bare numbers are seconds.
    fn seconds(&self, key: &'static str, default: Duration) -> Result<Duration> {
        let Some(text) = self.get(key) else {
            return Ok(default);
        };
        let plain = text.trim().bytes().all(|b| b.is_ascii_digit());
        let text = if plain {
            format!("{} s", text.trim())
        } else {
            text
        };
        duration(&text, key)
    }

    fn duration(&self, key: &'static str, default: Duration) -> Result<Duration> {
        match self.get(key) {
            Some(text) => duration(&text, key),
            None => Ok(default),
        }
    }

    fn refuse(&self) -> Result<()> {
        for (key, fine, what) in REFUSED {
            let found = self
                .get(key)
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            if !found.is_empty() && !fine.contains(&found.as_str()) {
                return Err(
                    Error::unsupported(format!("{what} is not supported")).with("option", key)
                );
            }
        }
        if let Some(class) = self
            .get("metastore.client.class")
            .filter(|c| c != CLIENT_CLASS)
        {
            return Err(Error::unsupported(format!(
                "another client of the metastore cannot be chosen: expected {CLIENT_CLASS}, found {class}"
            ))
            .with("option", "metastore.client.class"));
        }
        if let Some(kind) = self.get("lock.type").filter(|k| k != "hive") {
            return Err(Error::unsupported(format!(
                "a Hive catalog locks through its metastore: expected 'hive', found {kind:?}"
            ))
            .with("option", "lock.type"));
        }
        Ok(())
    }

    fn pool(&self) -> Result<PoolSettings> {
        let uris = self.options.get("uri").cloned();
        let uris = uris.or_else(|| self.get("hive.metastore.uris"));
        let uris = uris.filter(|u| !u.trim().is_empty()).ok_or_else(|| {
            Error::invalid(
                "option uri is missing, and no hive-site.xml names hive.metastore.uris: the address of the Hive \
                 Metastore is expected, such as thrift://host:9083",
            )
            .with("option", "uri")
        })?;
        let endpoints = endpoints(&uris)?;
        let retries = self.number("hive.metastore.connect.retries", 3)?;
        let login = login(self)?;
        Ok(PoolSettings {
            endpoints,
            framed: self.flag("hive.metastore.thrift.framed.transport.enabled", false)?,
            timeouts: Timeouts {
                connect: self.seconds(
                    "hive.metastore.client.connection.timeout",
                    Duration::from_secs(20),
                )?,
                call: self.seconds(
                    "hive.metastore.client.socket.timeout",
                    Duration::from_secs(120),
                )?,
            },
            size: self.number("client-pool-size", 2)?.max(1),
            retries: u32::try_from(retries).unwrap_or(u32::MAX),
            retry_delay: self.seconds(
                "hive.metastore.client.connect.retry.delay",
                Duration::from_secs(1),
            )?,
            set_ugi: self.flag("hive.metastore.execute.setugi", true)?,
            user: login.user,
            #[cfg(feature = "kerberos")]
            kerberos: login.kerberos,
        })
    }

    fn warehouse(&self) -> Result<String> {
        let given = self.options.get("warehouse").cloned();
        let text = given
            .or_else(|| self.get("hive.metastore.warehouse.dir"))
            .unwrap_or_else(|| DEFAULT_WAREHOUSE.to_string());
        let store = self.get("fs.defaultFS").filter(|s| !s.starts_with("file:"));
        match store {
            // a bare path lies on Hadoop's default store
            Some(store) if text.starts_with('/') => Ok(format!(
                "{}{}",
                store.trim_end_matches('/'),
                text.trim_end_matches('/')
            )),
            _ => absolute_location(&text),
        }
    }

    fn external_by_default(&self) -> Result<bool> {
        const KEY: &str = "table.type";
        match self
            .get(KEY)
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
            .as_str()
        {
            "" | "managed" => Ok(false),
            "external" => Ok(true),
            other => Err(
                Error::invalid(format!("expected managed or external, found {other:?}"))
                    .with("option", KEY),
            ),
        }
    }

    fn lock(&self, warehouse: &str, user: &str) -> Result<LockSettings> {
        let (store, _) = split_location(warehouse)?;
        let is_file_system = ["file:", "memory:", "hdfs:", "viewfs:"]
            .iter()
            .any(|scheme| store.starts_with(scheme));
        Ok(LockSettings {
            enabled: self.flag("lock.enabled", !is_file_system)?,
            check_max_sleep: self.duration("lock-check-max-sleep", Duration::from_secs(8))?,
            acquire_timeout: self.duration("lock-acquire-timeout", Duration::from_secs(8 * 60))?,
            user: user.to_string(),
            host: machine::host(),
        })
    }
}

fn duration(text: &str, key: &'static str) -> Result<Duration> {
    let ms = parse_duration_ms(text).map_err(|e| e.with("option", key))?;
    Ok(Duration::from_millis(ms))
}

/// Addresses of a comma list. Credentials in them are refused without being shown.
fn endpoints(uris: &str) -> Result<Vec<Endpoint>> {
    let wrong = |text: &str| {
        Error::invalid(format!(
            "expected addresses of the form thrift://host:port, found {text}"
        ))
        .with("option", "uri")
    };
    let mut found = Vec::new();
    for uri in uris.split(',').map(str::trim).filter(|u| !u.is_empty()) {
        if uri.contains('@') {
            return Err(wrong("one with a user name"));
        }
        let rest = uri.strip_prefix("thrift://").ok_or_else(|| wrong(uri))?;
        let authority = rest.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong(uri))?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains('/') {
            return Err(wrong(uri));
        }
        found.push(Endpoint {
            host: host.to_string(),
            port,
        });
    }
    match found.is_empty() {
        true => Err(wrong("none")),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(options: &[(&str, &str)]) -> Result<HiveSettings> {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        HiveSettings::new(&options.collect())
    }

    #[test]
    fn addresses_and_defaults() {
        let uris = ("uri", "thrift://a:1, thrift://b,thrift://[::1]:3");
        let s = settings(&[uris, ("warehouse", "/wh/")]).unwrap();
        let texts: Vec<String> = s.pool.endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["thrift://a:1", "thrift://b:9083", "thrift://[::1]:3"]
        );
        assert_eq!(s.warehouse, "/wh");
        assert!(!s.lock.enabled && s.sync_all_properties && !s.case_sensitive);
        assert_eq!(s.lock.acquire_timeout, Duration::from_secs(480));
        let s = settings(&[uris, ("warehouse", "s3://b/wh")]).unwrap();
        assert!(s.lock.enabled);
        let s = settings(&[uris, ("hive.metastore.client.socket.timeout", "7")]).unwrap();
        assert_eq!(s.pool.timeouts.call, Duration::from_secs(7));
        assert_eq!(s.warehouse, DEFAULT_WAREHOUSE);
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let uri = ("uri", "thrift://a:1");
        for (key, value) in [
            ("hive.metastore.use.SSL", "true"),
            ("hive.metastore.client.auth.mode", "PLAIN"),
            ("metastore.client.class", "a.B"),
            ("lock.type", "jdbc"),
            ("table.type", "odd"),
            ("lock.enabled", "maybe"),
        ] {
            let error = settings(&[uri, (key, value)]).unwrap_err().to_string();
            let short = key.trim_start_matches("hive.");
            assert!(error.contains(short), "{key}: {error}");
        }
        for uri in ["", "http://a:1", "thrift://:1", "thrift://a:x", "thrift://"] {
            assert!(settings(&[("uri", uri)]).is_err(), "{uri}");
        }
        let error = settings(&[("uri", "thrift://u:hush@a:1")]).unwrap_err();
        assert!(!error.to_string().contains("hush"), "{error}");
    }

    #[test]
    fn site_files_give_what_options_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let property = |(k, v): (&str, &str)| {
            format!("<property><name>{k}</name><value>{v}</value></property>")
        };
        let write = |file: &str, all: &[(&str, &str)]| {
            let text: String = all.iter().copied().map(property).collect();
            let text = format!("<configuration>{text}</configuration>");
            std::fs::write(folder.path().join(file), text).unwrap();
        };
        let uris = ("hive.metastore.uris", "thrift://site:1");
        write(
            "hive-site.xml",
            &[uris, ("hive.metastore.warehouse.dir", "/hive/wh")],
        );
        write("core-site.xml", &[("fs.defaultFS", "hdfs://nn:8020")]);
        let path = folder.path().to_str().unwrap();
        let folders = [("hive-conf-dir", path), ("hadoop-conf-dir", path)];
        let s = settings(&folders).unwrap();
        assert_eq!(s.pool.endpoints[0].to_string(), "thrift://site:1");
        assert_eq!(s.warehouse, "hdfs://nn:8020/hive/wh");
        let own = [folders[0], folders[1], ("uri", "thrift://own:2")];
        let s = settings(&own).unwrap();
        assert_eq!(s.pool.endpoints[0].to_string(), "thrift://own:2");
        write(
            "hive-site.xml",
            &[uris, ("hive.metastore.sasl.enabled", "true")],
        );
        let error = settings(&folders).unwrap_err().to_string();
        assert!(error.contains("hive.metastore.sasl.enabled"), "{error}");
    }
}
