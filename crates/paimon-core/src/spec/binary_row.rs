//! Paimon's binary row: the bytes of partitions, keys and statistics in manifests.
//!
//! ```text
//! [null bits: ((n + 63 + 8) / 64) * 8 bytes, first byte = row kind][n slots of 8 bytes][variable part]
//! ```
//! Serialised form: 4-byte big-endian arity, then the row. Source: `BinaryRow`, `AbstractBinaryWriter`,
//! `SerializationUtils`.

use bytes::Bytes;

use super::{DataType, Datum, TypeKind, murmur_hash};
use crate::error::{Error, Result};

/// A row of primitive values in Paimon's encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BinaryRow {
    arity: usize,
    data: Bytes,
}

impl BinaryRow {
    /// The row without fields.
    pub fn empty() -> Self {
        Self {
            arity: 0,
            data: Bytes::from_static(&[0; 8]),
        }
    }

    /// Parses the serialised form; `what` names the value in errors.
    ///
    /// # Errors
    /// `Damaged` when the bytes are shorter than the arity demands.
    pub fn from_serialized(bytes: &Bytes, what: &str) -> Result<Self> {
        let Some(head) = bytes.first_chunk::<4>() else {
            return Err(Error::damaged(format!(
                "{what}: binary row needs at least 4 bytes, found {}",
                bytes.len()
            )));
        };
        let arity = i32::from_be_bytes(*head);
        let arity = usize::try_from(arity)
            .map_err(|_| Error::damaged(format!("{what}: binary row has arity {arity}")))?;
        let data = bytes.slice(4..);
        let needed = arity
            .checked_mul(8)
            .and_then(|slots| slots.checked_add(header_len(arity)))
            .unwrap_or(usize::MAX);
        if data.len() < needed {
            return Err(Error::damaged(format!(
                "{what}: binary row of {arity} fields needs {needed} bytes, found {}",
                data.len()
            )));
        }
        Ok(Self { arity, data })
    }

    /// Number of fields.
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// Row bytes without the arity.
    pub fn bytes(&self) -> &Bytes {
        &self.data
    }

    /// The serialised form.
    pub fn to_serialized(&self) -> Bytes {
        let mut out = Vec::with_capacity(4 + self.data.len());
        out.extend_from_slice(&i32::try_from(self.arity).unwrap_or(i32::MAX).to_be_bytes());
        out.extend_from_slice(&self.data);
        out.into()
    }

    /// Java's `hashCode`.
    pub fn hash_code(&self) -> i32 {
        murmur_hash(&self.data)
    }

    /// Value of field `i` read as `data_type`; `None` for null.
    ///
    /// # Errors
    /// `Damaged` when an offset leaves the row; `Unsupported` for nested types.
    pub fn get(&self, i: usize, data_type: &DataType) -> Result<Option<Datum>> {
        if i >= self.arity {
            return Err(Error::damaged(format!(
                "binary row has {} fields, field {i} is wanted",
                self.arity
            )));
        }
        if self.is_null(i) {
            return Ok(None);
        }
        self.value(i, data_type).map(Some)
    }

    /// Whether field `i` is null (true past the end).
    pub fn is_null(&self, i: usize) -> bool {
        let bit = i + 8;
        self.data
            .get(bit / 8)
            .is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
    }

    fn slot(&self, i: usize) -> [u8; 8] {
        let at = header_len(self.arity) + i * 8;
        let mut slot = [0; 8];
        if let Some(bytes) = self.data.get(at..at + 8) {
            slot.copy_from_slice(bytes);
        }
        slot
    }

