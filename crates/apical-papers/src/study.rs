//! Runs what a sheet asks for: all seeds of its conditions, or, look after look, as many as its claims take or time allows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apical::Experiment;
#[cfg(test)]
use apical::analysis::Alignment;

use super::judge::Judged;
use super::{Choice, Own, Size};
use crate::claims::expression::{Expression, Quantities};
use crate::claims::measured::{Ran, Runs};
use crate::claims::sequential;
use crate::claims::sheet::{Condition, Grid, Row, Sheet, Test};
use apical_runs::compare::{Compared, Plan};
use apical_runs::record::SeedRecord;
use apical_runs::runner::{Runner, SAVE_EVERY};
use apical_runs::statistics::Spread;
use apical_runs::{Error, Result};

/// The conditions of a sheet with the records of their seeds, and how its claims stand.
pub struct Study {
    pub(super) sheet: Sheet,
    own: Option<Own>,
    choice: Choice,
    pub(super) conditions: Vec<Condition>,
    experiments: Vec<Experiment>,
    records: Vec<Vec<SeedRecord>>,
    plans: Vec<Plan>,
    /// By comparison; those that were not run are not there.
    pub(super) compared: Vec<Compared>,
    /// The claims, then the cells of grids.
    pub(super) judged: Vec<Judged>,
    pub(super) grids: Vec<(Grid, Vec<Vec<String>>)>,
    /// Places of what has done best.
    best: BTreeMap<String, usize>,
}

impl Study {
    /// What is to be run; nothing has been.
    ///
    /// # Errors
    /// A condition that is no experiment, or a claim on a condition that is not there.
    pub fn new(sheet: Sheet, own: Option<Own>, choice: Choice) -> Result<Self> {
        let mut sheet = sheet.part(|part| part.is_empty() || choice.has(part));
        if choice.quick {
            sheet = sheet.quick();
        }
        let mut conditions = sheet.conditions.clone();
        let place = |row: &Row| {
            let mut on = row.on.clone();
            if let Some(measure) = &row.measure {
                on.extend(measure.conditions()?);
            }
            let mut places = Vec::new();
            for name in on {
                let known = conditions.iter().position(|known| known.name == name);
                match known {
                    Some(place) => places.push(place),
                    None if sheet.best.iter().any(|best| best.name == name) => {}
                    None => return Err(unknown(&row.id, &name)),
                }
            }
            Ok(places)
        };
        let mut judged = Vec::new();
        for row in &sheet.claims {
            judged.push(Judged::new(row.clone(), place(row)?, u64::MAX));
        }
        let mut grids = Vec::new();
        for grid in &sheet.grids {
            let mut names = Vec::new();
            for (place, condition) in grid.cells() {
                let row = Judged::cell(grid, &condition);
                judged.push(Judged::new(row, vec![conditions.len()], grid.most));
                conditions.push(condition);
                names.push(place);
            }
            grids.push((grid.clone(), names));
        }
        let experiment = |condition: &Condition| {
            let mut experiment = condition.experiment(choice.quick, &[])?;
            if sheet.test == Test::Count {
                (experiment.seed, experiment.seeds) = (sheet.seed, 0);
            }
            Ok(experiment)
        };
        let experiments: Vec<Experiment> =
            conditions.iter().map(experiment).collect::<Result<_>>()?;
        let mut study = Self {
            choice,
            records: experiments.iter().map(|_| Vec::new()).collect(),
            conditions,
            experiments,
            plans: Vec::new(),
            compared: Vec::new(),
            judged,
            grids,
            best: BTreeMap::new(),
            own,
            sheet,
        };
        study.plans = study.plans()?;
        Ok(study)
    }

    /// The comparisons all of whose conditions are there.
    fn plans(&self) -> Result<Vec<Plan>> {
        let quick = self.choice.quick;
        let mut plans = Vec::new();
        for comparison in &self.sheet.comparisons {
            let mut length = comparison.set.clone();
            if quick {
                length.extend_from_slice(&comparison.quick);
            }
            let load = |name: &str| {
                let condition = &self.conditions[self.place(name)?];
                Ok::<_, Error>((
                    condition.label.clone(),
                    condition.experiment(quick, &length)?,
                ))
            };
            let watch = comparison.watch.iter().map(|watch| load(&watch.on));
            let mut plan = Plan::of(load(&comparison.trains)?.1, watch.collect::<Result<_>>()?);
            plan.experiment.checkpoint.every = SAVE_EVERY;
            plan.check()?;
            plans.push(plan);
        }
        Ok(plans)
    }

