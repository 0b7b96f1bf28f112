//! Functions on values, by the names that SQL has for them.

use sqlparser::ast::{Expr as Ast, Function, ObjectNamePart, TrimWhereField};
use sqlparser::tokenizer::Location;

use super::aggregates::{self, aggregate_name};
use super::literals::{int_of, text_of};
use super::translate::{Context, EXPRESSIONS, Scope};
use crate::error::{Error, Result};
use crate::expr::{Expr, Literal, Type, coalesce, concat_text, lit, when};

/// For "did you mean".
const NAMES: &[&str] = &[
    "abs",
    "ceil",
    "ceiling",
    "floor",
    "round",
    "sqrt",
    "exp",
    "ln",
    "log",
    "log10",
    "log2",
    "pow",
    "power",
    "sign",
    "mod",
    "greatest",
    "least",
    "isnan",
    "upper",
    "lower",
    "length",
    "char_length",
    "trim",
    "ltrim",
    "rtrim",
    "substr",
    "substring",
    "left",
    "right",
    "replace",
    "split_part",
    "contains",
    "starts_with",
    "ends_with",
    "concat",
    "regexp_matches",
    "regexp_extract",
    "regexp_replace",
    "coalesce",
    "ifnull",
    "nullif",
    "if",
    "year",
    "quarter",
    "month",
    "day",
    "hour",
    "minute",
    "second",
    "dayofweek",
    "isodow",
    "dayofyear",
    "date_part",
    "date_trunc",
    "date_diff",
    "strftime",
    "strptime",
    "try_strptime",
];

/// Functions that stand over a window alone.
const OVER: &[&str] = &["row_number", "rank", "dense_rank", "lag", "lead", "first_value", "last_value"];

/// How functions are called that take constants.
const CALLS: &[&str] = &[
    "substr(text, from, length)",
    "substring(text, from, length)",
    "left(text, length)",
    "right(text, length)",
    "replace(text, from, to)",
    "split_part(text, separator, number)",
    "trim(text, characters)",
    "ltrim(text, characters)",
    "rtrim(text, characters)",
    "regexp_matches(text, pattern)",
    "regexp_extract(text, pattern, group)",
    "date_part('unit', date)",
    "date_trunc('unit', date)",
    "date_diff('unit', from, to)",
    "strftime(date, format)",
    "strptime(text, format)",
    "try_strptime(text, format)",
];

