//! What there is to draw: nodes and edges. Of many tasks, groups.

use std::collections::{BTreeSet, HashMap};

use crate::config::count;
use crate::diagnostics::kind;
use crate::graph::TaskGraph;

/// The most tasks that are drawn one by one.
const MOST_NODES: usize = 50;

/// The most characters of a line and lines of a label; the whole is in the node's tooltip.
const LINE: usize = 56;
const LINES: usize = 12;

/// Nodes, and edges from those that give to those that take. There are no cycles.
#[derive(Default)]
pub(crate) struct Diagram {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<(usize, usize)>,
}

pub(crate) struct Node {
    /// The label, line by line.
    pub(super) lines: Vec<String>,
    /// The same, nothing cut off.
    pub(super) whole: String,
    /// The kinds of its tasks, and how many it has of each.
    kinds: Vec<(String, usize)>,
    /// How hot it is, from 0 to 1, when that is known.
    pub(super) heat: Option<f64>,
}

impl Node {
    /// A node with this label, for so many tasks of these kinds.
    pub(crate) fn new(label: Vec<String>, kinds: Vec<(String, usize)>) -> Node {
        // Each line of a text is a line of the label.
        let whole = label.join("\n");
        let mut lines: Vec<String> = whole.lines().map(shortened).collect();
        if lines.len() > LINES {
            lines.truncate(LINES - 1);
            lines.push("…".into());
        }
        Node { lines, whole, kinds, heat: None }
    }
}

/// A line of bearable length, without what would move the pen.
fn shortened(line: &str) -> String {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= LINE {
        return line;
    }
    line.chars().take(LINE - 1).chain(['…']).collect()
}

impl Diagram {
    /// Adds a node that takes from earlier ones. Gives its number.
    pub(crate) fn add(&mut self, node: Node, inputs: impl IntoIterator<Item = usize>) -> usize {
        let to = self.nodes.len();
        self.nodes.push(node);
        let inputs: BTreeSet<usize> = inputs.into_iter().filter(|from| *from < to).collect();
        self.edges.extend(inputs.into_iter().map(|from| (from, to)));
        to
    }

    /// The tasks of a graph: one by one, or, if there are too many, as groups.
    pub(crate) fn of_tasks(graph: &TaskGraph) -> Diagram {
        let mut diagram = Diagram::default();
        if graph.len() <= MOST_NODES {
            for task in &graph.tasks {
                let node = Node::new(vec![task.name.to_string()], vec![(kind(&task.name).to_owned(), 1)]);
                diagram.add(node, task.inputs.iter().map(|input| input.0));
            }
            return diagram;
        }
        // Tasks that differ by a number alone are a group; groups that take from each other in a circle are one.
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let kinds: Vec<usize> = graph
            .tasks
            .iter()
            .map(|task| {
                let next = numbers.len();
                *numbers.entry(kind(&task.name)).or_insert(next)
            })
            .collect();
        let edges = graph.tasks.iter().enumerate();
        let edges = edges.flat_map(|(to, task)| task.inputs.iter().map(move |from| (from.0, to)));
        let edges: BTreeSet<(usize, usize)> =
            edges.map(|(from, to)| (kinds[from], kinds[to])).filter(|(from, to)| from != to).collect();
        let mut groups = circles(numbers.len(), &edges);
        let between = |groups: &[usize]| -> BTreeSet<(usize, usize)> {
            edges.iter().map(|(from, to)| (groups[*from], groups[*to])).filter(|(from, to)| from != to).collect()
        };
        let n = groups.iter().max().map_or(0, |most| most + 1);
        if n > MOST_NODES {
            // Too many names: what is as far from the beginning is together.
            let edges: Vec<_> = between(&groups).into_iter().collect();
            let layers = super::layout::layers(n, &edges);
            let depth = layers.iter().max().map_or(0, |most| most + 1);
            groups.iter_mut().for_each(|group| *group = layers[*group] * depth.min(MOST_NODES) / depth.max(1));
        }
        let mut counts: Vec<HashMap<&str, usize>> =
            vec![HashMap::new(); groups.iter().max().map_or(0, |most| most + 1)];
        for (task, of) in graph.tasks.iter().zip(&kinds) {
            *counts[groups[*of]].entry(kind(&task.name)).or_default() += 1;
        }
        diagram.nodes = counts.into_iter().map(group).collect();
        diagram.edges = between(&groups).into_iter().collect();
        diagram
    }

