//! Decimal arithmetic of casts: rescaling HALF_UP and parsing decimal text.
//!
//! Source: `org.apache.paimon.data.Decimal.fromBigDecimal` (too many digits give NULL, never an error).

/// Digits a DECIMAL can hold at most.
const MAX_PRECISION: u32 = 38;

/// `unscaled / 10^from_scale` rounded HALF_UP to `scale` digits after the point; `None` when the result has more
/// than `precision` digits.
pub(super) fn rescale(unscaled: i128, from_scale: u8, precision: u8, scale: u8) -> Option<i128> {
    let result = if scale >= from_scale {
        let factor = 10i128.checked_pow(u32::from(scale - from_scale))?;
        unscaled.checked_mul(factor)?
    } else {
        match 10i128.checked_pow(u32::from(from_scale - scale)) {
            Some(divisor) => divide_half_up(unscaled, divisor),
            None => 0,
        }
    };
    fits(result, precision).then_some(result)
}

/// `unscaled / 10^scale` without its fraction.
pub(super) fn integral_part(unscaled: i128, scale: u8) -> i128 {
    match 10i128.checked_pow(u32::from(scale)) {
        Some(divisor) => unscaled / divisor,
        None => 0,
    }
}

/// Whether `unscaled` has at most `precision` digits.
pub(super) fn fits(unscaled: i128, precision: u8) -> bool {
    let digits = u32::from(precision).min(MAX_PRECISION);
    10u128
        .checked_pow(digits)
        .is_none_or(|bound| unscaled.unsigned_abs() < bound)
}

fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    let remainder = (value % divisor).unsigned_abs();
    if remainder >= divisor.unsigned_abs().div_ceil(2) {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// Text is not a decimal number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotADecimal;

/// Reads `[+-]digits[.digits][e[+-]digits]` as `java.math.BigDecimal` does and rounds it HALF_UP to `scale`;
/// `Ok(None)` when the result has more than `precision` digits.
pub(super) fn parse(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, NotADecimal> {
    let number = Digits::split(text)?;
    Ok(number.round(precision, scale))
}

/// A decimal number as text: sign, digits without the point, and where the point stands.
struct Digits<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Digits<'a> {
    fn split(text: &'a str) -> Result<Self, NotADecimal> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (mantissa, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&rest[..at], parse_exponent(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let (integer, fraction) = match mantissa.iter().position(|b| *b == b'.') {
            Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
            None => (mantissa, &mantissa[..0]),
        };
        let all_digits = integer.iter().chain(fraction).all(u8::is_ascii_digit);
        if !all_digits || integer.len() + fraction.len() == 0 {
            return Err(NotADecimal);
        }
        Ok(Self {
            negative,
            integer,
            fraction,
            exponent,
        })
    }

    fn round(&self, precision: u8, scale: u8) -> Option<i128> {
        let mut digits = self.integer.iter().chain(self.fraction);
        let leading_zeros = digits.clone().take_while(|d| **d == b'0').count();
        let total = self.integer.len() + self.fraction.len();
        if leading_zeros == total {
            return Some(0);
        }
        // how many of the digits stand before the rounding position
        let point = i64::try_from(self.integer.len()).ok()? + self.exponent;
        let keep = point.checked_add(i64::from(scale))?;
        if keep < 0 {
            return Some(0);
        }
        let keep = usize::try_from(keep).ok()?;
        if keep.saturating_sub(leading_zeros) > MAX_PRECISION as usize + 1 {
            return None;
        }
        let mut value = 0i128;
        for _ in 0..keep {
            let digit = digits.next().map_or(0, |d| i128::from(d - b'0'));
            value = value.checked_mul(10)?.checked_add(digit)?;
        }
        if digits.next().is_some_and(|d| *d >= b'5') {
            value = value.checked_add(1)?;
        }
        let value = if self.negative { -value } else { value };
        fits(value, precision).then_some(value)
    }
}

fn parse_exponent(text: &[u8]) -> Result<i64, NotADecimal> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    // BigDecimal refuses exponents of more than ten digits
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NotADecimal);
    }
    let value = digits
        .iter()
        .fold(0i64, |acc, d| acc * 10 + i64::from(d - b'0'));
    if value > i64::from(i32::MAX) {
        return Err(NotADecimal);
    }
    Ok(if negative { -value } else { value })
}

/// Decimal text with all `scale` digits, never an exponent.
pub(super) fn write(unscaled: i128, scale: u8, out: &mut String) {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if unscaled < 0 {
        out.push('-');
    }
    if digits.len() > scale {
        out.push_str(&digits[..digits.len() - scale]);
    } else {
        out.push('0');
    }
    if scale > 0 {
        out.push('.');
        for _ in digits.len()..scale {
            out.push('0');
        }
        out.push_str(&digits[digits.len().saturating_sub(scale)..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescale_rounds_half_away_from_zero_and_drops_what_is_too_wide() {
        assert_eq!(rescale(12345, 3, 12, 1), Some(123));
        assert_eq!(rescale(12350, 3, 12, 1), Some(124));
        assert_eq!(rescale(-12350, 3, 12, 1), Some(-124));
        assert_eq!(rescale(4, 1, 1, 0), Some(0));
        assert_eq!(rescale(5, 1, 1, 0), Some(1));
        assert_eq!(rescale(995, 1, 2, 0), None);
        assert_eq!(rescale(i128::MAX, 0, 38, 38), None);
        assert_eq!(rescale(7, 38, 38, 0), Some(0));
    }

    #[test]
    fn parse_accepts_what_big_decimal_accepts() {
        assert_eq!(parse("1.", 5, 2), Ok(Some(100)));
        assert_eq!(parse(".5", 5, 2), Ok(Some(50)));
        assert_eq!(parse("+1.005", 5, 2), Ok(Some(101)));
        assert_eq!(parse("-1.005e1", 5, 2), Ok(Some(-1005)));
        assert_eq!(parse("1e-3", 5, 2), Ok(Some(0)));
        assert_eq!(parse("5e-3", 5, 2), Ok(Some(1)));
        assert_eq!(parse("1e2147483647", 38, 0), Ok(None));
        assert_eq!(parse("0e2147483647", 38, 0), Ok(Some(0)));
        assert_eq!(parse("1e-2147483647", 38, 0), Ok(Some(0)));
        assert_eq!(parse(&"9".repeat(39), 38, 0), Ok(None));
        assert_eq!(parse(&"9".repeat(38), 38, 0), Ok(Some(10i128.pow(38) - 1)));
        for bad in [
            "",
            "-",
            ".",
            "e1",
            "1e",
            " 1",
            "1 ",
            "NaN",
            "1e99999999999",
            "0x1",
            "1.2.3",
        ] {
            assert_eq!(parse(bad, 5, 2), Err(NotADecimal), "{bad}");
        }
    }

    #[test]
    fn write_keeps_all_scale_digits() {
        let text = |v, s| {
            let mut out = String::new();
            write(v, s, &mut out);
            out
        };
        assert_eq!(text(-1, 5), "-0.00001");
        assert_eq!(text(0, 2), "0.00");
        assert_eq!(text(12345, 0), "12345");
        assert_eq!(text(12345, 2), "123.45");
        assert_eq!(text(99999, 5), "0.99999");
    }
}