    fn value(&self, i: usize, data_type: &DataType) -> Result<Datum> {
        let slot = self.slot(i);
        let [b0, b1, b2, b3, ..] = slot;
        let int = i32::from_le_bytes([b0, b1, b2, b3]);
        let long = i64::from_le_bytes(slot);
        Ok(match &data_type.kind {
            TypeKind::Boolean => Datum::Boolean(b0 != 0),
            TypeKind::TinyInt => Datum::TinyInt(i8::from_le_bytes([b0])),
            TypeKind::SmallInt => Datum::SmallInt(i16::from_le_bytes([b0, b1])),
            TypeKind::Int => Datum::Int(int),
            TypeKind::Date => Datum::Date(int),
            TypeKind::Time(_) => Datum::Time(int),
            TypeKind::BigInt => Datum::BigInt(long),
            TypeKind::Float => Datum::Float(f32::from_le_bytes([b0, b1, b2, b3])),
            TypeKind::Double => Datum::Double(f64::from_le_bytes(slot)),
            TypeKind::Decimal { precision, scale } if *precision <= 18 => Datum::Decimal {
                unscaled: i128::from(long),
                scale: *scale,
            },
            TypeKind::Decimal { scale, .. } => Datum::Decimal {
                unscaled: big_endian_i128(self.variable(slot)?)?,
                scale: *scale,
            },
            TypeKind::Char(_) | TypeKind::VarChar(_) => {
                let bytes = self.inline_or_variable(&slot)?;
                let text = std::str::from_utf8(bytes).map_err(|e| {
                    Error::damaged("binary row holds a string that is not UTF-8").with_source(e)
                })?;
                Datum::String(text.to_string())
            }
            TypeKind::Binary(_) | TypeKind::VarBinary(_) | TypeKind::Blob => {
                Datum::Bytes(self.inline_or_variable(&slot)?.to_vec())
            }
            TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if *p <= 3 => {
                Datum::Timestamp {
                    millis: long,
                    nanos: 0,
                }
            }
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
                let offset = usize::try_from(long >> 32).unwrap_or(usize::MAX);
                let millis = self.range(offset, 8)?;
                if !(0..1_000_000).contains(&int) {
                    return Err(Error::damaged(format!(
                        "binary row holds a timestamp with {int} nanoseconds within its millisecond"
                    )));
                }
                let mut raw = [0; 8];
                raw.copy_from_slice(millis);
                Datum::Timestamp {
                    millis: i64::from_le_bytes(raw),
                    nanos: int,
                }
            }
            other => {
                return Err(Error::unsupported(format!(
                    "binary rows with {other} values cannot be decoded to a primitive value"
                )));
            }
        })
    }

    fn inline_or_variable<'a>(&'a self, slot: &'a [u8; 8]) -> Result<&'a [u8]> {
        if slot[7] & 0x80 == 0 {
            return self.variable(*slot);
        }
        let len = usize::from(slot[7] & 0x7f);
        slot.get(..len).filter(|_| len <= 7).ok_or_else(|| {
            Error::damaged(format!(
                "binary row: inline value of {len} bytes, at most 7 fit"
            ))
        })
    }

    fn variable(&self, slot: [u8; 8]) -> Result<&[u8]> {
        let packed = u64::from_le_bytes(slot);
        let offset = usize::try_from(packed >> 32).unwrap_or(usize::MAX);
        let len = usize::try_from(packed & 0xffff_ffff).unwrap_or(usize::MAX);
        self.range(offset, len)
    }

    fn range(&self, offset: usize, len: usize) -> Result<&[u8]> {
        offset
            .checked_add(len)
            .and_then(|end| self.data.get(offset..end))
            .ok_or_else(|| {
                Error::damaged(format!(
                    "binary row of {} bytes: value at offset {offset} with length {len} is outside",
                    self.data.len()
                ))
            })
    }
}

/// Bytes of the null bits of a row of `arity` fields.
fn header_len(arity: usize) -> usize {
    (arity.saturating_add(63 + 8)) / 64 * 8
}

fn big_endian_i128(bytes: &[u8]) -> Result<i128> {
    if bytes.is_empty() || bytes.len() > 16 {
        return Err(Error::damaged(format!(
            "decimal takes 1 to 16 bytes, found {}",
            bytes.len()
        )));
    }
    let fill = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Ok(i128::from_be_bytes(wide))
}

/// Writes binary rows field by field, in order.
pub struct BinaryRowWriter {
    arity: usize,
    next: usize,
    data: Vec<u8>,
}

impl BinaryRowWriter {
    /// A row of `arity` fields.
    pub fn new(arity: usize) -> Self {
        Self {
            arity,
            next: 0,
            data: vec![0; header_len(arity) + arity * 8],
        }
    }

