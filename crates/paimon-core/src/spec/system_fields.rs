//! Columns that files have beside the table's own. Source: `SpecialFields`.

use super::{DataField, DataType, TypeKind};

/// Name of the sequence number column.
pub const SEQUENCE_NUMBER: &str = "_SEQUENCE_NUMBER";
/// Name of the row kind column.
pub const VALUE_KIND: &str = "_VALUE_KIND";
/// Name of the row id column.
pub const ROW_ID: &str = "_ROW_ID";

const SEQUENCE_NUMBER_ID: i32 = i32::MAX - 1;
const VALUE_KIND_ID: i32 = i32::MAX - 2;
const ROW_ID_ID: i32 = i32::MAX - 5;

/// First field id that belongs to the system.
pub const SYSTEM_ID_MIN: i32 = 1_073_741_823;

/// `_SEQUENCE_NUMBER` as a column (nullable: row-tracking files may hold nulls).
pub fn sequence_number_field() -> DataField {
    DataField::new(
        SEQUENCE_NUMBER_ID,
        SEQUENCE_NUMBER,
        DataType::nullable(TypeKind::BigInt),
    )
}

/// `_VALUE_KIND`: 0 +I, 1 -U, 2 +U, 3 -D.
pub fn value_kind_field() -> DataField {
    DataField::new(
        VALUE_KIND_ID,
        VALUE_KIND,
        DataType::nullable(TypeKind::TinyInt),
    )
}

/// `_ROW_ID`.
pub fn row_id_field() -> DataField {
    DataField::new(ROW_ID_ID, ROW_ID, DataType::nullable(TypeKind::BigInt))
}

/// Kinds of rows as `_VALUE_KIND` holds them. Source: `RowKind`.
pub mod row_kind {
    /// +I
    pub const INSERT: i8 = 0;
    /// -U
    pub const UPDATE_BEFORE: i8 = 1;
    /// +U
    pub const UPDATE_AFTER: i8 = 2;
    /// -D
    pub const DELETE: i8 = 3;
}

/// Whether a row kind is -U or -D.
#[inline]
pub fn is_retract(kind: i8) -> bool {
    kind == row_kind::UPDATE_BEFORE || kind == row_kind::DELETE
}
