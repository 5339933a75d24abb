//! Catalog options of one kind of store, under the names of Hadoop's file systems.
//!
//! Java: `loadHadoopConfigFromContext` and `mirrorCertainHadoopConfig` of the `FileIO` classes.

use std::collections::BTreeMap;
use std::str::FromStr;

use paimon_core::options::{parse_bool, parse_duration_ms};
use paimon_core::{Error, Result};

/// Options by their name without the prefix. Values may be secret, so that there is no `Debug`.
pub(crate) struct Keys {
    values: BTreeMap<String, Given>,
}

/// What an option is for.
pub(crate) enum Scope<'a> {
    /// Every bucket or account.
    All,
    /// This one, with the name without what says so.
    Own(&'a str),
    /// Another one.
    Other,
}

/// A value and the key it was given under.
struct Given {
    key: String,
    value: String,
}

impl Keys {
    /// Options under any of the prefixes; `aliases` are pairs of another spelling and the name it stands for.
    ///
    /// # Errors
    /// `InvalidInput` when two spellings of one option have different values: which one Java takes is not defined.
    pub(crate) fn read(
        options: &BTreeMap<String, String>,
        prefixes: &[&str],
        aliases: &[(&str, &str)],
    ) -> Result<Self> {
        let mut keys = Self {
            values: BTreeMap::new(),
        };
        for (key, value) in options {
            let name = prefixes.iter().find_map(|p| key.strip_prefix(p));
            if let Some(name) = name {
                let alias = aliases.iter().find(|(other, _)| *other == name);
                let name = alias.map_or(name, |(_, name)| name);
                keys.insert(name, key, value.trim())?;
            }
        }
        Ok(keys)
    }

    fn insert(&mut self, name: &str, key: &str, value: &str) -> Result<()> {
        if let Some(known) = self.values.get(name)
            && known.value != value
        {
            return Err(Error::invalid(format!(
                "options {} and {key} mean the same and have different values: give one of them",
                known.key
            ))
            .with("option", key));
        }
        let given = Given {
            key: key.to_string(),
            value: value.to_string(),
        };
        self.values.insert(name.to_string(), given);
        Ok(())
    }

    /// Sorts options by what they are for. Those of this bucket or account win over those of all.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn narrow(&mut self, scope: impl Fn(&str) -> Scope<'_>) -> Result<()> {
        let mut own = Self {
            values: BTreeMap::new(),
        };
        for (name, given) in std::mem::take(&mut self.values) {
            match scope(&name) {
                Scope::All => {
                    self.values.insert(name, given);
                }
                Scope::Own(short) => own.insert(short, &given.key, &given.value)?,
                Scope::Other => {}
            }
        }
        self.values.extend(own.values);
        Ok(())
    }

    /// Takes a value; an empty one counts as not given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.values
            .remove(name)
            .map(|given| given.value)
            .filter(|v| !v.is_empty())
    }

    /// Takes a boolean.
    ///
    /// # Errors
    /// `InvalidInput` naming the option.
    pub(crate) fn take_bool(&mut self, name: &str) -> Result<Option<bool>> {
        self.take_parsed(name, parse_bool)
    }

    /// Takes a duration, milliseconds.
    ///
    /// # Errors
    /// `InvalidInput` naming the option.
    pub(crate) fn take_duration_ms(&mut self, name: &str) -> Result<Option<u64>> {
        self.take_parsed(name, parse_duration_ms)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// `InvalidInput` naming the option.
    pub(crate) fn take_number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        self.take_parsed(name, |text| {
            let wrong = || Error::invalid(format!("a number is expected, found {text:?}"));
            text.parse().map_err(|_| wrong())
        })
    }

    fn take_parsed<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(given) = self.values.remove(name) else {
            return Ok(None);
        };
        if given.value.is_empty() {
            return Ok(None);
        }
        parse(&given.value)
            .map(Some)
            .map_err(|e| e.with("option", given.key))
    }

    /// The key that an option was given under, for messages.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|given| given.key.as_str())
    }

    /// Ends the reading: what is left was not understood.
    ///
    /// # Errors
    /// `Unsupported` for an option whose name starts with one of `refused`: it changes what is stored, or who may read
    /// it. Others tune Java's client alone and are only logged.
    pub(crate) fn finish(self, refused: &[&str]) -> Result<()> {
        for (name, given) in self.values {
            if refused.iter().any(|r| name.starts_with(r)) {
                return Err(Error::unsupported("option of the store is not supported")
                    .with("option", given.key));
            }
            tracing::warn!(option = given.key, "option has no effect on this store");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::ErrorKind;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        own.collect()
    }

    #[test]
    fn spellings_of_one_option_must_agree() {
        let read = |pairs: &[(&str, &str)]| {
            Keys::read(
                &options(pairs),
                &["s3.", "fs.s3a."],
                &[("access-key", "access.key")],
            )
        };
        let mut keys = read(&[
            ("s3.access-key", "a"),
            ("fs.s3a.access.key", "a"),
            ("x", "y"),
        ])
        .unwrap();
        assert_eq!(keys.take("access.key").as_deref(), Some("a"));
        assert!(keys.finish(&[""]).is_ok());
        let error = read(&[
            ("s3.access-key", "first-id"),
            ("fs.s3a.access.key", "second-id"),
        ])
        .err()
        .unwrap();
        let text = error.to_string();
        assert!(
            text.contains("s3.access-key") && text.contains("fs.s3a.access.key"),
            "{text}"
        );
        assert!(
            !text.contains("first-id") && !text.contains("second-id"),
            "{text}"
        );
    }

    #[test]
    fn malformed_values_name_their_option() {
        let mut keys =
            Keys::read(&options(&[("s3.a", "x"), ("s3.b", "5 s")]), &["s3."], &[]).unwrap();
        assert_eq!(keys.take_duration_ms("b").unwrap(), Some(5000));
        let error = keys.take_bool("a").unwrap_err();
        assert!(error.to_string().contains("s3.a"), "{error}");
    }

    #[test]
    fn what_is_left_is_refused_or_only_logged() {
        let left = || Keys::read(&options(&[("s3.assumed.role.arn", "x")]), &["s3."], &[]).unwrap();
        let error = left().finish(&["assumed.role"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(left().finish(&["encryption"]).is_ok());
    }
}
