//! Columns of a stripe. Nulls are left out of everything but the column's PRESENT stream, children included.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, TimeUnit};
use arrow_select::filter::filter;
use orc_rust::proto::column_encoding::Kind as EncodingKind;
use orc_rust::proto::stream::Kind as StreamKind;
use orc_rust::proto::{ColumnEncoding, Stream, StripeFooter};

use super::bits::{Bits, encode_bytes};
use super::compress::Compression;
use super::integers::{Integers, put_varint};
use super::schema::kind_of;
use crate::error::{Error, Result};
use crate::spec::{DataType, TypeKind};

/// Seconds from 1970 to 2015, where timestamps of ORC begin.
const EPOCH_SECONDS: i64 = 1_420_070_400;
/// A reader subtracts a second from negative seconds with more nanoseconds than this.
const NANOS_OF_MILLI: i64 = 999_999;

/// One column and what is below it.
#[derive(Debug)]
pub(super) struct ColumnWriter {
    present: Bits,
    has_null: bool,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Boolean(Bits),
    Bytes(Vec<u8>),
    Integers(Integers),
    Floats(Vec<u8>),
    /// Bytes and lengths of texts and binaries.
    Text(Vec<u8>, Integers),
    /// Digits and scales.
    Decimal(Vec<u8>, Integers),
    /// Seconds since 2015 and nanoseconds.
    Timestamp(Integers, Integers),
    /// Lengths; children are one element, or key and value.
    Repeated(Integers, Vec<ColumnWriter>),
    Row(Vec<ColumnWriter>),
}

impl ColumnWriter {
    /// An empty column.
    ///
    /// # Errors
    /// `Unsupported` for types that ORC files of Paimon have no place for.
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        kind_of(data_type)?;
        let lengths = || Integers::new(false);
        let data = match &data_type.kind {
            TypeKind::Boolean => Data::Boolean(Bits::default()),
            TypeKind::TinyInt => Data::Bytes(Vec::new()),
            TypeKind::Float | TypeKind::Double => Data::Floats(Vec::new()),
            TypeKind::Decimal { .. } => Data::Decimal(Vec::new(), Integers::new(true)),
            TypeKind::Timestamp(_) | TypeKind::LocalZonedTimestamp(_) => {
                Data::Timestamp(Integers::new(true), lengths())
            }
            TypeKind::Char(_)
            | TypeKind::VarChar(_)
            | TypeKind::Binary(_)
            | TypeKind::VarBinary(_) => Data::Text(Vec::new(), lengths()),
            TypeKind::Array(element) => Data::Repeated(lengths(), vec![Self::new(element)?]),
            TypeKind::Map(key, value) => {
                Data::Repeated(lengths(), vec![Self::new(key)?, Self::new(value)?])
            }
            TypeKind::Multiset(element) => {
                let count = Self::new(&DataType::not_null(TypeKind::Int))?;
                Data::Repeated(lengths(), vec![Self::new(element)?, count])
            }
            TypeKind::Row(fields) => Data::Row(
                fields
                    .iter()
                    .map(|f| Self::new(&f.data_type))
                    .collect::<Result<_>>()?,
            ),
            _ => Data::Integers(Integers::new(true)),
        };
        Ok(Self {
            present: Bits::default(),
            has_null: false,
            data,
        })
    }

    /// Takes values.
    ///
    /// # Errors
    /// `InvalidInput` for a timestamp that the format cannot tell from another, `Internal` for another array.
    pub(super) fn append(&mut self, array: &ArrayRef) -> Result<()> {
        let Some(nulls) = array.nulls().filter(|n| n.null_count() > 0) else {
            (0..array.len()).for_each(|_| self.present.push(true));
            return self.data.append(array);
        };
        self.has_null = true;
        nulls.iter().for_each(|valid| self.present.push(valid));
        let valid = BooleanArray::new(nulls.inner().clone(), None);
        self.data.append(&filter(array, &valid)?)
    }

    /// Bytes of memory held, about.
    pub(super) fn bytes(&self) -> usize {
        let below = |children: &[Self]| children.iter().map(Self::bytes).sum::<usize>();
        self.present.bytes()
            + match &self.data {
                Data::Boolean(bits) => bits.bytes(),
                Data::Bytes(bytes) | Data::Floats(bytes) => bytes.len(),
                Data::Integers(values) => values.bytes(),
                Data::Text(bytes, others) | Data::Decimal(bytes, others) => {
                    bytes.len() + others.bytes()
                }
                Data::Timestamp(seconds, nanos) => seconds.bytes() + nanos.bytes(),
                Data::Repeated(lengths, children) => lengths.bytes() + below(children),
                Data::Row(children) => below(children),
            }
    }

    /// Appends the column's streams to `out` and names them in the stripe's footer; nothing is left.
    ///
    /// # Errors
    /// `Internal` when the compressor fails.
    pub(super) fn finish(
        &mut self,
        footer: &mut StripeFooter,
        compression: &Compression,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let column = u32::try_from(footer.columns.len()).unwrap_or(u32::MAX);
        footer.columns.push(encoding(self.data.is_version_2()));
        let mut streams = Vec::new();
        let present = self.present.take();
        if std::mem::take(&mut self.has_null) {
            streams.push((StreamKind::Present, present));
        }
        self.data.take(&mut streams);
        for (kind, bytes) in streams {
            footer.streams.push(Stream {
                kind: Some(kind.into()),
                column: Some(column),
                length: Some(compression.append(&bytes, out)?),
            });
        }
        if let Data::Repeated(_, children) | Data::Row(children) = &mut self.data {
            for child in children {
                child.finish(footer, compression, out)?;
            }
        }
        Ok(())
    }
}

