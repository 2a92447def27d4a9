//! Marschall, Cho & Savin 2020: every rule on Add and Mimic, with and without leak; the alignment of their gradients.
//!
//! Settings are the built-in experiments `marschall2020/*`; a rule is a change to them, so that each number has a command.
//! Where the authors' own code has been run in the same setting, its losses stand beside ours ([`mod@reference`]). For
//! time, the main settings take 50,000 steps at rate 1e-3 (as that code did) where the paper takes 1,000,000 at 1e-4, and one
//! setting takes the full length with half the seeds.

pub mod reference;

use apical::task::Sample;
use apical::{Experiment, Streams};

use self::reference::{Reference, Rows};
use super::{Choice, Paper, Report, Reproduction, Size};
use crate::claims::{Claim, Claims, Verdict, counted, measured};
use crate::compare::{Compared, Plan};
use crate::figure::{Colour, Figure, Level, Mark, Panel, Weight};
use crate::record::{Ending, SeedRecord};
use crate::runner::{Runner, SAVE_EVERY};
use crate::statistics::{
    Spread, mean_curve, paired, permutation_p, pooled_deviation, quartiles, rank_correlation,
    resamples,
};
use crate::table::{Column, Table};
use crate::{Result, experiment};

/// The paper.
pub(super) const THIS: Paper = Paper {
    key: PAPER,
    title: "Marschall, Cho & Savin 2020: all rules on Add and Mimic, alignment of their gradients",
    part: "",
    parts: &[],
    in_turn: false,
    size,
    reproduce,
};

const PAPER: &str = "marschall2020";

/// A rule as the paper names it.
struct Row {
    key: &'static str,
    label: &'static str,
    /// Criteria that put it beside others.
    group: Group,
    colour: Colour,
    weight: Weight,
    changes: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Control,
    Exact,
    Stochastic,
    Local,
    Learned,
}

const GROUPS: [(Group, &str); 4] = [
    (Group::Exact, "exact"),
    (Group::Stochastic, "past-facing, stochastic"),
    (Group::Local, "past-facing, deterministic"),
    (Group::Learned, "future-facing, learned"),
];

const fn row(
    key: &'static str,
    label: &'static str,
    group: Group,
    look: (Colour, Weight),
    changes: &'static [&'static str],
) -> Row {
    Row {
        key,
        label,
        group,
        colour: look.0,
        weight: look.1,
        changes,
    }
}

use Colour::{Black, Blue, Green, Grey, Orange, Purple, SkyBlue, Vermilion};
use Weight::{Dark, Dashed};

/// `{A}` and `{J}` stand for the rates of the setting, `{fan}` for what the variance of its random feedback counts.
const ROWS: &[Row] = &[
    row(
        "readout",
        "readout only",
        Group::Control,
        (Grey, Dark),
        &["rule.kind=readout_only"],
    ),
    row(
        "rtrl",
        "RTRL",
        Group::Exact,
        (Black, Dark),
        &["rule.kind=rtrl"],
    ),
    row(
        "f-bptt",
        "F-BPTT",
        Group::Exact,
        (Blue, Dark),
        &["rule.kind=f_bptt", "rule.horizon=10"],
    ),
    row(
        "e-bptt",
        "E-BPTT",
        Group::Exact,
        (SkyBlue, Dark),
        &["rule.kind=e_bptt", "rule.horizon=10"],
    ),
    row(
        "uoro",
        "UORO",
        Group::Stochastic,
        (Vermilion, Dark),
        &["rule.kind=uoro"],
    ),
    row(
        "kf-rtrl",
        "KF-RTRL",
        Group::Stochastic,
        (Orange, Dark),
        &["rule.kind=kf_rtrl"],
    ),
    row(
        "r-kf-rtrl",
        "R-KF-RTRL",
        Group::Stochastic,
        (Purple, Dark),
        &["rule.kind=r_kf_rtrl"],
    ),
    row(
        "rflo",
        "RFLO",
        Group::Local,
        (Green, Dark),
        &["rule.kind=rflo"],
    ),
    row(
        "kernl",
        "KeRNL",
        Group::Local,
        (Green, Dashed),
        &[
            "rule.kind=kernl",
            "rule.order=published",
            "rule.sigma=1e-3",
            "rule.rate=5.0",
        ],
    ),
    row(
        "kernl-tuned",
        "KeRNL, rate 1000",
        Group::Local,
        (SkyBlue, Dashed),
        &[
            "rule.kind=kernl",
            "rule.order=published",
            "rule.sigma=1e-3",
            "rule.rate=1000.0",
        ],
    ),
    row(
        "kernl-corrected",
        "KeRNL corrected",
        Group::Local,
        (Blue, Dashed),
        &[
            "rule.kind=kernl",
            "rule.order=corrected",
            "rule.sigma=1e-3",
            "rule.rate=5.0",
        ],
    ),
    row(
        "snap1",
        "SnAp-1",
        Group::Local,
        (SkyBlue, Dashed),
        &["rule.kind=snap", "rule.order=1"],
    ),
    row(
        "dni-a",
        "DNI-a",
        Group::Learned,
        (Purple, Dashed),
        &[
            "rule.kind=dendritic",
            "rule.normalize=none",
            "rule.rate={A}",
            "rule.label_activation=identity",
            "rule.jacobian.kind=exact",
        ],
    ),
    row(
        "dni-b",
        "DNI-b",
        Group::Learned,
        (Vermilion, Dashed),
        &[
            "rule.kind=dendritic",
            "rule.normalize=none",
            "rule.rate={A}",
            "rule.jacobian.kind=learned",
            "rule.jacobian.rate={J}",
            "feedback.kind=random",
            "feedback.init.kind=gaussian",
            "feedback.init.fan={fan}",
        ],
    ),
    row(
        "dni-japprox",
        "DNI, learned J",
        Group::Learned,
        (Orange, Dashed),
        &[
            "rule.kind=dendritic",
            "rule.normalize=none",
            "rule.rate={A}",
            "rule.jacobian.kind=learned",
            "rule.jacobian.rate={J}",
        ],
    ),
    row(
        "dni-a-slow",
        "DNI-a, rates 1e-3",
        Group::Learned,
        (Purple, Dashed),
        &[
            "rule.kind=dendritic",
            "rule.normalize=none",
            "rule.rate=1e-3",
            "rule.label_activation=identity",
            "rule.jacobian.kind=exact",
        ],
    ),
    row(
        "dni-b-slow",
        "DNI-b, rates 1e-3",
        Group::Learned,
        (Vermilion, Dashed),
        &[
            "rule.kind=dendritic",
            "rule.normalize=none",
            "rule.rate=1e-3",
            "rule.jacobian.kind=learned",
            "rule.jacobian.rate=1e-3",
            "feedback.kind=random",
            "feedback.init.kind=gaussian",
            "feedback.init.fan={fan}",
        ],
    ),
    row(
        "rflo-random",
        "RFLO random",
        Group::Local,
        (Orange, Dashed),
        &[
            "rule.kind=rflo",
            "feedback.kind=random",
            "feedback.init.kind=gaussian",
            "feedback.init.fan={fan}",
        ],
    ),
];

