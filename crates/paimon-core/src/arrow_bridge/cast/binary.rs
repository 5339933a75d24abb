//! BINARY, VARBINARY and BYTES: lengths, and text out of bytes.
//!
//! Source: `BinaryToBinaryCastRule`, `BinaryToStringCastRule`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray};

use crate::spec::{MAX_LENGTH, TypeKind};

/// Cuts to the target's length; BINARY is filled with zero bytes.
pub(super) fn fit_bytes<'a>(bytes: &'a [u8], to: &TypeKind) -> Cow<'a, [u8]> {
    match to {
        TypeKind::Binary(n) => {
            let length = usize::try_from(*n).unwrap_or(usize::MAX);
            if bytes.len() >= length {
                Cow::Borrowed(&bytes[..length])
            } else {
                let mut filled = bytes.to_vec();
                filled.resize(length, 0);
                Cow::Owned(filled)
            }
        }
        TypeKind::VarBinary(n) => {
            let length = usize::try_from(*n).unwrap_or(usize::MAX).min(bytes.len());
            Cow::Borrowed(&bytes[..length])
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Casts between the binary types.
pub(super) fn to_binary(array: &BinaryViewArray, to: &TypeKind) -> ArrayRef {
    if matches!(to, TypeKind::VarBinary(MAX_LENGTH)) {
        return Arc::new(array.clone());
    }
    let mut builder = BinaryViewBuilder::with_capacity(array.len());
    for bytes in array {
        builder.append_option(bytes.map(|b| fit_bytes(b, to)));
    }
    Arc::new(builder.finish())
}
