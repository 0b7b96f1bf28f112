//! How values are spelled: missing ones, numbers, truth values, dates. What text says a value, and of which type.

use std::borrow::Cow;

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{Datelike, NaiveDate};
use encoding_rs::Encoding;

use super::{float, int};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Type, temporal};
use crate::io::csv::dialect::{Dialect, Simd};
use crate::io::csv::encoding;
use crate::io::csv::options::{CsvOptions, NULL_SPELLINGS};

/// How the values of one column are spelled.
#[derive(Debug, Clone)]
pub(crate) struct Spellings {
    pub dialect: Dialect,
    /// What fields are decoded from; `None` for UTF-8.
    pub encoding: Option<&'static Encoding>,
    /// Whether what can't be decoded is replaced.
    pub lossy: bool,
    /// Missing values, in UTF-8.
    nulls: Vec<Vec<u8>>,
    /// Whether they count in text columns too.
    pub nulls_in_text: bool,
    /// Whether digits, point, digits is what it looks like at a glance.
    pub plain_numbers: bool,
    decimal: u8,
    thousands: Option<u8>,
    /// Integers in columns of floats that no float holds are no numbers: the column's type was inferred.
    pub exact: bool,
    trues: Option<Vec<Vec<u8>>>,
    falses: Option<Vec<Vec<u8>>>,
    dates: Option<Vec<Vec<Item<'static>>>>,
    timestamps: Option<Vec<Vec<Item<'static>>>>,
}

impl Spellings {
    /// Those of this column.
    pub(crate) fn new(
        options: &CsvOptions,
        dialect: &Dialect,
        encoding: Option<&'static Encoding>,
        column: &str,
    ) -> Spellings {
        let own = options.nulls_of.iter().rev().find(|(name, _)| name == column).map(|(_, spellings)| spellings);
        let given = own.or(options.nulls.as_ref());
        let nulls: Vec<Vec<u8>> = match given {
            Some(given) => given.iter().map(|s| s.trim().as_bytes().to_vec()).collect(),
            None => NULL_SPELLINGS.iter().map(|s| s.as_bytes().to_vec()).collect(),
        };
        let like_numbers = nulls.iter().any(|s| s.first().is_some_and(u8::is_ascii_digit));
        let bytes = |texts: &Vec<String>| texts.iter().map(|s| s.trim().as_bytes().to_vec()).collect();
        // That they parse, the options' check has seen.
        let formats = |texts: &Vec<String>| texts.iter().filter_map(|s| date_items(s).ok()).collect();
        Spellings {
            dialect: *dialect,
            encoding,
            lossy: options.lossy,
            nulls,
            nulls_in_text: given.is_some(),
            plain_numbers: dialect.simd != Simd::Scalar
                && !like_numbers
                && options.decimal == b'.'
                && options.thousands.is_none(),
            decimal: options.decimal,
            thousands: options.thousands,
            exact: !options.dtypes.iter().any(|(name, _)| name == column),
            trues: options.true_values.as_ref().map(bytes),
            falses: options.false_values.as_ref().map(bytes),
            dates: options.date_formats.as_ref().map(formats),
            timestamps: options.timestamp_formats.as_ref().map(formats),
        }
    }

    pub(crate) fn is_null(&self, text: &[u8]) -> bool {
        self.nulls.iter().any(|s| s == text) || self.encoding.is_some_and(|e| self.is_decoded_null(text, e))
    }

    #[cold]
    fn is_decoded_null(&self, text: &[u8], encoding: &'static Encoding) -> bool {
        !text.is_ascii()
            && encoding::decode(Some(encoding), text).is_ok_and(|text| self.nulls.iter().any(|s| s == text.as_bytes()))
    }

