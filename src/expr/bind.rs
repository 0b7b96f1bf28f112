//! Binding: an [`Expr`] meets a schema, gets its types, and every coercion is decided once.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Schema};

use super::build::{BinaryOp, Expr, Node, UnaryOp};
use super::literal::Literal;
use super::temporal::{parse_date, parse_timestamp};
use super::types::{Type, type_name};
use crate::error::{Error, ErrorKind, Result};

/// An expression that has met a schema: it evaluates against batches of exactly that schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundExpr {
    root: Bound,
    kind: Type,
    source: Expr,
}

/// The parts of a bound expression: columns by their index, the operands of every operator of the types it takes.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    Column(usize),
    /// The array holds the one value.
    Constant {
        literal: Literal,
        array: ArrayRef,
    },
    Cast(Box<Bound>, Type),
    Unary(UnaryOp, Box<Bound>),
    Binary(BinaryOp, Box<Bound>, Box<Bound>),
    /// True, or false, wherever the inner is not null: a comparison that its types decide.
    Always(bool, Box<Bound>),
}

/// A part with its type, and what it was, for messages.
struct Typed<'a> {
    bound: Bound,
    /// None: a null that has met no type yet.
    kind: Option<Type>,
    expr: &'a Expr,
}

impl Expr {
    /// Gives the expression the types of a schema.
    ///
    /// # Errors
    /// [`ErrorKind::Column`] for an unknown column, [`ErrorKind::Type`] for types that don't go together and for text that is
    /// no date where one is needed, [`ErrorKind::Config`] for an expression that is nested too deep.
    pub(crate) fn bind(&self, schema: &Schema) -> Result<BoundExpr> {
        self.check_size()?;
        let (root, kind) = bind(self, schema)?.known_as(Type::Int64);
        Ok(BoundExpr { root, kind, source: self.clone() })
    }

    /// Binds a condition.
    ///
    /// # Errors
    /// As [`bind`](Expr::bind), and [`ErrorKind::Type`] when it is not true or false.
    pub(crate) fn bind_condition(&self, schema: &Schema) -> Result<BoundExpr> {
        self.check_size()?;
        let (root, kind) = bind(self, schema)?.known_as(Type::Bool);
        if kind == Type::Bool {
            return Ok(BoundExpr { root, kind, source: self.clone() });
        }
        let message = format!("a filter takes a condition, and {} is {kind}", self.quoted());
        Err(Error::new(ErrorKind::Type, message).help("compare it with something, as in col(\"t\").eq(2018)"))
    }
}

impl BoundExpr {
    /// The arrow type of its values.
    pub(crate) fn data_type(&self) -> DataType {
        self.kind.arrow()
    }

    /// The type of its values.
    pub(crate) fn kind(&self) -> Type {
        self.kind
    }

    pub(super) fn root(&self) -> &Bound {
        &self.root
    }
}

impl fmt::Display for BoundExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// Recurses as deep as the expression is nested, which `check_size` bounds.
fn bind<'a>(expr: &'a Expr, schema: &Schema) -> Result<Typed<'a>> {
    let (bound, kind) = match expr.node() {
        Node::Column(name) => column(name, schema)?,
        Node::Literal(literal) => constant(literal.clone())?,
        Node::Alias(inner, _) => return bind(inner, schema),
        Node::Unary(op, inner) => unary(*op, bind(inner, schema)?)?,
        Node::Binary(op, l, r) => {
            let (l, r) = (bind(l, schema)?, bind(r, schema)?);
            if op.is_logical() {
                (logical(*op, l, r)?, Some(Type::Bool))
            } else if op.is_comparison() {
                (comparison(*op, l, r)?, Some(Type::Bool))
            } else {
                arithmetic(*op, l, r)?
            }
        }
    };
    Ok(Typed { bound, kind, expr })
}

fn column(name: &str, schema: &Schema) -> Result<(Bound, Option<Type>)> {
    let names = || schema.fields().iter().map(|f| f.name().as_str());
    let index = names().position(|n| n == name).ok_or_else(|| Error::unknown_column(name, names()))?;
    let data_type = schema.field(index).data_type();
    match Type::of(data_type) {
        Some(kind) => Ok((Bound::Column(index), Some(kind))),
        None => Err(Error::new(
            ErrorKind::Type,
            format!("'{name}' is {}, which expressions don't take", type_name(data_type)),
        )),
    }
}

