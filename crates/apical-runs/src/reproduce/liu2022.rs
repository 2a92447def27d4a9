//! Liu, Smith, Mihalas, Shea-Brown & Sümbül 2022: ModProp beside the rules it is compared with, on three tasks.
//!
//! Released are one condition of one task and ten curves of it (`reference`); the paper's own numbers are not available to us. Conditions
//! are the experiments `liu2022/*` with one rule after another: BPTT, ModProp with the cells' weights and with their means over types,
//! either drive, MDGL, the three-factor rule, and the frozen control; on delayed XOR with both learning rates of the released script and, as parts of their own, small
//! grids of μ, of types of weights that have structure, and of the length of the filter; and what rules cost. Curves are shown by the authors' protocol (moving mean over 15 records, best and worst run dropped, the better learning rate of each rule) and
//! whole. The quick version plays delayed XOR nine times as fast: the same trial at steps of 9 ms.

mod accuracy;
mod alignment;
mod cost;
mod credit;
mod grids;
mod judge;
mod reference;

use std::path::{Path, PathBuf};

use apical::Experiment;

use super::{Choice, Paper, Report, Reproduction, Size, Work};
use crate::claims::Claims;
use crate::figure::Colour;
use crate::record::metrics_table;
use crate::runner::Runner;
use crate::table::Column;
use crate::{Error, Result, data, experiment};
use judge::Study;

const PAPER: &str = "liu2022";
/// Parts that train no rule of the comparison.
const ALIGNMENT: &str = "alignment";
const COST: &str = "cost";

/// The paper; without the files of MNIST, the tasks there are data for.
pub(super) const THIS: Paper = Paper {
    key: PAPER,
    title: "Liu et al. 2022: ModProp beside BPTT, MDGL and the three-factor rule, on three tasks",
    part: "task",
    parts: &[
        "xor", "mu", "types", "taps", "pattern", "smnist", ALIGNMENT, COST,
    ],
    in_turn: false,
    work: Work::Own(size, reproduce),
};

/// One of the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Xor,
    /// Delayed XOR over a grid of μ, the first 1,000 of its 3,000 iterations: rules differ in how soon they learn.
    Mu,
    /// Delayed XOR at steps of 9 ms over the number of types, of weights whose blocks differ.
    Types,
    /// Delayed XOR at steps of 9 ms over the length of the filter.
    Taps,
    Pattern,
    Smnist,
}

/// Those that are asked for, and where none is, those that can be run here.
fn tasks(choice: Choice) -> Vec<Task> {
    let mut tasks = vec![
        Task::Xor,
        Task::Mu,
        Task::Types,
        Task::Taps,
        Task::Pattern,
        Task::Smnist,
    ];
    tasks.retain(|task| choice.has(task.name()));
    if choice.part.is_none() && mnist().is_err() {
        tasks.retain(|task| *task != Task::Smnist);
    }
    tasks
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Xor => "xor",
            Self::Mu => "mu",
            Self::Types => "types",
            Self::Taps => "taps",
            Self::Pattern => "pattern",
            Self::Smnist => "smnist",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Xor => "delayed XOR",
            Self::Mu => "delayed XOR over mu",
            Self::Types => "delayed XOR between types with structure",
            Self::Taps => "delayed XOR over taps",
            Self::Pattern => "pattern generation",
            Self::Smnist => "sequential MNIST",
        }
    }

    fn toml(self) -> &'static str {
        match self {
            Self::Xor | Self::Mu | Self::Taps => {
                include_str!("../../../../experiments/liu2022/xor.toml")
            }
            Self::Types => include_str!("../../../../experiments/liu2022/xor-types.toml"),
            Self::Pattern => include_str!("../../../../experiments/liu2022/pattern.toml"),
            Self::Smnist => include_str!("../../../../experiments/liu2022/smnist.toml"),
        }
    }

    /// Learning rates tried: the released script has two for delayed XOR.
    fn rates(self, quick: bool) -> &'static [f64] {
        match (self, quick) {
            (Self::Xor | Self::Mu | Self::Pattern, false) => &[5e-4, 1e-3],
            _ => &[1e-3],
        }
    }

    /// Whether it is delayed XOR.
    fn is_xor(self) -> bool {
        matches!(self, Self::Xor | Self::Mu | Self::Types | Self::Taps)
    }

    /// Whether the trial is played at steps of 9 ms.
    fn is_coarse(self, quick: bool) -> bool {
        match self {
            Self::Types | Self::Taps => true,
            task => quick && task.is_xor(),
        }
    }

    /// Keys of its rules, and the changes that make them.
    fn rules(self) -> Vec<(String, Vec<String>)> {
        if matches!(self, Self::Types | Self::Taps) {
            return grids::rules(self);
        }
        let compared = |c: &Condition| self != Self::Mu || YARDSTICKS.contains(&c.key);
        let mut rules: Vec<(String, Vec<String>)> = CONDITIONS
            .iter()
            .filter(|c| compared(c))
            .map(|c| (c.key.to_string(), vec![format!("rule={}", c.rule)]))
            .collect();
        if self == Self::Mu {
            for (drive, mu) in MUS {
                let rule = format!(r#"rule={{kind="modprop", drive="{drive}", mu={mu:?}}}"#);
                rules.push((format!("modprop_typed_{drive} mu={mu}"), vec![rule]));
            }
        }
        rules
    }

    /// Changes to its experiment: what makes its trials quick.
    fn changes(self, quick: bool) -> &'static [&'static str] {
        match self {
            Self::Types => &[],
            Self::Taps => COARSE,
            _ if !quick => &[],
            Self::Xor | Self::Mu => COARSE,
            Self::Pattern => &[
                "task.length=200",
                "network.neuron.leak=0.846481724890614",
                "steps=60000",
                "evaluate.steps=200",
                "monitor=[{quantity=\"loss\",every=1000,window=200}]",
            ],
            Self::Smnist => &["steps=14000"],
        }
    }

    /// Changes to the seeds and steps of its experiment; quick grids, of many cells, are only begun.
    fn length(self, quick: bool) -> &'static [&'static str] {
        match (self, quick) {
            (Self::Mu | Self::Types | Self::Taps, true) => &["seeds=2", "steps=10000"],
            (_, true) => &["seeds=3"],
            (Self::Types | Self::Taps, false) => &["seeds=16"],
            (Self::Mu, false) => &["steps=900000"],
            _ => &[],
        }
    }

    /// Steps of a trial.
    fn trial(self, quick: bool) -> u64 {
        match self {
            task if task.is_coarse(quick) => 100,
            task if task.is_xor() => 900,
            Self::Pattern if quick => 200,
            Self::Pattern => 1000,
            _ => 28,
        }
    }
}

