//! `lineitem`: the fact table of TPC-H with the distributions that its queries 1 and 6 depend on.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Builder, Decimal128Builder, Int32Builder, Int64Builder, StringViewBuilder,
};
use paimon_core::spec::{DataType, FileSource, TypeKind};

use super::data_file::{FilePlace, Layout};
use super::hash::{below, below_int, below_signed, mix, uuid_like};
use super::{Column, DataFileWriter, Scale, TableFolder};
use crate::Result;

/// Lines at scale factor 1.
const LINES: i64 = 6_000_000;
const FILES: i64 = 4;
const BATCH_ROWS: i64 = 1 << 16;
/// 1992-01-01
const FIRST_ORDER_DAY: i32 = 8_035;
/// Days in which orders arrive: until 1998-08-02.
const ORDER_DAYS: u64 = 2_406;
/// 1995-06-17: what was received or shipped before is settled.
const CURRENT_DAY: i32 = 9_298;

/// Writes the table.
///
/// # Errors
/// When the disk refuses.
pub fn make_lineitem(database: &Path, scale: Scale) -> Result<()> {
    let layout = Layout {
        columns: columns(),
        keyed: false,
    };
    let table = TableFolder::create(
        &database.join("lineitem"),
        &layout.fields(),
        &[],
        &[],
        &[("bucket", "-1")],
    )?;
    let folder = table.bucket(0)?;
    let per_file = scale.rows(LINES) / FILES;
    let mut files = Vec::new();
    for number in 0..FILES {
        let first = number * per_file;
        let place = FilePlace {
            name: format!(
                "data-{}-0.parquet",
                uuid_like(&format!("lineitem {number}"))
            ),
            level: 0,
            source: FileSource::Append,
            first_sequence: first,
        };
        let mut writer = DataFileWriter::create(&folder, place, &layout)?;
        while writer.rows() < per_file {
            let start = first + writer.rows();
            writer.write_plain(arrays(start, (start + BATCH_ROWS).min(first + per_file))?)?;
        }
        files.push((0, writer.finish()?));
    }
    table.commit(files, -1, vec![])
}

fn columns() -> Vec<Column> {
    let column = |name, kind, dictionary| Column {
        name,
        data_type: DataType::not_null(kind),
        dictionary,
    };
    let text = || DataType::string().kind;
    let money = || TypeKind::Decimal {
        precision: 15,
        scale: 2,
    };
    vec![
        column("l_orderkey", TypeKind::BigInt, false),
        column("l_partkey", TypeKind::BigInt, false),
        column("l_suppkey", TypeKind::BigInt, true),
        column("l_linenumber", TypeKind::Int, true),
        column("l_quantity", money(), true),
        column("l_extendedprice", money(), false),
        column("l_discount", money(), true),
        column("l_tax", money(), true),
        column("l_returnflag", text(), true),
        column("l_linestatus", text(), true),
        column("l_shipdate", TypeKind::Date, true),
        column("l_commitdate", TypeKind::Date, true),
        column("l_receiptdate", TypeKind::Date, true),
        column("l_shipinstruct", text(), true),
        column("l_shipmode", text(), true),
        column("l_comment", text(), false),
    ]
}

/// Four lines an order; the order's day belongs to the order, the rest to the line.
fn arrays(first: i64, end: i64) -> Result<Vec<ArrayRef>> {
    let money = || Decimal128Builder::new().with_precision_and_scale(15, 2);
    let mut long: [Int64Builder; 3] = Default::default();
    let mut number = Int32Builder::new();
    let mut decimals = [money()?, money()?, money()?, money()?];
    let mut days: [Date32Builder; 3] = Default::default();
    let mut texts: [StringViewBuilder; 5] = Default::default();
    for line in first..end {
        let order = line / 4;
        let random = |column| mix(line, 0, column);
        let part = 1 + below_signed(random(1), 200_000);
        long[0].append_value(order + 1);
        long[1].append_value(part);
        long[2].append_value(1 + below_signed(random(2), 10_000));
        number.append_value(i32::try_from(line % 4)? + 1);

        let quantity = 1 + i128::from(below(random(3), 50));
        let retail = 90_000 + i128::from((part / 10) % 20_001 + 100 * (part % 1_000));
        let money = [
            quantity * 100,
            quantity * retail,
            below(random(4), 11).into(),
            below(random(5), 9).into(),
        ];
        for (builder, value) in decimals.iter_mut().zip(money) {
            builder.append_value(value);
        }

        let ordered = FIRST_ORDER_DAY + below_int(mix(order, 0, 6), ORDER_DAYS);
        let shipped = ordered + 1 + below_int(random(7), 121);
        let received = shipped + 1 + below_int(random(9), 30);
        for (builder, day) in
            days.iter_mut()
                .zip([shipped, ordered + 30 + below_int(random(8), 61), received])
        {
            builder.append_value(day);
        }

        let settled = received <= CURRENT_DAY;
        let flag = if !settled {
            "N"
        } else if random(10) & 1 == 0 {
            "R"
        } else {
            "A"
        };
        let status = if shipped > CURRENT_DAY { "O" } else { "F" };
        let comment = comment(random(13));
        let words = [
            flag,
            status,
            pick(&INSTRUCTIONS, random(11)),
            pick(&MODES, random(12)),
            &comment,
        ];
        for (builder, text) in texts.iter_mut().zip(words) {
            builder.append_value(text);
        }
    }
    let mut columns: Vec<ArrayRef> = Vec::new();
    columns.extend(long.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
    columns.push(Arc::new(number.finish()));
    columns.extend(
        decimals
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef),
    );
    let [flag, status, rest @ ..] = &mut texts;
    columns.push(Arc::new(flag.finish()));
    columns.push(Arc::new(status.finish()));
    columns.extend(days.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
    columns.extend(rest.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef));
    Ok(columns)
}

const INSTRUCTIONS: [&str; 4] = [
    "DELIVER IN PERSON",
    "COLLECT COD",
    "NONE",
    "TAKE BACK RETURN",
];
const MODES: [&str; 7] = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];

fn pick<'a>(words: &[&'a str], hash: u64) -> &'a str {
    let count = u64::try_from(words.len()).unwrap_or(1);
    usize::try_from(below(hash, count))
        .ok()
        .and_then(|i| words.get(i))
        .copied()
        .unwrap_or("")
}

fn comment(hash: u64) -> String {
    const WORDS: [&str; 12] = [
        "furiously",
        "carefully",
        "deposits",
        "requests",
        "accounts",
        "packages",
        "sleep",
        "haggle",
        "final",
        "regular",
        "even",
        "theodolites",
    ];
    let word = |n: u64| pick(&WORDS, mix(hash.cast_signed(), n, 1));
    format!("{} {} {} {}", word(0), word(1), word(2), word(3))
}
