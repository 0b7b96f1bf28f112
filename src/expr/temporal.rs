//! Dates and timestamps in their ISO forms, and the calendar.

const SECOND: i64 = 1_000_000;
/// A day in microseconds.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// Days since 1970-01-01 of `2021-03-31`: four digits, two, two.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text else { return None };
    let year = two(*a, *b)? * 100 + two(*c, *d)?;
    days(year, two(*e, *f)?, two(*g, *h)?)
}

/// Microseconds since 1970-01-01 00:00 of `2021-03-31`, `2021-03-31 12:30`, `2021-03-31T12:30:59.123456`, with `Z` or an
/// offset (`+02:00`, `-0530`) behind or without. A time with an offset is converted to UTC; finer fractions are declined.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = i64::from(parse_date(date)?) * DAY;
    let [b' ' | b'T' | b't', h1, h2, b':', m1, m2, rest @ ..] = rest else {
        return rest.is_empty().then_some(midnight);
    };
    let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
    let (mut second, mut micros, mut rest) = (0, 0, rest);
    if let [b':', s1, s2, more @ ..] = rest {
        (second, rest) = (two(*s1, *s2)?, more);
        if let [b'.', more @ ..] = rest {
            let digits = more.iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=6).contains(&digits) {
                return None;
            }
            micros = more[..digits].iter().fold(0, |v, b| v * 10 + i64::from(b - b'0')) * 10i64.pow(6 - digits as u32);
            rest = &more[digits..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = match rest {
        [] | [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), zone @ ..] => {
            let (h, m) = match zone {
                [h1, h2] => (two(*h1, *h2)?, 0),
                [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two(*h1, *h2)?, two(*m1, *m2)?),
                _ => return None,
            };
            if h > 18 || m > 59 {
                return None;
            }
            (h * 3600 + m * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second - offset);
    Some(midnight + seconds * SECOND + micros)
}

fn two(a: u8, b: u8) -> Option<i32> {
    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i32::from(a - b'0') * 10 + i32::from(b - b'0'))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, if there is such a date.
fn days(year: i32, month: i32, day: i32) -> Option<i32> {
    if !(1..=12).contains(&month) || !(1..=month_length(year.into(), month.into())).contains(&day.into()) {
        return None;
    }
    i32::try_from(days_of(year.into(), month.into(), day.into())).ok()
}

/// How many days a month has.
pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date that exists, of any year up to some billions.
///
/// Source, with [`date_of`]: Howard Hinnant, "chrono-compatible low-level date algorithms" (`days_from_civil`, `civil_from_days`).
pub(crate) fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

/// Year, month and day so many days after 1970-01-01.
pub(crate) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// The ISO form of a date, so many days after 1970-01-01.
pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = date_of(days.into());
    // Years beyond four digits have a sign, as ISO 8601 wants it.
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// The ISO form of a timestamp: with a fraction where there is one.
pub(crate) fn timestamp_text(micros: i64) -> String {
    let (day, time) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    // A timestamp of 64 bits lies within 300,000 years.
    let date = date_text(i32::try_from(day).unwrap_or_default());
    let (seconds, fraction) = (time / SECOND, time % SECOND);
    let text = format!("{date} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction {
        0 => text,
        _ => format!("{text}.{}", format!("{fraction:06}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use arrow::compute::kernels::cast_utils::Parser;
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut expected = parse_date(b"1800-01-01").unwrap();
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
        for year in 1800..2200 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    if let Some(got) = parse_date(text.as_bytes()) {
                        assert_eq!(got, expected, "{text}");
                        expected += 1;
                    }
                }
            }
        }
        // 97 leap years in 400.
        assert_eq!(expected - parse_date(b"1800-01-01").unwrap(), 400 * 365 + 97);
    }

    #[test]
    fn timestamps_in_their_forms() {
        let second = 1_000_000;
        for (text, micros) in [
            ("1970-01-02", 86_400 * second),
            ("1970-01-01 00:01", 60 * second),
            ("1970-01-01T00:00:01.5", 1_500_000),
            ("1970-01-01 02:00:00+02:00", 0),
            ("1969-12-31T18:30:00-0530", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1969-12-31 23:59:59.999999", -1),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some(micros), "{text}");
        }
        for text in [
            "1970-01-01T",
            "1970-01-01 24:00",
            "1970-01-01 00:60",
            "1970-13-01",
            "1970-02-30",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00:00.1234567",
            "1970-01-01 00:00+2",
            "70-01-01",
            "1970-1-1",
            "1970-01-01 00:00:00 UTC",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn wrong_dates_and_times() {
        for text in [
            "",
            "2020-1-01",
            "2021-02-29",
            "1900-02-29",
            "2020-13-01",
            "2020-00-10",
            "2020-04-31",
            "2020/01/01",
            "+020-01-01",
            "2020-01-01x",
            "２020-01-0",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2020-01-01 24:00",
            "2020-01-01 1:00",
            "2020-01-01 10:60",
            "2020-01-01 10:00:60",
            "2020-01-01 10:00.5",
            "2020-01-01 10:00:00.",
            "2020-01-01 10:00:00.1234567",
            "2020-01-01x10:00",
            "2020-01-01 ",
            "x",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_date(b"0001-01-01"), Some(-719_162));
        assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
        assert_eq!(parse_timestamp(b"1970-01-02T00:01"), Some(86_460_000_000));
        assert_eq!(parse_timestamp(b"1969-12-31 23:59:59.25"), Some(-750_000));
    }

    proptest! {
        /// Arrow's parser is the independent one.
        #[test]
        fn reads_as_arrow_does(y in 1700i32..2200, m in 1u32..13, d in 1u32..32, s in 0u32..86_400, us in 0u32..1_000_000) {
            let date = format!("{y:04}-{m:02}-{d:02}");
            prop_assert_eq!(parse_date(date.as_bytes()), Date32Type::parse(&date));
            let at = format!("{date} {:02}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60);
            prop_assert_eq!(parse_timestamp(at.as_bytes()), TimestampMicrosecondType::parse(&at));
        }
    }
}