    /// The bytes of a value that is not text, without padding and quotes; `None` when it is missing.
    pub(crate) fn clean<'a>(&self, raw: &'a [u8]) -> Option<&'a [u8]> {
        let mut text = trim(raw);
        if let Some(quote) = self.dialect.quote
            && let [first, inner @ .., last] = text
            && *first == quote
            && *last == quote
        {
            text = trim(inner);
        }
        if text.is_empty() || self.is_null(text) { None } else { Some(text) }
    }

    pub(crate) fn int(&self, text: &[u8]) -> Option<i64> {
        match self.thousands {
            None => int::parse(text),
            Some(thousands) => int::parse(&ungrouped(text, thousands, None)?),
        }
    }

    pub(crate) fn float(&self, text: &[u8]) -> Option<f64> {
        let text = self.with_point(text)?;
        let value = float::parse(&text)?;
        // Beyond 2^53 not every integer is a float.
        let is_exact =
            value.abs() < MOST_EXACT || !self.exact || !int::is_integer(&text) || int::is_float(&text, value);
        is_exact.then_some(value)
    }

    /// A number in our spelling: no thousands, a decimal point.
    fn with_point<'a>(&self, text: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let mut text = match self.thousands {
            None => Cow::Borrowed(text),
            Some(thousands) => ungrouped(text, thousands, Some(self.decimal))?,
        };
        if self.decimal != b'.' {
            if text.contains(&b'.') {
                return None;
            }
            if let Some(at) = text.iter().position(|&b| b == self.decimal) {
                text.to_mut()[at] = b'.';
            }
        }
        Some(text)
    }

    /// By default `true`, `True`, `TRUE` and the same of false.
    pub(crate) fn bool(&self, text: &[u8]) -> Option<bool> {
        let is = |given: &Option<Vec<Vec<u8>>>, default: [&[u8]; 3]| match given {
            Some(given) => given.iter().any(|s| s == text),
            None => default.contains(&text),
        };
        if is(&self.trues, [b"true", b"True", b"TRUE"]) {
            return Some(true);
        }
        is(&self.falses, [b"false", b"False", b"FALSE"]).then_some(false)
    }

    pub(crate) fn date(&self, text: &[u8]) -> Option<i32> {
        let Some(formats) = &self.dates else { return temporal::parse_date(text) };
        let text = std::str::from_utf8(text).ok()?;
        formats.iter().find_map(|items| {
            let parsed = parsed(text, items)?;
            days(parsed.to_naive_date().ok()?)
        })
    }

    pub(crate) fn timestamp(&self, text: &[u8]) -> Option<i64> {
        let Some(formats) = &self.timestamps else {
            // A date is its midnight, however dates are written.
            return temporal::parse_timestamp(text)
                .or_else(|| self.dates.as_ref().and_then(|_| Some(i64::from(self.date(text)?) * temporal::DAY)));
        };
        let utf8 = std::str::from_utf8(text).ok()?;
        let own = formats.iter().find_map(|items| {
            let parsed = parsed(utf8, items)?;
            if let Ok(at) = parsed.to_datetime() {
                return Some(at.timestamp_micros());
            }
            let time = parsed.to_naive_time().ok()?;
            Some(parsed.to_naive_date().ok()?.and_time(time).and_utc().timestamp_micros())
        });
        own.or_else(|| Some(i64::from(self.date(text)?) * temporal::DAY))
    }

    /// The type of one field, `None` for a missing value. Integers beyond 64 bits are text: no float holds them.
    pub(crate) fn classify(&self, raw: &[u8]) -> Option<Type> {
        let text = self.clean(raw)?;
        let truths = self.trues.is_some() || self.falses.is_some();
        Some(if truths && self.bool(text).is_some() {
            Type::Bool
        } else if self.int(text).is_some() {
            Type::Int64
        } else if int::is_integer(text) {
            Type::Text
        } else if self.float(text).is_some() {
            Type::Float64
        } else if self.bool(text).is_some() {
            Type::Bool
        } else if self.date(text).is_some() {
            Type::Date
        } else if self.timestamp(text).is_some() {
            Type::Timestamp
        } else {
            Type::Text
        })
    }

    /// Whether it is plainly a value that a column of this type of numbers may have: so few digits that any type holds them, alone or
    /// around a point. What is no such value may be one all the same.
    pub(crate) fn is_plainly(&self, raw: &[u8], dtype: Type) -> bool {
        let is_known = self.plain_numbers && self.trues.is_none() && self.falses.is_none();
        if !is_known || raw.len() > 15 || !raw.first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        match dtype {
            Type::Int64 => digits(raw),
            Type::Float64 => match raw.iter().position(|&byte| byte == b'.') {
                Some(point) => digits(&raw[..point]) && point + 1 < raw.len() && digits(&raw[point + 1..]),
                None => digits(raw),
            },
            _ => false,
        }
    }

    /// Whether it is an integer that no float holds.
    pub(crate) fn is_inexact(&self, raw: &[u8]) -> bool {
        let value = self.clean(raw).and_then(|text| self.int(text));
        value.is_some_and(|value| (value as f64) as i128 != i128::from(value))
    }
}

/// Below it every integer is a float.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The digits of a number without what stands between thousands; `None` where that stands in a wrong place.
fn ungrouped(text: &[u8], thousands: u8, decimal: Option<u8>) -> Option<Cow<'_, [u8]>> {
    if !text.contains(&thousands) {
        return Some(Cow::Borrowed(text));
    }
    let whole = text.iter().position(|&b| Some(b) == decimal || matches!(b, b'e' | b'E')).unwrap_or(text.len());
    let (whole, rest) = text.split_at(whole);
    let signed = whole.strip_prefix(b"-").or(whole.strip_prefix(b"+")).unwrap_or(whole);
    let groups: Vec<&[u8]> = signed.split(|&b| b == thousands).collect();
    let (last, others) = groups.split_last()?;
    let (first, middle) = others.split_first()?;
    let right = last.len() == 3 && (1..=3).contains(&first.len()) && middle.iter().all(|g| (2..=3).contains(&g.len()));
    let digits = groups.iter().all(|g| g.iter().all(u8::is_ascii_digit));
    if !right || !digits || rest.contains(&thousands) {
        return None;
    }
    let sign = &whole[..whole.len() - signed.len()];
    Some(Cow::Owned([sign, &groups.concat(), rest].concat()))
}

