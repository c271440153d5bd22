//! Products of a model's second derivatives with vectors, and the inverses P_i of its long members that they take.

use crate::block::PIECE;
use crate::kernels;
use crate::model::{Model, add_parts, fold_lanes};
use headwater_linalg::{LANES, nnls, packed, packed_len};

impl Model<'_> {
    /// Sδ = Bδ − Σ_i C_iᵀP_iC_i δ at the given passive sets of the long members, without forming S.
    /// Cost: 14·cells·p flop, and (p³/3) a member for P. What bounds it: the passes over Ω and u.
    pub fn product(&self, delta: &[f64], passive: &[f64]) -> Vec<f64> {
        let (lane, pairs) = (self.p * LANES, packed_len(self.p) * LANES);
        self.multiply(delta, |block, inverse, scratch| {
            let a = &self.normal.a[block * pairs..][..pairs];
            nnls::masked_inverse(self.p, a, &passive[block * lane..][..lane], inverse, scratch);
        })
    }

    /// The same with P as [`Self::inverse_lanes`] keeps them.
    pub fn product_with(&self, delta: &[f64], inverses: &[f64]) -> Vec<f64> {
        let pairs = packed_len(self.p) * LANES;
        self.multiply(delta, |block, inverse, _| inverse.copy_from_slice(&inverses[block * pairs..][..pairs]))
    }

    fn multiply(&self, delta: &[f64], inverse_of: impl Fn(usize, &mut [f64], &mut nnls::Scratch) + Sync) -> Vec<f64> {
        let (p, n) = (self.p, self.n);
        let lane = p * LANES;
        self.sum_over_blocks(|pieces, gradient| {
            let [mut rhs, mut dw] = [(); 2].map(|()| vec![0.0; lane]);
            let mut inverse = vec![0.0; packed_len(p) * LANES];
            let mut scratch = nnls::Scratch::new(p);
            for block in pieces {
                let omega = &self.omega[block * n * LANES..][..n * LANES];
                let (w, u) = (&self.w[block * lane..][..lane], &self.u[block * n * LANES..][..n * LANES]);
                rhs.fill(0.0);
                kernels::couple(p, omega, u, w, &self.short.rows, delta, &mut rhs);
                inverse_of(block, &mut inverse, &mut scratch);
                // dw = −P C δ.
                for k in 0..p {
                    for e in 0..LANES {
                        dw[k * LANES + e] =
                            (0..p).map(|l| inverse[packed(k.max(l), k.min(l)) * LANES + e] * rhs[l * LANES + e]).sum();
                    }
                }
                kernels::gradient(p, omega, u, w, &dw, &self.short.rows, delta, gradient);
            }
        })
    }

    /// Σ_i C_iᵀ x_i for a vector of every long member, in lanes.
    pub fn response(&self, x: &[f64]) -> Vec<f64> {
        let (p, n) = (self.p, self.n);
        let lane = p * LANES;
        let nothing = vec![0.0; n * p];
        self.sum_over_blocks(|pieces, gradient| {
            for block in pieces {
                let omega = &self.omega[block * n * LANES..][..n * LANES];
                let (w, u) = (&self.w[block * lane..][..lane], &self.u[block * n * LANES..][..n * LANES]);
                kernels::gradient(p, omega, u, w, &x[block * lane..][..lane], &self.short.rows, &nothing, gradient);
            }
        })
    }

    /// The sum of what `add` adds to a gradient in lanes (n × p × lanes) for the blocks that it is given.
    fn sum_over_blocks(&self, add: impl Fn(std::ops::Range<usize>, &mut [f64]) + Sync) -> Vec<f64> {
        let blocks = self.problem.long.blocks();
        let parts = self.crew.map(blocks.div_ceil(PIECE), |piece| {
            let mut gradient = vec![0.0; self.n * self.p * LANES];
            add(piece * PIECE..((piece + 1) * PIECE).min(blocks), &mut gradient);
            fold_lanes(&gradient)
        });
        add_parts(self.n * self.p, parts.unwrap_or_default().iter().map(Vec::as_slice))
    }

    /// P = (A_FF)⁻¹ of all members for the given passive sets, packed, in lanes.
    pub fn inverse_lanes(&self, passive: &[f64]) -> Vec<f64> {
        let (pairs, lane) = (packed_len(self.p) * LANES, self.p * LANES);
        let mut out = vec![0.0; self.normal.a.len()];
        let mut scratch = nnls::Scratch::new(self.p);
        for (block, (to, a)) in out.chunks_exact_mut(pairs).zip(self.normal.a.chunks_exact(pairs)).enumerate() {
            nnls::masked_inverse(self.p, a, &passive[block * lane..][..lane], to, &mut scratch);
        }
        out
    }

    /// P = (A_FF)⁻¹ of the listed members for the given passive sets, packed, member-major.
    /// Members of one block must stand together in `list`.
    pub fn inverses(&self, list: &[usize], passive: &[f64]) -> Vec<f64> {
        let p = self.p;
        let pairs = packed_len(p);
        let mut out = vec![0.0; list.len() * pairs];
        let mut inverse = vec![0.0; pairs * LANES];
        let mut scratch = nnls::Scratch::new(p);
        let mut current = usize::MAX;
        for (to, &member) in out.chunks_exact_mut(pairs).zip(list) {
            let (block, e) = (member / LANES, member % LANES);
            if block != current {
                let a = &self.normal.a[block * pairs * LANES..][..pairs * LANES];
                let passive = &passive[block * p * LANES..][..p * LANES];
                nnls::masked_inverse(p, a, passive, &mut inverse, &mut scratch);
                current = block;
            }
            for (to, from) in to.iter_mut().zip(inverse.chunks_exact(LANES)) {
                *to = from[e];
            }
        }
        out
    }
}
