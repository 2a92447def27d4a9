//! Show how far a run has come: a bar on a terminal, plain lines elsewhere, nothing when quiet.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apical_runs::record::{Ending, SeedRecord};
use apical_runs::seed_run::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::tell;

/// One bar for all seeds of a command.
pub enum Meter {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere: a line for every tenth.
    Lines {
        /// Steps of all runs, as far as they are known.
        total: AtomicU64,
        /// Steps done.
        done: AtomicU64,
        /// Steps of these that were done before this run.
        skipped: AtomicU64,
        /// Start.
        since: Instant,
    },
    /// Nothing.
    Quiet,
}

impl Meter {
    /// A meter for `total` steps.
    pub fn new(total: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines {
                total: AtomicU64::new(total),
                done: AtomicU64::new(0),
                skipped: AtomicU64::new(0),
                since: Instant::now(),
            };
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
        let shape = "{bar:32} {percent:>3} %  {human_pos} of {human_len} steps  {per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(shape) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self::Bar(bar)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }

    /// Prints a line without disturbing the bar.
    pub fn say(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| tell(line)),
            Self::Lines { .. } => tell(line),
            Self::Quiet => {}
        }
    }
}

impl Progress for Meter {
    fn advance(&self, steps: u64) {
        match self {
            Self::Bar(bar) => bar.inc(steps),
            Self::Quiet => {}
            Self::Lines {
                total,
                done,
                skipped,
                since,
            } => {
                let total = total.load(Ordering::Relaxed);
                let before = done.fetch_add(steps, Ordering::Relaxed);
                let now = before + steps;
                let tenth = |steps: u64| steps.saturating_mul(10).checked_div(total).unwrap_or(10);
                if tenth(now) > tenth(before) {
                    let elapsed = since.elapsed();
                    let here = now.saturating_sub(skipped.load(Ordering::Relaxed));
                    let rate = here as f64 / elapsed.as_secs_f64().max(1e-9);
                    let left =
                        Duration::from_secs_f64(total.saturating_sub(now) as f64 / rate.max(1e-9));
                    tell(&format!(
                        "{:>3} %  {now} of {total} steps  {rate:.0} steps/s  {} left",
                        10 * tenth(now),
                        HumanDuration(Duration::from_secs(left.as_secs())),
                    ));
                }
            }
        }
    }

    fn skip(&self, steps: u64) {
        match self {
            Self::Bar(bar) => {
                bar.inc(steps);
                bar.reset_eta();
            }
            Self::Lines { done, skipped, .. } => {
                done.fetch_add(steps, Ordering::Relaxed);
                skipped.fetch_add(steps, Ordering::Relaxed);
            }
            Self::Quiet => {}
        }
    }

    fn expect(&self, steps: u64) {
        match self {
            Self::Bar(bar) => bar.inc_length(steps),
            Self::Lines { total, .. } => {
                total.fetch_add(steps, Ordering::Relaxed);
            }
            Self::Quiet => {}
        }
    }

    fn ended(&self, record: &SeedRecord) {
        if let Ending::Diverged(message) = &record.ending {
            self.say(&format!("warning: {message}"));
        }
    }
}
