//! Graphs: edges, weights and fluxes stay here; Laplacians are operators.

use std::sync::Arc;

use headwater_base::Error;
use headwater_solve::Graph;
use napi::Env;
use napi::bindgen_prelude::{Float64ArraySlice, Object, Uint32ArraySlice};
use napi_derive::napi;

use super::operator::{Held, NativeOperator, announce, wrap};
use super::tagged;
use crate::settings::integer;

/// A weighted graph.
#[napi]
#[derive(Clone)]
pub struct NativeGraph {
    pub(super) graph: Arc<Graph>,
}

#[napi]
impl NativeGraph {
    /// Number of nodes.
    #[napi(getter)]
    pub fn nodes(&self) -> f64 {
        self.graph.nodes() as f64
    }

    /// Number of edges.
    #[napi(getter)]
    pub fn edges(&self) -> f64 {
        self.graph.edges().len() as f64
    }

    /// Whether its edges have fluxes.
    #[napi(getter)]
    pub fn magnetic(&self) -> bool {
        self.graph.flux().is_some()
    }
}

fn count(name: &str, value: f64) -> Result<usize, Error> {
    Ok(integer(name, value, f64::from(u32::MAX))? as usize)
}

fn made<'env>(env: &'env Env, graph: Result<Graph, Error>) -> napi::Result<Object<'env>> {
    tagged(env, graph.map(|graph| NativeGraph { graph: Arc::new(graph) }))
}

/// From edges: two nodes each in `ends`.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_from_edges<'env>(
    env: &'env Env,
    nodes: f64,
    ends: &[u32],
    weights: &[f64],
    fluxes: Option<&[f64]>,
) -> napi::Result<Object<'env>> {
    let build = || {
        let edges = ends.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let graph = Graph::from_edges(count("nodes", nodes)?, edges, weights.to_vec())?;
        fluxes.map_or(Ok(graph.clone()), |fluxes| graph.with_flux(fluxes.to_vec()))
    };
    made(env, build())
}

/// The cycle.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_ring<'env>(env: &'env Env, nodes: f64) -> napi::Result<Object<'env>> {
    made(env, count("nodes", nodes).and_then(Graph::ring))
}

/// The grid.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_grid<'env>(env: &'env Env, rows: f64, cols: f64, periodic: bool) -> napi::Result<Object<'env>> {
    made(env, count("rows", rows).and_then(|rows| Graph::grid(rows, count("cols", cols)?, periodic)))
}

/// A small world.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_small_world<'env>(
    env: &'env Env,
    nodes: f64,
    neighbours: f64,
    rewiring: f64,
    seed: f64,
) -> napi::Result<Object<'env>> {
    let build = || Graph::small_world(count("nodes", nodes)?, count("neighbours", neighbours)?, rewiring, seed as u64);
    made(env, build())
}

/// A ring with pairs drawn at random.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_ring_with_pairs<'env>(env: &'env Env, nodes: f64, sparsity: f64, seed: f64) -> napi::Result<Object<'env>> {
    made(env, count("nodes", nodes).and_then(|n| Graph::ring_with_pairs(n, count("sparsity", sparsity)?, seed as u64)))
}

/// Nodes, weights and fluxes of the edges.
#[napi(ts_return_type = "NativeEdges", catch_unwind)]
pub fn graph_arrays<'env>(env: &'env Env, graph: &NativeGraph) -> napi::Result<Object<'env>> {
    let mut to = Object::new(env)?;
    to.set("ends", Uint32ArraySlice::copy_from(env, graph.graph.edges().as_flattened())?)?;
    to.set("weights", Float64ArraySlice::copy_from(env, graph.graph.weights())?)?;
    if let Some(flux) = graph.graph.flux() {
        to.set("fluxes", Float64ArraySlice::copy_from(env, flux)?)?;
    }
    Ok(to)
}

/// The same edges with other numbers; what is absent stays.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeGraph }>", catch_unwind)]
pub fn graph_with<'env>(
    env: &'env Env,
    graph: &NativeGraph,
    weights: Option<&[f64]>,
    fluxes: Option<&[f64]>,
) -> napi::Result<Object<'env>> {
    let build = || {
        let mut out = (*graph.graph).clone();
        if let Some(weights) = weights {
            out = out.with_weights(weights.to_vec())?;
        }
        fluxes.map_or(Ok(out.clone()), |fluxes| out.with_flux(fluxes.to_vec()))
    };
    made(env, build())
}

/// H = degree − adjacency, real or complex.
#[napi(ts_return_type = "NativeOutcome<{ value: NativeOperator }>", catch_unwind)]
pub fn graph_laplacian<'env>(env: &'env Env, graph: &NativeGraph, complex: bool) -> napi::Result<Object<'env>> {
    let built: Result<NativeOperator, Error> = if complex {
        Ok(wrap(Held::of_csr(graph.graph.magnetic_laplacian())))
    } else {
        graph.graph.laplacian().map(|h| wrap(Held::of_csr(h)))
    };
    announce(env, built)
}
