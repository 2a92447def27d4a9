//! Runs the seeds that the claims of a sheet need, look after look, until every claim is decided or time is up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apical::Experiment;

use super::{Choice, Report, Size};
use crate::claims::sequential::{self, decide, seeds_needed};
use crate::claims::sheet::{Condition, Grid, Row, Sheet};
use crate::claims::{Claim, Takes, Verdict};
use crate::record::SeedRecord;
use crate::runner::Runner;
use crate::statistics::{median, quantile};
use crate::{Error, Result};

/// The conditions of a sheet with the records of their seeds, and what its claims came to.
pub struct Study {
    choice: Choice,
    seed: u64,
    conditions: Vec<Condition>,
    experiments: Vec<Experiment>,
    records: Vec<Vec<SeedRecord>>,
    /// The claims, then the cells of grids.
    judged: Vec<Judged>,
    rows: usize,
    grids: Vec<(Grid, Vec<Vec<String>>)>,
}

/// A claim and how it stands.
struct Judged {
    row: Row,
    /// Places of its conditions.
    on: Vec<usize>,
    /// Seeds at most.
    most: u64,
    /// One number a draw, at the last look.
    values: Vec<f64>,
    decided: Option<bool>,
}

impl Study {
    /// What is to be run; nothing has been.
    ///
    /// # Errors
    /// A condition that is no experiment, or a claim on a condition that is not there.
    pub fn new(sheet: &Sheet, choice: Choice) -> Result<Self> {
        let mut conditions = sheet.conditions.clone();
        let mut judged = Vec::new();
        let chosen = |row: &&Row| row.quick || !choice.quick;
        for row in sheet.claims.iter().filter(chosen) {
            let place = |name: &String| {
                let found = conditions.iter().position(|known| known.name == *name);
                found.ok_or_else(|| Error::Config {
                    field: row.id.clone(),
                    what: format!("is on `{name}`, expected the name of a condition"),
                    mend: "Name one of the conditions of the sheet.".into(),
                })
            };
            judged.push(Judged {
                on: row.on.iter().map(place).collect::<Result<_>>()?,
                row: row.clone(),
                most: u64::MAX,
                values: Vec::new(),
                decided: None,
            });
        }
        let rows = judged.len();
        let mut grids = Vec::new();
        for grid in sheet.grids.iter().filter(|_| !choice.quick) {
            let mut names = Vec::new();
            for (place, condition) in grid.cells() {
                judged.push(Judged {
                    row: cell(grid, &condition),
                    on: vec![conditions.len()],
                    most: grid.most,
                    values: Vec::new(),
                    decided: None,
                });
                conditions.push(condition);
                names.push(place);
            }
            grids.push((grid.clone(), names));
        }
        let experiment = |condition: &Condition| {
            let mut experiment = condition.experiment(choice.quick)?;
            experiment.seed = sheet.seed;
            experiment.seeds = 0;
            Ok(experiment)
        };
        let experiments: Vec<Experiment> =
            conditions.iter().map(experiment).collect::<Result<_>>()?;
        Ok(Self {
            choice,
            seed: sheet.seed,
            records: experiments.iter().map(|_| Vec::new()).collect(),
            conditions,
            experiments,
            judged,
            rows,
            grids,
        })
    }

