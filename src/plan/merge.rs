//! Merges: which columns are keys, what comes out under which name, and whether types go together.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::{LogicalPlan, list, unique};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Direction, Gap, Literal, MergeKind, Nearness, Type, col};

/// What a merge was asked for.
#[derive(Debug, Clone)]
pub(crate) struct MergeSpec {
    pub kind: MergeKind,
    /// The keys on the left and on the right; none is all columns in common.
    pub keys: Option<(Vec<String>, Vec<String>)>,
    /// What is put behind names that are on both sides.
    pub suffixes: [String; 2],
    pub nulls_equal: bool,
    pub as_of: Option<AsOfSpec>,
}

/// What an as-of merge was asked for.
#[derive(Debug, Clone)]
pub(crate) struct AsOfSpec {
    pub left: String,
    pub right: String,
    pub direction: Direction,
    pub exact: bool,
    pub tolerance: Option<Literal>,
}

/// How rows of the left find rows of the right. Columns are called as they are on their sides.
#[derive(Debug, Clone)]
pub(crate) struct Matching {
    pub kind: MergeKind,
    /// Pairs of a left and a right key.
    pub keys: Vec<(String, String)>,
    pub nulls_equal: bool,
    /// The columns of which the nearest is found, and how.
    pub near: Option<(String, String, Nearness)>,
    text: String,
}

/// Where a column that comes out is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Left(String),
    Right(String),
    /// A key that is called the same on both sides: the left's, or the right's for rows that have no left one.
    Key(String),
}

impl LogicalPlan {
    /// # Errors
    /// [`ErrorKind::Column`] for keys that are not there and names that clash, [`ErrorKind::Type`] for keys of two types,
    /// [`ErrorKind::Config`] for too few keys or too many.
    pub(crate) fn merge(left: Arc<LogicalPlan>, right: Arc<LogicalPlan>, spec: MergeSpec) -> Result<LogicalPlan> {
        let (l, r) = (left.schema(), right.schema());
        let keys = keys(&spec, l, r)?;
        for (left_key, right_key) in &keys {
            same_type(left_key, field(l, left_key)?, right_key, of_right(r, right_key)?)?;
        }
        let near = spec.as_of.as_ref().map(|as_of| near(as_of, l, r)).transpose()?;
        let is_key = |name: &str| keys.iter().any(|(a, b)| a == name && b == name);
        let is_near = |name: &str| near.as_ref().is_some_and(|(a, b, _)| a == name && b == name);
        let mut columns: Vec<(Origin, Field)> = Vec::new();
        for column in l.fields() {
            let name = column.name();
            let shared = is_key(name) || is_near(name);
            let clashes = spec.kind.shows_right() && !shared && has(r, name);
            let origin = if is_key(name) && spec.kind.shows_right() { Origin::Key } else { Origin::Left };
            columns.push((origin(name.clone()), suffixed(column, clashes, &spec.suffixes[0])));
        }
        if spec.kind.shows_right() {
            for column in r.fields().iter().filter(|column| !is_key(column.name()) && !is_near(column.name())) {
                let clashes = has(l, column.name());
                columns.push((Origin::Right(column.name().clone()), suffixed(column, clashes, &spec.suffixes[1])));
            }
        }
        let (columns, fields): (Vec<Origin>, Vec<Field>) = columns.into_iter().unzip();
        let schema = unique(fields).map_err(|e| {
            e.help("keep the names of both sides apart with other suffixes, as in suffixes(\"_left\", \"_right\")")
        })?;
        let text = text(&spec, &keys);
        let matching = Matching { kind: spec.kind, keys, nulls_equal: spec.nulls_equal, near, text };
        Ok(LogicalPlan::Merge { inputs: [left, right], matching: Arc::new(matching), columns, schema })
    }
}

impl Matching {
    /// Whether matches are found by this column of the left.
    pub(crate) fn looks_at_left(&self, name: &str) -> bool {
        let near = self.near.iter().map(|(left, ..)| left);
        self.keys.iter().map(|(left, _)| left).chain(near).any(|left| left == name)
    }

    /// Whether matches are found by this column of the right.
    pub(crate) fn looks_at_right(&self, name: &str) -> bool {
        let near = self.near.iter().map(|(_, right, _)| right);
        self.keys.iter().map(|(_, right)| right).chain(near).any(|right| right == name)
    }

