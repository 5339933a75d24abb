//! The twelve columns of most tables.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder,
    Int64Array, Int64Builder, StringViewBuilder, TimestampMicrosecondBuilder,
};
use paimon_core::spec::{DataType, TypeKind};

use super::Column;
use super::hash::{below, below_int, below_signed, mix};
use crate::Result;

/// Values of `amount` lie in `0..AMOUNT_BOUND`.
pub const AMOUNT_BOUND: u64 = 1_000_000_000;

/// The columns: the key, numbers of several types and cardinalities, three strings, a boolean.
///
/// `dictionary` says what the Java writer ends up with: it tries a dictionary on every column and drops it after the
/// first page where it does not pay.
pub fn columns() -> Vec<Column> {
    let column = |name, kind, dictionary| Column {
        name,
        data_type: DataType::nullable(kind),
        dictionary,
    };
    vec![
        Column {
            name: "id",
            data_type: DataType::not_null(TypeKind::BigInt),
            dictionary: false,
        },
        column("qty", TypeKind::Int, true),
        column("status", TypeKind::Int, true),
        column("amount", TypeKind::BigInt, false),
        column("price", TypeKind::Double, false),
        column(
            "total",
            TypeKind::Decimal {
                precision: 18,
                scale: 2,
            },
            false,
        ),
        column("day", TypeKind::Date, true),
        column("updated", TypeKind::Timestamp(6), false),
        column("city", DataType::string().kind, true),
        column("tag", DataType::string().kind, true),
        column("note", DataType::string().kind, false),
        column("flag", TypeKind::Boolean, false),
    ]
}

/// Rows `ids` as written by run `version`; `null_percent` of the nullable values are null.
///
/// # Errors
/// Never in practice: Arrow refuses a decimal precision it does not know.
pub fn arrays(ids: &[i64], version: u64, null_percent: u64) -> Result<Vec<ArrayRef>> {
    let value = |id: i64, column: u64| {
        let hash = mix(id, version, column);
        (below(mix(id, version, column + 100), 100) >= null_percent).then_some(hash)
    };
    let n = ids.len();
    let mut qty = Int32Builder::with_capacity(n);
    let mut status = Int32Builder::with_capacity(n);
    let mut amount = Int64Builder::with_capacity(n);
    let mut price = Float64Builder::with_capacity(n);
    let mut total = Decimal128Builder::with_capacity(n).with_precision_and_scale(18, 2)?;
    let mut day = Date32Builder::with_capacity(n);
    let mut updated = TimestampMicrosecondBuilder::with_capacity(n);
    let mut city = StringViewBuilder::with_capacity(n);
    let mut tag = StringViewBuilder::with_capacity(n);
    let mut note = StringViewBuilder::with_capacity(n);
    let mut flag = BooleanBuilder::with_capacity(n);
    let mut text = String::new();
    for &id in ids {
        qty.append_option(value(id, 1).map(|h| below_int(h, 1_000)));
        status.append_option(value(id, 2).map(|h| below_int(h, 6)));
        amount.append_option(value(id, 3).map(|h| below_signed(h, AMOUNT_BOUND)));
        price.append_option(value(id, 4).map(|h| f64::from(below_int(h, 1 << 24)) / 64.0));
        total.append_option(value(id, 5).map(|h| i128::from(below(h, 100_000_000))));
        day.append_option(value(id, 6).map(|h| 18_262 + below_int(h, 2_000)));
        updated.append_option(value(id, 7).map(|h| updated_micros(version, h)));
        append_text(&mut city, &mut text, value(id, 8), write_city);
        append_text(&mut tag, &mut text, value(id, 9), write_tag);
        append_text(&mut note, &mut text, value(id, 10), write_note);
        flag.append_option(value(id, 11).map(|h| h & 1 == 1));
    }
    Ok(vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(qty.finish()),
        Arc::new(status.finish()),
        Arc::new(amount.finish()),
        Arc::new(price.finish()),
        Arc::new(total.finish()),
        Arc::new(day.finish()),
        Arc::new(updated.finish()),
        Arc::new(city.finish()),
        Arc::new(tag.finish()),
        Arc::new(note.finish()),
        Arc::new(flag.finish()),
    ])
}

/// Runs follow each other by a day; within a run the second is random.
fn updated_micros(version: u64, hash: u64) -> i64 {
    const DAY_MICROS: i64 = 86_400_000_000;
    let day = 19_700 + i64::try_from(version).unwrap_or(0);
    day * DAY_MICROS + below_signed(hash, 86_400_000) * 1_000
}

fn append_text(
    builder: &mut StringViewBuilder,
    text: &mut String,
    hash: Option<u64>,
    write: fn(&mut String, u64),
) {
    text.clear();
    match hash {
        Some(hash) => {
            write(text, hash);
            builder.append_value(text);
        }
        None => builder.append_null(),
    }
}

fn write_city(text: &mut String, hash: u64) {
    let _ = write!(text, "city of {:04}", below(hash, 1_000));
}

fn write_tag(text: &mut String, hash: u64) {
    const TAGS: [&str; 8] = [
        "new", "paid", "packed", "shipped", "returned", "lost", "refunded", "closed",
    ];
    text.push_str(TAGS[usize::try_from(hash >> 61).unwrap_or(0)]);
}

fn write_note(text: &mut String, hash: u64) {
    const WORDS: [&str; 16] = [
        "quick", "final", "silent", "regular", "bold", "ironic", "even", "special", "pending",
        "careful", "daring", "express", "blithe", "ruthless", "sly", "fluffy",
    ];
    let word = |shift: u32| WORDS[usize::try_from((hash >> shift) & 15).unwrap_or(0)];
    let _ = write!(
        text,
        "{} {} {} {:05}",
        word(0),
        word(4),
        word(8),
        below(hash, 100_000)
    );
}
