//! Values of text files: texts to columns and back.
//!
//! Java: `CsvParser.parseField`, `CsvFormatWriter.castToStringOptimized`.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryViewArray, BooleanArray, PrimitiveArray,
    StringViewArray, new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type};
use paimon_core::arrow_bridge::{arrow_type, cast_array};
use paimon_core::spec::{DataType, TypeKind};
use paimon_core::{Error, ErrorKind, Result};

use super::base64;

/// A column of texts, read.
pub(super) struct Typed {
    /// Null where the text is none or cannot be read.
    pub(super) array: ArrayRef,
    /// Rows whose text cannot be read, ascending.
    pub(super) malformed: Vec<usize>,
}

/// Reads texts as values of a type.
///
/// # Errors
/// `Unsupported` for a type that text files cannot hold.
pub(super) fn typed(texts: &[Option<&str>], data_type: &DataType) -> Result<Typed> {
    Ok(match &data_type.kind {
        TypeKind::TinyInt => integers::<Int8Type>(texts),
        TypeKind::SmallInt => integers::<Int16Type>(texts),
        TypeKind::Int => integers::<Int32Type>(texts),
        TypeKind::BigInt => integers::<Int64Type>(texts),
        TypeKind::Boolean => {
            let flags = texts
                .iter()
                .map(|t| t.map(|t| t.eq_ignore_ascii_case("true")));
            let array: BooleanArray = flags.collect();
            whole(Arc::new(array))
        }
        TypeKind::Char(_) | TypeKind::VarChar(_) => {
            whole(Arc::new(texts.iter().copied().collect::<StringViewArray>()))
        }
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            let bytes: Vec<Option<Option<Vec<u8>>>> =
                texts.iter().map(|text| text.map(base64::decode)).collect();
            let malformed = places(bytes.iter().map(|b| matches!(b, Some(None))));
            let array: BinaryViewArray = bytes.into_iter().map(Option::flatten).collect();
            Typed {
                array: Arc::new(array),
                malformed,
            }
        }
        TypeKind::Variant | TypeKind::Blob | TypeKind::Vector(..) | TypeKind::Multiset(_) => {
            return Err(Error::unsupported(format!(
                "text files cannot hold values of type {data_type}"
            )));
        }
        _ => cast_texts(texts, data_type)?,
    })
}

fn whole(array: ArrayRef) -> Typed {
    Typed {
        array,
        malformed: Vec::new(),
    }
}

fn places(flags: impl Iterator<Item = bool>) -> Vec<usize> {
    let marked = flags.enumerate().filter(|(_, flag)| *flag);
    marked.map(|(at, _)| at).collect()
}

fn integers<T: ArrowPrimitiveType>(texts: &[Option<&str>]) -> Typed
where
    T::Native: FromStr,
{
    let read: Vec<Option<Option<T::Native>>> = texts
        .iter()
        .map(|text| text.map(|text| text.parse().ok()))
        .collect();
    let malformed = places(read.iter().map(|value| matches!(value, Some(None))));
    let array: PrimitiveArray<T> = read.into_iter().map(Option::flatten).collect();
    Typed {
        array: Arc::new(array),
        malformed,
    }
}

/// Reads with Paimon's cast from STRING, all at once and one by one when that fails.
fn cast_texts(texts: &[Option<&str>], data_type: &DataType) -> Result<Typed> {
    let cast = |texts: &[Option<&str>]| {
        let array: ArrayRef = Arc::new(texts.iter().copied().collect::<StringViewArray>());
        cast_array(&array, &DataType::string(), data_type)
    };
    match cast(texts) {
        Ok(array) => return Ok(whole(array)),
        Err(e) if e.kind() == ErrorKind::Unsupported => return Err(e),
        Err(_) => {}
    }
    let mut malformed = Vec::new();
    let values: Vec<ArrayRef> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            cast(&[*text]).unwrap_or_else(|_| {
                malformed.push(at);
                new_null_array(&arrow_type(data_type), 1)
            })
        })
        .collect();
    let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    let array = concat(&values)
        .map_err(|e| Error::internal("values of a type differ in it").with_source(e))?;
    Ok(Typed { array, malformed })
}

/// Values of a type as texts.
///
/// # Errors
/// `Unsupported` for a type that text files cannot hold.
pub(super) fn texts(array: &ArrayRef, data_type: &DataType) -> Result<StringViewArray> {
    match &data_type.kind {
        TypeKind::Binary(_) | TypeKind::VarBinary(_) => {
            let bytes = array
                .as_binary_view_opt()
                .ok_or_else(|| unlike(data_type))?;
            Ok(bytes.iter().map(|b| b.map(base64::encode)).collect())
        }
        TypeKind::Variant | TypeKind::Blob | TypeKind::Vector(..) | TypeKind::Multiset(_) => Err(
            Error::unsupported(format!("text files cannot hold values of type {data_type}")),
        ),
        _ => {
            let cast = cast_array(array, data_type, &DataType::string())?;
            let texts = cast.as_string_view_opt().ok_or_else(|| unlike(data_type))?;
            Ok(texts.clone())
        }
    }
}

pub(super) fn unlike(data_type: &DataType) -> Error {
    Error::internal(format!("an array is not one of {data_type}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use paimon_core::spec::parse_data_type;

    use super::*;

    fn read(texts_in: &[Option<&str>], data_type: &str) -> (Vec<Option<String>>, Vec<usize>) {
        let data_type = parse_data_type(data_type).unwrap();
        let read = typed(texts_in, &data_type).unwrap();
        let back = texts(&read.array, &data_type).unwrap();
        let back = back.iter().map(|t| t.map(str::to_string)).collect();
        (back, read.malformed)
    }

    #[test]
    fn texts_are_read_as_java_does() {
        for (data_type, text, again) in [
            ("TINYINT", "-128", "-128"),
            ("INT", "+7", "7"),
            ("BIGINT", "9223372036854775807", "9223372036854775807"),
            ("DOUBLE", "1.0E20", "1.0E20"),
            ("FLOAT", " 1.5 ", "1.5"),
            ("BOOLEAN", "TRUE", "true"),
            ("BOOLEAN", "yes", "false"),
            ("DECIMAL(10, 2)", "1.25", "1.25"),
            ("DATE", "2024-02-29", "2024-02-29"),
            (
                "TIMESTAMP(3)",
                "2024-01-01 10:20:30.123",
                "2024-01-01 10:20:30.123",
            ),
            ("BYTES", "/wA=", "/wA="),
            ("STRING", " a ", " a "),
        ] {
            let (back, malformed) = read(&[Some(text), None], data_type);
            assert_eq!(back, [Some(again.to_string()), None], "{data_type} {text}");
            assert!(malformed.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_null_and_named() {
        for (data_type, wrong) in [
            ("INT", " 1"),
            ("INT", ""),
            ("TINYINT", "128"),
            ("DATE", "soon"),
            ("DECIMAL(5, 1)", "x"),
            ("BYTES", "*"),
        ] {
            let (back, malformed) = read(&[None, Some(wrong), None], data_type);
            assert_eq!(back, [None, None, None], "{data_type}");
            assert_eq!(malformed, [1], "{data_type} {wrong:?}");
        }
    }
}
