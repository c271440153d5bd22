//! Directions or planes, and sparse codes of rows.

use std::f64::consts::TAU;

use headwater_linalg::dense::add_scaled;

/// No atom in this place of a support.
pub(crate) const NONE: u32 = u32::MAX;

/// What an atom of the lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// A direction d, ‖d‖ = 1: rows get c·d.
    #[default]
    Direction,
    /// A circle in the plane of two orthonormal axes: rows get a(cos 2πt · u + sin 2πt · v), a >= 0.
    Circle,
}

impl Shape {
    /// Rows of an atom's decoder: 1 or 2.
    pub const fn width(self) -> usize {
        match self {
            Self::Direction => 1,
            Self::Circle => 2,
        }
    }

    /// Numbers that an atom takes in a row beside its amplitude: 0 or 1.
    pub const fn dimension(self) -> usize {
        self.width() - 1
    }
}

/// A dictionary.
#[derive(Clone, Debug, PartialEq)]
pub struct Dictionary {
    /// What the atoms are.
    pub shape: Shape,
    /// Codes of directions are not negative.
    pub non_negative: bool,
    /// λ, by which codes are shrunk.
    pub ridge: f64,
    /// b, p numbers.
    pub offset: Vec<f64>,
    /// K·width × p, the rows of an atom orthonormal.
    pub directions: Vec<f64>,
}

impl Dictionary {
    /// p.
    pub fn columns(&self) -> usize {
        self.offset.len()
    }

    /// K.
    pub fn atoms(&self) -> usize {
        self.directions.len() / (self.offset.len() * self.shape.width())
    }

    /// The reconstruction of row n of `codes`, written to `out` (p numbers).
    pub fn decode(&self, codes: &Codes, n: usize, out: &mut [f64]) {
        let (p, w) = (self.columns(), self.shape.width());
        out.copy_from_slice(&self.offset);
        let (support, values) = codes.row(n);
        for (&atom, value) in support.iter().zip(values.chunks_exact(w)) {
            for (u, &c) in value.iter().enumerate() {
                add_scaled(c, &self.directions[(atom as usize * w + u) * p..][..p], out);
            }
        }
    }
}

/// Sparse codes of rows: 4 bytes and 8 (directions) or 16 (circles) for each of the N × s places.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    pub(crate) active: usize,
    pub(crate) width: usize,
    /// N × s: atoms, ascending within a row, then [`NONE`].
    pub(crate) support: Vec<u32>,
    /// N × s × width, 0 where there is no atom.
    pub(crate) values: Vec<f64>,
}

impl Codes {
    pub(crate) fn new(rows: usize, active: usize, width: usize) -> Self {
        Self { active, width, support: vec![NONE; rows * active], values: vec![0.0; rows * active * width] }
    }

    /// N.
    pub fn rows(&self) -> usize {
        self.support.len() / self.active
    }

    /// s.
    pub fn active(&self) -> usize {
        self.active
    }

    /// The atoms of row n, ascending, at most s, and their codes: one number each for directions, two for circles (coordinates
    /// along the two axes).
    pub fn row(&self, n: usize) -> (&[u32], &[f64]) {
        let all = &self.support[n * self.active..(n + 1) * self.active];
        let count = all.iter().position(|&atom| atom == NONE).unwrap_or(self.active);
        let first = n * self.active * self.width;
        (&all[..count], &self.values[first..first + count * self.width])
    }

    /// Amplitude and phase in [0, 1) turns of the circles of row n, in the order of its atoms; amplitude and phase 0 for
    /// directions, whose amplitude is signed where codes are.
    pub fn polar(&self, n: usize) -> Vec<(f64, f64)> {
        let (_, values) = self.row(n);
        let of = |value: &[f64]| match *value {
            [x, y] => (x.hypot(y), (y.atan2(x) / TAU).rem_euclid(1.0) % 1.0),
            _ => (value[0], 0.0),
        };
        values.chunks_exact(self.width).map(of).collect()
    }
}