/// Rules of the paper, in the order of its tables.
const PUBLISHED: &[&str] = &[
    "readout",
    "rtrl",
    "rflo",
    "dni-a",
    "dni-b",
    "uoro",
    "kf-rtrl",
    "r-kf-rtrl",
    "kernl",
    "e-bptt",
    "f-bptt",
];
/// Rules beyond the paper.
const FURTHER: &[&str] = &["snap1", "kernl-corrected", "rflo-random"];
/// The learned ones at the paper's rates of A and J, though W learns ten times as fast.
const SLOW: &[&str] = &["dni-a-slow", "dni-b-slow"];
/// Variants in the tables of 2019's settings.
const VARIANTS: &[&str] = &["dni-japprox", "kernl-tuned"];
const LONG: &[&str] = &[
    "readout",
    "rtrl",
    "rflo",
    "dni-a",
    "dni-b",
    "uoro",
    "kf-rtrl",
    "r-kf-rtrl",
];
const RELEASED: &[&str] = &[
    "readout", "rtrl", "rflo", "dni-a", "kf-rtrl", "e-bptt", "f-bptt",
];

/// A task with its network and rates.
struct Setting {
    name: &'static str,
    label: &'static str,
    /// Rates of A and J. Where the paper's are 1e-3 beside its 1e-4 of W, they stay ten times that of W; so do those of the
    /// reference, as its alignments tell. For Add without leak the paper's own 0.05 and 0.01 serve at both rates of W.
    rates: (&'static str, &'static str),
    /// What the variance of random feedback counts: "in" the outputs, "out" the units.
    fan: &'static str,
    rows: &'static [&'static [&'static str]],
    reference: Rows,
    /// Entropy of the labels on the reference's held-out steps: the least loss there.
    floor: f64,
    /// Whether gradients are compared too.
    aligned: bool,
    /// Whether it belongs to a quick run.
    quick: bool,
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "add-a1",
        label: "Add(5,9), α = 1",
        rates: ("0.05", "0.01"),
        fan: "in",
        rows: &[PUBLISHED, FURTHER],
        reference: reference::ADD_A1,
        floor: 0.4547,
        aligned: true,
        quick: true,
    },
    Setting {
        name: "add-a05",
        label: "Add(2,4), α = 0.5",
        rates: ("0.01", "0.01"),
        fan: "in",
        rows: &[PUBLISHED, FURTHER, SLOW],
        reference: reference::ADD_A05,
        floor: 0.4493,
        aligned: true,
        quick: true,
    },
    Setting {
        name: "mimic-a1",
        label: "Mimic, α = 1",
        rates: ("0.01", "0.01"),
        fan: "in",
        rows: &[PUBLISHED, FURTHER],
        reference: &[],
        floor: 0.0,
        aligned: true,
        quick: true,
    },
    Setting {
        name: "mimic-a05",
        label: "Mimic, α = 0.5",
        rates: ("0.01", "0.01"),
        fan: "in",
        rows: &[PUBLISHED, FURTHER, SLOW],
        reference: reference::MIMIC_A05,
        floor: 0.0,
        aligned: true,
        quick: true,
    },
    Setting {
        name: "add-a1-long",
        label: "Add(5,9), α = 1, full length",
        rates: ("0.05", "0.01"),
        fan: "in",
        rows: &[LONG],
        reference: reference::ADD_A1_LONG,
        floor: 0.4547,
        aligned: false,
        quick: false,
    },
    Setting {
        name: "add-release",
        label: "Add(5,9), α = 1, released example",
        rates: ("0.05", "0.01"),
        fan: "in",
        rows: &[RELEASED],
        reference: reference::ADD_RELEASE,
        floor: 0.4547,
        aligned: false,
        quick: false,
    },
    Setting {
        name: "add46",
        label: "Add(4,6), settings of 2019",
        rates: ("0.01", "0.01"),
        fan: "out",
        rows: &[PUBLISHED, VARIANTS],
        reference: reference::ADD46,
        floor: 0.4495,
        aligned: false,
        quick: false,
    },
    Setting {
        name: "add35",
        label: "Add(3,5), settings of 2019",
        rates: ("0.01", "0.01"),
        fan: "out",
        rows: &[PUBLISHED, VARIANTS],
        reference: reference::ADD35,
        floor: 0.4495,
        aligned: false,
        quick: false,
    },
];

