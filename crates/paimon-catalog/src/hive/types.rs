//! Hive's names of Paimon's types.
//!
//! Java: `org.apache.paimon.hive.HiveTypeUtils`, with a client of Hive 3 or later.

use paimon_core::spec::{DataType, TypeKind, parse_data_type};
use paimon_core::{Error, Result};

/// Longest CHAR and VARCHAR of Hive; longer ones are strings there.
const CHAR_MAX: u32 = 255;
const VARCHAR_MAX: u32 = 65_535;

/// Name of a type in Hive, as a column of the metastore has it.
pub(super) fn type_name(data_type: &DataType) -> String {
    match &data_type.kind {
        TypeKind::Boolean => "boolean".into(),
        TypeKind::TinyInt => "tinyint".into(),
        TypeKind::SmallInt => "smallint".into(),
        TypeKind::Int => "int".into(),
        TypeKind::BigInt => "bigint".into(),
        TypeKind::Float => "float".into(),
        TypeKind::Double => "double".into(),
        TypeKind::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        TypeKind::Char(length) if *length <= CHAR_MAX => format!("char({length})"),
        TypeKind::VarChar(length) if *length <= VARCHAR_MAX => format!("varchar({length})"),
        TypeKind::Char(_) | TypeKind::VarChar(_) | TypeKind::Time(_) => "string".into(),
        TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => "binary".into(),
        TypeKind::Date => "date".into(),
        TypeKind::Timestamp(_) => "timestamp".into(),
        TypeKind::LocalZonedTimestamp(_) => "timestamp with local time zone".into(),
        TypeKind::Variant => "struct<value:binary,metadata:binary>".into(),
        TypeKind::Array(element) | TypeKind::Vector(element, _) => {
            format!("array<{}>", type_name(element))
        }
        TypeKind::Multiset(element) => format!("map<{},int>", type_name(element)),
        TypeKind::Map(key, value) => format!("map<{},{}>", type_name(key), type_name(value)),
        TypeKind::Row(fields) => {
            let field = |f: &paimon_core::spec::DataField| {
                format!("{}:{}", f.name, type_name(&f.data_type))
            };
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("struct<{}>", fields.join(","))
        }
    }
}

/// Paimon's type of a type in Hive.
///
/// # Errors
/// `Unsupported` for a type that Paimon lacks.
pub(super) fn paimon_type(hive: &str) -> Result<DataType> {
    let parsed = paimon_text(hive.trim()).map(|text| parse_data_type(&text));
    parsed
        .and_then(std::result::Result::ok)
        .ok_or_else(|| Error::unsupported(format!("Paimon has no type for Hive's {hive:?}")))
}

/// Paimon's text of a type in Hive; `None` for one that is malformed.
fn paimon_text(hive: &str) -> Option<String> {
    let lower = hive.to_ascii_lowercase();
    let inside = |head: &str| {
        let start = lower.strip_prefix(head)?.strip_prefix('<')?;
        start.strip_suffix('>')?;
        hive.get(head.len() + 1..hive.len() - 1)
    };
    if let Some(element) = inside("array") {
        return Some(format!("ARRAY<{}>", paimon_text(element.trim())?));
    }
    if let Some(parts) = inside("map") {
        return match parts_of(parts).as_slice() {
            [key, value] => Some(format!(
                "MAP<{}, {}>",
                paimon_text(key)?,
                paimon_text(value)?
            )),
            _ => None,
        };
    }
    if let Some(parts) = inside("struct") {
        let field = |part: &&str| {
            let (name, data_type) = part.split_once(':')?;
            let name = name.trim().replace('`', "``");
            Some(format!("`{name}` {}", paimon_text(data_type.trim())?))
        };
        let fields: Option<Vec<String>> = parts_of(parts).iter().map(field).collect();
        return Some(format!("ROW<{}>", fields?.join(", ")));
    }
    Some(match lower.as_str() {
        "string" => "STRING".into(),
        "binary" => "BYTES".into(),
        "timestamp" => "TIMESTAMP(6)".into(),
        "timestamp with local time zone" => "TIMESTAMP(6) WITH LOCAL TIME ZONE".into(),
        // the others have one name in both
        _ => lower.to_ascii_uppercase(),
    })
}

/// What stands between the outermost commas.
fn parts_of(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(text.get(start..at).map(str::trim));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..).map(str::trim));
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;

    use super::*;

    #[test]
    fn types_of_hive_are_paimons() {
        for (hive, paimon) in [
            ("bigint", "BIGINT"),
            ("decimal(10,2)", "DECIMAL(10, 2)"),
            ("timestamp", "TIMESTAMP(6)"),
            ("varchar(9)", "VARCHAR(9)"),
            ("binary", "BYTES"),
            (
                "array<map<string,decimal(5,1)>>",
                "ARRAY<MAP<STRING, DECIMAL(5, 1)>>",
            ),
            (
                "struct<x:int,Y:array<string>>",
                "ROW<`x` INT, `Y` ARRAY<STRING>>",
            ),
        ] {
            let expected = parse_data_type(paimon).unwrap();
            assert_eq!(super::paimon_type(hive).unwrap(), expected, "{hive}");
        }
        for hive in ["uniontype<int,string>", "map<int>", "struct<x>", "void"] {
            assert!(super::paimon_type(hive).is_err(), "{hive}");
        }
    }

    #[test]
    fn types_have_the_names_that_java_stores() {
        for (paimon, hive) in [
            ("BIGINT NOT NULL", "bigint"),
            ("STRING", "string"),
            ("DECIMAL(10, 2)", "decimal(10,2)"),
            ("TIMESTAMP(3)", "timestamp"),
            (
                "TIMESTAMP(6) WITH LOCAL TIME ZONE",
                "timestamp with local time zone",
            ),
            ("ARRAY<STRING>", "array<string>"),
            ("MAP<STRING, INT>", "map<string,int>"),
            ("ROW<x INT, Y STRING>", "struct<x:int,Y:string>"),
            ("BYTES", "binary"),
            ("BINARY(3)", "binary"),
            ("TINYINT", "tinyint"),
            ("SMALLINT", "smallint"),
            ("CHAR(5)", "char(5)"),
            ("CHAR(256)", "string"),
            ("VARCHAR(9)", "varchar(9)"),
            ("VARCHAR(65536)", "string"),
            ("DATE", "date"),
            ("TIME(3)", "string"),
            ("MULTISET<INT>", "map<int,int>"),
            ("VARIANT", "struct<value:binary,metadata:binary>"),
        ] {
            assert_eq!(
                type_name(&parse_data_type(paimon).unwrap()),
                hive,
                "{paimon}"
            );
        }
    }
}
