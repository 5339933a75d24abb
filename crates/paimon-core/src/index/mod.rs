//! File indexes: which rows of one data file may satisfy a predicate.
//!
//! A container holds indexes per column; it lies in a side file of the data file or inside the manifest entry.
//! Source: `FileIndexFormat`, `FileIndexEvaluator`, `BloomFilterFileIndex`, `BitmapFileIndex`,
//! `BitSliceIndexBitmapFileIndex`, `RangeBitmap`.
//!
//! Every answer is a superset of the rows that match: what an index cannot answer exactly is kept.

mod bit_slices;
mod bitmap;
mod bloom_filter;
mod bsi;
mod container;
mod cursor;
mod dictionary;
mod key;
mod range_bitmap;
#[cfg(test)]
mod tests;
mod writer;

use bytes::Bytes;
use roaring::RoaringBitmap;

use container::{Container, IndexBody};
use key::Question;

pub use writer::FileIndexWriter;

use crate::error::Result;
use crate::predicate::{Leaf, Predicate, PredicateOp};

/// What an index says of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum FileIndexResult {
    /// Any row may match.
    Keep,
    /// No row matches.
    Skip,
    /// Only these rows may match: 0-based positions, at least one, all within the file.
    Rows(RoaringBitmap),
}

impl FileIndexResult {
    fn of_rows(rows: RoaringBitmap) -> Self {
        if rows.is_empty() {
            Self::Skip
        } else {
            Self::Rows(rows)
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Skip, _) | (_, Self::Skip) => Self::Skip,
            (Self::Keep, other) | (other, Self::Keep) => other,
            (Self::Rows(a), Self::Rows(b)) => Self::of_rows(a & b),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Keep, _) | (_, Self::Keep) => Self::Keep,
            (Self::Skip, other) | (other, Self::Skip) => other,
            (Self::Rows(a), Self::Rows(b)) => Self::Rows(a | b),
        }
    }
}

/// Asks the indexes in `container` which of the file's `row_count` rows may satisfy `predicate`, which is in terms of
/// the file's column names and types. A column without a fitting index keeps its rows; only the indexes that the
/// predicate needs are decoded.
///
/// # Errors
/// `Damaged` when the container or a needed index breaks the format or belongs to a file with another row count;
/// `Unsupported` for a newer version of the container or of an index.
pub fn evaluate(
    container: &Bytes,
    predicate: &Predicate,
    row_count: u64,
) -> Result<FileIndexResult> {
    let container = Container::parse(container)?;
    // bitmaps hold 32-bit positions; Java counts the rows of an index in an int
    let Some(rows) = i32::try_from(row_count)
        .ok()
        .and_then(|r| u32::try_from(r).ok())
    else {
        return Ok(FileIndexResult::Keep);
    };
    evaluate_predicate(&container, predicate, rows)
}

fn evaluate_predicate(
    container: &Container<'_>,
    predicate: &Predicate,
    rows: u32,
) -> Result<FileIndexResult> {
    match predicate {
        Predicate::AlwaysTrue => Ok(FileIndexResult::Keep),
        Predicate::AlwaysFalse => Ok(FileIndexResult::Skip),
        Predicate::Leaf(leaf) => evaluate_leaf(container, leaf, rows),
        Predicate::And(parts) => {
            let mut all = FileIndexResult::Keep;
            for part in parts {
                all = all.and(evaluate_predicate(container, part, rows)?);
                if all == FileIndexResult::Skip {
                    break;
                }
            }
            Ok(all)
        }
        Predicate::Or(parts) => {
            let mut any = FileIndexResult::Skip;
            for part in parts {
                any = any.or(evaluate_predicate(container, part, rows)?);
                if any == FileIndexResult::Keep {
                    break;
                }
            }
            Ok(any)
        }
    }
}

fn evaluate_leaf(container: &Container<'_>, leaf: &Leaf, rows: u32) -> Result<FileIndexResult> {
    let mut all = FileIndexResult::Keep;
    for entry in container.indexes_of(&leaf.column) {
        let one = match container.body(entry)? {
            IndexBody::Empty => empty_index(leaf.op),
            IndexBody::Bytes(body) => {
                evaluate_index(&entry.index_type, body, leaf, rows).map_err(|e| {
                    e.with_default("column", &leaf.column)
                        .with_default("index", &entry.index_type)
                })?
            }
        };
        all = all.and(one);
        if all == FileIndexResult::Skip {
            break;
        }
    }
    Ok(all)
}

/// An index without content stands for a column without values, such as a map key that no row has.
fn empty_index(op: PredicateOp) -> FileIndexResult {
    match op {
        PredicateOp::IsNull | PredicateOp::NotEq | PredicateOp::NotIn => FileIndexResult::Keep,
        _ => FileIndexResult::Skip,
    }
}

fn evaluate_index(
    index_type: &str,
    body: &[u8],
    leaf: &Leaf,
    rows: u32,
) -> Result<FileIndexResult> {
    if index_type == "bloom-filter" {
        return bloom_filter::evaluate(body, leaf);
    }
    let Some(question) = Question::of(leaf) else {
        return Ok(FileIndexResult::Keep);
    };
    let answer = match index_type {
        "bitmap" => bitmap::evaluate(body, &question, rows)?,
        "bsi" => bsi::evaluate(body, &question, rows)?,
        "range-bitmap" => range_bitmap::evaluate(body, &question, rows)?,
        _ => None,
    };
    Ok(answer.map_or(FileIndexResult::Keep, FileIndexResult::of_rows))
}

/// The rows `0..rows`.
fn all_rows(rows: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..rows);
    all
}
