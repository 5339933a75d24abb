//! Values of VARIANT columns: made of JSON, taken apart by paths, printed.
//!
//! | function | gives |
//! |---|---|
//! | `parse_json(text)`, `try_parse_json(text)` | the variant of a JSON text |
//! | `variant_get(v, path [, type])`, `try_variant_get(..)` | the value at a path, as a type |
//! | `to_json(v)` | JSON text |
//! | `is_variant_null(v)` | whether it is JSON's null |
//! | `schema_of_variant(v)` | the type of what it is made of |
//!
//! The names are Spark's, the conversions Paimon's: `GenericVariantBuilder`, `GenericVariant`, `VariantGet`.

mod get;
mod path;
mod print;
mod read;
mod schema;

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, StringViewArray, StructArray,
};
use arrow::datatypes::{DataType as ArrowType, Fields};
use datafusion::common::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use paimon_core::arrow_bridge::arrow_type;
use paimon_core::spec::{DataType, TypeKind};
use parquet_variant::{Variant, VariantBuilder};

use super::{columns, down, first, is_text, lost, only, result};
use print::json;
use schema::Schema;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let signature = || Signature::user_defined(Volatility::Immutable);
    let mut all: Vec<ScalarUDF> = [
        Kind::Parse,
        Kind::TryParse,
        Kind::ToJson,
        Kind::IsNull,
        Kind::Schema,
    ]
    .map(|kind| {
        ScalarUDF::new_from_impl(OfOne {
            kind,
            signature: signature(),
        })
    })
    .into();
    all.extend(get::functions());
    all
}

/// Functions of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Parse,
    TryParse,
    ToJson,
    IsNull,
    Schema,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfOne {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for OfOne {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Parse => "parse_json",
            Kind::TryParse => "try_parse_json",
            Kind::ToJson => "to_json",
            Kind::IsNull => "is_variant_null",
            Kind::Schema => "schema_of_variant",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[ArrowType]) -> Result<Vec<ArrowType>> {
        match self.kind {
            Kind::Parse | Kind::TryParse => only(
                self.name(),
                given,
                &ArrowType::Utf8View,
                is_text,
                "a JSON text",
            ),
            Kind::ToJson | Kind::IsNull | Kind::Schema => {
                only(self.name(), given, &variant_type(), is_variant, "a VARIANT")
            }
        }
    }

    fn return_type(&self, _arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(match self.kind {
            Kind::Parse | Kind::TryParse => variant_type(),
            Kind::ToJson | Kind::Schema => ArrowType::Utf8View,
            Kind::IsNull => ArrowType::Boolean,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (columns, constant) = columns(args.args, args.number_rows)?;
        let column = first(columns)?;
        let array: ArrayRef = match self.kind {
            Kind::Parse => parsed(down(&column)?, true)?,
            Kind::TryParse => parsed(down(&column)?, false)?,
            Kind::ToJson => {
                let zone = zone_of(&args.config_options)?;
                let values = values(&column)?;
                let texts = values.iter().map(|v| v.as_ref().map(|v| json(v, &zone)));
                Arc::new(texts.collect::<StringViewArray>())
            }
            Kind::IsNull => {
                let values = values(&column)?;
                let nulls = values.iter().map(|v| Some(*v == Some(Variant::Null)));
                Arc::new(nulls.collect::<BooleanArray>())
            }
            Kind::Schema => {
                let values = values(&column)?;
                let texts = values.iter().map(|v| v.as_ref().map(Schema::of));
                let texts = texts.map(|schema| schema.map(|s| s.to_string()));
                Arc::new(texts.collect::<StringViewArray>())
            }
        };
        result(array, constant)
    }
}

/// Variants of JSON texts; those that are none are an error, or null.
fn parsed(texts: &StringViewArray, strict: bool) -> Result<ArrayRef> {
    let mut bytes = Vec::with_capacity(texts.len());
    for text in texts {
        bytes.push(match text.map(read::variant_of) {
            None => None,
            Some(Ok(variant)) => Some(variant),
            Some(Err(error)) if strict => return Err(error),
            Some(Err(_)) => None,
        });
    }
    Ok(column_of(&bytes))
}

/// Metadata and value.
type Encoded = (Vec<u8>, Vec<u8>);

/// A column of encoded variants.
fn column_of(variants: &[Option<Encoded>]) -> ArrayRef {
    let part = |of: fn(&Encoded) -> &[u8]| -> ArrayRef {
        let bytes = variants.iter().map(|v| v.as_ref().map_or(&[][..], of));
        Arc::new(bytes.map(Some).collect::<BinaryViewArray>())
    };
    let fields = match variant_type() {
        ArrowType::Struct(fields) => fields,
        _ => Fields::empty(),
    };
    let nulls = variants.iter().map(Option::is_some).collect();
    let columns = vec![part(|v| &v.1), part(|v| &v.0)];
    Arc::new(StructArray::new(fields, columns, Some(nulls)))
}

/// A variant with metadata of its own.
fn encoded(variant: &Variant<'_, '_>) -> Encoded {
    let mut builder = VariantBuilder::new();
    builder.append_value(variant.clone());
    builder.finish()
}

/// The variants of a column.
///
/// # Errors
/// For bytes that are none.
fn values(column: &ArrayRef) -> Result<Vec<Option<Variant<'_, '_>>>> {
    let column = column.as_struct_opt().ok_or_else(|| lost("a VARIANT"))?;
    let part = |name: &str| {
        let part = column.column_by_name(name);
        part.and_then(|p| p.as_binary_view_opt())
            .ok_or_else(|| lost("a part of a VARIANT"))
    };
    let (bytes, metadata) = (part("value")?, part("metadata")?);
    let value = |row: usize| {
        if column.is_null(row) {
            return Ok(None);
        }
        let variant = Variant::try_new(metadata.value(row), bytes.value(row));
        variant
            .map(Some)
            .map_err(|e| DataFusionError::Execution(format!("a VARIANT value cannot be read: {e}")))
    };
    (0..column.len()).map(value).collect()
}

fn variant_type() -> ArrowType {
    arrow_type(&DataType::nullable(TypeKind::Variant))
}

/// Whether values are those of a VARIANT column.
fn is_variant(data_type: &ArrowType) -> bool {
    data_type.equals_datatype(&variant_type())
}

/// The time zone of the session.
fn zone_of(options: &ConfigOptions) -> Result<Tz> {
    let zone = options.execution.time_zone.as_deref().unwrap_or("UTC");
    Ok(zone.parse()?)
}
