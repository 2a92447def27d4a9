//! Liu, Smith, Mihalas, Shea-Brown & Sümbül 2022: ModProp beside the rules it is compared with, on three tasks.
//!
//! Released are one condition of one task and ten curves of it (`reference`); the paper's own numbers are not available to us. Conditions
//! are the experiments `liu2022/*` with one rule after another: BPTT, ModProp with the cells' weights and with their means over types,
//! either drive, MDGL, the three-factor rule, and the frozen control; on delayed XOR with both learning rates of the released script and, as a part of its own, a small
//! grid of μ. Curves are shown by the authors' protocol (moving mean over 15 records, best and worst run dropped, the better learning rate of each rule) and
//! whole. The quick version plays delayed XOR nine times as fast: the same trial at steps of 9 ms.

mod credit;
mod judge;
mod reference;

use std::path::{Path, PathBuf};

use apical::Experiment;

use super::{Choice, Paper, Report, Reproduction, Size};
use crate::claims::Claims;
use crate::figure::Colour;
use crate::record::metrics_table;
use crate::runner::Runner;
use crate::table::Column;
use crate::{Error, Result, experiment};
use judge::Study;

const PAPER: &str = "liu2022";

/// The paper; without the files of MNIST, the tasks there are data for.
pub(super) const THIS: Paper = Paper {
    key: PAPER,
    title: "Liu et al. 2022: ModProp beside BPTT, MDGL and the three-factor rule, on three tasks",
    part: "task",
    parts: &["xor", "mu", "pattern", "smnist"],
    in_turn: false,
    size,
    reproduce,
};

/// One of the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Xor,
    /// Delayed XOR over a grid of μ, the first 1,000 of its 3,000 iterations: rules differ in how soon they learn.
    Mu,
    Pattern,
    Smnist,
}