impl<'a> Scope<'a> {
    /// A call: a window, an aggregate or a function on values.
    pub(super) fn function(&mut self, ast: &'a Ast, function: &'a Function, context: Context) -> Result<Expr> {
        let source = self.env.source;
        let place = source.place(&function.name);
        if let Some(over) = &function.over {
            return self.window_call(ast, function, over, context);
        }
        if let Some(name) = aggregate_name(function) {
            return self.aggregate_call(ast, name, function, context);
        }
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return Err(source.unsupported(place, &format!("the function {}", function.name)).help(EXPRESSIONS));
        };
        let name = ident.value.as_str();
        let parts = self.parts(name, function)?;
        if function.filter.is_some() || parts.distinct || parts.star || !parts.order.is_empty() {
            return Err(source.error(place, format!("{name} is no aggregate: it takes values, and nothing else")));
        }
        self.on_values(name, &parts.args, place, context.deeper())
    }

    fn on_values(&mut self, name: &str, args: &[&'a Ast], place: Location, context: Context) -> Result<Expr> {
        let source = self.env.source;
        // What takes constants, read from the text.
        match (name, args) {
            ("round", [x, digits]) => {
                let digits = self.constant_int(name, digits)?;
                let digits = i32::try_from(digits).unwrap_or(i32::MAX);
                return Ok(self.expr(x, context)?.round(digits));
            }
            ("log", [base, x]) => {
                let base = self.expr(base, context)?;
                return Ok(self.expr(x, context)?.log(base));
            }
            ("substr" | "substring", [x, from, rest @ ..]) if rest.len() < 2 => {
                return self.substring(x, x, Some(from), rest.first().copied(), context);
            }
            ("left", [x, n]) => {
                let (x, n) = (self.expr(x, context)?, self.constant_int(name, n)?);
                return Ok(match usize::try_from(n) {
                    Ok(n) => x.slice(0, n),
                    Err(_) => return Err(source.unsupported(place, "left with a negative length")),
                });
            }
            ("right", [x, n]) => {
                let (x, n) = (self.expr(x, context)?, self.constant_int(name, n)?);
                return match n {
                    0 => Ok(x.slice(0, 0)),
                    1.. => Ok(x.slice(-n, None)),
                    _ => Err(source.unsupported(place, "right with a negative length")),
                };
            }
            ("replace", [x, from, to]) => {
                let (from, to) = (self.constant_text(name, from)?, self.constant_text(name, to)?);
                return Ok(self.expr(x, context)?.replace(from, to));
            }
            ("split_part", [x, separator, n]) => {
                let (separator, n) = (self.constant_text(name, separator)?, self.constant_int(name, n)?);
                return Ok(self.expr(x, context)?.split_part(separator, n));
            }
            ("trim", [x]) => return Ok(self.expr(x, context)?.strip()),
            ("trim" | "ltrim" | "rtrim", [x, rest @ ..]) if rest.len() < 2 => {
                let side = match name {
                    "ltrim" => TrimWhereField::Leading,
                    "rtrim" => TrimWhereField::Trailing,
                    _ => TrimWhereField::Both,
                };
                return self.trim(x, Some(side), rest.first().copied(), x, context);
            }
            ("regexp_matches", [x, pattern]) => {
                let pattern = self.constant_text(name, pattern)?;
                return Ok(self.expr(x, context)?.matches(pattern));
            }
            ("regexp_extract", [x, pattern, rest @ ..]) if rest.len() < 2 => {
                let pattern = self.constant_text(name, pattern)?;
                let group = rest.first().map_or(Ok(0), |n| self.constant_int(name, n))?;
                let group = u32::try_from(group).map_err(|_| source.error(place, "a group is counted from 0"))?;
                // No match is an empty text.
                let x = self.expr(x, context)?;
                let found = coalesce([x.clone().extract(pattern, group), lit("")]);
                return Ok(when(x.is_not_null()).then(found).otherwise(Literal::Null));
            }
            ("regexp_replace", [x, pattern, to, options]) if text_of(options) == Some("g") => {
                let (pattern, to) = (self.constant_text(name, pattern)?, self.constant_text(name, to)?);
                return Ok(self.expr(x, context)?.replace_regex(pattern, to));
            }
            ("regexp_replace", _) => {
                let error = source.unsupported(place, "regexp_replace of the first match alone");
                return Err(error.help("replace all matches: regexp_replace(text, pattern, replacement, 'g')"));
            }
            ("date_part" | "datepart", [unit, x]) => {
                let unit = self.constant_text(name, unit)?.to_lowercase();
                let x = self.expr(x, context)?;
                return self.part_of(&unit, x, place);
            }
            ("date_trunc" | "datetrunc", [unit, x]) => {
                let unit = self.constant_text(name, unit)?.to_lowercase();
                return Ok(self.expr(x, context)?.truncate(unit));
            }
            ("date_diff" | "datediff", [unit, from, to]) => {
                let unit = self.constant_text(name, unit)?.to_lowercase();
                let (from, to) = (self.expr(from, context)?, self.expr(to, context)?);
                let whole = |part: fn(Expr) -> Expr, a: Expr, b: Expr| part(b) - part(a);
                return match unit.trim_end_matches('s') {
                    "day" => Ok(to.diff_days(from)),
                    "year" => Ok(whole(Expr::year, from, to)),
                    "quarter" => Ok(whole(|t| t.clone().year() * 4 + t.quarter(), from, to)),
                    "month" => Ok(whole(|t| t.clone().year() * 12 + t.month(), from, to)),
                    "second" => Ok(to.truncate("second").diff_seconds(from.truncate("second")).cast(Type::Int64)),
                    _ => Err(source.unsupported(place, &format!("date_diff in the unit '{unit}'"))),
                };
            }
            ("strftime", [x, format]) => {
                let format = self.constant_text(name, format)?;
                return Ok(self.expr(x, context)?.format_date(format));
            }
            ("strptime", [x, format]) => {
                let format = self.constant_text(name, format)?;
                return Ok(self.expr(x, context)?.parse_timestamp(format));
            }
            ("try_strptime", [x, format]) => {
                let format = self.constant_text(name, format)?;
                return Ok(self.expr(x, context)?.try_parse_timestamp(format));
            }
            _ => {}
        }
        let mut values = vec![];
        for arg in args {
            values.push(self.expr(arg, context)?);
        }
        let count = values.len();
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or_else(|| lit(Literal::Null));
        let of_one: Option<fn(Expr) -> Expr> = match name {
            "abs" => Some(Expr::abs),
            "ceil" | "ceiling" => Some(Expr::ceil),
            "floor" => Some(Expr::floor),
            "round" => Some(|x| x.round(0)),
            "sqrt" => Some(Expr::sqrt),
            "exp" => Some(Expr::exp),
            "ln" => Some(Expr::ln),
            "log" | "log10" => Some(|x| x.log(10)),
            "log2" => Some(|x| x.log(2)),
            "sign" => Some(Expr::sign),
            "isnan" => Some(Expr::is_nan),
            "upper" | "ucase" => Some(Expr::upper),
            "lower" | "lcase" => Some(Expr::lower),
            "length" | "len" | "char_length" | "character_length" | "strlen" => Some(Expr::len_chars),
            "year" => Some(Expr::year),
            "quarter" => Some(Expr::quarter),
            "month" => Some(Expr::month),
            "day" | "dayofmonth" => Some(Expr::day),
            "hour" => Some(Expr::hour),
            "minute" => Some(Expr::minute),
            "second" => Some(Expr::second),
            "dayofweek" | "weekday" => Some(|x| (x.weekday() + 1) % 7),
            "isodow" => Some(|x| x.weekday() + 1),
            "dayofyear" => Some(Expr::day_of_year),
            "date" => Some(|x| x.cast(Type::Date)),
            _ => None,
        };
        if let Some(build) = of_one {
            return if count == 1 { Ok(build(next())) } else { Err(self.count(name, "one value", place)) };
        }
        let of_two: Option<fn(Expr, Expr) -> Expr> = match name {
            "pow" | "power" => Some(|x, y| x.pow(y)),
            "mod" => Some(|x, y| x % y),
            "ifnull" | "nvl" => Some(|x, y| coalesce([x, y])),
            "nullif" => Some(|x: Expr, y| when(x.clone().eq(y)).then(Literal::Null).otherwise(x)),
            "contains" => Some(|x, y| x.contains(y)),
            "starts_with" | "prefix" => Some(|x, y| x.starts_with(y)),
            "ends_with" | "suffix" => Some(|x, y| x.ends_with(y)),
            _ => None,
        };
        if let Some(build) = of_two {
            let (x, y) = (next(), next());
            return if count == 2 { Ok(build(x, y)) } else { Err(self.count(name, "two values", place)) };
        }
        match name {
            "if" | "iif" if count == 3 => {
                let (condition, then, otherwise) = (next(), next(), next());
                Ok(when(condition).then(then).otherwise(otherwise))
            }
            "if" | "iif" => Err(self.count(name, "three values", place)),
            "coalesce" | "greatest" | "least" | "concat" if count == 0 => Err(self.count(name, "values", place)),
            "coalesce" => Ok(coalesce(values)),
            // Nulls are left out, as long as there is a value.
            "greatest" | "least" => {
                let first = next();
                Ok(values.fold(first, |best, value| {
                    let wins = if name == "greatest" {
                        best.clone().ge(value.clone())
                    } else {
                        best.clone().le(value.clone())
                    };
                    when(wins.or(value.clone().is_null())).then(best).otherwise(value)
                }))
            }
            "concat" => Ok(concat_text(values.map(|value| coalesce([value.cast(Type::Text), lit("")])))),
            _ => {
                let is_call = |call: &&&str| call.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
                if let Some(call) = CALLS.iter().find(is_call) {
                    let error = source.error(place, format!("{name} does not take {count} values"));
                    return Err(error.help(format!("write {call}")));
                }
                if OVER.contains(&name) {
                    let error = source.error(place, format!("{name} is a function over a window"));
                    return Err(error.help(format!("write {name}(…) OVER (PARTITION BY … ORDER BY …)")));
                }
                let error = source.unsupported(place, &format!("the function {name}"));
                let near = aggregates::NAMES
                    .iter()
                    .chain(NAMES)
                    .chain(OVER)
                    .filter(|known| strsim::damerau_levenshtein(known, name) <= 2)
                    .min_by_key(|known| strsim::damerau_levenshtein(known, name));
                Err(match near {
                    Some(near) => error.help(format!("did you mean {near}? {EXPRESSIONS}")),
                    None => error.help(EXPRESSIONS),
                })
            }
        }
    }

    fn count(&self, name: &str, takes: &str, place: Location) -> Error {
        self.env.source.error(place, format!("{name} takes {takes}"))
    }

    fn constant_text(&self, name: &str, ast: &Ast) -> Result<String> {
        let wrong = || {
            self.env.source.unsupported(self.env.source.start(ast), &format!("{name} with other than a constant text"))
        };
        text_of(ast).map(str::to_owned).ok_or_else(wrong)
    }

    fn constant_int(&self, name: &str, ast: &Ast) -> Result<i64> {
        let wrong = || {
            self.env
                .source
                .unsupported(self.env.source.start(ast), &format!("{name} with other than a constant whole number"))
        };
        int_of(ast).ok_or_else(wrong)
    }

    /// A part of a date or timestamp.
    pub(super) fn part_of(&self, unit: &str, value: Expr, place: Location) -> Result<Expr> {
        Ok(match unit.trim_end_matches('s') {
            "year" => value.year(),
            "quarter" => value.quarter(),
            "month" => value.month(),
            "day" | "dayofmonth" => value.day(),
            "hour" => value.hour(),
            "minute" => value.minute(),
            "second" => value.second(),
            "dow" | "dayofweek" | "weekday" => (value.weekday() + 1) % 7,
            "isodow" => value.weekday() + 1,
            "doy" | "dayofyear" => value.day_of_year(),
            _ => return Err(self.env.source.unsupported(place, &format!("the part '{unit}' of a date"))),
        })
    }

    /// `substring(text, from, for)`: counted from 1; from the end where `from` is negative.
    pub(super) fn substring(
        &mut self,
        ast: &'a Ast,
        text: &'a Ast,
        from: Option<&'a Ast>,
        length: Option<&'a Ast>,
        context: Context,
    ) -> Result<Expr> {
        let from = from.map_or(Ok(1), |from| self.constant_int("substring", from))?;
        let length = length.map(|length| self.constant_int("substring", length)).transpose()?;
        let text = self.expr(text, context.deeper())?;
        let length =
            length.map(|n| usize::try_from(n).map_err(|_| self.unsupported(ast, "substring with a negative length")));
        let length = length.transpose()?;
        Ok(match from {
            1.. => text.slice(from - 1, length),
            // Characters before the first are none, but count.
            0 => text.slice(0, length.map(|n| n.saturating_sub(1))),
            _ => text.slice(from, length),
        })
    }

    pub(super) fn trim(
        &mut self,
        ast: &'a Ast,
        side: Option<TrimWhereField>,
        chars: Option<&'a Ast>,
        text: &'a Ast,
        context: Context,
    ) -> Result<Expr> {
        let chars = chars.map(|chars| self.constant_text("trim", chars)).transpose()?;
        let value = self.expr(text, context.deeper())?;
        let class = match &chars {
            None => r"\s".to_owned(),
            Some(chars) if chars.is_empty() => return Ok(value),
            Some(chars) => chars.chars().map(|c| format!(r"\x{{{:x}}}", u32::from(c))).collect(),
        };
        match (side, chars) {
            (None | Some(TrimWhereField::Both), None) => Ok(value.strip()),
            (None | Some(TrimWhereField::Both), Some(chars)) => Ok(value.strip_chars(chars)),
            (Some(TrimWhereField::Leading), _) => Ok(value.replace_regex(format!("^[{class}]+"), "")),
            (Some(TrimWhereField::Trailing), _) => Ok(value.replace_regex(format!("[{class}]+$"), "")),
            #[allow(unreachable_patterns)]
            _ => Err(self.unsupported(ast, "this TRIM")),
        }
    }
}