impl Setting {
    fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        let keys = self.rows;
        let asked = move |row: &&Row| keys.iter().any(|list| list.contains(&row.key));
        ROWS.iter().filter(asked)
    }

    fn changes(&self, row: &Row) -> Vec<String> {
        let fill = |change: &&str| {
            let change = change.replace("{A}", self.rates.0);
            change
                .replace("{J}", self.rates.1)
                .replace("{fan}", self.fan)
        };
        row.changes.iter().map(fill).collect()
    }

    fn load(&self, row: &Row, further: &[String]) -> Result<Experiment> {
        let mut changes = self.changes(row);
        changes.extend_from_slice(further);
        experiment::load(&format!("{PAPER}/{}", self.name), &changes)
    }

    /// The command that trains this rule.
    fn command(&self, row: &Row) -> String {
        let sets: Vec<String> = self
            .changes(row)
            .iter()
            .map(|change| format!(" --set {change}"))
            .collect();
        format!("apical run {PAPER}/{}{}", self.name, sets.concat())
    }

    /// Rules whose gradients are compared: all that have one, at one rate each.
    fn compared(&self) -> impl Iterator<Item = &'static Row> + use<> {
        let rows = self.rows().filter(|row| row.group != Group::Control);
        rows.filter(|row| !SLOW.contains(&row.key))
    }

    fn plan(&self, quick: bool) -> Result<Plan> {
        let length = if quick {
            ["steps=1000", "seeds=2"]
        } else {
            ["steps=15000", "seeds=10"]
        };
        let length = length.map(String::from);
        let trainer = self.load(row_of("rtrl"), &length)?;
        let rules = self.compared().map(|row| {
            let own = self.load(row, &length)?;
            Ok((row.label.to_string(), own))
        });
        let mut plan = Plan::of(trainer, rules.collect::<Result<_>>()?);
        plan.experiment.checkpoint.every = SAVE_EVERY;
        plan.check()?;
        Ok(plan)
    }
}

fn row_of(key: &str) -> &'static Row {
    ROWS.iter().find(|row| row.key == key).unwrap_or(&ROWS[0])
}

fn settings(quick: bool) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.quick || !quick)
}

/// Every run: its setting, its rule and its experiment.
fn runs(quick: bool) -> Result<Vec<(&'static Setting, &'static Row, Experiment)>> {
    let short = ["steps=2000", "seeds=3"].map(String::from);
    let length: &[String] = if quick { &short } else { &[] };
    let mut all = Vec::new();
    for setting in settings(quick) {
        for row in setting.rows() {
            all.push((setting, row, setting.load(row, length)?));
        }
    }
    Ok(all)
}

fn plans(quick: bool) -> Result<Vec<(&'static Setting, Plan)>> {
    let aligned = settings(quick).filter(|setting| setting.aligned);
    aligned
        .map(|setting| Ok((setting, setting.plan(quick)?)))
        .collect()
}

fn size(choice: Choice) -> Result<Size> {
    let quick = choice.quick;
    let runs = runs(quick)?;
    let training: u64 = runs.iter().map(|(.., e)| e.steps * e.seeds).sum();
    let watching: u64 = plans(quick)?
        .iter()
        .map(|(_, plan)| plan.total_steps())
        .sum();
    let first = &runs[0].2;
    Ok(((first.seed, first.seeds), training + watching))
}

fn reproduce(choice: Choice, runner: Runner<'_>) -> Result<Reproduction> {
    let quick = choice.quick;
    let runs = runs(quick)?;
    let experiments: Vec<Experiment> = runs.iter().map(|(.., e)| e.clone()).collect();
    let records = runner.records(&experiments)?;
    let mut results = Vec::new();
    for ((setting, row, experiment), records) in runs.into_iter().zip(records) {
        results.push(Outcome {
            setting,
            row,
            floors: floors(&experiment)?,
            experiment,
            records,
        });
    }
    let mut alignments = Vec::new();
    for (setting, plan) in plans(quick)? {
        let steps = plan.experiment.steps;
        let compared = plan.run(runner)?;
        alignments.push(Aligned {
            setting,
            steps,
            compared,
        });
    }
    let study = Study {
        results,
        alignments,
        quick,
    };
    let mut tables = vec![
        ("results".to_string(), study.results_table()),
        ("curves".to_string(), study.curves_table()),
    ];
    for aligned in &study.alignments {
        let name = format!("alignment-{}", aligned.setting.name);
        tables.push((name, aligned.compared.table()));
    }
    Ok(Reproduction {
        figures: vec![
            ("curves", study.curves()),
            ("alignment", study.heat_maps()),
            ("loss-and-alignment", study.scatter()),
        ],
        claims: Claims {
            paper: PAPER.into(),
            command: THIS.command(choice),
            claims: study.claims(),
        },
        reports: study.reports(),
        tables,
    })
}

/// Entropy of the labels on the held-out steps of each seed: the least loss there.
fn floors(experiment: &Experiment) -> Result<Vec<f64>> {
    if !experiment.loss.is_cross_entropy() {
        return Ok(vec![0.0; experiment.seeds as usize]);
    }
    let steps = experiment.evaluate.steps;
    let seeds = (0..experiment.seeds).map(|k| experiment.seed + k);
    let floor = |seed: u64| {
        let length = experiment.steps.max(steps);
        let mut task = experiment
            .task
            .build::<f64>(1, length, &Streams::new(seed), "test")?;
        let (inputs, outputs) = task.sizes();
        let mut sample = Sample::new(1, inputs, outputs);
        let mut sum = 0.0;
        for _ in 0..steps {
            task.next(&mut sample);
            let odds = if sample.has_truth {
                &sample.truth
            } else {
                &sample.y
            };
            let entropy = |p: &f64| if *p > 0.0 { -p * p.ln() } else { 0.0 };
            sum += odds.iter().map(entropy).sum::<f64>();
        }
        Ok(sum / steps as f64)
    };
    seeds.map(floor).collect()
}

/// What one rule gave in one setting.
struct Outcome {
    setting: &'static Setting,
    row: &'static Row,
    experiment: Experiment,
    records: Vec<SeedRecord>,
    floors: Vec<f64>,
}

struct Aligned {
    setting: &'static Setting,
    steps: u64,
    compared: Compared,
}

struct Study {
    results: Vec<Outcome>,
    alignments: Vec<Aligned>,
    quick: bool,
}

const LOSS: usize = 0;
const ACCURACY: usize = 1;
const TRUE_LOSS: usize = 2;
const EXPECTED_ACCURACY: usize = 3;
/// Resamples of the seeds, and random pairings of the rules.
const DRAWS: usize = 10_000;

impl Outcome {
    /// The published value of the squared error is averaged over outputs.
    fn scale(&self) -> f64 {
        match self.experiment.loss.is_cross_entropy() {
            true => 1.0,
            false => 1.0 / self.experiment.task.sizes().1 as f64,
        }
    }

