//! Regular expressions on text, compiled once when a call is bound.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::buffer::BooleanBuffer;
use regex::Regex;

use super::text::{built, mapped, texts};
use super::{Answer, Call, Function, Style};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, Literal, Type};

const fn function(name: &'static str, bind: fn(Call<'_>) -> Result<Answer>) -> Function {
    Function { name, style: Style::Call, can_fail: false, bind }
}

static MATCHES: Function = function("matches", matches);
static EXTRACT: Function = function("extract", extract);
static REPLACE_REGEX: Function = function("replace_regex", replace_regex);

/// Regular expressions, of the syntax of the [`regex`](https://docs.rs/regex/latest/regex/#syntax) crate: no look-around, no back-references, and time that is linear in the
/// text whatever the pattern. A pattern that is none is an [`ErrorKind::Config`] error that names the place, when it meets a
/// schema. All are null of null.
impl Expr {
    /// Whether the pattern matches anywhere in the text; `^` and `$` bind it to the ends.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("code").matches("^27").to_string(), "matches(code, \"^27\")");
    /// ```
    pub fn matches(self, pattern: impl Into<String>) -> Expr {
        self.call_with(&MATCHES, [Literal::Text(pattern.into())])
    }

    /// What a group of the first match holds: group 0 is the whole match, 1 the first parentheses. Null where nothing matches, or the
    /// group has no part in the match. A group that the pattern does not have is an [`ErrorKind::Config`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("file").extract(r"Y(\d{4})", 1).to_string(), r#"extract(file, "Y(\\d{4})", 1)"#);
    /// ```
    pub fn extract(self, pattern: impl Into<String>, group: u32) -> Expr {
        self.call_with(&EXTRACT, [Literal::Text(pattern.into()), Literal::from(group)])
    }

    /// The text with every match replaced. In the replacement, `$1` or `${1}` is what a group holds (nothing, if it has no part in the match),
    /// `${name}` a named one, `$$` a dollar sign; a group that the pattern does not have is an [`ErrorKind::Config`] error.
    ///
    /// ```
    /// # use partita::col;
    /// let iso = col("day").replace_regex(r"(\d+)\.(\d+)\.(\d+)", "$3-$2-$1");
    /// assert_eq!(iso.name(), "day");
    /// ```
    pub fn replace_regex(self, pattern: impl Into<String>, replacement: impl Into<String>) -> Expr {
        self.call_with(&REPLACE_REGEX, [Literal::Text(pattern.into()), Literal::Text(replacement.into())])
    }
}

/// The pattern of a call, compiled.
fn compiled(call: &Call) -> Result<Regex> {
    let pattern = call.text(1)?;
    Regex::new(&pattern).map_err(|error| {
        let at = |what: String, span: &regex_syntax::ast::Span| {
            let column = pattern[..span.start.offset].chars().count() + 1;
            format!("{pattern:?} is no regular expression: {what}, at character {column}")
        };
        let message = match regex_syntax::parse(&pattern) {
            Err(regex_syntax::Error::Parse(e)) => at(e.kind().to_string(), e.span()),
            Err(regex_syntax::Error::Translate(e)) => at(e.kind().to_string(), e.span()),
            _ => format!("{pattern:?} can't be used as a regular expression: {error}"),
        };
        Error::new(ErrorKind::Config, message)
            .help("a character with a meaning is taken as itself with \\ before it; plain text is found with contains")
    })
}

fn no_group(group: &str, regex: &Regex) -> Error {
    let groups = regex.captures_len() - 1;
    let message = format!("the pattern {:?} has no group {group}", regex.as_str());
    Error::new(ErrorKind::Config, message).help(match groups {
        0 => "put parentheses around what is wanted; group 0 is the whole match".to_owned(),
        _ => format!("its groups are 0, the whole match, to {groups}; write ${{1}} where letters or digits follow"),
    })
}

fn matches(call: Call) -> Result<Answer> {
    call.kind(0, &[Type::Text], "text")?;
    let regex = compiled(&call)?;
    call.computed(&[Type::Text], Type::Bool, move |args, _| {
        let texts = texts(&args[0]);
        let found = BooleanBuffer::collect_bool(texts.len(), |i| texts.is_valid(i) && regex.is_match(texts.value(i)));
        Ok(Arc::new(BooleanArray::new(found, texts.nulls().cloned())))
    })
}

fn extract(call: Call) -> Result<Answer> {
    call.kind(0, &[Type::Text], "text")?;
    let (regex, group) = (compiled(&call)?, call.int(2)?);
    let group = usize::try_from(group)
        .ok()
        .filter(|&group| group < regex.captures_len())
        .ok_or_else(|| no_group(&group.to_string(), &regex))?;
    call.computed(&[Type::Text], Type::Text, move |args, rows| {
        let held = |text: &'_ str| -> Option<(usize, usize)> {
            let part = if group == 0 { regex.find(text)? } else { regex.captures(text)?.get(group)? };
            Some((part.start(), part.end()))
        };
        built(rows, texts(&args[0]).iter().map(|text| text.and_then(|t| held(t).map(|(start, end)| &t[start..end]))))
    })
}

fn replace_regex(call: Call) -> Result<Answer> {
    let (regex, replacement) = (compiled(&call)?, call.text(2)?);
    check_references(&replacement, &regex)?;
    mapped(call, move |text| match regex.replace_all(text, replacement.as_str()) {
        Cow::Borrowed(text) => Cow::Borrowed(text),
        Cow::Owned(text) => Cow::Owned(text),
    })
}

/// A reference to no group would silently be nothing: `$1x` is the group named `1x`.
fn check_references(replacement: &str, regex: &Regex) -> Result<()> {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let name = match rest.strip_prefix('{') {
            Some(braced) => braced.find('}').map_or("", |end| &braced[..end]),
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                &rest[..end]
            }
        };
        let known = match name.parse::<usize>() {
            Ok(group) => group < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if !name.is_empty() && !known {
            return Err(no_group(name, regex));
        }
        rest = &rest[name.len()..];
    }
    Ok(())
}
