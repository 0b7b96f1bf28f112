//! Functions on dates and timestamps; chrono is the naive twin.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use proptest::prelude::*;

use super::*;
use crate::expr::{Type, col, days, hours, lit, lit_date, lit_timestamp, minutes, months, seconds, weeks, years};

fn day(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().unwrap();
    Some((date - NaiveDate::default()).num_days() as i32)
}

fn at(text: &str) -> Option<i64> {
    Some(NaiveDateTime::parse_from_str(text, "%F %T%.f").unwrap().and_utc().timestamp_micros())
}

fn rows() -> RecordBatch {
    batch(vec![
        ("d", dates(&[day("2020-02-29"), day("1969-12-31"), None, day("2021-01-31")])),
        (
            "at",
            times(&[at("2020-02-29 23:59:59.999999"), at("1969-12-31 23:00:00.5"), None, at("2021-05-17 12:30:45")]),
        ),
        ("s", texts(&[Some("29.02.2020"), Some("1.1.1970"), None, Some("31.12.1969")])),
        ("i", ints(&[Some(1); 4])),
    ])
}

#[test]
fn parts() {
    let b = rows();
    for (expr, want) in [
        (col("d").year(), "2020, 1969, null, 2021"),
        (col("d").quarter(), "1, 4, null, 1"),
        (col("d").month(), "2, 12, null, 1"),
        (col("d").day(), "29, 31, null, 31"),
        // A Saturday, a Wednesday, a Sunday.
        (col("d").weekday(), "5, 2, null, 6"),
        (col("d").day_of_year(), "60, 365, null, 31"),
        (col("at").year(), "2020, 1969, null, 2021"),
        (col("at").weekday(), "5, 2, null, 0"),
        (col("at").hour(), "23, 23, null, 12"),
        (col("at").minute(), "59, 0, null, 30"),
        (col("at").second(), "59, 0, null, 45"),
        (lit(None::<i64>).try_cast(Type::Date).year(), "null, null, null, null"),
    ] {
        check(&b, expr, want);
    }
}

#[test]
fn periods() {
    let b = rows();
    check(&b, col("d").truncate("year"), "2020-01-01, 1969-01-01, null, 2021-01-01");
    check(&b, col("d").truncate("quarter"), "2020-01-01, 1969-10-01, null, 2021-01-01");
    check(&b, col("d").truncate("month"), "2020-02-01, 1969-12-01, null, 2021-01-01");
    check(&b, col("d").truncate("week"), "2020-02-24, 1969-12-29, null, 2021-01-25");
    check(&b, col("d").truncate("day"), "2020-02-29, 1969-12-31, null, 2021-01-31");
    check(&b, col("at").truncate("week"), "2020-02-24 00:00:00, 1969-12-29 00:00:00, null, 2021-05-17 00:00:00");
    check(&b, col("at").truncate("hour"), "2020-02-29 23:00:00, 1969-12-31 23:00:00, null, 2021-05-17 12:00:00");
    check(&b, col("at").truncate("minute"), "2020-02-29 23:59:00, 1969-12-31 23:00:00, null, 2021-05-17 12:30:00");
    check(&b, col("at").truncate("second"), "2020-02-29 23:59:59, 1969-12-31 23:00:00, null, 2021-05-17 12:30:45");
    let ends = batch(vec![("d", dates(&[Some(i32::MIN)])), ("at", times(&[Some(i64::MIN)]))]);
    for (expr, kind) in [
        (col("d").truncate("year"), ErrorKind::Overflow),
        (col("at").truncate("day"), ErrorKind::Overflow),
        (col("at").truncate("second"), ErrorKind::Overflow),
        (col("at").to_offset("-00:01"), ErrorKind::Overflow),
        (col("d") - days(1), ErrorKind::Overflow),
        (col("d") - years(1), ErrorKind::Overflow),
        (col("at") - seconds(1), ErrorKind::Overflow),
        (col("d") + hours(1), ErrorKind::Overflow),
        (col("d") + years(i64::MAX), ErrorKind::Overflow),
        (col("d") + weeks(i64::MAX), ErrorKind::Overflow),
        (col("d").format_date("%F"), ErrorKind::Overflow),
        (col("d").lt(col("at")), ErrorKind::Overflow),
    ] {
        assert_eq!(error(&ends, expr.clone()).kind(), kind, "{expr}");
    }
    check(&ends, col("at").diff_days("1970-01-01"), "-106751992");
    check(&ends, lit_timestamp("1970-01-01").diff_seconds(col("at")), "9223372036854.775");
    assert_eq!(eval(&ends, &col("d").year()).unwrap().as_primitive::<Int64Type>().value(0), -5_877_641);
}

