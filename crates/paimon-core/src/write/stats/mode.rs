//! How much is kept about each column.

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::options::parse_i64;
use crate::spec::DataField;

/// Mode of key columns, whatever the options say.
pub const KEY_STATS_MODE: StatsMode = StatsMode::Truncate(128);

/// What is kept about a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatsMode {
    /// Nothing.
    None,
    /// The number of nulls.
    Counts,
    /// Nulls, minimum and maximum; text and bytes cut to so many characters or bytes.
    Truncate(usize),
    /// Nulls, minimum and maximum.
    Full,
}

impl StatsMode {
    /// Parses `none`, `counts`, `full` or `truncate(n)`, any case.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "none" => return Ok(Self::None),
            "counts" => return Ok(Self::Counts),
            "full" => return Ok(Self::Full),
            _ => {}
        }
        let length = lower
            .strip_prefix("truncate(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|n| n.trim().parse().ok())
            .filter(|n| *n > 0);
        length.map(Self::Truncate).ok_or_else(|| {
            Error::invalid(format!(
                "expected none, counts, full or truncate(n) with n > 0, found {text:?}"
            ))
        })
    }
}

/// Statistics modes of the columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsModes {
    /// One per column.
    pub columns: Vec<StatsMode>,
    /// `metadata.stats-dense-store`: columns without statistics take no space.
    pub dense: bool,
}

impl StatsModes {
    /// Modes of `fields` where `default` applies to columns without one of their own (`metadata.stats-mode` or its
    /// variants). In `thin` files the columns named in `keys` stand for the key columns.
    ///
    /// # Errors
    /// `InvalidInput` naming the option.
    pub fn new(
        fields: &[DataField],
        default: StatsMode,
        keys: &[String],
        thin: bool,
        dense: bool,
        options: &IndexMap<String, String>,
    ) -> Result<Self> {
        const KEEP_FIRST: &str = "metadata.stats-keep-first-n-columns";
        let keep = match options.get(KEEP_FIRST) {
            None => None,
            Some(text) => {
                let n = parse_i64(text).map_err(|e| e.with("option", KEEP_FIRST))?;
                usize::try_from(n).ok()
            }
        };
        let mut used = 0usize;
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let own = format!("fields.{}.stats-mode", field.name);
            columns.push(match options.get(&own) {
                Some(text) => StatsMode::parse(text).map_err(|e| e.with("option", &own))?,
                None if thin && keys.contains(&field.name) => KEY_STATS_MODE,
                None => {
                    used += 1;
                    if keep.is_some_and(|n| used > n) {
                        StatsMode::None
                    } else {
                        default
                    }
                }
            });
        }
        Ok(Self { columns, dense })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::{DataType, TypeKind};

    #[test]
    fn modes_are_parsed_or_refused() {
        assert_eq!(StatsMode::parse("NONE").unwrap(), StatsMode::None);
        assert_eq!(StatsMode::parse(" full").unwrap(), StatsMode::Full);
        assert_eq!(
            StatsMode::parse("truncate(16)").unwrap(),
            StatsMode::Truncate(16)
        );
        for wrong in ["truncate", "truncate(0)", "truncate(-1)", "all", ""] {
            assert!(StatsMode::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn own_modes_win_over_keys_first_columns_and_the_default() {
        let fields: Vec<DataField> = (0..4)
            .map(|i| DataField::new(i, format!("c{i}"), DataType::nullable(TypeKind::Int)))
            .collect();
        let options = IndexMap::from([
            ("fields.c1.stats-mode".to_string(), "none".to_string()),
            (
                "metadata.stats-keep-first-n-columns".to_string(),
                "1".to_string(),
            ),
        ]);
        let keys = ["c3".to_string()];
        let modes = |thin| {
            StatsModes::new(&fields, StatsMode::Full, &keys, thin, true, &options)
                .unwrap()
                .columns
        };
        use StatsMode::*;
        assert_eq!(modes(false), [Full, None, None, None]);
        assert_eq!(modes(true), [Full, None, None, Truncate(128)]);
        let wrong = IndexMap::from([("fields.c1.stats-mode".to_string(), "x".to_string())]);
        let error = StatsModes::new(&fields, Full, &keys, false, true, &wrong).unwrap_err();
        assert!(error.to_string().contains("fields.c1.stats-mode"));
    }
}
