//! Figure 2 and its supplements: periodic output.

use std::collections::BTreeMap;

use apical::Experiment;
use apical::network::NetworkSpec;
use apical::synapse::{Fan, Init};
use apical::task::TaskSpec;

use super::judged::{Bound, Judged};
use super::lab::{Lab, OneTrial, Outcome, WORST};
use super::reference::{self, REFERENCE};
use super::{Section, decimal, logarithms};
use crate::claims::sequential::MEAN_LOOKS;
use crate::claims::{Claim, Takes, Verdict};
use crate::{Choice, Report};
use apical_runs::figure::{Colour, Level, Panel};
use apical_runs::statistics::{Spread, paired, quantile};
use apical_runs::table::{Column, Table};
use apical_runs::{Result, experiment};

/// The published grid.
pub const GRID: [f64; 8] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1];
/// The first seed of networks that rates are chosen on, none of which is judged.
pub const SEARCH: u64 = 1_000;
/// The periods of figure 2, in steps.
pub const PERIODS: [u64; 4] = [200, 400, 800, 1_600];
/// Units of the larger networks beside those of figure 2, which have 30.
pub const LARGER: [usize; 2] = [50, 100];
/// Half of the mean square of the target: the loss of a silent output.
const SILENT: f64 = 0.328_125;
/// log₁₀ of last over first loss below which a network has learned something: half.
const LEARNED: f64 = -0.301;
/// Trials of one point of a curve.
const BIN: usize = 50;

/// A rule of the figure, by the ending of its experiments' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Rflo,
    Bptt,
    Symmetric,
    Nonlocal,
    Dale,
}

impl Kind {
    pub fn ending(self) -> &'static str {
        match self {
            Self::Rflo => "",
            Self::Bptt => "-bptt",
            Self::Symmetric => "-symmetric",
            Self::Nonlocal => "-nonlocal",
            Self::Dale => "-dale",
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Rflo => "RFLO",
            Self::Bptt => "BPTT",
            Self::Symmetric => "local, symmetric feedback",
            Self::Nonlocal => "nonlocal, random feedback",
            Self::Dale => "RFLO, Dale's law",
        }
    }

    pub fn colour(self) -> Colour {
        match self {
            Self::Rflo => Colour::Blue,
            Self::Bptt => Colour::Vermilion,
            Self::Symmetric => Colour::Purple,
            Self::Nonlocal => Colour::SkyBlue,
            Self::Dale => Colour::Green,
        }
    }

    /// The rule whose search decides the rate: under Dale's law that of RFLO is taken.
    fn searched(self) -> Self {
        match self {
            Self::Dale => Self::Rflo,
            other => other,
        }
    }
}

/// Which learning rates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rates {
    /// Those the paper prints; for the hybrids, which have none, those of RFLO and BPTT.
    Printed,
    /// The best ones of the published grid in our search.
    Grid,
}

impl Rates {
    /// Either.
    pub const BOTH: [Self; 2] = [Self::Printed, Self::Grid];

    pub fn text(self) -> &'static str {
        match self {
            Self::Printed => "printed rates",
            Self::Grid => "rates of our grid search",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Printed => "printed",
            Self::Grid => "grid",
        }
    }
}

