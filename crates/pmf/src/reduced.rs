//! The reduced Hessian S of a model at some passive sets of the long members: formed and factored where the
//! unknowns are few ([`crate::piece`]), by its products with vectors where they are many ([`crate::projected`]).
//!
//! Unknowns are scaled to the unit diagonal of B: y = D^½s, S̃ = D^-½SD^-½.

use crate::exact_hessian;
use crate::model::Model;
use crate::schur::Schur;
use headwater_linalg::{LANES, packed, packed_len};

/// The Schur complement of a model, kept at some passive sets of the long members.
pub struct Reduced<'m, 'a> {
    pub model: &'m Model<'a>,
    /// `None` where there are too many unknowns to form it.
    schur: Option<Schur>,
    /// Where the long members are coupled: y and z at the passive sets, for S + yyᵀ/z (see [`crate::pinned`]).
    pull: Option<(Vec<f64>, f64)>,
    passive: Vec<f64>,
}

impl<'m, 'a> Reduced<'m, 'a> {
    /// S at the model's own passive sets.
    pub fn new(model: &'m Model<'a>) -> Self {
        Self::formed_if(model, model.problem.forms_hessian(model.p))
    }

    /// The same, formed whatever its size.
    pub fn formed_anyhow(model: &'m Model<'a>) -> Self {
        Self::formed_if(model, true)
    }

    /// S of a model whose long members are summed up already.
    pub fn of(model: &'m Model<'a>, schur: Schur) -> Self {
        Self { model, schur: Some(schur), pull: None, passive: Vec::new() }
    }

    /// What [`Self::of`] was made from.
    pub fn into_schur(self) -> Option<Schur> {
        self.schur
    }

    fn formed_if(model: &'m Model<'a>, forms: bool) -> Self {
        let schur = forms.then(|| {
            let mut schur = Schur::new(model.n, model.p);
            let list: Vec<usize> = (0..model.problem.long.count).collect();
            let inverse = model.inverses(&list, model.passive);
            schur.add(&model.members(), &list, &inverse, model.crew.threads);
            schur
        });
        let mut out = Self { model, schur, pull: None, passive: model.passive.to_vec() };
        out.couple();
        out
    }

    /// Whether S exists as a matrix.
    pub fn formed(&self) -> bool {
        self.schur.is_some()
    }

    /// Sets y and z for the passive sets where S stands.
    fn couple(&mut self) {
        self.pull = self.model.coupling.map(|coupling| {
            let inverses = self.model.inverse_lanes(&self.passive);
            exact_hessian::pull(self.model, &inverses, coupling.weights, coupling.factor)
        });
    }

    /// Moves S to other passive sets: adds the difference of P for the members that changed.
    pub fn move_to(&mut self, passive: &[f64]) {
        let Some(schur) = &mut self.schur else {
            self.passive.copy_from_slice(passive);
            return;
        };
        let lane = self.model.p * LANES;
        let mut list = Vec::new();
        for (block, (old, new)) in self.passive.chunks_exact(lane).zip(passive.chunks_exact(lane)).enumerate() {
            if old == new {
                continue;
            }
            for e in 0..LANES.min(self.model.problem.long.count - block * LANES) {
                if (0..self.model.p).any(|k| old[k * LANES + e] != new[k * LANES + e]) {
                    list.push(block * LANES + e);
                }
            }
        }
        if list.is_empty() {
            return;
        }
        let mut inverse = self.model.inverses(&list, passive);
        for (new, old) in inverse.iter_mut().zip(self.model.inverses(&list, &self.passive)) {
            *new -= old;
        }
        schur.add(&self.model.members(), &list, &inverse, self.model.crew.threads);
        self.passive.copy_from_slice(passive);
        self.couple();
    }

    /// S̃ + shift · I restricted to `free`, lower triangle (the upper is left 0). Only where S is formed.
    pub fn matrix(&self, free: &[usize], shift: f64) -> Vec<f64> {
        let schur = self.schur.as_ref().expect("few enough unknowns to form S");
        let (p, size) = (self.model.p, free.len());
        let scale: Vec<f64> = free.iter().map(|&a| inverse_root(self.model.d[a])).collect();
        let mut s = vec![0.0; size * size];
        for (r, &a) in free.iter().enumerate() {
            let (j, l) = (a / p, a % p);
            for (c, &b) in free[..=r].iter().enumerate() {
                let (jj, ll) = (b / p, b % p);
                let mut value = -schur.element(j, l, jj, ll);
                if j == jj {
                    let pair = if l >= ll { packed(l, ll) } else { packed(ll, l) };
                    value += self.model.b_short[j * packed_len(p) + pair];
                }
                if let Some((y, z)) = &self.pull
                    && *z > 0.0
                {
                    value += y[a] * y[b] / z;
                }
                s[r * size + c] = value * scale[r] * scale[c];
            }
            s[r * size + r] += shift;
        }
        s
    }

    /// S̃y on `free` (elements outside are 0). Cost: one pass over the cells, 14·cells·p flop.
    pub fn product(&self, free: &[usize], y: &[f64]) -> Vec<f64> {
        let d = &self.model.d;
        let mut v = vec![0.0; d.len()];
        for (&a, y) in free.iter().zip(y) {
            v[a] = y * inverse_root(d[a]);
        }
        let image = self.model.product(&v, &self.passive);
        free.iter().map(|&a| image[a] * inverse_root(d[a])).collect()
    }

    /// Unit vectors of the sliced gauges on `free`, in the scaling of [`Self::matrix`]: one row a gauge.
    pub fn gauges(&self, free: &[usize]) -> Vec<f64> {
        gauge_rows(self.model, free)
    }
}

/// 1/√d, and 0 for an element that the data cannot tell.
pub fn inverse_root(d: f64) -> f64 {
    if d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }
}

/// Rows D^½h_k (factor k's scale gauge) on `elements`, normalised; p² rows D^½h_k in slot l where both factors are
/// free of bounds (the gauge is then any invertible mixing).
fn gauge_rows(model: &Model, elements: &[usize]) -> Vec<f64> {
    let p = model.p;
    let h = &model.short.rows;
    let mixing = !model.bounded_long && !model.short.bounded;
    let mut rows = Vec::new();
    for slot in 0..p {
        for source in 0..p {
            // The coupled factor has no scale of its own.
            let fixed = model.coupling.is_some_and(|coupling| coupling.factor == slot);
            if (source != slot && !mixing) || fixed {
                continue;
            }
            let entry = |a: usize| if a % p == slot { h[a / p * p + source] * model.d[a].sqrt() } else { 0.0 };
            let norm = elements.iter().map(|&a| entry(a).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                rows.extend(elements.iter().map(|&a| entry(a) / norm));
            }
        }
    }
    rows
}
