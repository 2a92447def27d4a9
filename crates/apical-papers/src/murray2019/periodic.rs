//! Figure 2 and its supplements: periodic output.

use std::collections::BTreeMap;

use apical::Experiment;
use apical::feedback::FeedbackSpec;
use apical::network::NetworkSpec;
use apical::synapse::{Fan, Init};
use apical::task::TaskSpec;

use super::lab::{Lab, OneTrial, Outcome, WORST};
use super::{Part, Section, decimal, logarithms, quartiles_text};
use crate::claims::sequential::{ERROR, MEAN_LOOKS, errors_that_decide};
use crate::claims::{Claim, Takes, Verdict, measured};
use crate::{Choice, Report};
use apical_runs::figure::{Colour, Curve, Level, Panel, Weight};
use apical_runs::statistics::{Spread, paired, permutation_p, quantile, rank_correlation};
use apical_runs::table::{Column, Table};
use apical_runs::{Result, experiment};

/// The published grid.
pub const GRID: [f64; 8] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1];
/// The first seed of networks that rates are chosen on, none of which is judged.
pub const SEARCH: u64 = 1_000;
/// The periods of figure 2, in steps.
const PERIODS: [u64; 4] = [200, 400, 800, 1_600];
/// Units of the larger networks beside those of figure 2, which have 30.
const LARGER: [usize; 2] = [50, 100];
/// Half of the mean square of the target: the loss of a silent output.
const SILENT: f64 = 0.328_125;
/// log₁₀ of last over first loss below which a network has learned something: half.
const LEARNED: f64 = -0.301;
/// Trials of one point of a curve.
const BIN: usize = 50;

/// A rule of the figure, by the ending of its experiments' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Rflo,
    Bptt,
    Symmetric,
    Nonlocal,
    Dale,
}

