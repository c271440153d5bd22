//! The shapes that an atom can have: functions Φ(t) of its coordinates, whose combinations are its curve or surface
//! m(t) = BᵀΦ(t).
//!
//! A new shape is one file that implements [`Basis`], and one line in [`Topology`]'s two tables.

mod circle;
mod constant;
mod linear;
mod patch;
mod torus;

use std::fmt::Debug;
use std::sync::Arc;

use headwater_base::Error;
use headwater_linalg::{packed, packed_len};

/// The functions of an atom: M of them, in d coordinates.
pub trait Basis: Debug + Send + Sync {
    /// M, the number of functions.
    fn functions(&self) -> usize;
    /// d, the number of coordinates.
    fn dimension(&self) -> usize;
    /// The period of a coordinate; `None` for one that runs over all numbers.
    fn period(&self, axis: usize) -> Option<f64>;
    /// Values, first and second derivatives at `t`, as [`blocks`] blocks of M numbers: Φ; ∂Φ/∂t_c at block 1 + c;
    /// ∂²Φ/∂t_c∂t_e, e <= c, at block 1 + d + [`packed`]`(c, e)`.
    fn jet(&self, t: &[f64], out: &mut [f64]);
    /// The reference roughness S (M × M, symmetric, not negative): ⟨B, SB⟩ is 0 for the simplest shapes.
    fn roughness(&self, out: &mut [f64]);
    /// G (M × M, antisymmetric) with ∂Φ/∂t_axis = GΦ everywhere, if there is one: then a shift of this coordinate is undone
    /// by a rotation of B that changes neither ⟨B, B⟩ nor ⟨B, SB⟩.
    fn generator(&self, _axis: usize, _out: &mut [f64]) -> bool {
        false
    }
    /// H, if the functions are (1, sin 2πht, cos 2πht; h = 1..H).
    fn harmonics(&self) -> Option<usize> {
        None
    }
    /// D, if the functions are (1, t, …, t^D).
    fn degree(&self) -> Option<usize> {
        None
    }
    /// Of a surface in two coordinates: how its functions are products of functions of one.
    fn factors(&self) -> Option<Factors> {
        None
    }
    /// Places from which the nearest point of a surface is looked for, d numbers each: close enough together that Newton's
    /// method does the rest. Coordinates that are not periodic are in units of their prior's standard deviation. None are
    /// needed in one dimension, for functions with [`Basis::harmonics`] or a [`Basis::degree`].
    fn nodes(&self) -> Vec<f64> {
        Vec::new()
    }
    /// Brings a point back into the chart: periodic coordinates into [0, period).
    fn retract(&self, t: &mut [f64]) {
        for (axis, t) in t.iter_mut().enumerate() {
            if let Some(period) = self.period(axis) {
                let wrapped = *t - period * (*t / period).floor();
                *t = if wrapped < period { wrapped } else { 0.0 };
            }
        }
    }
}

/// Functions of one coordinate whose products are a surface's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// (1, sin 2πht, cos 2πht; h = 1, 2, …).
    #[default]
    Waves,
    /// (1, t, t², …).
    Powers,
}

/// The functions of a surface as products of those of its two coordinates.
#[derive(Clone, Debug)]
pub struct Factors {
    /// The functions of one coordinate.
    pub family: Family,
    /// Their highest degree: harmonics, power.
    pub degree: usize,
    /// Of each function of the surface: which ones it is the product of.
    pub of: Vec<[usize; 2]>,
}

/// All combinations of the values of one axis, in `dimension` axes.
fn grid(axis: &[f64], dimension: usize) -> Vec<f64> {
    let count = axis.len().pow(dimension as u32);
    (0..count).flat_map(|at| (0..dimension).map(move |c| axis[at / axis.len().pow(c as u32) % axis.len()])).collect()
}

/// Blocks of a jet in d coordinates: 1 + d + d(d + 1)/2.
pub const fn blocks(dimension: usize) -> usize {
    1 + dimension + packed_len(dimension)
}

/// Position of ∂²/∂t_c∂t_e among the blocks of a jet, for c and e in any order.
pub(crate) const fn second(dimension: usize, c: usize, e: usize) -> usize {
    1 + dimension + if c >= e { packed(c, e) } else { packed(e, c) }
}

/// The shape of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topology {
    /// A point: Φ = 1. With amplitudes and decoders that are not negative, a factor of a non-negative factorisation.
    Constant,
    /// A line: Φ = (1, t).
    Linear,
    /// A closed curve: t in fractions of a turn, Φ = (1, sin 2πht, cos 2πht; h = 1..harmonics).
    Circle {
        /// H, at least 1.
        harmonics: usize,
    },
    /// A closed surface: products of the functions of two circles.
    Torus {
        /// H of both circles, at least 1.
        harmonics: usize,
    },
    /// A surface: all monomials up to degree 2.
    Patch {
        /// Number of coordinates, 1 to 4.
        dimension: usize,
    },
}

