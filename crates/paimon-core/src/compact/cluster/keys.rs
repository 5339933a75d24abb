//! Sort keys of rows: bytes that compare as the rows are to be ordered. Source: `OrderSorter`, `ZIndexer`,
//! `HilbertIndexer`.

use arrow_array::builder::BinaryBuilder;
use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use arrow_row::{RowConverter, SortField};

use super::curve::{HILBERT_BITS, hilbert, interleave};
use super::strategy::{Clustering, OrderStrategy};
use super::values::OrderedColumn;
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::options::{CoreOptions, parse_i64};
use crate::spec::TableSchema;

/// `zorder.var-length-contribution` unless given, bytes.
const VAR_LENGTH: usize = 8;

/// Makes the sort keys of a table's rows.
pub(super) struct ClusterKeys {
    columns: Vec<usize>,
    kind: Kind,
}

enum Kind {
    Order(RowConverter),
    ZOrder {
        /// Bytes that text and bytes contribute.
        var_length: usize,
    },
    Hilbert,
}

impl ClusterKeys {
    /// Keys of rows with all columns of `schema`.
    ///
    /// # Errors
    /// `InvalidInput` or `Unsupported` for columns that cannot order rows, `InvalidInput` for a malformed option.
    pub fn new(
        schema: &TableSchema,
        options: &CoreOptions,
        clustering: &Clustering,
    ) -> Result<Self> {
        let columns = clustering.positions(schema)?;
        let kind = match clustering.strategy {
            OrderStrategy::Order => {
                let types = columns.iter().map(|at| &schema.fields[*at].data_type);
                let fields = types.map(|t| SortField::new(arrow_type(t))).collect();
                Kind::Order(RowConverter::new(fields)?)
            }
            OrderStrategy::ZOrder => Kind::ZOrder {
                var_length: var_length(options)?,
            },
            OrderStrategy::Hilbert => Kind::Hilbert,
        };
        Ok(Self { columns, kind })
    }

    /// The key of each row.
    ///
    /// # Errors
    /// `Internal` for a batch of other columns.
    pub fn encode(&self, batch: &RecordBatch) -> Result<BinaryArray> {
        let columns = self
            .columns
            .iter()
            .map(|at| batch.columns().get(*at).cloned());
        let columns: Option<Vec<ArrayRef>> = columns.collect();
        let columns =
            columns.ok_or_else(|| Error::internal("a batch lacks a column to sort by"))?;
        let ordered = || {
            columns
                .iter()
                .map(OrderedColumn::new)
                .collect::<Result<Vec<_>>>()
        };
        match &self.kind {
            Kind::Order(converter) => Ok(converter.convert_columns(&columns)?.try_into_binary()?),
            Kind::ZOrder { var_length } => Ok(z_keys(&ordered()?, batch.num_rows(), *var_length)),
            Kind::Hilbert => Ok(hilbert_keys(&ordered()?, batch.num_rows())),
        }
    }
}

fn var_length(options: &CoreOptions) -> Result<usize> {
    const KEY: &str = "zorder.var-length-contribution";
    let Some(text) = options.get(KEY) else {
        return Ok(VAR_LENGTH);
    };
    let number = parse_i64(text).map_err(|e| e.with("option", KEY))?;
    let length = usize::try_from(number)
        .ok()
        .filter(|n| (1..=1024).contains(n));
    length.ok_or_else(|| {
        Error::invalid(format!("expected 1 to 1024 bytes, found {number}")).with("option", KEY)
    })
}

fn z_keys(columns: &[OrderedColumn], rows: usize, var_length: usize) -> BinaryArray {
    let mut values: Vec<Vec<u8>> = columns
        .iter()
        .map(|c| vec![0; c.width(var_length)])
        .collect();
    let width: usize = values.iter().map(Vec::len).sum();
    let mut keys = BinaryBuilder::with_capacity(rows, rows.saturating_mul(width));
    let mut key = Vec::with_capacity(width);
    for row in 0..rows {
        for (column, value) in columns.iter().zip(&mut values) {
            column.write(row, value);
        }
        let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        key.clear();
        interleave(&slices, &mut key);
        keys.append_value(&key);
    }
    keys.finish()
}