/// How a column is encoded: the second version where integers lie in it.
pub(super) fn encoding(version_2: bool) -> ColumnEncoding {
    let kind = match version_2 {
        true => EncodingKind::DirectV2,
        false => EncodingKind::Direct,
    };
    ColumnEncoding {
        kind: Some(kind.into()),
        ..Default::default()
    }
}

impl Data {
    fn is_version_2(&self) -> bool {
        !matches!(
            self,
            Data::Boolean(_) | Data::Bytes(_) | Data::Floats(_) | Data::Row(_)
        )
    }

    fn take(&mut self, streams: &mut Vec<(StreamKind, Vec<u8>)>) {
        match self {
            Data::Boolean(bits) => streams.push((StreamKind::Data, bits.take())),
            Data::Bytes(bytes) => {
                streams.push((StreamKind::Data, encode_bytes(&std::mem::take(bytes))));
            }
            Data::Floats(bytes) => streams.push((StreamKind::Data, std::mem::take(bytes))),
            Data::Integers(values) => streams.push((StreamKind::Data, values.take())),
            Data::Text(bytes, lengths) => {
                streams.push((StreamKind::Data, std::mem::take(bytes)));
                streams.push((StreamKind::Length, lengths.take()));
            }
            Data::Decimal(digits, scales) => {
                streams.push((StreamKind::Data, std::mem::take(digits)));
                streams.push((StreamKind::Secondary, scales.take()));
            }
            Data::Timestamp(seconds, nanos) => {
                streams.push((StreamKind::Data, seconds.take()));
                streams.push((StreamKind::Secondary, nanos.take()));
            }
            Data::Repeated(lengths, _) => streams.push((StreamKind::Length, lengths.take())),
            Data::Row(_) => {}
        }
    }

    /// Takes values, none of which is null.
    fn append(&mut self, array: &ArrayRef) -> Result<()> {
        match self {
            Data::Boolean(bits) => {
                let values = array.as_boolean_opt().ok_or_else(|| wrong(array))?;
                values.values().iter().for_each(|bit| bits.push(bit));
            }
            Data::Bytes(bytes) => {
                bytes.extend(values::<Int8Type>(array)?.iter().map(|v| v.cast_unsigned()));
            }
            Data::Floats(bytes) => append_floats(bytes, array)?,
            Data::Integers(integers) => append_integers(integers, array)?,
            Data::Text(bytes, lengths) => append_text(bytes, lengths, array)?,
            Data::Decimal(digits, scales) => {
                let ArrowType::Decimal128(_, scale) = array.data_type() else {
                    return Err(wrong(array));
                };
                for value in values::<Decimal128Type>(array)? {
                    put_varint(digits, ((value << 1) ^ (value >> 127)).cast_unsigned());
                    scales.push(i64::from(*scale));
                }
            }
            Data::Timestamp(seconds, nanos) => append_timestamps(seconds, nanos, array)?,
            Data::Repeated(lengths, children) => append_repeated(lengths, children, array)?,
            Data::Row(children) => {
                let row = array.as_struct_opt().ok_or_else(|| wrong(array))?;
                for (child, column) in children.iter_mut().zip(row.columns()) {
                    child.append(column)?;
                }
            }
        }
        Ok(())
    }
}