    /// Adds all of another, beside this.
    pub(crate) fn append(&mut self, other: Diagram) {
        let offset = self.nodes.len();
        self.nodes.extend(other.nodes);
        self.edges.extend(other.edges.into_iter().map(|(from, to)| (from + offset, to + offset)));
    }

    /// Colours the nodes by what the kinds of their tasks took, and writes it on them.
    pub(super) fn heat(&mut self, of_kinds: &HashMap<String, f64>, text: fn(f64) -> String) {
        let mut tasks: HashMap<String, usize> = HashMap::new();
        for (kind, n) in self.nodes.iter().flat_map(|node| &node.kinds) {
            *tasks.entry(kind.clone()).or_default() += n;
        }
        let share = |(kind, n): &(String, usize)| {
            let all = tasks.get(kind).copied().unwrap_or(0).max(1);
            of_kinds.get(kind).copied().unwrap_or(0.0) * *n as f64 / all as f64
        };
        let shares: Vec<f64> = self.nodes.iter().map(|node| node.kinds.iter().map(share).sum()).collect();
        let most = shares.iter().copied().fold(0.0, f64::max);
        for (node, share) in self.nodes.iter_mut().zip(shares) {
            node.heat = Some(if most > 0.0 { share / most } else { 0.0 });
            node.lines.push(text(share));
            node.whole = format!("{}\n{}", node.whole, text(share));
        }
    }
}

/// The node of these tasks.
fn group(counts: HashMap<&str, usize>) -> Node {
    let mut kinds: Vec<(String, usize)> = counts.into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect();
    kinds.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let all: usize = kinds.iter().map(|(_, n)| n).sum();
    let mut lines: Vec<String> = kinds.iter().take(4).map(|(kind, _)| kind.clone()).collect();
    if kinds.len() > 4 {
        lines.push(format!("and {} more names", kinds.len() - 4));
    }
    lines.push(count(all as u64, "task"));
    Node::new(lines, kinds)
}

