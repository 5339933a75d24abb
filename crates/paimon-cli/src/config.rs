//! The file that `--config` names.
//!
//! ```toml
//! default-catalog = "lake"
//!
//! [catalogs.lake]
//! warehouse = "s3://bucket/wh"
//! s3.endpoint = "https://host"
//! s3.secret-key = "${S3_SECRET}"
//! ```
//! Dotted keys are option keys; `${NAME}` in a value is the environment variable of that name.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

/// Options of one catalog.
pub(crate) type CatalogOptions = BTreeMap<String, String>;

/// Catalogs by name, and the one to begin in.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) catalogs: BTreeMap<String, CatalogOptions>,
    pub(crate) default_catalog: Option<String>,
}

/// Reads a configuration file.
pub(crate) fn read(path: &Path) -> Result<Config, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text, |name| std::env::var(name).ok()).map_err(|e| format!("{}: {e}", path.display()))
}

fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Config, String> {
    let root: Table = text
        .parse()
        .map_err(|e: toml::de::Error| e.message().to_string())?;
    let mut config = Config {
        catalogs: BTreeMap::new(),
        default_catalog: None,
    };
    for (key, value) in root {
        match (key.as_str(), value) {
            ("default-catalog" | "default_catalog", Value::String(name)) => {
                config.default_catalog = Some(name);
            }
            ("catalogs" | "catalog", Value::Table(catalogs)) => {
                for (name, options) in catalogs {
                    let Value::Table(options) = options else {
                        return Err(format!("catalogs.{name} must be a table of options"));
                    };
                    let mut flat = CatalogOptions::new();
                    flatten("", options, &environment, &mut flat)?;
                    config.catalogs.insert(name, flat);
                }
            }
            (other, _) => {
                return Err(format!(
                    "unknown key {other}: default-catalog and [catalogs.NAME] are expected"
                ));
            }
        }
    }
    if let Some(name) = &config.default_catalog
        && !config.catalogs.contains_key(name)
    {
        return Err(format!("default-catalog {name} is not among the catalogs"));
    }
    Ok(config)
}

fn flatten(
    prefix: &str,
    table: Table,
    environment: &impl Fn(&str) -> Option<String>,
    options: &mut CatalogOptions,
) -> Result<(), String> {
    for (key, value) in table {
        let key = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        let text = match value {
            Value::Table(inner) => {
                flatten(&key, inner, environment, options)?;
                continue;
            }
            Value::String(text) => substituted(&text, environment)?,
            Value::Integer(n) => n.to_string(),
            Value::Float(n) => n.to_string(),
            Value::Boolean(b) => b.to_string(),
            Value::Datetime(_) | Value::Array(_) => {
                return Err(format!("option {key} must be a text, number or boolean"));
            }
        };
        options.insert(key, text);
    }
    Ok(())
}

/// Replaces every `${NAME}`.
fn substituted(
    text: &str,
    environment: &impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        let value =
            environment(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn dotted_keys_and_variables_become_options() {
        let text = "default-catalog = 'lake'\n[catalogs.lake]\nwarehouse = '/x'\ns3.secret-key = '${KEY}'\nn = 3\n[catalogs.b]\n\"a.b\" = true";
        let config = parse(text, |name| (name == "KEY").then(|| "v".to_string())).unwrap();
        assert_eq!(config.default_catalog.as_deref(), Some("lake"));
        let lake = &config.catalogs["lake"];
        assert_eq!(lake["s3.secret-key"], "v");
        assert_eq!(lake["n"], "3");
        assert_eq!(config.catalogs["b"]["a.b"], "true");
    }

    #[test]
    fn mistakes_are_errors() {
        for text in [
            "x = 1",
            "[catalogs]\na = 1",
            "default-catalog = 'z'",
            "[catalogs.a]\nk = '${MISSING}'",
            "[catalogs.a]\nk = [1]",
            "not toml",
        ] {
            assert!(parse(text, |_| None).is_err(), "{text}");
        }
    }
}
