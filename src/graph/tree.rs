//! Reduction by a tree of merges: the one reduction that frames, bags and arrays share.

use std::sync::Arc;

use super::{TaskContext, TaskGraph, TaskId};
use crate::error::{Error, Result};
use crate::mem::Part;

/// Merges the results of `inputs` into one, at most `split_every` neighbours at a time, level by level.
///
/// Neighbours keep their order: `merge` always sees results in the order of `inputs`, so it need not be commutative.
/// What is left alone at the end of a level rises to the next one as it is; so does a single input, which is its own
/// reduction. A reduction of nothing, or one whose fan-in is below 2, is a task that fails.
///
/// ```text
///     0 1 2 3 4 5 6        split_every = 3
///     └─┼─┘ └─┼─┘ │
///       └─────┼───┘
/// ```
pub(crate) fn tree_reduce(
    graph: &mut TaskGraph,
    name: impl Into<Arc<str>>,
    inputs: Vec<TaskId>,
    split_every: usize,
    merge: impl Fn(&TaskContext, Vec<Arc<dyn Part>>) -> Result<Arc<dyn Part>> + Send + Sync + 'static,
) -> TaskId {
    let name = name.into();
    let merge = Arc::new(merge);
    let mut level = inputs;
    while level.len() > 1 && split_every > 1 {
        level = level
            .chunks(split_every)
            .map(|neighbours| match neighbours {
                [alone] => *alone,
                _ => {
                    let merge = Arc::clone(&merge);
                    graph.add(
                        Arc::clone(&name),
                        neighbours.to_vec(),
                        Box::new(move |context, parts| merge(context, parts)),
                    )
                }
            })
            .collect();
    }
    match level[..] {
        [root] => root,
        _ => {
            let defect = format!("{name}: a reduction of {} inputs with a fan-in of {split_every}", level.len());
            graph.add(name, Vec::new(), Box::new(move |_, _| Err(Error::internal(defect))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::order;
    use proptest::prelude::*;

    struct Text(String);
    impl Part for Text {
        fn bytes(&self) -> usize {
            self.0.len()
        }
    }

    /// A reduction of the texts "0", "1", ... that writes brackets around what it merges; run by hand.
    fn reduce(inputs: usize, split_every: usize) -> (Result<String>, usize) {
        let mut graph = TaskGraph::new();
        let leaves = (0..inputs)
            .map(|i| graph.add("leaf", vec![], Box::new(move |_, _| Ok(Arc::new(Text(i.to_string())) as _))))
            .collect();
        let root = tree_reduce(&mut graph, "join", leaves, split_every, |_, parts| {
            let texts: Result<Vec<&str>> =
                parts.iter().map(|p| crate::mem::view::<Text>(p).map(|t| t.0.as_str())).collect();
            Ok(Arc::new(Text(format!("({})", texts?.join(" ")))))
        });
        assert_eq!(order(&graph, &[root]).unwrap().last(), Some(&root));
        let merges = graph.len() - inputs;
        let context = TaskContext::new(crate::mem::Budget::of(1 << 20), None);
        let mut done: Vec<Arc<dyn Part>> = Vec::new();
        for task in graph.tasks {
            match (task.work)(&context, task.inputs.iter().map(|i| Arc::clone(&done[i.0])).collect()) {
                Ok(part) => done.push(part),
                Err(error) => return (Err(error), merges),
            }
        }
        (crate::mem::view::<Text>(&done[root.0]).map(|t| t.0.clone()), merges)
    }

    #[test]
    fn merges_neighbours_in_order() {
        for (inputs, split_every, expected) in [
            (1, 2, "0"),
            (2, 2, "(0 1)"),
            (3, 2, "((0 1) 2)"),
            (5, 2, "(((0 1) (2 3)) 4)"),
            (7, 3, "((0 1 2) (3 4 5) 6)"),
            (8, 8, "(0 1 2 3 4 5 6 7)"),
            (9, 8, "((0 1 2 3 4 5 6 7) 8)"),
        ] {
            assert_eq!(reduce(inputs, split_every).0.unwrap(), expected);
        }
    }

    #[test]
    fn nothing_to_reduce_is_an_error() {
        for (inputs, split_every) in [(0, 8), (3, 1), (3, 0)] {
            let error = reduce(inputs, split_every).0.unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Internal);
            assert!(error.message().contains("join"), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_input_once_and_in_order(inputs in 1usize..300, split_every in 2usize..12) {
            let (text, merges) = reduce(inputs, split_every);
            let text = text.unwrap();
            let leaves: Vec<usize> =
                text.split(|c: char| !c.is_ascii_digit()).filter_map(|t| t.parse().ok()).collect();
            prop_assert_eq!(leaves, (0..inputs).collect::<Vec<_>>());
            // Brackets nest as deep as the tree: no deeper than a full one.
            let mut depth = 0usize;
            let deepest = text.chars().map(|c| {
                match c { '(' => depth += 1, ')' => depth -= 1, _ => () }
                depth
            }).max().unwrap();
            let full = (0..).find(|&d| split_every.pow(d) >= inputs).unwrap() as usize;
            prop_assert!(deepest <= full, "{} levels of {}", deepest, full);
            prop_assert_eq!(text.matches('(').count(), merges);
        }
    }
}
