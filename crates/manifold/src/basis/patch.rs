//! A surface: Φ = (1, t_i, t_i t_j for j <= i). The roughness is the squared norm of the matrix of second derivatives, the
//! energy of a thin plate: 4 for t_i², 2 for t_i t_j.

use super::{Basis, Factors, Family, grid, second};
use headwater_linalg::{packed, packed_len};

#[derive(Debug)]
pub(super) struct Patch {
    pub dimension: usize,
}

impl Patch {
    fn square(&self, i: usize, j: usize) -> usize {
        1 + self.dimension + packed(i, j)
    }
}

impl Basis for Patch {
    fn functions(&self) -> usize {
        1 + self.dimension + packed_len(self.dimension)
    }
    fn dimension(&self) -> usize {
        self.dimension
    }
    fn period(&self, _axis: usize) -> Option<f64> {
        None
    }
    fn jet(&self, t: &[f64], out: &mut [f64]) {
        let (d, m) = (self.dimension, self.functions());
        out.fill(0.0);
        out[0] = 1.0;
        for i in 0..d {
            out[1 + i] = t[i];
            out[(1 + i) * m + 1 + i] = 1.0;
            for j in 0..=i {
                let at = self.square(i, j);
                out[at] = t[i] * t[j];
                out[(1 + i) * m + at] += t[j];
                out[(1 + j) * m + at] += t[i];
                out[second(d, i, j) * m + at] = if i == j { 2.0 } else { 1.0 };
            }
        }
    }
    fn degree(&self) -> Option<usize> {
        (self.dimension == 1).then_some(2)
    }
    fn factors(&self) -> Option<Factors> {
        let of = vec![[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]];
        (self.dimension == 2).then_some(Factors { family: Family::Powers, degree: 2, of })
    }
    fn nodes(&self) -> Vec<f64> {
        // To ±3.5 standard deviations; Newton's method goes further.
        let steps: i32 = [0, 7, 4, 3][self.dimension - 1];
        let axis: Vec<f64> = (-steps..=steps).map(|i| 3.5 * f64::from(i) / f64::from(steps)).collect();
        grid(&axis, self.dimension)
    }
    fn roughness(&self, out: &mut [f64]) {
        let m = self.functions();
        out.fill(0.0);
        for i in 0..self.dimension {
            for j in 0..=i {
                let at = self.square(i, j);
                out[at * m + at] = if i == j { 4.0 } else { 2.0 };
            }
        }
    }
}
