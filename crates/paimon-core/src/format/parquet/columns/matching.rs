//! Matching Paimon types with the Arrow form of the file's schema, by name at every depth.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, FieldRef, Schema};

use super::super::cast::Cast;
use super::super::nested::{Node, StructChild};
use crate::arrow_bridge::arrow_type;
use crate::error::{Error, Result};
use crate::spec::{DataField, DataType, TypeKind};

/// The same schema with views in place of strings and binaries.
pub(super) fn with_views(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(view_field).collect::<Vec<_>>())
}

fn view_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_data_type(view_type(field.data_type())))
}

fn view_type(data_type: &ArrowType) -> ArrowType {
    match data_type {
        ArrowType::Utf8 => ArrowType::Utf8View,
        ArrowType::Binary => ArrowType::BinaryView,
        ArrowType::List(f) => ArrowType::List(view_field(f)),
        ArrowType::Map(f, sorted) => ArrowType::Map(view_field(f), *sorted),
        ArrowType::Struct(fields) => ArrowType::Struct(fields.iter().map(view_field).collect()),
        other => other.clone(),
    }
}

/// Leaf columns below a type of the file's schema.
pub(crate) fn leaf_count(data_type: &ArrowType) -> usize {
    match data_type {
        ArrowType::List(f) | ArrowType::Map(f, _) => leaf_count(f.data_type()),
        ArrowType::Struct(fields) => fields.iter().map(|f| leaf_count(f.data_type())).sum(),
        _ => 1,
    }
}

