//! One rule trains, others watch: how well the gradients of different rules agree along one trajectory.

mod compared;
mod folder;
mod seed;

use apical::analysis::{Comparison, Passive};
use apical::rule::RuleSpec;
use apical::{Experiment, Learner, Precision, Scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compared::Compared;
use seed::SeedComparison;

use crate::experiment::{check_size, load, parse_unchecked, resolved};
use crate::memory;
use crate::runner::Runner;
use crate::{Error, Result};

/// Rules that are compared unless others are named.
pub const RULES: &str = "rtrl,rflo,uoro,kf_rtrl,r_kf_rtrl,dendritic,f_bptt,e_bptt";

/// A rule that watches, and its name in tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Watching {
    /// Name in tables; no two share one.
    pub label: String,
    /// The rule and its feedback.
    pub passive: Passive,
}

/// What is to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The experiment, with the rule that trains.
    pub experiment: Experiment,
    /// The rules that watch.
    pub rules: Vec<Watching>,
}

impl Plan {
    /// Reads the experiment `name` with `changes`, lets the rule `train` train it (that of the experiment if `None`) and the
    /// list `rules` watch.
    ///
    /// A rule is written `KIND`, `KIND.KEY=VALUE` or `KIND.KEY=VALUE+KEY=VALUE`, with `NAME:` in front to name it in tables.
    /// Keys are those of the rule, and `feedback` or `feedback.KEY` for its feedback pathway, which is the experiment's
    /// unless it says otherwise.
    ///
    /// # Errors
    /// An experiment that cannot be loaded, or a rule that is unknown or has a wrong setting; the nearest known word is
    /// suggested.
    pub fn new(name: &str, changes: &[String], train: Option<&str>, rules: &str) -> Result<Self> {
        Self::on(load(name, changes)?, train, rules)
    }

    /// As [`Plan::new`], on an experiment that was loaded before.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn on(base: Experiment, train: Option<&str>, rules: &str) -> Result<Self> {
        let experiment = Self::trainer(&base, train)?;
        let text = resolved(&base)?;
        let mut named = Vec::new();
        for entry in split(rules, ',') {
            let entry = entry.trim();
            let place = |error| within("--rules", entry, error);
            let (name, changes) = read(entry).map_err(place)?;
            let mut own = parse_unchecked(&text, &changes).map_err(place)?;
            own.task = base.task.clone();
            check_size(&own).map_err(place)?;
            let passive = Passive {
                rule: own.rule.clone(),
                feedback: (own.feedback != experiment.feedback).then(|| own.feedback.clone()),
                noise: 0,
            };
            let twice = [own.rule.clone(), own.rule.clone()];
            experiment
                .check_memory_with(memory::available(), &twice)
                .map_err(|error| place(error.into()))?;
            let pair = [passive.clone(), passive];
            can_watch(&experiment, &pair).map_err(place)?;
            named.push((name, own));
        }
        let watching: Vec<_> = named.iter().map(|(_, own)| own.rule.clone()).collect();
        experiment.check_memory_with(memory::available(), &watching)?;
        let plan = Self::of(experiment, named);
        plan.check()?;
        Ok(plan)
    }

    /// The experiment `base`, trained by the rule `train`, if one is named.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn trainer(base: &Experiment, train: Option<&str>) -> Result<Experiment> {
        let Some(entry) = train else {
            return Ok(base.clone());
        };
        let place = |error| within("--train", entry, error);
        let (_, changes) = read(entry).map_err(place)?;
        let mut changed = parse_unchecked(&resolved(base)?, &changes).map_err(place)?;
        // The monitors of one rule mean nothing to another, and nothing is recorded here.
        changed.monitor.clear();
        changed.task = base.task.clone();
        check_size(&changed).map_err(place)?;
        changed.check()?;
        Ok(changed)
    }

    /// Lets the rules of other experiments watch `experiment`, each through the feedback of its own.
    pub fn of(experiment: Experiment, rules: Vec<(String, Experiment)>) -> Self {
        let mut watching: Vec<Watching> = Vec::new();
        for (name, own) in rules {
            let taken = |label: &str| watching.iter().any(|other| other.label == label);
            let mut label = name.clone();
            for k in 2.. {
                if !taken(&label) {
                    break;
                }
                label = format!("{name} ({k})");
            }
            // The rule that trains shares its noise with its own copy; all others have noise of their own.
            let shared = own.feedback == experiment.feedback;
            let trains = shared && own.rule == experiment.rule;
            let copied = watching
                .iter()
                .any(|other| other.passive.rule == own.rule && other.passive.noise == 0);
            let draws = own.rule.info().stochastic || matches!(own.rule, RuleSpec::Combined(_));
            let noise = match draws {
                true if !trains || copied => watching.len() as u64 + 1,
                _ => 0,
            };
            let passive = Passive {
                rule: own.rule,
                feedback: (!shared).then_some(own.feedback),
                noise,
            };
            watching.push(Watching { label, passive });
        }
        Self {
            experiment,
            rules: watching,
        }
    }

    /// Finds out whether all rules can watch, before anything is computed.
    ///
    /// # Errors
    /// Those of [`Comparison::new`].
    pub fn check(&self) -> Result<()> {
        can_watch(&self.experiment, &self.passive())
    }

    /// Steps of all seeds.
    pub fn total_steps(&self) -> u64 {
        self.experiment.steps.saturating_mul(self.experiment.seeds)
    }

    fn passive(&self) -> Vec<Passive> {
        self.rules.iter().map(|rule| rule.passive.clone()).collect()
    }

    /// Trains every seed; the result does not depend on the number of threads, nor on whether seeds were found kept.
    ///
    /// # Errors
    /// Training that diverges, a kept seed that is damaged, or [`Error::Stopped`].
    pub fn run(&self, runner: Runner<'_>) -> Result<Compared> {
        let mut alignments =
            runner.each_seed(std::slice::from_ref(&self.experiment), |_, seed| match self
                .experiment
                .precision
            {
                Precision::F32 => SeedComparison::<f32>::new(self, seed)?.run(runner),
                Precision::F64 => SeedComparison::<f64>::new(self, seed)?.run(runner),
            })?;
        let first = self.experiment.seed;
        Ok(Compared {
            labels: self.rules.iter().map(|rule| rule.label.clone()).collect(),
            seeds: (0..self.experiment.seeds).map(|k| first + k).collect(),
            alignments: alignments.pop().unwrap_or_default(),
        })
    }
}

