//! Binding: an [`Expr`] meets a schema, gets its types, and every coercion is decided once.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringViewArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, Schema, TimestampMicrosecondType};

use super::build::{BinaryOp, Expr, Node, UnaryOp};
use super::eval::{Rows, Value};
use super::functions::{self, Call, Function, Kernel};
use super::literal::Literal;
use super::share::share;
use super::temporal::{date_text, parse_date, parse_timestamp, timestamp_text};
use super::types::{Type, type_name};
use super::{coerce, interval};
use crate::error::{Error, ErrorKind, Result};

/// An expression that has met a schema: it evaluates against batches of exactly that schema.
#[derive(Debug, Clone)]
pub(crate) struct BoundExpr {
    root: Bound,
    kind: Type,
    source: Expr,
    /// How many of its parts are computed once and used again.
    slots: usize,
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
    /// A conversion that loses nothing.
    Cast(Box<Bound>, Type),
    Unary(UnaryOp, Box<Bound>),
    Binary(BinaryOp, Box<Bound>, Box<Bound>),
    /// True, or false, wherever the inner is not null: a comparison that its types decide.
    Always(bool, Box<Bound>),
    Call {
        function: &'static Function,
        args: Vec<Bound>,
        /// Constants that the kernel was made with.
        parameters: Vec<Bound>,
        kernel: Kernel,
    },
    Choice(Choice),
    /// What occurs more than once: computed the first time, and kept in this slot.
    Shared {
        slot: usize,
        inner: Arc<Bound>,
    },
}

/// Which of several values a row gets.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub way: Way,
    pub parts: Vec<Bound>,
    /// Whether a part can be an error on a row: it must not meet rows that don't get it.
    pub can_fail: bool,
}

/// How a row's value is chosen among the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Pairs of a condition and a value, then the value of the rows for which no condition is true.
    When,
    /// The first that is not null.
    Coalesce,
}

/// A part with its type, and what it was, for messages.
#[derive(Clone)]
pub(super) struct Typed<'a> {
    pub bound: Bound,
    /// None: a null that has met no type yet.
    pub kind: Option<Type>,
    pub expr: &'a Expr,
    /// Whether a row can make it an error.
    pub can_fail: bool,
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
        Ok(BoundExpr::new(root, kind, self.clone()))
    }

    /// Binds a condition.
    ///
    /// # Errors
    /// As [`bind`](Expr::bind), and [`ErrorKind::Type`] when it is not true or false.
    pub(crate) fn bind_condition(&self, schema: &Schema) -> Result<BoundExpr> {
        self.check_size()?;
        let (root, kind) = bind(self, schema)?.known_as(Type::Bool);
        if kind == Type::Bool {
            return Ok(BoundExpr::new(root, kind, self.clone()));
        }
        let message = format!("a filter takes a condition, and {} is {kind}", self.quoted());
        Err(Error::new(ErrorKind::Type, message).help("compare it with something, as in col(\"t\").eq(2018)"))
    }
}

impl BoundExpr {
    fn new(root: Bound, kind: Type, source: Expr) -> BoundExpr {
        let mut roots = [root];
        let slots = share(&mut roots);
        let [root] = roots;
        BoundExpr { root, kind, source, slots }
    }

    /// The arrow type of its values.
    pub(crate) fn data_type(&self) -> DataType {
        self.kind.arrow()
    }

    /// The type of its values.
    pub(crate) fn kind(&self) -> Type {
        self.kind
    }

    /// The column that it is, if it is one as it stands.
    pub(crate) fn column(&self) -> Option<usize> {
        match self.root {
            Bound::Column(column) => Some(column),
            _ => None,
        }
    }

    pub(super) fn root(&self) -> &Bound {
        &self.root
    }

    pub(super) fn root_mut(&mut self) -> &mut Bound {
        &mut self.root
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }
}

impl fmt::Display for BoundExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// Recurses as deep as the expression is nested, which `check_size` bounds.
fn bind<'a>(expr: &'a Expr, schema: &Schema) -> Result<Typed<'a>> {
    let mut can_fail = false;
    let mut part = |part: &'a Expr| {
        let typed = bind(part, schema)?;
        can_fail |= typed.can_fail;
        Ok(typed)
    };
    let (bound, kind) = match expr.node() {
        Node::Column(name) => column(name, schema)?,
        Node::Literal(literal) => constant(literal.clone())?,
        Node::Alias(inner, _) => return bind(inner, schema),
        Node::Unary(op, inner) => {
            let (bound, kind) = coerce::unary(*op, part(inner)?)?;
            can_fail |= *op == UnaryOp::Neg && kind == Some(Type::Int64);
            (bound, kind)
        }
        Node::Binary(op, l, r) => {
            if let Some(sum) = interval::sum(*op, l, r) {
                let (time, interval) = sum?;
                let time = part(time)?;
                can_fail = true;
                functions::add_interval(expr, time, interval)?
            } else {
                let (l, r) = (part(l)?, part(r)?);
                if op.is_logical() {
                    (coerce::logical(*op, l, r)?, Some(Type::Bool))
                } else if op.is_comparison() {
                    (coerce::comparison(*op, l, r)?, Some(Type::Bool))
                } else {
                    let (bound, kind) = coerce::arithmetic(*op, l, r)?;
                    can_fail |= op.can_fail() && kind == Some(Type::Int64);
                    (bound, kind)
                }
            }
        }
        Node::InOrder(..) => return expr.refuse_in_order(),
        Node::Call(function, args) => {
            let args = args.iter().map(part).collect::<Result<Vec<_>>>()?;
            can_fail |= function.can_fail;
            (function.bind)(Call { function, args, expr, can_fail })?
        }
    };
    Ok(Typed { bound, kind, expr, can_fail }.folded())
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