fn constant(literal: Literal) -> Result<(Bound, Option<Type>)> {
    let (array, kind): (ArrayRef, _) = match &literal {
        Literal::Null => (new_null_array(&DataType::Boolean, 1), None),
        Literal::Bool(v) => (Arc::new(BooleanArray::from(vec![*v])), Some(Type::Bool)),
        Literal::Int64(v) => (Arc::new(Int64Array::from(vec![*v])), Some(Type::Int64)),
        Literal::Float64(v) => (Arc::new(Float64Array::from(vec![*v])), Some(Type::Float64)),
        Literal::Text(v) => (Arc::new(StringViewArray::from(vec![v.as_str()])), Some(Type::Text)),
        Literal::Date(v) => {
            let days = parse_date(v.as_bytes()).ok_or_else(|| no_date(v, Type::Date))?;
            (Arc::new(Date32Array::from(vec![days])), Some(Type::Date))
        }
        Literal::Timestamp(v) => {
            let micros = parse_timestamp(v.as_bytes()).ok_or_else(|| no_date(v, Type::Timestamp))?;
            (Arc::new(TimestampMicrosecondArray::from(vec![micros])), Some(Type::Timestamp))
        }
    };
    Ok((Bound::Constant { literal, array }, kind))
}

fn no_date(text: &str, kind: Type) -> Error {
    let form = if kind == Type::Date { "2020-01-31" } else { "2020-01-31 or 2020-01-31 23:59:59.999999" };
    Error::new(ErrorKind::Type, format!("{text:?} is no {kind}")).help(format!("write it as {form}, a day that exists"))
}

fn int(value: i64) -> Bound {
    Bound::Constant { literal: Literal::Int64(value), array: Arc::new(Int64Array::from(vec![value])) }
}

fn float(value: f64) -> Bound {
    Bound::Constant { literal: Literal::Float64(value), array: Arc::new(Float64Array::from(vec![value])) }
}

impl Typed<'_> {
    /// The part and its type, where a null of no type takes this one.
    fn known_as(self, kind: Type) -> (Bound, Type) {
        match self.kind {
            Some(known) => (self.bound, known),
            None => {
                let array = new_null_array(&kind.arrow(), 1);
                (Bound::Constant { literal: Literal::Null, array }, kind)
            }
        }
    }

    /// The part as it enters an operator that takes this type.
    fn cast(self, to: Type) -> Bound {
        let (bound, from) = self.known_as(to);
        match bound {
            bound if from == to => bound,
            Bound::Constant { literal: Literal::Int64(v), .. } if to == Type::Float64 => float(v as f64),
            bound => Bound::Cast(Box::new(bound), to),
        }
    }

    fn literal(&self) -> Option<&Literal> {
        match &self.bound {
            Bound::Constant { literal, .. } => Some(literal),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self.kind, None | Some(Type::Int64 | Type::Float64))
    }

    /// `'k' is int64`.
    fn described(&self) -> String {
        match self.kind {
            Some(kind) => format!("{} is {kind}", self.expr.quoted()),
            None => self.expr.quoted(),
        }
    }
}

fn unary(op: UnaryOp, inner: Typed) -> Result<(Bound, Option<Type>)> {
    let kind = match op {
        UnaryOp::IsNull | UnaryOp::IsNotNull => Type::Bool,
        UnaryOp::Not => match inner.kind {
            None | Some(Type::Bool) => Type::Bool,
            Some(_) => return Err(no_condition("not", &inner)),
        },
        UnaryOp::Neg => match inner.kind {
            None => Type::Int64,
            Some(kind @ (Type::Int64 | Type::Float64)) => kind,
            Some(_) => {
                let message = format!("{}, which has no negative", inner.described());
                return Err(Error::new(ErrorKind::Type, message).help("numbers have; a condition is turned by not()"));
            }
        },
    };
    let (bound, _) = inner.known_as(kind);
    Ok((Bound::Unary(op, Box::new(bound)), Some(kind)))
}

fn logical(op: BinaryOp, l: Typed, r: Typed) -> Result<Bound> {
    for side in [&l, &r] {
        if !matches!(side.kind, None | Some(Type::Bool)) {
            return Err(no_condition(&op.to_string(), side));
        }
    }
    Ok(Bound::Binary(op, Box::new(l.cast(Type::Bool)), Box::new(r.cast(Type::Bool))))
}

fn no_condition(op: &str, side: &Typed) -> Error {
    let message = format!("{}, and '{op}' takes conditions", side.described());
    Error::new(ErrorKind::Type, message).help("compare it with something, as in col(\"t\").eq(2018)")
}

fn arithmetic(op: BinaryOp, l: Typed, r: Typed) -> Result<(Bound, Option<Type>)> {
    if !l.is_number() || !r.is_number() {
        let message = format!("{} and {}: '{op}' takes numbers", l.described(), r.described());
        return Err(Error::new(ErrorKind::Type, message).help(match (l.kind, r.kind) {
            (Some(Type::Text), _) | (_, Some(Type::Text)) => {
                "write constants without quotes; if a text column should be numeric, give its type with CsvOptions::dtype when reading"
            }
            (Some(Type::Bool), _) | (_, Some(Type::Bool)) => "to count what is true, take sum of the condition",
            _ => "dates and timestamps can be compared",
        }));
    }
    let float = op == BinaryOp::Div || l.kind == Some(Type::Float64) || r.kind == Some(Type::Float64);
    let kind = if float { Type::Float64 } else { Type::Int64 };
    Ok((Bound::Binary(op, Box::new(l.cast(kind)), Box::new(r.cast(kind))), Some(kind)))
}

