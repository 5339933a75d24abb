//! Writing values and calls.

use paimon_core::{Error, Result};

use super::value::{Struct, Value};

const VERSION: u32 = 0x8001_0000;
pub(super) const CALL: u8 = 1;

/// A whole call message.
pub(super) fn encode_call(method: &str, sequence: i32, args: &Struct) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    out.extend((VERSION | u32::from(CALL)).to_be_bytes());
    bytes(&mut out, method.as_bytes())?;
    out.extend(sequence.to_be_bytes());
    fields(&mut out, args)?;
    Ok(out)
}

fn length(count: usize) -> Result<[u8; 4]> {
    let count = i32::try_from(count);
    let count = count.map_err(|_| Error::invalid("a value for the metastore is too large"))?;
    Ok(count.to_be_bytes())
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    out.extend(length(bytes.len())?);
    out.extend(bytes);
    Ok(())
}

fn fields(out: &mut Vec<u8>, fields: &Struct) -> Result<()> {
    for (id, field) in &fields.0 {
        out.push(field.kind().code());
        out.extend(id.to_be_bytes());
        value(out, field)?;
    }
    out.push(0);
    Ok(())
}

fn value(out: &mut Vec<u8>, of: &Value) -> Result<()> {
    match of {
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::Byte(v) => out.extend(v.to_be_bytes()),
        Value::Double(v) => out.extend(v.to_be_bytes()),
        Value::I16(v) => out.extend(v.to_be_bytes()),
        Value::I32(v) => out.extend(v.to_be_bytes()),
        Value::I64(v) => out.extend(v.to_be_bytes()),
        Value::Binary(v) => bytes(out, v)?,
        Value::Struct(v) => fields(out, v)?,
        Value::Map(key, element, pairs) => {
            out.extend([key.code(), element.code()]);
            out.extend(length(pairs.len())?);
            for (k, v) in pairs {
                value(out, k)?;
                value(out, v)?;
            }
        }
        Value::Set(element, values) | Value::List(element, values) => {
            out.push(element.code());
            out.extend(length(values.len())?);
            for v in values {
                value(out, v)?;
            }
        }
    }
    Ok(())
}
