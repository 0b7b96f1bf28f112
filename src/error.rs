//! One error type for the whole crate: what went wrong, where, in which step, and how to mend it.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong, for a program to branch on; people read the [`Error`]'s text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No file matches, or a file is gone.
    NotFound,
    /// Something of that name is there already, where it may not be replaced.
    Exists,
    /// The system refused: permission, a directory in place of a file, a failing disk.
    Io,
    /// The bytes are no CSV of the stated dialect: a ragged row, an unclosed quote, a record without end.
    Malformed,
    /// A value does not fit the type of its column.
    Value,
    /// A column that does not exist, or a name used twice.
    Column,
    /// Types that do not go together in an expression or aggregate.
    Type,
    /// An integer result beyond 64 bits.
    Overflow,
    /// A setting or argument that makes no sense.
    Config,
    /// The memory limit is too small for this run.
    Memory,
    /// SQL text that does not parse, or that says what is not supported.
    Sql,
    /// The run was cancelled.
    Cancelled,
    /// A task took longer than the time it was given.
    Timeout,
    /// A closure that was handed in gave an error of its own.
    Function,
    /// A task panicked: a defect of the engine, or of a closure given to it.
    Panic,
    /// A promise between parts of the engine was broken: a defect.
    Internal,
}

/// A place in an input file. Lines and bytes-within-file are exact, whatever the partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: Option<u64>,
    /// The offset in the file, in bytes from 0.
    pub byte: Option<u64>,
    /// The character in the line, counted from 1.
    pub character: Option<u64>,
    /// The name of the column.
    pub column: Option<String>,
}

