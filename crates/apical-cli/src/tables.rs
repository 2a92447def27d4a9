//! `apical list | tasks | neurons | rules`: what there is.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use apical::network::NetworkSpec;
use apical::rule::{COMBINATIONS, RULES, RuleSpec};
use apical::shown::shown;
use apical::task::{AddSpec, Sample, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};
use apical_runs::experiment::{BUILT_IN, BuiltIn, load, resolved, suggestion};
use comfy_table::{ContentArrangement, Table, presets};

use crate::print;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(160);
    }
    table.set_header(header);
    table
}

fn show(table: &Table) -> Result<ExitCode> {
    print(&format!("{table}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The text of a built-in experiment; with `resolved`, every setting of it or of a file.
pub fn experiment(name: &str, is_resolved: bool) -> Result<ExitCode> {
    let text = match BuiltIn::find(name) {
        Some(found) if is_resolved => resolved(&found.settings()?)?,
        Some(found) => found.toml.to_string(),
        None if is_resolved => resolved(&load(name, &[])?)?,
        None => {
            load(name, &[])?;
            bail!(
                "experiment: `{name}` is a file, expected the name of a built-in one. `apical list` shows them; `apical list {name} --resolved` prints every setting of the file."
            );
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The built-in experiments.
pub fn experiments() -> Result<ExitCode> {
    let mut table = table(&["experiment", "what it is", "steps", "seeds", "rule"]);
    for built_in in BUILT_IN {
        let e = built_in.settings()?;
        let rule = e.rule.info().name;
        let cells = [
            built_in.name,
            &e.title,
            &e.steps.to_string(),
            &e.seeds.to_string(),
            rule,
        ];
        table.add_row(cells.map(String::from));
    }
    show(&table)
}

/// The tasks.
pub fn tasks() -> Result<ExitCode> {
    let mut table = table(&["task", "what it asks", "sizes", "options", "source"]);
    for info in apical::task::tasks() {
        table.add_row([
            info.name,
            info.summary,
            info.sizes,
            info.options,
            info.source,
        ]);
    }
    show(&table)
}

/// The neurons.
pub fn neurons() -> Result<ExitCode> {
    let mut table = table(&[
        "neuron",
        "what it is",
        "equation",
        "states",
        "currents",
        "options",
    ]);
    for info in apical::neuron::neurons() {
        let (states, currents) = (info.states.to_string(), info.currents.to_string());
        table.add_row([
            info.name,
            info.summary,
            info.equation,
            &states,
            &currents,
            info.options,
        ]);
    }
    show(&table)
}

/// BibTeX for what an experiment uses.
pub fn cite(experiment: &str, changes: &[String]) -> Result<ExitCode> {
    let experiment = load(experiment, changes)?;
    let entries = apical_runs::citations::of(&experiment);
    print(&(entries.join("\n\n") + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The rules; with `timing`, the time of a step is measured now.
pub fn rules(timing: bool) -> Result<ExitCode> {
    let mut table = table(&[
        "rule",
        "what it does",
        "local in space",
        "local in time",
        "exact",
        "stochastic",
        "memory",
        "time a step",
        "at n = 32, f32",
    ]);
    let yes = |b: bool| if b { "yes" } else { "no" };
    for info in apical::rule::rules() {
        let measured = if timing {
            format!("{:.1} us", step_time(info.name)? * 1e6)
        } else {
            "-".into()
        };
        table.add_row([
            info.name,
            info.summary,
            info.locality.text(),
            yes(info.local_in_time),
            yes(info.exact),
            yes(info.stochastic),
            info.memory,
            &format!("O({})", info.time),
            &measured,
        ]);
    }
    show(&table)?;
    let mut combinations = self::table(&["eligibility", "credit", "published as"]);
    for (eligibility, credit, name) in COMBINATIONS {
        combinations.add_row([
            *eligibility,
            credit,
            name.unwrap_or("NOT PUBLISHED: yours to try"),
        ]);
    }
    print("\nrule.kind = \"combined\" joins any eligibility with any credit:\n")?;
    show(&combinations)
}

/// One rule: its row, as a list.
pub fn rule(name: &str) -> Result<ExitCode> {
    let names: Vec<&str> = apical::rule::rules().iter().map(|info| info.name).collect();
    let known = RuleSpec::by_name(name);
    if known.is_err() {
        bail!(
            "rule: there is no `{}`, expected one of {}. {}",
            shown(name),
            names.join(", "),
            suggestion(name, &names, "`apical rules` describes them.")
        );
    }
    let info = known?.info();
    let yes = |b: bool| if b { "yes" } else { "no" };
    let (memory, time) = (format!("O({})", info.memory), format!("O({})", info.time));
    let page = match RULES.iter().any(|known| known.name == info.name) {
        true => format!("docs/rules/{}.md", info.name),
        false => "none: it is not one of Apical's".into(),
    };
    let mut table = table(&["rule", info.name]);
    for row in [
        ["other names", &info.aliases.join(", ")],
        ["what it does", info.summary],
        ["source", info.source],
        ["drops", info.drops],
        ["local in space", info.locality.text()],
        ["local in time", yes(info.local_in_time)],
        ["exact with fixed weights", yes(info.exact)],
        ["draws noise", yes(info.stochastic)],
        ["memory", &memory],
        ["time a step", &time],
        ["page", &page],
    ] {
        table.add_row(row);
    }
    show(&table)
}

/// Least time of a learning step at n = 32 over a few short runs, seconds.
fn step_time(rule: &str) -> Result<f64> {
    let update = if rule == "bptt" {
        Update::Every(100)
    } else {
        Update::Step
    };
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: 32,
            ..NetworkSpec::default()
        },
        rule: RuleSpec::by_name(rule)?,
        update,
        ..LearnerSpec::default()
    };
    let mut learner = Learner::<f32>::new(&spec, 2, 2, 0)?;
    let task = TaskSpec::Add(AddSpec::default());
    let mut task = task.build(1, 100_000, &Streams::new(0), "train")?;
    let mut sample = Sample::new(1, 2, 2);
    let mut least = f64::INFINITY;
    for _ in 0..9 {
        let begun = Instant::now();
        for _ in 0..500 {
            task.next(&mut sample);
            learner.learn_sample(&sample)?;
        }
        least = least.min(begun.elapsed().as_secs_f64() / 500.0);
    }
    Ok(least)
}
