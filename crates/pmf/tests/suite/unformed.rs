//! The second order without a formed Hessian must say what the formed one says.
#![allow(clippy::print_stdout)] // rates are part of the test's report

use crate::common::*;
use headwater_base::rng::{Purpose, Stream};
use headwater_base::{Control, Status};
use headwater_pmf::{Problem, Settings, Starts, certify, factorize};

#[test]
fn products_alone_reach_and_certify_the_same_minima() {
    for (set, p) in [("stlouis", 6), ("batonrouge", 6), ("baltimore", 7)] {
        let data = epa(set);
        let settings = Settings { starts: Starts::Count(1), threads: 2, ..Settings::new(p) };
        let formed = factorize(&data.problem(), &settings, Control::none()).expect("a fit").solution;
        let problem = data.problem().with_formed_up_to(0);
        let products = factorize(&problem, &settings, Control::none()).expect("a fit").solution;
        assert_eq!((formed.status, products.status), (Status::Converged, Status::Converged), "{set} {p}");
        assert!((products.q / formed.q - 1.0).abs() < 1e-12, "{set} {p}: {} and {}", products.q, formed.q);
        for (a, b) in products.profiles.iter().zip(&formed.profiles) {
            assert!((a - b).abs() <= 1e-7 * b.abs() + 1e-9, "{set} {p}: profile element {a} instead of {b}");
        }
        let exact = formed.certificate.min_curvature.expect("computed");
        match (products.certificate.min_curvature, products.certificate.curvature_bound) {
            (Some(value), None) => assert!((value / exact - 1.0).abs() < 1e-6, "{set} {p}: {value} and {exact}"),
            (None, Some(bound)) => {
                assert!(bound.bound < 0.0 && bound.bound <= exact && bound.smallest_seen >= exact * (1.0 - 1e-9));
                assert!(bound.confidence < 1.0 && bound.products == 100, "{set} {p}: {bound:?}");
            }
            other => panic!("{set} {p}: {other:?}"),
        }
    }
}

#[test]
fn stop_points_are_judged_alike() {
    for point in fixture("stop_points.json")["points"].as_array().expect("points") {
        let set = point["set"].as_str().expect("a set");
        if set == "stlouis" {
            // Thirteen species: products cost hundreds of times what S does.
            continue;
        }
        let data = epa(set);
        let (w, h) = (matrix(&point["W"]), matrix(&point["H"]));
        let settings = Settings::new(number(point, "p") as usize);
        let formed = certify(&data.problem(), &w, &h, &settings, Control::none()).expect("a verdict");
        let problem = data.problem().with_formed_up_to(0);
        let products = certify(&problem, &w, &h, &settings, Control::none()).expect("a verdict");
        assert_eq!(products.solution.status, formed.solution.status);
        let (a, b) = (products.local_minimum.q, formed.local_minimum.q);
        assert!((a / b - 1.0).abs() < 1e-10, "{a} and {b}");
        assert_eq!(products.local_minimum.status, Status::Converged);
    }
}

/// Small problems of many kinds: from what the products certify, a descent with the formed Hessian finds nothing lower.
#[test]
fn nothing_lies_below_what_products_certify() {
    let (mut certified, mut formed_certified) = (0, 0);
    let (mut strict, mut agreed) = (0, 0);
    for seed in 0..400_u32 {
        let mut random = Stream::new(7, Purpose::Start, seed);
        let (m, n) = (4 + (random.uniform() * 20.0) as usize, 3 + (random.uniform() * 9.0) as usize);
        let p = 1 + (random.uniform() * (m.min(n).min(4) as f64)) as usize;
        let p = p.min(m.min(n));
        let noise = [0.0, 1e-6, 0.1, 1.0, 10.0][seed as usize % 5];
        let mut draw = |zeros: f64| if random.uniform() < zeros { 0.0 } else { -random.uniform().max(1e-300).ln() };
        let w: Vec<f64> = (0..m * p).map(|_| draw(0.3)).collect();
        let h: Vec<f64> = (0..p * n).map(|_| draw(0.3)).collect();
        let (mut values, mut uncertainties) = (Vec::new(), Vec::new());
        for i in 0..m {
            for j in 0..n {
                let fit: f64 = (0..p).map(|k| w[i * p + k] * h[k * n + j]).sum();
                let u = 0.05 + 0.1 * fit;
                values.push(fit + noise * u * (draw(0.0) - 1.0));
                uncertainties.push(u);
            }
        }
        let settings = Settings { starts: Starts::Count(1), seed: u64::from(seed), ..Settings::new(p) };
        let problem = || Problem::new(m, n, values.clone(), uncertainties.clone()).expect("a problem");
        let formed = factorize(&problem(), &settings, Control::none()).expect("a fit").solution;
        formed_certified += usize::from(formed.status == Status::Converged);
        let products = factorize(&problem().with_formed_up_to(0), &settings, Control::none()).expect("a fit").solution;
        if products.status != Status::Converged {
            continue;
        }
        certified += 1;
        let verdict = certify(&problem(), &products.contributions, &products.profiles, &settings, Control::none())
            .expect("a verdict");
        // In a valley of several dimensions each walk is a sample: what it finds may differ.
        let flat = products.certificate.flat_directions.max(verdict.solution.certificate.flat_directions);
        let unit = products.certificate.unit;
        assert!(flat > 1 || verdict.excess <= 1e-3 * unit, "seed {seed}: Q can fall by {}", verdict.excess);
        if flat == 0 {
            strict += 1;
            agreed += usize::from(verdict.solution.status == Status::Converged);
        }
    }
    // Conjugate gradients see a piece's curvature only along their directions, a factorisation sees all of it.
    println!("the formed Hessian certifies {agreed} of {strict} strict minima that products certified");
    assert!(agreed * 100 >= 99 * strict, "{agreed} of {strict}");
    println!("certified {certified} by products, {formed_certified} by the formed Hessian, of 400");
    assert!(certified * 100 >= 95 * formed_certified, "{certified} of {formed_certified}");
}
