//! The scheduler against graphs that are small enough to think through, and against a sequential twin.

use std::sync::Arc;

use super::Session;
use crate::error::Result;
use crate::graph::{TaskGraph, Work, tree_reduce};
use crate::mem::{Part, take, view};

/// A number as a part.
struct Number(u64);
impl Part for Number {
    fn bytes(&self) -> usize {
        8
    }
}

fn session(threads: usize) -> Session {
    Session::builder().threads(threads).build().unwrap()
}

fn number(value: u64) -> Result<Arc<dyn Part>> {
    Ok(Arc::new(Number(value)))
}

/// Work that gives a number.
fn give(value: u64) -> Work {
    Box::new(move |_, _| number(value))
}

fn sum(parts: Vec<Arc<dyn Part>>) -> Result<Arc<dyn Part>> {
    let numbers: Result<Vec<u64>> = parts.into_iter().map(|part| Ok(take::<Number>(part)?.0)).collect();
    number(numbers?.iter().sum())
}

#[test]
fn a_reduction_on_any_number_of_threads() {
    for threads in [1, 2, 8] {
        let mut graph = TaskGraph::new();
        let loads = (0..100).map(|i| graph.add("load", vec![], give(i))).collect();
        let root = tree_reduce(&mut graph, "sum", loads, 8, |_, parts| sum(parts));
        let results = session(threads).run(graph, &[root, root]).unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(view::<Number>(&results[1]).unwrap().0, 4950);
    }
}