    /// A quantity of the test at the end, once a seed; NaN if training diverged.
    fn test(&self, quantity: usize) -> Vec<f64> {
        let last = |record: &SeedRecord| match record.ending {
            Ending::Finished => record.tests.last(quantity, 1),
            _ => f64::NAN,
        };
        self.records.iter().map(last).collect()
    }

    /// Held-out loss in the units of the tables: against the probabilities where these are known.
    fn losses(&self) -> Vec<f64> {
        let known = self.experiment.loss.is_cross_entropy();
        let quantity = if known { TRUE_LOSS } else { LOSS };
        let scale = self.scale();
        self.test(quantity).into_iter().map(|v| v * scale).collect()
    }

    fn curves(&self) -> Vec<(Vec<u64>, Vec<f64>)> {
        let scale = self.scale();
        let scaled = |record: &SeedRecord| {
            let curve = record.curve("loss")?;
            let values = curve.values.iter().map(|v| v * scale).collect();
            Some((curve.steps.clone(), values))
        };
        self.records.iter().filter_map(scaled).collect()
    }
}

impl Aligned {
    fn place(&self, key: &str) -> Option<usize> {
        let label = row_of(key).label;
        self.compared.labels.iter().position(|known| known == label)
    }

    /// Mean alignment of two rules, once a seed.
    fn means(&self, a: &str, b: &str) -> Vec<f64> {
        match (self.place(a), self.place(b)) {
            (Some(a), Some(b)) => self.compared.means(a, b),
            _ => vec![f64::NAN; self.compared.seeds.len()],
        }
    }

    /// Mean over some pairs of rules, once a seed.
    fn over(&self, pairs: &[(&str, &str)]) -> Vec<f64> {
        let all: Vec<Vec<f64>> = pairs.iter().map(|(a, b)| self.means(a, b)).collect();
        let of_seed = |k: usize| all.iter().map(|v| v[k]).sum::<f64>() / all.len() as f64;
        (0..self.compared.seeds.len()).map(of_seed).collect()
    }
}

/// Pairs within the groups, and pairs between different ones.
fn pairs<'a>(groups: &[&[&'a str]]) -> [Vec<(&'a str, &'a str)>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    for (i, group) in groups.iter().enumerate() {
        for (k, a) in group.iter().enumerate() {
            found[0].extend(group[k + 1..].iter().map(|b| (*a, *b)));
            let others = groups[i + 1..].iter().flat_map(|other| other.iter());
            found[1].extend(others.map(|b| (*a, *b)));
        }
    }
    found
}

impl Study {
    fn outcome(&self, setting: &str, key: &str) -> Option<&Outcome> {
        let found = |o: &&Outcome| o.setting.name == setting && o.row.key == key;
        self.results.iter().find(found)
    }

    fn losses(&self, setting: &str, key: &str) -> Vec<f64> {
        self.outcome(setting, key)
            .map(Outcome::losses)
            .unwrap_or_default()
    }

    fn has(&self, setting: &str) -> bool {
        self.results.iter().any(|o| o.setting.name == setting)
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for setting in settings(self.quick) {
            claims.extend(self.orderings(setting));
        }
        for setting in settings(self.quick).filter(|setting| setting.aligned) {
            claims.push(self.exact(setting));
            claims.push(self.performance_clusters(setting));
        }
        for aligned in &self.alignments {
            claims.extend(self.alignment_claims(aligned));
        }
        claims
    }

    /// Orderings that hold in all seeds of the authors' code, and the controls.
    fn orderings(&self, setting: &Setting) -> Vec<Claim> {
        let code = "the authors' code, 3 of 3 seeds";
        let control = "our control";
        let paper = "paper's full length, the authors' code, 1 seed";
        let list: &[(&str, &str, &str)] = match setting.name {
            "add-a1" => &[
                ("rtrl", "dni-a", code),
                ("dni-a", "rflo", code),
                ("rflo", "kernl", code),
                ("kernl", "dni-b", code),
                ("dni-b", "readout", code),
                (
                    "readout",
                    "r-kf-rtrl",
                    "noise at this rate is worse than not learning: the authors' code",
                ),
            ],
            "add-a05" => &[
                ("rtrl", "uoro", code),
                ("e-bptt", "dni-a", code),
                ("rflo", "kernl", code),
                ("kernl", "readout", code),
            ],
            "mimic-a05" => &[
                ("dni-a", "rtrl", code),
                ("rflo", "rtrl", code),
                ("kf-rtrl", "r-kf-rtrl", code),
                (
                    "r-kf-rtrl",
                    "readout",
                    "the authors' code, not in all seeds",
                ),
            ],
            "mimic-a1" => &[
                ("rtrl", "readout", control),
                ("rflo", "readout", control),
                ("dni-b", "readout", control),
            ],
            "add-a1-long" => &[
                ("rtrl", "dni-a", paper),
                ("dni-a", "rflo", paper),
                ("rflo", "dni-b", paper),
                ("dni-b", "readout", "the authors' code, 4 of 5 seeds"),
                ("uoro", "rflo", paper),
                ("r-kf-rtrl", "rflo", paper),
            ],
            _ => &[],
        };
        list.iter()
            .filter(|_| self.has(setting.name))
            .map(|(better, worse, source)| {
                let a = self.losses(setting.name, better);
                let differences = paired(&a, &self.losses(setting.name, worse));
                let spread = Spread::of(&differences);
                let (x, y) = (row_of(better).label, row_of(worse).label);
                Claim {
                    id: format!("{}.{better}_below_{worse}", setting.name),
                    figure: "learning curves".into(),
                    statement: format!("{}: {x} ends below {y}", setting.label),
                    source: (*source).into(),
                    expected: format!("held-out loss, {x} - {y}, below 0"),
                    verdict: Verdict::below(&spread, 0.0),
                    measured: counted(&spread, &differences, |d| d < 0.0),
                    ..measured(&spread)
                }
            })
            .collect()
    }

