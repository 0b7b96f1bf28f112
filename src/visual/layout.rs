//! Places for nodes, in layers: every edge goes from a layer to a later one.
//!
//! Sugiyama's way. [Layers](layers) are longest paths; an edge over several layers gets a bend in each between; the order within
//! layers is swept to and fro by barycentres while that leaves fewer crossings; and coordinates are the nearest to those of the
//! neighbours that keep order and distance. *Along* is the direction of the edges, *across* the other one.

/// The least distance of neighbours in a layer, and of a bend from its neighbour.
const GAP: f64 = 22.0;
const BEND_GAP: f64 = 10.0;

/// Between layers.
const LAYER_GAP: f64 = 70.0;

/// Round the whole.
const MARGIN: f64 = 20.0;

/// How often orders and coordinates are swept.
const SWEEPS: usize = 16;

/// A box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) struct Layout {
    /// Where the nodes are.
    pub(super) places: Vec<Place>,
    /// For each edge, the points that it passes: straight on within layers, where every second stretch begins, curved between them.
    pub(super) ways: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A node, or a bend of an edge.
struct Vertex {
    layer: usize,
    /// Its size across.
    breadth: f64,
    /// The neighbours in the layer before and the one behind.
    before: Vec<usize>,
    after: Vec<usize>,
    /// Where its middle is, across.
    at: f64,
    is_bend: bool,
}