    fn looks(&self) -> &'static [u64] {
        match (self.sheet.test, self.choice.quick) {
            (Test::Mean | Test::Interval, _) => &[0],
            (Test::Count, true) => &sequential::QUICK,
            (Test::Count, false) => &sequential::LOOKS,
        }
    }

    /// The seeds of a row that stays open, or those of a condition, and the steps of the first look.
    pub fn size(&self) -> Size {
        let looks = self.looks();
        let seeds = match (self.sheet.test, self.experiments.first()) {
            (Test::Mean | Test::Interval, Some(first)) => (first.seed, first.seeds),
            (Test::Mean | Test::Interval, None) => (0, 1),
            _ => (self.sheet.seed, looks[looks.len() - 1]),
        };
        let further = self.further(looks[0]);
        let trained: u64 = further.iter().map(|e| e.steps * e.seeds).sum();
        let watched: u64 = self.plans.iter().map(Plan::total_steps).sum();
        (seeds, trained + watched)
    }

    /// The experiments with the seeds that a look at `look` of them is still to have.
    fn further(&self, look: u64) -> Vec<Experiment> {
        let mut wanted = vec![false; self.conditions.len()];
        let open = self.judged.iter().filter(|judged| judged.is_open(look));
        open.for_each(|judged| judged.on.iter().for_each(|c| wanted[*c] = true));
        let of = |(c, experiment): (usize, &Experiment)| {
            let have = self.records[c].len() as u64;
            let mut further = experiment.clone();
            if self.sheet.test == Test::Count {
                further.seed += have;
                further.seeds = if wanted[c] {
                    look.saturating_sub(have)
                } else {
                    0
                };
            }
            further
        };
        self.experiments.iter().enumerate().map(of).collect()
    }

    /// Looks at more and more seeds of what is open; a look that the time does not suffice for is not judged, and its seeds
    /// are kept for the next call.
    ///
    /// # Errors
    /// The first error of any run; [`Error::Stopped`] if it was asked to stop.
    pub fn run(&mut self, runner: Runner<'_>) -> Result<()> {
        let end = self.choice.budget.map(|budget| Instant::now() + budget);
        for (k, look) in self.looks().iter().enumerate() {
            let further = self.further(*look);
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
            if self.sheet.test == Test::Count {
                for j in 0..self.judged.len() {
                    if self.judged[j].is_open(*look) {
                        let values = self.draws(&self.judged[j], *look)?;
                        self.judged[j].decide(values);
                    }
                }
            }
        }
        for plan in &self.plans {
            self.compared.push(plan.run(runner)?);
        }
        self.choose()
    }

    /// With records that were made up, and rules that have never been seen beside each other.
    #[cfg(test)]
    pub(super) fn with_records(
        mut self,
        of: impl Fn(&Condition, u64) -> SeedRecord,
    ) -> Result<Self> {
        for (place, condition) in self.conditions.iter().enumerate() {
            let seeds = 0..self.experiments[place].seeds;
            self.records[place] = seeds.map(|seed| of(condition, seed)).collect();
        }
        for plan in &self.plans {
            let rules = plan.rules.len();
            let pairs = vec![Alignment::default(); rules * (rules - 1) / 2];
            self.compared.push(Compared {
                labels: plan.rules.iter().map(|rule| rule.label.clone()).collect(),
                seeds: (0..plan.experiment.seeds).collect(),
                alignments: vec![pairs; plan.experiment.seeds as usize],
            });
        }
        self.choose()?;
        Ok(self)
    }

    /// Finds which conditions do best.
    fn choose(&mut self) -> Result<()> {
        for best in self.sheet.best.clone() {
            let places = best.of.iter().filter_map(|name| self.place(name).ok());
            let mut tried = Vec::new();
            for place in places {
                let values = self.quantity(&best.by, &[&self.conditions[place].name])?;
                tried.push((Spread::of(&values).mean, place));
            }
            let least = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, place)) = least {
                self.best.insert(best.name, place);
            }
        }
        Ok(())
    }

    /// What a claim measures of `seeds` seeds, one number a draw.
    fn draws(&self, judged: &Judged, seeds: u64) -> Result<Vec<f64>> {
        let together = judged.row.together.max(1);
        match &judged.row.measure {
            Some(Expression::Records(measure)) => {
                let draw = |k: u64| {
                    let seeds = (k * together) as usize..((k + 1) * together) as usize;
                    let of = judged.on.iter().map(|c| &self.records[*c][seeds.clone()]);
                    measure.of(&of.collect::<Vec<_>>())
                };
                Ok((0..seeds / together).map(draw).collect())
            }
            Some(measure) => {
                let mut values = measure.values(self)?;
                values.truncate(seeds as usize);
                Ok(values)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Whether it is a quick version.
    pub(super) fn is_quick(&self) -> bool {
        self.choice.quick
    }

    /// Steps of a comparison.
    pub(super) fn watched(&self) -> u64 {
        self.plans.first().map_or(0, |plan| plan.experiment.steps)
    }

    /// Conditions that are not cells of a grid, with their places.
    pub(super) fn named(&self) -> impl Iterator<Item = (usize, &Condition)> {
        let cells: usize = self.grids.iter().map(|(_, places)| places.len()).sum();
        let count = self.conditions.len() - cells;
        self.conditions[..count].iter().enumerate()
    }

    /// What a condition gave.
    pub(super) fn ran(&self, place: usize) -> Ran<'_> {
        Ran {
            experiment: &self.experiments[place],
            records: &self.records[place],
            mean_over_outputs: self.sheet.mean_over_outputs,
        }
    }

    /// Steps and values of a recorded quantity, or of one that the paper has for itself, of every seed that has it.
    pub(super) fn runs(&self, place: usize, name: &str) -> Result<Runs> {
        let own = self.own.map(|own| (own.curves)(self, place, name));
        match own.transpose()?.flatten() {
            Some(runs) => Ok(runs),
            None => Ok(self.ran(place).curves(name)),
        }
    }

    /// The place of a condition, or of the best of some.
    pub(super) fn place(&self, name: &str) -> Result<usize> {
        let found = self.conditions.iter().position(|known| known.name == name);
        let best = || self.best.get(name).copied();
        found.or_else(best).ok_or_else(|| unknown("on", name))
    }

    /// Whether all conditions of an expression are there.
    pub(super) fn has(&self, expression: &Expression) -> Result<bool> {
        let names = expression.conditions()?;
        Ok(names.iter().all(|name| self.place(name).is_ok()))
    }

    /// Mean alignment of two conditions, once a seed of the comparison that has both.
    fn alignment(&self, a: &str, b: &str) -> Result<Vec<f64>> {
        for (comparison, compared) in self.sheet.comparisons.iter().zip(&self.compared) {
            let place = |name| comparison.watch.iter().position(|watch| watch.on == name);
            if let (Some(a), Some(b)) = (place(a), place(b)) {
                return Ok(compared.means(a, b));
            }
        }
        Err(unknown("alignment", &format!("{a}, {b}")))
    }
}

impl Quantities for Study {
    fn quantity(&self, name: &str, of: &[&str]) -> Result<Vec<f64>> {
        match (name, of) {
            ("alignment", [a, b]) => self.alignment(a, b),
            (_, [one]) => {
                let place = self.place(one)?;
                let own = self.own.map(|own| (own.quantity)(self, place, name));
                let found = match own.transpose()?.flatten() {
                    Some(found) => Some(found),
                    None => self.ran(place).quantity(name)?,
                };
                found.ok_or_else(|| unknown("measure", name))
            }
            _ => Err(unknown("measure", name)),
        }
    }
}

fn unknown(field: &str, name: &str) -> Error {
    Error::Config {
        field: field.into(),
        what: format!("got `{name}`, expected one of the sheet"),
        mend: "Mend the sheet and build the program again.".into(),
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
