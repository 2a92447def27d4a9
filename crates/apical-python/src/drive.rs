//! The loop of `fit` and `run`: without Python's lock, looking up now and then for Ctrl-C and the progress bar.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apical::Learner;
use apical::monitor::{Monitor, Recorder};
use apical::snapshot::StateIo;
use apical::task::{Sample, Task};
use pyo3::prelude::*;

use crate::arrays::Number;
use crate::channels::channels;
use crate::error::{raise, raise_core};

/// Between two looks.
const PATIENCE: Duration = Duration::from_millis(50);
/// At most so many steps between two glances at the clock.
const STRIDE: u64 = 64;

/// Tells a loop of steps when to look up; steps may take microseconds or seconds.
pub struct Clock {
    looked: Instant,
    glanced: Instant,
    stride: u64,
    left: u64,
}

impl Clock {
    /// A clock that starts.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            looked: now,
            glanced: now,
            stride: 1,
            left: 1,
        }
    }

    /// Whether it is time, after another step.
    pub fn is_due(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = Instant::now();
        let quick = now - self.glanced < Duration::from_millis(1);
        self.stride = if quick {
            STRIDE.min(2 * self.stride)
        } else {
            1
        };
        (self.left, self.glanced) = (self.stride, now);
        if now - self.looked < PATIENCE {
            return false;
        }
        self.looked = now;
        true
    }

    /// Ctrl-C, if it was pressed; to be asked after every step, without Python's lock.
    pub fn interrupted(&mut self) -> PyResult<()> {
        match self.is_due() {
            true => Python::attach(|py| py.check_signals()),
            false => Ok(()),
        }
    }
}

/// A task that ends at Ctrl-C.
pub struct Watched<'a, T: Number> {
    task: &'a mut dyn Task<T>,
    clock: Clock,
    /// What ended it.
    pub interrupted: Option<PyErr>,
}

impl<'a, T: Number> Watched<'a, T> {
    /// Watches `task`.
    pub fn new(task: &'a mut dyn Task<T>) -> Self {
        Self {
            task,
            clock: Clock::new(),
            interrupted: None,
        }
    }
}

impl<T: Number> Task<T> for Watched<'_, T> {
    fn sizes(&self) -> (usize, usize) {
        self.task.sizes()
    }

    fn next(&mut self, sample: &mut Sample<T>) -> bool {
        self.interrupted = self.clock.interrupted().err();
        self.interrupted.is_none() && self.task.next(sample)
    }

    fn state(&mut self, io: &mut StateIo<'_>) -> apical::Result<()> {
        self.task.state(io)
    }
}

/// What a loop gave: steps done, records, and why it stopped, if not at the end.
pub struct Outcome {
    done: u64,
    recorder: Recorder,
    error: Option<PyErr>,
}

/// Takes up to `steps` steps; `step` says whether there was one.
pub fn drive<T: Number>(
    py: Python<'_>,
    learner: &mut Learner<T>,
    steps: u64,
    mut recorder: Recorder,
    progress: Option<&Bound<'_, PyAny>>,
    mut step: impl FnMut(&mut Learner<T>, u64) -> apical::Result<bool> + Send,
) -> Outcome {
    recorder.reserve(steps.min(1 << 24));
    let mut done = 0;
    let mut error = None;
    let mut clock = Clock::new();
    while done < steps && error.is_none() {
        let before = done;
        let result = py.detach(|| {
            while done < steps {
                if !step(learner, done)? {
                    return Ok(false);
                }
                recorder.on_step(learner)?;
                done += 1;
                if clock.is_due() {
                    break;
                }
            }
            Ok(true)
        });
        let (more, refused) = match result {
            Err(refused) => (false, Some(raise_core(refused))),
            Ok(more) => (more, None),
        };
        let told = match progress {
            Some(progress) => progress.call1((done - before,)).map(|_| ()),
            None => Ok(()),
        };
        error = refused
            .or_else(|| told.err())
            .or_else(|| py.check_signals().err());
        if !more {
            break;
        }
    }
    Outcome {
        done,
        recorder,
        error,
    }
}

impl Outcome {
    /// (steps done, [(name, steps, values)], exception or None).
    pub fn into_python<T: Number>(
        self,
        py: Python<'_>,
        learner: &Learner<T>,
    ) -> PyResult<Py<PyAny>> {
        let channels = channels(py, &self.recorder, learner, self.done)?;
        let error = self.error.map(|error| error.into_value(py));
        let all = (self.done, channels, error).into_pyobject(py)?;
        Ok(all.into_any().unbind())
    }
}

/// Runs `work` on another thread while this one watches for Ctrl-C and shows progress; `work` is to look at the flag and to
/// count its steps.
pub fn interruptible<R: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&AtomicBool, &AtomicU64) -> apical_runs::Result<R> + Send,
) -> PyResult<R> {
    let (stop, counter) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(&stop, &counter));
        let (mut told, mut interrupted) = (0, None);
        while !worker.is_finished() {
            py.detach(|| std::thread::sleep(Duration::from_millis(20)));
            let done = counter.load(Ordering::Relaxed);
            let look = || -> PyResult<()> {
                py.check_signals()?;
                if let Some(progress) = progress
                    && done > told
                {
                    progress.call1((done - told,))?;
                }
                Ok(())
            };
            if interrupted.is_none()
                && let Err(error) = look()
            {
                stop.store(true, Ordering::Relaxed);
                interrupted = Some(error);
            }
            told = done;
        }
        let result = py.detach(|| worker.join());
        match interrupted {
            Some(error) => Ok(Err(error)),
            None => result.map(|result| result.map_err(raise)),
        }
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