    /// Appends the next field. The datum must fit the type; a null of a wide decimal or a precise timestamp reserves
    /// its space as Java does.
    pub fn push(&mut self, value: Option<&Datum>, data_type: &DataType) {
        let i = self.next;
        self.next += 1;
        match value {
            None => self.push_null(i, data_type),
            Some(datum) => self.push_value(i, datum, data_type),
        }
    }

    /// The finished row.
    pub fn finish(self) -> BinaryRow {
        BinaryRow {
            arity: self.arity,
            data: self.data.into(),
        }
    }

    fn push_null(&mut self, i: usize, data_type: &DataType) {
        let bit = i + 8;
        self.data[bit / 8] |= 1 << (bit % 8);
        let reserve = match &data_type.kind {
            TypeKind::Decimal { precision, .. } if *precision > 18 => 16,
            TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if *p > 3 => 8,
            _ => return,
        };
        let offset = self.data.len();
        self.data.resize(offset + reserve, 0);
        self.set_slot(i, pack(offset, 0));
    }

    fn push_value(&mut self, i: usize, datum: &Datum, data_type: &DataType) {
        match datum {
            Datum::Boolean(v) => self.set_slot(i, u64::from(*v)),
            Datum::TinyInt(v) => self.set_slot(i, u64::from(v.cast_unsigned())),
            Datum::SmallInt(v) => self.set_slot(i, u64::from(v.cast_unsigned())),
            Datum::Int(v) | Datum::Date(v) | Datum::Time(v) => {
                self.set_slot(i, u64::from(v.cast_unsigned()));
            }
            Datum::BigInt(v) => self.set_slot(i, v.cast_unsigned()),
            Datum::Float(v) => self.set_slot(i, u64::from(v.to_bits())),
            Datum::Double(v) => self.set_slot(i, v.to_bits()),
            Datum::Decimal { unscaled, .. } => self.push_decimal(i, *unscaled, data_type),
            Datum::String(v) => self.push_bytes(i, v.as_bytes()),
            Datum::Bytes(v) => self.push_bytes(i, v),
            Datum::Timestamp { millis, nanos } => {
                self.push_timestamp(i, *millis, *nanos, data_type)
            }
        }
    }

    fn push_decimal(&mut self, i: usize, unscaled: i128, data_type: &DataType) {
        let wide =
            matches!(&data_type.kind, TypeKind::Decimal { precision, .. } if *precision > 18);
        if !wide {
            let low = i64::try_from(unscaled).unwrap_or(i64::MAX);
            return self.set_slot(i, low.cast_unsigned());
        }
        let bytes = minimal_big_endian(unscaled);
        let offset = self.data.len();
        self.data.resize(offset + 16, 0);
        self.data[offset..offset + bytes.len()].copy_from_slice(&bytes);
        self.set_slot(i, pack(offset, bytes.len()));
    }

    fn push_timestamp(&mut self, i: usize, millis: i64, nanos: i32, data_type: &DataType) {
        let compact = matches!(
            &data_type.kind,
            TypeKind::Timestamp(p) | TypeKind::LocalZonedTimestamp(p) if *p <= 3
        );
        if compact {
            return self.set_slot(i, millis.cast_unsigned());
        }
        let offset = self.data.len();
        self.data.extend_from_slice(&millis.to_le_bytes());
        self.set_slot(i, pack(offset, usize::try_from(nanos).unwrap_or(0)));
    }

    fn push_bytes(&mut self, i: usize, bytes: &[u8]) {
        if bytes.len() <= 7 {
            let mut slot = [0; 8];
            slot[..bytes.len()].copy_from_slice(bytes);
            slot[7] = 0x80 | u8::try_from(bytes.len()).unwrap_or(7);
            return self.set_slot(i, u64::from_le_bytes(slot));
        }
        let offset = self.data.len();
        self.data.extend_from_slice(bytes);
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        self.set_slot(i, pack(offset, bytes.len()));
    }

