//! Text of FLOAT and DOUBLE as `java.lang.Float` and `Double` print and parse it.
//!
//! Printing follows Java 18 and earlier, which Paimon runs on: the shortest digits that read back to the same value, at
//! least two of them, but whole numbers keep every digit that their bits distinguish (`FloatingDecimal.dtoa`). Names of
//! partition folders depend on it. (Of the fractions, old Java prints more digits for a few values, which is not copied.)

use std::str::FromStr;

/// Writes a DOUBLE as `Double.toString`: `1.0`, `1.0E10`, `4.9E-324`, `NaN`, `-Infinity`.
pub fn write_double(value: f64, out: &mut String) {
    write_float_text(
        value.is_sign_negative(),
        value.abs(),
        out,
        f64::MANTISSA_DIGITS,
        |v| format!("{v:e}"),
        |v| format!("{v:.1e}"),
    );
}

/// Writes a FLOAT as `Float.toString`.
pub fn write_float(value: f32, out: &mut String) {
    write_float_text(
        value.is_sign_negative(),
        value.abs(),
        out,
        f32::MANTISSA_DIGITS,
        |v| format!("{v:e}"),
        |v| format!("{v:.1e}"),
    );
}

fn write_float_text<T>(
    negative: bool,
    magnitude: T,
    out: &mut String,
    significant_bits: u32,
    shortest: impl Fn(T) -> String,
    two_digits: impl Fn(T) -> String,
) where
    T: Copy + PartialEq + FromStr + Into<f64>,
{
    let wide: f64 = magnitude.into();
    if wide.is_nan() {
        out.push_str("NaN");
        return;
    }
    if negative {
        out.push('-');
    }
    if wide.is_infinite() {
        out.push_str("Infinity");
    } else if wide == 0.0 {
        out.push_str("0.0");
    } else if let Some(text) = whole_number(wide, significant_bits) {
        lay_out(&text, out);
    } else {
        let mut text = shortest(magnitude);
        // a one-digit result gives way to the closest two-digit one: 4.9E-324, not 5.0E-324
        if !text.contains('.') {
            let longer = two_digits(magnitude);
            if longer.parse::<T>().is_ok_and(|v| v == magnitude) {
                text = longer;
            }
        }
        lay_out(&text, out);
    }
}

/// The digits of a whole number that does not fit in its significant bits, rounded where they say nothing; `None` for
/// other numbers.
fn whole_number(magnitude: f64, significant_bits: u32) -> Option<String> {
    if magnitude.fract() != 0.0 {
        return None;
    }
    let value: u64 = format!("{magnitude:.0}").parse().ok()?;
    let exponent = value.checked_ilog2().filter(|e| *e < 63)?;
    let unused_bits = exponent.checked_sub(significant_bits + 1)?;
    // decimal digits of 2^unused_bits but one
    let unused = match unused_bits {
        0 | 1 => 0,
        bits => (1_u64 << bits).ilog10(),
    };
    let unit = 10_u64.pow(unused);
    let rounded = value / unit + u64::from(unused > 0 && value % unit >= unit / 2);
    let digits = rounded.to_string();
    let exponent = digits.len() - 1 + usize::try_from(unused).ok()?;
    let (first, rest) = digits.split_at(1);
    Some(format!("{first}.{rest}e{exponent}"))
}

/// Turns `d[.ddd]e<exp>` into Java's layout: plain digits for 1e-3 <= v < 1e7, else `d.dddE<exp>`.
fn lay_out(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if (-3..7).contains(&exponent) {
        let significant = digits.trim_end_matches('0').len().max(1);
        digits.truncate(significant);
        lay_out_plain(&digits, exponent, out);
        return;
    }
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    out.push_str(first);
    out.push('.');
    out.push_str(if rest.is_empty() { "0" } else { rest });
    out.push('E');
    out.push_str(&exponent.to_string());
}

fn lay_out_plain(digits: &str, exponent: i32, out: &mut String) {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n(
            '0',
            exponent.unsigned_abs() as usize - 1,
        ));
        out.push_str(digits);
        return;
    };
    if whole == 0 {
        out.push_str("0.");
        out.push_str(digits);
    } else if digits.len() <= whole {
        out.push_str(digits);
        out.extend(std::iter::repeat_n('0', whole - digits.len()));
        out.push_str(".0");
    } else {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    }
}

/// Reads what `Double.parseDouble` and `Float.parseFloat` read, except hexadecimal floating-point text; `None` when
/// malformed. Too large is infinite, too small is zero.
pub(crate) fn parse<T: FromStr>(text: &str) -> Option<T> {
    let trimmed = text.trim_matches(|c: char| c <= ' ');
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if matches!(unsigned, "NaN" | "Infinity") {
        return trimmed.parse().ok();
    }
    let number = trimmed
        .strip_suffix(['f', 'F', 'd', 'D'])
        .unwrap_or(trimmed);
    let plain = number
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !plain {
        return None;
    }
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn double(v: f64) -> String {
        let mut out = String::new();
        write_double(v, &mut out);
        out
    }

    fn float(v: f32) -> String {
        let mut out = String::new();
        write_float(v, &mut out);
        out
    }

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1234567.0, "1234567.0"),
            (9999999.999, "9999999.999"),
            (1e7, "1.0E7"),
            (1.2345678e10, "1.2345678E10"),
            (0.001, "0.001"),
            (0.0123, "0.0123"),
            (0.5, "0.5"),
            (0.00099, "9.9E-4"),
            (1e23, "1.0E23"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn floats_print_as_in_java() {
        for (value, text) in [
            (1.1f32, "1.1"),
            (f32::MAX, "3.4028235E38"),
            (f32::from_bits(1), "1.4E-45"),
            (16777216.0, "1.6777216E7"),
            // as Java 17 names partition folders
            (5.621077e8, "5.6210771E8"),
            (-3.6450166e9, "-3.64501658E9"),
            (4.320545e9, "4.3205448E9"),
            (9.208902e9, "9.2089016E9"),
            (1e10, "1.0E10"),
            (-0.1, "-0.1"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn parse_takes_java_spellings_only() {
        assert_eq!(parse::<f64>(" 1.5 "), Some(1.5));
        assert_eq!(parse::<f64>("1.5f"), Some(1.5));
        assert_eq!(parse::<f64>("1e5D"), Some(1e5));
        assert_eq!(parse::<f64>(".5"), Some(0.5));
        assert_eq!(parse::<f64>("5."), Some(5.0));
        assert_eq!(parse::<f64>("1e400"), Some(f64::INFINITY));
        assert_eq!(parse::<f64>("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(parse::<f32>("NaN").unwrap().is_nan());
        for bad in [
            "", " ", "inf", "nan", "infinity", "1.5x", "1,5", "NaNf", "--1", "f", "1e",
        ] {
            assert_eq!(parse::<f64>(bad), None, "{bad}");
        }
    }
}
