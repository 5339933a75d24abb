//! Texts that users and schema files hold: types, options, folders of partitions.

use indexmap::IndexMap;
use paimon_core::options::{
    CoreOptions, RetentionOptions, TaggingOptions, parse_bool, parse_bytes, parse_duration_ms,
    parse_i64,
};
use paimon_core::spec::{
    DataField, DataType, TableSchema, TypeKind, escape, parse_data_type, unescape,
};
use paimon_core::table::parse_timestamp_ms;

use super::accepted;

/// The text of a type; its own text parses to the same type.
pub fn data_type(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(parsed) = accepted(parse_data_type(text)) else {
        return;
    };
    let again = parsed.to_string();
    assert_eq!(accepted(parse_data_type(&again)), Some(parsed), "{again}");
}

/// The value of an option, read as every kind of value.
pub fn option_values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    accepted(parse_bool(text));
    accepted(parse_i64(text));
    if let Some(bytes) = accepted(parse_bytes(text)) {
        assert_eq!(accepted(parse_bytes(&format!("{bytes} b"))), Some(bytes));
    }
    if let Some(millis) = accepted(parse_duration_ms(text)) {
        assert_eq!(
            accepted(parse_duration_ms(&format!("{millis} ms"))),
            Some(millis)
        );
    }
    accepted(parse_timestamp_ms(text));
}

/// Lines `key=value` as the options of a table.
pub fn table_options(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let options: IndexMap<String, String> = pairs
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    for primary_keys in [Vec::new(), vec!["k".to_string()]] {
        let schema = TableSchema {
            fields: vec![
                DataField::new(0, "k", DataType::not_null(TypeKind::Int)),
                DataField::new(1, "v", DataType::string()),
            ],
            primary_keys,
            highest_field_id: 1,
            options: options.clone(),
            version: 3,
            id: 0,
            partition_keys: Vec::new(),
            comment: None,
            time_millis: 0,
        };
        accepted(paimon_core::schema::validate_schema(&schema));
        let Some(options) = accepted(CoreOptions::new(&schema)) else {
            continue;
        };
        let _ = (options.need_lookup(), options.bucket_keys(&schema));
        accepted(RetentionOptions::new(&options));
        accepted(TaggingOptions::new(&options));
    }
}

/// The name of a partition's folder.
pub fn partition_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let escaped = escape(text);
    assert_eq!(unescape(&escaped), text);
    assert!(!escaped.contains(['/', '=', '\\', '\0']), "{escaped:?}");
    let _ = unescape(text);
}
