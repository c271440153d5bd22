//! Fixtures and small helpers of the tests.
use std::path::PathBuf;

use headwater_base::normal::Normals;
use headwater_base::rng::Purpose;
use headwater_optim::kron::{Geometry, Settings};
use headwater_optim::{KronPsgd, Number, Probe, Proposal, Real, Rule, State, Step};
use serde_json::Value;

/// Every geometry.
pub const ALL: [Geometry; 7] = [
    Geometry::Q0p5Eq1p5,
    Geometry::Quad,
    Geometry::Qeq,
    Geometry::Qep,
    Geometry::Eq,
    Geometry::Quad4p,
    Geometry::Pro4p,
];

pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/solvers").join(name)
}

pub fn json(name: &str) -> Value {
    let text = std::fs::read_to_string(folder(name).join("cases.json")).expect("cases.json");
    serde_json::from_str(&text).expect("valid JSON")
}

/// The numbers of a NumPy file (format 1.0, little-endian), row by row, as f64; complex ones interleaved.
pub fn npy(group: &str, file: &str) -> Vec<f64> {
    let bytes = std::fs::read(folder(group).join(file)).expect("fixture");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let header = std::str::from_utf8(&bytes[10..10 + length]).expect("ASCII header");
    let data = &bytes[10 + length..];
    let values: Vec<f64> = if header.contains("<i2") {
        data.chunks_exact(2).map(|w| f64::from(i16::from_le_bytes(w.try_into().expect("two bytes")))).collect()
    } else if header.contains("<f4") {
        data.chunks_exact(4).map(|w| f64::from(f32::from_le_bytes(w.try_into().expect("four bytes")))).collect()
    } else {
        assert!(header.contains("<f8") || header.contains("<c16"), "{header}");
        data.chunks_exact(8).map(|w| f64::from_le_bytes(w.try_into().expect("eight bytes"))).collect()
    };
    if !header.contains("'fortran_order': True") {
        return values;
    }
    let shape = header.split(['(', ')']).nth(1).expect("a shape");
    let shape: Vec<usize> = shape.split(',').map(|n| n.trim().parse().expect("a number")).collect();
    let (rows, cols) = (shape[0], shape[1]);
    assert_eq!(shape.len(), 2);
    let parts = values.len() / (rows * cols);
    (0..values.len())
        .map(|at| (at / parts / cols, at / parts % cols, at % parts))
        .map(|(row, col, part)| values[(col * rows + row) * parts + part])
        .collect()
}

/// Parts as numbers.
pub fn numbers<T: Number>(parts: &[f64]) -> Vec<T> {
    let parts: Vec<T::Real> = parts.iter().map(|&x| T::Real::from_f64(x)).collect();
    T::of_reals(&parts).to_vec()
}

/// Standard normal numbers, those of a complex one with variance 1 in each part.
pub fn gaussian<T: Number>(count: usize, index: u32, from: u64) -> Vec<T> {
    let mut out = vec![T::default(); count];
    let normals = Normals::new(77, Purpose::Synthetic, index);
    T::Real::fill_normal(normals, from * (count * T::PARTS) as u64, T::reals_mut(&mut out));
    out
}

/// A step of rate `lr` after `count` others.
pub fn step(count: u64, lr: f64) -> Step {
    Step {
        count,
        lr,
        decay: 0.0,
        gradient_scale: 1.0,
        temperature: 0.0,
        seed: 1,
        tensor: 0,
        survey: Default::default(),
    }
}

/// Proposes and commits.
pub fn take<T: Number>(
    rule: &mut KronPsgd<T>,
    step: &Step,
    parameter: &mut [T],
    gradient: &[T],
    probe: Option<Probe<'_, T>>,
) -> Proposal {
    let proposal = rule.propose(step, parameter, gradient, probe).expect("finite");
    rule.commit(step, parameter, gradient, 1.0);
    proposal
}

/// Plain settings of the fixtures: a scale, no balancing, no clipping, no damping, no momentum, every step.
pub fn plain(settings: Settings, scale: f64) -> Settings {
    use headwater_optim::kron::{Balance, Schedule};
    Settings {
        scale: Some(scale),
        damping: 0.0,
        momentum: 0.0,
        balance: Balance { every: 0, ratio: f64::INFINITY },
        schedule: Schedule::Constant(1.0),
        clip_rms: f64::INFINITY,
        clip_element: f64::INFINITY,
        max_skew: f64::INFINITY,
        ..settings
    }
}

/// Everything that a rule saves, as bits.
pub struct Snapshot(pub Vec<u64>);

impl<R: Real> State<R> for Snapshot {
    fn array(&mut self, _: &'static str, values: &mut [R]) {
        self.0.extend(values.iter().map(|x| x.to_f64().to_bits()));
    }
    fn real(&mut self, _: &'static str, value: &mut f64) {
        self.0.push(value.to_bits());
    }
    fn whole(&mut self, _: &'static str, value: &mut u64) {
        self.0.push(*value);
    }
}

pub fn snapshot<T: Number>(rule: &mut KronPsgd<T>) -> Vec<u64> {
    let mut seen = Snapshot(Vec::new());
    rule.state(&mut seen);
    seen.0
}

/// Puts a snapshot back.
pub struct Restore(pub std::vec::IntoIter<u64>);

impl<R: Real> State<R> for Restore {
    fn array(&mut self, _: &'static str, values: &mut [R]) {
        values.iter_mut().for_each(|x| *x = R::from_f64(f64::from_bits(self.0.next().expect("as many"))));
    }
    fn real(&mut self, _: &'static str, value: &mut f64) {
        *value = f64::from_bits(self.0.next().expect("as many"));
    }
    fn whole(&mut self, _: &'static str, value: &mut u64) {
        *value = self.0.next().expect("as many");
    }
}

/// H_L W H_R for symmetric real H's.
pub fn sandwich(hl: &[f64], w: &[f64], hr: &[f64]) -> Vec<f64> {
    let (m, n) = (hl.len().isqrt(), hr.len().isqrt());
    let mut left = vec![0.0; m * n];
    for i in 0..m {
        for k in 0..m {
            for j in 0..n {
                left[i * n + j] += hl[i * m + k] * w[k * n + j];
            }
        }
    }
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for k in 0..n {
            for j in 0..n {
                out[i * n + j] += left[i * n + k] * hr[k * n + j];
            }
        }
    }
    out
}

pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