fn append_floats(bytes: &mut Vec<u8>, array: &ArrayRef) -> Result<()> {
    match array.data_type() {
        ArrowType::Float32 => {
            for value in values::<Float32Type>(array)? {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        _ => {
            for value in values::<Float64Type>(array)? {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    Ok(())
}

fn append_integers(integers: &mut Integers, array: &ArrayRef) -> Result<()> {
    let mut push = |value: i64| integers.push(value);
    match array.data_type() {
        ArrowType::Int16 => values::<Int16Type>(array)?
            .iter()
            .for_each(|v| push((*v).into())),
        ArrowType::Int32 => values::<Int32Type>(array)?
            .iter()
            .for_each(|v| push((*v).into())),
        ArrowType::Date32 => values::<Date32Type>(array)?
            .iter()
            .for_each(|v| push((*v).into())),
        ArrowType::Time32(_) => values::<Time32MillisecondType>(array)?
            .iter()
            .for_each(|v| push((*v).into())),
        _ => values::<Int64Type>(array)?.iter().for_each(|v| push(*v)),
    }
    Ok(())
}

fn append_text(bytes: &mut Vec<u8>, lengths: &mut Integers, array: &ArrayRef) -> Result<()> {
    let mut push = |value: &[u8]| {
        bytes.extend_from_slice(value);
        lengths.push(i64::try_from(value.len()).unwrap_or(i64::MAX));
    };
    if let Some(texts) = array.as_string_view_opt() {
        (0..texts.len()).for_each(|i| push(texts.value(i).as_bytes()));
        return Ok(());
    }
    let binaries = array.as_binary_view_opt().ok_or_else(|| wrong(array))?;
    (0..binaries.len()).for_each(|i| push(binaries.value(i)));
    Ok(())
}

fn append_timestamps(seconds: &mut Integers, nanos: &mut Integers, array: &ArrayRef) -> Result<()> {
    let (values, per_second) = match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            (values::<TimestampMillisecondType>(array)?, 1_000)
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            (values::<TimestampMicrosecondType>(array)?, 1_000_000)
        }
        _ => (values::<TimestampNanosecondType>(array)?, 1_000_000_000),
    };
    for value in values {
        let mut second = value.div_euclid(per_second);
        let nano = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        if second < 0 && nano > NANOS_OF_MILLI {
            second += 1;
            if second == 0 {
                return Err(Error::invalid(
                    "ORC files cannot hold a timestamp in the last second before 1970: it would be read one second \
                     later",
                ));
            }
        }
        seconds.push(second - EPOCH_SECONDS);
        nanos.push(packed_nanos(nano));
    }
    Ok(())
}

/// Nanoseconds without their trailing zeros when there are two or more; the low three bits tell how many but one.
fn packed_nanos(nanos: i64) -> i64 {
    if nanos == 0 || nanos % 100 != 0 {
        return nanos << 3;
    }
    let (mut rest, mut zeros) = (nanos / 100, 1);
    while rest % 10 == 0 && zeros < 7 {
        rest /= 10;
        zeros += 1;
    }
    (rest << 3) | zeros
}

fn append_repeated(
    lengths: &mut Integers,
    children: &mut [ColumnWriter],
    array: &ArrayRef,
) -> Result<()> {
    let (offsets, below): (&OffsetBuffer<i32>, Vec<&ArrayRef>) = match array.data_type() {
        ArrowType::Map(..) => {
            let map = array.as_map();
            (map.offsets(), vec![map.keys(), map.values()])
        }
        _ => {
            let list = array.as_list_opt::<i32>().ok_or_else(|| wrong(array))?;
            (list.offsets(), vec![list.values()])
        }
    };
    offsets
        .lengths()
        .for_each(|n| lengths.push(i64::try_from(n).unwrap_or(i64::MAX)));
    let at = |offset: Option<&i32>| {
        usize::try_from(offset.copied().unwrap_or(0))
            .map_err(|_| Error::internal("offsets of a list are not negative"))
    };
    let (start, end) = (at(offsets.first())?, at(offsets.last())?);
    for (child, values) in children.iter_mut().zip(below) {
        child.append(&values.slice(start, end - start))?;
    }
    Ok(())
}

fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> Result<&[T::Native]> {
    let array = array.as_primitive_opt::<T>().ok_or_else(|| wrong(array))?;
    Ok(array.values())
}

fn wrong(array: &ArrayRef) -> Error {
    Error::internal(format!(
        "an ORC column does not take an array of {}",
        array.data_type()
    ))
}