impl Topology {
    /// The functions of this shape.
    ///
    /// Error: `option-out-of-range` for a number of harmonics or coordinates that it does not have.
    pub fn basis(self) -> Result<Arc<dyn Basis>, Error> {
        let within = |name: &str, value: usize, largest: usize| {
            if (1..=largest).contains(&value) {
                return Ok(());
            }
            let message = format!("{name} of a {} is {value}; allowed are 1 to {largest}", self.name());
            Err(Error::new("option-out-of-range", message).with_limit(largest as f64))
        };
        Ok(match self {
            Self::Constant => Arc::new(constant::Constant),
            Self::Linear => Arc::new(linear::Linear),
            Self::Circle { harmonics } => {
                within("harmonics", harmonics, 64)?;
                Arc::new(circle::Circle { harmonics })
            }
            Self::Torus { harmonics } => {
                within("harmonics", harmonics, 8)?;
                Arc::new(torus::Torus::new(harmonics))
            }
            Self::Patch { dimension } => {
                within("dimension", dimension, 4)?;
                Arc::new(patch::Patch { dimension })
            }
        })
    }

    /// The number that goes with the name: harmonics, coordinates of a patch, else 0.
    pub const fn size(self) -> usize {
        match self {
            Self::Constant | Self::Linear => 0,
            Self::Circle { harmonics } | Self::Torus { harmonics } => harmonics,
            Self::Patch { dimension } => dimension,
        }
    }

    /// The word used in JSON and in the TypeScript API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Circle { .. } => "circle",
            Self::Torus { .. } => "torus",
            Self::Patch { .. } => "patch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};

    const ALL: [Topology; 8] = [
        Topology::Constant,
        Topology::Linear,
        Topology::Circle { harmonics: 1 },
        Topology::Circle { harmonics: 4 },
        Topology::Torus { harmonics: 1 },
        Topology::Torus { harmonics: 2 },
        Topology::Patch { dimension: 1 },
        Topology::Patch { dimension: 3 },
    ];

    fn jet(basis: &dyn Basis, t: &[f64]) -> Vec<f64> {
        let mut out = vec![f64::NAN; blocks(basis.dimension()) * basis.functions()];
        basis.jet(t, &mut out);
        out
    }

    #[test]
    fn derivatives_are_those_of_the_functions() {
        let mut random = Stream::new(3, Purpose::Probe, 0);
        for topology in ALL {
            let basis = topology.basis().expect("a shape");
            let (m, d) = (basis.functions(), basis.dimension());
            for _ in 0..5 {
                let t: Vec<f64> = (0..d).map(|_| random.normal()).collect();
                let here = jet(&*basis, &t);
                for c in 0..d {
                    let h = 1e-5;
                    let moved = |by: f64| {
                        let mut t = t.clone();
                        t[c] += by;
                        jet(&*basis, &t)
                    };
                    let (up, down) = (moved(h), moved(-h));
                    let check = |block: usize, of: usize| {
                        for i in 0..m {
                            let slope = (up[of * m + i] - down[of * m + i]) / (2.0 * h);
                            let found = here[block * m + i];
                            assert!((slope - found).abs() < 1e-6 * (1.0 + found.abs()), "{topology:?} {block} {i}");
                        }
                    };
                    check(1 + c, 0);
                    (0..d).for_each(|e| check(second(d, c, e), 1 + e));
                }
            }
        }
    }

    #[test]
    fn periodic_shapes_close_and_points_return_into_the_chart() {
        for topology in ALL {
            let basis = topology.basis().expect("a shape");
            let d = basis.dimension();
            for axis in 0..d {
                let Some(period) = basis.period(axis) else { continue };
                let mut t: Vec<f64> = (0..d).map(|c| 0.3 + 0.1 * c as f64).collect();
                let here = jet(&*basis, &t);
                t[axis] -= 3.0 * period;
                let there = jet(&*basis, &t);
                assert!(here.iter().zip(&there).all(|(x, y)| (x - y).abs() < 1e-9 * (1.0 + x.abs())), "{topology:?}");
                t[axis] = -1e-300;
                basis.retract(&mut t);
                assert!((0.0..period).contains(&t[axis]));
            }
        }
    }

    #[test]
    fn generators_shift_the_coordinate_and_keep_the_penalties() {
        for topology in ALL {
            let basis = topology.basis().expect("a shape");
            let (m, d) = (basis.functions(), basis.dimension());
            let (mut g, mut s) = (vec![0.0; m * m], vec![0.0; m * m]);
            basis.roughness(&mut s);
            let t: Vec<f64> = (0..d).map(|c| 0.3 + 0.1 * c as f64).collect();
            let here = jet(&*basis, &t);
            for axis in 0..d {
                g.fill(0.0);
                assert_eq!(basis.generator(axis, &mut g), basis.period(axis).is_some(), "{topology:?}");
                if basis.period(axis).is_none() {
                    continue;
                }
                for i in 0..m {
                    let product: f64 = (0..m).map(|j| g[i * m + j] * here[j]).sum();
                    assert!((product - here[(1 + axis) * m + i]).abs() < 1e-9, "{topology:?}");
                    for j in 0..m {
                        let commutator: f64 =
                            (0..m).map(|l| g[i * m + l] * s[l * m + j] - s[i * m + l] * g[l * m + j]).sum();
                        assert!(commutator.abs() < 1e-9 && g[i * m + j] == -g[j * m + i], "{topology:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_that_a_shape_does_not_have_are_refused() {
        for topology in
            [Topology::Circle { harmonics: 0 }, Topology::Torus { harmonics: 9 }, Topology::Patch { dimension: 0 }]
        {
            let error = topology.basis().expect_err("no such shape");
            assert_eq!(error.code, "option-out-of-range");
        }
    }
}
