//! `sys.path_to_descriptor(path)`, `sys.descriptor_to_string(descriptor)`: references to the bytes of a BLOB in a file.
//!
//! ```text
//! u8 version = 2 | u64 "BLOBDESC" | u32 length of the address | address | i64 offset | i64 length       little-endian
//! ```
//! Version 1 has no magic number; a length of -1 means up to the end of the file. Source: `BlobDescriptor`,
//! `PathToDescriptorFunction`, `DescriptorToStringFunction`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewArray, StringViewArray};
use arrow::datatypes::DataType as ArrowType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::{columns, down, first, is_binary, is_text, only, result};

const VERSION: u8 = 2;
const MAGIC: u64 = 0x424C_4F42_4445_5343;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let of = |direction| Descriptor {
        direction,
        signature: Signature::user_defined(Volatility::Immutable),
    };
    let both = [Direction::FromPath, Direction::ToString];
    both.map(|d| ScalarUDF::new_from_impl(of(d))).into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    FromPath,
    ToString,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Descriptor {
    direction: Direction,
    signature: Signature,
}

impl ScalarUDFImpl for Descriptor {
    fn name(&self) -> &'static str {
        match self.direction {
            Direction::FromPath => "sys.path_to_descriptor",
            Direction::ToString => "sys.descriptor_to_string",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[ArrowType]) -> Result<Vec<ArrowType>> {
        match self.direction {
            Direction::FromPath => {
                let takes = "the path of a file as text";
                only(self.name(), given, &ArrowType::Utf8View, is_text, takes)
            }
            Direction::ToString => {
                let takes = "a descriptor as binary";
                only(self.name(), given, &ArrowType::BinaryView, is_binary, takes)
            }
        }
    }

    fn return_type(&self, _arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(match self.direction {
            Direction::FromPath => ArrowType::BinaryView,
            Direction::ToString => ArrowType::Utf8View,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (columns, constant) = columns(args.args, args.number_rows)?;
        let column = first(columns)?;
        let converted: ArrayRef = match self.direction {
            Direction::FromPath => {
                let paths = down::<StringViewArray>(&column)?.iter();
                Arc::new(
                    paths
                        .map(|p| p.map(whole_file))
                        .collect::<BinaryViewArray>(),
                )
            }
            Direction::ToString => {
                let descriptors = down::<BinaryViewArray>(&column)?.iter();
                let texts = descriptors.map(|d| d.map(text).transpose());
                Arc::new(texts.collect::<Result<StringViewArray>>()?)
            }
        };
        result(converted, constant)
    }
}

/// The descriptor of a whole file.
fn whole_file(path: &str) -> Vec<u8> {
    let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![VERSION];
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(path.as_bytes());
    bytes.extend(0_i64.to_le_bytes());
    bytes.extend((-1_i64).to_le_bytes());
    bytes
}

/// A descriptor as Java prints it.
fn text(descriptor: &[u8]) -> Result<String> {
    let wrong = |what: &str| {
        DataFusionError::Execution(format!(
            "a blob descriptor of {} bytes {what}",
            descriptor.len()
        ))
    };
    let mut rest = descriptor;
    let (version, behind) = rest.split_first().ok_or_else(|| wrong("has no version"))?;
    rest = behind;
    if *version > VERSION {
        return Err(wrong(&format!(
            "is of version {version}, known are 1 and 2"
        )));
    }
    let short = || wrong("ends early");
    if *version == VERSION {
        let magic = u64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
        if magic != MAGIC {
            return Err(wrong("lacks the mark BLOBDESC"));
        }
    }
    let length = u32::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    let length = usize::try_from(length).map_err(|_| short())?;
    let (uri, behind) = rest.split_at_checked(length).ok_or_else(short)?;
    rest = behind;
    let uri = String::from_utf8_lossy(uri);
    let offset = i64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    let length = i64::from_le_bytes(take(&mut rest).ok_or_else(short)?);
    Ok(format!(
        "BlobDescriptor{{version={version}, uri='{uri}', offset={offset}, length={length}}}"
    ))
}

/// The next bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_path_comes_back() {
        let text = text(&whole_file("s3://b/x.bin")).unwrap();
        assert_eq!(
            text,
            "BlobDescriptor{version=2, uri='s3://b/x.bin', offset=0, length=-1}"
        );
    }

    #[test]
    fn version_1_has_no_mark() {
        let mut bytes = vec![1, 1, 0, 0, 0, b'x'];
        bytes.extend(4_i64.to_le_bytes());
        bytes.extend(9_i64.to_le_bytes());
        let told = text(&bytes).unwrap();
        assert_eq!(
            told,
            "BlobDescriptor{version=1, uri='x', offset=4, length=9}"
        );
        for end in 0..bytes.len() {
            assert!(text(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn other_bytes_are_none() {
        let mut bytes = whole_file("x");
        bytes[0] = 3;
        assert!(text(&bytes).unwrap_err().to_string().contains("version 3"));
        bytes[0] = 2;
        bytes[1] ^= 1;
        assert!(text(&bytes).unwrap_err().to_string().contains("BLOBDESC"));
    }
}