#[test]
fn sums_and_differences() {
    let b = rows();
    check(&b, col("d") + days(1), "2020-03-01, 1970-01-01, null, 2021-02-01");
    check(&b, col("d") - weeks(1), "2020-02-22, 1969-12-24, null, 2021-01-24");
    check(&b, col("d") + months(1), "2020-03-29, 1970-01-31, null, 2021-02-28");
    check(&b, col("d") - months(2), "2019-12-29, 1969-10-31, null, 2020-11-30");
    check(&b, lit(years(1)) + (lit_date("2019-02-28") + days(366)), "2021-02-28, 2021-02-28, 2021-02-28, 2021-02-28");
    check(&b, col("d") + (months(1) + days(1)), "2020-03-30, 1970-02-01, null, 2021-03-01");
    check(&b, col("d") + hours(25), "2020-03-01 01:00:00, 1970-01-01 01:00:00, null, 2021-02-01 01:00:00");
    check(
        &b,
        col("at") + (months(1) + minutes(1)),
        "2020-03-30 00:00:59.999999, 1970-01-31 23:01:00.500, null, 2021-06-17 12:31:45",
    );
    check(&b, col("d").diff_days("2020-02-28"), "1, -18321, null, 338");
    check(&b, col("at").diff_days(col("d")), "0, 0, null, 106");
    check(&b, lit_timestamp("1970-01-01 01:00").diff_days(col("at")), "-18321, 1, null, -18764");
    check(&b, col("at").diff_seconds(col("d")), "86399.999999, 82800.5, null, 9203445.0");
    check(&b, lit_date("1970-01-02").diff_seconds("1970-01-01"), "86400.0, 86400.0, 86400.0, 86400.0");
    check(&b, col("d").diff_days(None::<i64>), "null, null, null, null");
    check(&b, col("at").to_offset("+05:30").hour(), "5, 4, null, 18");
    check(
        &b,
        col("at").to_offset("-02").truncate("second"),
        "2020-02-29 21:59:59, 1969-12-31 21:00:00, null, 2021-05-17 10:30:45",
    );
    check(&b, col("at").to_offset("Z").eq(col("at")), "true, true, null, true");
    check(&b, (col("d") + days(1)).gt("2020-02-29"), "true, false, null, true");
}

