//! Reading replies: whatever a peer sends, in bounded memory, depth and (through the reader) time.

use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Result as IoResult};

use super::value::{Kind, Struct, Value};

/// Largest message, bytes.
const MESSAGE_MAX: u64 = 512 << 20;
/// Deepest nesting.
const DEPTH_MAX: u32 = 64;
/// Elements for which room is made before they are read.
const ROOM_MAX: usize = 1024;

const VERSION_MASK: u32 = 0xffff_0000;
const VERSION: u32 = 0x8001_0000;

/// A reply or exception message.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    /// 2: reply, 3: exception.
    pub(super) message_type: u8,
    pub(super) method: String,
    pub(super) sequence: i32,
    pub(super) fields: Struct,
}

/// Reads one message.
pub(super) fn decode_reply(input: impl Read) -> IoResult<Reply> {
    let mut decoder = Decoder {
        input: input.take(MESSAGE_MAX),
    };
    let header = u32::from_be_bytes(decoder.array()?);
    if header & VERSION_MASK != VERSION {
        return Err(garbage(format!(
            "expected a message of Thrift's binary protocol, found one that begins with {header:#010x}"
        )));
    }
    let method = decoder.bytes()?;
    let sequence = i32::from_be_bytes(decoder.array()?);
    let [_, _, _, message_type] = header.to_be_bytes();
    Ok(Reply {
        message_type,
        method: String::from_utf8_lossy(&method).into_owned(),
        sequence,
        fields: decoder.fields(0)?,
    })
}

fn garbage(text: impl Into<String>) -> IoError {
    IoError::new(IoErrorKind::InvalidData, text.into())
}

struct Decoder<R> {
    input: std::io::Take<R>,
}

