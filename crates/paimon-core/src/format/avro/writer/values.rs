//! Single values of Arrow columns in Avro's encoding.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{
    Array, BinaryViewArray, BooleanArray, PrimitiveArray, StringViewArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType as ArrowType, TimeUnit};

use super::schema::multiset_count;
use crate::codec::avro::{put_bytes, put_long};
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind, minimal_big_endian};

/// A column (or the part of a nested one) ready to be written row by row.
pub(super) struct Values<'a> {
    /// Whether a union `["null", T]` surrounds the value.
    nullable: bool,
    nulls: Option<&'a NullBuffer>,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Boolean(&'a BooleanArray),
    TinyInt(&'a PrimitiveArray<Int8Type>),
    SmallInt(&'a PrimitiveArray<Int16Type>),
    Int(&'a [i32]),
    Long(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal(&'a [i128]),
    String(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    List(Cow<'a, OffsetBuffer<i32>>, Box<Values<'a>>),
    /// Offsets, keys (string), values.
    StringMap(&'a OffsetBuffer<i32>, Box<Values<'a>>, Box<Values<'a>>),
    Record(Vec<Values<'a>>),
}

impl<'a> Values<'a> {
    /// The values of an array of this type.
    ///
    /// # Errors
    /// `Unsupported` for types without a place in Avro files, `Internal` for another array.
    pub(super) fn new(array: &'a dyn Array, data_type: &DataType) -> Result<Self> {
        Ok(Self {
            nullable: data_type.nullable,
            nulls: array.nulls(),
            kind: Kind::new(array, data_type)?,
        })
    }

    /// Appends the value of a row.
    ///
    /// # Errors
    /// `InvalidInput` for a null where the type has none.
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let null = self.nulls.is_some_and(|n| n.is_null(row));
        match (null, self.nullable) {
            (true, true) => {
                put_long(out, 0);
                return Ok(());
            }
            (true, false) => {
                return Err(Error::invalid("null in a value that is NOT NULL"));
            }
            (false, true) => put_long(out, 1),
            (false, false) => {}
        }
        self.kind.put(row, out)
    }
}

impl<'a> Kind<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType) -> Result<Self> {
        let wrong = || {
            Error::internal(format!(
                "an array of {} is no {data_type} column",
                array.data_type()
            ))
        };
        macro_rules! primitive {
            ($type:ty) => {
                array.as_primitive_opt::<$type>().ok_or_else(wrong)?
            };
        }
        Ok(match &data_type.kind {
            TypeKind::Boolean => Kind::Boolean(array.as_boolean_opt().ok_or_else(wrong)?),
            TypeKind::TinyInt => Kind::TinyInt(primitive!(Int8Type)),
            TypeKind::SmallInt => Kind::SmallInt(primitive!(Int16Type)),
            TypeKind::Int => Kind::Int(primitive!(Int32Type).values()),
            TypeKind::Date => Kind::Int(primitive!(Date32Type).values()),
            TypeKind::Time(_) => Kind::Int(primitive!(Time32MillisecondType).values()),
            TypeKind::BigInt => Kind::Long(primitive!(Int64Type).values()),
            TypeKind::Float => Kind::Float(primitive!(Float32Type).values()),
            TypeKind::Double => Kind::Double(primitive!(Float64Type).values()),
            TypeKind::Decimal { .. } => Kind::Decimal(primitive!(Decimal128Type).values()),
            TypeKind::Char(_) | TypeKind::VarChar(_) => {
                Kind::String(array.as_string_view_opt().ok_or_else(wrong)?)
            }
            TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
                Kind::Bytes(array.as_binary_view_opt().ok_or_else(wrong)?)
            }
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => match array.data_type() {
                ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                    Kind::Long(primitive!(TimestampMillisecondType).values())
                }
                _ => Kind::Long(primitive!(TimestampMicrosecondType).values()),
            },
            TypeKind::Array(element) => {
                let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
                let items = Values::new(list.values().as_ref(), element)?;
                Kind::List(Cow::Borrowed(list.offsets()), Box::new(items))
            }
            TypeKind::Vector(element, _) => {
                let vectors = array.as_fixed_size_list_opt().ok_or_else(wrong)?;
                let items = Values::new(vectors.values().as_ref(), element)?;
                let length = usize::try_from(vectors.value_length()).map_err(|_| wrong())?;
                let offsets = OffsetBuffer::from_repeated_length(length, vectors.len());
                Kind::List(Cow::Owned(offsets), Box::new(items))
            }
            TypeKind::Map(key, value) => Self::map(array, key, value)?,
            TypeKind::Multiset(element) => Self::map(array, element, &multiset_count())?,
            TypeKind::Row(fields) => {
                let rows: &StructArray = array.as_struct_opt().ok_or_else(wrong)?;
                let columns = rows.columns().iter().zip(fields);
                let columns = columns.map(|(c, f)| Values::new(c.as_ref(), &f.data_type));
                Kind::Record(columns.collect::<Result<_>>()?)
            }
            other => {
                return Err(Error::unsupported(format!(
                    "Avro files cannot hold {other} columns"
                )));
            }
        })
    }

    fn map(array: &'a dyn Array, key: &DataType, value: &DataType) -> Result<Self> {
        let map = array
            .as_map_opt()
            .ok_or_else(|| Error::internal("a MAP column must be a map array"))?;
        let values = Values::new(map.values().as_ref(), value)?;
        if key.kind.is_string() {
            let keys = Values::new(map.keys().as_ref(), &key.with_nullable(false))?;
            return Ok(Kind::StringMap(
                map.offsets(),
                Box::new(keys),
                Box::new(values),
            ));
        }
        let keys = Values::new(map.keys().as_ref(), key)?;
        let entries = Values {
            nullable: false,
            nulls: None,
            kind: Kind::Record(vec![keys, values]),
        };
        Ok(Kind::List(Cow::Borrowed(map.offsets()), Box::new(entries)))
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Kind::Boolean(v) => out.push(u8::from(v.value(row))),
            Kind::TinyInt(v) => put_long(out, i64::from(v.value(row))),
            Kind::SmallInt(v) => put_long(out, i64::from(v.value(row))),
            Kind::Int(v) => put_long(out, i64::from(v[row])),
            Kind::Long(v) => put_long(out, v[row]),
            Kind::Float(v) => out.extend_from_slice(&v[row].to_le_bytes()),
            Kind::Double(v) => out.extend_from_slice(&v[row].to_le_bytes()),
            Kind::Decimal(v) => put_bytes(out, &minimal_big_endian(v[row])),
            Kind::String(v) => put_bytes(out, v.value(row).as_bytes()),
            Kind::Bytes(v) => put_bytes(out, v.value(row)),
            Kind::List(offsets, items) => {
                return put_blocks(offsets, row, out, |i, out| items.put(i, out));
            }
            Kind::StringMap(offsets, keys, values) => {
                return put_blocks(offsets, row, out, |i, out| {
                    keys.put(i, out)?;
                    values.put(i, out)
                });
            }
            Kind::Record(columns) => {
                return columns.iter().try_for_each(|c| c.put(row, out));
            }
        }
        Ok(())
    }
}

/// One block with all items, then the empty block that ends the list.
fn put_blocks(
    offsets: &OffsetBuffer<i32>,
    row: usize,
    out: &mut Vec<u8>,
    mut put: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let at = |i: usize| usize::try_from(offsets[i]).unwrap_or(0);
    let (start, end) = (at(row), at(row + 1));
    if end > start {
        put_long(out, i64::try_from(end - start).unwrap_or(i64::MAX));
        for i in start..end {
            put(i, out)?;
        }
    }
    put_long(out, 0);
    Ok(())
}
