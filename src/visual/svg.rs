//! A diagram as SVG.

use super::diagram::{Diagram, Node};
use super::layout::{Layout, Place, layout};
use crate::text_file::escaped;

/// The size of letters, how wide one is at most, and the height of a line. All letters are as wide as each other.
const SIZE: f64 = 12.0;
const LETTER: f64 = 7.4;
const LINE: f64 = 16.0;

/// Between a label and its box.
const PADDING: f64 = 10.0;

pub(super) fn svg(diagram: &Diagram, is_top_down: bool) -> String {
    let sizes: Vec<(f64, f64)> = diagram.nodes.iter().map(size).collect();
    let Layout { places, ways, width, height } = layout(&sizes, &diagram.edges, is_top_down);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{SIZE}\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 L10 5 L0 10 z\" fill=\"#5c6675\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for way in &ways {
        out.push_str(&format!(
            "<path d=\"{}\" fill=\"none\" stroke=\"#5c6675\" stroke-width=\"1.3\" marker-end=\"url(#arrow)\"/>\n",
            path(way, is_top_down)
        ));
    }
    for (node, place) in diagram.nodes.iter().zip(&places) {
        out.push_str(&drawn(node, place));
    }
    out.push_str("</svg>\n");
    out
}

/// How large a node's box is.
fn size(node: &Node) -> (f64, f64) {
    let widest = node.lines.iter().map(|line| columns(line)).max().unwrap_or(0);
    (widest.max(4) as f64 * LETTER + 2.0 * PADDING, node.lines.len().max(1) as f64 * LINE + 2.0 * PADDING - 4.0)
}

/// How many letters wide a text is: those of East Asia, and pictures, are two.
fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c as u32, 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe4f
            | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f000..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

fn drawn(node: &Node, place: &Place) -> String {
    let Place { x, y, width, height } = place;
    let mut out = format!(
        "<g class=\"node\"><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\" \
         fill=\"{}\" stroke=\"#4477aa\"/>",
        escaped(&node.whole),
        colour(node.heat)
    );
    for (i, line) in node.lines.iter().enumerate() {
        let (x, y) = (x + PADDING, y + PADDING + i as f64 * LINE + SIZE - 3.0);
        let weight = if i == 0 && node.lines.len() > 1 { " font-weight=\"bold\"" } else { "" };
        out.push_str(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#1d2430\" xml:space=\"preserve\"{weight}>{}</text>",
            escaped(line)
        ));
    }
    out.push_str("</g>\n");
    out
}

/// From nearly white to orange, on which dark text is read.
pub(super) fn colour(heat: Option<f64>) -> String {
    let Some(heat) = heat else { return "#eef3f9".into() };
    let mix = |cold: f64, hot: f64| (cold + (hot - cold) * heat.clamp(0.0, 1.0)).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(253.0, 244.0), mix(248.0, 150.0), mix(240.0, 60.0))
}

/// Straight on and curved, in turn.
fn path(way: &[(f64, f64)], is_top_down: bool) -> String {
    let mut out = String::new();
    let mut last = (0.0, 0.0);
    for (i, &(x, y)) in way.iter().enumerate() {
        out.push_str(&match i {
            0 => format!("M{x:.1} {y:.1}"),
            _ if i % 2 == 1 => format!(" L{x:.1} {y:.1}"),
            _ if is_top_down => {
                let middle = (last.1 + y) / 2.0;
                format!(" C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", last.0)
            }
            _ => {
                let middle = (last.0 + x) / 2.0;
                format!(" C{middle:.1} {:.1} {middle:.1} {y:.1} {x:.1} {y:.1}", last.1)
            }
        });
        last = (x, y);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_fit_their_boxes() {
        let mut diagram = Diagram::default();
        let label = "filter a < 1 & b > \"x\" </text>\u{1b}";
        let first = diagram.add(Node::new(vec![label.into(), "貿易統計".repeat(12)], vec![]), []);
        diagram.add(Node::new(vec!["sum".into()], vec![]), [first]);
        let text = svg(&diagram, false);
        assert!(text.contains(">filter a &lt; 1 &amp; b &gt; &quot;x&quot; &lt;/text&gt; </text>"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!((text.matches("<g class=\"node\">").count(), text.matches("marker-end").count()), (2, 1));
        let (width, _) = size(&diagram.nodes[0]);
        assert!(width >= 48.0 * 2.0 * 7.0, "{width}");
    }

    #[test]
    fn hot_is_orange() {
        assert_eq!((colour(Some(0.0)), colour(Some(1.0))), ("#fdf8f0".into(), "#f4963c".into()));
    }
}
