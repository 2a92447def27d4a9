//! Run the seeds of many experiments side by side, and keep each that is done, so that hours of them can stop anywhere and go on.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use apical::Experiment;
use rayon::prelude::*;

use crate::memory::side_by_side;
use crate::record::{Ending, SeedRecord};
use crate::seed_run::{Progress, Surroundings, run_seed};
use crate::{Error, Result, experiment};

/// Steps between two checkpoints of a seed that is kept: seconds to a minute of work.
pub const SAVE_EVERY: u64 = 500_000;

/// Threads for `jobs` jobs: as many as asked for, 0 meaning one a processor, but no more than there are jobs.
///
/// # Errors
/// If the operating system gives no threads.
pub fn pool(threads: usize, jobs: usize) -> Result<rayon::ThreadPool> {
    let wanted = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        _ => threads,
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(wanted.min(jobs.max(1)))
        .build()
        .map_err(|error| Error::Config {
            field: "--threads".into(),
            what: format!("{threads} threads cannot be started: {error}"),
            mend: "Ask for fewer.".into(),
        })
}

/// How seeds are run.
#[derive(Clone, Copy)]
pub struct Runner<'a> {
    /// Seeds side by side, 0 meaning one a processor; results do not depend on it.
    pub threads: usize,
    /// A folder for seeds that are done or under way, which are not trained again; `None` keeps nothing.
    pub keep: Option<&'a Path>,
    /// Set to stop at the next opportunity.
    pub stop: &'a AtomicBool,
    /// Told of every few hundred steps.
    pub progress: &'a dyn Progress,
}