impl Kind {
    fn ending(self) -> &'static str {
        match self {
            Self::Rflo => "",
            Self::Bptt => "-bptt",
            Self::Symmetric => "-symmetric",
            Self::Nonlocal => "-nonlocal",
            Self::Dale => "-dale",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Rflo => "RFLO",
            Self::Bptt => "BPTT",
            Self::Symmetric => "local, symmetric feedback",
            Self::Nonlocal => "nonlocal, random feedback",
            Self::Dale => "RFLO, Dale's law",
        }
    }

    fn colour(self) -> Colour {
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
enum Rates {
    /// Those the paper prints; for the hybrids, which have none, those of RFLO and BPTT.
    Printed,
    /// The best ones of the published grid in our search.
    Grid,
}

impl Rates {
    const BOTH: [Self; 2] = [Self::Printed, Self::Grid];

    fn text(self) -> &'static str {
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

    fn has(&self, part: &str) -> bool {
        self.choice.has(part)
    }

    /// Networks of a condition, and trials.
    fn length(&self) -> (u64, u64) {
        if self.choice.quick {
            (3, 120)
        } else {
            (MEAN_LOOKS[0], 10_000)
        }
    }

    fn load(&self, name: &str) -> Result<Experiment> {
        let mut experiment = experiment::load(&format!("murray2019/{name}"), &[])?;
        let (seeds, trials) = self.length();
        experiment.seeds = seeds;
        if let TaskSpec::Periodic(task) = &experiment.task {
            experiment.steps = trials * task.period;
        }
        Ok(experiment)
    }

    fn condition(&self, kind: Kind, period: u64, rates: Rates) -> Result<Experiment> {
        let mut experiment = self.load(&format!("periodic-{period}{}", kind.ending()))?;
        if rates == Rates::Grid {
            // Before the search a number that stands for none of the printed ones.
            let chosen = self.chosen.get(&(kind.searched(), period));
            experiment.optimizer.rate = chosen.copied().unwrap_or(0.123);
        }
        Ok(experiment)
    }

    /// T = 200 at the printed rate with more units.
    fn larger(&self, kind: Kind, units: usize) -> Result<Experiment> {
        let mut experiment = self.condition(kind, 200, Rates::Printed)?;
        experiment.network.units = units;
        Ok(experiment)
    }

    /// Which rules are run for how long, in the figures asked for.
    fn conditions(&self) -> Vec<(Kind, u64)> {
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
    fn which_weights(&self) -> Result<[(&'static str, Experiment); 4]> {
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
    fn sizes(&self) -> Result<Vec<(f64, Experiment)>> {
        let of = |units: usize| {
            let mut experiment = self.load("size-gain")?;
            experiment.network.units = units;
            experiment.seeds = self.length().0;
            Ok((units as f64, experiment))
        };
        [10, 30, 60, 100].into_iter().map(of).collect()
    }

    /// Supplement 3b: g is that of W and of W_out.
    fn gains(&self) -> Result<Vec<(f64, Experiment)>> {
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
            ("reference", Self::reference),
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
    fn claims(
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
    fn ratio(&self, lab: &Lab<'_>, a: &Experiment, b: &Experiment) -> Vec<f64> {
        let of = |e| logarithms(&lab.each(e, Outcome::last));
        paired(&of(a), &of(b))
    }

    fn compared(
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
    fn fallen(&self, lab: &Lab<'_>, e: &Experiment, statement: String, bound: Bound) -> Judged {
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

    fn figure_2a(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for kind in [Kind::Rflo, Kind::Bptt] {
            for (period, bound) in [(200, Bound::Below(-1.0)), (1_600, Bound::Below(0.0))] {
                let id = format!("{}-{period}", kind.text().to_lowercase());
                claims.extend(self.claims(lab, "2a", &id, "paper", |rates| {
                    let e = self.condition(kind, period, rates)?;
                    let small = if period == 200 {
                        " to a tenth or less"
                    } else {
                        ""
                    };
                    let statement =
                        format!("T = {period}: {} brings the loss down{small}", kind.text());
                    Ok(self.fallen(lab, &e, statement, bound))
                })?);
            }
        }
        claims.extend(self.claims(lab, "2a", "long", "paper", |rates| {
            let pair = [Kind::Rflo, Kind::Bptt].map(|kind| self.condition(kind, 1_600, rates));
            let [rflo, bptt] = pair;
            let statement = "T = 1600: BPTT ends below RFLO".to_string();
            Ok(self.compared(lab, [&rflo?, &bptt?], statement, Bound::Above(0.0)))
        })?);
        let mut panels = Vec::new();
        for period in [200, 1_600] {
            let title = format!("T = {period} steps");
            let kinds = [Kind::Rflo, Kind::Bptt];
            panels.push(self.learning(lab, title.clone(), period, &kinds, Rates::Printed)?);
            panels.push(self.learning(lab, title, period, &kinds, Rates::Grid)?);
            panels.push(self.outputs(lab, period, Rates::Printed)?);
            panels.push(self.outputs(lab, period, Rates::Grid)?);
        }
        Ok(Section::new(Part::Main, panels, claims))
    }

    /// Output of the first network after training against the target.
    fn outputs(&self, lab: &Lab<'_>, period: u64, rates: Rates) -> Result<Panel> {
        let mut curves = Vec::new();
        let steps: Vec<f64> = (1..=period).map(|t| t as f64).collect();
        for kind in [Kind::Rflo, Kind::Bptt] {
            let e = self.condition(kind, period, rates)?;
            if let Some(outcome) = lab.of(&e).first() {
                curves.push(Curve {
                    label: Some(kind.text().into()),
                    x: steps.clone(),
                    y: outcome.seen.output.clone(),
                    colour: kind.colour(),
                    weight: Weight::Dark,
                });
            }
            if let TaskSpec::Periodic(task) = &e.task
                && kind == Kind::Rflo
            {
                curves.push(Curve {
                    label: Some("target".into()),
                    x: steps.clone(),
                    y: (1..=period).map(|t| task.target(t)).collect(),
                    colour: Colour::Black,
                    weight: Weight::Dashed,
                });
            }
        }
        Ok(Panel {
            title: format!("output of one network, T = {period}, {}", rates.text()),
            x_label: "step".into(),
            y_label: "output".into(),
            curves,
            ..Panel::default()
        })
    }

    fn learning(
        &self,
        lab: &Lab<'_>,
        title: String,
        period: u64,
        kinds: &[Kind],
        rates: Rates,
    ) -> Result<Panel> {
        let mut panel = learning_panel(format!("{title}, {}", rates.text()));
        for kind in kinds {
            let e = self.condition(*kind, period, rates)?;
            let label = format!("{}, {}", kind.text(), decimal(e.optimizer.rate));
            add_learning(&mut panel, lab.of(&e), label, kind.colour());
        }
        Ok(panel)
    }

    fn figure_2b(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        let both = |period, rates| -> Result<[Experiment; 2]> {
            Ok([
                self.condition(Kind::Rflo, period, rates)?,
                self.condition(Kind::Bptt, period, rates)?,
            ])
        };
        claims.extend(self.claims(
            lab,
            "2b",
            "short",
            "paper; \"comparable\" read as within a factor of 3",
            |rates| {
                let [rflo, bptt] = both(200, rates)?;
                let statement = "T = 200: RFLO is comparable with BPTT".to_string();
                Ok(self.compared(lab, [&rflo, &bptt], statement, Bound::Below(0.477)))
            },
        )?);
        for units in LARGER {
            claims.push(lab.judge(|| {
                let [rflo, bptt] = [Kind::Rflo, Kind::Bptt].map(|kind| self.larger(kind, units));
                let statement = format!(
                    "T = 200, {units} units: RFLO is comparable with BPTT (printed rates of 30 units)"
                );
                let judged = self.compared(lab, [&rflo?, &bptt?], statement, Bound::Below(0.477));
                let source = "our question; \"comparable\" read as within a factor of 3";
                Ok(judged.claim("2b", &format!("short-{units}"), source))
            })?);
        }
        claims.extend(self.claims(lab, "2b", "gap", "paper", |rates| {
            let gap = |period| -> Result<Vec<f64>> {
                let [rflo, bptt] = both(period, rates)?;
                Ok(self.ratio(lab, &rflo, &bptt))
            };
            let differences = paired(&gap(1_600)?, &gap(200)?);
            Ok(Judged {
                statement: "the gap between RFLO and BPTT grows from T = 200 to 1600".into(),
                ..Judged::of(
                    &differences,
                    "log10 ratio at 1600 less that at 200",
                    Bound::Above(0.0),
                )
            })
        })?);
        for kind in [Kind::Rflo, Kind::Bptt] {
            for period in PERIODS {
                let id = format!("{}-{period}", kind.text().to_lowercase());
                claims.extend(self.claims(lab, "2b", &id, "paper", |rates| {
                    let e = self.condition(kind, period, rates)?;
                    let statement = format!(
                        "T = {period}: {} ends below the untrained network",
                        kind.text()
                    );
                    Ok(self.fallen(lab, &e, statement, Bound::Below(0.0)))
                })?);
            }
        }
        let panels = Rates::BOTH.map(|rates| self.by_period(lab, &[Kind::Rflo, Kind::Bptt], rates));
        let panels = panels.into_iter().collect::<Result<_>>()?;
        Ok(Section::new(Part::Main, panels, claims))
    }

    /// Last losses against the period, with quartiles.
    fn by_period(&self, lab: &Lab<'_>, kinds: &[Kind], rates: Rates) -> Result<Panel> {
        let mut panel = Panel {
            title: format!("last loss, {}", rates.text()),
            x_label: "period in steps".into(),
            y_label: "loss".into(),
            log_x: true,
            log_y: true,
            ..Panel::default()
        };
        let periods: Vec<f64> = PERIODS.map(|p| p as f64).into();
        let mut first = Vec::new();
        for kind in kinds {
            let mut values = Vec::new();
            for period in PERIODS {
                let e = self.condition(*kind, period, rates)?;
                values.push(lab.each(&e, Outcome::last));
                if *kind == kinds[0] {
                    first.push(lab.each(&e, Outcome::first));
                }
            }
            panel.add_spread(periods.clone(), &values, kind.text(), kind.colour());
        }
        panel.add_spread(periods, &first, "untrained", Colour::Grey);
        Ok(panel)
    }

    fn figure_2c(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for period in PERIODS {
            claims.extend(self.claims(
                lab,
                "2c",
                &format!("rises-{period}"),
                "paper",
                |rates| {
                    let e = self.condition(Kind::Rflo, period, rates)?;
                    let end = lab.each(&e, Outcome::alignment);
                    let start = lab.each(&e, |o| o.alignments.1[0]);
                    Ok(Judged {
                        statement: format!(
                            "T = {period}: alignment of W_out with B rises in training"
                        ),
                        measured: format!(
                            "median {:.2}, from {:.2}",
                            quantile(&end, 0.5),
                            quantile(&start, 0.5)
                        ),
                        ..Judged::of(
                            &paired(&end, &start),
                            "last cosine less the first",
                            Bound::Above(0.0),
                        )
                    })
                },
            )?);
        }
        let mut panels = Vec::new();
        for rates in Rates::BOTH {
            let mut panel = Panel {
                title: format!("alignment of W_out with B under RFLO, {}", rates.text()),
                x_label: "trial".into(),
                y_label: "cosine".into(),
                ..Panel::default()
            };
            for (k, period) in PERIODS.into_iter().enumerate() {
                let e = self.condition(Kind::Rflo, period, rates)?;
                let curves: Vec<(Vec<u64>, Vec<f64>)> = lab
                    .of(&e)
                    .iter()
                    .map(|o| {
                        let trials = o.alignments.0.iter().map(|step| step / period);
                        (trials.collect(), o.alignments.1.clone())
                    })
                    .collect();
                panel.add_runs(&curves, format!("T = {period}"), Colour::series(k));
            }
            panels.push(panel);
        }
        Ok(Section::new(Part::Main, panels, claims))
    }

    fn figure_2d(&self, lab: &Lab<'_>) -> Result<Section> {
        let pairs = [
            (
                "nonlocal",
                [Kind::Nonlocal, Kind::Bptt],
                "random feedback alone costs nothing against BPTT (at most a factor of 2)",
                Bound::Below(0.301),
            ),
            (
                "local",
                [Kind::Rflo, Kind::Symmetric],
                "random feedback costs nothing beside the local approximation (at most a factor of 2)",
                Bound::Below(0.301),
            ),
            (
                "local-nonlocal",
                [Kind::Symmetric, Kind::Nonlocal],
                "the local approximation costs more than random feedback",
                Bound::Above(0.0),
            ),
            (
                "rflo-bptt",
                [Kind::Rflo, Kind::Bptt],
                "RFLO ends above BPTT",
                Bound::Above(0.0),
            ),
        ];
        let mut claims = Vec::new();
        for (id, kinds, statement, bound) in pairs {
            claims.extend(self.claims(lab, "2d", id, "paper", |rates| {
                let [a, b] = kinds.map(|kind| self.condition(kind, 800, rates));
                let judged = self.compared(lab, [&a?, &b?], format!("T = 800: {statement}"), bound);
                let hybrid = |kind: &Kind| matches!(kind, Kind::Symmetric | Kind::Nonlocal);
                Ok(Judged {
                    unprinted: kinds.iter().any(hybrid),
                    ..judged
                })
            })?);
        }
        let four = [Kind::Bptt, Kind::Nonlocal, Kind::Symmetric, Kind::Rflo];
        let panel = |rates| self.learning(lab, "T = 800 steps".into(), 800, &four, rates);
        let panels = vec![panel(Rates::Printed)?, panel(Rates::Grid)?];
        Ok(Section::new(Part::Main, panels, claims))
    }

    fn supplement_1(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for period in PERIODS {
            let source = "paper; \"similar\" read as within a factor of 3";
            claims.extend(
                self.claims(lab, "2s1", &format!("dale-{period}"), source, |rates| {
                    let [dale, free] =
                        [Kind::Dale, Kind::Rflo].map(|kind| self.condition(kind, period, rates));
                    let statement = format!("T = {period}: RFLO learns as well under Dale's law");
                    Ok(self.compared(lab, [&dale?, &free?], statement, Bound::Below(0.477)))
                })?,
            );
        }
        let mut wrong = Vec::new();
        for period in PERIODS {
            let e = self.condition(Kind::Dale, period, Rates::Printed)?;
            wrong.extend(lab.each(&e, |o| o.wrong_signs as f64));
        }
        let most = wrong.iter().copied().fold(0.0, f64::max);
        claims.push(Claim {
            id: "2s1.signs".into(),
            figure: "2s1".into(),
            statement: "weights keep the sign of their unit".into(),
            source: "paper".into(),
            expected: "no weight of the wrong sign in any network".into(),
            measured: format!("at most {most:.0} a network"),
            spread: "none".into(),
            verdict: if most == 0.0 {
                Verdict::Reproduced
            } else {
                Verdict::NotReproduced
            },
            n: wrong.len(),
        });
        let mut panels = Vec::new();
        let kinds = [Kind::Rflo, Kind::Dale];
        for period in [200, 1_600] {
            let title = format!("T = {period} steps");
            panels.push(self.learning(lab, title, period, &kinds, Rates::Grid)?);
        }
        for rates in Rates::BOTH {
            panels.push(self.by_period(lab, &kinds, rates)?);
        }
        Ok(Section::new(Part::Supplement, panels, claims))
    }

    fn supplement_2(&self, lab: &Lab<'_>) -> Result<Section> {
        let conditions = self.which_weights()?;
        let [(_, both), (_, readout), (_, recurrent), (_, silent)] = &conditions;
        let better =
            |pair, statement: &str| self.compared(lab, pair, statement.into(), Bound::Above(0.0));
        let claims = vec![
            lab.judge(|| {
                let statement = "T = 200: training W and W_out beats training W_out alone";
                Ok(better([readout, both], statement).claim("2s2", "readout", "paper"))
            })?,
            lab.judge(|| {
                let statement = "T = 200: training W alone does not learn".to_string();
                let source = "paper; \"not at all\" read as at most a tenth of the loss";
                let judged = self.fallen(lab, recurrent, statement, Bound::Above(-0.0458));
                Ok(judged.claim("2s2", "recurrent", source))
            })?,
            lab.judge(|| {
                let statement = "T = 200: feeding the readout back helps training W_out alone";
                Ok(better([silent, readout], statement).claim("2s2", "fed-back", "our control"))
            })?,
        ];
        let mut panel = learning_panel("T = 200 steps, rate 0.03".into());
        for (k, (label, e)) in conditions.iter().enumerate() {
            add_learning(&mut panel, lab.of(e), (*label).into(), Colour::series(k));
        }
        Ok(Section::new(Part::Supplement, vec![panel], claims))
    }

    fn supplement_3(&self, lab: &Lab<'_>) -> Result<Section> {
        let (mut claims, mut panels) = (Vec::new(), Vec::new());
        for (id, what, label, conditions) in [
            ("size", "more units", "units", self.sizes()?),
            (
                "gain",
                "a larger gain g of the starting weights",
                "g",
                self.gains()?,
            ),
        ] {
            let each = |(_, e): &(f64, Experiment)| lab.each(e, Outcome::last);
            claims.push(lab.judge(|| {
                let values: Vec<Vec<f64>> = conditions.iter().map(each).collect();
                Ok(falls(id, what, &conditions, &values))
            })?);
            let values: Vec<Vec<f64>> = conditions.iter().map(each).collect();
            let x: Vec<f64> = conditions.iter().map(|(place, _)| *place).collect();
            let mut panel = Panel {
                title: format!("last loss, T = 200, against {label}"),
                x_label: label.into(),
                y_label: "loss".into(),
                log_y: true,
                ..Panel::default()
            };
            panel.add_spread(x, &values, "RFLO", Colour::Blue);
            panels.push(panel);
        }
        Ok(Section::new(Part::Supplement, panels, claims))
    }

    /// Our medians beside those of an independent implementation of the same protocol.
    fn reference(&self, lab: &Lab<'_>) -> Result<Section> {
        let (mut rows, mut claims) = (Vec::new(), Vec::new());
        for row in REFERENCE {
            let e = row.experiment(self)?;
            let last = lab.each(&e, Outcome::last);
            let best = quantile(&lab.each(&e, Outcome::best), 0.5);
            let median = quantile(&last, 0.5);
            let alignment = match e.feedback {
                FeedbackSpec::Random { .. } => {
                    format!("{:.2}", quantile(&lab.each(&e, Outcome::alignment), 0.5))
                }
                _ => "-".into(),
            };
            // Rows whose point is that little is learned are no better for learning more.
            let control = ["recurrent-200", "silent-200"].contains(&row.id);
            let within = median <= row.high && !(control && median < row.low);
            rows.push(vec![
                row.period.to_string(),
                row.what.into(),
                decimal(row.rate),
                quartiles_text(row.low, row.median, row.high),
                quartiles_text(quantile(&last, 0.25), median, quantile(&last, 0.75)),
                decimal(best),
                row.alignment.into(),
                alignment,
                match (within, median < row.low) {
                    _ if row.low.is_nan() => "-",
                    (_, true) if control => "below",
                    (_, true) => "better",
                    (true, _) => "within",
                    _ => "above",
                }
                .into(),
            ]);
            if row.period <= 400 && row.low.is_finite() {
                claims.push(Claim {
                    id: format!("reference.{}", row.id),
                    figure: "reference".into(),
                    statement: format!(
                        "T = {}, {} at {}: as an independent implementation of the protocol",
                        row.period,
                        row.what,
                        decimal(row.rate)
                    ),
                    source: "our earlier runs of the protocol in another program".into(),
                    expected: match control {
                        true => format!(
                            "median from {} to {}, its quartiles",
                            decimal(row.low),
                            decimal(row.high)
                        ),
                        false => {
                            format!("median at most {}, its upper quartile", decimal(row.high))
                        }
                    },
                    measured: decimal(median),
                    spread: format!(
                        "quartiles {} and {}",
                        decimal(quantile(&last, 0.25)),
                        decimal(quantile(&last, 0.75))
                    ),
                    n: last.len(),
                    verdict: match within {
                        // A few trials have nothing to say about ten thousand.
                        _ if self.choice.quick => Verdict::NotTestable(Takes::Training),
                        true => Verdict::Reproduced,
                        false => Verdict::NotReproduced,
                    },
                });
            }
        }
        let header = [
            "period",
            "condition",
            "rate",
            "reference: quartiles of the last loss",
            "here",
            "best",
            "alignment there",
            "here",
            "median",
        ];
        Ok(Section {
            claims,
            reports: vec![Report {
                name: "reference".into(),
                title: "The same protocol in an independent implementation (double precision, other seeds), and here".into(),
                on_screen: false,
                header: header.map(String::from).into(),
                rows,
            }],
            ..Section::default()
        })
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

/// Whether the loss falls with what tells conditions apart, by the ranks of all networks.
fn falls(id: &str, what: &str, conditions: &[(f64, Experiment)], values: &[Vec<f64>]) -> Claim {
    let (mut places, mut medians) = (Vec::new(), Vec::new());
    for ((place, _), last) in conditions.iter().zip(values) {
        medians.push(format!("{} at {place}", decimal(quantile(last, 0.5))));
        places.extend(vec![*place; last.len()]);
    }
    let losses = values.concat();
    let rho = rank_correlation(&places, &losses);
    let p = permutation_p(&places, &losses, 10_000);
    let level = 2.0 * ERROR / MEAN_LOOKS.len() as f64;
    Claim {
        id: format!("2s3.{id}"),
        figure: "2s3".into(),
        statement: format!("T = 200: the loss falls with {what}"),
        source: "paper".into(),
        expected: format!("negative rank correlation of loss and the other, p below {level}"),
        measured: format!("medians {}", medians.join(", ")),
        spread: format!("rank correlation {rho:.2}, p = {p:.4}"),
        n: losses.len(),
        verdict: match (p < level, rho < 0.0) {
            (true, true) => Verdict::Reproduced,
            (true, false) => Verdict::NotReproduced,
            _ => Verdict::NotTestable(Takes::More),
        },
    }
}

fn set_gain(network: &mut NetworkSpec, g: f64) {
    network.recurrent = Init::Gaussian {
        gain: g,
        fan: Fan::In,
    };
}

/// A threshold for a mean.
#[derive(Clone, Copy)]
pub enum Bound {
    /// It is to lie below.
    Below(f64),
    /// It is to lie above.
    Above(f64),
}

/// A claim without its name.
pub struct Judged {
    /// What is claimed.
    pub statement: String,
    /// What would bear it out.
    pub expected: String,
    /// What was measured.
    pub measured: String,
    /// Its spread over networks.
    pub spread: Spread,
    /// What follows.
    pub verdict: Verdict,
    /// Whether the paper prints no rate for one of the conditions.
    pub unprinted: bool,
}

impl Judged {
    /// Of one number a network, called `what`.
    pub fn of(values: &[f64], what: &str, bound: Bound) -> Self {
        let spread = Spread::of(values);
        let errors = errors_that_decide(spread.n);
        let (word, threshold, verdict) = match bound {
            Bound::Below(t) => ("below", t, Verdict::below_by(&spread, t, errors)),
            Bound::Above(t) => ("above", t, Verdict::above_by(&spread, t, errors)),
        };
        Self {
            statement: String::new(),
            expected: format!("{what} {word} {}", decimal(threshold)),
            measured: format!("{:.3}", spread.mean),
            spread,
            verdict,
            unprinted: false,
        }
    }

    /// With its name.
    pub fn claim(self, figure: &str, id: &str, source: &str) -> Claim {
        Claim {
            id: format!("{figure}.{id}"),
            figure: figure.into(),
            statement: self.statement,
            source: source.into(),
            expected: self.expected,
            verdict: self.verdict,
            measured: self.measured,
            ..measured(&self.spread)
        }
    }
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

fn learning_panel(title: String) -> Panel {
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

/// A row of the reference.
struct Row {
    id: &'static str,
    period: u64,
    what: &'static str,
    rate: f64,
    low: f64,
    median: f64,
    high: f64,
    alignment: &'static str,
    change: fn(&mut Experiment) -> Result<()>,
}

impl Row {
    fn experiment(&self, study: &Study) -> Result<Experiment> {
        let mut e = study.load(&format!("periodic-{}", self.period))?;
        e.optimizer.rate = self.rate;
        (self.change)(&mut e)?;
        Ok(e)
    }
}

/// Takes rule, feedback, network and updates of another experiment.
fn take(e: &mut Experiment, name: &str) -> Result<()> {
    let other = experiment::load(&format!("murray2019/{name}"), &[])?;
    (e.rule, e.feedback, e.network) = (other.rule, other.feedback, other.network);
    (e.update, e.optimizer.rates) = (other.update, other.optimizer.rates);
    Ok(())
}

fn same(_: &mut Experiment) -> Result<()> {
    Ok(())
}

fn bptt(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-200-bptt")
}

fn symmetric(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-800-symmetric")
}

fn nonlocal(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-800-nonlocal")
}

fn silent(e: &mut Experiment) -> Result<()> {
    take(e, "periodic-200-readout")?;
    e.network.output_feedback = None;
    Ok(())
}

fn small_readout(e: &mut Experiment) -> Result<()> {
    e.network.readout = Init::FanUniform {
        gain: 0.1,
        fan: Fan::In,
    };
    Ok(())
}

fn gain(e: &mut Experiment, g: f64) -> Result<()> {
    set_gain(&mut e.network, g);
    Ok(())
}

fn units(e: &mut Experiment, units: usize) -> Result<()> {
    e.network.units = units;
    Ok(())
}

const NONE: f64 = f64::NAN;

macro_rules! reference {
    ($(($id:literal, $period:literal, $what:literal, $rate:literal, [$low:expr, $median:expr, $high:expr], $alignment:literal, $change:expr),)*) => {
        /// Medians and quartiles of the last loss, 3 to 9 networks each (double precision, NumPy and Numba).
        const REFERENCE: &[Row] = &[$(Row {
            id: $id, period: $period, what: $what, rate: $rate, low: $low, median: $median, high: $high,
            alignment: $alignment, change: $change,
        },)*];
    };
}

reference! {
    ("rflo-200", 200, "RFLO", 0.03, [2.2e-3, 2.5e-3, 4.9e-3], "0.71", same),
    ("bptt-200", 200, "BPTT", 0.03, [1.0e-4, 2.4e-4, 2.8e-4], "-", bptt),
    ("symmetric-200", 200, "local, symmetric feedback", 0.03, [3.2e-3, 4.2e-3, 1.2e-2], "-", symmetric),
    ("nonlocal-200", 200, "nonlocal, random feedback", 0.03, [1.2e-4, 1.7e-4, 2.4e-3], "0.56", nonlocal),
    ("online-200", 200, "RFLO online, rate/T a step", 0.000_15, [0.6e-3, 3.0e-3, 3.8e-3], "0.75", |e| take(e, "periodic-200-online")),
    ("dale-200", 200, "RFLO, Dale's law", 0.03, [6.5e-3, 8.9e-3, 1.8e-2], "0.85", |e| take(e, "periodic-200-dale")),
    ("readout-200", 200, "readout alone, fed back", 0.03, [6.1e-3, 8.1e-3, 1.3e-2], "-", |e| take(e, "periodic-200-readout")),
    ("silent-200", 200, "readout alone, not fed back", 0.03, [0.039, 0.084, 0.088], "-", silent),
    ("recurrent-200", 200, "recurrent weights alone", 0.03, [0.33, 0.33, 0.38], "-0.08", |e| take(e, "periodic-200-recurrent")),
    ("small-readout-200", 200, "RFLO, W_out starting within 0.1/sqrt(N)", 0.03, [0.5e-3, 1.2e-3, 2.7e-3], "0.79", small_readout),
    ("gain-0.5", 200, "RFLO, g = 0.5 (W alone)", 0.03, [NONE, 3.5e-2, NONE], "0.79", |e| gain(e, 0.5)),
    ("gain-1", 200, "RFLO, g = 1 (W alone)", 0.03, [NONE, 6.9e-3, NONE], "0.73", |e| gain(e, 1.0)),
    ("gain-2", 200, "RFLO, g = 2 (W alone)", 0.03, [NONE, 2.6e-3, NONE], "0.61", |e| gain(e, 2.0)),
    ("units-10", 200, "RFLO, N = 10", 0.03, [NONE, 2.9e-2, NONE], "0.72", |e| units(e, 10)),
    ("units-60", 200, "RFLO, N = 60", 0.03, [NONE, 9.7e-5, NONE], "0.69", |e| units(e, 60)),
    ("rflo-400", 400, "RFLO", 0.01, [5.3e-3, 2.0e-2, 5.2e-2], "0.58", same),
    ("bptt-400", 400, "BPTT", 0.03, [1.8e-4, 9.0e-4, 3.4e-3], "-", bptt),
    ("rflo-800", 800, "RFLO", 0.001, [0.21, 0.33, 0.33], "0.10", same),
    ("rflo-800-0.003", 800, "RFLO", 0.003, [0.18, 0.19, 0.19], "0.46", same),
    ("rflo-800-0.01", 800, "RFLO", 0.01, [0.10, 0.18, 0.27], "0.44", same),
    ("bptt-800", 800, "BPTT", 0.01, [0.011, 0.15, 0.16], "-", bptt),
    ("symmetric-800", 800, "local, symmetric feedback", 0.001, [0.17, 0.22, 0.30], "-", symmetric),
    ("nonlocal-800-0.01", 800, "nonlocal, random feedback", 0.01, [0.33, 0.33, 0.33], "0.28", nonlocal),
    ("nonlocal-800-0.001", 800, "nonlocal, random feedback", 0.001, [0.16, 0.16, 0.21], "0.38", nonlocal),
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
