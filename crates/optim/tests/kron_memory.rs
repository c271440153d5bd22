//! A steady step asks for no memory of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use headwater_optim::kron::{Geometry, Schedule, Settings};
use headwater_optim::{KronPsgd, Rule, Step};

struct Counting;

// Of this thread alone: the harness has others.
thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        HELD.set(HELD.get() + layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn steady_steps_allocate_nothing_but_packing_buffers_of_products() {
    for geometry in [Geometry::Eq, Geometry::Q0p5Eq1p5, Geometry::Qep, Geometry::Pro4p] {
        // Diagonal factors need no product of matrices; dense ones pack, and give back.
        for (shape, dense) in [(&[50, 40][..], false), (&[50, 40], true), (&[6, 5, 4], true)] {
            let max_size = if dense { 100 } else { 1 };
            let schedule = Schedule::Constant(1.0);
            let settings = Settings { geometry, max_size, schedule, ..Settings::whitening() };
            let mut rule = KronPsgd::<f32>::new(shape, &settings).expect("valid settings");
            let count: usize = shape.iter().product();
            let (mut x, g) = (vec![0.5_f32; count], (0..count).map(|i| (i as f32).sin()).collect::<Vec<f32>>());
            let mut take = |t: u64| {
                let step = Step {
                    count: t,
                    lr: 0.1,
                    decay: 0.0,
                    gradient_scale: 1.0,
                    temperature: 0.0,
                    seed: 1,
                    tensor: 0,
                    survey: Default::default(),
                };
                rule.propose(&step, &x, &g, None).expect("finite");
                rule.commit(&step, &mut x, &g, 1.0);
            };
            (0..3).for_each(&mut take);
            let (count, held) = (COUNT.get(), HELD.get());
            (3..20).for_each(&mut take);
            assert_eq!(HELD.get(), held, "{geometry:?} {shape:?}");
            if !dense {
                assert_eq!(COUNT.get(), count, "{geometry:?} {shape:?}");
            }
        }
    }
}
