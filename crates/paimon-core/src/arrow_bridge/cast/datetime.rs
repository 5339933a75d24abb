//! Calendar arithmetic and the text forms of DATE, TIME and TIMESTAMP.
//!
//! Source: `org.apache.paimon.utils.DateTimeUtils` (proleptic Gregorian calendar; no time zones).

/// Milliseconds of a day.
pub(super) const MILLIS_PER_DAY: i64 = 86_400_000;

/// Year, month and day of an epoch day.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // years begin in March here, so that the leap day is the last of a year
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Epoch day of a year, month (1..=12) and day.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `yyyy-MM-dd` of an epoch day; only the last four digits of the year, as Java prints it.
pub(super) fn write_date(days: i64, out: &mut String) {
    let (year, month, day) = civil_from_days(days);
    push_digits(year, 4, out);
    out.push('-');
    push_digits(month, 2, out);
    out.push('-');
    push_digits(day, 2, out);
}

/// `HH:mm:ss` of milliseconds of the day, then for a precision above 0 as many fraction digits, but no trailing
/// zeros except one.
pub(super) fn write_time(millis: i32, precision: u8, out: &mut String) {
    let mut millis = i64::from(millis);
    if millis < 0 {
        millis = millis.rem_euclid(MILLIS_PER_DAY);
    }
    write_clock(millis / 1000, out);
    let mut rest = millis % 1000;
    if precision > 0 {
        out.push('.');
        for _ in 0..precision {
            push_digits(rest / 100, 1, out);
            rest = rest % 100 * 10;
            if rest == 0 {
                break;
            }
        }
    }
}

/// `yyyy-MM-dd HH:mm:ss[.fraction]` with at least `precision` fraction digits, more where they are not zero.
pub(super) fn write_timestamp(millis: i64, nanos: i32, precision: u8, out: &mut String) {
    let (days, millis_of_day) = (
        millis.div_euclid(MILLIS_PER_DAY),
        millis.rem_euclid(MILLIS_PER_DAY),
    );
    write_date(days, out);
    out.push(' ');
    write_clock(millis_of_day / 1000, out);
    let fraction = millis_of_day % 1000 * 1_000_000 + i64::from(nanos);
    let mut digits = format!("{fraction:09}");
    while digits.len() > usize::from(precision) && digits.ends_with('0') {
        digits.pop();
    }
    if !digits.is_empty() {
        out.push('.');
        out.push_str(&digits);
    }
}

fn write_clock(seconds: i64, out: &mut String) {
    push_digits(seconds / 3600, 2, out);
    out.push(':');
    push_digits(seconds / 60 % 60, 2, out);
    out.push(':');
    push_digits(seconds % 60, 2, out);
}

