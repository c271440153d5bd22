//! What the streaming lane holds: bounded by decoders and codes, whatever N × K and K × K are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater_base::Control;
use headwater_base::normal::Normals;
use headwater_base::parallel::Crew;
use headwater_base::rng::Purpose;
use headwater_manifold::lane::{Settings, Shape, Table, encode, fit};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held beyond what there was.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    drop(work());
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn a_fit_holds_three_decoders_and_24_bytes_a_code() {
    let (n, p, s) = (4096, 128, 4);
    let mut data = vec![0.0_f32; n * p];
    Normals::new(1, Purpose::Synthetic, 0).fill_f32(0, &mut data);
    // Rows that come twice make atoms that begin alike.
    data.copy_within(..n / 2 * p, n / 2 * p);
    let table = Table::new(&data, p).expect("rows");
    // Workspace: a chunk of rows, a block's residuals and products, and what the products pack; it does not grow with K or N.
    let workspace = 4 << 20;
    for (shape, atoms, threads) in [(Shape::Direction, 4096, 1), (Shape::Circle, 2048, 2)] {
        // An early pass after which atoms begin again, and others.
        let settings = Settings { shape, passes: 4, early: 1, ..Settings::new(atoms, s) };
        let crew = Crew::new(threads, Control::none());
        let bound = 3 * (atoms * shape.width() * p * 8) + 24 * n * s + threads * workspace;
        assert!(bound < 4 * n * atoms, "a table of N × K would not be noticed");
        let mut found = None;
        let held = peak(|| found = Some(fit(&table, &settings, crew).expect("a fit")));
        assert!(held <= bound, "{shape:?}: {held} bytes, above {bound}");
        let found = found.expect("a fit");
        assert!(shape == Shape::Circle || found.passes[0].reborn > 0, "no atom began again");
        let held = peak(|| encode(&found.dictionary, &table, &settings, crew).expect("codes"));
        assert!(held <= bound, "{shape:?} encode: {held} bytes, above {bound}");
    }
}