/// What judges one figure.
type Judge = fn(&Study, &Lab<'_>) -> Result<Section>;

/// What is to be run and what was found.
pub struct Study {
    choice: Choice,
    chosen: BTreeMap<(Kind, u64), f64>,
}

impl Study {
    /// Before any search: rates that no search gives stand for the chosen ones.
    pub fn new(choice: Choice) -> Self {
        Self {
            choice,
            chosen: BTreeMap::new(),
        }
    }

    /// Whether it is a quick version.
    pub fn is_quick(&self) -> bool {
        self.choice.quick
    }

    fn has(&self, part: &str) -> bool {
        self.choice.has(part)
    }

    /// Networks of a condition, and trials.
    pub fn length(&self) -> (u64, u64) {
        if self.choice.quick {
            (3, 120)
        } else {
            (MEAN_LOOKS[0], 10_000)
        }
    }

    pub fn load(&self, name: &str) -> Result<Experiment> {
        let mut experiment = experiment::load(&format!("murray2019/{name}"), &[])?;
        let (seeds, trials) = self.length();
        experiment.seeds = seeds;
        if let TaskSpec::Periodic(task) = &experiment.task {
            experiment.steps = trials * task.period;
        }
        Ok(experiment)
    }

    pub fn condition(&self, kind: Kind, period: u64, rates: Rates) -> Result<Experiment> {
        let mut experiment = self.load(&format!("periodic-{period}{}", kind.ending()))?;
        if rates == Rates::Grid {
            // Before the search a number that stands for none of the printed ones.
            let chosen = self.chosen.get(&(kind.searched(), period));
            experiment.optimizer.rate = chosen.copied().unwrap_or(0.123);
        }
        Ok(experiment)
    }

    /// T = 200 at the printed rate with more units.
    pub fn larger(&self, kind: Kind, units: usize) -> Result<Experiment> {
        let mut experiment = self.condition(kind, 200, Rates::Printed)?;
        experiment.network.units = units;
        Ok(experiment)
    }

    /// Which rules are run for how long, in the figures asked for.
    pub fn conditions(&self) -> Vec<(Kind, u64)> {
        let mut all = Vec::new();
        for period in PERIODS {
            let ends = period == 200 || period == 1_600;
            if self.has("2b") || self.has("2c") || self.has("2s1") || self.has("2a") && ends {
                all.push((Kind::Rflo, period));
            }
            if self.has("2b") || self.has("2a") && ends {
                all.push((Kind::Bptt, period));
            }
            if self.has("2s1") {
                all.push((Kind::Dale, period));
            }
        }
        if self.has("2d") {
            let four = [Kind::Rflo, Kind::Bptt, Kind::Symmetric, Kind::Nonlocal];
            all.extend(four.map(|kind| (kind, 800)));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The search: for each rule and period every rate of the grid.
    fn search(&self) -> Result<Vec<(Kind, u64, Vec<Experiment>)>> {
        let mut searched: Vec<(Kind, u64)> = self
            .conditions()
            .into_iter()
            .map(|(kind, period)| (kind.searched(), period))
            .collect();
        searched.sort_unstable();
        searched.dedup();
        let grid: &[f64] = if self.choice.quick {
            &GRID[3..6]
        } else {
            &GRID
        };
        let of = |(kind, period): (Kind, u64)| {
            let experiments = grid.iter().map(|rate| {
                let mut experiment = self.condition(kind, period, Rates::Printed)?;
                experiment.optimizer.rate = *rate;
                experiment.seed = SEARCH;
                experiment.seeds = if self.choice.quick { 1 } else { 3 };
                Ok(experiment)
            });
            Ok((kind, period, experiments.collect::<Result<_>>()?))
        };
        searched.into_iter().map(of).collect()
    }

    fn mains(&self) -> Result<Vec<Experiment>> {
        let mut all = Vec::new();
        for (kind, period) in self.conditions() {
            for rates in Rates::BOTH {
                all.push(self.condition(kind, period, rates)?);
            }
        }
        if self.has("2b") {
            for units in LARGER {
                all.push(self.larger(Kind::Rflo, units)?);
                all.push(self.larger(Kind::Bptt, units)?);
            }
        }
        if self.has("2s2") {
            all.extend(self.which_weights()?.map(|(_, experiment)| experiment));
        }
        if self.has("2s3") {
            all.extend(self.sizes()?.into_iter().map(|(_, experiment)| experiment));
            all.extend(self.gains()?.into_iter().map(|(_, experiment)| experiment));
        }
        if self.has("reference") {
            for row in REFERENCE {
                all.push(row.experiment(self)?);
            }
        }
        Ok(all)
    }

    /// All experiments with their seeds, before the search has chosen.
    pub fn planned(&self) -> Result<Vec<Experiment>> {
        let mut all = self.mains()?;
        for (.., experiments) in self.search()? {
            all.extend(experiments);
        }
        Ok(all)
    }

    /// Supplement 2: both matrices, the readout alone with and without its feedback, the recurrent weights alone.
    pub fn which_weights(&self) -> Result<[(&'static str, Experiment); 4]> {
        let readout = self.load("periodic-200-readout")?;
        let mut silent = readout.clone();
        silent.network.output_feedback = None;
        Ok([
            ("both", self.load("periodic-200")?),
            ("readout alone, fed back", readout),
            (
                "recurrent weights alone",
                self.load("periodic-200-recurrent")?,
            ),
            ("readout alone, not fed back (our control)", silent),
        ])
    }

    /// Supplement 3a.
    pub fn sizes(&self) -> Result<Vec<(f64, Experiment)>> {
        let of = |units: usize| {
            let mut experiment = self.load("size-gain")?;
            experiment.network.units = units;
            experiment.seeds = self.length().0;
            Ok((units as f64, experiment))
        };
        [10, 30, 60, 100].into_iter().map(of).collect()
    }

    /// Supplement 3b: g is that of W and of W_out.
    pub fn gains(&self) -> Result<Vec<(f64, Experiment)>> {
        let of = |g: f64| {
            let mut experiment = self.load("size-gain")?;
            set_gain(&mut experiment.network, g);
            experiment.network.readout = Init::FanUniform {
                gain: g,
                fan: Fan::In,
            };
            experiment.seeds = self.length().0;
            Ok((g, experiment))
        };
        [0.5, 1.0, 1.5, 2.0].into_iter().map(of).collect()
    }

    /// Runs everything and judges it.
    pub fn run(&mut self, lab: &mut Lab<'_>) -> Result<Vec<Section>> {
        let search = self.search()?;
        let all: Vec<Experiment> = search
            .iter()
            .flat_map(|(.., experiments)| experiments.clone())
            .collect();
        lab.run(&all, &OneTrial)?;
        let mut sections = Vec::new();
        if !search.is_empty() {
            sections.push(self.choose(&search, lab));
        }
        lab.run(&self.mains()?, &OneTrial)?;
        let parts: [(&str, Judge); 8] = [
            ("2a", Self::figure_2a),
            ("2b", Self::figure_2b),
            ("2c", Self::figure_2c),
            ("2d", Self::figure_2d),
            ("2s1", Self::supplement_1),
            ("2s2", Self::supplement_2),
            ("2s3", Self::supplement_3),
            ("reference", reference::judge),
        ];
        for (part, judge) in parts {
            if self.has(part) {
                sections.push(judge(self, lab)?);
            }
        }
        if !self.mains()?.is_empty() {
            sections.push(Section {
                tables: vec![("periodic".into(), self.curves_table(lab)?)],
                ..Section::default()
            });
        }
        Ok(sections)
    }

    /// Takes the rate with the least median over the searched networks.
    fn choose(&mut self, search: &[(Kind, u64, Vec<Experiment>)], lab: &Lab<'_>) -> Section {
        let mut rows = Vec::new();
        for (kind, period, experiments) in search {
            let medians: Vec<(f64, f64)> = experiments
                .iter()
                .map(|e| (e.optimizer.rate, quantile(&lab.each(e, Outcome::late), 0.5)))
                .collect();
            let best = medians
                .iter()
                .copied()
                .reduce(|a, b| if b.1 < a.1 { b } else { a });
            let (rate, _) = best.unwrap_or((f64::NAN, f64::NAN));
            self.chosen.insert((*kind, *period), rate);
            let printed = self
                .condition(*kind, *period, Rates::Printed)
                .map_or(f64::NAN, |e| e.optimizer.rate);
            let printed = match kind {
                Kind::Rflo | Kind::Bptt => decimal(printed),
                _ => "none".into(),
            };
            let mut row = vec![kind.text().to_string(), period.to_string(), printed];
            row.push(decimal(rate));
            row.extend(medians.iter().map(|(tried, median)| {
                let text = decimal(*median);
                if *tried == rate {
                    format!("**{text}**")
                } else {
                    text
                }
            }));
            rows.push(row);
        }
        let first = search.first();
        let rates = first.map_or(&[][..], |(.., experiments)| experiments);
        let seeds = rates.first().map_or(0, |e| e.seeds);
        let mut header: Vec<String> = ["rule", "period", "printed rate", "chosen"]
            .map(String::from)
            .into();
        header.extend(
            rates
                .iter()
                .map(|e| format!("loss at {}", decimal(e.optimizer.rate))),
        );
        Section {
            reports: vec![Report {
                name: "grid".into(),
                title: format!(
                    "Search over the published grid; chosen: least median over {seeds} networks (seeds from {SEARCH}, none of \
                     them judged) of the mean loss of the last hundredth of the trials, losses above 1 counting as 1"
                ),
                on_screen: true,
                header,
                rows,
            }],
            ..Section::default()
        }
    }

    /// A claim once for each choice of rates; `judge` gives statement, expectation, spread and verdict.
    pub fn claims(
        &self,
        lab: &Lab<'_>,
        figure: &str,
        id: &str,
        source: &str,
        judge: impl Fn(Rates) -> Result<Judged>,
    ) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for rates in Rates::BOTH {
            claims.push(lab.judge(|| {
                let judged = judge(rates)?;
                let with = match rates {
                    Rates::Printed if judged.unprinted => {
                        "rates of RFLO and BPTT, the paper prints none"
                    }
                    other => other.text(),
                };
                let statement = format!("{} ({with})", judged.statement);
                let id = format!("{id}.{}", rates.id());
                Ok(Judged {
                    statement,
                    ..judged
                }
                .claim(figure, &id, source))
            })?);
        }
        if claims[0].verdict != Verdict::Reproduced && claims[1].verdict == Verdict::Reproduced {
            claims[1].statement.push_str(" - holds only with our grid");
        }
        Ok(claims)
    }

    /// log₁₀ of one condition's last loss over another's, network by network.
    pub fn ratio(&self, lab: &Lab<'_>, a: &Experiment, b: &Experiment) -> Vec<f64> {
        let of = |e| logarithms(&lab.each(e, Outcome::last));
        paired(&of(a), &of(b))
    }

    pub fn compared(
        &self,
        lab: &Lab<'_>,
        [a, b]: [&Experiment; 2],
        statement: String,
        bound: Bound,
    ) -> Judged {
        let ratios = self.ratio(lab, a, b);
        // Two networks that learned nothing are alike, which says nothing.
        let fallen = |e: &Experiment| {
            let [last, first] =
                [Outcome::last, Outcome::first].map(|of| logarithms(&lab.each(e, of)));
            Verdict::below(&Spread::of(&paired(&last, &first)), LEARNED) == Verdict::Reproduced
        };
        let idle = !fallen(a) && !fallen(b);
        let medians = [a, b].map(|e| quantile(&lab.each(e, Outcome::last), 0.5));
        let judged = Judged::of(&ratios, "log10 of the ratio of last losses", bound);
        let note = if idle {
            "; neither has halved its loss"
        } else {
            ""
        };
        Judged {
            statement,
            measured: format!(
                "medians {} and {}{note}",
                decimal(medians[0]),
                decimal(medians[1])
            ),
            verdict: if idle {
                Verdict::NotTestable(Takes::Training)
            } else {
                judged.verdict
            },
            ..judged
        }
    }

    /// How far the last loss lies below that of the untrained network.
    pub fn fallen(&self, lab: &Lab<'_>, e: &Experiment, statement: String, bound: Bound) -> Judged {
        let last = lab.each(e, Outcome::last);
        let first = lab.each(e, Outcome::first);
        let ratios = paired(&logarithms(&last), &logarithms(&first));
        Judged {
            statement,
            measured: format!(
                "medians {} of {}",
                decimal(quantile(&last, 0.5)),
                decimal(quantile(&first, 0.5))
            ),
            ..Judged::of(&ratios, "log10 of last over first loss", bound)
        }
    }

    /// Every network of every condition, in bins of trials.
    fn curves_table(&self, lab: &Lab<'_>) -> Result<Table> {
        let (mut titles, mut rates, mut seeds) = (Vec::new(), Vec::new(), Vec::new());
        let (mut trials, mut losses) = (Vec::new(), Vec::new());
        for e in self.mains()? {
            for (k, outcome) in lab.of(&e).iter().enumerate() {
                let (x, y) = binned(&outcome.losses, self.length().1 as usize);
                titles.extend(vec![e.title.clone(); x.len()]);
                rates.extend(vec![e.optimizer.rate; x.len()]);
                seeds.extend(vec![e.seed + k as u64; x.len()]);
                trials.extend(x);
                losses.extend(y);
            }
        }
        Ok(Table {
            columns: vec![
                Column::text("condition", titles),
                Column::f64("rate", rates),
                Column::u64("seed", seeds),
                Column::u64("trial", trials),
                Column::f64("loss", losses),
            ],
        })
    }
}

/// Gives the starting weights a gain.
pub fn set_gain(network: &mut NetworkSpec, g: f64) {
    network.recurrent = Init::Gaussian {
        gain: g,
        fan: Fan::In,
    };
}

/// Means of some trials each, up to `trials` of them, and the trial in the middle of each; a network that diverged has the worst from
/// there on.
fn binned(losses: &[f64], trials: usize) -> (Vec<u64>, Vec<f64>) {
    let size = if trials < 20 * BIN {
        (trials / 20).max(1)
    } else {
        BIN
    };
    let loss = |k: usize| losses.get(k).map_or(WORST, |loss| loss.min(WORST));
    let starts = (0..trials).step_by(size);
    let mean = |start: usize| {
        let end = (start + size).min(trials);
        let sum: f64 = (start..end).map(loss).sum();
        let middle = start + (end - start).div_ceil(2);
        (middle as u64, sum / (end - start) as f64)
    };
    starts.map(mean).unzip()
}

/// Learning curves, without any.
pub fn learning_panel(title: String) -> Panel {
    Panel {
        title,
        x_label: "trial".into(),
        y_label: "loss".into(),
        log_y: true,
        levels: vec![Level {
            y: SILENT,
            label: Some("silent".into()),
            colour: Colour::Grey,
        }],
        ..Panel::default()
    }
}

/// Median and quartiles over networks.
pub fn add_learning(panel: &mut Panel, outcomes: &[Outcome], label: String, colour: Colour) {
    let trials = outcomes.iter().map(|o| o.losses.len()).max();
    let trials = trials.unwrap_or(0);
    let curves: Vec<_> = outcomes.iter().map(|o| binned(&o.losses, trials)).collect();
    panel.add_runs(&curves, label, colour);
}

#[cfg(test)]
mod tests {
    use super::super::lab::block;
    use super::*;

    #[test]
    fn every_experiment_records_the_loss_of_each_trial() {
        let study = Study::new(Choice::default());
        for e in study.planned().unwrap() {
            let TaskSpec::Periodic(task) = &e.task else {
                panic!("{}", e.title);
            };
            assert_eq!(block(&e), task.period, "{}", e.title);
            assert_eq!(e.steps, 10_000 * task.period, "{}", e.title);
        }
    }

    #[test]
    fn bins_keep_every_trial() {
        let losses: Vec<f64> = (0..1_025).map(|k| f64::from(k) / 2_000.0).collect();
        let (x, y) = binned(&losses, 1_025);
        assert_eq!((x.len(), y.len()), (21, 21));
        assert_eq!((x[0], x[20]), (25, 1_013));
        assert!((y[0] - 24.5 / 2_000.0).abs() < 1e-12);
        assert!((y[20] - 1_012.0 / 2_000.0).abs() < 1e-12);
        // Cut off at trial 1,000: the rest is the worst, at the same trials.
        let (x2, y2) = binned(&losses[..1_000], 1_025);
        assert_eq!((x2, y2[20]), (x, WORST));
        assert_eq!(y2[..20], y[..20]);
    }
}