/// What went wrong, where, in which step, and how to mend it.
///
/// Made to be read: its `Display` gives the message, then each of position, steps and help that is
/// known on a line of its own. Programs branch on [`kind`](Error::kind). Cheap to clone.
///
/// ```
/// use partita::prelude::*;
/// let error = read_csv("no/such/*.csv").compute().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert!(error.to_string().contains("no/such/*.csv"));
/// ```
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    position: Option<Position>,
    steps: Vec<String>,
    help: Option<String>,
    /// The text that it is about, a caret under the place.
    excerpt: Option<String>,
    /// What else is good to know, behind the help.
    note: Option<String>,
    /// Whether a value does not fit a type that was inferred from others.
    contradicts: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind that says `message`: one lower-case sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            position: None,
            steps: Vec::new(),
            help: None,
            excerpt: None,
            note: None,
            contradicts: false,
            source: None,
        }))
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    /// Adds where it happened.
    #[must_use]
    pub fn at(mut self, position: Position) -> Error {
        self.0.position = Some(position);
        self
    }

    /// Adds the text that it is about, marked, and the character of its line.
    #[must_use]
    pub(crate) fn excerpt(mut self, excerpt: String, character: Option<u64>) -> Error {
        self.0.excerpt = Some(excerpt);
        if let Some(position) = &mut self.0.position {
            position.character = character;
        }
        self
    }

    /// Adds what else is good to know.
    #[must_use]
    pub(crate) fn note(mut self, note: String) -> Error {
        self.0.note = Some(note);
        self
    }

    /// Says that a value does not fit a type that was inferred from others.
    #[must_use]
    pub(crate) fn contradicting(mut self) -> Error {
        self.0.contradicts = true;
        self
    }

    /// Whether a value does not fit a type that was inferred from others.
    pub(crate) fn is_contradiction(&self) -> bool {
        self.0.contradicts
    }

    /// Adds the step of the chain that it happened in, the innermost first.
    #[must_use]
    pub fn in_step(mut self, step: impl Into<String>) -> Error {
        self.0.steps.push(step.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Error {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What a closure that was handed in failed with: an error of ours as it is, any other as its cause.
    pub(crate) fn of_function(error: Box<dyn StdError + Send + Sync>) -> Error {
        match error.downcast::<Error>() {
            // An error of arrow that `?` made ours is the closure's, not a defect of the engine.
            Ok(ours) if ours.kind() == ErrorKind::Internal && ours.0.source.is_some() => {
                let mut error = Error::new(ErrorKind::Function, "the closure failed");
                error.0.source = ours.0.source;
                error
            }
            Ok(ours) => *ours,
            Err(other) => {
                let mut error = Error::new(ErrorKind::Function, "the closure failed");
                error.0.source = Some(Arc::from(other));
                error
            }
        }
    }

    /// A name that is not among the columns: lists those that exist and the nearest one.
    pub fn unknown_column<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let error = Error::new(ErrorKind::Column, format!("there is no column '{name}'"));
        if names.is_empty() {
            return error.help("the input has no columns at all");
        }
        let list = names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
        match nearest(name, names.iter().copied()) {
            Some(near) => error.help(format!("did you mean '{near}'? The columns are {list}")),
            None => error.help(format!("the columns are {list}")),
        }
    }

    /// A name that is no option: lists those that exist and the nearest one.
    pub(crate) fn unknown_option<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let error = Error::new(ErrorKind::Config, format!("there is no option '{name}'"));
        let near =
            nearest(name, names.iter().copied()).map_or(String::new(), |near| format!("did you mean '{near}'? "));
        error.help(format!("{near}The options are {}", names.join(", ")))
    }

    /// A promise between parts of the engine that was broken.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message).help("this is a defect of partita: please report it")
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The place in the input, where one is known.
    pub fn position(&self) -> Option<&Position> {
        self.0.position.as_ref()
    }

    /// The steps of the chain that it passed through, the innermost first.
    pub fn steps(&self) -> &[String] {
        &self.0.steps
    }

    /// What went wrong, without place, steps and help.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// The candidate nearest to `name`, when one is near enough to have been meant.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    candidates
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        // A name that has nothing in common with it was not meant, however short both are.
        .filter(|&(distance, c)| distance <= 1.max(name.len().max(c.len()) / 3) && distance < name.len().max(c.len()))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, c)| c)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(character) = self.character {
                write!(f, ":{character}")?;
            }
        }
        if let Some(column) = &self.column {
            write!(f, ", column '{column}'")?;
        }
        if let Some(byte) = self.byte {
            write!(f, ", byte {byte}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.write_str(&inner.message)?;
        if let Some(source) = &inner.source {
            write!(f, ": {source}")?;
        }
        if let Some(position) = &inner.position {
            write!(f, "\n  at {position}")?;
        }
        for line in inner.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
            write!(f, "\n    {line}")?;
        }
        for step in &inner.steps {
            write!(f, "\n  in {step}")?;
        }
        if let Some(help) = &inner.help {
            write!(f, "\n  help: {help}")?;
        }
        if let Some(note) = &inner.note {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| s.as_ref() as &(dyn StdError + 'static))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Error {
        use arrow::error::ArrowError as A;
        match error {
            A::ArithmeticOverflow(what) => {
                Error::new(ErrorKind::Overflow, format!("an integer result is beyond 64 bits ({what})"))
                    .help("compute in floats: multiply or add a float, as in col(\"v\") * 1.0")
            }
            // What came out of a stream of ours, or of a closure that uses the library.
            A::ExternalError(error) if error.is::<Error>() => match error.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => Error::internal("a kernel failed").caused_by(A::ExternalError(other)),
            },
            other => Error::internal("a kernel failed").caused_by(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_column_names_the_nearest_and_all() {
        let text = Error::unknown_column("quantitty", ["value", "quantity"]).in_step("filter").to_string();
        assert_eq!(
            text,
            "there is no column 'quantitty'\n  in filter\n  help: did you mean 'quantity'? The columns are 'value', 'quantity'"
        );
        assert!(Error::unknown_column("zzz", ["value"]).to_string().ends_with("the columns are 'value'"));
        assert!(Error::unknown_column("c", ["a"]).to_string().ends_with("the columns are 'a'"));
    }
}
