//! Several results of one run.

use std::sync::{Arc, Mutex, PoisonError};

use super::restart::{current, wider};
use super::{Column, Frame, Running, Scalar};
use crate::batch::Table;
use crate::error::{Error, ErrorKind, Result};
use crate::expr::Literal;
use crate::graph::Expand;
use crate::lower::{answer, expand, lower};
use crate::mem::Part;
use crate::plan::{LogicalPlan, optimise};
use crate::sched::Session;

/// What a run can give: a [`Frame`], a [`Column`], a [`Scalar`], a [`Delayed`](crate::Delayed) value, and tuples, arrays and
/// vectors of these.
pub trait Lazy {
    /// What it is when it is computed.
    type Output: 'static;

    /// What to compute.
    #[doc(hidden)]
    fn wanted(&self) -> Vec<Wanted>;

    /// The result, from the results of what was wanted, one after the other.
    #[doc(hidden)]
    fn output(results: &mut Results, shape: &Shape) -> Result<Self::Output>;

    /// How many results each part has.
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

/// One thing to compute.
#[doc(hidden)]
#[derive(Clone)]
pub struct Wanted(pub(super) Session, pub(super) What);

#[derive(Clone)]
pub(super) enum What {
    Frame(Frame),
    Tasks(Arc<dyn Expand>),
}

/// What a run gave: for each thing that was wanted, its result.
#[doc(hidden)]
pub struct Results(std::vec::IntoIter<Answer>);

enum Answer {
    Table(Table),
    Part(Arc<dyn Part>),
}

impl Wanted {
    fn frame(frame: &Frame) -> Wanted {
        Wanted(frame.session.clone(), What::Frame(frame.clone()))
    }

    pub(crate) fn tasks(session: Session, tasks: Arc<dyn Expand>) -> Wanted {
        Wanted(session, What::Tasks(tasks))
    }
}

impl Results {
    pub(crate) fn table(&mut self) -> Result<Table> {
        match self.0.next() {
            Some(Answer::Table(table)) => Ok(table),
            _ => Err(lacking()),
        }
    }

    pub(crate) fn part(&mut self) -> Result<Arc<dyn Part>> {
        match self.0.next() {
            Some(Answer::Part(part)) => Ok(part),
            _ => Err(lacking()),
        }
    }
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
    submit_in(None, lazies)
}

/// Starts one run of all that is wanted, in this session or in that of the first.
pub(crate) fn submit_in<L: Lazy>(session: Option<Session>, lazies: L) -> Running<L::Output> {
    let (wanted, shape) = (lazies.wanted(), lazies.shape());
    let session = session.or_else(|| wanted.first().map(|first| first.0.clone())).unwrap_or_default();
    submit_wanted(session, wanted, move |results| L::output(results, &shape))
}

fn submit_wanted<T: 'static>(
    session: Session,
    wanted: Vec<Wanted>,
    finish: impl FnOnce(&mut Results) -> Result<T> + Send + 'static,
) -> Running<T> {
    let plans = wanted.iter().filter_map(|wanted| match &wanted.1 {
        What::Frame(frame) => Some(frame.plan().cloned()),
        What::Tasks(_) => None,
    });
    let plans = plans.collect::<Result<Vec<_>>>();
    // What the run that gave the results was of: for each thing wanted, the columns and partitions of a frame.
    let shape = Arc::new(Mutex::new(vec![]));
    let has_tasks = wanted.iter().any(|wanted| matches!(wanted.1, What::Tasks(_)));
    let start = {
        let shape = shape.clone();
        let session = session.clone();
        move |plans: &[Arc<LogicalPlan>]| {
            let optimised = plans.iter().map(optimise).collect::<Result<Vec<_>>>()?;
            let (mut graph, ends) = expand(lower(&optimised)?, session.config())?;
            let mut frames = plans.iter().map(|plan| plan.schema().clone()).zip(ends);
            let (mut shapes, mut outputs) = (vec![], vec![]);
            for Wanted(_, what) in &wanted {
                shapes.push(match what {
                    What::Frame(_) => {
                        let (schema, ends) = frames.next().ok_or_else(lacking)?;
                        outputs.extend(&ends);
                        Some((schema, ends.len()))
                    }
                    What::Tasks(tasks) => {
                        outputs.push(tasks.expand(&mut graph)?);
                        None
                    }
                });
            }
            *shape.lock().unwrap_or_else(PoisonError::into_inner) = shapes;
            Ok(session.start(graph, &outputs))
        }
    };
    let run = plans.and_then(|plans| current(&plans)).and_then(|plans| Ok((start(&plans)?, plans)));
    let (run, mut plans) = run.map_or_else(|error| (Err(error), vec![]), |(run, plans)| (Ok(run), plans));
    let restart = move |error| {
        // Tasks run once: what they do beside giving a value would be done again.
        if has_tasks {
            return Err(error);
        }
        plans = wider(&session, &plans, error)?;
        start(&plans)
    };
    Running::new(run, restart, move |parts| {
        let (mut parts, mut answers) = (parts.into_iter(), vec![]);
        for shape in std::mem::take(&mut *shape.lock().unwrap_or_else(PoisonError::into_inner)) {
            answers.push(match shape {
                Some((schema, partitions)) => {
                    Answer::Table(Table::of_held(schema, answer(parts.by_ref().take(partitions).collect())?))
                }
                None => Answer::Part(parts.next().ok_or_else(lacking)?),
            });
        }
        finish(&mut Results(answers.into_iter()))
    })
}

