//! `variant_get(v, path [, type])` and `try_variant_get`: the value at a path as a column of a type.
//!
//! A path that leads nowhere, and JSON's null, give null. A value that is none of the type is an error, for
//! `try_variant_get` null. Source: `VariantGet`; unlike there numbers do not wrap around.

mod single;

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{ArrayRef, ListArray, MapArray, StringViewArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use paimon_core::Error;
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataField, DataType, TypeKind};
use parquet_variant::Variant;

use super::super::{is_text, lost, misused, result};
use super::path::Path;
use super::print::json;
use super::{column_of, encoded, is_variant, values, variant_type, zone_of};
use crate::error::to_datafusion;
use crate::statement::data_type_of;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let of = |name, strict| Get {
        name,
        strict,
        signature: Signature::user_defined(Volatility::Immutable),
    };
    let both = [of("variant_get", true), of("try_variant_get", false)];
    both.map(ScalarUDF::new_from_impl).into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Get {
    name: &'static str,
    strict: bool,
    signature: Signature,
}

impl Get {
    /// The type that a call names, with nulls at every depth.
    fn wanted(&self, name: Option<&ScalarValue>) -> Result<DataType> {
        let Some(name) = name else {
            return Ok(DataType::nullable(TypeKind::Variant));
        };
        let wanted = with_nulls(data_type_of(self.text(name, "type")?)?);
        match has_values(&wanted) {
            true => Ok(wanted),
            false => Err(to_datafusion(Error::unsupported(format!(
                "{} cannot give a {wanted}",
                self.name
            )))),
        }
    }

    fn text<'a>(&self, value: &'a ScalarValue, what: &str) -> Result<&'a str> {
        value.try_as_str().flatten().ok_or_else(|| {
            DataFusionError::Plan(format!("the {what} of {} must be a text", self.name))
        })
    }
}

