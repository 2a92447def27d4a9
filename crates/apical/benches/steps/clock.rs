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

/// Something to be timed, in slices.
pub struct Timed<'a> {
    run: Box<dyn FnMut() + 'a>,
    /// Calls in a slice.
    pub calls: usize,
    /// Seconds of a call at best so far.
    pub best: f64,
}

impl<'a> Timed<'a> {
    /// Makes a first guess at how long it takes.
    pub fn new(mut run: impl FnMut() + 'a) -> Self {
        run();
        let start = now();
        run();
        let guess = (now() - start).max(1e-8);
        Self {
            run: Box::new(run),
            // The clock itself takes some microseconds: the first guess is only that.
            calls: (1e-3 / guess).clamp(1.0, 1e5) as usize,
            best: f64::INFINITY,
        }
    }

    /// Times a millisecond of it.
    pub fn slice(&mut self) {
        if self.calls > 1 {
            (self.run)();
        }
        let start = now();
        for _ in 0..self.calls {
            (self.run)();
        }
        let seconds = now() - start;
        self.best = self.best.min(seconds / self.calls as f64);
        if seconds < 8e-4 {
            self.calls = (self.calls as f64 * 1e-3 / seconds.max(1e-5)).ceil() as usize;
        }
    }
}