impl Runner<'_> {
    /// Runs every seed of every experiment; records come in the order asked for, whatever the threads.
    ///
    /// # Errors
    /// The first error of any run; [`Error::Stopped`] if `stop` was set.
    pub fn records(self, experiments: &[Experiment]) -> Result<Vec<Vec<SeedRecord>>> {
        let records = self.each_seed(experiments, |experiment, seed| {
            let kept = self.file(experiment, seed)?;
            let mut experiment = experiment.clone();
            experiment.checkpoint.every = SAVE_EVERY;
            let around = Surroundings {
                checkpoint: kept.as_deref(),
                resume: kept.is_some(),
                stop: self.stop,
                progress: self.progress,
            };
            run_seed(&experiment, seed, around)
        })?;
        let stopped = |record: &SeedRecord| record.ending == Ending::Stopped;
        if records.iter().flatten().any(stopped) {
            return Err(Error::Stopped);
        }
        Ok(records)
    }

    /// What `run` gives for every seed of every experiment, in the order asked for.
    ///
    /// # Errors
    /// The first error of any run.
    pub fn each_seed<R: Send>(
        self,
        experiments: &[Experiment],
        run: impl Fn(&Experiment, u64) -> Result<R> + Sync,
    ) -> Result<Vec<Vec<R>>> {
        let mut jobs: Vec<(usize, u64)> = Vec::new();
        for (index, experiment) in experiments.iter().enumerate() {
            jobs.extend((0..experiment.seeds).map(|k| (index, experiment.seed + k)));
        }
        // Long runs first, so that no thread is left with one at the end.
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|job| std::cmp::Reverse(experiments[jobs[*job].0].steps));
        let mut done: Vec<(usize, R)> = pool(side_by_side(self.threads, experiments), jobs.len())?
            .install(|| {
                order
                    .par_iter()
                    .with_max_len(1)
                    .map(|job| {
                        let (index, seed) = jobs[*job];
                        run(&experiments[index], seed).map(|result| (*job, result))
                    })
                    .collect::<Result<_>>()
            })?;
        done.sort_by_key(|(job, _)| *job);
        let mut results: Vec<Vec<R>> = experiments.iter().map(|_| Vec::new()).collect();
        for (job, result) in done {
            results[jobs[job].0].push(result);
        }
        Ok(results)
    }

    /// Where a seed is kept: named after all its settings but the title, so that changed ones find nothing.
    ///
    /// # Errors
    /// Settings that cannot be written as text.
    pub fn file(self, experiment: &Experiment, seed: u64) -> Result<Option<PathBuf>> {
        let mut same = experiment.clone();
        same.title.clear();
        (same.seed, same.seeds) = (seed, 1);
        Ok(self.kept(&experiment::resolved(&same)?, seed))
    }

    /// Where a seed with these settings is kept.
    pub fn kept(self, settings: &str, seed: u64) -> Option<PathBuf> {
        let settings = crc32fast::hash(settings.as_bytes());
        let name = format!("{settings:08x}-seed-{seed:04}.safetensors");
        Some(self.keep?.join(name))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Stops everything after some steps; counts those done here and those found done.
    struct Watch<'a> {
        stop: &'a AtomicBool,
        until: u64,
        done: AtomicU64,
        found: AtomicU64,
    }

    impl Progress for Watch<'_> {
        fn advance(&self, steps: u64) {
            if self.done.fetch_add(steps, Ordering::Relaxed) + steps >= self.until {
                self.stop.store(true, Ordering::Relaxed);
            }
        }

        fn skip(&self, steps: u64) {
            self.found.fetch_add(steps, Ordering::Relaxed);
        }
    }

    fn experiments() -> Vec<Experiment> {
        let with = |rule: &str, steps: u64| {
            let changes = [
                format!("rule.kind={rule}"),
                format!("steps={steps}"),
                "seeds=2".into(),
                "evaluate.every=1000".into(),
                "evaluate.steps=100".into(),
            ];
            experiment::load("marschall2020/add-a1", &changes).unwrap()
        };
        vec![with("rflo", 3000), with("rtrl", 2000)]
    }

    fn run(keep: Option<&Path>, until: u64) -> (Result<Vec<Vec<SeedRecord>>>, u64, u64) {
        let stop = AtomicBool::new(false);
        let watch = Watch {
            stop: &stop,
            until,
            done: AtomicU64::new(0),
            found: AtomicU64::new(0),
        };
        let runner = Runner {
            threads: 1,
            keep,
            stop: &stop,
            progress: &watch,
        };
        let records = runner.records(&experiments());
        (records, watch.done.into_inner(), watch.found.into_inner())
    }

    #[test]
    fn what_was_stopped_goes_on_to_the_same_records_without_training_a_step_twice() {
        let (whole, all, _) = run(None, u64::MAX);
        assert_eq!(all, 10_000);
        let folder = tempfile::tempdir().unwrap();
        // Within the second of four seeds.
        let (stopped, before, _) = run(Some(folder.path()), 4000);
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert!((4000..6000).contains(&before), "{before}");
        let (again, after, found) = run(Some(folder.path()), u64::MAX);
        assert_eq!((before + after, found), (all, before));
        assert_eq!(again.unwrap(), whole.unwrap());
        let (_, after, found) = run(Some(folder.path()), u64::MAX);
        assert_eq!((after, found), (0, all));
    }

    #[test]
    fn other_settings_find_nothing_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let runner = Runner {
            threads: 1,
            keep: Some(folder.path()),
            stop: &stop,
            progress: &(),
        };
        let first = experiments().remove(0);
        let file = |e: &Experiment, seed| runner.file(e, seed).unwrap().unwrap();
        let mut other = first.clone();
        other.steps += 1;
        assert_ne!(file(&first, 0), file(&other, 0));
        assert_ne!(file(&first, 0), file(&first, 1));
        let mut same = first.clone();
        same.title = "the same".into();
        same.seeds = 20;
        assert_eq!(file(&first, 0), file(&same, 0));
        std::fs::write(file(&first, 0), b"no checkpoint").unwrap();
        let error = runner.records(&[first]).unwrap_err().to_string();
        assert!(error.contains("-seed-0000.safetensors"), "{error}");
    }
}