    /// Exact rules end together: apart by less than a tenth of what learning gains over the control.
    fn exact(&self, setting: &Setting) -> Claim {
        let of = |key| self.losses(setting.name, key);
        let (rtrl, f, e) = (of("rtrl"), of("f-bptt"), of("e-bptt"));
        let gain = paired(&of("readout"), &rtrl);
        let apart: Vec<f64> = (0..rtrl.len())
            .map(|k| (f[k] - rtrl[k]).abs().max((e[k] - rtrl[k]).abs()) / gain[k])
            .collect();
        let spread = Spread::of(&apart);
        Claim {
            id: format!("{}.exact_rules_agree", setting.name),
            figure: "learning curves".into(),
            statement: format!("{}: RTRL, F-BPTT and E-BPTT end together", setting.label),
            source: "paper; \"together\" read as a tenth of the gain over readout only".into(),
            expected: "largest difference from RTRL below 0.1 of the gain".into(),
            verdict: Verdict::below(&spread, 0.1),
            ..measured(&spread)
        }
    }

    fn performance_clusters(&self, setting: &Setting) -> Claim {
        let groups: [&[&str]; 4] = [
            &["rtrl", "f-bptt", "e-bptt"],
            &["uoro", "kf-rtrl", "r-kf-rtrl"],
            &["rflo", "kernl"],
            &["dni-a", "dni-b"],
        ];
        let [within, between] = pairs(&groups);
        let apart = |pairs: &[(&str, &str)], k: usize| {
            let gap = |(a, b): &(&str, &str)| {
                (self.losses(setting.name, a)[k] - self.losses(setting.name, b)[k]).abs()
            };
            pairs.iter().map(gap).sum::<f64>() / pairs.len() as f64
        };
        let seeds = self.losses(setting.name, "rtrl").len();
        let differences: Vec<f64> = (0..seeds)
            .map(|k| apart(&between, k) - apart(&within, k))
            .collect();
        let spread = Spread::of(&differences);
        Claim {
            id: format!("{}.performance_clusters", setting.name),
            figure: "learning curves".into(),
            statement: format!("{}: final losses cluster by the criteria", setting.label),
            source: "paper (abstract)".into(),
            expected: "mean difference of losses between groups - within groups, above 0".into(),
            verdict: Verdict::above(&spread, 0.0),
            measured: counted(&spread, &differences, |d| d > 0.0),
            ..measured(&spread)
        }
    }

    fn alignment_claims(&self, aligned: &Aligned) -> Vec<Claim> {
        let setting = aligned.setting;
        let claim = |id: &str, statement: &str, source: &str, expected: &str, values: Vec<f64>| {
            let spread = Spread::of(&values);
            Claim {
                id: format!("{}.{id}", setting.name),
                figure: "alignment".into(),
                statement: format!("{}: {statement}", setting.label),
                source: source.into(),
                expected: expected.into(),
                ..measured(&spread)
            }
        };
        let above = |mut claim: Claim, values: &[f64], threshold: f64| {
            claim.verdict = Verdict::above(&Spread::of(values), threshold);
            claim
        };
        let below = |mut claim: Claim, values: &[f64], threshold: f64| {
            claim.verdict = Verdict::below(&Spread::of(values), threshold);
            claim
        };
        let paper = "paper (abstract)";
        let code = "the authors' code, 1 seed";
        let mut claims = Vec::new();

        let facing: [&[&str]; 2] = [&["rtrl", "rflo", "kernl"], &["dni-a", "f-bptt"]];
        let [within, between] = pairs(&facing);
        let values = paired(&aligned.over(&within), &aligned.over(&between));
        claims.push(above(
            claim(
                "facing_clusters",
                "deterministic rules align better within past- and future-facing ones than across",
                paper,
                "mean alignment within - across, above 0",
                values.clone(),
            ),
            &values,
            0.0,
        ));

        let deterministic = ["rtrl", "rflo", "kernl", "dni-a", "f-bptt"];
        let noisy = ["uoro", "kf-rtrl", "r-kf-rtrl"];
        let [certain, _] = pairs(&[&deterministic]);
        let [among, _] = pairs(&[&noisy]);
        let [_, mut mixed] = pairs(&[&deterministic, &noisy]);
        mixed.extend(among);
        let values = paired(&aligned.over(&certain), &aligned.over(&mixed));
        claims.push(above(
            claim(
                "noise_clusters",
                "pairs of deterministic rules align better than pairs with a stochastic one",
                paper,
                "mean alignment of the first - of the second, above 0",
                values.clone(),
            ),
            &values,
            0.0,
        ));

        let values = aligned.means("rflo", "kernl");
        claims.push(above(
            claim(
                "rflo_kernl",
                "RFLO and KeRNL, of the same tensor structure, say nearly the same",
                "the authors' code, 1 seed: 0.98",
                "mean alignment above 0.95",
                values.clone(),
            ),
            &values,
            0.95,
        ));

        let published: Vec<&str> = PUBLISHED
            .iter()
            .filter(|key| !["readout", "e-bptt", "uoro", "r-kf-rtrl"].contains(key))
            .copied()
            .collect();
        let each = published.iter().map(|other| {
            let pair = |key| aligned.means(key, other);
            [pair("uoro"), pair("r-kf-rtrl")]
        });
        let all: Vec<Vec<f64>> = each.flatten().collect();
        let largest: Vec<f64> = (0..aligned.compared.seeds.len())
            .map(|k| all.iter().map(|v| v[k].abs()).fold(0.0, f64::max))
            .collect();
        claims.push(below(
            claim(
                "noise_aligns_with_nothing",
                "UORO and R-KF-RTRL, though unbiased, align with no other rule",
                "the authors' code, 1 seed: at most 0.07",
                "largest mean alignment below 0.1",
                largest.clone(),
            ),
            &largest,
            0.1,
        ));

        let values = paired(
            &aligned.means("kf-rtrl", "rtrl"),
            &aligned.means("uoro", "rtrl"),
        );
        claims.push(above(
            claim(
                "kf_less_noisy",
                "KF-RTRL aligns better with RTRL than UORO does",
                code,
                "difference above 0",
                values.clone(),
            ),
            &values,
            0.0,
        ));

        let half: Vec<f64> = aligned
            .means("rflo", "rtrl")
            .iter()
            .map(|v| 0.5 * v)
            .collect();
        let values = paired(&aligned.means("f-bptt", "rtrl"), &half);
        claims.push(below(
            claim(
                "exact_yet_unaligned",
                "F-BPTT, exact but future-facing, aligns less than half as well with RTRL as RFLO",
                code,
                "alignment of F-BPTT - half that of RFLO, below 0",
                values.clone(),
            ),
            &values,
            0.0,
        ));
        claims.push(self.rank(aligned));
        claims
    }

