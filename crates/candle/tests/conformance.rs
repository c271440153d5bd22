//! Every implementation of a device against every other one.

use headwater_candle::{Candle, cuda_devices};
use headwater_linalg::device::conformance::compare;
use headwater_linalg::device::{Cpu, Device};

#[test]
fn all_devices_agree_pairwise_on_random_cases() {
    let mut devices: Vec<Box<dyn Device>> =
        vec![Box::new(Cpu { threads: 1 }), Box::new(Candle::cpu().expect("a thread"))];
    for device in cuda_devices().unwrap_or_default() {
        devices.push(Box::new(Candle::cuda(device.index).expect("a device that was found")));
    }
    for seed in 0..6 {
        for (at, one) in devices.iter().enumerate() {
            for other in &devices[at + 1..] {
                compare(one.as_ref(), other.as_ref(), seed).unwrap_or_else(|what| panic!("{what}"));
            }
        }
    }
}

#[test]
fn shapes_that_do_not_belong_together_and_arrays_of_other_devices_are_refused() {
    let (own, candle) = (Cpu { threads: 1 }, Candle::cpu().expect("a thread"));
    let shape = headwater_linalg::device::Shape { rows: 2, cols: 3 };
    let (a, b) = (candle.matrix(shape, &[1.0; 6]).expect("a matrix"), own.matrix(shape, &[1.0; 6]).expect("a matrix"));
    let refused = |result: Result<_, headwater_linalg::device::Failure>| format!("{:?}", result.err());
    assert!(refused(candle.multiply((&a, false), (&a, false))).contains("do not belong together"));
    assert!(refused(candle.multiply((&a, false), (&b, true))).contains("another device"));
    assert!(refused(own.multiply((&a, false), (&b, true))).contains("another device"));
    assert!(candle.multiply((&a, false), (&a, true)).is_ok());
}
