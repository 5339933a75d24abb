//! Sizes such as `256m`.

/// Bytes of a size: a number with an optional unit b, k, m, g or t (powers of 1024; `kb`, `kib` mean the same).
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let expected = || format!("a size such as 256m or 2g is expected, found {text:?}");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = lower.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(expected()),
    };
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(parse("256m"), Ok(256 << 20));
        assert_eq!(parse("2 GB"), Ok(2 << 30));
        assert_eq!(parse("17"), Ok(17));
        for bad in ["", "m", "0", "-1", "1x", "99999999999t"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