/// A learner of `experiment`, and rules that will watch it.
fn comparison<T: Scalar>(
    experiment: &Experiment,
    rules: &[Passive],
    seed: u64,
) -> Result<(Learner<T>, Comparison<T>)> {
    let learner = experiment.learner::<T>(seed)?;
    let has_trials = experiment.task.has_trials();
    let comparison = Comparison::new(rules, &learner, has_trials, seed)?;
    Ok((learner, comparison))
}

/// Refuses rules that cannot watch `experiment`; its start is not worked out.
fn can_watch(experiment: &Experiment, rules: &[Passive]) -> Result<()> {
    let learner = experiment.learner_without_start::<f32>(experiment.seed)?;
    let has_trials = experiment.task.has_trials();
    Comparison::new(rules, &learner, has_trials, experiment.seed)?;
    Ok(())
}

/// Name and changes of a rule as written on the command line.
fn read(entry: &str) -> Result<(String, Vec<String>)> {
    let wrong = |what: &str| {
        Error::Config {
        field: "rule".into(),
        what: what.into(),
        mend: "Write for example rflo, f_bptt.horizon=14 or near:dendritic.rate=0.05+feedback=symmetric.".into(),
    }
    };
    let (name, rule) = match entry.split_once(':') {
        Some((name, rule)) if !name.contains(['=', '.']) => (Some(name.trim()), rule.trim()),
        _ => (None, entry.trim()),
    };
    if rule.is_empty() || name == Some("") {
        return Err(wrong("nothing there, expected the name of a rule"));
    }
    let (kind, settings) = match rule.split_once('.') {
        Some((kind, settings)) => (kind, split(settings, '+')),
        None if rule.contains('=') => return Err(wrong("no rule before the settings")),
        None => (rule, Vec::new()),
    };
    let mut changes = vec![format!("rule.kind={kind}")];
    for setting in settings {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| wrong(&format!("`{setting}` has no `=`, expected key=value")))?;
        let key = key.trim();
        changes.push(match key {
            "feedback" => format!("feedback.kind={value}"),
            _ if key.starts_with("feedback.") => format!("{key}={value}"),
            _ => format!("rule.{key}={value}"),
        });
    }
    Ok((name.unwrap_or(rule).into(), changes))
}