/// The last `count` decimal digits of `value`.
fn push_digits(value: i64, count: u32, out: &mut String) {
    for place in (0..count).rev() {
        let digit = (value / 10i64.pow(place) % 10).unsigned_abs();
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

/// Whether the text is an optional minus sign and digits.
pub(super) fn is_numeric(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Epoch day of `y[-m[-d]]`; what follows the first space is ignored. `None` when malformed.
pub(super) fn parse_date(text: &str) -> Option<i32> {
    let text = match text.find(' ') {
        Some(at) if at > 0 => &text[..at],
        _ => text,
    };
    let mut parts = text.splitn(3, '-');
    let year = parse_int(parts.next()?)?;
    let month = parts.next().map_or(Some(1), parse_int)?;
    let day = parts.next().map_or(Some(1), parse_int)?;
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let valid = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day);
    if !valid {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Milliseconds of `h[:m[:s[.fraction]]][(+|-)h[:m]]`; hours and minutes of the offset are added with its sign, no
/// range is checked (as in Java). `None` when malformed.
pub(super) fn parse_time(text: &str) -> Option<i32> {
    let (clock, offset_hour, offset_minute) = split_offset(text)?;
    let colon = text.find(':');
    let (hour, minute, second, milli) = match colon {
        None => (parse_int(clock)?, 0, 0, 0),
        Some(first) => {
            let hour = parse_int(text.get(..first)?)?;
            match find_from(text, ':', first + 1) {
                None => (hour, parse_int(clock.get(first + 1..)?)?, 0, 0),
                Some(second) => {
                    let minute = parse_int(text.get(first + 1..second)?)?;
                    let (second, milli) = parse_second(clock, text, second + 1)?;
                    (hour, minute, second, milli)
                }
            }
        }
    };
    let hours = hour.wrapping_add(offset_hour).wrapping_mul(3_600_000);
    let minutes = minute.wrapping_add(offset_minute).wrapping_mul(60_000);
    Some(
        hours
            .wrapping_add(minutes)
            .wrapping_add(second.wrapping_mul(1000))
            .wrapping_add(milli),
    )
}

/// The text before the offset and the signed offset.
fn split_offset(text: &str) -> Option<(&str, i32, i32)> {
    let (at, sign) = match (text.find('-'), text.find('+')) {
        (Some(at), _) => (at, -1),
        (None, Some(at)) => (at, 1),
        (None, None) => return Some((text, 0, 0)),
    };
    let offset = text.get(at + 1..)?;
    let (hour, minute) = match offset.split_once(':') {
        None => (parse_int(offset)?, 0),
        Some((hour, minute)) => (parse_int(hour)?, parse_int(minute)?),
    };
    Some((text.get(..at)?, sign * hour, sign * minute))
}

fn parse_second(clock: &str, text: &str, from: usize) -> Option<(i32, i32)> {
    match find_from(text, '.', from) {
        None => Some((parse_int(clock.get(from..)?)?, 0)),
        Some(dot) => Some((
            parse_int(text.get(from..dot)?)?,
            parse_millis(clock.get(dot + 1..)?.trim()),
        )),
    }
}

fn find_from(text: &str, what: char, from: usize) -> Option<usize> {
    text.get(from..)?.find(what).map(|at| at + from)
}

/// Three fraction digits, rounded by the fourth; anything but a digit counts as 0.
fn parse_millis(fraction: &str) -> i32 {
    let mut chars = fraction.chars();
    let mut millis = 0;
    for multiplier in [100, 10, 1] {
        match chars.next() {
            Some(c) => {
                millis += multiplier * c.to_digit(10).map_or(0, |d| i32::try_from(d).unwrap_or(0))
            }
            None => return millis,
        }
    }
    if chars.next().is_some_and(|c| c >= '5') {
        millis += 1;
    }
    millis
}

/// Digits only, spaces around them allowed.
fn parse_int(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Epoch milliseconds and nanoseconds within the millisecond of `y-M-d[ H:m:s[.f]]` or `y-M-dTH:m[:s[.f]]`, the
/// fraction cut to `precision` digits. `None` when malformed.
///
/// As Java's smart resolver: the 31st of a 30-day month (and any day above the end of February) is its last day,
/// 24:00:00 is midnight of the next day.
pub(super) fn parse_timestamp(text: &str, precision: u8) -> Option<(i64, i32)> {
    let mut cursor = Cursor { rest: text };
    let (year, month, day) = cursor.date()?;
    let (hour, minute, second, nano) = cursor.clock()?;
    if !cursor.rest.is_empty() {
        return None;
    }
    let day = day.min(days_in_month(year, month));
    let mut days = days_from_civil(year, month, day);
    let mut hour = hour;
    if hour == 24 {
        if (minute, second, nano) != (0, 0, 0) {
            return None;
        }
        hour = 0;
        days += 1;
    }
    let unit = 10i64.pow(9 - u32::from(precision.min(9)));
    let nano = nano / unit * unit;
    let seconds = hour * 3600 + minute * 60 + second;
    let millis = days * MILLIS_PER_DAY + seconds * 1000 + nano / 1_000_000;
    Some((millis, i32::try_from(nano % 1_000_000).ok()?))
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn date(&mut self) -> Option<(i64, i64, i64)> {
        let signed = self.eat('+');
        let (year, digits) = self.number(9)?;
        // five and more digits need the sign, four must not have it
        if digits < 4 || signed != (digits > 4) || year == 0 {
            return None;
        }
        self.need('-')?;
        let month = self.two_digits(1, 12)?;
        self.need('-')?;
        let day = self.two_digits(1, 31)?;
        Some((year, month, day))
    }

    fn clock(&mut self) -> Option<(i64, i64, i64, i64)> {
        let seconds_optional = self.eat('T');
        if !seconds_optional && !self.eat(' ') {
            return Some((0, 0, 0, 0));
        }
        let hour = self.two_digits(0, 24)?;
        self.need(':')?;
        let minute = self.two_digits(0, 59)?;
        if !self.eat(':') {
            return seconds_optional.then_some((hour, minute, 0, 0));
        }
        let second = self.two_digits(0, 59)?;
        let nano = if self.eat('.') { self.fraction()? } else { 0 };
        Some((hour, minute, second, nano))
    }

    fn fraction(&mut self) -> Option<i64> {
        if !self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(0);
        }
        let (value, digits) = self.number(9)?;
        Some(value * 10i64.pow(9 - digits))
    }

    fn two_digits(&mut self, min: i64, max: i64) -> Option<i64> {
        let (value, _) = self.number(2)?;
        (min..=max).contains(&value).then_some(value)
    }

    /// Up to `max` digits: the value and how many they are.
    fn number(&mut self, max: usize) -> Option<(i64, u32)> {
        let digits = self
            .rest
            .bytes()
            .take(max)
            .take_while(u8::is_ascii_digit)
            .count();
        let (text, rest) = self.rest.split_at_checked(digits)?;
        let value = text.parse().ok()?;
        self.rest = rest;
        Some((value, u32::try_from(digits).ok()?))
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, c: char) -> Option<()> {
        self.eat(c).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timestamp(millis: i64, nanos: i32, precision: u8) -> String {
        let mut out = String::new();
        write_timestamp(millis, nanos, precision, &mut out);
        out
    }

    #[test]
    fn calendar_round_trips() {
        for days in (-800_000..3_000_000).step_by(97) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
            assert!((1..=days_in_month(y, m)).contains(&d));
        }
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
        assert_eq!(civil_from_days(19_782), (2024, 2, 29));
        assert_eq!(days_from_civil(1, 1, 1), -719_162);
    }

    #[test]
    fn timestamps_print_at_least_their_precision() {
        assert_eq!(
            timestamp(1_704_164_645_678, 0, 3),
            "2024-01-02 03:04:05.678"
        );
        assert_eq!(timestamp(0, 0, 3), "1970-01-01 00:00:00.000");
        assert_eq!(timestamp(0, 0, 0), "1970-01-01 00:00:00");
        assert_eq!(timestamp(-1, 999_999, 3), "1969-12-31 23:59:59.999999999");
        assert_eq!(timestamp(-1, 500_000, 3), "1969-12-31 23:59:59.9995");
    }

    #[test]
    fn times_print_without_trailing_zeros() {
        let time = |v, p| {
            let mut out = String::new();
            write_time(v, p, &mut out);
            out
        };
        assert_eq!(time(3_723_004, 3), "01:02:03.004");
        assert_eq!(time(3_723_500, 3), "01:02:03.5");
        assert_eq!(time(3_723_000, 3), "01:02:03.0");
        assert_eq!(time(3_723_999, 0), "01:02:03");
        assert_eq!(time(3_723_129, 2), "01:02:03.12");
        assert_eq!(time(-1, 3), "23:59:59.999");
    }

    #[test]
    fn dates_parse_leniently_in_shape_and_strictly_in_range() {
        assert_eq!(parse_date("2024-05-06"), Some(19_849));
        assert_eq!(parse_date("2024-05-06 10:00:00"), Some(19_849));
        assert_eq!(parse_date("2024-5"), Some(19_844));
        assert_eq!(parse_date("0000-1-1"), Some(-719_528));
        for bad in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "x",
            "2024-01-02T00:00",
            "-2024-01-01",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_parse_with_offsets() {
        assert_eq!(parse_time("01:02:03.004"), Some(3_723_004));
        assert_eq!(parse_time("01:02:03.0045"), Some(3_723_005));
        assert_eq!(parse_time("01:02"), Some(3_720_000));
        assert_eq!(parse_time("10:00:00+01:00"), Some(39_600_000));
        assert_eq!(parse_time("10:00:00-01"), Some(32_400_000));
        for bad in ["", "a", "1:b", "1:2:c", "1:2:3+x"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn timestamps_parse_both_separators() {
        assert_eq!(
            parse_timestamp("2024-01-02 03:04:05.6789", 3),
            Some((1_704_164_645_678, 0))
        );
        assert_eq!(
            parse_timestamp("2024-01-02T03:04:05.123456789", 9),
            Some((1_704_164_645_123, 456_789))
        );
        assert_eq!(
            parse_timestamp("2024-1-2T3:4", 6),
            Some((1_704_164_640_000, 0))
        );
        assert_eq!(
            parse_timestamp("2024-02-31", 6),
            parse_timestamp("2024-02-29", 6)
        );
        assert_eq!(
            parse_timestamp("2024-01-01 24:00:00", 6),
            parse_timestamp("2024-01-02", 6)
        );
        for bad in [
            "2024-01-01 10:00",
            "24-01-01",
            "2024-01-01 10:00:00Z",
            "",
            "2024-01-01 25:00:00",
        ] {
            assert_eq!(parse_timestamp(bad, 6), None, "{bad}");
        }
    }
}
