//! Functions on text. Positions and lengths count characters (Unicode scalar values), never bytes.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, Int64Array, StringViewArray, StringViewBuilder};
use arrow::compute::kernels::comparison;
use arrow::error::ArrowError;

use super::{Answer, Call, Function, Style, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::build::Node;
use crate::expr::{Expr, IntoOperand, Literal, Type};

const fn function(name: &'static str, bind: fn(Call<'_>) -> Result<Answer>) -> Function {
    Function { name, style: Style::Call, can_fail: false, bind }
}

static CONTAINS: Function = function("contains", |call| two_texts(call, |a, b| comparison::contains(a, b)));
static STARTS_WITH: Function = function("starts_with", |call| two_texts(call, |a, b| comparison::starts_with(a, b)));
static ENDS_WITH: Function = function("ends_with", |call| two_texts(call, |a, b| comparison::ends_with(a, b)));
static LEN_CHARS: Function = function("len_chars", len_chars);
static LOWER: Function = function("lower", |call| mapped(call, |text| Cow::Owned(text.to_lowercase())));
static UPPER: Function = function("upper", |call| mapped(call, |text| Cow::Owned(text.to_uppercase())));
static STRIP: Function = function("strip", strip);
static REPLACE: Function = function("replace", replace);
static SPLIT_PART: Function = function("split_part", split_part);
static SLICE: Function = function("slice", slice);
static CONCAT: Function = function("concat", concat);

/// Functions on text. All are null of null; anything but text is an [`ErrorKind::Type`] error, as text of it is `cast(Type::Text)`.
impl Expr {
    /// Whether `part` occurs in the text, just so: case counts, and nothing in it is a pattern. Empty text is in every text.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").contains("land").to_string(), "contains(name, \"land\")");
    /// ```
    pub fn contains(self, part: impl IntoOperand) -> Expr {
        self.call(&CONTAINS, [part.into_operand()])
    }

    /// Whether the text begins with `start`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").starts_with("New ").to_string(), "starts_with(name, \"New \")");
    /// ```
    pub fn starts_with(self, start: impl IntoOperand) -> Expr {
        self.call(&STARTS_WITH, [start.into_operand()])
    }

    /// Whether the text ends with `end`.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").ends_with("land").to_string(), "ends_with(name, \"land\")");
    /// ```
    pub fn ends_with(self, end: impl IntoOperand) -> Expr {
        self.call(&ENDS_WITH, [end.into_operand()])
    }

    /// How many characters the text has, as int64: "é" written as one character is 1, though it takes two bytes.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").len_chars().to_string(), "len_chars(name)");
    /// ```
    pub fn len_chars(self) -> Expr {
        self.call(&LEN_CHARS, [])
    }

    /// The text in small letters, by Unicode: "ÄΣ" is "äς". It may get longer or shorter.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").lower().to_string(), "lower(name)");
    /// ```
    pub fn lower(self) -> Expr {
        self.call(&LOWER, [])
    }

    /// The text in capital letters, by Unicode: "ß" is "SS".
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").upper().to_string(), "upper(name)");
    /// ```
    pub fn upper(self) -> Expr {
        self.call(&UPPER, [])
    }

    /// The text without white space, as Unicode has it, at both ends.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").strip().to_string(), "strip(name)");
    /// ```
    pub fn strip(self) -> Expr {
        self.call(&STRIP, [])
    }

    /// The text without any of these characters at both ends: `strip_chars("()")` of "((a)b)" is "a)b".
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").strip_chars("()").to_string(), "strip(name, \"()\")");
    /// ```
    pub fn strip_chars(self, chars: impl Into<String>) -> Expr {
        self.call_with(&STRIP, [Literal::Text(chars.into())])
    }

    /// The text with every `from` in it replaced by `to`, just so and from left to right; nothing in them is a pattern. An empty `from` is an
    /// [`ErrorKind::Config`] error.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("name").replace(", ", " ").to_string(), "replace(name, \", \", \" \")");
    /// ```
    pub fn replace(self, from: impl Into<String>, to: impl Into<String>) -> Expr {
        self.call_with(&REPLACE, [Literal::Text(from.into()), Literal::Text(to.into())])
    }

    /// The `n`-th of the parts between separators, counted from 1, or from the end for a negative `n`: -1 is the last. Beyond the
    /// parts there are, empty text. An `n` of 0 and an empty separator are [`ErrorKind::Config`] errors.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("path").split_part("/", -1).to_string(), "split_part(path, \"/\", -1)");
    /// ```
    pub fn split_part(self, separator: impl Into<String>, n: i64) -> Expr {
        self.call_with(&SPLIT_PART, [Literal::Text(separator.into()), Literal::Int64(n)])
    }

    /// The characters from `offset` on, at most `len` of them; `None` takes all. A negative offset counts from the end; one
    /// before the beginning is the beginning, one behind the end gives empty text.
    ///
    /// ```
    /// # use partita::col;
    /// assert_eq!(col("code").slice(-2, None).to_string(), "slice(code, -2)");
    /// assert_eq!(col("code").slice(0, 4).to_string(), "slice(code, 0, 4)");
    /// ```
    pub fn slice(self, offset: i64, len: impl Into<Option<usize>>) -> Expr {
        let constants = [Some(offset), len.into().map(|n| i64::try_from(n).unwrap_or(i64::MAX))];
        self.call(&SLICE, constants.into_iter().flatten().map(crate::expr::lit))
    }
}

