//! `$aggregation_fields`: columns with the `fields.<column>.*` options of the newest schema.
//!
//! Source: `AggregationFieldsTable`. Options print in the order of Java's hash map, which a schema keeps them in there.

use indexmap::IndexMap;

use super::rows::{Rows, opt_text, text};
use crate::error::Result;
use crate::options::redacted;
use crate::table::Table;

pub(super) async fn fields(table: &Table) -> Result<Rows> {
    let mut rows = Rows::new(&[
        ("field_name", "STRING NOT NULL"),
        ("field_type", "STRING NOT NULL"),
        ("function", "STRING"),
        ("function_options", "STRING"),
        ("comment", "STRING"),
    ])?;
    let Some(schema) = table.schemas().latest().await? else {
        return Ok(rows);
    };
    let options = in_java_order(&schema.options);
    for field in &schema.fields {
        let own = |key: &str| {
            let mut parts = key.split('.');
            parts.next() == Some("fields")
                && parts.next() == Some(field.name.as_str())
                && parts.next().is_some_and(|p| !p.is_empty())
        };
        let (mut values, mut keys) = (Vec::new(), Vec::new());
        for (key, value) in options.iter().filter(|(key, _)| own(key)) {
            values.push(redacted(key, value));
            keys.push(key.to_string());
        }
        rows.push(vec![
            text(&field.name),
            text(field.data_type.to_string()),
            text(format!("[{}]", values.join(", "))),
            text(format!("[{}]", keys.join(", "))),
            opt_text(field.description.clone()),
        ]);
    }
    Ok(rows)
}

/// The order in which a `java.util.HashMap` filled in this order hands its entries out (before its chains become trees).
fn in_java_order(options: &IndexMap<String, String>) -> Vec<(&str, &str)> {
    // it doubles from 16 when more than three quarters are taken
    let mut slots = 16usize;
    while options.len() * 4 > slots * 3 {
        slots *= 2;
    }
    let mask = u32::try_from(slots - 1).unwrap_or(u32::MAX);
    let entries = options.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let mut entries: Vec<(&str, &str)> = entries.collect();
    entries.sort_by_key(|(key, _)| {
        let hash = java_hash(key);
        (hash ^ (hash >> 16)) & mask
    });
    entries
}

/// `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("bucket"), 2_916_764_138);
        assert_eq!(java_hash("\u{1f600}"), 1_772_899);
    }
}
