//! Formats of times such as `yyyyMMdd HH`: the numeric fields of Java's `DateTimeFormatter`.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::error::{Error, Result};

/// A format to read times with. Fields are numbers of fixed or free width, everything else stands for itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimePattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// A number of this many digits at least and at most.
    Number(Unit, usize, usize),
    Literal(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// Most digits of a field written as a single letter.
const DIGITS_MAX: usize = 19;

impl TimePattern {
    /// # Errors
    /// `Unsupported` for a letter that is no numeric field of a date or a time of day, or an optional section.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                quoted(&mut chars, &mut parts, text)?;
                continue;
            }
            if !c.is_ascii_alphabetic() && !"[]{}#".contains(c) {
                parts.push(Part::Literal(c));
                continue;
            }
            let mut width = 1;
            while chars.next_if_eq(&c).is_some() {
                width += 1;
            }
            parts.push(field(c, width).ok_or_else(|| {
                Error::unsupported(format!(
                    "a format of partition times may have the fields y, u, M, d, H, m, s and S, found {c:?} in {text:?}"
                ))
            })?);
        }
        Ok(Self { parts })
    }

    /// A time of day needs hours; without any it is midnight. `None` for a text that does not fit or has no whole date.
    pub(super) fn read(&self, text: &str) -> Option<NaiveDateTime> {
        let mut rest = text;
        let mut found = Found::default();
        for (i, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(c) => rest = rest.strip_prefix(*c)?,
                Part::Number(unit, least, most) => {
                    let run = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let free = run.checked_sub(self.reserved(i))?;
                    let width = free.min(*most);
                    if width < *least {
                        return None;
                    }
                    let (digits, after) = rest.split_at(width);
                    found.set(*unit, digits)?;
                    rest = after;
                }
            }
        }
        rest.is_empty().then(|| found.time()).flatten()
    }

    /// Digits that the fields of fixed width right after a field need.
    fn reserved(&self, at: usize) -> usize {
        let after = self.parts.iter().skip(at + 1);
        after
            .map_while(|part| match part {
                Part::Number(_, least, most) if least == most => Some(*least),
                _ => None,
            })
            .sum()
    }
}

fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    parts: &mut Vec<Part>,
    text: &str,
) -> Result<()> {
    if chars.next_if_eq(&'\'').is_some() {
        parts.push(Part::Literal('\''));
        return Ok(());
    }
    loop {
        match chars.next() {
            Some('\'') if chars.next_if_eq(&'\'').is_none() => return Ok(()),
            Some(c) => parts.push(Part::Literal(c)),
            None => {
                return Err(Error::invalid(format!(
                    "expected a closing quote in the format {text:?}"
                )));
            }
        }
    }
}

fn field(letter: char, width: usize) -> Option<Part> {
    let unit = match letter {
        'y' | 'u' if width <= 4 && width != 3 => Unit::Year,
        'M' if width <= 2 => Unit::Month,
        'd' if width <= 2 => Unit::Day,
        'H' if width <= 2 => Unit::Hour,
        'm' if width <= 2 => Unit::Minute,
        's' if width <= 2 => Unit::Second,
        'S' if width <= 9 => Unit::Fraction,
        _ => return None,
    };
    Some(match (unit, width) {
        (Unit::Fraction, _) => Part::Number(unit, width, width),
        (_, 1) => Part::Number(unit, 1, DIGITS_MAX),
        _ => Part::Number(unit, width, width),
    })
}

#[derive(Debug, Default)]
struct Found {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    nanos: Option<u32>,
}

impl Found {
    fn set(&mut self, unit: Unit, digits: &str) -> Option<()> {
        let small = || digits.parse::<u32>().ok();
        match unit {
            Unit::Year => {
                let year: i32 = digits.parse().ok()?;
                // two digits are years from 2000 on
                self.year = Some(if digits.len() == 2 { 2000 + year } else { year });
            }
            Unit::Month => self.month = Some(small()?),
            Unit::Day => self.day = Some(small()?),
            Unit::Hour => self.hour = Some(small()?),
            Unit::Minute => self.minute = Some(small()?),
            Unit::Second => self.second = Some(small()?),
            Unit::Fraction => self.nanos = Some(format!("{digits:0<9}").parse().ok()?),
        }
        Some(())
    }

    fn time(&self) -> Option<NaiveDateTime> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        if !(1..=31).contains(&day) {
            return None;
        }
        // the 31st of a shorter month is its last day
        let date = (0..4)
            .find_map(|less| NaiveDate::from_ymd_opt(year, month, day - less.min(day - 1)))?;
        let (minute, second, nanos) = (self.minute, self.second, self.nanos);
        let gap = (minute.is_none() && (second.is_some() || nanos.is_some()))
            || (second.is_none() && nanos.is_some());
        let clock = match self.hour {
            Some(hour) if !gap => NaiveTime::from_hms_nano_opt(
                hour,
                minute.unwrap_or(0),
                second.unwrap_or(0),
                nanos.unwrap_or(0),
            )?,
            _ => NaiveTime::MIN,
        };
        Some(date.and_time(clock))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::error::ErrorKind;

    fn read(pattern: &str, text: &str) -> Option<String> {
        let pattern = TimePattern::parse(pattern).unwrap();
        let time = pattern.read(text)?;
        Some(time.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
    }

    #[test]
    fn numbers_of_fixed_and_free_width() {
        for (pattern, text, expected) in [
            ("yyyyMMdd", "20240131", "2024-01-31 00:00:00.000"),
            ("yyyyMMddHH", "2024013107", "2024-01-31 07:00:00.000"),
            (
                "yyyyMMddHHmmssSSS",
                "20240131070809123",
                "2024-01-31 07:08:09.123",
            ),
            ("yyyy-M-d", "2024-1-3", "2024-01-03 00:00:00.000"),
            ("yyyy-M-d", "2024-11-13", "2024-11-13 00:00:00.000"),
            ("dd/MM/yy", "31/01/24", "2024-01-31 00:00:00.000"),
            (
                "yyyy-MM-dd'T'HH:mm",
                "2024-01-31T07:08",
                "2024-01-31 07:08:00.000",
            ),
            ("yMMdd", "20240131", "2024-01-31 00:00:00.000"),
            ("yyyyMMdd", "20230231", "2023-02-28 00:00:00.000"),
            (
                "'it''s' yyyy-MM-dd",
                "it's 2024-01-31",
                "2024-01-31 00:00:00.000",
            ),
        ] {
            assert_eq!(
                read(pattern, text).as_deref(),
                Some(expected),
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn texts_that_do_not_fit_are_no_times() {
        for (pattern, text) in [
            ("yyyyMMdd", "2024013"),
            ("yyyyMMdd", "202401311"),
            ("yyyyMMdd", "20241301"),
            ("yyyyMMdd", "20240100"),
            ("yyyyMM", "202401"),
            ("yyyyMMdd HH", "20240131 24"),
            ("yyyyMMdd", "2024-1-1"),
            ("yyyyMMdd", ""),
        ] {
            assert_eq!(read(pattern, text), None, "{pattern} {text}");
        }
    }

    #[test]
    fn other_fields_are_refused() {
        for pattern in [
            "MMM d yyyy",
            "yyyy-MM-dd hh a",
            "yyyy-MM-dd[ HH]",
            "yyyy-DDD",
        ] {
            let error = TimePattern::parse(pattern).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{pattern}");
        }
        assert!(TimePattern::parse("yyyy'T").is_err());
    }
}