pub(super) fn constant(literal: Literal) -> Result<(Bound, Option<Type>)> {
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
        Literal::Interval(_) => return Err(interval::misplaced()),
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

pub(super) fn int(value: i64) -> Bound {
    Bound::Constant { literal: Literal::Int64(value), array: Arc::new(Int64Array::from(vec![value])) }
}

pub(super) fn float(value: f64) -> Bound {
    Bound::Constant { literal: Literal::Float64(value), array: Arc::new(Float64Array::from(vec![value])) }
}

/// The one value of an array as a literal.
fn literal_of(array: &ArrayRef) -> Literal {
    if array.is_null(0) {
        return Literal::Null;
    }
    match array.data_type() {
        DataType::Boolean => Literal::Bool(array.as_boolean().value(0)),
        DataType::Int64 => Literal::Int64(array.as_primitive::<Int64Type>().value(0)),
        DataType::Float64 => Literal::Float64(array.as_primitive::<Float64Type>().value(0)),
        DataType::Date32 => Literal::Date(date_text(array.as_primitive::<Date32Type>().value(0))),
        DataType::Utf8View => Literal::Text(array.as_string_view().value(0).to_owned()),
        _ => Literal::Timestamp(timestamp_text(array.as_primitive::<TimestampMicrosecondType>().value(0))),
    }
}

impl<'a> Typed<'a> {
    /// Computes what has only constants in it, unless that is an error: it is one on a row then, and not without rows.
    fn folded(self) -> Typed<'a> {
        let is_leaf = self.bound.children().next().is_none();
        if is_leaf || !self.bound.children().all(|part| matches!(part, Bound::Constant { .. })) {
            return self;
        }
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        let value = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &one_row)
            .map_err(Error::from)
            .and_then(|batch| self.bound.eval(&Rows::new(&batch, 0)));
        match value {
            Ok(Value::Constant(array)) => {
                Typed { bound: Bound::Constant { literal: literal_of(&array), array }, can_fail: false, ..self }
            }
            _ => self,
        }
    }

    /// Constant text among values of this type is one of them: a date or a timestamp.
    pub(super) fn read_as(self, kind: Type) -> Result<Typed<'a>> {
        match (kind, self.literal()) {
            (Type::Date, Some(Literal::Text(text))) => {
                let (bound, kind) = constant(Literal::Date(text.clone()))?;
                Ok(Typed { bound, kind, ..self })
            }
            (Type::Timestamp, Some(Literal::Text(text))) => {
                let (bound, kind) = constant(Literal::Timestamp(text.clone()))?;
                Ok(Typed { bound, kind, ..self })
            }
            _ => Ok(self),
        }
    }

    /// The part and its type, where a null of no type takes this one.
    pub(super) fn known_as(self, kind: Type) -> (Bound, Type) {
        match self.kind {
            Some(known) => (self.bound, known),
            None => {
                let array = new_null_array(&kind.arrow(), 1);
                (Bound::Constant { literal: Literal::Null, array }, kind)
            }
        }
    }

    /// The part as it enters an operator that takes this type.
    pub(super) fn cast(self, to: Type) -> Bound {
        let (bound, from) = self.known_as(to);
        match bound {
            bound if from == to => bound,
            Bound::Constant { literal: Literal::Int64(v), .. } if to == Type::Float64 => float(v as f64),
            bound => Bound::Cast(Box::new(bound), to),
        }
    }

    pub(super) fn literal(&self) -> Option<&Literal> {
        match &self.bound {
            Bound::Constant { literal, .. } => Some(literal),
            _ => None,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, None | Some(Type::Int64 | Type::Float64))
    }

    /// `'k' is int64`.
    pub(super) fn described(&self) -> String {
        match self.kind {
            Some(kind) => format!("{} is {kind}", self.expr.quoted()),
            None => self.expr.quoted(),
        }
    }
}