/// Walks wanted types and file types together, collecting the leaves to read.
pub(super) struct Matcher<'a> {
    int96: &'a [bool],
    has_arrow_schema: bool,
    leaves: BTreeSet<usize>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(int96: &'a [bool], has_arrow_schema: bool) -> Self {
        Self {
            int96,
            has_arrow_schema,
            leaves: BTreeSet::new(),
        }
    }

    pub(super) fn into_leaves(self) -> BTreeSet<usize> {
        self.leaves
    }

    /// How the file's `field`, whose leaves start at `leaf`, becomes a value of type `wanted`. `path` is the column
    /// with its parents, for messages.
    pub(super) fn field(
        &mut self,
        path: &str,
        field: &Field,
        wanted: &DataType,
        leaf: usize,
    ) -> Result<Node> {
        let file_type = field.data_type();
        match (&wanted.kind, file_type) {
            (TypeKind::Array(element), ArrowType::List(item)) => {
                let node = self.field(&format!("{path}.element"), item, element, leaf)?;
                Ok(Node::List {
                    field: list_field(wanted),
                    element: Box::new(node),
                })
            }
            (TypeKind::Vector(element, length), ArrowType::List(item)) => {
                let node = self.field(&format!("{path}.element"), item, element, leaf)?;
                Ok(Node::Vector {
                    field: list_field(wanted),
                    element: Box::new(node),
                    length: i32::try_from(*length).unwrap_or(i32::MAX),
                })
            }
            (TypeKind::Map(key, value), ArrowType::Map(entries, _)) => {
                self.map(path, entries, wanted, (key, value), leaf)
            }
            (TypeKind::Multiset(element), ArrowType::Map(entries, _)) => {
                let count = DataType::not_null(TypeKind::Int);
                self.map(path, entries, wanted, (element, &count), leaf)
            }
            (TypeKind::Map(..), ArrowType::Struct(_)) if self.has_arrow_schema => {
                Err(Error::unsupported(format!(
                    "fields.{path}.map.storage-layout = shared-shredding is not supported"
                ))
                .with("column", path))
            }
            (TypeKind::Row(fields), ArrowType::Struct(_)) => self.row(path, field, fields, leaf),
            (TypeKind::Variant, ArrowType::Struct(_)) => self.variant(path, field, leaf),
            (kind, _) if kind.is_nested() => Err(mismatch(path, field, wanted)),
            _ => self.primitive(path, field, wanted, leaf),
        }
    }

    fn primitive(
        &mut self,
        path: &str,
        field: &Field,
        wanted: &DataType,
        leaf: usize,
    ) -> Result<Node> {
        let int96 = self.int96.get(leaf).copied().unwrap_or(false);
        let cast = Cast::plan(field.data_type(), int96, wanted)
            .ok_or_else(|| mismatch(path, field, wanted))?;
        self.leaves.insert(leaf);
        Ok(Node::Primitive {
            path: path.into(),
            cast,
        })
    }

    fn map(
        &mut self,
        path: &str,
        entries: &Field,
        wanted: &DataType,
        (key, value): (&DataType, &DataType),
        leaf: usize,
    ) -> Result<Node> {
        let ArrowType::Struct(children) = entries.data_type() else {
            return Err(mismatch(path, entries, wanted));
        };
        let [key_field, value_field] = children.as_ref() else {
            return Err(mismatch(path, entries, wanted));
        };
        let ArrowType::Map(field, _) = arrow_type(wanted) else {
            return Err(Error::internal("a map's Arrow type is not a map"));
        };
        let key = self.field(&format!("{path}.key"), key_field, key, leaf)?;
        let value_leaf = leaf + leaf_count(key_field.data_type());
        let value = self.field(&format!("{path}.value"), value_field, value, value_leaf)?;
        Ok(Node::Map {
            field,
            key: Box::new(key),
            value: Box::new(value),
        })
    }

    fn row(
        &mut self,
        path: &str,
        field: &Field,
        wanted: &[DataField],
        leaf: usize,
    ) -> Result<Node> {
        let ArrowType::Struct(children) = field.data_type() else {
            return Err(Error::internal("a row's Arrow type is not a struct"));
        };
        let mut plans = Vec::with_capacity(wanted.len());
        let mut found = false;
        for wanted in wanted {
            let mut child_leaf = leaf;
            let mut plan = StructChild::Missing;
            for child in children {
                if *child.name() == wanted.name {
                    let path = format!("{path}.{}", wanted.name);
                    found = true;
                    plan = StructChild::Read {
                        name: wanted.name.clone(),
                        node: self.field(&path, child, &wanted.data_type, child_leaf)?,
                    };
                    break;
                }
                child_leaf += leaf_count(child.data_type());
            }
            plans.push(plan);
        }
        if !found {
            // the row's own nulls are still needed
            self.leaves.insert(leaf);
        }
        Ok(Node::Struct {
            path: path.into(),
            fields: wanted
                .iter()
                .map(crate::arrow_bridge::arrow_field)
                .collect(),
            children: plans,
        })
    }

    fn variant(&mut self, path: &str, field: &Field, leaf: usize) -> Result<Node> {
        let wanted = DataType::nullable(TypeKind::Variant);
        let (ArrowType::Struct(children), ArrowType::Struct(fields)) =
            (field.data_type(), arrow_type(&wanted))
        else {
            return Err(Error::internal("a variant's Arrow type is not a struct"));
        };
        let binary = |name: &str| {
            children
                .iter()
                .find(|c| c.name() == name)
                .map(|c| *c.data_type() == ArrowType::BinaryView)
        };
        let shredded = children.iter().any(|c| c.name() == "typed_value");
        let value_fits = match binary("value") {
            Some(is_binary) => is_binary,
            None => shredded,
        };
        if binary("metadata") != Some(true) || !value_fits {
            return Err(mismatch(path, field, &wanted));
        }
        self.leaves
            .extend(leaf..leaf + leaf_count(field.data_type()));
        Ok(Node::Variant {
            path: path.into(),
            fields,
            shredded,
        })
    }
}

fn list_field(wanted: &DataType) -> FieldRef {
    match arrow_type(wanted) {
        ArrowType::List(field) | ArrowType::FixedSizeList(field, _) => field,
        other => Arc::new(Field::new("element", other, true)),
    }
}

fn mismatch(path: &str, field: &Field, wanted: &DataType) -> Error {
    Error::damaged(format!(
        "column is declared {wanted}, found {} in the file",
        field.data_type()
    ))
    .with("column", path)
}
