//! What a panic said and where, without printing it: the caller gets it as an error.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, Once, PoisonError};

/// Where the threads of one pool leave the message of a panic; the job that the pool works for picks it up.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<String>>>);

thread_local! {
    static SLOT: RefCell<Option<Slot>> = const { RefCell::new(None) };
}

impl Slot {
    /// Makes this the slot of the current thread.
    pub fn adopt(&self) {
        SLOT.with(|slot| *slot.borrow_mut() = Some(self.clone()));
    }

    /// The first message since the last call. A panic in a helper thread travels through the waiting ones, but only
    /// where it started does the hook see it, so the first is the cause.
    pub fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }
}

/// Installs the hook, once per process. Threads that are not ours keep the behaviour they had.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let slot = SLOT.try_with(|slot| slot.borrow().clone()).ok().flatten();
            match slot {
                Some(slot) => slot.put(describe(info)),
                None => previous(info),
            }
        }));
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_string());
    match info.location() {
        Some(at) => format!("{text} ({}:{})", short(at.file()), at.line()),
        None => text,
    }
}

/// A source path without the part that belongs to the machine on which the addon was built.
fn short(file: &str) -> &str {
    ["/registry/src/", "\\registry\\src\\"]
        .iter()
        .find_map(|mark| file.split_once(mark))
        .and_then(|(_, rest)| rest.split_once(['/', '\\']))
        .map_or(file, |(_, rest)| rest)
}