fn comparison(op: BinaryOp, l: Typed, r: Typed) -> Result<Bound> {
    use Type::{Date, Float64, Int64, Text, Timestamp};
    // An untyped null takes the other side's type.
    let (kind_l, kind_r) = (l.kind.or(r.kind).unwrap_or(Int64), r.kind.or(l.kind).unwrap_or(Int64));
    match (kind_l, kind_r) {
        (Float64, Int64) | (Timestamp, Date) => comparison(op.mirrored(), r, l),
        (Date | Timestamp, Text) if matches!(r.literal(), Some(Literal::Text(_))) => comparison(op.mirrored(), r, l),
        (Text, Date | Timestamp) if let Some(Literal::Text(text)) = l.literal() => {
            let (bound, kind) = moment(text, kind_r)?;
            comparison(op, Typed { bound, kind, expr: l.expr }, r)
        }
        (Int64, Float64) => Ok(match (l.literal(), r.literal()) {
            (_, Some(Literal::Float64(f))) => int_with_float(op, *f, l.bound),
            (Some(Literal::Int64(i)), _) => float_with_int(op.mirrored(), *i, r.bound),
            _ => Bound::Binary(op, Box::new(l.cast(Float64)), Box::new(r.cast(Float64))),
        }),
        (Date, Timestamp) => Ok(Bound::Binary(op, Box::new(l.cast(Timestamp)), Box::new(r.cast(Timestamp)))),
        (a, b) if a == b => Ok(Bound::Binary(op, Box::new(l.cast(a)), Box::new(r.cast(a)))),
        (a, b) => Err(incomparable(&l, a, &r, b)),
    }
}

/// Text that stands against a date or a timestamp. A date may also be compared with a time of day.
fn moment(text: &str, other: Type) -> Result<(Bound, Option<Type>)> {
    if other == Type::Date && (parse_date(text.as_bytes()).is_some() || parse_timestamp(text.as_bytes()).is_none()) {
        constant(Literal::Date(text.to_owned()))
    } else {
        constant(Literal::Timestamp(text.to_owned()))
    }
}

/// `ints op f`, exactly.
fn int_with_float(op: BinaryOp, f: f64, ints: Bound) -> Bound {
    use BinaryOp::{Ge, Gt, Le, Lt, Ne};
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63: the first float beyond all integers
    if f.is_nan() || f >= END {
        return Bound::Always(matches!(op, Lt | Le | Ne), Box::new(ints));
    }
    if f < -END {
        return Bound::Always(matches!(op, Gt | Ge | Ne), Box::new(ints));
    }
    let floor = f.floor() as i64;
    match op {
        op if f == f.floor() => Bound::Binary(op, Box::new(ints), Box::new(int(floor))),
        Lt | Le => Bound::Binary(Le, Box::new(ints), Box::new(int(floor))),
        Gt | Ge => Bound::Binary(Gt, Box::new(ints), Box::new(int(floor))),
        op => Bound::Always(op == Ne, Box::new(ints)),
    }
}

/// `floats op i`, exactly.
fn float_with_int(op: BinaryOp, i: i64, floats: Bound) -> Bound {
    use BinaryOp::{Ge, Gt, Le, Lt, Ne};
    let f = i as f64;
    let op = match (op, (f as i128).cmp(&i128::from(i))) {
        (op, std::cmp::Ordering::Equal) => op,
        // No float lies between `f` and `i`.
        (Lt | Le, std::cmp::Ordering::Less) => Le,
        (Lt | Le, std::cmp::Ordering::Greater) => Lt,
        (Gt | Ge, std::cmp::Ordering::Less) => Gt,
        (Gt | Ge, std::cmp::Ordering::Greater) => Ge,
        (op, _) => return Bound::Always(op == Ne, Box::new(floats)),
    };
    Bound::Binary(op, Box::new(floats), Box::new(float(f)))
}

fn incomparable(l: &Typed, a: Type, r: &Typed, b: Type) -> Error {
    // A constant is what is most easily changed: the help is about it, where there is one.
    let other = match (l.literal(), r.literal()) {
        (_, Some(_)) => Some(a),
        (Some(_), None) => Some(b),
        (None, None) => None,
    };
    let help = match other {
        Some(Type::Int64 | Type::Float64) => "compare it with a number",
        Some(Type::Text) => "compare it with text, in quotes",
        Some(Type::Bool) => "compare it with true or false, or take it as a condition by itself",
        Some(Type::Date) => "compare it with a date, as in lit_date(\"2020-01-31\")",
        Some(Type::Timestamp) => "compare it with a timestamp, as in lit_timestamp(\"2020-01-31 12:00\")",
        None => "give both columns one type with CsvOptions::dtype when reading",
    };
    Error::new(ErrorKind::Type, format!("{} and {}, which don't compare", l.described(), r.described())).help(help)
}