    /// The columns of both sides without which these can't come out.
    pub(super) fn needed(&self, columns: &[Origin]) -> [BTreeSet<Arc<str>>; 2] {
        let [mut left, mut right] = [BTreeSet::new(), BTreeSet::new()];
        let near = self.near.iter().map(|(l, r, _)| (l, r));
        for (l, r) in self.keys.iter().map(|(l, r)| (l, r)).chain(near) {
            left.insert(Arc::from(l.as_str()));
            right.insert(Arc::from(r.as_str()));
        }
        for column in columns {
            match column {
                Origin::Left(name) | Origin::Key(name) => left.insert(Arc::from(name.as_str())),
                Origin::Right(name) => right.insert(Arc::from(name.as_str())),
            };
        }
        [left, right]
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The pairs of keys, which are there.
fn keys(spec: &MergeSpec, l: &Schema, r: &Schema) -> Result<Vec<(String, String)>> {
    let config = |message: &str, help: &str| Err(Error::new(ErrorKind::Config, message).help(help));
    let common = || names(l).filter(|name| has(r, name)).map(|name| (name.to_owned(), name.to_owned())).collect();
    let keys: Vec<(String, String)> = match &spec.keys {
        None if spec.kind == MergeKind::Cross || spec.as_of.is_some() => Vec::new(),
        None => common(),
        Some(_) if spec.kind == MergeKind::Cross => {
            return config("a cross merge has no keys", "leave them out, or choose another kind");
        }
        Some((left, right)) if left.len() != right.len() => {
            let message = format!("{} keys on the left, {} on the right", left.len(), right.len());
            return config(&message, "name as many with left_on(..) as with right_on(..)");
        }
        Some((left, right)) => left.iter().cloned().zip(right.iter().cloned()).collect(),
    };
    if keys.is_empty() && spec.kind != MergeKind::Cross && spec.as_of.is_none() {
        let help = "say which columns are keys with left_on(..) and right_on(..), or choose Merge::cross()";
        return match spec.keys {
            Some(_) => config("a merge needs a key", help),
            None => Err(Error::new(
                ErrorKind::Column,
                format!(
                    "the two sides have no column in common: {} on the left, {} on the right",
                    list(names(l).map(|n| format!("'{n}'"))),
                    list(names(r).map(|n| format!("'{n}'")))
                ),
            )
            .help(help)),
        };
    }
    for (left, right) in &keys {
        field(l, left)?;
        of_right(r, right)?;
    }
    for (i, key) in keys.iter().enumerate() {
        if keys[..i].contains(key) {
            return config(&format!("key '{}' is named twice", key.0), "name it once");
        }
    }
    Ok(keys)
}

/// What an as-of merge looks for: the columns and how.
fn near(as_of: &AsOfSpec, l: &Schema, r: &Schema) -> Result<(String, String, Nearness)> {
    let kind = same_type(&as_of.left, field(l, &as_of.left)?, &as_of.right, of_right(r, &as_of.right)?)?;
    if matches!(kind, Type::Bool | Type::Text) {
        let message = format!("an as-of merge finds the nearest in time or number, and '{}' is {kind}", as_of.left);
        return Err(Error::new(ErrorKind::Type, message)
            .help(format!("cast it: with_column(\"{0}\", col(\"{0}\").cast(Type::Timestamp))", as_of.left)));
    }
    let tolerance = as_of.tolerance.as_ref().map(|tolerance| gap(tolerance, kind)).transpose()?;
    let nearness = Nearness { direction: as_of.direction, exact: as_of.exact, tolerance };
    Ok((as_of.left.clone(), as_of.right.clone(), nearness))
}

/// A tolerance between keys of a type.
fn gap(tolerance: &Literal, kind: Type) -> Result<Gap> {
    let negative =
        || Error::new(ErrorKind::Config, "a tolerance below 0 lets nothing match").help("give it as a distance");
    let distance = |n: i64| u64::try_from(n).map_err(|_| negative());
    match (kind, tolerance) {
        (Type::Int64, Literal::Int64(n)) => Ok(Gap::Int(distance(*n)?)),
        (Type::Float64, Literal::Int64(n)) => Ok(Gap::Float(distance(*n)? as f64)),
        (Type::Float64, Literal::Float64(x)) if *x >= 0.0 => Ok(Gap::Float(*x)),
        (Type::Float64, Literal::Float64(_)) => Err(negative()),
        (Type::Date | Type::Timestamp, Literal::Interval(interval)) => {
            let micros = interval.fixed_micros().ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("a tolerance of {interval} is not always as long"))
                    .help("give it in weeks, days, hours, minutes or seconds")
            })?;
            let micros = distance(micros)?;
            // Whole days are what dates can lie apart.
            Ok(Gap::Int(if kind == Type::Date { micros / DAY } else { micros }))
        }
        _ => {
            let example = match kind {
                Type::Int64 => "an integer, as in tolerance(5)",
                Type::Float64 => "a number, as in tolerance(0.5)",
                _ => "a length of time, as in tolerance(minutes(5))",
            };
            Err(Error::new(ErrorKind::Type, format!("a tolerance of {tolerance} between keys of type {kind}"))
                .help(format!("give {example}")))
        }
    }
}

