//! The parts of an experiment that take memory, and which setting asks for most.

use crate::constraint::DaleMethod;
use crate::feedback::FeedbackSpec;
use crate::learner::{LearnerSpec, Update};
use crate::network::NetworkSpec;
use crate::optimizer::{Method, OptimizerSpec};
use crate::rule::{Empty, RuleSpec};
use crate::sizes::{Need, Sizes, gigabytes, promised, room, total};
use crate::spec::Experiment;
use crate::stream::Stream;
use crate::synapse::Init;
use crate::task::TaskSpec;
use crate::{Error, Result};

/// Steps whose records have their place from the start.
const RECORDS: u64 = 1 << 24;
/// Sizes that nobody calls large: what is left with them does not come from the setting in question.
const SMALL: f64 = 16.0;
/// Bytes of names, counters and short lists.
const FIXED: f64 = 16_384.0;
/// What a checkpoint takes: a copy of the state, and the bytes of the file twice.
const COPIES: f64 = 3.0;

/// What an experiment consists of, as far as it takes memory.
#[derive(Clone)]
pub(crate) struct Plan<'a> {
    network: &'a NetworkSpec,
    feedback: &'a FeedbackSpec,
    optimizer: &'a OptimizerSpec,
    update: Update,
    rule: RuleSpec,
    watching: &'a [RuleSpec],
    sizes: Sizes,
    task: Option<&'a TaskSpec>,
    batch: usize,
    /// Whether there are tests, checkpoints, and bytes of records.
    tested: bool,
    saved: bool,
    steps: u64,
    records: f64,
}

impl<'a> Plan<'a> {
    pub fn of_learner(
        spec: &'a LearnerSpec,
        inputs: usize,
        outputs: usize,
        trial: u64,
        number: usize,
    ) -> Option<Self> {
        let mut sizes = Sizes::new(&spec.network, spec.batch, inputs, outputs, number)?;
        sizes.by_trial = matches!(spec.update, Update::Trial | Update::Trials(_));
        sizes.window = match spec.update {
            Update::Every(steps) => steps.min(trial) as f64,
            _ => trial as f64,
        };
        Some(Self {
            network: &spec.network,
            feedback: &spec.feedback,
            optimizer: &spec.optimizer,
            update: spec.update,
            rule: spec.rule.clone(),
            watching: &[],
            sizes,
            task: None,
            batch: spec.batch,
            tested: false,
            saved: false,
            steps: 0,
            records: 0.0,
        })
    }

    pub fn of_experiment(experiment: &'a Experiment) -> Option<Self> {
        let (inputs, outputs) = experiment.task.sizes();
        let number = experiment.precision.bytes();
        let (network, batch) = (&experiment.network, experiment.batch);
        let mut sizes = Sizes::new(network, batch, inputs, outputs, number)?;
        sizes.by_trial = matches!(experiment.update, Update::Trial | Update::Trials(_));
        let trial = experiment.task.longest_trial().unwrap_or(1);
        let window = match experiment.update {
            Update::Every(steps) => steps.min(experiment.task.longest_trial().unwrap_or(steps)),
            _ => trial,
        };
        sizes.window = window.min(experiment.steps) as f64;
        let rows = |every: u64| experiment.steps.min(RECORDS) as f64 / every.max(1) as f64 + 1.0;
        let channels = experiment.monitor.iter();
        let records = channels.map(|channel| {
            let window = channel.window.unwrap_or(channel.every).min(1_000_000);
            16.0 * rows(channel.every) + 8.0 * window as f64
        });
        Some(Self {
            network,
            feedback: &experiment.feedback,
            optimizer: &experiment.optimizer,
            update: experiment.update,
            rule: experiment.rule.clone(),
            watching: &[],
            sizes,
            task: Some(&experiment.task),
            batch,
            tested: experiment.evaluate.steps > 0,
            saved: true,
            steps: experiment.steps,
            records: records.sum(),
        })
    }

    /// With rules that watch beside the one that learns.
    pub fn watched_by(self, watching: &'a [RuleSpec]) -> Self {
        Self { watching, ..self }
    }

