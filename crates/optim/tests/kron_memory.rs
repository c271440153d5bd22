//! A steady step asks for no memory of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use headwater_optim::kron::{Geometry, Schedule, Settings};
use headwater_optim::{KronPsgd, Rule, Step};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, so that no other thread counts.
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
                    seed: 1,
                    tensor: 0,
                    survey: Default::default(),
                };
                rule.propose(&step, &x, &g, None).expect("finite");
                rule.commit(&step, &mut x, &g, 1.0);
            };
            (0..3).for_each(&mut take);
            let (count, held) = (COUNT.load(Ordering::Relaxed), HELD.load(Ordering::Relaxed));
            (3..20).for_each(&mut take);
            assert_eq!(HELD.load(Ordering::Relaxed), held, "{geometry:?} {shape:?}");
            if !dense {
                assert_eq!(COUNT.load(Ordering::Relaxed), count, "{geometry:?} {shape:?}");
            }
        }
    }
}
