//! What a task may hold: the budget, and the parts that travel along the edges of a graph.

mod budget;
mod freed;
mod spill;
mod usage;

use std::any::{Any, type_name};
use std::fmt;
use std::sync::Arc;

pub(crate) use budget::{Budget, Reservation};
pub(crate) use freed::keep_freed;
pub(crate) use spill::{Block, Claim, Spill};
pub(crate) use usage::{Notice, Tell, Usage};

use crate::error::{Error, Result};

/// What an edge of the task graph carries: the result of a task, with an honest count of its bytes.
///
/// A consumer gets it as an `Arc`. The scheduler lets go of its own handle before the last consumer starts, so a part
/// with one consumer, that is no output of the run, can be taken out whole with [`take`]; shared ones are read with
/// [`view`].
pub(crate) trait Part: Any + Send + Sync {
    /// The bytes held, allocated capacity and not just length.
    fn bytes(&self) -> usize;
}

impl fmt::Debug for dyn Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} bytes)", self.bytes())
    }
}

/// Takes the value out of a part that nobody else holds.
///
/// # Errors
/// `ErrorKind::Internal` when it is no `T`, or when somebody else holds it too.
pub(crate) fn take<T: Part>(part: Arc<dyn Part>) -> Result<T> {
    Arc::try_unwrap(known::<T>(part)?)
        .map_err(|_| Error::internal(format!("a part ({}) to take is shared", type_name::<T>())))
}

/// A part as what it is, for who takes it out where nobody else holds it, and else only looks.
///
/// # Errors
/// `ErrorKind::Internal` when it is no `T`.
pub(crate) fn known<T: Part>(part: Arc<dyn Part>) -> Result<Arc<T>> {
    let any: Arc<dyn Any + Send + Sync> = part;
    any.downcast::<T>().map_err(|_| wrong_type::<T>())
}

/// Looks at the value of a part, shared or not.
///
/// # Errors
/// `ErrorKind::Internal` when it is no `T`.
pub(crate) fn view<T: Part>(part: &Arc<dyn Part>) -> Result<&T> {
    let any: &dyn Any = part.as_ref();
    any.downcast_ref::<T>().ok_or_else(wrong_type::<T>)
}

fn wrong_type<T>() -> Error {
    Error::internal(format!("a part is no {}", type_name::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[derive(Debug, PartialEq)]
    struct Number(i64);
    impl Part for Number {
        fn bytes(&self) -> usize {
            8
        }
    }
    #[derive(Debug)]
    struct Text;
    impl Part for Text {
        fn bytes(&self) -> usize {
            0
        }
    }

    #[test]
    fn takes_the_value_of_the_only_handle() {
        let part: Arc<dyn Part> = Arc::new(Number(7));
        assert_eq!(view::<Number>(&part).unwrap(), &Number(7));
        assert_eq!(view::<Text>(&part).unwrap_err().kind(), ErrorKind::Internal);

        let shared = Arc::clone(&part);
        assert!(take::<Number>(shared).unwrap_err().message().contains("shared"));
        assert_eq!(take::<Text>(Arc::clone(&part)).unwrap_err().kind(), ErrorKind::Internal);
        assert_eq!(take::<Number>(part).unwrap(), Number(7));
    }
}