    fn looks(&self) -> &'static [u64] {
        match self.choice.quick {
            true => &sequential::QUICK,
            false => &sequential::LOOKS,
        }
    }

    /// The seeds of a row that stays open, and the steps of the first look.
    pub fn size(&self) -> Size {
        let looks = self.looks();
        let (first, most) = (looks[0], looks[looks.len() - 1]);
        let steps = self.experiments.iter().zip(self.wanted(first));
        let steps: u64 = steps
            .map(|(e, wanted)| if wanted { e.steps } else { 0 })
            .sum();
        ((self.seed, most), steps * first)
    }

    /// Which conditions a claim is on that `look` seeds may decide.
    fn wanted(&self, look: u64) -> Vec<bool> {
        let mut wanted = vec![false; self.conditions.len()];
        let open = self.judged.iter().filter(|judged| judged.is_open(look));
        open.for_each(|judged| judged.on.iter().for_each(|c| wanted[*c] = true));
        wanted
    }

    /// Looks at more and more seeds of what is open; a look that the time does not suffice for is not judged, and its seeds
    /// are kept for the next call.
    ///
    /// # Errors
    /// The first error of any run; [`Error::Stopped`] if it was asked to stop.
    pub fn run(&mut self, runner: Runner<'_>) -> Result<()> {
        let end = self.choice.budget.map(|budget| Instant::now() + budget);
        for (k, look) in self.looks().iter().enumerate() {
            let wanted = self.wanted(*look);
            let further = |(c, experiment): (usize, &Experiment)| {
                let have = self.records[c].len() as u64;
                let mut further = experiment.clone();
                further.seed += have;
                further.seeds = if wanted[c] {
                    look.saturating_sub(have)
                } else {
                    0
                };
                further
            };
            let further: Vec<Experiment> =
                self.experiments.iter().enumerate().map(further).collect();
            if k > 0 {
                let steps = further.iter().map(|e| e.steps * e.seeds).sum();
                runner.progress.expect(steps);
            }
            let Some(records) = until(end, runner, |runner| runner.records(&further))? else {
                return Ok(());
            };
            for (have, more) in self.records.iter_mut().zip(records) {
                have.extend(more);
            }
            for judged in self.judged.iter_mut().filter(|j| j.is_open(*look)) {
                judged.look(*look, &self.records);
            }
        }
        Ok(())
    }

    /// The claims as rows.
    pub fn claims(&self) -> Vec<Claim> {
        self.judged[..self.rows].iter().map(Judged::claim).collect()
    }

    /// The grids as tables.
    pub fn reports(&self) -> Vec<Report> {
        let mut cells = self.judged[self.rows..].iter();
        let report = |(grid, places): &(Grid, Vec<Vec<String>>)| {
            let mut header = grid.columns.clone();
            header.extend(["seeds that do", "median", "10 % to 90 %", "verdict"].map(String::from));
            let row = |(names, judged): (&Vec<String>, &Judged)| {
                let claim = judged.claim();
                let verdict = match claim.verdict {
                    Verdict::Reproduced => "does".into(),
                    Verdict::NotReproduced => "does not".into(),
                    open => open.text(),
                };
                let mut row = names.clone();
                row.extend([
                    format!("{} of {}", judged.count(), judged.values.len()),
                    decimal(median(&judged.values)),
                    judged.range(),
                    verdict,
                ]);
                row
            };
            Report {
                name: grid.name.clone().into(),
                title: grid.title.clone(),
                on_screen: false,
                header,
                rows: places.iter().zip(cells.by_ref()).map(row).collect(),
            }
        };
        self.grids.iter().map(report).collect()
    }

    /// Names, experiments and records of the conditions that are not cells of a grid.
    pub fn conditions(&self) -> impl Iterator<Item = (&str, &Experiment, &[SeedRecord])> {
        let cells = self.judged.len() - self.rows;
        let count = self.conditions.len() - cells;
        let of = |c: usize| {
            let name = self.conditions[c].name.as_str();
            (name, &self.experiments[c], &self.records[c][..])
        };
        (0..count).map(of)
    }

    /// What is run, cells of grids included.
    #[cfg(test)]
    pub fn experiments(&self) -> &[Experiment] {
        &self.experiments
    }

    /// The records of a condition; none if there is no such condition.
    pub fn records(&self, name: &str) -> &[SeedRecord] {
        let mut all = self.conditions();
        all.find(|(known, ..)| *known == name)
            .map_or(&[], |(.., records)| records)
    }
}

