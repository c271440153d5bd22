//! The entropy of softmax gates, P = λH(a), H = −Σ a ln a, in all K logits (the last one's rows are dropped by the caller).
//!
//! With L_k = ln a_k + 1, m = Σ a_j L_j, in units of λ: gradient a_k(m − L_k)/τ,
//! Hessian H_kj = a_k[δ_kj(m − L_k − 1) + a_j(L_k + L_j + 1 − 2m)]/τ², indefinite. Its rows are majorised by a diagonal:
//! D_k = Σ_j √(H_kj² + ε²‖H_k‖²) >= Σ_j |H_kj|, so that D − H and D are positive semi-definite (Gershgorin), and D is smooth.

/// ε: D is at most Kε‖H_k‖ above the sum of absolute values.
const SMOOTHING: f64 = 1e-3;

pub(crate) struct Entropy {
    shares: Vec<f64>,
    logs: Vec<f64>,
    mean: f64,
    temperature: f64,
    hessian: Vec<f64>,
}

impl Entropy {
    /// At logits l (K − 1 of them; the last is 0).
    pub fn new(logits: &[f64], temperature: f64) -> Self {
        let mut logs: Vec<f64> = logits.iter().copied().chain([0.0]).map(|l| l / temperature).collect();
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.iter().map(|l| (l - top).exp()).sum();
        // Logarithms are finite where shares underflow, and a ln a = 0 there.
        logs.iter_mut().for_each(|l| *l -= top + sum.ln() - 1.0);
        let shares: Vec<f64> = logs.iter().map(|l| (l - 1.0).exp()).collect();
        let mean = shares.iter().zip(&logs).map(|(a, l)| a * l).sum();
        let mut out = Self { shares, logs, mean, temperature, hessian: Vec::new() };
        let k = out.shares.len();
        out.hessian = (0..k * k).map(|at| out.entry(at / k, at % k)).collect();
        out
    }

    fn entry(&self, k: usize, j: usize) -> f64 {
        let (a, l, m) = (&self.shares, &self.logs, self.mean);
        let own = if k == j { m - l[k] - 1.0 } else { 0.0 };
        a[k] * (own + a[j] * (l[k] + l[j] + 1.0 - 2.0 * m)) / (self.temperature * self.temperature)
    }

    pub fn value(&self) -> f64 {
        1.0 - self.mean
    }

    pub fn gradient(&self, k: usize) -> f64 {
        self.shares[k] * (self.mean - self.logs[k]) / self.temperature
    }

    pub fn hessian(&self, k: usize, j: usize) -> f64 {
        self.hessian[k * self.shares.len() + j]
    }

    fn row(&self, k: usize) -> &[f64] {
        let n = self.shares.len();
        &self.hessian[k * n..(k + 1) * n]
    }

    pub fn majorant(&self, k: usize) -> f64 {
        let row = self.row(k);
        let floor = floor(row);
        row.iter().map(|h| (h * h + floor).sqrt()).sum()
    }

    /// ∂D_k/∂l_w.
    pub fn majorant_slope(&self, k: usize, w: usize) -> f64 {
        let row = self.row(k);
        let floor = floor(row);
        let (mut direct, mut through, mut inverse) = (0.0, 0.0, 0.0);
        for (j, h) in row.iter().enumerate() {
            let root = (h * h + floor).sqrt();
            if root > 0.0 {
                let slope = self.entry_slope(k, j, w);
                direct += h / root * slope;
                through += h * slope;
                inverse += 1.0 / root;
            }
        }
        direct + SMOOTHING * SMOOTHING * through * inverse
    }

    /// ∂H_kj/∂l_w.
    fn entry_slope(&self, k: usize, j: usize, w: usize) -> f64 {
        let (a, l, m, tau) = (&self.shares, &self.logs, self.mean, self.temperature);
        let relative = |r: usize| (if r == w { 1.0 } else { 0.0 } - a[w]) / tau;
        let mean = a[w] * (l[w] - m) / tau;
        let own = if k == j { m - l[k] - 1.0 } else { 0.0 };
        let own_slope = if k == j { mean - relative(k) } else { 0.0 };
        let pair = l[k] + l[j] + 1.0 - 2.0 * m;
        let pair_slope = relative(k) + relative(j) - 2.0 * mean;
        let bracket = own + a[j] * pair;
        let bracket_slope = own_slope + a[j] * (relative(j) * pair + pair_slope);
        a[k] * (relative(k) * bracket + bracket_slope) / (tau * tau)
    }
}

fn floor(row: &[f64]) -> f64 {
    SMOOTHING * SMOOTHING * row.iter().map(|h| h * h).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_base::rng::{Purpose, Stream};
    use headwater_linalg::eigen;

    fn moved(logits: &[f64], w: usize, by: f64) -> Entropy {
        let mut logits = logits.to_vec();
        logits[w] += by;
        Entropy::new(&logits, 0.7)
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let logits = [0.3, -1.2, 2.0];
        let (here, h) = (Entropy::new(&logits, 0.7), 1e-5);
        for w in 0..3 {
            let (up, down) = (moved(&logits, w, h), moved(&logits, w, -h));
            let slope = |f: &dyn Fn(&Entropy) -> f64| (f(&up) - f(&down)) / (2.0 * h);
            assert!((slope(&|e| e.value()) - here.gradient(w)).abs() < 1e-9);
            for k in 0..4 {
                assert!((slope(&|e| e.gradient(k)) - here.hessian(k, w)).abs() < 1e-9);
                assert!((slope(&|e| e.majorant(k)) - here.majorant_slope(k, w)).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn the_diagonal_majorises_the_hessian() {
        let mut random = Stream::new(8, Purpose::Probe, 0);
        for k in [2, 5, 12] {
            for scale in [0.1, 1.0, 5.0, 400.0] {
                let logits: Vec<f64> = (1..k).map(|_| scale * random.normal()).collect();
                let e = Entropy::new(&logits, 1.0);
                let mut gap: Vec<f64> = e.hessian.iter().map(|h| -h).collect();
                (0..k).for_each(|i| gap[i * k + i] += e.majorant(i));
                let (values, _) = eigen::symmetric(k, &gap).expect("eigenvalues");
                assert!(values[0] >= -1e-12, "K {k}: {}", values[0]);
                assert!(e.hessian.iter().all(|h| h.is_finite()) && e.majorant(0) >= 0.0);
                for i in 0..k {
                    assert!(e.row(i).iter().sum::<f64>().abs() < 1e-12);
                }
            }
        }
    }
}
