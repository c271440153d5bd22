//! Whole fits whose sweeps run on candle's CPU.

#[path = "../../pmf/tests/suite/common.rs"]
#[allow(dead_code)] // tests need the rest
mod common;

use common::{epa, fixture, number};
use headwater_base::{Control, Status};
use headwater_candle::Candle;
use headwater_linalg::device::{Cpu, Device, Place};
use headwater_pmf::{Settings, Starts, factorize_on};

#[test]
fn the_same_certified_optimum_is_reached_on_the_epa_sets() {
    let devices: [Box<dyn Device>; 2] = [Box::new(Cpu { threads: 1 }), Box::new(Candle::cpu().expect("a thread"))];
    for expected in fixture("golden.json")["solutions"].as_array().expect("solutions") {
        let (set, p) = (expected["set"].as_str().expect("a set"), number(expected, "p") as usize);
        let data = epa(set);
        let settings = Settings { seed: 1, threads: 2, starts: Starts::Count(4), ..Settings::new(p) };
        let own = headwater_pmf::factorize(&data.problem(), &settings, Control::none()).expect("a fit").solution;
        assert_eq!(own.status, Status::Converged);
        for device in &devices {
            let place = Place { device: device.as_ref(), fall_back: false };
            let found = factorize_on(&data.problem(), &settings, place, Control::none()).expect("a fit");
            let best = &found.solution;
            let name = device.name();
            assert_eq!(best.status, Status::Converged, "{set} {p} on {name}");
            let error = best.q / own.q - 1.0;
            assert!(error.abs() < 1e-10, "{set} {p} on {name}: Q {} instead of {}", best.q, own.q);
            let c = &best.certificate;
            assert!(c.coordinate_gap < 1e-10 * best.q && c.block_gap() < 1e-6, "{set} {p} on {name}: {c:?}");
            assert!(found.starts.iter().all(|start| start.iterations > 80), "sweeps on a device count");
        }
    }
}