    /// Every part, under the setting it belongs to.
    pub fn needs(&self) -> Vec<Need> {
        let sizes = &self.sizes;
        let (n, batch) = (sizes.units, sizes.batch);
        let units = |bytes| Need::new("network.units", n, bytes);
        let outputs = batch * sizes.outputs * sizes.number;
        let weights = self.weights();
        let learned = [
            // Gradients, and error signals, predictions and targets.
            units(sizes.synapses() + sizes.readout() + sizes.plane() + 4.0 * outputs),
            Need::new("batch", batch, sizes.activity()),
            Need::new("rule.kind", self.rule.info().name, self.rule.memory(sizes)),
            Need::new(
                "optimizer.kind",
                format!("{:?}", self.optimizer.kind).to_lowercase(),
                self.optimized(),
            ),
            Need::new("feedback.kind", "its own weights", self.fed_back()),
        ];
        // Weights are drawn before the rest is there.
        let start = (self.start() - total(&learned)).max(0.0);
        let mut needs = vec![units(weights + FIXED), units(start)];
        needs.extend(learned);
        if self.saved {
            let state = total(&needs) - start;
            needs.push(Need::new("network.units", n, COPIES * state));
        }
        let lag = |rule: &RuleSpec| match rule {
            RuleSpec::FBptt(spec) => spec.horizon as f64,
            _ => 1.0,
        };
        let longest = self.watching.iter().map(lag).fold(1.0, f64::max);
        for rule in self.watching {
            // Gradients wait for those of the rule that comes latest.
            let gradients = longest - lag(rule) + 3.0;
            let bytes = rule.memory(sizes) + gradients * sizes.synapses();
            needs.push(Need::new("--rules", rule.info().name, bytes));
        }
        let times = if self.tested { 2.0 } else { 1.0 };
        if self.tested {
            needs.push(Need::new("batch", batch, sizes.activity()));
        }
        if let Some(task) = self.task {
            let (inputs, outputs) = (sizes.inputs, sizes.outputs);
            let row = inputs + 3.0 * outputs;
            let source = size_of::<Stream>() as f64 + 64.0;
            let sample = batch * (row * sizes.number + source) + 8.0 * row;
            needs.push(Need::new("batch", batch, times * sample));
            let batch = if batch == self.batch as f64 {
                self.batch
            } else {
                1
            };
            let own = task.needs(batch).into_iter();
            needs.extend(own.map(|need| Need {
                bytes: self.times(&need) * need.bytes,
                ..need
            }));
        }
        needs.push(Need::new("steps", self.steps, self.records));
        needs
    }

    /// How often what a task keeps is there: for training and for tests, and in a checkpoint.
    fn times(&self, need: &Need) -> f64 {
        let copies = if self.saved && need.saved {
            COPIES
        } else {
            0.0
        };
        1.0 + f64::from(u8::from(self.tested)) + copies
    }

    /// Bytes of everything.
    pub fn bytes(&self) -> f64 {
        total(&self.needs())
    }

    /// Refuses what takes more than the `there` bytes there are; not a number where that is not known.
    pub fn check(&self, there: f64) -> Result<()> {
        let bytes = self.bytes();
        if bytes <= there {
            return Ok(());
        }
        let Culprit { key, value, mend } = self.culprit();
        let rule = self.rule.info().name;
        let expected = format!(
            "what fits into {}: with the rule `{rule}` this needs about {}",
            room(there),
            gigabytes(bytes)
        );
        Err(Error::invalid(key, value, expected, mend))
    }

    /// Refuses what the system does not even promise memory for.
    pub fn check_promise(&self) -> Result<()> {
        if promised(self.bytes()) {
            return Ok(());
        }
        self.check(f64::NAN)
    }

