//! Several results of one run.

use std::sync::{Arc, Mutex, PoisonError};

use super::restart::{current, wider};
use super::{Column, Frame, Running, Scalar};
use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Literal;
use crate::lower::{answer, expand, lower};
use crate::plan::{LogicalPlan, optimise};
use crate::sched::Session;

/// What a run can give: a [`Frame`], a [`Column`], a [`Scalar`], and tuples, arrays and vectors of these.
pub trait Lazy {
    /// What it is when it is computed.
    type Output: 'static;

    /// The frames to compute.
    #[doc(hidden)]
    fn frames(&self) -> Vec<Frame>;

    /// The result, from the tables of these frames, one after the other.
    #[doc(hidden)]
    fn output(tables: &mut dyn Iterator<Item = Table>, shape: &Shape) -> Result<Self::Output>;

    /// How many frames each part has.
    #[doc(hidden)]
    fn shape(&self) -> Shape;
}

/// The number of parts, where that is not told by the type.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum Shape {
    One,
    Many(Vec<Shape>),
}

/// Computes several results in one run; those that read the same files share one scan of them.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let df = read_csv("testdata/baci/BACI_HS12_Y*.csv");
/// let price = df.with_column("price", col("v") / col("q")).column("price");
/// let (mean, median, by_year) = compute_all((price.mean(), price.median(), df.group_by(["t"]).agg([size()])))?;
/// assert!(mean != median);
/// assert_eq!(by_year.num_rows(), 7);
/// # Ok(())
/// # }
/// ```
///
/// The results are those that each alone would have. What shares a scan: frames made from clones of one [`read_csv`](crate::read_csv)
/// frame by row-wise steps, up to the first aggregate, sort or other step that brings rows together; merges read their left
/// side by themselves. Where filters differ, the scan is shared if each of its columns is one that some result alone needs of
/// all rows: no value is decoded, and found to be wrong, that none of the results would look at.
///
/// # Errors
/// As [`Frame::compute`] has; the first error stops all. The first result's session runs them.
pub fn compute_all<L: Lazy>(lazies: L) -> Result<L::Output> {
    submit_all(lazies).wait()
}

/// As [`compute_all`], in the background.
///
/// ```
/// # fn main() -> partita::Result<()> {
/// use partita::prelude::*;
/// let q = read_csv("testdata/baci/BACI_HS12_Y2018.csv").column("q");
/// let running = submit_all([q.min(), q.max()]);
/// let [least, most] = running.wait()?;
/// assert!(least != most);
/// # Ok(())
/// # }
/// ```
pub fn submit_all<L: Lazy>(lazies: L) -> Running<L::Output> {
    let shape = lazies.shape();
    submit_frames(lazies.frames(), move |tables| L::output(tables, &shape))
}

/// Starts one run of all these frames, in the session of the first.
pub(super) fn submit_frames<T: 'static>(
    frames: Vec<Frame>,
    finish: impl FnOnce(&mut dyn Iterator<Item = Table>) -> Result<T> + Send + 'static,
) -> Running<T> {
    let session = frames.first().map_or_else(Session::default, |frame| frame.session.clone());
    let plans = frames.iter().map(|frame| frame.plan().cloned()).collect::<Result<Vec<_>>>();
    // What the run that gave the results was of.
    let shape = Arc::new(Mutex::new(vec![]));
    let start = {
        let shape = shape.clone();
        let session = session.clone();
        move |plans: &[Arc<LogicalPlan>]| {
            let optimised = plans.iter().map(optimise).collect::<Result<Vec<_>>>()?;
            let (graph, ends) = expand(lower(&optimised)?, session.config())?;
            let schemas = plans.iter().map(|plan| plan.schema().clone());
            *shape.lock().unwrap_or_else(PoisonError::into_inner) = schemas.zip(ends.iter().map(Vec::len)).collect();
            Ok(session.start(graph, &ends.concat()))
        }
    };
    let run = plans.and_then(|plans| current(&plans)).and_then(|plans| Ok((start(&plans)?, plans)));
    let (run, mut plans) = run.map_or_else(|error| (Err(error), vec![]), |(run, plans)| (Ok(run), plans));
    let restart = move |error| {
        plans = wider(&session, &plans, error)?;
        start(&plans)
    };
    Running::new(run, restart, move |mut parts| {
        let mut tables = Vec::new();
        let shape = std::mem::take(&mut *shape.lock().unwrap_or_else(PoisonError::into_inner));
        for (schema, partitions) in shape {
            let rest = parts.split_off(partitions.min(parts.len()));
            tables.push(Table::new(schema, answer(std::mem::replace(&mut parts, rest))?)?);
        }
        finish(&mut tables.into_iter())
    })
}