    fn set_slot(&mut self, i: usize, value: u64) {
        let at = header_len(self.arity) + i * 8;
        self.data[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
}

fn pack(offset: usize, len: usize) -> u64 {
    ((offset as u64) << 32) | len as u64
}

/// Shortest big-endian two's complement form, as Java's `BigInteger.toByteArray`.
pub fn minimal_big_endian(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let fill = if value < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 15 && bytes[start] == fill && (bytes[start + 1] ^ fill) & 0x80 == 0 {
        start += 1;
    }
    bytes[start..].to_vec()
}

/// The row of `values` with their types.
pub fn binary_row(values: &[(Option<Datum>, DataType)]) -> BinaryRow {
    let mut writer = BinaryRowWriter::new(values.len());
    for (value, data_type) in values {
        writer.push(value.as_ref(), data_type);
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(row: &BinaryRow) -> String {
        row.bytes().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn one(datum: Option<Datum>, kind: TypeKind) -> BinaryRow {
        binary_row(&[(datum, DataType::nullable(kind))])
    }

    #[test]
    fn rows_have_javas_bytes_and_hash() {
        assert_eq!(BinaryRow::empty().hash_code(), -1_670_924_195);
        let row = one(Some(Datum::Int(1)), TypeKind::Int);
        assert_eq!(hex(&row), "00000000000000000100000000000000");
        assert_eq!(row.hash_code(), 1_465_514_398);
        let text = |s: &str| one(Some(Datum::String(s.into())), TypeKind::VarChar(MAX));
        const MAX: u32 = crate::spec::MAX_LENGTH;
        assert_eq!(text("abc").hash_code(), -101_922_419);
        assert_eq!(text("").hash_code(), 302_122_119);
        assert_eq!(text("20240514").hash_code(), -1_422_800_034);
        let wide = |v| {
            one(
                v,
                TypeKind::Decimal {
                    precision: 20,
                    scale: 2,
                },
            )
        };
        let decimal = |unscaled| Some(Datum::Decimal { unscaled, scale: 2 });
        assert_eq!(
            hex(&wide(decimal(-1234))),
            "00000000000000000200000010000000fb2e0000000000000000000000000000"
        );
        assert_eq!(
            hex(&wide(None)),
            "0001000000000000000000001000000000000000000000000000000000000000"
        );
        let stamp = Datum::Timestamp {
            millis: 1_700_000_000_123,
            nanos: 456_000,
        };
        assert_eq!(
            hex(&one(Some(stamp.clone()), TypeKind::Timestamp(6))),
            "000000000000000040f50600100000007b68e5cf8b010000"
        );
        let back = one(Some(stamp.clone()), TypeKind::Timestamp(6));
        let kind = DataType::nullable(TypeKind::Timestamp(6));
        assert_eq!(back.get(0, &kind).ok(), Some(Some(stamp)));
    }

    #[test]
    fn nanoseconds_outside_their_millisecond_are_refused() {
        let kind = TypeKind::Timestamp(9);
        for nanos in [0, 999_999, 1_000_000, u32::MAX] {
            let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend_from_slice(&nanos.to_le_bytes());
            bytes.extend_from_slice(&16u32.to_le_bytes());
            bytes.extend_from_slice(&7i64.to_le_bytes());
            let row = BinaryRow::from_serialized(&bytes.into(), "key");
            let value = row.and_then(|row| row.get(0, &DataType::nullable(kind.clone())));
            match value {
                Ok(value) => assert!(value.is_some() && nanos < 1_000_000),
                Err(error) => {
                    assert_eq!(error.kind(), crate::ErrorKind::Damaged);
                    assert!(nanos >= 1_000_000, "{error}");
                }
            }
        }
    }

    #[test]
    fn offsets_outside_the_row_are_refused() {
        let bytes =
            Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 255, 0, 0, 0]);
        let row = BinaryRow::from_serialized(&bytes, "key").map(|r| r.get(0, &DataType::string()));
        assert!(matches!(row, Ok(Err(e)) if e.kind() == crate::ErrorKind::Damaged));
        assert!(BinaryRow::from_serialized(&Bytes::from_static(&[127, 0, 0, 0]), "key").is_err());
    }
}