/// The parts of a format of `strftime`.
pub(crate) fn date_items(format: &str) -> Result<Vec<Item<'static>>> {
    StrftimeItems::new(format).parse_to_owned().map_err(|_| {
        Error::new(ErrorKind::Config, format!("{format:?} is no format of strftime"))
            .help("write it as \"%d.%m.%Y\" or \"%m/%d/%Y %H:%M:%S\"")
    })
}

fn parsed(text: &str, items: &[Item<'static>]) -> Option<Parsed> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    Some(parsed)
}

/// Days since 1970-01-01.
fn days(date: NaiveDate) -> Option<i32> {
    Some(date.num_days_from_ce() - NaiveDate::default().num_days_from_ce())
}

/// Without spaces and tabs around it.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(options: CsvOptions) -> Spellings {
        Spellings::new(&options, &options.dialect, None, "x")
    }

    #[test]
    fn numbers_of_other_countries() {
        let german = of(CsvOptions::new().decimal(b',').thousands(b'.'));
        assert_eq!(german.float(b"-1.234.567,5"), Some(-1_234_567.5));
        assert_eq!(german.int(b"1.234"), Some(1234));
        assert_eq!(german.float(b"1,5e3"), Some(1500.0));
        for wrong in [&b"1.2345"[..], b"1.23", b".123", b"1.234.", b"1..234", b"1,5,5", b"1,234.5"] {
            assert_eq!(german.float(wrong), None, "{:?}", String::from_utf8_lossy(wrong));
        }
        let indian = of(CsvOptions::new().thousands(b','));
        assert_eq!(indian.int(b"12,34,567"), Some(1_234_567));
        assert_eq!(indian.float(b"1.5"), Some(1.5));
        assert_eq!(indian.int(b"1,23"), None);
        assert_eq!(of(CsvOptions::new().decimal(b',')).float(b"1.5"), None);
    }

    #[test]
    fn given_truths_come_before_numbers() {
        let given = of(CsvOptions::new().true_values(["1", "ja"]).false_values(["0", "nein"]));
        assert_eq!(
            [&b"1"[..], b"nein", b"2", b"true"].map(|t| given.classify(t)),
            [Some(Type::Bool), Some(Type::Bool), Some(Type::Int64), Some(Type::Text)]
        );
    }

    proptest! {
        #[test]
        fn what_is_plainly_of_a_type_is_of_it(raw in "[0-9]{0,3}[0-9.\"e -]{0,4}[0-9]{0,12}", float in any::<bool>()) {
            let (plain, dtype) = (of(CsvOptions::new()), if float { Type::Float64 } else { Type::Int64 });
            let found = plain.classify(raw.as_bytes());
            if plain.is_plainly(raw.as_bytes(), dtype) {
                prop_assert!(found == Some(dtype) || float && found == Some(Type::Int64), "{found:?}");
                prop_assert!(!plain.is_inexact(raw.as_bytes()));
            }
            for given in [CsvOptions::new().true_values(["1"]), CsvOptions::new().nulls(["7"])] {
                prop_assert!(!of(given).is_plainly(raw.as_bytes(), dtype));
            }
        }
    }

    #[test]
    fn numbers_are_plainly_that() {
        let plain = of(CsvOptions::new());
        assert!([&b"7"[..], b"081310", b"123456789012345"].iter().all(|raw| plain.is_plainly(raw, Type::Int64)));
        assert!([&b"7"[..], b"0.25", b"1234567.1234567"].iter().all(|raw| plain.is_plainly(raw, Type::Float64)));
        assert!(
            [&b""[..], b"1.", b".5", b"1.2.3", b"-1", b"1e5"].iter().all(|raw| !plain.is_plainly(raw, Type::Float64))
        );
    }

    #[test]
    fn dates_by_formats() {
        let given =
            of(CsvOptions::new().date_formats(["%d.%m.%Y", "%m/%d/%y"]).timestamp_formats(["%d.%m.%Y %H:%M:%S%.f"]));
        assert_eq!(given.date(b"2.1.1970"), Some(1));
        assert_eq!(given.date(b"01/03/70"), Some(2));
        assert_eq!(given.date(b"1970-01-01"), None);
        assert_eq!(given.timestamp(b"2.1.1970 00:00:01.5"), Some(86_401_500_000));
        assert_eq!(given.timestamp(b"2.1.1970"), Some(86_400_000_000));
    }

    #[test]
    fn integers_in_columns_of_floats_must_be_exact() {
        let inferred = of(CsvOptions::new());
        assert_eq!(inferred.float(b"9007199254740992"), Some(9_007_199_254_740_992.0));
        assert_eq!(inferred.float(b"9007199254740993"), None);
        assert_eq!(inferred.float(b"9007199254740994"), Some(9_007_199_254_740_994.0));
        assert_eq!(inferred.float(b"9007199254740993.0"), Some(9_007_199_254_740_992.0));
        assert_eq!(
            of(CsvOptions::new().dtype("x", Type::Float64)).float(b"9007199254740993"),
            Some(9_007_199_254_740_992.0)
        );
        assert!(inferred.is_inexact(b" 9007199254740993") && !inferred.is_inexact(b"1"));
    }
}