/// The texts one after the other. Null where any is null: [`fill_null`](Expr::fill_null) those that may be. A name stands for its
/// column; constants are [`lit`](crate::lit). Of nothing at all it is an [`ErrorKind::Config`] error when it meets a schema.
///
/// ```
/// use partita::{col, concat_text, lit};
/// let route = concat_text([col("from"), lit("-"), col("to")]);
/// assert_eq!((route.to_string(), route.name()), ("concat(from, \"-\", to)".to_owned(), "from".to_owned()));
/// ```
pub fn concat_text<E: Into<Expr>>(exprs: impl IntoIterator<Item = E>) -> Expr {
    Expr::from_node(Node::Call(&CONCAT, exprs.into_iter().map(Into::into).collect()))
}

/// Text for every row. Too much of it for one array is an error.
pub(super) fn built<T: AsRef<str>>(rows: usize, texts: impl Iterator<Item = Option<T>>) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    for text in texts {
        match text {
            Some(text) => builder.try_append_value(text)?,
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}

pub(super) fn texts(value: &Value) -> &StringViewArray {
    value.array().as_string_view()
}

/// Text by text, with the constants in `f`.
pub(super) fn mapped<F>(call: Call, f: F) -> Result<Answer>
where
    F: for<'t> Fn(&'t str) -> Cow<'t, str> + Send + Sync + 'static,
{
    call.kind(0, &[Type::Text], "text")?;
    call.computed(&[Type::Text], Type::Text, move |args, rows| built(rows, texts(&args[0]).iter().map(|t| t.map(&f))))
}

fn two_texts(
    call: Call,
    kernel: fn(&dyn Datum, &dyn Datum) -> Result<arrow::array::BooleanArray, ArrowError>,
) -> Result<Answer> {
    call.kind(0, &[Type::Text], "text")?;
    call.kind(1, &[Type::Text], "text")?;
    call.computed(&[Type::Text, Type::Text], Type::Bool, move |args, _| Ok(Arc::new(kernel(&args[0], &args[1])?)))
}

fn len_chars(call: Call) -> Result<Answer> {
    call.kind(0, &[Type::Text], "text")?;
    call.computed(&[Type::Text], Type::Int64, |args, _| {
        let texts = texts(&args[0]);
        let lengths = (0..texts.len()).map(|i| texts.value(i).chars().count() as i64);
        Ok(Arc::new(Int64Array::new(lengths.collect(), texts.nulls().cloned())))
    })
}

fn strip(call: Call) -> Result<Answer> {
    if call.args.len() == 1 {
        return mapped(call, |text| Cow::Borrowed(text.trim()));
    }
    let chars: Vec<char> = call.text(1)?.chars().collect();
    mapped(call, move |text| Cow::Borrowed(text.trim_matches(chars.as_slice())))
}

fn replace(call: Call) -> Result<Answer> {
    let (from, to) = (call.text(1)?, call.text(2)?);
    if from.is_empty() {
        return Err(Error::new(ErrorKind::Config, "replace has nothing to look for: its first text is empty")
            .help("name what is to be replaced; text is put before with concat_text"));
    }
    mapped(
        call,
        move |text| if text.contains(&from) { Cow::Owned(text.replace(&from, &to)) } else { Cow::Borrowed(text) },
    )
}

fn split_part(call: Call) -> Result<Answer> {
    let (separator, n) = (call.text(1)?, call.int(2)?);
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::Config, "split_part needs a separator, and this one is empty")
            .help("characters by their place gives slice"));
    }
    if n == 0 {
        return Err(Error::new(ErrorKind::Config, "split_part has no part 0").help("the first part is 1, the last -1"));
    }
    let skipped = usize::try_from(n.unsigned_abs() - 1).unwrap_or(usize::MAX);
    mapped(call, move |text| {
        let part = if n > 0 { text.split(&separator).nth(skipped) } else { text.rsplit(&separator).nth(skipped) };
        Cow::Borrowed(part.unwrap_or_default())
    })
}

fn slice(call: Call) -> Result<Answer> {
    let offset = call.int(1)?;
    let len = if call.args.len() > 2 { call.int(2)? } else { i64::MAX };
    let (skipped, len) =
        (usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX), usize::try_from(len).unwrap_or(usize::MAX));
    /// The place of the n-th character, or the end.
    fn place(text: &str, n: usize) -> usize {
        text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
    }
    mapped(call, move |text| {
        let start = match offset {
            0.. => place(text, skipped),
            _ => text.char_indices().nth_back(skipped - 1).map_or(0, |(at, _)| at),
        };
        let rest = &text[start..];
        Cow::Borrowed(&rest[..place(rest, len)])
    })
}

fn concat(call: Call) -> Result<Answer> {
    if call.args.is_empty() {
        return Err(Error::new(ErrorKind::Config, "concat of nothing").help("give it one text at least"));
    }
    for at in 0..call.args.len() {
        call.kind(at, &[Type::Text], "text")?;
    }
    let takes = vec![Type::Text; call.args.len()];
    call.computed(&takes, Type::Text, |args, rows| {
        let columns: Vec<(&StringViewArray, bool)> = args.iter().map(|arg| (texts(arg), arg.is_constant())).collect();
        let mut builder = StringViewBuilder::with_capacity(rows);
        let mut whole = String::new();
        for row in 0..rows {
            whole.clear();
            let place = |constant| if constant { 0 } else { row };
            if columns.iter().any(|&(texts, constant)| texts.is_null(place(constant))) {
                builder.append_null();
                continue;
            }
            columns.iter().for_each(|&(texts, constant)| whole.push_str(texts.value(place(constant))));
            builder.try_append_value(&whole)?;
        }
        Ok(Arc::new(builder.finish()))
    })
}