/// Those that are asked for, and where none is, those that can be run here.
fn tasks(choice: Choice) -> Vec<Task> {
    let mut tasks = vec![Task::Xor, Task::Mu, Task::Pattern, Task::Smnist];
    tasks.retain(|task| choice.has(task.name()));
    if choice.part.is_none() && mnist().is_err() {
        tasks.pop();
    }
    tasks
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Xor => "xor",
            Self::Mu => "mu",
            Self::Pattern => "pattern",
            Self::Smnist => "smnist",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Xor => "delayed XOR",
            Self::Mu => "delayed XOR over mu",
            Self::Pattern => "pattern generation",
            Self::Smnist => "sequential MNIST",
        }
    }

    fn toml(self) -> &'static str {
        match self {
            Self::Xor | Self::Mu => include_str!("../../../../experiments/liu2022/xor.toml"),
            Self::Pattern => include_str!("../../../../experiments/liu2022/pattern.toml"),
            Self::Smnist => include_str!("../../../../experiments/liu2022/smnist.toml"),
        }
    }

    /// Learning rates tried: the released script has two for delayed XOR.
    fn rates(self, quick: bool) -> &'static [f64] {
        match (self, quick) {
            (_, false) => &[5e-4, 1e-3],
            (_, true) => &[1e-3],
        }
    }

    /// Whether it is delayed XOR.
    fn is_xor(self) -> bool {
        matches!(self, Self::Xor | Self::Mu)
    }

    /// Keys of its rules, and the rules.
    fn rules(self) -> Vec<(String, String)> {
        // With the published mu only the filter without a leak becomes unstable.
        let compared = |c: &Condition| match self {
            Self::Mu => YARDSTICKS.contains(&c.key),
            Self::Smnist => true,
            _ => c.is_published(),
        };
        let mut rules: Vec<(String, String)> = CONDITIONS
            .iter()
            .filter(|c| compared(c))
            .map(|c| (c.key.to_string(), c.rule.to_string()))
            .collect();
        if self == Self::Mu {
            for (drive, mu) in MUS {
                let rule = format!(r#"{{kind="modprop", drive="{drive}", mu={mu:?}}}"#);
                rules.push((format!("modprop_typed_{drive} mu={mu}"), rule));
            }
        }
        rules
    }

    /// Changes to its experiment: the length of the grid, and what makes it quick.
    fn changes(self, quick: bool) -> &'static [&'static str] {
        match self {
            Self::Mu if !quick => &["steps=900000"],
            _ if !quick => &[],
            // exp(−9 ms / 100 ms).
            Self::Xor | Self::Mu => &[
                "task.cue=11",
                "task.delay=78",
                "network.neuron.leak=0.9139311852712282",
                "steps=40000",
                "evaluate.steps=400",
                "monitor=[{quantity=\"loss\",every=1000,window=1},{quantity=\"accuracy\",every=1000,window=1}]",
            ],
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

    /// Steps of a trial.
    fn trial(self, quick: bool) -> u64 {
        match (self, quick) {
            (Self::Xor | Self::Mu, false) => 900,
            (Self::Xor | Self::Mu, true) => 100,
            (Self::Pattern, false) => 1000,
            (Self::Pattern, true) => 200,
            (Self::Smnist, _) => 28,
        }
    }
}

/// One rule with its settings.
struct Condition {
    key: &'static str,
    label: &'static str,
    colour: Colour,
    rule: &'static str,
}

impl Condition {
    /// Whether the rule is one of the paper or of its code, or of those they compare with.
    fn is_published(&self) -> bool {
        !self.key.ends_with("adaptive")
    }
}

const CONDITIONS: [Condition; 11] = [
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
        key: "modprop_cell_adaptive",
        label: "ModProp, W, paper, adaptive mu (ours)",
        colour: Colour::SkyBlue,
        rule: r#"{kind="modprop", drive="paper", feedback_weights="cell", adaptive_mu=true}"#,
    },
    Condition {
        key: "modprop_typed_adaptive",
        label: "ModProp, types, paper, adaptive mu (ours)",
        colour: Colour::Vermilion,
        rule: r#"{kind="modprop", drive="paper", feedback_weights="typed", adaptive_mu=true}"#,
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
                let mut changes = vec![format!("rule={rule}"), format!("optimizer.rate={rate:?}")];
                if quick {
                    changes.push("seeds=3".into());
                }
                changes.extend(task.changes(quick).iter().map(|c| (*c).to_string()));
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

/// The files of MNIST, plain or gzipped, of which 8,000 images are to train on and 2,000 for tests: any file of 10,000 or more will do. They are
/// looked for in the folder that the variable APICAL_MNIST names, else in `mnist` and `../shared/data/mnist`.
fn mnist() -> Result<(PathBuf, PathBuf)> {
    let named = std::env::var_os("APICAL_MNIST").map(PathBuf::from);
    let folders = named.map_or_else(
        || vec!["mnist".into(), "../shared/data/mnist".into()],
        |folder| vec![folder],
    );
    let missing = |what: String| {
        Error::Config {
        field: "task".into(),
        what: format!("got smnist, but {what}"),
        mend: "Fetch them from https://storage.googleapis.com/cvdf-datasets/mnist/ into the folder mnist or one that the variable \
               APICAL_MNIST names, or reproduce another task with --task xor or --task pattern."
            .into(),
    }
    };
    for folder in &folders {
        for name in ["train", "t10k"] {
            let file = |kind: &str| {
                let path = folder.join(format!("{name}-{kind}-ubyte"));
                let zipped = path.with_extension("gz");
                [zipped, path].into_iter().find(|path| path.exists())
            };
            match (file("images-idx3"), file("labels-idx1")) {
                (Some(images), Some(labels)) => return Ok((images, labels)),
                (Some(images), None) => {
                    let images = images.display();
                    return Err(missing(format!(
                        "beside {images} there are no labels, expected {name}-labels-idx1-ubyte.gz"
                    )));
                }
                _ => {}
            }
        }
    }
    let places: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(missing(format!(
        "there are no files of MNIST in {}, expected train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz (or t10k)",
        places.join(" or ")
    )))
}

fn size(choice: Choice) -> Result<Size> {
    let plan = plan(&tasks(choice), choice.quick)?;
    let steps = different(&plan).iter().map(|e| e.steps * e.seeds).sum();
    let first = &plan[0].experiment;
    Ok(((first.seed, first.seeds), steps))
}

/// The experiments of a plan, each once: in the quick version the grid of μ shares some with the comparison of rules.
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
        figures.push((task.name(), study.figure()));
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
        figures.push(("filter", credit::figure(quick)?));
    }
    let mut tables = Vec::new();
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