/// Whether a cell of a grid does what the grid asks.
fn cell(grid: &Grid, condition: &Condition) -> Row {
    Row {
        id: condition.name.clone(),
        figure: String::new(),
        statement: condition.name.clone(),
        source: String::new(),
        expected: String::new(),
        on: vec![condition.name.clone()],
        measure: grid.measure.clone(),
        below: Some(grid.below),
        above: None,
        share: 0.5,
        together: 1,
        quick: false,
        also: None,
    }
}

impl Judged {
    /// Whether it is undecided and may have `look` seeds.
    fn is_open(&self, look: u64) -> bool {
        self.decided.is_none() && look <= self.most
    }

    /// Measures `seeds` seeds and decides, if they do.
    fn look(&mut self, seeds: u64, records: &[Vec<SeedRecord>]) {
        let together = self.row.together.max(1);
        let draw = |k: u64| {
            let seeds = (k * together) as usize..((k + 1) * together) as usize;
            let of: Vec<&[SeedRecord]> = self
                .on
                .iter()
                .map(|c| &records[*c][seeds.clone()])
                .collect();
            self.row.measure.of(&of)
        };
        self.values = (0..seeds / together).map(draw).collect();
        self.decided = decide(self.count(), self.values.len() as u64, self.row.share);
    }

    /// Draws that bear the claim out.
    fn count(&self) -> u64 {
        self.values
            .iter()
            .filter(|value| self.row.holds(**value))
            .count() as u64
    }

    fn range(&self) -> String {
        let at = |share: f64| quantile(&self.values, share);
        format!("{} to {}", decimal(at(0.1)), decimal(at(0.9)))
    }

    fn claim(&self) -> Claim {
        let row = &self.row;
        let (count, n) = (self.count(), self.values.len() as u64);
        let draws = match row.together {
            1 => "seeds".into(),
            some => format!("groups of {some} seeds"),
        };
        let share = match row.share {
            0.5 => "half".into(),
            share => format!("{:.0} %", 100.0 * share),
        };
        let also = row.also.as_ref().map_or(String::new(), |(name, value)| {
            let count = self.values.iter().filter(|v| **v < *value).count();
            format!("; {name} ({value:.4}): {count}")
        });
        let (measured, spread) = match n {
            0 => ("none in the time there was".into(), String::new()),
            _ => (
                format!(
                    "median {}; {count} of {n} {draws}{also}",
                    decimal(median(&self.values))
                ),
                format!("10 % to 90 %: {}", self.range()),
            ),
        };
        Claim {
            id: row.id.clone(),
            figure: row.figure.clone(),
            statement: row.statement.clone(),
            source: row.source.clone(),
            expected: format!("{}, in more than {share} of the {draws}", row.expected),
            measured,
            spread,
            n: n as usize * row.together as usize,
            verdict: match self.decided {
                Some(true) => Verdict::Reproduced,
                Some(false) => Verdict::NotReproduced,
                None => Verdict::NotTestable(match n {
                    0 => Takes::Time,
                    _ => seeds_needed(count, n, row.share)
                        .map_or(Takes::More, |draws| Takes::Seeds(draws * row.together)),
                }),
            },
        }
    }
}

/// Four places behind the point, or none where they would say nothing.
fn decimal(value: f64) -> String {
    match value.abs() < 100.0 {
        true => format!("{value:.4}"),
        false => format!("{value:.0}"),
    }
}

/// Does `work` until `end`; `None` if time was up before it was done.
pub(super) fn until<R>(
    end: Option<Instant>,
    runner: Runner<'_>,
    work: impl FnOnce(Runner<'_>) -> Result<R>,
) -> Result<Option<R>> {
    let Some(end) = end else {
        return work(runner).map(Some);
    };
    let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if runner.stop.load(Ordering::Relaxed) || Instant::now() >= end {
                    stop.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let result = work(Runner {
            stop: &stop,
            ..runner
        });
        done.store(true, Ordering::Relaxed);
        result
    });
    match result {
        Err(Error::Stopped) if !runner.stop.load(Ordering::Relaxed) => Ok(None),
        result => result.map(Some),
    }
}
