//! One index over one column, or over one key of a map column.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};

use super::super::key::KeyType;
use super::bitmap::BitmapWriter;
use super::bloom::BloomWriter;
use super::bsi::BsiWriter;
use super::range::RangeWriter;
use super::values::for_each;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// Types of index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexKind {
    Bloom,
    Bitmap,
    Bsi,
    Range,
}

impl IndexKind {
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "bloom-filter" => Self::Bloom,
            "bitmap" => Self::Bitmap,
            "bsi" => Self::Bsi,
            "range-bitmap" => Self::Range,
            other => {
                return Err(Error::unsupported(format!(
                    "file indexes of type {other:?} are not supported: bloom-filter, bitmap, bsi and range-bitmap are"
                )));
            }
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Bloom => "bloom-filter",
            Self::Bitmap => "bitmap",
            Self::Bsi => "bsi",
            Self::Range => "range-bitmap",
        }
    }

    /// Whether values of a type can be indexed so.
    fn takes(self, data_type: &DataType) -> bool {
        let key = KeyType::of(data_type);
        let binary = matches!(data_type.kind, TypeKind::Binary(_) | TypeKind::VarBinary(_));
        match self {
            Self::Bloom => {
                binary || key.is_some_and(|k| !matches!(k, KeyType::Boolean | KeyType::Decimal))
            }
            Self::Bitmap => key.is_some_and(|k| k != KeyType::Decimal),
            Self::Range => key.is_some(),
            Self::Bsi => matches!(
                key,
                Some(
                    KeyType::Byte
                        | KeyType::Short
                        | KeyType::Int
                        | KeyType::Long
                        | KeyType::Decimal
                )
            ),
        }
    }
}

/// An index being built.
pub(super) struct IndexedColumn {
    /// Column, or `column[key]`.
    pub name: String,
    pub kind: IndexKind,
    position: usize,
    /// Key of a map column whose values are indexed.
    map_key: Option<String>,
    /// Whether any row had the map key.
    seen: bool,
    body: Body,
}

enum Body {
    Bloom(BloomWriter),
    Bitmap(BitmapWriter),
    Bsi(BsiWriter),
    Range(RangeWriter),
}

impl IndexedColumn {
    /// The index of kind `kind` that options name `name`; `option` looks its own options up.
    pub fn new<'a>(
        fields: &[DataField],
        name: &str,
        kind: IndexKind,
        option: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<Self> {
        let unknown = || Error::invalid(format!("index column {name:?} is not in the table"));
        let (column, map_key) = match name.strip_suffix(']').and_then(|n| n.split_once('[')) {
            Some((column, key)) => (column, Some(key.to_string())),
            None => (name, None),
        };
        let position = fields
            .iter()
            .position(|f| f.name == column)
            .ok_or_else(unknown)?;
        let data_type = match (&map_key, &fields[position].data_type.kind) {
            (None, _) => &fields[position].data_type,
            (Some(_), TypeKind::Map(key, value)) if key.kind.is_string() => value,
            _ => {
                return Err(Error::invalid(format!(
                    "index column {name:?} must be a map with keys of characters"
                )));
            }
        };
        if !kind.takes(data_type) {
            return Err(Error::unsupported(format!(
                "column {name:?} of type {data_type} cannot have an index of type {}",
                kind.name()
            )));
        }
        let key_type = KeyType::of(data_type).unwrap_or(KeyType::Text);
        Ok(Self {
            name: name.to_string(),
            kind,
            position,
            map_key,
            seen: false,
            body: match kind {
                IndexKind::Bloom => Body::Bloom(BloomWriter::new(option)?),
                IndexKind::Bitmap => Body::Bitmap(BitmapWriter::new(key_type, option)?),
                IndexKind::Bsi => Body::Bsi(BsiWriter::default()),
                IndexKind::Range => Body::Range(RangeWriter::new(key_type, option)?),
            },
        })
    }

    /// Takes rows into account, the first of which is row `first` of the file.
    pub fn update(&mut self, batch: &RecordBatch, first: u32) -> Result<()> {
        let column = batch.column(self.position);
        let column = match &self.map_key {
            None => Arc::clone(column),
            Some(key) => {
                let (values, seen) = values_of_key(column, key)?;
                self.seen |= seen;
                values
            }
        };
        let body = &mut self.body;
        for_each(column.as_ref(), |row, value| {
            let row = first.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
            match body {
                Body::Bloom(index) => index.add(value),
                Body::Bitmap(index) => index.add(row, value),
                Body::Bsi(index) => index.add(row, value),
                Body::Range(index) => index.add(row, value),
            }
            Ok(())
        })
    }

    /// The content; `None` for a map key that no row has.
    pub fn finish(self, rows: u32) -> Result<Option<Vec<u8>>> {
        if self.map_key.is_some() && !self.seen {
            return Ok(None);
        }
        Ok(Some(match self.body {
            Body::Bloom(index) => index.finish(),
            Body::Bitmap(index) => index.finish(rows)?,
            Body::Bsi(index) => index.finish(rows)?,
            Body::Range(index) => index.finish(rows)?,
        }))
    }
}

/// The values under a key of a map column, null where there is none, and whether any row has the key.
fn values_of_key(column: &ArrayRef, key: &str) -> Result<(ArrayRef, bool)> {
    let map = column
        .as_map_opt()
        .ok_or_else(|| Error::internal("a MAP column must be a map array"))?;
    let keys = map.keys().as_string_view_opt();
    let keys = keys.ok_or_else(|| Error::internal("keys of an indexed map must be text"))?;
    let mut at: Vec<Option<u32>> = Vec::with_capacity(map.len());
    for row in 0..map.len() {
        let entry = map
            .is_valid(row)
            .then(|| {
                let bound = |i: usize| usize::try_from(map.offsets()[i]).unwrap_or(0);
                (bound(row)..bound(row + 1)).find(|i| keys.value(*i) == key)
            })
            .flatten();
        at.push(entry.and_then(|i| u32::try_from(i).ok()));
    }
    let seen = at.iter().any(Option::is_some);
    let values = arrow_select::take::take(map.values(), &UInt32Array::from(at), None)?;
    Ok((values, seen))
}