    /// Rules that are ranked by alignment and by loss: the paper's, without RTRL itself and block sums.
    fn ranked() -> Vec<&'static str> {
        PUBLISHED
            .iter()
            .filter(|key| !["readout", "rtrl", "e-bptt"].contains(key))
            .copied()
            .collect()
    }

    /// Alignment with RTRL against final loss, over the rules.
    fn rank(&self, aligned: &Aligned) -> Claim {
        let name = aligned.setting.name;
        let keys = Self::ranked();
        let alignment: Vec<Vec<f64>> = keys.iter().map(|key| aligned.means(key, "rtrl")).collect();
        let loss: Vec<Vec<f64>> = keys.iter().map(|key| self.losses(name, key)).collect();
        let means = |values: &[Vec<f64>], seeds: Option<&[usize]>| -> Vec<f64> {
            let of = |v: &Vec<f64>| match seeds {
                Some(seeds) => seeds.iter().map(|k| v[*k]).sum::<f64>() / seeds.len() as f64,
                None => Spread::of(v).mean,
            };
            values.iter().map(of).collect()
        };
        let (a, l) = (means(&alignment, None), means(&loss, None));
        let found = rank_correlation(&a, &l);
        let p = permutation_p(&a, &l, DRAWS);
        let n = loss[0].len();
        let again = resamples(n, 2_000);
        let watched = resamples(alignment[0].len(), 2_000);
        let mut drawn: Vec<f64> = again
            .iter()
            .zip(&watched)
            .map(|(l, a)| rank_correlation(&means(&alignment, Some(a)), &means(&loss, Some(l))))
            .collect();
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share) as usize];
        let weak = drawn.iter().filter(|rho| rho.powi(2) < 0.5).count() as f64;
        Claim {
            id: format!("{name}.alignment_does_not_explain"),
            figure: "alignment".into(),
            statement: format!(
                "{}: alignment with RTRL does not explain the final loss",
                aligned.setting.label
            ),
            source: "paper (abstract); \"explain\" read as half of the variance of ranks".into(),
            expected: format!(
                "Spearman's rank correlation over {} rules, squared, below 0.5 in 95 % of resamples of the seeds",
                keys.len()
            ),
            measured: format!("rank correlation {found:.2}, permutation p = {p:.2}"),
            spread: format!(
                "95 % of resamples in [{:.2}, {:.2}]; squared below 0.5 in {:.0} %",
                at(0.025),
                at(0.975),
                100.0 * weak / drawn.len() as f64
            ),
            n,
            verdict: Verdict::share(weak / drawn.len() as f64),
        }
    }

    fn reports(&self) -> Vec<Report> {
        let mut reports = vec![self.losses_report()];
        if !self.quick {
            reports.push(self.reference_report());
            reports.push(self.alignment_report());
        }
        reports.push(self.commands());
        reports
    }

    /// Final losses of all rules in all settings.
    fn losses_report(&self) -> Report {
        let shown: Vec<&Setting> = settings(self.quick).collect();
        let mut header = vec!["rule".to_string()];
        header.extend(shown.iter().map(|setting| setting.label.to_string()));
        let cell = |setting: &&Setting, row: &Row| match self.outcome(setting.name, row.key) {
            Some(outcome) => around(&outcome.losses()),
            None => String::new(),
        };
        let line = |row: &Row| {
            let mut cells = vec![row.label.to_string()];
            cells.extend(shown.iter().map(|setting| cell(setting, row)));
            cells
        };
        Report {
            name: "losses".into(),
            title: "Held-out loss at the end (mean ± sd between seeds)".into(),
            on_screen: true,
            header,
            rows: ROWS.iter().map(line).collect(),
        }
    }

    /// Ours beside that of the authors' code.
    fn reference_report(&self) -> Report {
        let header = [
            "setting",
            "rule",
            "loss",
            "theirs",
            "ours",
            "apart",
            "verdict",
            "theirs above entropy",
            "ours above entropy",
            "apart",
            "verdict",
        ];
        let mut rows = Vec::new();
        for outcome in &self.results {
            let setting = outcome.setting;
            // The reference has one rate of the learned rules; both of ours stand beside it.
            let key = outcome.row.key.trim_end_matches("-slow");
            let Some((_, reference, sampled)) = setting.reference.iter().find(|r| r.0 == key)
            else {
                continue;
            };
            let kind = match outcome.experiment.loss.is_cross_entropy() {
                true => "CE vs. true p",
                false => "MSE",
            };
            let losses = outcome.losses();
            let mut cells = vec![setting.label.into(), outcome.row.label.into(), kind.into()];
            cells.extend(beside(reference, &losses));
            if setting.floor > 0.0 {
                let less = Reference {
                    mean: reference.mean - setting.floor,
                    ..*reference
                };
                cells.extend(beside(&less, &paired(&losses, &outcome.floors)));
            } else {
                cells.extend([const { String::new() }; 4]);
            }
            rows.push(cells);
            if let Some(reference) = sampled {
                let kind = "CE vs. labels".to_string();
                let mut cells = vec![setting.label.into(), outcome.row.label.into(), kind];
                cells.extend(beside(reference, &outcome.test(LOSS)));
                cells.extend([const { String::new() }; 4]);
                rows.push(cells);
            }
        }
        Report {
            name: "reference".into(),
            title: "Held-out loss beside that of the authors' code (mean ± sd; difference in pooled sds)"
                .into(),
            on_screen: true,
            header: header.map(String::from).into(),
            rows,
        }
    }

    /// Our alignments beside those of the authors' code.
    fn alignment_report(&self) -> Report {
        let mut rows = Vec::new();
        for aligned in &self.alignments {
            let table = match aligned.setting.name {
                "add-a1" => &reference::ALIGNMENT_A1,
                "add-a05" => &reference::ALIGNMENT_A05,
                _ => continue,
            };
            for (line, theirs) in table.iter().enumerate() {
                for (column, theirs) in theirs.iter().enumerate() {
                    let (a, b) = (reference::ALIGNED[line + 1], reference::ALIGNED[column]);
                    let values = aligned.means(a, b);
                    let spread = Spread::of(&values);
                    rows.push(vec![
                        aligned.setting.label.into(),
                        format!("{} with {}", row_of(a).label, row_of(b).label),
                        format!("{theirs:.2}"),
                        format!("{:.2} ± {:.2}", spread.mean, spread.deviation),
                        format!("{:+.2}", spread.mean - theirs),
                    ]);
                }
            }
        }
        Report {
            name: "alignment-reference".into(),
            title: "Mean alignment beside that of the authors' code (1 seed)".into(),
            on_screen: false,
            header: [
                "setting",
                "pair",
                "theirs",
                "ours (mean ± sd of seeds)",
                "difference",
            ]
            .map(String::from)
            .into(),
            rows,
        }
    }

    fn commands(&self) -> Report {
        let line = |o: &Outcome| {
            let command = format!("`{}`", o.setting.command(o.row));
            vec![o.setting.label.into(), o.row.label.into(), command]
        };
        Report {
            name: "commands".into(),
            title: "The command behind each number".into(),
            on_screen: false,
            header: ["setting", "rule", "command"].map(String::from).into(),
            rows: self.results.iter().map(line).collect(),
        }
    }

    fn results_table(&self) -> Table {
        let mut texts = [Vec::new(), Vec::new(), Vec::new()];
        let mut seeds = Vec::new();
        let mut numbers = [const { Vec::new() }; 5];
        for outcome in &self.results {
            let tests = [LOSS, ACCURACY, TRUE_LOSS, EXPECTED_ACCURACY].map(|q| outcome.test(q));
            for (k, record) in outcome.records.iter().enumerate() {
                texts[0].push(outcome.setting.name.to_string());
                texts[1].push(outcome.row.key.to_string());
                texts[2].push(match &record.ending {
                    Ending::Diverged(message) => message.clone(),
                    _ => "finished".into(),
                });
                seeds.push(record.seed);
                let scale = outcome.scale();
                let values = [
                    tests[0][k] * scale,
                    tests[1][k],
                    tests[2][k] * scale,
                    tests[3][k],
                    outcome.floors[k],
                ];
                numbers
                    .iter_mut()
                    .zip(values)
                    .for_each(|(to, v)| to.push(v));
            }
        }
        let ([setting, rule, ending], [loss, accuracy, true_loss, expected, entropy]) =
            (texts, numbers);
        Table {
            columns: vec![
                Column::text("setting", setting),
                Column::text("rule", rule),
                Column::u64("seed", seeds),
                Column::f64("held_out_loss", loss),
                Column::f64("held_out_accuracy", accuracy),
                Column::f64("held_out_true_loss", true_loss),
                Column::f64("held_out_expected_accuracy", expected),
                Column::f64("entropy", entropy),
                Column::text("ending", ending),
            ],
        }
    }

    fn curves_table(&self) -> Table {
        let (mut settings, mut rules) = (Vec::new(), Vec::new());
        let (mut seeds, mut steps, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for outcome in &self.results {
            let curves = outcome.records.iter().zip(outcome.curves());
            for (record, (at, losses)) in curves {
                settings.extend(vec![outcome.setting.name.to_string(); at.len()]);
                rules.extend(vec![outcome.row.key.to_string(); at.len()]);
                seeds.extend(vec![record.seed; at.len()]);
                steps.extend(at);
                values.extend(losses);
            }
        }
        Table {
            columns: vec![
                Column::text("setting", settings),
                Column::text("rule", rules),
                Column::u64("seed", seeds),
                Column::u64("step", steps),
                Column::f64("training_loss", values),
            ],
        }
    }

    /// A row of panels for each setting, a column for each group of rules.
    fn curves(&self) -> Figure {
        let mut panels = Vec::new();
        let drawn = |setting: &&Setting| setting.aligned || setting.name == "add-a1-long";
        for setting in settings(self.quick).filter(drawn) {
            for (group, name) in GROUPS {
                panels.push(self.panel(setting, group, name));
            }
        }
        let counts = self.results.iter().map(|o| o.records.len());
        let (least, most) = counts.fold((usize::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
        let seeds = match least == most {
            true => format!("{most} seeds"),
            false => format!("{most} seeds, {least} at full length"),
        };
        Figure {
            title: format!(
                "Marschall, Cho & Savin 2020: training loss (lines: mean of {seeds}; shaded: quartiles)"
            ),
            panels,
            columns: GROUPS.len(),
        }
    }

    fn panel(&self, setting: &Setting, group: Group, name: &str) -> Panel {
        let mut panel = Panel {
            title: format!("{}: {name}", setting.label),
            x_label: "step".into(),
            y_label: "training loss".into(),
            ..Panel::default()
        };
        for outcome in self
            .results
            .iter()
            .filter(|o| o.setting.name == setting.name)
        {
            let row = outcome.row;
            let shown = row.group == group || row.group == Group::Control || row.key == "rtrl";
            if !shown || SLOW.contains(&row.key) {
                continue;
            }
            let curves: Vec<_> = outcome
                .curves()
                .iter()
                .map(|curve| coarse(curve, 25))
                .collect();
            let (_, low, high) = quartiles(&curves);
            let (x, y) = mean_curve(&curves);
            panel.add_banded(row.label, x, [low, y, high], (row.colour, row.weight));
        }
        if let Some(outcome) = self.outcome(setting.name, "rtrl") {
            let bounds = outcome.experiment.task.bounds();
            if let [nothing, _, first, both] = &bounds[..] {
                panel.y_range = Some((0.44, 0.72));
                for (bound, label) in [
                    (nothing, "nothing"),
                    (first, "first lag"),
                    (both, "both lags"),
                ] {
                    panel.levels.push(Level {
                        y: bound.cross_entropy,
                        label: Some(label.into()),
                        colour: Colour::Grey,
                    });
                }
            } else {
                panel.log_y = true;
            }
        }
        panel
    }

    fn heat_maps(&self) -> Figure {
        let map = |aligned: &Aligned| aligned.compared.heat_map(aligned.setting.label);
        let (steps, seeds) = self
            .alignments
            .first()
            .map_or((0, 0), |a| (a.steps, a.compared.seeds.len()));
        Figure {
            title: format!(
                "Mean alignment of recurrent gradients while RTRL learns ({steps} steps, {seeds} seeds)"
            ),
            panels: self.alignments.iter().map(map).collect(),
            columns: 2,
        }
    }

    fn scatter(&self) -> Figure {
        let panel = |aligned: &Aligned| {
            let name = aligned.setting.name;
            let mark = |row: &'static Row| {
                let loss = Spread::of(&self.losses(name, row.key)).mean;
                Some(Mark {
                    x: Spread::of(&aligned.means(row.key, "rtrl")).mean,
                    y: loss,
                    label: row.label.into(),
                    colour: match row.group {
                        Group::Exact | Group::Control => Colour::Black,
                        Group::Stochastic => Colour::Vermilion,
                        Group::Local => Colour::Green,
                        Group::Learned => Colour::Purple,
                    },
                })
            };
            let control = Spread::of(&self.losses(name, "readout")).mean;
            let keys = Self::ranked();
            let of = |f: &dyn Fn(&str) -> Vec<f64>| -> Vec<f64> {
                keys.iter().map(|key| Spread::of(&f(key)).mean).collect()
            };
            let rho = rank_correlation(
                &of(&|key| aligned.means(key, "rtrl")),
                &of(&|key| self.losses(name, key)),
            );
            Panel {
                title: format!("{}, ρ = {rho:.2}", aligned.setting.label).replace('-', "−"),
                x_label: "mean alignment with RTRL".into(),
                y_label: "held-out loss at the end".into(),
                marks: aligned.setting.compared().filter_map(mark).collect(),
                levels: vec![Level {
                    y: control,
                    label: Some("readout only".into()),
                    colour: Colour::Grey,
                }],
                ..Panel::default()
            }
        };
        Figure {
            title: "Alignment with the exact gradient and the final loss (ρ: rank correlation)"
                .into(),
            panels: self.alignments.iter().map(panel).collect(),
            columns: 2,
        }
    }
}

/// Means over groups of points, so that at most `most` are left.
fn coarse((steps, values): &(Vec<u64>, Vec<f64>), most: usize) -> (Vec<u64>, Vec<f64>) {
    let group = steps.len().div_ceil(most).max(1);
    let ends = steps.chunks(group).filter_map(|part| part.last().copied());
    let means = values.chunks(group);
    let means = means.map(|part| part.iter().sum::<f64>() / part.len() as f64);
    (ends.collect(), means.collect())
}

/// Mean ± sd, and the seeds that diverged.
fn around(values: &[f64]) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let spread = Spread::of(&finite);
    let lost = values.len() - finite.len();
    let lost = if lost > 0 {
        format!("; {lost} diverged")
    } else {
        String::new()
    };
    format!(
        "{:.4} ± {:.4} (n = {}{lost})",
        spread.mean, spread.deviation, spread.n
    )
}