/// Microseconds.
const DAY: u64 = 86_400_000_000;

fn names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.fields().iter().map(|field| field.name().as_str())
}

fn has(schema: &Schema, name: &str) -> bool {
    names(schema).any(|n| n == name)
}

fn field<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field> {
    let found = schema.fields().iter().find(|field| field.name() == name);
    found.map(|field| field.as_ref()).ok_or_else(|| Error::unknown_column(name, names(schema)))
}

fn of_right<'a>(schema: &'a Schema, name: &str) -> Result<&'a Field> {
    field(schema, name).map_err(|e| e.in_step("the right side"))
}

fn suffixed(field: &Field, clashes: bool, suffix: &str) -> Field {
    let name = if clashes { format!("{}{suffix}", field.name()) } else { field.name().clone() };
    Field::new(name, field.data_type().clone(), true)
}

/// The type of both keys, which is one.
fn same_type(left: &str, left_field: &Field, right: &str, right_field: &Field) -> Result<Type> {
    use Type::{Bool, Date, Float64, Int64, Text, Timestamp};
    let kind =
        |name: &str, field: &Field| -> Result<Type> { Ok(col(name).bind(&Schema::new(vec![field.clone()]))?.kind()) };
    let (l, r) = (kind(left, left_field)?, kind(right, right_field)?);
    if l == r {
        return Ok(l);
    }
    let message = if left == right {
        format!("key '{left}' is {l} on the left and {r} on the right")
    } else {
        format!("key '{left}' is {l} and '{right}', on the right, is {r}")
    };
    let cast = |side: &str, name: &str, to: Type| {
        let variant = format!("{to:?}");
        format!("the {side} key with with_column(\"{name}\", col(\"{name}\").cast(Type::{variant}))")
    };
    let (to_left, to_right) = (cast("left", left, r), cast("right", right, l));
    let help = match (l, r) {
        // The side that has the narrower type becomes what the other is.
        (Int64 | Bool, Float64) | (Bool, Int64) | (Date, Timestamp) => format!("cast {to_left}"),
        (Float64, Int64 | Bool) | (Int64, Bool) | (Timestamp, Date) => format!("cast {to_right}"),
        // Text may be either way: as it stands, or what it says.
        (_, Text) => format!("cast {to_left}, or {to_right}"),
        (Text, _) => format!("cast {to_right}, or {to_left}"),
        _ => format!("cast {} and {}", cast("left", left, Text), cast("right", right, Text)),
    };
    Err(Error::new(ErrorKind::Type, message).help(help))
}

fn text(spec: &MergeSpec, keys: &[(String, String)]) -> String {
    let pair = |(l, r): (&str, &str)| if l == r { l.to_owned() } else { format!("{l} = {r}") };
    let keys = list(keys.iter().map(|(l, r)| pair((l, r))));
    let mut text = match &spec.as_of {
        None if spec.kind == MergeKind::Cross => "merge cross".to_owned(),
        None => format!("merge {} on {keys}", spec.kind),
        Some(as_of) => {
            let by = if keys.is_empty() { String::new() } else { format!(" by {keys}") };
            let tolerance = as_of.tolerance.as_ref().map(|t| format!(", at most {t} apart")).unwrap_or_default();
            let exact = if as_of.exact { "" } else { ", no equal ones" };
            format!("merge as of {}{by}, {}{tolerance}{exact}", pair((&as_of.left, &as_of.right)), as_of.direction)
        }
    };
    if spec.nulls_equal {
        text += ", null keys match";
    }
    text
}