/// Delayed XOR at steps of 9 ms, 400 iterations; the leak is exp(−9 ms / 100 ms).
const COARSE: &[&str] = &[
    "task.cue=11",
    "task.delay=78",
    "network.neuron.leak=0.9139311852712282",
    "steps=40000",
    "evaluate.steps=400",
    "monitor=[{quantity=\"loss\",every=1000,window=1},{quantity=\"accuracy\",every=1000,window=1}]",
];

/// One rule with its settings.
struct Condition {
    key: &'static str,
    label: &'static str,
    colour: Colour,
    rule: &'static str,
}

/// The condition with this key.
fn condition(key: &str) -> Option<&'static Condition> {
    CONDITIONS.iter().find(|condition| condition.key == key)
}

static CONDITIONS: [Condition; 9] = [
    Condition {
        key: "bptt",
        label: "BPTT",
        colour: Colour::Black,
        rule: r#"{kind="bptt"}"#,
    },
    Condition {
        key: "modprop_cell_code",
        label: "ModProp, W, code (as released)",
        colour: Colour::Blue,
        rule: r#"{kind="modprop", drive="code", feedback_weights="cell"}"#,
    },
    Condition {
        key: "modprop_cell_paper",
        label: "ModProp, W, paper",
        colour: Colour::SkyBlue,
        rule: r#"{kind="modprop", drive="paper", feedback_weights="cell"}"#,
    },
    Condition {
        key: "modprop_typed_code",
        label: "ModProp, types, code",
        colour: Colour::Orange,
        rule: r#"{kind="modprop", drive="code", feedback_weights="typed"}"#,
    },
    Condition {
        key: "modprop_typed_paper",
        label: "ModProp, types, paper",
        colour: Colour::Vermilion,
        rule: r#"{kind="modprop", drive="paper", feedback_weights="typed"}"#,
    },
    Condition {
        key: "mdgl_cell",
        label: "MDGL, W",
        colour: Colour::Green,
        rule: r#"{kind="mdgl", feedback_weights="cell"}"#,
    },
    Condition {
        key: "mdgl_typed",
        label: "MDGL, types",
        colour: Colour::Purple,
        rule: r#"{kind="mdgl", feedback_weights="typed"}"#,
    },
    Condition {
        key: "three_factor",
        label: "three-factor",
        colour: Colour::Yellow,
        rule: r#"{kind="rflo"}"#,
    },
    Condition {
        key: "readout_only",
        label: "readout alone",
        colour: Colour::Grey,
        rule: r#"{kind="readout_only"}"#,
    },
];

/// What the grid of μ is compared with: its own published value, and the rule it should beat.
const YARDSTICKS: [&str; 3] = ["modprop_typed_code", "modprop_typed_paper", "three_factor"];

/// Values of μ beside the published one, for ModProp through types; with 0 the drive of the code is the three-factor rule.
const MUS: [(&str, f64); 5] = [
    ("paper", 0.0),
    ("paper", 0.5),
    ("paper", 1.0),
    ("code", 0.5),
    ("code", 1.0),
];

/// One cell of the plan.
struct Cell {
    task: Task,
    /// Key of the condition, with its μ where it is not the published one.
    rule: String,
    rate: f64,
    experiment: Experiment,
}