/// Theirs, ours, how far apart in pooled standard deviations, and what that means.
fn beside(theirs: &Reference, values: &[f64]) -> [String; 4] {
    let ours = Spread::of(values);
    let pooled = pooled_deviation((theirs.deviation, theirs.n), (ours.deviation, ours.n));
    let apart = (ours.mean - theirs.mean) / pooled;
    let verdict = match apart {
        _ if !apart.is_finite() => "diverged",
        _ if apart > 2.0 => "**worse**",
        _ if apart < -2.0 => "better",
        _ => "within two",
    };
    let deviation = match theirs.n {
        1 => String::new(),
        _ => format!(" ± {:.4}", theirs.deviation),
    };
    [
        format!("{:.4}{deviation} (n = {})", theirs.mean, theirs.n),
        around(values),
        format!("{apart:+.1}"),
        verdict.into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_rule_loads_in_every_setting_and_every_reference_has_its_run() {
        for setting in SETTINGS {
            let rows: BTreeMap<&str, &Row> = setting.rows().map(|row| (row.key, row)).collect();
            assert_eq!(
                rows.len(),
                setting.rows.iter().map(|list| list.len()).sum::<usize>()
            );
            for row in rows.values() {
                let loaded = setting.load(row, &[]).unwrap();
                assert!(loaded.seeds >= 5, "{}", setting.name);
                // The command says what was run.
                let command = setting.command(row);
                let sets = command.split(" --set ").skip(1).map(String::from);
                let name = command.split(' ').nth(2).unwrap();
                let again = experiment::load(name, &sets.collect::<Vec<_>>()).unwrap();
                assert_eq!(again, loaded);
            }
            for (key, ..) in setting.reference {
                assert!(rows.contains_key(key), "{}: {key}", setting.name);
            }
        }
        assert_eq!(plans(true).unwrap().len(), 4);
    }

    #[test]
    fn entropies_are_near_their_expectation() {
        let experiment = SETTINGS[0].load(row_of("rtrl"), &[]).unwrap();
        for floor in floors(&experiment).unwrap() {
            // Each toss pair has an entropy with sd 0.27; 10,000 of them, not quite independent.
            assert!((floor - 0.4545).abs() < 0.015, "{floor}");
        }
    }

    #[test]
    fn pairs_are_told_apart() {
        let [within, between] = pairs(&[&["a", "b"], &["c"]]);
        assert_eq!(within, [("a", "b")]);
        assert_eq!(between, [("a", "c"), ("b", "c")]);
    }

    #[test]
    fn verdicts_beside_the_reference_are_in_pooled_deviations() {
        let theirs = Reference {
            mean: 1.0,
            deviation: 0.1,
            n: 3,
        };
        let verdict = |shift: f64| {
            let values: Vec<f64> = [-0.1, 0.0, 0.1].map(|d| 1.0 + shift + d).into();
            beside(&theirs, &values)[3].clone()
        };
        assert_eq!(verdict(0.19), "within two");
        assert_eq!(verdict(0.21), "**worse**");
        assert_eq!(verdict(-0.21), "better");
        assert_eq!(beside(&theirs, &[f64::NAN])[3], "diverged");
    }
}
