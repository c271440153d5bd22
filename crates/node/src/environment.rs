//! The JavaScript environments (main thread, workers) that have work running, and what happens when one ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use napi::Env;

use crate::admission;

type Flags = HashMap<u64, Arc<AtomicBool>>;

/// Cancel flags of unfinished jobs, by environment.
static LIVE: LazyLock<Mutex<HashMap<usize, Flags>>> = LazyLock::new(Mutex::default);

fn live() -> MutexGuard<'static, HashMap<usize, Flags>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Membership of one job; ends when dropped.
pub struct Registration {
    environment: usize,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(flags) = live().get_mut(&self.environment) {
            flags.remove(&self.id);
        }
    }
}

/// Notes that a job with this flag works for `env`. When `env` ends, by the process's exit or a worker's end, the
/// flag is raised: nobody is left to take the result.
pub fn register(env: &Env, flag: &Arc<AtomicBool>) -> napi::Result<Registration> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let environment = env.raw() as usize;
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let is_new = !live().contains_key(&environment);
    if is_new {
        env.add_env_cleanup_hook(environment, end)?;
    }
    live().entry(environment).or_default().insert(id, flag.clone());
    Ok(Registration { environment, id })
}

fn end(environment: usize) {
    let flags = live().remove(&environment);
    for flag in flags.into_iter().flat_map(HashMap::into_values) {
        flag.store(true, Ordering::Relaxed);
    }
    admission::refuse_cancelled();
}
