//! Paimon's data types and fields.
//!
//! Source: `org.apache.paimon.types`; text forms in the schema file, see [`super::type_parser`].

use std::fmt;

/// Largest length of CHAR, VARCHAR, BINARY and VARBINARY; `VARCHAR(MAX_LENGTH)` is `STRING`.
pub const MAX_LENGTH: u32 = i32::MAX as u32;

/// A type with its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataType {
    /// The type itself.
    pub kind: TypeKind,
    /// Whether values may be null.
    pub nullable: bool,
}

/// The type without nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`
    TinyInt,
    /// `SMALLINT`
    SmallInt,
    /// `INT`
    Int,
    /// `BIGINT`
    BigInt,
    /// `FLOAT`
    Float,
    /// `DOUBLE`
    Double,
    /// `DECIMAL(precision, scale)`, 1 <= precision <= 38
    Decimal {
        /// total digits
        precision: u8,
        /// digits after the point
        scale: u8,
    },
    /// `CHAR(n)` (never padded by the format)
    Char(u32),
    /// `VARCHAR(n)`; `STRING` is `VARCHAR(MAX_LENGTH)`
    VarChar(u32),
    /// `BINARY(n)`
    Binary(u32),
    /// `VARBINARY(n)`; `BYTES` is `VARBINARY(MAX_LENGTH)`
    VarBinary(u32),
    /// `DATE`: days since 1970-01-01
    Date,
    /// `TIME(p)`: milliseconds of the day whatever the precision
    Time(u8),
    /// `TIMESTAMP(p)`: wall clock
    Timestamp(u8),
    /// `TIMESTAMP(p) WITH LOCAL TIME ZONE`: instant
    LocalZonedTimestamp(u8),
    /// `VARIANT`
    Variant,
    /// `BLOB`
    Blob,
    /// `ARRAY<T>`
    Array(Box<DataType>),
    /// `VECTOR<T, n>`
    Vector(Box<DataType>, u32),
    /// `MULTISET<T>`: a map from element to count
    Multiset(Box<DataType>),
    /// `MAP<K, V>`
    Map(Box<DataType>, Box<DataType>),
    /// `ROW<..>`
    Row(Vec<DataField>),
}

/// A named column or nested field with its table-wide id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataField {
    /// Id that never changes and is never reused.
    pub id: i32,
    /// Current name.
    pub name: String,
    /// Type.
    pub data_type: DataType,
    /// Comment.
    pub description: Option<String>,
    /// Default applied by writers, as text.
    pub default_value: Option<String>,
}

impl DataField {
    /// A field without comment and default.
    pub fn new(id: i32, name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            id,
            name: name.into(),
            data_type,
            description: None,
            default_value: None,
        }
    }
}

impl DataType {
    /// A nullable type.
    pub fn nullable(kind: TypeKind) -> Self {
        Self {
            kind,
            nullable: true,
        }
    }

    /// A NOT NULL type.
    pub fn not_null(kind: TypeKind) -> Self {
        Self {
            kind,
            nullable: false,
        }
    }

    /// `STRING`.
    pub fn string() -> Self {
        Self::nullable(TypeKind::VarChar(MAX_LENGTH))
    }

    /// The same type with another nullability.
    #[must_use]
    pub fn with_nullable(&self, nullable: bool) -> Self {
        Self {
            kind: self.kind.clone(),
            nullable,
        }
    }
}

impl TypeKind {
    /// CHAR, VARCHAR, STRING.
    pub fn is_string(&self) -> bool {
        matches!(self, TypeKind::Char(_) | TypeKind::VarChar(_))
    }

    /// BINARY, VARBINARY, BYTES, BLOB.
    pub fn is_binary(&self) -> bool {
        matches!(
            self,
            TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob
        )
    }

    /// TINYINT to BIGINT.
    pub fn is_integer(&self) -> bool {
        matches!(
            self,
            TypeKind::TinyInt | TypeKind::SmallInt | TypeKind::Int | TypeKind::BigInt
        )
    }

    /// TIMESTAMP or TIMESTAMP WITH LOCAL TIME ZONE.
    pub fn is_timestamp(&self) -> bool {
        matches!(
            self,
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_)
        )
    }

    /// ARRAY, VECTOR, MULTISET, MAP, ROW, VARIANT.
    pub fn is_nested(&self) -> bool {
        matches!(
            self,
            TypeKind::Array(_)
                | TypeKind::Vector(..)
                | TypeKind::Multiset(_)
                | TypeKind::Map(..)
                | TypeKind::Row(_)
                | TypeKind::Variant
        )
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        Ok(())
    }
}

impl fmt::Display for TypeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            TypeKind::Char(n) => write!(f, "CHAR({n})"),
            TypeKind::VarChar(MAX_LENGTH) => f.write_str("STRING"),
            TypeKind::VarChar(n) => write!(f, "VARCHAR({n})"),
            TypeKind::Binary(n) => write!(f, "BINARY({n})"),
            TypeKind::VarBinary(MAX_LENGTH) => f.write_str("BYTES"),
            TypeKind::VarBinary(n) => write!(f, "VARBINARY({n})"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(p) => write!(f, "TIME({p})"),
            TypeKind::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            TypeKind::LocalZonedTimestamp(p) => write!(f, "TIMESTAMP({p}) WITH LOCAL TIME ZONE"),
            TypeKind::Variant => f.write_str("VARIANT"),
            TypeKind::Blob => f.write_str("BLOB"),
            TypeKind::Array(e) => write!(f, "ARRAY<{e}>"),
            TypeKind::Vector(e, n) => write!(f, "VECTOR<{e}, {n}>"),
            TypeKind::Multiset(e) => write!(f, "MULTISET<{e}>"),
            TypeKind::Map(k, v) => write!(f, "MAP<{k}, {v}>"),
            TypeKind::Row(fields) => {
                f.write_str("ROW<")?;
                for (i, field) in fields.iter().enumerate() {
                    let sep = if i == 0 { "" } else { ", " };
                    let name = field.name.replace('`', "``");
                    write!(f, "{sep}`{name}` {}", field.data_type)?;
                    if let Some(text) = &field.description {
                        write!(f, " '{}'", text.replace('\'', "''"))?;
                    }
                }
                f.write_str(">")
            }
        }
    }
}