fn lacking() -> Error {
    Error::internal("a run gave fewer results than were asked for")
}

impl Lazy for Frame {
    type Output = Table;

    fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted::frame(self)]
    }

    fn output(results: &mut Results, _: &Shape) -> Result<Table> {
        results.table()
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl Lazy for Column {
    type Output = Table;

    fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted::frame(self.frame())]
    }

    fn output(results: &mut Results, _: &Shape) -> Result<Table> {
        results.table()
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl Lazy for Scalar {
    type Output = Literal;

    fn wanted(&self) -> Vec<Wanted> {
        vec![Wanted::frame(self.frame())]
    }

    fn output(results: &mut Results, _: &Shape) -> Result<Literal> {
        Scalar::value(&results.table()?)
    }

    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl<L: Lazy> Lazy for &L {
    type Output = L::Output;

    fn wanted(&self) -> Vec<Wanted> {
        L::wanted(self)
    }

    fn output(results: &mut Results, shape: &Shape) -> Result<L::Output> {
        L::output(results, shape)
    }

    fn shape(&self) -> Shape {
        L::shape(self)
    }
}

impl<L: Lazy> Lazy for Vec<L> {
    type Output = Vec<L::Output>;

    fn wanted(&self) -> Vec<Wanted> {
        self.iter().flat_map(Lazy::wanted).collect()
    }

    fn output(results: &mut Results, shape: &Shape) -> Result<Vec<L::Output>> {
        shape.parts().iter().map(|part| L::output(results, part)).collect()
    }

    fn shape(&self) -> Shape {
        Shape::Many(self.iter().map(Lazy::shape).collect())
    }
}

impl<L: Lazy, const N: usize> Lazy for [L; N] {
    type Output = [L::Output; N];

    fn wanted(&self) -> Vec<Wanted> {
        self.iter().flat_map(Lazy::wanted).collect()
    }

    fn output(results: &mut Results, shape: &Shape) -> Result<[L::Output; N]> {
        <Vec<L>>::output(results, shape)?.try_into().map_err(|_| lacking())
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

            fn wanted(&self) -> Vec<Wanted> {
                [$(self.$nth.wanted()),+].concat()
            }

            fn output(results: &mut Results, shape: &Shape) -> Result<Self::Output> {
                Ok(($($lazy::output(results, shape.part($nth)?)?,)+))
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
