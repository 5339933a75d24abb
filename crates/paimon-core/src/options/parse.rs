//! Texts of option values: booleans, integers, sizes and durations as Java Paimon reads them.
//!
//! Source: `OptionsUtils`, `MemorySize`, `TimeUtils`.

use crate::error::{Error, Result};

/// `true` or `false`, any case.
pub fn parse_bool(text: &str) -> Result<bool> {
    if text.trim().eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.trim().eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Error::invalid(format!(
            "expected true or false, found {text:?}"
        )))
    }
}

/// A decimal integer.
pub fn parse_i64(text: &str) -> Result<i64> {
    text.trim()
        .parse()
        .map_err(|_| Error::invalid(format!("expected an integer, found {text:?}")))
}

/// A size in bytes: `1024`, `64 kb`, `128mb`, `1 g`.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit.as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => {
            return Err(Error::invalid(format!(
                "expected a size such as `128 mb`, found {text:?}"
            )));
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| Error::invalid(format!("size {text:?} is too large")))
}

/// A duration in milliseconds: `500 ms`, `10 s`, `5min`, `1 h`, `1 d`; a bare number is milliseconds.
pub fn parse_duration_ms(text: &str) -> Result<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit.as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => {
            return Err(Error::invalid(format!(
                "expected a duration such as `10 s`, found {text:?}"
            )));
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| Error::invalid(format!("duration {text:?} is too large")))
}

fn split_unit(text: &str) -> Result<(u64, String)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits]
        .parse()
        .map_err(|_| Error::invalid(format!("expected a number and a unit, found {text:?}")))?;
    Ok((number, text[digits..].trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(parse_bytes("128 MB").unwrap(), 128 << 20);
        assert_eq!(parse_bytes("7").unwrap(), 7);
        assert_eq!(parse_duration_ms("2 min").unwrap(), 120_000);
        assert!(parse_bytes("-1").is_err());
        assert!(parse_bytes("1 parsec").is_err());
        assert!(parse_bytes("99999999999 tb").is_err());
        assert!(parse_bool("yes").is_err());
    }
}
