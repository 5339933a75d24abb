//! Hive's names of Paimon's types.
//!
//! Java: `org.apache.paimon.hive.HiveTypeUtils`, with a client of Hive 3 or later.

use paimon_core::spec::{DataType, TypeKind};

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;

    use super::*;

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
