//! Weighted graphs and their Laplacians, with the gradient with respect to weights and fluxes.
//!
//! H = deg − Adj: an edge (i, j) of weight w adds w·u uᴴ, u = e_i − e^{−iφ}e_j, where φ is its flux (0 without): H_ii and
//! H_jj grow by w, H_ij = −w e^{iφ}, H_ji = −w e^{−iφ}. With w >= 0, H is positive semidefinite; with fluxes it is complex
//! Hermitian (a charge in a magnetic field) and no longer has the constant vector as null space, unless the sum of the
//! fluxes around every cycle is a multiple of 2π.
//!
//! Sources: F. R. K. Chung (1997), "Spectral graph theory"; E. H. Lieb, M. Loss (1993), "Fluxes, Laplacians, and
//! Kasteleyn's theorem" (the magnetic Laplacian).

mod generate;

use headwater_base::Error;

use crate::csr::Csr;
use crate::scalar::{Complex64, Scalar};

/// An undirected graph as a list of weighted edges, perhaps with a flux each. Parallel edges are allowed: their
/// contributions add, and each has its own gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: usize,
    edges: Vec<[u32; 2]>,
    weights: Vec<f64>,
    flux: Option<Vec<f64>>,
}

/// Derivatives of a loss with respect to the numbers on the edges, in the order of the edges.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeGradient {
    /// With respect to the weights.
    pub weights: Vec<f64>,
    /// With respect to the fluxes, where the graph has them.
    pub flux: Option<Vec<f64>>,
}

impl EdgeGradient {
    pub(crate) fn zero(graph: &Graph) -> Self {
        let zeros = vec![0.0; graph.edges.len()];
        Self { flux: graph.flux.as_ref().map(|_| zeros.clone()), weights: zeros }
    }

    /// Adds another gradient for the same graph.
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |into: &mut [f64], from: &[f64]| into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        sum(&mut self.weights, &other.weights);
        if let (Some(into), Some(from)) = (&mut self.flux, &other.flux) {
            sum(into, from);
        }
    }
}

fn refuse<V>(message: String) -> Result<V, Error> {
    Err(Error::new("graph-not-valid", message))
}

impl Graph {
    /// From edges and their weights (of either sign, finite).
    ///
    /// Errors: `graph-not-valid` for a node out of range, a loop, a weight that is not finite, or lengths that disagree.
    pub fn from_edges(nodes: usize, edges: Vec<[u32; 2]>, weights: Vec<f64>) -> Result<Self, Error> {
        if nodes > u32::MAX as usize {
            return refuse(format!("{nodes} nodes exceed {}", u32::MAX));
        }
        for (index, &[i, j]) in edges.iter().enumerate() {
            if i as usize >= nodes || j as usize >= nodes {
                return refuse(format!("edge {index} is ({i}, {j}); nodes are 0 to {}", nodes.saturating_sub(1)));
            }
            if i == j {
                return refuse(format!("edge {index} is a loop at {i}; a Laplacian does not see loops"));
            }
        }
        Self { nodes, edges, weights: Vec::new(), flux: None }.with_weights(weights)
    }

    /// The same graph with other weights. Error: `graph-not-valid` as in [`Graph::from_edges`].
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self, Error> {
        self.check("weight", &weights)?;
        self.weights = weights;
        Ok(self)
    }

    /// The same graph with a flux (radians) on each edge, in the direction in which the edge is listed.
    /// Error: `graph-not-valid` as for weights.
    pub fn with_flux(mut self, flux: Vec<f64>) -> Result<Self, Error> {
        self.check("flux", &flux)?;
        self.flux = Some(flux);
        Ok(self)
    }

    fn check(&self, name: &str, values: &[f64]) -> Result<(), Error> {
        if values.len() != self.edges.len() {
            return refuse(format!("{} values of {name} for {} edges", values.len(), self.edges.len()));
        }
        match values.iter().position(|v| !v.is_finite()) {
            Some(index) => refuse(format!("{name} {index} is {}; allowed are finite numbers", values[index])),
            None => Ok(()),
        }
    }

