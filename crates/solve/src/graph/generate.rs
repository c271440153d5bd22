//! Graphs by rule. All weights are 1; [`Graph::with_weights`] sets others.

use std::collections::HashSet;

use headwater_base::Error;
use headwater_base::rng::{Purpose, Stream};

use super::{Graph, refuse};

fn unit(nodes: usize, edges: Vec<[u32; 2]>) -> Result<Graph, Error> {
    let weights = vec![1.0; edges.len()];
    Graph::from_edges(nodes, edges, weights)
}

impl Graph {
    /// The cycle of `nodes` >= 3 nodes; eigenvalues 2 − 2cos(2πk/n).
    pub fn ring(nodes: usize) -> Result<Self, Error> {
        if nodes < 3 {
            return refuse(format!("a ring has at least 3 nodes, not {nodes}"));
        }
        unit(nodes, (0..nodes).map(|i| [i as u32, ((i + 1) % nodes) as u32]).collect())
    }

    /// The rows × cols grid, node (i, j) at i·cols + j; `periodic` closes both directions (each then of at least 3 nodes).
    pub fn grid(rows: usize, cols: usize, periodic: bool) -> Result<Self, Error> {
        if rows == 0 || cols == 0 || rows.checked_mul(cols).is_none_or(|n| n > u32::MAX as usize) {
            return refuse(format!("a grid of {rows} × {cols}"));
        }
        if periodic && (rows < 3 || cols < 3) {
            return refuse(format!("a periodic grid needs at least 3 nodes each way, not {rows} × {cols}"));
        }
        let node = |i: usize, j: usize| ((i % rows) * cols + j % cols) as u32;
        let mut edges = Vec::with_capacity(2 * rows * cols);
        for i in 0..rows {
            for j in 0..cols {
                if periodic || j + 1 < cols {
                    edges.push([node(i, j), node(i, j + 1)]);
                }
                if periodic || i + 1 < rows {
                    edges.push([node(i, j), node(i + 1, j)]);
                }
            }
        }
        unit(rows * cols, edges)
    }

    /// A small world: each node with its `neighbours` (even, below `nodes`) nearest on a ring, the far end of each edge
    /// moved with the given probability to a node drawn at random (no loops, no duplicates). The number of edges is
    /// nodes·neighbours/2. Source: D. J. Watts, S. H. Strogatz (1998), "Collective dynamics of 'small-world' networks".
    pub fn small_world(nodes: usize, neighbours: usize, probability: f64, seed: u64) -> Result<Self, Error> {
        if !neighbours.is_multiple_of(2) || neighbours == 0 || neighbours >= nodes {
            return refuse(format!("neighbours is {neighbours}; allowed are even numbers from 2 to below {nodes}"));
        }
        if !(0.0..=1.0).contains(&probability) {
            return refuse(format!("probability is {probability}; allowed is 0 to 1"));
        }
        let mut random = Stream::new(seed, Purpose::Synthetic, 0);
        let key = |i: usize, j: usize| (i.min(j), i.max(j));
        let mut edges: Vec<(usize, usize)> = Vec::with_capacity(nodes * neighbours / 2);
        for offset in 1..=neighbours / 2 {
            edges.extend((0..nodes).map(|i| (i, (i + offset) % nodes)));
        }
        let mut present: HashSet<(usize, usize)> = edges.iter().map(|&(i, j)| key(i, j)).collect();
        let mut degree = vec![neighbours; nodes];
        for edge in &mut edges {
            let (i, j) = *edge;
            // A node connected to all others has nowhere to go.
            if random.uniform() >= probability || degree[i] + 1 >= nodes {
                continue;
            }
            let to = loop {
                let to = random.below(nodes);
                if to != i && !present.contains(&key(i, to)) {
                    break to;
                }
            };
            present.remove(&key(i, j));
            present.insert(key(i, to));
            degree[j] -= 1;
            degree[to] += 1;
            *edge = (i, to);
        }
        sorted(nodes, edges.into_iter().map(|(i, j)| key(i, j)).collect())
    }

    /// A ring with offsets 1..max(1, ⌊s/2⌋) and, on top, max(0, ⌊n·s/2⌋ − ring edges) pairs drawn at random, of which
    /// loops are dropped and duplicates merged: about s edges at a node. `sparsity` is s.
    pub fn ring_with_pairs(nodes: usize, sparsity: usize, seed: u64) -> Result<Self, Error> {
        let reach = (sparsity / 2).max(1);
        if nodes < 3 || 2 * reach >= nodes {
            return refuse(format!(
                "a ring of {nodes} nodes with offsets to {reach}: at least 3 nodes, offsets below half"
            ));
        }
        let mut random = Stream::new(seed, Purpose::Synthetic, 1);
        let mut edges: HashSet<(usize, usize)> = HashSet::new();
        for offset in 1..=reach {
            edges.extend((0..nodes).map(|i| (i, (i + offset) % nodes)).map(|(i, j)| (i.min(j), i.max(j))));
        }
        for _ in 0..(nodes * sparsity / 2).saturating_sub(nodes * reach) {
            let (i, j) = (random.below(nodes), random.below(nodes));
            if i != j {
                edges.insert((i.min(j), i.max(j)));
            }
        }
        sorted(nodes, edges.into_iter().collect())
    }
}

fn sorted(nodes: usize, mut edges: Vec<(usize, usize)>) -> Result<Graph, Error> {
    edges.sort_unstable();
    unit(nodes, edges.into_iter().map(|(i, j)| [i as u32, j as u32]).collect())
}