fn plan(tasks: &[Task], quick: bool) -> Result<Vec<Cell>> {
    let mut plan = Vec::new();
    for task in tasks.iter().copied() {
        for (key, rule) in task.rules() {
            for rate in task.rates(quick) {
                let mut changes = rule.clone();
                changes.push(format!("optimizer.rate={rate:?}"));
                changes.extend(task.changes(quick).iter().map(|c| (*c).to_string()));
                let length = task.length(quick).iter();
                changes.extend(length.map(|c| (*c).to_string()));
                if task == Task::Smnist {
                    let (images, labels) = mnist()?;
                    let text = |path: &Path| format!("{:?}", path.display().to_string());
                    changes.push(format!("task.images={}", text(&images)));
                    changes.push(format!("task.labels={}", text(&labels)));
                }
                plan.push(Cell {
                    task,
                    rule: key.clone(),
                    rate: *rate,
                    experiment: experiment::parse(task.toml(), &changes)?,
                });
            }
        }
    }
    Ok(plan)
}

/// The files of MNIST, of which 8,000 images are to train on and 2,000 for tests: any file of 10,000 or more will do.
fn mnist() -> Result<(PathBuf, PathBuf)> {
    data::mnist::find().map_err(|what| Error::Config {
        field: "task".into(),
        what: format!("got smnist, but {what}"),
        mend: "Fetch them from https://storage.googleapis.com/cvdf-datasets/mnist/ into the folder mnist or one that the variable \
               APICAL_MNIST names, or reproduce another task with --task xor or --task pattern."
            .into(),
    })
}

fn size(choice: Choice) -> Result<Size> {
    let plan = plan(&tasks(choice), choice.quick)?;
    let steps = different(&plan).iter().map(|e| e.steps * e.seeds).sum();
    // Costs are those of seed 0, and the exact gradient is followed beside.
    let seeds = plan
        .first()
        .map_or((0, 1), |cell| (cell.experiment.seed, cell.experiment.seeds));
    Ok((seeds, steps))
}

/// The experiments of a plan, each once.
fn different(plan: &[Cell]) -> Vec<Experiment> {
    let mut all: Vec<Experiment> = Vec::new();
    for cell in plan {
        if !all.contains(&cell.experiment) {
            all.push(cell.experiment.clone());
        }
    }
    all
}

fn reproduce(choice: Choice, runner: Runner<'_>) -> Result<Reproduction> {
    let (tasks, quick) = (tasks(choice), choice.quick);
    let plan = plan(&tasks, quick)?;
    let experiments = different(&plan);
    let made = runner.records(&experiments)?;
    let of = |cell: &Cell| {
        let found = experiments.iter().position(|e| *e == cell.experiment);
        found.map_or_else(Vec::new, |k| made[k].clone())
    };
    let records: Vec<_> = plan.iter().map(of).collect();
    let mut claims = Vec::new();
    let mut reports = Vec::new();
    let mut figures = Vec::new();
    for task in tasks.iter().copied() {
        let study = Study::new(task, quick, &plan, &records)?;
        claims.extend(study.claims());
        reports.push(study.report());
        figures.push((task.name().to_string(), study.figure()));
    }
    if choice.part.is_none()
        && let Err(why) = mnist()
    {
        reports.push(Report {
            name: "left-out".into(),
            title: "Left out".into(),
            on_screen: true,
            header: vec!["task".into(), "why".into()],
            rows: vec![vec![Task::Smnist.title().into(), why.to_string()]],
        });
    }
    if tasks.contains(&Task::Xor) {
        figures.push(("filter".to_string(), credit::figure(quick)?));
    }
    let mut tables = Vec::new();
    if choice.has(ALIGNMENT) {
        let (report, claim) = alignment::measure(quick, runner)?;
        reports.push(report);
        claims.push(claim);
    }
    if choice.has(COST) {
        let cost = cost::measure(quick, runner)?;
        figures.push((COST.to_string(), cost.figure));
        reports.extend(cost.reports);
        tables.push((COST.to_string(), cost.table));
    }
    for (cell, records) in plan.iter().zip(&records) {
        let mut table = metrics_table(records);
        let rows = table
            .columns
            .first()
            .map_or(0, |column| column.values.len());
        let named = [
            ("rate", cell.rate.to_string()),
            ("rule", cell.rule.clone()),
            ("task", cell.task.name().into()),
        ];
        for (name, value) in named {
            table
                .columns
                .insert(0, Column::text(name, vec![value; rows]));
        }
        let rule = cell.rule.replace([' ', '='], "_");
        tables.push((
            format!("{}-{rule}-{:e}", cell.task.name(), cell.rate),
            table,
        ));
    }
    Ok(Reproduction {
        figures,
        claims: Claims {
            paper: PAPER.into(),
            command: THIS.command(choice),
            claims,
        },
        reports,
        tables,
    })
}