fn lacking() -> Error {
    Error::internal("a run gave fewer results than were asked for")
}

impl Lazy for Frame {
    type Output = Table;

    fn frames(&self) -> Vec<Frame> {
        vec![self.clone()]
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, _: &Shape) -> Result<Table> {
        tables.next().ok_or_else(lacking)
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl Lazy for Column {
    type Output = Table;

    fn frames(&self) -> Vec<Frame> {
        vec![self.frame().clone()]
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, _: &Shape) -> Result<Table> {
        tables.next().ok_or_else(lacking)
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl Lazy for Scalar {
    type Output = Literal;

    fn frames(&self) -> Vec<Frame> {
        vec![self.frame().clone()]
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, _: &Shape) -> Result<Literal> {
        Scalar::value(&tables.next().ok_or_else(lacking)?)
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl<L: Lazy> Lazy for &L {
    type Output = L::Output;

    fn frames(&self) -> Vec<Frame> {
        L::frames(self)
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, shape: &Shape) -> Result<L::Output> {
        L::output(tables, shape)
    }

    fn shape(&self) -> Shape {
        L::shape(self)
    }
}

impl<L: Lazy> Lazy for Vec<L> {
    type Output = Vec<L::Output>;

    fn frames(&self) -> Vec<Frame> {
        self.iter().flat_map(Lazy::frames).collect()
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, shape: &Shape) -> Result<Vec<L::Output>> {
        shape.parts().iter().map(|part| L::output(tables, part)).collect()
    }

    fn shape(&self) -> Shape {
        Shape::Many(self.iter().map(Lazy::shape).collect())
    }
}

impl<L: Lazy, const N: usize> Lazy for [L; N] {
    type Output = [L::Output; N];

    fn frames(&self) -> Vec<Frame> {
        self.iter().flat_map(Lazy::frames).collect()
    }

    fn output(tables: &mut dyn Iterator<Item = Table>, shape: &Shape) -> Result<[L::Output; N]> {
        <Vec<L>>::output(tables, shape)?.try_into().map_err(|_| lacking())
    }

    fn shape(&self) -> Shape {
        Shape::Many(self.iter().map(Lazy::shape).collect())
    }
}

impl Shape {
    fn parts(&self) -> &[Shape] {
        match self {
            Shape::One => std::slice::from_ref(self),
            Shape::Many(parts) => parts,
        }
    }

    fn part(&self, nth: usize) -> Result<&Shape> {
        self.parts().get(nth).ok_or_else(|| Error::new(ErrorKind::Internal, "a result has no such part"))
    }
}

macro_rules! tuples {
    ($($lazy:ident $nth:tt),+) => {
        impl<$($lazy: Lazy),+> Lazy for ($($lazy,)+) {
            type Output = ($($lazy::Output,)+);

            fn frames(&self) -> Vec<Frame> {
                [$(self.$nth.frames()),+].concat()
            }

            fn output(tables: &mut dyn Iterator<Item = Table>, shape: &Shape) -> Result<Self::Output> {
                Ok(($($lazy::output(tables, shape.part($nth)?)?,)+))
            }

            fn shape(&self) -> Shape {
                Shape::Many(vec![$(self.$nth.shape()),+])
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
