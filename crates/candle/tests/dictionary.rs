//! Dictionaries whose products run on candle's CPU.

use headwater_base::Control;
use headwater_base::parallel::Crew;
use headwater_base::rng::{Purpose, Stream};
use headwater_candle::Candle;
use headwater_linalg::device::Place;
use headwater_manifold::lane::{Settings, Shape, Table, encode, encode_on, fit, fit_on};

#[test]
fn a_dictionary_is_that_of_the_cpu() {
    const P: usize = 16;
    let mut random = Stream::new(5, Purpose::Synthetic, 0);
    let directions: Vec<f64> = (0..60 * P).map(|_| random.normal()).collect();
    let mut data = Vec::new();
    for _ in 0..2500 {
        let (k, l, a) = (random.below(60), random.below(60), random.uniform());
        data.extend((0..P).map(|c| directions[k * P + c] + a * directions[l * P + c]));
        data.iter_mut().rev().take(P).for_each(|x| *x += 0.05 * random.normal());
    }
    let (rows, crew) = (Table::new(&data, P).expect("rows"), Crew::new(2, Control::none()));
    let device = Candle::cpu().expect("a thread");
    let place = Some(Place { device: &device, fall_back: false });
    for shape in [Shape::Direction, Shape::Circle] {
        let settings = Settings { shape, passes: 5, seed: 1, ..Settings::new(50, 2) };
        let own = fit(&rows, &settings, crew).expect("a fit");
        let there = fit_on(&rows, &settings, place, crew).expect("a fit");
        assert!(there.warnings.is_empty());
        let (f, other) = (own.objective.expect("a pass"), there.objective.expect("a pass"));
        // Candidates that tie in f32 may lead elsewhere, into another minimum as good.
        assert!((other / f - 1.0).abs() < 0.02, "{shape:?}: F {other} instead of {f}");
        let codes = encode(&own.dictionary, &rows, &settings, crew).expect("codes").expect("not stopped");
        let (same, warning) =
            encode_on(&own.dictionary, &rows, &settings, place, crew).expect("codes").expect("not stopped");
        assert_eq!(warning, None);
        let differ = (0..codes.rows()).filter(|&n| codes.row(n) != same.row(n)).count();
        assert!(differ <= 2, "{shape:?}: {differ} rows have other codes");
    }
}