/// Places for nodes of these sizes.
pub(super) fn layout(sizes: &[(f64, f64)], edges: &[(usize, usize)], is_top_down: bool) -> Layout {
    let turn = |(x, y): (f64, f64)| if is_top_down { (y, x) } else { (x, y) };
    let layer_of = layers(sizes.len(), edges);
    let depth = layer_of.iter().max().map_or(0, |most| most + 1);
    let vertex = |layer, breadth, is_bend| Vertex { layer, breadth, before: vec![], after: vec![], at: 0.0, is_bend };
    let mut vertices: Vec<Vertex> =
        sizes.iter().zip(&layer_of).map(|(size, layer)| vertex(*layer, turn(*size).1, false)).collect();
    let mut chains = Vec::with_capacity(edges.len());
    for (from, to) in edges {
        let mut chain = vec![*from];
        for layer in layer_of[*from] + 1..layer_of[*to] {
            chain.push(vertices.len());
            vertices.push(vertex(layer, 0.0, true));
        }
        chain.push(*to);
        for pair in chain.windows(2) {
            vertices[pair[0]].after.push(pair[1]);
            vertices[pair[1]].before.push(pair[0]);
        }
        chains.push(chain);
    }
    let mut rows: Vec<Vec<usize>> = vec![vec![]; depth];
    (0..vertices.len()).for_each(|v| rows[vertices[v].layer].push(v));
    let rows = ordered(rows, &vertices);
    spread(&rows, &mut vertices);

    // Where layers begin and end, along.
    let mut ends = vec![(0.0, 0.0); depth];
    let mut along = MARGIN;
    for (layer, end) in ends.iter_mut().enumerate() {
        let thick = (0..sizes.len()).filter(|v| layer_of[*v] == layer).map(|v| turn(sizes[v]).0).fold(0.0, f64::max);
        *end = (along, along + thick);
        along += thick + LAYER_GAP;
    }
    let least = vertices.iter().map(|v| v.at - v.breadth / 2.0).fold(f64::INFINITY, f64::min);
    let most = vertices.iter().map(|v| v.at + v.breadth / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let across = |v: &Vertex| v.at - least + MARGIN;
    let places = sizes.iter().zip(&vertices).map(|(size, vertex)| {
        let (begin, end) = ends[vertex.layer];
        let (thick, broad) = turn(*size);
        let (x, y) = turn(((begin + end - thick) / 2.0, across(vertex) - broad / 2.0));
        Place { x, y, width: size.0, height: size.1 }
    });
    let places = places.collect();
    let ways = chains.iter().map(|chain| {
        let mut way = Vec::with_capacity(2 * chain.len());
        for (i, v) in chain.iter().enumerate() {
            let (begin, end) = ends[vertices[*v].layer];
            let thick = sizes.get(*v).map_or(end - begin, |size| turn(*size).0);
            let (own_begin, own_end) = ((begin + end - thick) / 2.0, (begin + end + thick) / 2.0);
            let at = across(&vertices[*v]);
            // Out of the first, through bends, into the last.
            let (from, to) = match i {
                0 => (own_end, end),
                _ if i + 1 == chain.len() => (begin, own_begin),
                _ => (begin, end),
            };
            way.extend([turn((from, at)), turn((to, at))]);
        }
        way
    });
    let ways = ways.collect();
    let across = if most > least { most - least } else { 0.0 };
    let (width, height) = turn(((along - LAYER_GAP).max(MARGIN) + MARGIN, across + 2.0 * MARGIN));
    Layout { places, ways, width, height }
}

/// For each node the length of the longest path to it; what takes nothing is put right before its first taker. There must be no cycles.
pub(super) fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (mut after, mut missing) = (vec![vec![]; nodes], vec![0; nodes]);
    for (from, to) in edges {
        after[*from].push(*to);
        missing[*to] += 1;
    }
    let sources: Vec<usize> = (0..nodes).filter(|node| missing[*node] == 0).collect();
    let (mut layer, mut ready) = (vec![0_usize; nodes], sources.clone());
    while let Some(node) = ready.pop() {
        for to in &after[node] {
            layer[*to] = layer[*to].max(layer[node] + 1);
            missing[*to] -= 1;
            if missing[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    for source in sources {
        let first = after[source].iter().map(|to| layer[*to]).min();
        layer[source] = first.map_or(0, |first| first.saturating_sub(1));
    }
    layer
}

/// The rows in the order, of those tried, with the fewest crossings.
fn ordered(mut rows: Vec<Vec<usize>>, vertices: &[Vertex]) -> Vec<Vec<usize>> {
    let mut rank = vec![0; vertices.len()];
    let number = |row: &[usize], rank: &mut Vec<usize>| row.iter().enumerate().for_each(|(i, v)| rank[*v] = i);
    rows.iter().for_each(|row| number(row, &mut rank));
    let (mut best, mut fewest) = (rows.clone(), crossings(&rows, vertices, &rank));
    for sweep in 0..SWEEPS {
        let forwards = sweep % 2 == 0;
        for i in 0..rows.len() {
            let layer = if forwards { i } else { rows.len() - 1 - i };
            let mean = |v: usize| {
                let near = if forwards { &vertices[v].before } else { &vertices[v].after };
                match near.len() {
                    // Who has no neighbour there stays.
                    0 => rank[v] as f64,
                    n => near.iter().map(|u| rank[*u]).sum::<usize>() as f64 / n as f64,
                }
            };
            let mut keyed: Vec<(f64, usize)> = rows[layer].iter().map(|v| (mean(*v), *v)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[layer] = keyed.into_iter().map(|(_, v)| v).collect();
            number(&rows[layer], &mut rank);
        }
        let n = crossings(&rows, vertices, &rank);
        if n < fewest {
            (best, fewest) = (rows.clone(), n);
        }
    }
    best
}

/// How many pairs of edges cross.
fn crossings(rows: &[Vec<usize>], vertices: &[Vertex], rank: &[usize]) -> usize {
    let mut all = 0;
    for row in rows {
        // Ends in the next layer, by the order of their beginnings: each pair that is the wrong way round is a crossing. The tree
        // counts those so far that end at a rank or before it.
        let mut ends: Vec<usize> = Vec::new();
        for v in row {
            let from = ends.len();
            ends.extend(vertices[*v].after.iter().map(|to| rank[*to]));
            ends[from..].sort_unstable();
        }
        let size = ends.iter().max().map_or(0, |most| most + 1);
        let mut tree = vec![0; size + 1];
        for (seen, end) in ends.iter().enumerate() {
            let (mut before, mut i) = (0, end + 1);
            while i > 0 {
                before += tree[i];
                i &= i - 1;
            }
            all += seen - before;
            i = end + 1;
            while i <= size {
                tree[i] += 1;
                i += i & i.wrapping_neg();
            }
        }
    }
    all
}

/// Moves vertices across to where their neighbours are, as far as order and distance allow.
fn spread(rows: &[Vec<usize>], vertices: &mut [Vertex]) {
    for row in rows {
        let all: Vec<f64> = vec![0.0; row.len()];
        place(row, &all, vertices);
    }
    for sweep in 0..SWEEPS + 1 {
        for i in 0..rows.len() {
            let row = if sweep % 2 == 0 { &rows[i] } else { &rows[rows.len() - 1 - i] };
            let wanted = |v: &usize| {
                let Vertex { before, after, at, .. } = &vertices[*v];
                // To and fro; the last time forwards, so that what takes stands in the middle of what gives.
                let near = if sweep % 2 == 0 { before } else { after };
                match near.len() {
                    0 => *at,
                    n => near.iter().map(|u| vertices[*u].at).sum::<f64>() / n as f64,
                }
            };
            let wanted: Vec<f64> = row.iter().map(wanted).collect();
            place(row, &wanted, vertices);
        }
    }
}

/// Puts a row where it is wanted: as near as order and distance allow, by least squares. Of vertices that would be too close, blocks
/// are formed, each at the mean of what its members want (pool adjacent violators).
fn place(row: &[usize], wanted: &[f64], vertices: &mut [Vertex]) {
    // How far each is from the first at least: what is left of the wish is to be non-decreasing.
    let mut offsets = vec![0.0; row.len()];
    for i in 1..row.len() {
        let (a, b) = (&vertices[row[i - 1]], &vertices[row[i]]);
        let gap = if a.is_bend || b.is_bend { BEND_GAP } else { GAP };
        offsets[i] = offsets[i - 1] + (a.breadth + b.breadth) / 2.0 + gap;
    }
    // Sum and weight of the wishes, and how many members. Bends weigh more: long edges are to be straight.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (i, v) in row.iter().enumerate() {
        let weight = if vertices[*v].is_bend { 4.0 } else { 1.0 };
        let mut block = ((wanted[i] - offsets[i]) * weight, weight, 1);
        while let Some(last) = blocks.last()
            && last.0 / last.1 >= block.0 / block.1
        {
            block = (block.0 + last.0, block.1 + last.1, block.2 + last.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut members = row.iter().zip(&offsets);
    for (sum, weight, n) in blocks {
        for (v, offset) in members.by_ref().take(n) {
            vertices[*v].at = sum / weight + offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether two boxes have a point in common.
    fn overlap(a: &Place, b: &Place) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    /// The sizes of nodes, and which give to which.
    type Sizes = Vec<(f64, f64)>;
    type Edges = Vec<(usize, usize)>;

    fn graphs() -> impl Strategy<Value = (Sizes, Edges)> {
        let sizes = prop::collection::vec((10.0..400.0, 10.0..120.0), 1..50);
        (sizes, prop::collection::btree_set((0..50_usize, 0..50_usize), 0..120)).prop_map(|(sizes, pairs)| {
            let n = sizes.len();
            let pairs = pairs.into_iter().map(|(a, b)| (a.min(b), a.max(b))).filter(|(a, b)| a < b && *b < n);
            (sizes, pairs.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn boxes_do_not_overlap_and_edges_go_forward((sizes, edges) in graphs(), is_top_down in any::<bool>()) {
            let layers = layers(sizes.len(), &edges);
            prop_assert!(edges.iter().all(|(from, to)| layers[*from] < layers[*to]));
            let Layout { places, ways, width, height } = layout(&sizes, &edges, is_top_down);
            for (i, a) in places.iter().enumerate() {
                prop_assert_eq!((a.width, a.height), sizes[i]);
                prop_assert!(a.x > 0.0 && a.y > 0.0 && a.x + a.width < width && a.y + a.height < height);
                for b in &places[i + 1..] {
                    prop_assert!(!overlap(a, b), "{:?} {:?}", a, b);
                }
            }
            for (way, (from, to)) in ways.iter().zip(&edges) {
                let along = |(x, y): (f64, f64)| if is_top_down { y } else { x };
                prop_assert!(way.windows(2).all(|pair| along(pair[0]) <= along(pair[1]) + 1e-9), "{:?}", way);
                // It begins and ends at its boxes.
                let touches = |(x, y): (f64, f64), place: &Place| {
                    let within = |v: f64, low: f64, size: f64| low - 1e-6 <= v && v <= low + size + 1e-6;
                    within(x, place.x, place.width) && within(y, place.y, place.height)
                };
                prop_assert!(touches(way[0], &places[*from]) && touches(way[way.len() - 1], &places[*to]));
            }
        }
    }

    #[test]
    fn crossings_that_can_be_avoided_are() {
        // Two ladders that are listed crosswise.
        let edges = [(0, 3), (1, 2), (2, 5), (3, 4)];
        let places = layout(&[(10.0, 10.0); 6], &edges, false).places;
        let above = |a: usize, b: usize| places[a].y < places[b].y;
        assert!(above(0, 1) == above(3, 2) && above(3, 2) == above(4, 5));
        // A chain is a straight line.
        let places = layout(&[(10.0, 10.0), (90.0, 40.0), (10.0, 10.0)], &[(0, 1), (1, 2)], true).places;
        let middles: Vec<f64> = places.iter().map(|place| place.x + place.width / 2.0).collect();
        assert!(middles.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-6), "{middles:?}");
    }

    #[test]
    fn crossings_are_counted() {
        let vertex = |layer, after: &[usize]| Vertex {
            layer,
            breadth: 1.0,
            before: vec![],
            after: after.to_vec(),
            at: 0.0,
            is_bend: false,
        };
        // Complete between two and three: each pair of givers crosses 3 × 2 / 2 times.
        let vertices = [vertex(0, &[2, 3, 4]), vertex(0, &[4, 2, 3]), vertex(1, &[]), vertex(1, &[]), vertex(1, &[])];
        assert_eq!(crossings(&[vec![0, 1], vec![2, 3, 4]], &vertices, &[0, 1, 0, 1, 2]), 3);
    }

    #[test]
    fn nothing_has_a_picture_too() {
        let Layout { places, width, height, .. } = layout(&[], &[], false);
        assert!(places.is_empty() && width > 0.0 && height > 0.0 && height.is_finite());
    }
}
