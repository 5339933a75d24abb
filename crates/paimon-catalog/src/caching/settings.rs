//! The options of the caching catalog.
//!
//! Java: `CatalogOptions`.

use std::collections::BTreeMap;
use std::time::Duration;

use paimon_core::options::{parse_bool, parse_duration_ms};
use paimon_core::{Error, Result};

const ENABLED: &str = "cache-enabled";
const AFTER_ACCESS: &str = "cache.expire-after-access";
/// The older name of [`AFTER_ACCESS`].
const AFTER_ACCESS_BEFORE: &str = "cache.expiration-interval";
const AFTER_WRITE: &str = "cache.expire-after-write";
/// Bounds of caches that this engine does not have: partitions, snapshots and deletion vectors are read from the newest
/// snapshot each time.
const BOUNDS: [&str; 3] = [
    "cache.partition.max-num",
    "cache.snapshot.max-num-per-table",
    "cache.deletion-vectors.max-num",
];

const DEFAULT_AFTER_ACCESS_MS: u64 = 10 * 60 * 1000;
const DEFAULT_AFTER_WRITE_MS: u64 = 30 * 60 * 1000;

/// How long a catalog keeps what it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheSettings {
    /// Since it was last asked for.
    pub(super) after_access: Duration,
    /// Since it was told.
    pub(super) after_write: Duration,
}

impl CacheSettings {
    /// From the options of a catalog; `None` when nothing is to be kept. `remote` says whether the catalog is a service:
    /// one that is only files keeps tables when an option asks for it.
    ///
    /// # Errors
    /// `InvalidInput` naming the malformed option, and for a time of zero.
    pub(crate) fn read(options: &BTreeMap<String, String>, remote: bool) -> Result<Option<Self>> {
        for key in BOUNDS {
            check_bound(options, key)?;
        }
        let enabled = options.get(ENABLED).map(|text| parse_bool(text));
        let enabled = enabled.transpose().map_err(|e| e.with("option", ENABLED))?;
        let after_access = duration(options, AFTER_ACCESS)?;
        let after_access = match after_access {
            None => duration(options, AFTER_ACCESS_BEFORE)?,
            given => given,
        };
        let after_write = duration(options, AFTER_WRITE)?;
        let asked = enabled.is_some() || after_access.is_some() || after_write.is_some();
        if enabled == Some(false) || !(remote || asked) {
            return Ok(None);
        }
        Ok(Some(Self {
            after_access: positive(AFTER_ACCESS, after_access, DEFAULT_AFTER_ACCESS_MS)?,
            after_write: positive(AFTER_WRITE, after_write, DEFAULT_AFTER_WRITE_MS)?,
        }))
    }
}

fn duration(options: &BTreeMap<String, String>, key: &'static str) -> Result<Option<u64>> {
    let millis = options.get(key).map(|text| parse_duration_ms(text));
    millis.transpose().map_err(|e| e.with("option", key))
}

fn positive(key: &'static str, millis: Option<u64>, default: u64) -> Result<Duration> {
    match millis.unwrap_or(default) {
        0 => Err(Error::invalid(format!(
            "a time of more than zero is expected, found 0: {ENABLED} = false keeps nothing"
        ))
        .with("option", key)),
        millis => Ok(Duration::from_millis(millis)),
    }
}

fn check_bound(options: &BTreeMap<String, String>, key: &'static str) -> Result<()> {
    match options.get(key) {
        Some(text) if text.trim().parse::<u64>().is_err() => Err(Error::invalid(format!(
            "a number of zero or more is expected, found {text:?}"
        ))
        .with("option", key)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::ErrorKind;

    use super::*;

    fn read(pairs: &[(&str, &str)], remote: bool) -> Result<Option<CacheSettings>> {
        let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        CacheSettings::read(&own.collect(), remote)
    }

    fn minutes(settings: Option<CacheSettings>) -> Option<(u64, u64)> {
        let settings = settings?;
        Some((
            settings.after_access.as_secs() / 60,
            settings.after_write.as_secs() / 60,
        ))
    }

    #[test]
    fn services_are_cached_unless_told_otherwise_and_files_when_asked() {
        let on = ("cache-enabled", "true");
        let off = ("cache-enabled", "false");
        let quick = ("cache.expire-after-write", "5 min");
        for (pairs, remote, expected) in [
            (vec![], true, Some((10, 30))),
            (vec![], false, None),
            (vec![on], false, Some((10, 30))),
            (vec![off], true, None),
            (vec![off, quick], false, None),
            (vec![quick], false, Some((10, 5))),
            (
                vec![("cache.expiration-interval", "2 min")],
                true,
                Some((2, 30)),
            ),
            (
                vec![
                    ("cache.expiration-interval", "2 min"),
                    ("cache.expire-after-access", "3 min"),
                ],
                true,
                Some((3, 30)),
            ),
        ] {
            assert_eq!(
                minutes(read(&pairs, remote).unwrap()),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn malformed_options_are_refused_by_name() {
        for (key, value) in [
            ("cache-enabled", "maybe"),
            ("cache.expire-after-access", "0 s"),
            ("cache.expire-after-write", "0"),
            ("cache.expire-after-write", "-5 min"),
            ("cache.partition.max-num", "-1"),
            ("cache.snapshot.max-num-per-table", "many"),
            ("cache.deletion-vectors.max-num", ""),
        ] {
            let error = read(&[(key, value)], true).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(key), "{error}");
        }
        let off = [
            ("cache-enabled", "false"),
            ("cache.expire-after-write", "0"),
        ];
        assert_eq!(read(&off, true).unwrap(), None);
    }
}
