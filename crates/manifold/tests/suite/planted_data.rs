//! The cases of `__test__/fixtures/manifold/planted.json`, generated as its README says.

use serde_json::Value;
use std::f64::consts::TAU;

/// SplitMix64, as the fixture's README has it.
pub struct Generator {
    pub seed: u64,
    pub drawn: u64,
}

impl Generator {
    pub fn word(&mut self) -> u64 {
        self.drawn += 1;
        let mut x = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 * 2f64.powi(-53)
    }

    pub fn normals(&mut self, count: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(count + 1);
        while out.len() < count {
            let (a, b) = (self.uniform(), self.uniform());
            let r = (-2.0 * (1.0 - a).ln()).sqrt();
            out.extend([r * (TAU * b).cos(), r * (TAU * b).sin()]);
        }
        out.truncate(count);
        out
    }
}

/// A planted case: rows, and for every row its circles and their phases.
pub struct Case {
    pub p: usize,
    pub train: usize,
    pub rows: Vec<f64>,
    pub circles: usize,
    pub active: usize,
    pub support: Vec<usize>,
    pub phase: Vec<f64>,
}

pub fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../__test__/fixtures/manifold/planted.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture")).expect("JSON")
}

pub fn planted(about: &Value, seed: Option<u64>) -> Case {
    let whole = |key: &str| about[key].as_u64().expect(key) as usize;
    let number = |key: &str| about[key].as_f64().expect(key);
    let (c, p, active, n) = (whole("C"), whole("p"), whole("act"), whole("N"));
    let mut random = Generator { seed: seed.unwrap_or(whole("seed") as u64), drawn: 0 };
    let frames: Vec<[Vec<f64>; 2]> = (0..c)
        .map(|_| {
            let draws = random.normals(2 * p);
            let mut u: Vec<f64> = draws.iter().step_by(2).copied().collect();
            let mut v: Vec<f64> = draws.iter().skip(1).step_by(2).copied().collect();
            let unit = |x: &mut Vec<f64>| {
                let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                x.iter_mut().for_each(|x| *x /= norm);
            };
            unit(&mut u);
            let overlap: f64 = u.iter().zip(&v).map(|(a, b)| a * b).sum();
            v.iter_mut().zip(&u).for_each(|(v, u)| *v -= overlap * u);
            unit(&mut v);
            [u, v]
        })
        .collect();
    let (mut support, mut phase) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let mut order: Vec<usize> = (0..c).collect();
        for i in 0..active {
            let j = i + (random.uniform() * (c - i) as f64) as usize;
            order.swap(i, j);
        }
        support.extend_from_slice(&order[..active]);
        phase.extend((0..active).map(|_| random.uniform()));
    }
    let noise = random.normals(n * p);
    let (sigma, radius) = (number("sigma"), number("radius"));
    let mut rows: Vec<f64> = noise.iter().map(|x| sigma * x).collect();
    for i in 0..n {
        for a in i * active..(i + 1) * active {
            let (s, co) = (TAU * phase[a]).sin_cos();
            let [u, v] = &frames[support[a]];
            for o in 0..p {
                rows[i * p + o] += radius * (co * u[o] + s * v[o]);
            }
        }
    }
    Case { p, train: whole("ntrain"), rows, circles: c, active, support, phase }
}
