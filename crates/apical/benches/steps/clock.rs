//! Time on the processor, where the system tells it: work of others on a shared machine then counts only by what it takes from
//! caches and memory.

use std::sync::OnceLock;
use std::time::Instant;

/// Seconds since some moment: of this thread on Linux, else by the wall.
pub fn now() -> f64 {
    if let Some(nanoseconds) = on_processor() {
        return 1e-9 * nanoseconds;
    }
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Whether others' work is left out.
pub fn is_own() -> bool {
    on_processor().is_some()
}

fn on_processor() -> Option<f64> {
    // The account is brought up to date when the thread offers to step aside.
    std::thread::yield_now();
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse().ok()
}