impl ScalarUDFImpl for Get {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[ArrowType]) -> Result<Vec<ArrowType>> {
        let fits = match given {
            [variant, texts @ ..] => {
                (is_variant(variant) || variant.is_null())
                    && (1..=2).contains(&texts.len())
                    && texts.iter().all(is_text)
            }
            [] => false,
        };
        if !fits {
            let takes = "a VARIANT, a path and the name of a type";
            return Err(misused(self.name, takes, given));
        }
        // a cast would hide the constants
        let texts = given.iter().skip(1).cloned();
        Ok(std::iter::once(variant_type()).chain(texts).collect())
    }

    fn return_type(&self, _arguments: &[ArrowType]) -> Result<ArrowType> {
        Err(lost("constants"))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let constant = |at: usize, what: &str| match args.scalar_arguments.get(at) {
            None => Ok(None),
            Some(Some(value)) => Ok(Some(*value)),
            Some(None) => Err(DataFusionError::Plan(format!(
                "the {what} of {} must be a constant",
                self.name
            ))),
        };
        if let Some(path) = constant(1, "path")? {
            Path::parse(self.text(path, "path")?)?;
        }
        let wanted = self.wanted(constant(2, "type")?)?;
        Ok(Arc::new(Field::new(self.name, arrow_type(&wanted), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = zone_of(&args.config_options)?;
        let constant = |at: usize| match args.args.get(at) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let path = constant(1).ok_or_else(|| lost("the path"))?;
        let path = Path::parse(self.text(path, "path")?)?;
        let wanted = self.wanted(constant(2))?;
        let from = args.args.first().cloned();
        let from = from.ok_or_else(|| lost("the variant"))?;
        let is_constant = matches!(from, ColumnarValue::Scalar(_));
        let rows = if is_constant { 1 } else { args.number_rows };
        let column = from.into_array(rows)?;
        let found = values(&column)?.into_iter();
        let found: Vec<_> = found.map(|v| path.find(v?)).collect();
        let conversion = Conversion {
            strict: self.strict,
            zone,
        };
        result(conversion.column(&found, &wanted)?, is_constant)
    }
}

/// A type with nulls wherever a variant may have none of its values: everywhere but in the keys of maps.
fn with_nulls(data_type: DataType) -> DataType {
    let kind = match data_type.kind {
        TypeKind::Array(element) => TypeKind::Array(Box::new(with_nulls(*element))),
        TypeKind::Map(key, value) => TypeKind::Map(key, Box::new(with_nulls(*value))),
        TypeKind::Row(fields) => {
            let fields = fields.into_iter().map(|field| DataField {
                data_type: with_nulls(field.data_type),
                ..field
            });
            TypeKind::Row(fields.collect())
        }
        single => single,
    };
    DataType::nullable(kind)
}

/// Whether values of variants can be of a type.
fn has_values(data_type: &DataType) -> bool {
    match &data_type.kind {
        TypeKind::Array(element) => has_values(element),
        TypeKind::Map(key, value) => key.kind.is_string() && has_values(value),
        TypeKind::Row(fields) => fields.iter().all(|f| has_values(&f.data_type)),
        TypeKind::Multiset(_) | TypeKind::Vector(..) | TypeKind::Blob | TypeKind::Time(_) => false,
        _ => true,
    }
}

/// How values become those of a type.
struct Conversion {
    /// A value that is none of the type is an error, else null.
    strict: bool,
    zone: Tz,
}

impl Conversion {
    /// A column of the type.
    fn column(&self, values: &[Option<Variant<'_, '_>>], to: &DataType) -> Result<ArrayRef> {
        match (&to.kind, arrow_type(to)) {
            (TypeKind::Variant, _) => {
                let values = values.iter().map(|v| v.as_ref().map(encoded));
                Ok(column_of(&values.collect::<Vec<_>>()))
            }
            (TypeKind::Row(fields), ArrowType::Struct(arrow)) => {
                self.rows(values, to, fields, arrow)
            }
            (TypeKind::Array(element), ArrowType::List(field)) => {
                self.lists(values, to, element, field)
            }
            (TypeKind::Map(_, value), ArrowType::Map(entries, _)) => {
                self.maps(values, to, value, entries)
            }
            _ => self.singles(values, to),
        }
    }

    fn rows(
        &self,
        values: &[Option<Variant<'_, '_>>],
        to: &DataType,
        fields: &[DataField],
        arrow: Fields,
    ) -> Result<ArrayRef> {
        let objects: Vec<_> = values
            .iter()
            .map(|value| match value {
                Some(Variant::Object(object)) => Ok(Some(object)),
                other => self.no_value(other.as_ref(), to),
            })
            .collect::<Result<_>>()?;
        let column = |field: &DataField| {
            let inside = objects.iter().map(|o| o.and_then(|o| o.get(&field.name)));
            self.column(&inside.collect::<Vec<_>>(), &field.data_type)
        };
        let columns = fields.iter().map(column).collect::<Result<_>>()?;
        let nulls: NullBuffer = objects.iter().map(Option::is_some).collect();
        let rows = StructArray::try_new(arrow, columns, Some(nulls))?;
        Ok(Arc::new(rows))
    }

    fn lists(
        &self,
        values: &[Option<Variant<'_, '_>>],
        to: &DataType,
        element: &DataType,
        field: FieldRef,
    ) -> Result<ArrayRef> {
        let mut inside = Vec::new();
        let mut lengths = Vec::with_capacity(values.len());
        let mut valid = Vec::with_capacity(values.len());
        for value in values {
            let list = match value {
                Some(Variant::List(list)) => Some(list),
                other => self.no_value(other.as_ref(), to)?,
            };
            inside.extend(list.into_iter().flat_map(|l| l.iter()).map(Some));
            lengths.push(list.map_or(0, |l| l.len()));
            valid.push(list.is_some());
        }
        let inside = self.column(&inside, element)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let lists = ListArray::try_new(field, offsets, inside, Some(NullBuffer::from(valid)))?;
        Ok(Arc::new(lists))
    }

    fn maps(
        &self,
        values: &[Option<Variant<'_, '_>>],
        to: &DataType,
        value_type: &DataType,
        entries: FieldRef,
    ) -> Result<ArrayRef> {
        let mut names = Vec::new();
        let mut inside = Vec::new();
        let mut lengths = Vec::with_capacity(values.len());
        let mut valid = Vec::with_capacity(values.len());
        for value in values {
            let object = match value {
                Some(Variant::Object(object)) => Some(object),
                other => self.no_value(other.as_ref(), to)?,
            };
            for (name, value) in object.into_iter().flat_map(|o| o.iter()) {
                names.push(name);
                inside.push(Some(value));
            }
            lengths.push(object.map_or(0, |o| o.len()));
            valid.push(object.is_some());
        }
        let ArrowType::Struct(fields) = entries.data_type() else {
            return Err(lost("a map"));
        };
        let names: ArrayRef = Arc::new(names.into_iter().map(Some).collect::<StringViewArray>());
        let columns = vec![names, self.column(&inside, value_type)?];
        let pairs = StructArray::try_new(fields.clone(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = Some(NullBuffer::from(valid));
        let maps = MapArray::try_new(entries, offsets, pairs, nulls, false)?;
        Ok(Arc::new(maps))
    }

    /// What stands for a value that is none of the type.
    fn no_value<T>(&self, value: Option<&Variant<'_, '_>>, to: &DataType) -> Result<Option<T>> {
        match value {
            None | Some(Variant::Null) => Ok(None),
            Some(value) if self.strict => Err(DataFusionError::Execution(format!(
                "the value {} of a VARIANT is no {to}: try_variant_get gives null for it",
                json(value, &self.zone)
            ))),
            Some(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