/// For each node, the number of the circle that it is in, or one of its own. (Kosaraju's way.)
fn circles(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let (mut after, mut before) = (vec![vec![]; nodes], vec![vec![]; nodes]);
    for (from, to) in edges {
        after[*from].push(*to);
        before[*to].push(*from);
    }
    // The nodes in the order in which a search ends with them.
    let (mut seen, mut ended) = (vec![false; nodes], Vec::with_capacity(nodes));
    for root in 0..nodes {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.last_mut() {
            match after[*node].get(*next) {
                Some(to) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[*to], true) {
                        way.push((*to, 0));
                    }
                }
                None => {
                    ended.push(*node);
                    way.pop();
                }
            }
        }
    }
    // Against the edges, from the last that ended: what is reached is in its circle.
    let (mut circle, mut n) = (vec![usize::MAX; nodes], 0);
    for root in ended.into_iter().rev() {
        if circle[root] != usize::MAX {
            continue;
        }
        let mut way = vec![root];
        while let Some(node) = way.pop() {
            if circle[node] == usize::MAX {
                circle[node] = n;
                way.extend(before[node].iter().filter(|from| circle[**from] == usize::MAX));
            }
        }
        n += 1;
    }
    circle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::graph::TaskId;

    fn graph(tasks: &[(&str, &[usize])]) -> TaskGraph {
        let mut graph = TaskGraph::new();
        for (name, inputs) in tasks {
            let inputs = inputs.iter().map(|input| TaskId(*input)).collect();
            graph.add(*name, inputs, Box::new(|_, _| Err(Error::internal("not to be run"))));
        }
        graph
    }

    fn labels(diagram: &Diagram) -> Vec<String> {
        diagram.nodes.iter().map(|node| node.lines.join("; ")).collect()
    }

    #[test]
    fn few_tasks_are_drawn_one_by_one() {
        let diagram = Diagram::of_tasks(&graph(&[("inc", &[]), ("dec", &[]), ("add", &[0, 1, 0])]));
        assert_eq!(labels(&diagram), ["inc", "dec", "add"]);
        assert_eq!(diagram.edges, [(0, 2), (1, 2)]);
    }

    #[test]
    fn many_tasks_are_drawn_by_kind() {
        let names: Vec<String> = (0..60).map(|i| format!("scan → sort {i}")).collect();
        let all: Vec<usize> = (0..60).collect();
        let mut tasks: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
        tasks.extend([("merge", &all[..30]), ("merge", &all[30..]), ("merge", &[60, 61]), ("finish", &[62])]);
        let mut diagram = Diagram::of_tasks(&graph(&tasks));
        let mut shown = labels(&diagram);
        shown.sort_unstable();
        assert_eq!(shown, ["finish; 1 task", "merge; 3 tasks", "scan → sort; 60 tasks"]);
        let lines = |node: usize| diagram.nodes[node].lines[0].clone();
        let mut edges: Vec<_> = diagram.edges.iter().map(|(from, to)| (lines(*from), lines(*to))).collect();
        edges.sort_unstable();
        let (scan, merge, finish) = ("scan → sort".to_owned(), "merge".to_owned(), "finish".to_owned());
        assert_eq!(edges, [(merge.clone(), finish), (scan, merge)]);
        // The time of a kind is on its node.
        let seconds = [("merge".to_owned(), 1.0), ("scan → sort".to_owned(), 4.0)].into();
        diagram.heat(&seconds, |seconds| format!("{seconds} s"));
        let merge = diagram.nodes.iter().find(|node| node.lines[0] == "merge").unwrap();
        assert_eq!((merge.heat, &*merge.lines[2]), (Some(0.25), "1 s"));
    }

    #[test]
    fn kinds_that_take_from_each_other_are_one_node() {
        let rows: Vec<[usize; 1]> = (0..100).map(|i: usize| [i.saturating_sub(1)]).collect();
        let task = |i: usize| (["inc", "dec"][i % 2], if i == 0 { &[][..] } else { &rows[i][..] });
        let mut tasks: Vec<(&str, &[usize])> = (0..100).map(task).collect();
        tasks.push(("show", &[99]));
        let diagram = Diagram::of_tasks(&graph(&tasks));
        let mut shown = labels(&diagram);
        shown.sort_unstable();
        assert_eq!((shown, diagram.edges.len()), (vec!["dec; inc; 100 tasks".into(), "show; 1 task".to_owned()], 1));
    }

    #[test]
    fn many_names_are_drawn_by_layer() {
        let names: Vec<String> = (0..200).map(|i| format!("task-{i}")).collect();
        let rows: Vec<[usize; 1]> = (0..200).map(|i: usize| [i.saturating_sub(100)]).collect();
        let task = |i: usize| (names[i].as_str(), if i < 100 { &[][..] } else { &rows[i][..] });
        let diagram = Diagram::of_tasks(&graph(&(0..200).map(task).collect::<Vec<_>>()));
        assert_eq!((diagram.nodes.len(), &*diagram.edges), (2, &[(0, 1)][..]));
        assert!(diagram.nodes.iter().all(|node| node.lines.last().unwrap() == "100 tasks"));
    }

    #[test]
    fn long_labels_are_cut() {
        let node = Node::new(vec!["é".repeat(500), "a\tb".into(), "c\n".repeat(30)], vec![]);
        assert_eq!((node.lines.len(), node.lines[0].chars().count()), (LINES, LINE));
        assert_eq!((&*node.lines[1], &*node.lines[LINES - 1]), ("a b", "…"));
        assert!(node.whole.starts_with(&"é".repeat(500)));
    }
}
