//! Sequence groups of partial-update (options `fields.<g1>,<g2>.sequence-group = f1,f2`).

use std::collections::HashMap;

use crate::spec::DataField;
use crate::{Error, Result};

use super::{MergeEngine, OptionLookup};

/// Option of the ordering columns whose deletes remove the whole row.
pub(super) const REMOVE_ON_GROUP: &str = "partial-update.remove-record-on-sequence-group";

/// One sequence group by column names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SequenceGroup {
    /// The option it comes from.
    pub key: String,
    /// Columns that order the group, most significant first.
    pub ordering: Vec<String>,
    /// Columns it protects, without the ordering ones.
    pub protected: Vec<String>,
    /// Whether a -D of this group removes the row.
    pub removes: bool,
}

impl SequenceGroup {
    fn names(&self, column: &str) -> bool {
        self.ordering.iter().any(|c| c == column) || self.protected.iter().any(|c| c == column)
    }
}

/// All groups of a table, sorted by option key.
///
/// # Errors
///
/// `InvalidInput` for a primary key column in a group, a column in two groups, or a removing column that orders no group.
pub(super) fn sequence_groups(
    primary_keys: &[String],
    options: &dyn OptionLookup,
) -> Result<Vec<SequenceGroup>> {
    let mut keys: Vec<&str> = options.keys().collect();
    keys.sort_unstable();
    let mut groups = Vec::new();
    for key in keys {
        let ordering = key
            .strip_prefix("fields.")
            .and_then(|rest| rest.strip_suffix(".sequence-group"));
        let (Some(ordering), Some(value)) = (ordering, options.get(key)) else {
            continue;
        };
        groups.push(parse_group(key, ordering, value));
    }
    mark_removing(&mut groups, options)?;
    check_columns(&groups, primary_keys)?;
    Ok(groups)
}

fn parse_group(key: &str, ordering: &str, value: &str) -> SequenceGroup {
    let ordering: Vec<String> = ordering.split(',').map(str::to_string).collect();
    let protected = value
        .split(',')
        .filter(|c| !ordering.iter().any(|o| o == c))
        .map(str::to_string)
        .collect();
    SequenceGroup {
        key: key.to_string(),
        ordering,
        protected,
        removes: false,
    }
}

fn mark_removing(groups: &mut [SequenceGroup], options: &dyn OptionLookup) -> Result<()> {
    let Some(value) = options.get(REMOVE_ON_GROUP) else {
        return Ok(());
    };
    for column in value.split(',') {
        let mut of_column = groups
            .iter_mut()
            .filter(|g| g.ordering.iter().any(|c| c == column))
            .peekable();
        if of_column.peek().is_none() {
            return Err(Error::invalid(format!(
                "field '{column}' in option '{REMOVE_ON_GROUP}' orders no sequence group"
            ))
            .with("option", REMOVE_ON_GROUP));
        }
        of_column.for_each(|g| g.removes = true);
    }
    Ok(())
}

fn check_columns(groups: &[SequenceGroup], primary_keys: &[String]) -> Result<()> {
    let mut orders: HashMap<&str, &str> = HashMap::new();
    let mut protects: HashMap<&str, &str> = HashMap::new();
    for group in groups {
        let columns = || group.ordering.iter().chain(&group.protected);
        if let Some(column) = columns().find(|c| primary_keys.contains(c)) {
            return Err(Error::invalid(format!(
                "sequence group '{}' names primary key column '{column}'",
                group.key
            ))
            .with("option", &group.key));
        }
        for column in &group.ordering {
            if let Some(other) = orders.insert(column, &group.key) {
                return Err(Error::unsupported(format!(
                    "field '{column}' orders two sequence groups: '{other}' and '{}'",
                    group.key
                ))
                .with("option", &group.key));
            }
        }
        for column in &group.protected {
            if let Some(other) = protects.insert(column, &group.key) {
                return Err(Error::invalid(format!(
                    "field '{column}' is protected by two sequence groups: '{other}' and '{}'",
                    group.key
                ))
                .with("option", &group.key));
            }
        }
    }
    Ok(())
}

/// Columns that must be read beside `projected` so that merging gives the right values for them.
///
/// For partial-update: the ordering columns of every group that owns a projected column, and of every group whose
/// deletes remove the whole row. Columns of `sequence.field` and of the key order the input and are not listed here.
/// The result has no duplicates and nothing that is projected already; its order is that of `all_fields`.
///
/// # Errors
///
/// `InvalidInput` for wrong group options or an ordering column that the table does not have.
pub fn required_columns(
    engine: MergeEngine,
    projected: &[String],
    all_fields: &[DataField],
    primary_keys: &[String],
    options: &dyn OptionLookup,
) -> Result<Vec<String>> {
    if engine != MergeEngine::PartialUpdate {
        return Ok(Vec::new());
    }
    let groups = sequence_groups(primary_keys, options)?;
    let needed = groups
        .iter()
        .filter(|g| g.removes || projected.iter().any(|c| g.names(c)));
    let mut wanted: Vec<&String> = Vec::new();
    for group in needed {
        for column in &group.ordering {
            if !all_fields.iter().any(|f| f.name == *column) {
                return Err(Error::invalid(format!(
                    "field '{column}' of option '{}' is not in the table",
                    group.key
                ))
                .with("option", &group.key));
            }
            wanted.push(column);
        }
    }
    Ok(all_fields
        .iter()
        .map(|f| &f.name)
        .filter(|name| wanted.contains(name) && !projected.contains(name))
        .cloned()
        .collect())
}