    /// Without which setting least would be left.
    fn culprit(&self) -> Culprit {
        let sizes = &self.sizes;
        let mut found: Vec<(f64, Culprit)> = Vec::new();
        let mut without = |key: &str, value: String, mend: &str, change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            let mend = format!("{mend}; did a digit slip in?");
            let key = key.to_string();
            found.push((plan.bytes(), Culprit { key, value, mend }));
        };
        let other = Self {
            rule: RuleSpec::ReadoutOnly(Empty {}),
            ..self.clone()
        };
        let by_rule = other.bytes() < 0.5 * self.bytes();
        let fewer = if by_rule {
            "Use fewer units, or a rule that keeps less (`apical rules`)"
        } else {
            "Use fewer units"
        };
        if !self.watching.is_empty() {
            let names: Vec<&str> = self.watching.iter().map(|rule| rule.info().name).collect();
            let mend = "Let fewer rules watch, or with shorter horizons";
            without("--rules", names.join(", "), mend, &|plan| {
                plan.watching = &[]
            });
        }
        without("network.units", sizes.units.to_string(), fewer, &|plan| {
            plan.sizes.units = plan.sizes.units.min(SMALL);
        });
        without(
            "batch",
            sizes.batch.to_string(),
            "Use a smaller batch",
            &|plan| {
                plan.sizes.batch = 1.0;
            },
        );
        if let Some((key, value)) = self.task.and_then(TaskSpec::width) {
            without(key, value.to_string(), "Set it lower", &|plan| {
                plan.sizes.inputs = plan.sizes.inputs.min(SMALL);
                plan.sizes.outputs = plan.sizes.outputs.min(SMALL);
            });
        } else {
            let value = format!("{} inputs, {} outputs", sizes.inputs, sizes.outputs);
            without("task", value, "Use fewer", &|plan| {
                plan.sizes.inputs = plan.sizes.inputs.min(SMALL);
                plan.sizes.outputs = plan.sizes.outputs.min(SMALL);
            });
        }
        without(
            "network.types",
            sizes.types.to_string(),
            "Use fewer types",
            &|plan| {
                plan.sizes.types = 1.0;
            },
        );
        if let Some((key, value)) = self.rule.reach() {
            without(key, value.to_string(), "Set it lower", &|plan| {
                plan.rule = plan.rule.shortest();
            });
        }
        let (key, value) = match self.update {
            Update::Every(steps) if steps as f64 <= sizes.window => {
                ("update.every", steps.to_string())
            }
            _ => ("task", format!("trials of {} steps", sizes.window)),
        };
        without(
            key,
            value,
            "Make it shorter, or use a rule that learns at every step",
            &|plan| {
                plan.sizes.window = 1.0;
            },
        );
        without(
            "steps",
            self.steps.to_string(),
            "Run fewer steps, or record less often with monitor.every",
            &|plan| {
                plan.records = 0.0;
            },
        );
        // What a task keeps for itself, each under its own setting.
        let batch = self.batch;
        let largest = self.task.map(|task| task.needs(batch)).unwrap_or_default();
        for need in largest {
            let left = self.bytes() - self.times(&need) * need.bytes;
            let mend = "Set it lower; did a digit slip in?".into();
            let Need { key, value, .. } = need;
            found.push((left, Culprit { key, value, mend }));
        }
        let least = found.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        least.map_or_else(
            || Culprit {
                key: "network.units".into(),
                value: sizes.units.to_string(),
                mend: "Use fewer units.".into(),
            },
            |(_, culprit)| culprit,
        )
    }

    /// Weights, and what tells which of them there may be.
    fn weights(&self) -> f64 {
        let sizes = &self.sizes;
        let (n, rows) = (sizes.units, sizes.currents * sizes.units);
        let mut bytes = sizes.synapses() + sizes.readout() + sizes.matrix(sizes.states, n);
        if self.network.output_feedback.is_some() {
            bytes +=
                sizes.matrix(sizes.currents * sizes.outputs, n) + sizes.matrix(n, sizes.outputs);
        }
        if let Some(sparsity) = &self.network.sparsity {
            bytes += sizes.matrix(rows, n);
            if sparsity.rewiring.is_some() {
                let places = rows + sizes.outputs;
                bytes += 2.0 * sizes.matrix(places, n) + 16.0 * places * n;
            }
        }
        if let Some(dale) = &self.network.dale
            && dale.method == DaleMethod::Magnitude
        {
            bytes += sizes.matrix(rows + sizes.outputs, n);
        }
        bytes
    }

    /// What weights are worked out with, in f64, at the start.
    fn start(&self) -> f64 {
        let sizes = Sizes {
            number: 8.0,
            ..self.sizes.clone()
        };
        let of = |init: &Init, rows: f64, columns: f64| match init {
            Init::Orthogonal { .. } => 2.0 * sizes.matrix(rows.min(columns), rows.max(columns)),
            // Weights, and the complex matrix whose eigenvalues are sought.
            Init::Balanced {} | Init::Typed { .. } => 24.0 * sizes.units * (sizes.units + 4.0),
            _ => 0.0,
        };
        let (n, network) = (sizes.units, self.network);
        let recurrent = of(&network.recurrent, n, n);
        let others =
            of(&network.input, n, sizes.inputs).max(of(&network.readout, sizes.outputs, n));
        recurrent.max(others)
    }

    /// Moments, and rows of rates.
    fn optimized(&self) -> f64 {
        let sizes = &self.sizes;
        let copies = match self.optimizer.kind {
            Method::Sgd => 0.0,
            Method::Momentum => 1.0,
            Method::Adam => 2.0,
        };
        copies * (sizes.synapses() + sizes.readout()) + 7.0 * sizes.vector(sizes.pre())
    }

    /// B, and B as it is drawn.
    fn fed_back(&self) -> f64 {
        let sizes = &self.sizes;
        match self.feedback {
            FeedbackSpec::Symmetric {} | FeedbackSpec::None {} => 0.0,
            _ => {
                sizes.matrix(sizes.outputs, sizes.units) + sizes.matrix(sizes.units, sizes.outputs)
            }
        }
    }
}

/// The setting that asks for most.
struct Culprit {
    key: String,
    value: String,
    mend: String,
}
