//! The streaming lane with its products on a device: the same dictionary, and what becomes of a device that gives up.

use headwater_base::Control;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_linalg::device::{Limited, Place};
use headwater_manifold::lane::{Lane, Settings, Shape, Table, encode, encode_on, fit, fit_on};

const P: usize = 12;

fn data() -> Vec<f64> {
    let mut random = Stream::new(3, Purpose::Synthetic, 0);
    let directions: Vec<f64> = (0..40 * P).map(|_| random.normal()).collect();
    let mut out = Vec::new();
    for _ in 0..2600 {
        let (k, l, a) = (random.below(40), random.below(40), random.uniform());
        let row = |c: usize| directions[k * P + c] + a * directions[l * P + c];
        out.extend((0..P).map(|c| row(c) + 0.05 * random.normal()));
    }
    out
}

fn cases() -> [Settings; 2] {
    [Shape::Direction, Shape::Circle].map(|shape| Settings { shape, passes: 6, seed: 1, ..Settings::new(30, 2) })
}

fn crew() -> Crew<'static> {
    Crew::new(2, Control::none())
}

#[test]
fn a_device_proposes_what_the_cpu_proposes() {
    let data = data();
    let rows = Table::new(&data, P).expect("rows");
    for settings in cases() {
        let device = Limited::new(u32::MAX);
        let place = Place { device: &device, fall_back: false };
        let own = fit(&rows, &settings, crew()).expect("a fit");
        assert_eq!(
            fit_on(&rows, &settings, Some(place), crew()).expect("a fit"),
            own,
            "the same kernel, the same bits"
        );
        // At least one product a pass and chunk of 2048 rows.
        assert!(device.take_calls() >= 2 * own.passes.len() as u32);
        let codes = encode(&own.dictionary, &rows, &settings, crew()).expect("codes").expect("not stopped");
        let there = encode_on(&own.dictionary, &rows, &settings, Some(place), crew()).expect("codes");
        assert_eq!(there, Some((codes, None)));
        assert_eq!(device.take_calls(), 2 * settings.searches as u32);
    }
}

#[test]
fn where_its_memory_ends_the_cpu_goes_on_if_it_may() {
    let data = data();
    let rows = Table::new(&data, P).expect("rows");
    for settings in cases() {
        let own = fit(&rows, &settings, crew()).expect("a fit");
        for most in [0, 5] {
            let device = Limited::new(most);
            let refused = fit_on(&rows, &settings, Some(Place { device: &device, fall_back: false }), crew());
            let error = refused.expect_err("no memory");
            assert_eq!((error.code, error.limit), ("device-out-of-memory", Some(5.0 * f64::from(1 << 30))));
            assert_eq!(device.take_calls(), most + 1, "nothing is asked for after that");

            let there = fit_on(&rows, &settings, Some(Place { device: &device, fall_back: true }), crew());
            let Lane { warnings, .. } = there.as_ref().expect("a fit");
            let [warning] = &warnings[..] else { panic!("one warning: {warnings:?}") };
            assert!(warning.code == "device-gave-up" && warning.message.contains("5120.0 MiB"), "{warning:?}");
            assert_eq!(Lane { warnings: Vec::new(), ..there.expect("a fit") }, own);
        }
    }
}