impl<R: Read> Decoder<R> {
    fn array<const N: usize>(&mut self) -> IoResult<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&mut self) -> IoResult<usize> {
        let length = i32::from_be_bytes(self.array()?);
        let left = self.input.limit();
        match u64::try_from(length) {
            Ok(length) if length <= left => usize::try_from(length).map_err(IoError::other),
            _ => Err(garbage(format!(
                "expected a length of at most {left}, found {length}"
            ))),
        }
    }

    fn bytes(&mut self) -> IoResult<Vec<u8>> {
        let length = self.length()?;
        let mut bytes = Vec::with_capacity(length.min(ROOM_MAX));
        let wanted = u64::try_from(length).map_err(IoError::other)?;
        (&mut self.input).take(wanted).read_to_end(&mut bytes)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(IoErrorKind::UnexpectedEof.into()),
        }
    }

    fn kind(&mut self) -> IoResult<Kind> {
        let [code] = self.array()?;
        Kind::of_code(code).ok_or_else(|| garbage(format!("expected a type, found code {code}")))
    }

    fn fields(&mut self, depth: u32) -> IoResult<Struct> {
        if depth > DEPTH_MAX {
            return Err(garbage("expected less deeply nested values"));
        }
        let mut fields = Struct::default();
        loop {
            let [code] = self.array()?;
            if code == 0 {
                return Ok(fields);
            }
            let kind = Kind::of_code(code);
            let kind =
                kind.ok_or_else(|| garbage(format!("expected a field, found type code {code}")))?;
            let id = i16::from_be_bytes(self.array()?);
            let value = self.value(kind, depth + 1)?;
            fields.0.insert(id, value);
        }
    }

    fn value(&mut self, kind: Kind, depth: u32) -> IoResult<Value> {
        if depth > DEPTH_MAX {
            return Err(garbage("expected less deeply nested values"));
        }
        Ok(match kind {
            Kind::Bool => Value::Bool(self.array::<1>()? != [0]),
            Kind::Byte => Value::Byte(i8::from_be_bytes(self.array()?)),
            Kind::Double => Value::Double(f64::from_be_bytes(self.array()?)),
            Kind::I16 => Value::I16(i16::from_be_bytes(self.array()?)),
            Kind::I32 => Value::I32(i32::from_be_bytes(self.array()?)),
            Kind::I64 => Value::I64(i64::from_be_bytes(self.array()?)),
            Kind::Binary => Value::Binary(self.bytes()?),
            Kind::Struct => Value::Struct(self.fields(depth)?),
            Kind::Map => self.map(depth)?,
            Kind::Set => {
                let (kind, values) = self.list(depth)?;
                Value::Set(kind, values)
            }
            Kind::List => {
                let (kind, values) = self.list(depth)?;
                Value::List(kind, values)
            }
        })
    }

    fn map(&mut self, depth: u32) -> IoResult<Value> {
        let codes: [u8; 2] = self.array()?;
        let count = self.length()?;
        if count == 0 {
            // the types of an empty map may be left out
            let [key, value] = codes.map(|c| Kind::of_code(c).unwrap_or(Kind::Binary));
            return Ok(Value::Map(key, value, Vec::new()));
        }
        let [Some(key), Some(value)] = codes.map(Kind::of_code) else {
            return Err(garbage(format!(
                "expected two types, found codes {codes:?}"
            )));
        };
        let mut pairs = Vec::with_capacity(count.min(ROOM_MAX));
        for _ in 0..count {
            pairs.push((self.value(key, depth + 1)?, self.value(value, depth + 1)?));
        }
        Ok(Value::Map(key, value, pairs))
    }

    fn list(&mut self, depth: u32) -> IoResult<(Kind, Vec<Value>)> {
        let kind = self.kind()?;
        let count = self.length()?;
        let mut values = Vec::with_capacity(count.min(ROOM_MAX));
        for _ in 0..count {
            values.push(self.value(kind, depth + 1)?);
        }
        Ok((kind, values))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::encode::encode_call;
    use super::*;

    fn all_kinds() -> Struct {
        let inner = Struct::default().with(7, Value::I16(-3));
        Struct::of([
            Value::Bool(true),
            Value::Byte(-1),
            Value::Double(2.5),
            Value::I16(300),
            Value::I32(-70_000),
            Value::I64(1 << 40),
            Value::text("grüße"),
            Value::structs(vec![inner.clone(), inner]),
            Value::text_map(&[("k".to_string(), "v".to_string())].into()),
            Value::Set(Kind::I32, vec![Value::I32(1)]),
            Value::texts(&[]),
        ])
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let bytes = encode_call("lock", 5, &all_kinds()).unwrap();
        let reply = decode_reply(bytes.as_slice()).unwrap();
        assert_eq!((reply.method.as_str(), reply.sequence), ("lock", 5));
        assert_eq!(reply.fields, all_kinds());
    }

    #[test]
    fn cut_and_flipped_messages_are_errors_and_end_soon() {
        let bytes = encode_call("get_table", 1, &all_kinds()).unwrap();
        for cut in 0..bytes.len() {
            assert!(decode_reply(&bytes[..cut]).is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            for flip in [0xffu8, 0x80, 0x01, 0x40] {
                let mut other = bytes.clone();
                other[at] ^= flip;
                // a value may have changed; what counts is that this returns
                drop(decode_reply(other.as_slice()));
            }
        }
    }

    #[test]
    fn other_protocols_are_told_from_thrift() {
        for bytes in [
            b"HTTP/1.1 400 Bad Request\r\n".as_slice(),
            b"\0\0\0\x10\x80\x01\0\x02",
            b"\x82\x21\x01",
        ] {
            assert!(decode_reply(bytes).is_err());
        }
    }

    #[test]
    fn endless_nesting_ends() {
        let mut bytes = encode_call("m", 1, &Struct::default()).unwrap();
        bytes.pop();
        bytes.extend([12, 0, 1].repeat(100_000));
        assert!(decode_reply(bytes.as_slice()).is_err());
    }
}
