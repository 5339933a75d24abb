//! What rows are sorted by.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::spec::{TableSchema, TypeKind};

/// How several columns make one order. Source: `TableSorter.OrderType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStrategy {
    /// By the first column, among equals by the second, and so on. Nulls come first.
    Order,
    /// Along a Z-order curve: bits of all columns interleaved, so that each of them counts. Nulls come first.
    ZOrder,
    /// Along a Hilbert curve: as Z-order without its jumps, for more work. Nulls come last.
    Hilbert,
}

impl OrderStrategy {
    /// Name in options and procedures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::ZOrder => "zorder",
            Self::Hilbert => "hilbert",
        }
    }
}

impl fmt::Display for OrderStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OrderStrategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Order, Self::ZOrder, Self::Hilbert]
            .into_iter()
            .find(|s| s.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                Error::invalid(format!("expected order, zorder or hilbert, found {text:?}"))
            })
    }
}

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clustering {
    /// How the columns make one order.
    pub strategy: OrderStrategy,
    /// Names of columns, the most important first; at least one, none of them a partition column.
    pub columns: Vec<String>,
}

impl Clustering {
    /// Positions of the columns in a schema.
    ///
    /// # Errors
    /// `InvalidInput` without columns, for one that does not exist, that is named twice or that is a partition column,
    /// `Unsupported` for one whose type has no order.
    pub(super) fn positions(&self, schema: &TableSchema) -> Result<Vec<usize>> {
        if self.columns.is_empty() {
            return Err(Error::invalid(format!(
                "strategy {} needs columns to sort by, found none",
                self.strategy
            )));
        }
        let mut positions = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let at = self
                .position(schema, name)
                .map_err(|e| e.with("column", name))?;
            if positions.contains(&at) {
                return Err(
                    Error::invalid("a column to sort by is named twice").with("column", name)
                );
            }
            positions.push(at);
        }
        Ok(positions)
    }

    fn position(&self, schema: &TableSchema, name: &str) -> Result<usize> {
        let at = schema.fields.iter().position(|f| f.name == *name);
        let at = at.ok_or_else(|| {
            let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
            let names = names.join(", ");
            Error::invalid(format!(
                "expected a column of the table to sort by, which has [{names}]"
            ))
        })?;
        if schema.partition_keys.iter().any(|p| p == name) {
            return Err(Error::invalid(
                "rows cannot be sorted by a partition column: it has one value in each partition",
            ));
        }
        let kind = &schema.fields[at].data_type.kind;
        if !kind.is_nested() && *kind != TypeKind::Blob {
            return Ok(at);
        }
        Err(Error::unsupported(format!(
            "strategy {} cannot sort by a column of type {kind:?}",
            self.strategy
        )))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;
    use crate::spec::{DataField, DataType};

    fn schema() -> TableSchema {
        let int = || DataType::nullable(TypeKind::Int);
        TableSchema {
            version: 3,
            id: 0,
            fields: vec![
                DataField::new(0, "a", int()),
                DataField::new(1, "b", int()),
                DataField::new(2, "p", int()),
                DataField::new(
                    3,
                    "list",
                    DataType::nullable(TypeKind::Array(Box::new(int()))),
                ),
            ],
            highest_field_id: 3,
            partition_keys: vec!["p".into()],
            primary_keys: Vec::new(),
            options: Default::default(),
            comment: None,
            time_millis: 0,
        }
    }

    fn positions(columns: &[&str]) -> Result<Vec<usize>> {
        let clustering = Clustering {
            strategy: OrderStrategy::ZOrder,
            columns: columns.iter().map(|c| (*c).to_string()).collect(),
        };
        clustering.positions(&schema())
    }

    #[test]
    fn columns_are_found_in_the_order_named() {
        assert_eq!(positions(&["b", "a"]).unwrap(), [1, 0]);
    }

    #[test]
    fn columns_that_cannot_order_rows_are_refused_by_name() {
        for (columns, kind, text) in [
            (vec![], ErrorKind::InvalidInput, "found none"),
            (vec!["a", "c"], ErrorKind::InvalidInput, "[a, b, p, list]"),
            (vec!["a", "a"], ErrorKind::InvalidInput, "twice"),
            (vec!["p"], ErrorKind::InvalidInput, "partition column"),
            (vec!["list"], ErrorKind::Unsupported, "zorder"),
        ] {
            let error = positions(&columns).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn names_of_strategies_are_read_in_any_case() {
        for strategy in [
            OrderStrategy::Order,
            OrderStrategy::ZOrder,
            OrderStrategy::Hilbert,
        ] {
            let name = strategy.name().to_uppercase();
            assert_eq!(name.parse::<OrderStrategy>().unwrap(), strategy);
        }
        let error = "best".parse::<OrderStrategy>().unwrap_err();
        assert!(error.to_string().contains("\"best\""), "{error}");
    }
}
