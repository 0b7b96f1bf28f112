//! How the rows of two frames find each other: what a merge's plan says and its kernel does.

use std::fmt;

/// Which rows come out of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeKind {
    /// Each left row with each right row of its key.
    Inner,
    /// These, and left rows without a match.
    Left,
    /// These, and right rows without a match.
    Right,
    /// These, and the rows without a match of both sides.
    Outer,
    /// Left rows with a match, each once.
    Semi,
    /// Left rows without a match.
    Anti,
    /// Each left row with each right row.
    Cross,
}

impl MergeKind {
    /// Whether columns of the right side come out.
    pub(crate) fn shows_right(self) -> bool {
        !matches!(self, MergeKind::Semi | MergeKind::Anti)
    }

    /// Whether left rows without a match come out beside those with one.
    pub(crate) fn keeps_left(self) -> bool {
        matches!(self, MergeKind::Left | MergeKind::Outer)
    }

    /// Whether right rows without a match come out.
    pub(crate) fn keeps_right(self) -> bool {
        matches!(self, MergeKind::Right | MergeKind::Outer)
    }
}

impl fmt::Display for MergeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MergeKind::Inner => "inner",
            MergeKind::Left => "left",
            MergeKind::Right => "right",
            MergeKind::Outer => "outer",
            MergeKind::Semi => "semi",
            MergeKind::Anti => "anti",
            MergeKind::Cross => "cross",
        })
    }
}

/// On which side of a left row's key the right row lies that an as-of merge gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The last at or before it.
    Backward,
    /// The first at or behind it.
    Forward,
    /// The nearer of the two; of two as near, the one before.
    Nearest,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Backward => "backward",
            Direction::Forward => "forward",
            Direction::Nearest => "nearest",
        })
    }
}

/// How far two keys lie apart: integers, days or microseconds, or floats.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Gap {
    Int(u64),
    Float(f64),
}

/// Which right row an as-of merge gives a left row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nearness {
    pub direction: Direction,
    /// Whether an equal key counts.
    pub exact: bool,
    /// The farthest that counts.
    pub tolerance: Option<Gap>,
}