/// Splits outside brackets and quotes; a `+` inside a number such as 1e+3 does not count.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut from) = (Vec::new(), 0i32, false, 0);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ if c == separator && depth == 0 && !quoted => {
                let exponent = separator == '+'
                    && before.eq_ignore_ascii_case(&'e')
                    && text[at + 1..].starts_with(|c: char| c.is_ascii_digit());
                if !exponent {
                    parts.push(&text[from..at]);
                    from = at + 1;
                }
            }
            _ => {}
        }
        before = c;
    }
    parts.push(&text[from..]);
    parts
}

/// The same error, with the rule it is about.
fn within(option: &str, entry: &str, error: Error) -> Error {
    let named = |field: &str| format!("{option} {entry}: {field}");
    match error {
        Error::Config { field, what, mend } => Error::Config {
            field: named(&field),
            what,
            mend,
        },
        Error::Apical(apical::Error::Invalid {
            field,
            value,
            expected,
            mend,
        }) => Error::Config {
            field: named(&field),
            what: format!("got {value}, expected {expected}"),
            mend,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn changes(entry: &str) -> (String, Vec<String>) {
        read(entry).unwrap()
    }

    #[test]
    fn rules_are_read_with_their_settings_and_names() {
        assert_eq!(
            changes("rflo"),
            ("rflo".into(), vec!["rule.kind=rflo".into()])
        );
        let (name, found) =
            changes("near: dendritic.jacobian.kind=exact+rate=1e+3+feedback=random");
        assert_eq!(name, "near");
        assert_eq!(
            found,
            [
                "rule.kind=dendritic",
                "rule.jacobian.kind=exact",
                "rule.rate=1e+3",
                "feedback.kind=random"
            ]
        );
        let (name, found) = changes("rflo.feedback.init={ kind = \"gaussian\", gain = 2.0 }");
        assert!(name.starts_with("rflo.feedback.init"));
        assert_eq!(
            found[1],
            "feedback.init={ kind = \"gaussian\", gain = 2.0 }"
        );
        for wrong in ["", "near:", "rate=1", "rflo.rate", ":rflo"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_split_outside_brackets() {
        assert_eq!(split("a,b=[1,2],c={ x = 1, y = 2 }", ',').len(), 3);
        assert_eq!(split("a=1e+3+b=2", '+'), ["a=1e+3", "b=2"]);
        assert_eq!(split("a=one+b=2", '+'), ["a=one", "b=2"]);
    }

    #[test]
    fn equal_rules_get_distinct_names_and_unequal_settings_their_own() {
        let plan = Plan::new(
            "marschall2019/lags46",
            &["steps=100".into()],
            Some("rtrl.feedback=symmetric"),
            "rflo,rflo,f_bptt.horizon=3,rflo.feedback=symmetric",
        )
        .unwrap();
        let labels: Vec<&str> = plan.rules.iter().map(|rule| &*rule.label).collect();
        assert_eq!(
            labels,
            [
                "rflo",
                "rflo (2)",
                "f_bptt.horizon=3",
                "rflo.feedback=symmetric"
            ]
        );
        assert_eq!(plan.experiment.rule.info().name, "rtrl");
        assert_ne!(plan.rules[0].passive, plan.rules[3].passive);
        assert_eq!(plan.rules[0].passive, plan.rules[1].passive);
    }

    #[test]
    fn seeds_threads_and_order_do_not_matter() {
        let changes = ["steps=300".into(), "seeds=3".into()];
        let plan = Plan::new("marschall2019/lags46", &changes, None, "rtrl,uoro,f_bptt").unwrap();
        let stop = AtomicBool::new(false);
        let run = |threads| {
            plan.run(Runner {
                threads,
                keep: None,
                stop: &stop,
                progress: &(),
            })
        };
        let one = run(1).unwrap();
        assert_eq!(one, run(3).unwrap());
        assert_eq!(one.means(0, 1), one.means(1, 0));
        assert_eq!(one.table().columns[0].values.len(), 9);
        assert_eq!(one.histogram_table().columns[0].values.len(), 300);
        let panel = one.heat_map("");
        assert_eq!(panel.heat.unwrap().values.len(), 2);
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(run(1), Err(Error::Stopped)));
    }
}
