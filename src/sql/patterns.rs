//! LIKE, and what else compares without the rules of `=`.

use sqlparser::ast::{Expr as Ast, Value, ValueWithSpan};

use super::literals::text_of;
use super::source::Source;
use crate::error::Result;
use crate::expr::{Expr, Literal, coalesce, lit};

/// The test that a pattern of LIKE stands for: `%` is any text, `_` any character, and what follows the escape character itself.
pub(super) fn like(
    source: &Source,
    pattern: &Ast,
    escape: Option<&Ast>,
    any_case: bool,
) -> Result<impl FnOnce(Expr) -> Expr> {
    let place = source.start(pattern);
    if let Ast::Value(ValueWithSpan { value: Value::Null, .. }) = pattern {
        return Ok(Box::new(|value: Expr| value.is_null().and(lit(Literal::Null))) as Box<dyn FnOnce(Expr) -> Expr>);
    }
    let Some(pattern) = text_of(pattern) else {
        return Err(source.unsupported(place, "LIKE with a pattern that is no constant"));
    };
    let escape = match escape.map(|ast| text_of(ast).map(|text| text.chars().collect::<Vec<_>>())) {
        None => None,
        Some(Some(chars)) if chars.len() <= 1 => chars.first().copied(),
        Some(_) => return Err(source.error(place, "ESCAPE takes one character, such as '\\'")),
    };
    let mut pieces = vec![];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) => pieces.push(Piece::Char(next)),
                None => return Err(source.error(place, "the pattern ends in its escape character")),
            },
            '%' => pieces.push(Piece::Any),
            '_' => pieces.push(Piece::One),
            c => pieces.push(Piece::Char(c)),
        }
    }
    let text = |pieces: &[Piece]| -> Option<String> {
        let char = |piece: &Piece| if let Piece::Char(c) = piece { Some(*c) } else { None };
        pieces.iter().map(char).collect()
    };
    let simple: Option<Box<dyn FnOnce(Expr) -> Expr>> = match pieces.as_slice() {
        _ if any_case => None,
        [Piece::Any, middle @ .., Piece::Any] => {
            text(middle).map(|part| Box::new(|value: Expr| value.contains(part)) as _)
        }
        [Piece::Any, end @ ..] => text(end).map(|part| Box::new(|value: Expr| value.ends_with(part)) as _),
        [start @ .., Piece::Any] => text(start).map(|part| Box::new(|value: Expr| value.starts_with(part)) as _),
        all => text(all).map(|part| Box::new(|value: Expr| value.eq(part)) as _),
    };
    Ok(simple.unwrap_or_else(|| {
        let mut regex = if any_case { "(?is)^" } else { "(?s)^" }.to_owned();
        for piece in pieces {
            match piece {
                Piece::Any => regex += ".*",
                Piece::One => regex.push('.'),
                Piece::Char(c) => regex += &regex_syntax::escape(c.encode_utf8(&mut [0; 4])),
            }
        }
        regex.push('$');
        Box::new(|value: Expr| value.matches(regex))
    }))
}

/// What a pattern is made of.
enum Piece {
    Any,
    One,
    Char(char),
}

/// `a IS NOT DISTINCT FROM b`: whether both are the same, where null is the same as null; never null itself.
pub(super) fn same_or_both_null(a: Expr, b: Expr) -> Expr {
    let both_null = a.clone().is_null().and(b.clone().is_null());
    coalesce([a.eq(b), lit(false)]).or(both_null)
}
