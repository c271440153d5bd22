mod planted_data;
use headwater_base::Control;
use headwater_base::parallel::Crew;
use headwater_manifold::fit::*;
use headwater_manifold::*;
use planted_data::*;
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("a number") * 1e-9
}
fn settings(atoms: Vec<Topology>, active: usize, gate: Gate) -> FitSettings {
 FitSettings { atoms, gate, active, non_negative: false, centre: true, prune: true, seed: 0, restarts: 4, beam: 8, smoothing: Smoothing::Size, entropy: 0.0, incoherence: 0.0, repulsion: 0.0, max_rounds: 12, inner: InnerSettings::default(), outer: OuterSettings::default() }
}
const USUAL: Gate = Gate::Amplitude(AmplitudePrior::Normal);
fn show(name: &str, found: &Fit, held: &Rows, c: f64) {
        let crew = Crew::new(1, Control::none());
        let (_, score) = found.model.judge(held, crew).unwrap().unwrap();
        eprintln!("{name} {:?} kept {} seed {:?} EV {:?} L0 {} rounds {} moved {} missed {} noise {:.5} {:.2} s {:?}", found.status, found.kept.len(), found.seed, score.reconstruction.explained_variance, score.usage.active, found.rounds, found.moved, found.missed, found.model.strengths.noise, c, found.evidence);
        for a in &found.atoms { eprintln!("   {:?} rows {} worth {:?} spread {:?} cov {:.2} k {:?}", a.claim, a.used.rows, a.worth.map(f64::round), a.spread, a.coverage, a.kurtosis); }
}
#[test]
fn shapes() {
    let crew = Crew::new(1, Control::none());
    let which = std::env::var("CASES").unwrap_or("circles lines torus patch points soft mixed harmonics nmf".into());
    for name in which.split(' ') {
        let mut g = Generator { seed: 42, drawn: 0 };
        let (n, p) = (1000, 12);
        let dirs: Vec<Vec<f64>> = (0..12).map(|_| { let v = g.normals(p); let s = v.iter().map(|x| x * x).sum::<f64>().sqrt(); v.iter().map(|x| x / s).collect() }).collect();
        let mut values = vec![];
        let (atoms, active, gate): (Vec<Topology>, usize, Gate) = match name {
            "circles" => (vec![Topology::Circle { harmonics: 1 }; 3], 1, USUAL),
            "harmonics" => (vec![Topology::Circle { harmonics: 3 }; 2], 1, Gate::Unit),
            "lines" => (vec![Topology::Linear; 3], 1, Gate::Unit),
            "torus" => (vec![Topology::Torus { harmonics: 1 }; 1], 1, Gate::Unit),
            "patch" => (vec![Topology::Patch { dimension: 2 }; 1], 1, Gate::Unit),
            "points" => (vec![Topology::Constant; 4], 2, Gate::Amplitude(AmplitudePrior::HalfNormal)),
            "soft" => (vec![Topology::Circle { harmonics: 1 }; 2], 2, Gate::Softmax { temperature: 1.0, ridge: 0.1 }),
            "nmf" => (vec![Topology::Constant; 3], 3, Gate::Amplitude(AmplitudePrior::HalfNormal)),
            _ => (vec![Topology::Circle { harmonics: 1 }, Topology::Linear, Topology::Constant], 1, Gate::Unit),
        };
        let noise = g.normals(n * p);
        for i in 0..n {
            let mut x: Vec<f64> = noise[i * p..(i + 1) * p].iter().map(|e| 0.05 * e).collect();
            let mut add = |c: f64, k: usize| { for o in 0..p { x[o] += c * dirs[k][o]; } };
            let u = g.uniform(); let v = g.uniform(); let w = g.uniform();
            let tau = std::f64::consts::TAU;
            match name {
                "circles" | "soft" => { let k = (w * 2.0) as usize; add((tau * u).cos(), 2 * k); add((tau * u).sin(), 2 * k + 1); }
                "harmonics" => { let k = (w * 2.0) as usize; add((tau * u).cos(), 4 * k); add((tau * u).sin(), 4 * k + 1); add(0.4 * (2.0 * tau * u).cos(), 4 * k + 2); add(0.3 * (3.0 * tau * u).sin(), 4 * k + 3); }
                "lines" => { let k = (w * 3.0) as usize; add(1.0, 2 * k); add(4.0 * u - 2.0, 2 * k + 1); }
                "torus" => { add((tau * u).cos(), 0); add((tau * u).sin(), 1); add(0.7 * (tau * v).cos(), 2); add(0.7 * (tau * v).sin(), 3); }
                "patch" => { let (a, b) = (2.0 * u - 1.0, 2.0 * v - 1.0); add(2.0 * a, 0); add(b, 1); add(a * a, 2); add(0.5 * a * b, 3); }
                "points" => { let k = (w * 4.0) as usize; let l = (k + 1 + (v * 3.0) as usize) % 4; add(0.5 + u, k); add(0.5 + v, l); }
                "nmf" => { for k in 0..3 { let s = g.uniform(); for o in 0..p { x[o] += s * dirs[k][o].abs(); } } }
                _ => { let k = (w * 3.0) as usize; match k { 0 => { add((tau * u).cos(), 0); add((tau * u).sin(), 1); } 1 => { add(1.0, 2); add(3.0 * u, 3); } _ => add(1.5, 4) } }
            }
            values.extend(x);
        }
        let mut s = settings(atoms, active, gate);
        if name == "harmonics" || name == "torus" || name == "patch" { s.smoothing = Smoothing::Evidence; }
        if name == "points" { s.centre = false; }
        if name == "nmf" { s.non_negative = true; s.centre = false; s.prune = false; s.smoothing = Smoothing::None; }
        let train = Rows { count: 800, values: values[..800 * p].to_vec(), ..Rows::default() };
        let held = Rows { count: 200, values: values[800 * p..].to_vec(), ..Rows::default() };
        let c = cpu();
        match fit(&train, p, &s, crew) { Ok(Some(found)) => show(name, &found, &held, cpu() - c), other => eprintln!("{name} {:?}", other.map(|x| x.is_some())) }
    }
}