#[test]
fn reading_and_writing() {
    let b = rows();
    check(&b, col("s").parse_date("%d.%m.%Y"), "2020-02-29, 1970-01-01, null, 1969-12-31");
    check(&b, col("s").try_parse_date("3%d.%m.%Y"), "null, null, null, 1969-12-01");
    check(
        &b,
        col("s").parse_timestamp("%d.%m.%Y"),
        "2020-02-29 00:00:00, 1970-01-01 00:00:00, null, 1969-12-31 00:00:00",
    );
    check(
        &b,
        lit("17/May/2021:12:30:45 +0200").parse_timestamp("%d/%b/%Y:%H:%M:%S %z").to_offset("+00:30"),
        "2021-05-17 11:00:45, 2021-05-17 11:00:45, 2021-05-17 11:00:45, 2021-05-17 11:00:45",
    );
    let error = error(&b, col("s").parse_date("%d.%m.19%y"));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (
            ErrorKind::Value,
            "\"29.02.2020\" is no date of this format, in 'parse_date(s, \"%d.%m.19%y\")'\n  help: where it should be null, use try_parse_date"
        )
    );
    check(&b, col("d").format_date("%d.%m.%Y %H"), r#""29.02.2020 00", "31.12.1969 00", null, "31.01.2021 00""#);
    check(
        &b,
        col("at").format_date("%a %e %b %Y, %T%.f"),
        r#""Sat 29 Feb 2020, 23:59:59.999999", "Wed 31 Dec 1969, 23:00:00.500", null, "Mon 17 May 2021, 12:30:45""#,
    );
    check(&b, col("d").format_date(""), r#""", "", null, """#);
}

#[test]
fn misuses() {
    let b = rows();
    misuse(
        &b,
        col("d").truncate("years"),
        ErrorKind::Config,
        "there is no unit 'years' to truncate to\n  help: the units are year, quarter, month, week, day, hour, minute, second",
    );
    misuse(
        &b,
        col("d").truncate("hour"),
        ErrorKind::Type,
        "'d' is date, which has no hour to truncate to\n  help: truncate it to a day or longer",
    );
    misuse(
        &b,
        col("d").hour(),
        ErrorKind::Type,
        "'d' is date, and hour takes timestamps\n  help: make a timestamp of it with cast(Type::Timestamp)",
    );
    misuse(
        &b,
        col("s").year(),
        ErrorKind::Type,
        "'s' is text, and year takes dates and timestamps\n  help: make a date of it with cast(Type::Date), or with parse_date(\"%d.%m.%Y\") as it is written",
    );
    misuse(
        &b,
        col("s").parse_date("%Q"),
        ErrorKind::Config,
        "\"%Q\" is no format of strftime\n  help: write it as \"%Y-%m-%d\" or \"%d.%m.%Y %H:%M:%S\": year, month and day, and hour and minute before what is finer",
    );
    misuse(
        &b,
        col("at").to_offset("Europe/Berlin"),
        ErrorKind::Config,
        "\"Europe/Berlin\" is no offset from UTC\n  help: write it as +02:00, -05:30 or Z; names of time zones are not known",
    );
    misuse(
        &b,
        col("i") + days(1),
        ErrorKind::Type,
        "'i' is int64, and 1 day can be added to dates and timestamps\n  help: make a date of it with cast(Type::Date) or parse_date",
    );
    misuse(
        &b,
        col("d").gt(days(1)),
        ErrorKind::Type,
        "an interval stands where a value is needed\n  help: add it to a date or timestamp, or take it from one: col(\"day\") + days(3)",
    );
    for (expr, kind) in [
        (col("s").parse_date("%Y-%m"), ErrorKind::Config),
        (col("s").parse_timestamp("%H:%M"), ErrorKind::Config),
        (col("s").parse_timestamp("%F %I:%M"), ErrorKind::Config),
        (col("s").parse_date(""), ErrorKind::Config),
        (col("d").format_date("%z"), ErrorKind::Config),
        (col("d").format_date("%"), ErrorKind::Config),
        (col("s").format_date("%F"), ErrorKind::Type),
        (col("i").parse_date("%F"), ErrorKind::Type),
        (col("at").to_offset(""), ErrorKind::Config),
        (col("at").to_offset("+19:00"), ErrorKind::Config),
        (col("at").to_offset(".5"), ErrorKind::Config),
        (col("d").to_offset("Z"), ErrorKind::Type),
        (col("d").diff_days("x"), ErrorKind::Type),
        (col("d").diff_days(1), ErrorKind::Type),
        (col("d").diff_days(col("s")), ErrorKind::Type),
        (lit(days(1)) - col("d"), ErrorKind::Type),
        (col("d") * days(1), ErrorKind::Type),
        (lit(days(1)) + days(1), ErrorKind::Type),
        (lit(days(1)), ErrorKind::Type),
    ] {
        assert_eq!(expr.bind(&b.schema()).unwrap_err().kind(), kind, "{expr}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn as_chrono_does(micros in -8_000_000_000_000_000_000i64..8_000_000_000_000_000_000, small in any::<bool>(), n in -500i64..500) {
        let micros = if small { micros >> 12 } else { micros };
        let b = batch(vec![("t", times(&[Some(micros)]))]);
        let t = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
        let int = |e: Expr| eval(&b, &e).unwrap().as_primitive::<Int64Type>().value(0);
        let parts = [col("t").year(), col("t").month(), col("t").day(), col("t").weekday(), col("t").day_of_year(), col("t").quarter()];
        let want = [t.year() as i64, t.month().into(), t.day().into(), t.weekday().num_days_from_monday().into(), t.ordinal().into(), t.quarter().into()];
        prop_assert_eq!(parts.map(int), want);
        let parts = [col("t").hour(), col("t").minute(), col("t").second()];
        prop_assert_eq!(parts.map(int), [t.hour(), t.minute(), t.second()].map(i64::from));
        let date = t.date();
        let moved = |m: i64| if m < 0 { date - Months::new(m.unsigned_abs() as u32) } else { date + Months::new(m as u32) };
        let text = |e: Expr| show(&eval(&b, &e).unwrap(), 0);
        prop_assert_eq!(text(col("t").cast(Type::Date) + months(n)), moved(n).to_string());
        prop_assert_eq!(text(col("t").cast(Type::Date) - days(n)), (date - TimeDelta::days(n)).to_string());
        let monday = date - TimeDelta::days(t.weekday().num_days_from_monday().into());
        prop_assert_eq!(text(col("t").truncate("week").cast(Type::Date)), monday.to_string());
        let quarter = NaiveDate::from_ymd_opt(t.year(), t.quarter() * 3 - 2, 1).unwrap();
        prop_assert_eq!(text(col("t").cast(Type::Date).truncate("quarter")), quarter.to_string());
        let format = "%Y-%m-%d %H:%M:%S%.6f";
        let written = t.format(format).to_string();
        prop_assert_eq!(text(col("t").format_date(format)), format!("{written:?}"));
        if (0..=9999).contains(&t.year()) {
            let b = batch(vec![("s", texts(&[Some(&written)]))]);
            let back = eval(&b, &col("s").parse_timestamp(format)).unwrap();
            prop_assert_eq!(back.as_primitive::<TimestampMicrosecondType>().value(0), micros);
        }
    }
}

#[test]
fn shown() {
    for (expr, text) in [
        (col("d") + days(3), "d + 3 days"),
        (col("d") - (months(1) + hours(36)), "d - (1 month + 36 hours)"),
        (col("at") + minutes(90), "at + 90 minutes"),
        (col("at") + seconds(-1), "at + -1 seconds"),
        (col("at") + days(0), "at + 0 days"),
        (col("d").truncate("week").diff_days("2020-01-01"), "diff_days(truncate(d, \"week\"), \"2020-01-01\")"),
    ] {
        assert_eq!(expr.to_string(), text);
    }
}
