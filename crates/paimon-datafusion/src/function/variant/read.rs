//! JSON text to variants.
//!
//! Numbers without a point that fit are integers of the least width, others DECIMAL up to 38 digits, else DOUBLE. A name may
//! be once in an object. Source: `GenericVariantBuilder.parseJson`.

use std::collections::HashSet;

use datafusion::error::{DataFusionError, Result};
use parquet_variant::{
    ObjectFieldBuilder, Variant, VariantBuilder, VariantBuilderExt, VariantDecimal4,
    VariantDecimal8, VariantDecimal16,
};

use super::Encoded;

/// Objects and arrays inside each other.
const DEPTH_MAX: usize = 250;
/// Digits of a decimal, before and behind the point.
const DIGITS_MAX: usize = 38;

/// The variant of a text.
///
/// # Errors
/// For a text that is no JSON, and a name that an object has twice.
pub(super) fn variant_of(text: &str) -> Result<Encoded> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let mut builder = VariantBuilder::new();
    reader.value(&mut builder)?;
    reader.blanks();
    match reader.at == text.len() {
        true => Ok(builder.finish()),
        false => Err(reader.expected("the end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, out: &mut impl VariantBuilderExt) -> Result<()> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.nested(|reader| reader.object(out)),
            Some(b'[') => self.nested(|reader| reader.array(out)),
            Some(b'"') => {
                let text = self.string()?;
                out.append_value(text.as_str());
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                out.append_value(number);
                Ok(())
            }
            _ => {
                let word = self.word()?;
                out.append_value(word);
                Ok(())
            }
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(self.expected(&format!("at most {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, out: &mut impl VariantBuilderExt) -> Result<()> {
        self.at += 1;
        let mut object = out.try_new_object()?;
        let mut names = HashSet::new();
        if !self.ends(b'}') {
            loop {
                self.blanks();
                let name = self.string()?;
                self.take(b':', "a colon")?;
                self.value(&mut ObjectFieldBuilder::new(&name, &mut object))?;
                if !names.insert(name) {
                    return Err(self.expected("another name than one before"));
                }
                if self.ends(b'}') {
                    break;
                }
                self.take(b',', "a comma or }")?;
            }
        }
        object.finish();
        Ok(())
    }

    fn array(&mut self, out: &mut impl VariantBuilderExt) -> Result<()> {
        self.at += 1;
        let mut list = out.try_new_list()?;
        if !self.ends(b']') {
            loop {
                self.value(&mut list)?;
                if self.ends(b']') {
                    break;
                }
                self.take(b',', "a comma or ]")?;
            }
        }
        list.finish();
        Ok(())
    }

    /// A text in quotes.
    fn string(&mut self) -> Result<String> {
        let rest = self.rest();
        let mut escaped = false;
        let close = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        });
        let end = close.map(|(end, _)| end + 1);
        let quoted = end.and_then(|end| rest.get(..end));
        let text = quoted.and_then(|quoted| serde_json::from_str(quoted).ok());
        match (text, end) {
            (Some(text), Some(end)) => {
                self.at += end;
                Ok(text)
            }
            _ => Err(self.expected("a text in quotes")),
        }
    }

    fn number(&mut self) -> Result<Variant<'static, 'static>> {
        let rest = self.rest();
        let is_part = |b: u8| b.is_ascii_digit() || b"+-.eE".contains(&b);
        let end = rest.bytes().position(|b| !is_part(b)).unwrap_or(rest.len());
        let (text, _) = rest.split_at(end);
        // JSON's grammar is stricter than that of Rust's numbers
        let double = serde_json::from_str::<serde_json::Number>(text);
        let double = match (double, text.parse::<f64>()) {
            (Ok(_), Ok(double)) => double,
            (Err(e), Ok(double)) if e.to_string().contains("out of range") => double,
            _ => return Err(self.expected("a number")),
        };
        self.at += end;
        let integer = text.parse().ok().map(integer);
        Ok(integer
            .or_else(|| decimal(text))
            .unwrap_or(Variant::Double(double)))
    }

    fn word(&mut self) -> Result<Variant<'static, 'static>> {
        for (word, variant) in [
            ("null", Variant::Null),
            ("true", Variant::BooleanTrue),
            ("false", Variant::BooleanFalse),
        ] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(variant);
            }
        }
        Err(self.expected("a value"))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Whether the bracket is next; takes it.
    fn ends(&mut self, bracket: u8) -> bool {
        self.blanks();
        let ends = self.peek() == Some(bracket);
        self.at += usize::from(ends);
        ends
    }

    fn take(&mut self, wanted: u8, what: &str) -> Result<()> {
        match self.ends(wanted) {
            true => Ok(()),
            false => Err(self.expected(what)),
        }
    }

    fn expected(&self, what: &str) -> DataFusionError {
        DataFusionError::Execution(format!(
            "expected {what} at byte {} of a JSON text of {} bytes",
            self.at,
            self.text.len()
        ))
    }
}

/// An integer of the least width.
fn integer(value: i64) -> Variant<'static, 'static> {
    if let Ok(value) = i8::try_from(value) {
        return Variant::Int8(value);
    }
    if let Ok(value) = i16::try_from(value) {
        return Variant::Int16(value);
    }
    match i32::try_from(value) {
        Ok(value) => Variant::Int32(value),
        Err(_) => Variant::Int64(value),
    }
}

/// A number without exponent, when a decimal has room for it.
fn decimal(text: &str) -> Option<Variant<'static, 'static>> {
    if text.contains(['e', 'E']) {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unscaled = format!("{whole}{fraction}").parse::<i128>().ok()?;
    let digits = match unscaled.unsigned_abs() {
        0 => 1,
        v => usize::try_from(v.ilog10()).ok()? + 1,
    };
    let widest = digits.max(fraction.len());
    let scale = u8::try_from(fraction.len()).ok()?;
    if widest > DIGITS_MAX {
        return None;
    }
    let narrow = i32::try_from(unscaled).ok();
    if let Some(decimal) = narrow.and_then(|v| VariantDecimal4::try_new(v, scale).ok()) {
        return Some(Variant::Decimal4(decimal));
    }
    let middle = i64::try_from(unscaled).ok();
    if let Some(decimal) = middle.and_then(|v| VariantDecimal8::try_new(v, scale).ok()) {
        return Some(Variant::Decimal8(decimal));
    }
    let wide = VariantDecimal16::try_new(unscaled, scale).ok()?;
    Some(Variant::Decimal16(wide))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::timezone::Tz;

    use super::super::print::json;
    use super::*;

    fn back(text: &str) -> String {
        let (metadata, value) = variant_of(text).unwrap();
        let zone: Tz = "UTC".parse().unwrap();
        json(&Variant::try_new(&metadata, &value).unwrap(), &zone)
    }

    #[test]
    fn texts_come_back() {
        for (text, wanted) in [
            ("null", "null"),
            (" [ ] ", "[]"),
            ("{}", "{}"),
            (
                r#"{"b":[1,{"x":null}],"a":"\u00e9\"é","c":true}"#,
                r#"{"a":"é\"é","b":[1,{"x":null}],"c":true}"#,
            ),
            (
                "[-128, 300, 70000, 5000000000]",
                "[-128,300,70000,5000000000]",
            ),
            ("[0.50, -1.25, 1e3, 1E-7]", "[0.5,-1.25,1000.0,1.0E-7]"),
            ("9223372036854775808", "9223372036854775808"),
            (&"9".repeat(39), "1.0E39"),
            ("-0", "0"),
        ] {
            assert_eq!(back(text), wanted, "{text}");
        }
    }

    #[test]
    fn numbers_have_the_types_that_java_gives_them() {
        let typed = |text: &str| {
            let (metadata, value) = variant_of(text).unwrap();
            let variant = Variant::try_new(&metadata, &value).unwrap();
            format!("{variant:?}")
                .split('(')
                .next()
                .unwrap()
                .to_string()
        };
        for (text, wanted) in [
            ("127", "Int8"),
            ("128", "Int16"),
            ("32768", "Int32"),
            ("2147483648", "Int64"),
            ("1.5", "Decimal4"),
            ("0.0000000001", "Decimal8"),
            ("12345678901234567890", "Decimal16"),
            ("1.5e0", "Double"),
        ] {
            assert_eq!(typed(text), wanted, "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            " ",
            "nul",
            "{",
            "[1",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "--1",
            "1e",
            "\"a",
            "\"\\x\"",
            "1 2",
            "[1]]",
            "{\"a\":1,}",
            "{\"a\":1,\"a\":2}",
            "NaN",
            "\"\n\"",
        ] {
            assert!(variant_of(text).is_err(), "{text}");
        }
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(variant_of(&deep(DEPTH_MAX)).is_ok());
        assert!(variant_of(&deep(DEPTH_MAX + 1)).is_err());
    }
}
