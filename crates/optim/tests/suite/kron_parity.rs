//! Recorded trajectories of other implementations (provenance: `__test__/fixtures/solvers/kron/README.md`).

use crate::common::{json, npy, numbers, plain, step, take};
use headwater_optim::kron::{Geometry, Norm, Settings};
use headwater_optim::{Complex64, KronPsgd, Number, Probe, Real};
use serde_json::Value;

fn geometry(name: &str) -> Geometry {
    match name {
        "EQ" => Geometry::Eq,
        "QEP" => Geometry::Qep,
        "QEQ" => Geometry::Qeq,
        "QUAD" => Geometry::Quad,
        "Q0.5EQ1.5" => Geometry::Q0p5Eq1p5,
        other => panic!("no geometry {other}"),
    }
}

fn far<T: Number>(found: &[T], right: &[f64]) -> f64 {
    let parts = T::reals(found);
    assert_eq!(parts.len(), right.len());
    let size = right.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    parts.iter().zip(right).fold(0.0, |most, (x, y)| f64::max(most, (x.to_f64() - y).abs())) / size
}

fn replay<T: Number>(case: &Value) {
    let text = |key: &str| case[key].as_str().expect("a word").to_string();
    let number = |key: &str| case[key].as_f64().expect("a number");
    let name = text("name");
    let shape: Vec<usize> =
        case["shape"].as_array().expect("a list").iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let count: usize = shape.iter().product();
    let kind = text("kind");
    let torch = kind == "kron_torch";
    let criterion = if kind == "whiten" { Settings::whitening() } else { Settings::newton() };
    let settings = Settings {
        geometry: geometry(&text("geometry")),
        precond_lr: number("precond_lr"),
        norm_memory: if torch { 0.0 } else { number("betaL") },
        norm: if torch { Norm::OneColumn } else { Norm::Exact },
        damping: if kind == "whiten" { number("damping") } else { 0.0 },
        max_skew: case["max_skew"].as_f64().unwrap_or(f64::INFINITY),
        ..plain(criterion, number("init_scale"))
    };
    let mut rule = KronPsgd::<T>::new(&shape, &settings).expect("valid settings");
    let stream: Vec<f64> = npy("kron", &format!("{}.npy", text("stream"))).iter().map(|x| x / 4096.0).collect();
    let size = count * T::PARTS;
    let checkpoints: Vec<u64> = case["checkpoints"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect();
    let files = &case["files"];
    let recorded: Vec<Vec<f64>> =
        (0..rule.factors().len()).map(|k| npy("kron", files[format!("Q{k}")].as_str().unwrap())).collect();
    let tolerance = if torch { 1e-5 } else { 1e-12 };
    let mut parameter = vec![T::default(); count];
    let mut seen = 0;
    for t in 0..*checkpoints.last().unwrap() {
        let at = t as usize * 2 * size;
        let v: Vec<T> = numbers(&stream[at..at + size]);
        let g: Vec<T> = numbers(&stream[at + size..at + 2 * size]);
        let mut h = g.clone();
        if torch {
            // Its damping: √ε mean|g| v, in f32.
            let mean = g.iter().map(|g| g.re().abs().to_f64() as f32).sum::<f32>() / count as f32;
            let factor = f32::EPSILON.sqrt() * mean;
            h.iter_mut().zip(&v).for_each(|(h, v)| *h += v.scale(T::Real::from_f64(f64::from(factor))));
        }
        take(&mut rule, &step(t, 0.0), &mut parameter, &g, Some(Probe { v: &v, h: &h }));
        if checkpoints.contains(&(t + 1)) {
            for (k, factor) in rule.factors().iter().enumerate() {
                let length = factor.q.len() * T::PARTS;
                let right = &recorded[k][seen * length..(seen + 1) * length];
                let error = far(&factor.q, right);
                assert!(error <= tolerance, "{name}: factor {k} after {}: {error:e}", t + 1);
                if !torch {
                    let l = case["L"][(t + 1).to_string()][k].as_f64().unwrap();
                    let error = (factor.smoothness / l - 1.0).abs();
                    assert!(error <= tolerance, "{name}: L of {k} after {}: {error:e}", t + 1);
                }
            }
            seen += 1;
        }
    }
    assert_eq!(seen, checkpoints.len());
    let first: Vec<T> = numbers(&stream[size..2 * size]);
    let mut product = vec![T::default(); count];
    rule.apply(&first, &mut product);
    let error = far(&product, &npy("kron", files["P_times_first_g"].as_str().unwrap()));
    assert!(error <= tolerance, "{name}: P g: {error:e}");
}

/// psgd_torch to 1e-12 at every checkpoint (f64, complex128), kron-torch to 1e-5 (f32).
#[test]
fn every_recorded_trajectory_is_reproduced() {
    let cases = json("kron");
    let cases = cases["cases"].as_array().expect("a list");
    assert_eq!(cases.len(), 36);
    for case in cases {
        match case["dtype"].as_str().expect("a type") {
            "float64" => replay::<f64>(case),
            "complex128" => replay::<Complex64>(case),
            "float32" => replay::<f32>(case),
            other => panic!("no type {other}"),
        }
    }
}
