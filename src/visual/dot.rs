//! A diagram in the language of Graphviz.

use super::diagram::Diagram;
use super::svg::colour;

pub(super) fn dot(diagram: &Diagram, is_top_down: bool) -> String {
    let direction = if is_top_down { "TB" } else { "LR" };
    let mut out = format!(
        "digraph partita {{\n  rankdir={direction};\n  node [shape=box, style=\"rounded,filled\", fontname=\"monospace\"];\n"
    );
    for (i, node) in diagram.nodes.iter().enumerate() {
        // Each line is set to the left.
        let label: String = node.lines.iter().map(|line| escaped(line) + "\\l").collect();
        out.push_str(&format!("  n{i} [label=\"{label}\", fillcolor=\"{}\"];\n", colour(node.heat)));
    }
    for (from, to) in &diagram.edges {
        out.push_str(&format!("  n{from} -> n{to};\n"));
    }
    out.push_str("}\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::diagram::Node;
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut diagram = Diagram::default();
        let first = diagram.add(Node::new(vec!["a \"b\" \\ c".into(), "d".into()], vec![]), []);
        diagram.add(Node::new(vec!["e".into()], vec![]), [first, first]);
        let expected = r##"digraph partita {
  rankdir=LR;
  node [shape=box, style="rounded,filled", fontname="monospace"];
  n0 [label="a \"b\" \\ c\ld\l", fillcolor="#eef3f9"];
  n1 [label="e\l", fillcolor="#eef3f9"];
  n0 -> n1;
}
"##;
        assert_eq!(dot(&diagram, false), expected);
    }
}