    /// Σ_k c_k H_k as one graph: the edges of all, weights times their factor c_k. No part may have fluxes unless all do.
    /// Errors: `graph-not-valid` for different numbers of nodes, a factor that is not finite, or mixed fluxes.
    pub fn combine(parts: &[(f64, &Self)]) -> Result<Self, Error> {
        let Some((_, first)) = parts.first() else {
            return refuse("no graph to combine".into());
        };
        let mut out =
            Self { edges: Vec::new(), weights: Vec::new(), flux: first.flux.as_ref().map(|_| Vec::new()), ..**first };
        for (factor, part) in parts {
            if part.nodes != out.nodes || part.flux.is_some() != out.flux.is_some() || !factor.is_finite() {
                return refuse("graphs to combine need the same nodes, all or no fluxes, and finite factors".into());
            }
            out.edges.extend_from_slice(&part.edges);
            out.weights.extend(part.weights.iter().map(|w| factor * w));
            if let (Some(all), Some(flux)) = (&mut out.flux, &part.flux) {
                all.extend_from_slice(flux);
            }
        }
        Ok(out)
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }
    /// The edges.
    pub fn edges(&self) -> &[[u32; 2]] {
        &self.edges
    }
    /// Their weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
    /// Their fluxes, radians.
    pub fn flux(&self) -> Option<&[f64]> {
        self.flux.as_deref()
    }

    /// H as a real matrix. Error: `graph-not-valid` if the graph has fluxes ([`Graph::magnetic_laplacian`] is for those).
    pub fn laplacian(&self) -> Result<Csr<f64>, Error> {
        if self.flux.is_some() {
            return refuse("a graph with fluxes has a complex Laplacian".into());
        }
        self.assemble()
    }

    /// H as a complex matrix, with fluxes or without.
    pub fn magnetic_laplacian(&self) -> Csr<Complex64> {
        self.assemble().expect("edges were checked")
    }

    fn phase(&self, edge: usize) -> Complex64 {
        self.flux.as_ref().map_or(Complex64::new(1.0, 0.0), |flux| Complex64::from_polar(1.0, flux[edge]))
    }

    fn assemble<T: Scalar>(&self) -> Result<Csr<T>, Error> {
        let mut degree = vec![0.0; self.nodes];
        let mut triplets = Vec::with_capacity(self.nodes + 2 * self.edges.len());
        for (index, (&[i, j], &w)) in self.edges.iter().zip(&self.weights).enumerate() {
            let (i, j, phase) = (i as usize, j as usize, self.phase(index));
            degree[i] += w;
            degree[j] += w;
            triplets.push((i, j, T::new(-w * phase.re, -w * phase.im)));
            triplets.push((j, i, T::new(-w * phase.re, w * phase.im)));
        }
        triplets.extend(degree.iter().enumerate().map(|(i, &d)| (i, i, T::real(d))));
        Csr::from_triplets(self.nodes, self.nodes, &triplets)
    }

    /// The gradient −Re⟨λ, c·(∂H/∂θ)x⟩ of a solve with A = (something) + cH, where λ is the adjoint solution:
    /// w̄ = −Re(c·conj(λ_i − e^{iφ}λ_j)(x_i − e^{iφ}x_j)), and the like for the flux. O(edges).
    ///
    /// For the Cayley system c = i·dt/2. Error: `option-not-valid` for vectors of another length than the nodes.
    pub fn gradient<T: Scalar>(&self, c: Complex64, lambda: &[T], x: &[T]) -> Result<EdgeGradient, Error> {
        if lambda.len() != self.nodes || x.len() != self.nodes {
            return Err(Error::new("option-not-valid", format!("lambda and x need {} elements", self.nodes)));
        }
        let complex = |v: T| Complex64::new(v.re(), v.im());
        let mut weights = Vec::with_capacity(self.edges.len());
        let mut flux = self.flux.as_ref().map(|_| Vec::with_capacity(self.edges.len()));
        for (index, &[i, j]) in self.edges.iter().enumerate() {
            let phase = self.phase(index);
            let (li, lj) = (complex(lambda[i as usize]), phase * complex(lambda[j as usize]));
            let (xi, xj) = (complex(x[i as usize]), phase * complex(x[j as usize]));
            weights.push(-(c * (li - lj).conj() * (xi - xj)).re);
            if let Some(flux) = &mut flux {
                // ∂H_ij/∂φ = −iw e^{iφ}, ∂H_ji/∂φ = iw e^{−iφ}.
                let change = Complex64::i() * (lj.conj() * xi - li.conj() * xj);
                flux.push(-self.weights[index] * (c * change).re);
            }
        }
        Ok(EdgeGradient { weights, flux })
    }
}