fn hilbert_keys(columns: &[OrderedColumn], rows: usize) -> BinaryArray {
    let width = columns.len() * 8;
    let mut keys = BinaryBuilder::with_capacity(rows, rows.saturating_mul(width));
    let mut point = vec![0u64; columns.len()];
    let mut key = Vec::with_capacity(width);
    for row in 0..rows {
        for (column, coordinate) in columns.iter().zip(&mut point) {
            *coordinate = column.number(row).unwrap_or(u64::MAX) >> (u64::BITS - HILBERT_BITS);
        }
        hilbert(&mut point, HILBERT_BITS);
        let bytes: Vec<[u8; 8]> = point.iter().map(|c| c.to_be_bytes()).collect();
        let slices: Vec<&[u8]> = bytes.iter().map(<[u8; 8]>::as_slice).collect();
        key.clear();
        interleave(&slices, &mut key);
        keys.append_value(&key);
    }
    keys.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow_array::{Array, Float64Array, Int32Array, StringViewArray};
    use arrow_schema::{Field, Schema};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::spec::{DataField, DataType, TypeKind};

    type Row = (Option<i32>, Option<String>, Option<f64>);

    fn schema() -> TableSchema {
        let field = |id, name, kind| DataField::new(id, name, DataType::nullable(kind));
        TableSchema {
            version: 3,
            id: 0,
            fields: vec![
                field(0, "a", TypeKind::Int),
                field(1, "b", TypeKind::VarChar(100)),
                field(2, "c", TypeKind::Double),
                field(3, "d", TypeKind::Int),
            ],
            highest_field_id: 3,
            partition_keys: Vec::new(),
            primary_keys: Vec::new(),
            options: Default::default(),
            comment: None,
            time_millis: 0,
        }
    }

    fn batch(rows: &[Row]) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|r| r.0).collect::<Int32Array>()),
            Arc::new(
                rows.iter()
                    .map(|r| r.1.as_deref())
                    .collect::<StringViewArray>(),
            ),
            Arc::new(rows.iter().map(|r| r.2).collect::<Float64Array>()),
            // the double rounded
            Arc::new(
                rows.iter()
                    .map(|r| r.2.map(|c| c as i32))
                    .collect::<Int32Array>(),
            ),
        ];
        let fields: Vec<Field> = ["a", "b", "c", "d"]
            .iter()
            .zip(&columns)
            .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn keys(
        strategy: OrderStrategy,
        columns: &[&str],
        options: &[(&str, &str)],
    ) -> Result<ClusterKeys> {
        let mut schema = schema();
        let pairs = options
            .iter()
            .map(|(k, v)| ((*k).to_string(), (*v).to_string()));
        schema.options.extend(pairs);
        let clustering = Clustering {
            strategy,
            columns: columns.iter().map(|c| (*c).to_string()).collect(),
        };
        ClusterKeys::new(&schema, &CoreOptions::new(&schema)?, &clustering)
    }

    fn random_rows(random: &mut StdRng) -> Vec<Row> {
        (0..200)
            .map(|_| {
                let text: String = (0..random.random_range(0..12))
                    .map(|_| char::from(random.random_range(b'a'..b'd')))
                    .collect();
                (
                    random.random_bool(0.9).then(|| random.random_range(-5..5)),
                    random.random_bool(0.9).then_some(text),
                    random
                        .random_bool(0.9)
                        .then(|| f64::from(random.random_range(-9..9)) / 4.0),
                )
            })
            .collect()
    }

    #[test]
    fn order_compares_column_by_column_with_nulls_first() {
        let seed = 17;
        let rows = random_rows(&mut StdRng::seed_from_u64(seed));
        let keys = keys(OrderStrategy::Order, &["c", "a", "b"], &[]).unwrap();
        let keys = keys.encode(&batch(&rows)).unwrap();
        for (i, x) in rows.iter().enumerate() {
            for (j, y) in rows.iter().enumerate() {
                let expected = (x.2, x.0, &x.1).partial_cmp(&(y.2, y.0, &y.1)).unwrap();
                assert_eq!(
                    keys.value(i).cmp(keys.value(j)),
                    expected,
                    "seed {seed}: {x:?} {y:?}"
                );
            }
        }
    }

    #[test]
    fn curves_through_one_column_are_its_order() {
        let seed = 18;
        let rows = random_rows(&mut StdRng::seed_from_u64(seed));
        for strategy in [OrderStrategy::ZOrder, OrderStrategy::Hilbert] {
            let keys = keys(strategy, &["c"], &[])
                .unwrap()
                .encode(&batch(&rows))
                .unwrap();
            for (i, x) in rows.iter().enumerate() {
                for (j, y) in rows.iter().enumerate() {
                    let (Some(a), Some(b)) = (x.2, y.2) else {
                        continue;
                    };
                    let expected = a.partial_cmp(&b).unwrap();
                    assert_eq!(
                        keys.value(i).cmp(keys.value(j)),
                        expected,
                        "seed {seed} {strategy}: {a} {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn z_order_gives_text_as_many_bytes_as_its_option_says() {
        let rows = batch(&[(Some(1), Some("abcdefghij".into()), None)]);
        for (options, width) in [
            (&[][..], 8),
            (&[("zorder.var-length-contribution", "3")], 3),
        ] {
            let keys = keys(OrderStrategy::ZOrder, &["a", "b"], options).unwrap();
            assert_eq!(keys.encode(&rows).unwrap().value(0).len(), 8 + width);
        }
        for value in ["0", "-1", "many"] {
            let options = [("zorder.var-length-contribution", value)];
            let error = keys(OrderStrategy::ZOrder, &["b"], &options).err().unwrap();
            assert!(
                error.to_string().contains("zorder.var-length-contribution"),
                "{error}"
            );
        }
    }

    /// Sorted along a curve and cut into pieces, each column spans little in each piece; sorted by one column, the other
    /// spans everything.
    #[test]
    fn pieces_of_a_curve_are_narrow_in_every_column() {
        let rows: Vec<Row> = (0..64)
            .flat_map(|x| (0..64).map(move |y| (Some(x - 32), None, Some(f64::from(y)))))
            .collect();
        let span = |strategy| {
            let keys = keys(strategy, &["a", "d"], &[])
                .unwrap()
                .encode(&batch(&rows))
                .unwrap();
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|i| keys.value(*i).to_vec());
            let spans = order.chunks(256).map(|piece| {
                let range = |values: Vec<i32>| {
                    values.iter().max().unwrap() - values.iter().min().unwrap() + 1
                };
                let a = range(piece.iter().map(|i| rows[*i].0.unwrap()).collect());
                let distinct: BTreeSet<_> = piece
                    .iter()
                    .map(|i| rows[*i].2.unwrap().to_bits())
                    .collect();
                (a, distinct.len())
            });
            spans
                .max_by_key(|(a, c)| (*a).max(i32::try_from(*c).unwrap()))
                .unwrap()
        };
        assert_eq!(span(OrderStrategy::Order), (4, 64));
        for strategy in [OrderStrategy::ZOrder, OrderStrategy::Hilbert] {
            let (a, c) = span(strategy);
            assert!(a <= 16 && c <= 16, "{strategy}: {a} {c}");
        }
    }
}
