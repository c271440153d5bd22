//! Reverse communication gives the same bits as a native solve.

use crate::common::*;
use headwater_base::Control;
use headwater_solve::operator::FnPreconditioner;
use headwater_solve::{Method, Operator, Parts, Preconditioner, Reason, RequestKind, Session, Settings, Supply, solve};

#[test]
fn a_session_asks_for_products_and_gives_the_same_bits() {
    let a = poisson(12);
    let b = gaussian::<f64>(144, 1);
    let m = FnPreconditioner(|r: &[f64], z: &mut [f64]| {
        for i in 0..r.len() {
            z[i] = r[i] / (2.0 + (i % 3) as f64);
        }
    });
    let settings = Settings { probe: false, ..Settings::default() };
    let native = solve(Method::Cg, &a, Some(&m), &b, &settings, Control::none()).expect("no misuse");
    let parts =
        Parts { rows: 144, cols: 144, operator: Supply::Caller, preconditioner: Some(Supply::Caller), hermitian: None };
    let mut session = Session::new(Method::Cg, parts, &b, settings, Control::none()).expect("no misuse");
    let (mut products, mut preconditions) = (0, 0);
    while session.resume() {
        let kind = session.kind();
        let (input, output) = session.exchange();
        match kind {
            Some(RequestKind::Apply) => {
                products += 1;
                Operator::apply(&a, input, output);
            }
            Some(RequestKind::Precondition) => {
                preconditions += 1;
                m.apply(input, output);
            }
            other => panic!("{other:?}"),
        }
    }
    let out = session.into_outcome().expect("done");
    assert_eq!((out.reason, out.iterations), (native.reason, native.iterations));
    assert_eq!(out.x, native.x);
    assert_eq!((products, preconditions), (out.matvecs, out.preconditions));
}

#[test]
fn a_session_can_be_watched_and_stopped() {
    let a = poisson(12);
    let b = gaussian::<f64>(144, 1);
    let settings = Settings { observe: true, ..Settings::default() };
    let parts = Parts { rows: 144, cols: 144, operator: Supply::Borrowed(&a), preconditioner: None, hermitian: None };
    let mut session = Session::new(Method::Cg, parts, &b, settings, Control::none()).expect("no misuse");
    let mut seen = Vec::new();
    while session.resume() {
        assert_eq!(session.kind(), Some(RequestKind::Iteration));
        seen.push(session.progress().0);
        if seen.len() == 4 {
            session.halt(Reason::UserStop);
        }
    }
    let out = session.into_outcome().expect("done");
    assert_eq!((out.reason, out.iterations), (Reason::UserStop, 4));
    assert_eq!(seen, [1, 2, 3, 4]);
    let four = run(Method::Cg, &a, &b, &Settings { max_iterations: Some(4), ..Settings::default() });
    assert_eq!(out.x, four.x);
}
