//! The Variant binary encoding as JSON text, as Java prints it.

/// JSON text of a variant value.
pub fn variant_to_json(value: &[u8], metadata: &[u8]) -> String {
    text(value, metadata).unwrap_or_else(|| format!("<bad variant {}>", hex::encode(value)))
}

fn uint(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let mut out = 0usize;
    for i in (0..width).rev() {
        out = (out << 8) | usize::from(*bytes.get(at + i)?);
    }
    Some(out)
}

fn key(metadata: &[u8], id: usize) -> Option<&str> {
    let header = *metadata.first()?;
    let width = usize::from(header >> 6) + 1;
    let count = uint(metadata, 1, width)?;
    let start = uint(metadata, 1 + width + id * width, width)?;
    let end = uint(metadata, 1 + width + (id + 1) * width, width)?;
    let base = 1 + width + (count + 1) * width;
    std::str::from_utf8(metadata.get(base + start..base + end)?).ok()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text(value: &[u8], metadata: &[u8]) -> Option<String> {
    let header = *value.first()?;
    let rest = header >> 2;
    match header & 3 {
        0 => primitive(rest, value.get(1..)?),
        1 => Some(quoted(
            std::str::from_utf8(value.get(1..1 + usize::from(rest))?).ok()?,
        )),
        2 => object(rest, value, metadata),
        _ => array(rest, value, metadata),
    }
}

fn object(rest: u8, value: &[u8], metadata: &[u8]) -> Option<String> {
    let offset_width = usize::from(rest & 3) + 1;
    let id_width = usize::from(rest >> 2 & 3) + 1;
    let count_width = if rest >> 4 & 1 == 1 { 4 } else { 1 };
    let count = uint(value, 1, count_width)?;
    let ids = 1 + count_width;
    let offsets = ids + count * id_width;
    let base = offsets + (count + 1) * offset_width;
    let mut parts = Vec::new();
    for i in 0..count {
        let name = key(metadata, uint(value, ids + i * id_width, id_width)?)?;
        let at = uint(value, offsets + i * offset_width, offset_width)?;
        parts.push(format!(
            "{}:{}",
            quoted(name),
            text(value.get(base + at..)?, metadata)?
        ));
    }
    Some(format!("{{{}}}", parts.join(",")))
}

fn array(rest: u8, value: &[u8], metadata: &[u8]) -> Option<String> {
    let offset_width = usize::from(rest & 3) + 1;
    let count_width = if rest >> 2 & 1 == 1 { 4 } else { 1 };
    let count = uint(value, 1, count_width)?;
    let offsets = 1 + count_width;
    let base = offsets + (count + 1) * offset_width;
    let mut parts = Vec::new();
    for i in 0..count {
        let at = uint(value, offsets + i * offset_width, offset_width)?;
        parts.push(text(value.get(base + at..)?, metadata)?);
    }
    Some(format!("[{}]", parts.join(",")))
}

fn primitive(kind: u8, data: &[u8]) -> Option<String> {
    let int = |n: usize| -> Option<i128> {
        let bytes = data.get(..n)?;
        let negative = bytes.last()? & 0x80 != 0;
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..n].copy_from_slice(bytes);
        Some(i128::from_le_bytes(wide))
    };
    let decimal = |n: usize| -> Option<String> {
        let scale = usize::from(*data.first()?);
        let bytes = data.get(1..1 + n)?;
        let negative = bytes.last()? & 0x80 != 0;
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..n].copy_from_slice(bytes);
        let unscaled = i128::from_le_bytes(wide);
        let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        // Java strips trailing zeros
        let fraction = fraction.trim_end_matches('0');
        let sign = if unscaled < 0 { "-" } else { "" };
        Some(if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        })
    };
    Some(match kind {
        0 => "null".into(),
        1 => "true".into(),
        2 => "false".into(),
        3 => int(1)?.to_string(),
        4 => int(2)?.to_string(),
        5 => int(4)?.to_string(),
        6 => int(8)?.to_string(),
        7 => {
            let v = f64::from_le_bytes(data.get(..8)?.try_into().ok()?);
            java_double(v)
        }
        8 => decimal(4)?,
        9 => decimal(8)?,
        10 => decimal(16)?,
        14 => {
            let v = f32::from_le_bytes(data.get(..4)?.try_into().ok()?);
            java_float(v)
        }
        16 => {
            let len = uint(data, 0, 4)?;
            quoted(std::str::from_utf8(data.get(4..4 + len)?).ok()?)
        }
        _ => return None,
    })
}

fn java_double(v: f64) -> String {
    use paimon_core::spec::{DataType, Datum, TypeKind, datum_to_text};
    datum_to_text(&Datum::Double(v), &DataType::nullable(TypeKind::Double))
}

fn java_float(v: f32) -> String {
    use paimon_core::spec::{DataType, Datum, TypeKind, datum_to_text};
    datum_to_text(&Datum::Float(v), &DataType::nullable(TypeKind::Float))
}
