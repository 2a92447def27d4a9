//! `apical list | tasks | neurons | rules | schema`: what there is.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use apical::network::NetworkSpec;
use apical::neuron::NeuronSpec;
use apical::rule::{COMBINATIONS, RULES, RuleSpec};
use apical::schema::{self, Kind, Setting, written};
use apical::shown::shown;
use apical::task::{AddSpec, Sample, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};
use apical_runs::experiment::{BUILT_IN, BuiltIn, file_schema, load, resolved, suggestion};
use comfy_table::{ContentArrangement, Table, presets};
use schemars::JsonSchema;

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
    let kinds = schema::kinds::<TaskSpec>();
    let mut table = table(&["task", "what it asks", "sizes", "settings", "source"]);
    for info in apical::task::tasks() {
        let settings = in_line(settings(&kinds, info.name));
        table.add_row([info.name, info.summary, info.sizes, &settings, info.source]);
    }
    show(&table)
}

/// One task: its row as a list, and its settings.
pub fn task(name: &str) -> Result<ExitCode> {
    let tasks = apical::task::tasks();
    let names = tasks.iter().map(|info| info.name);
    let info = tasks[find("task", name, &names.collect::<Vec<_>>())?];
    let rows = [
        ["what it asks", info.summary],
        ["sizes", info.sizes],
        ["source", info.source],
    ];
    one::<TaskSpec>(["task", info.name], &rows)
}

/// The neurons.
pub fn neurons() -> Result<ExitCode> {
    let kinds = schema::kinds::<NeuronSpec>();
    let mut table = table(&[
        "neuron",
        "what it is",
        "equation",
        "states",
        "currents",
        "settings",
    ]);
    for info in apical::neuron::neurons() {
        let (states, currents) = (info.states.to_string(), info.currents.to_string());
        table.add_row([
            info.name,
            info.summary,
            info.equation,
            &states,
            &currents,
            &in_line(settings(&kinds, info.name)),
        ]);
    }
    show(&table)
}

/// One neuron: its row as a list, and its settings.
pub fn neuron(name: &str) -> Result<ExitCode> {
    let neurons = apical::neuron::neurons();
    let names = neurons.iter().map(|info| info.name);
    let info = neurons[find("neuron", name, &names.collect::<Vec<_>>())?];
    let (states, currents) = (info.states.to_string(), info.currents.to_string());
    let rows = [
        ["what it is", info.summary],
        ["equation", info.equation],
        ["states", &states],
        ["currents", &currents],
    ];
    one::<NeuronSpec>(["neuron", info.name], &rows)
}

/// Where `name` stands among the names of all of a sort.
fn find(sort: &str, name: &str, names: &[&str]) -> Result<usize> {
    match names.iter().position(|known| *known == name) {
        Some(index) => Ok(index),
        None => bail!(
            "{sort}: there is no `{}`, expected one of {}. {}",
            shown(name),
            names.join(", "),
            suggestion(name, names, &format!("`apical {sort}s` describes them."))
        ),
    }
}

fn settings<'a>(kinds: &'a [Kind], name: &str) -> &'a [Setting] {
    let found = kinds
        .iter()
        .find(|kind| kind.names.iter().any(|known| known == name));
    found.map_or(&[], |kind| &kind.settings)
}

/// Settings and their defaults.
fn in_line(settings: &[Setting]) -> String {
    let each = settings.iter().map(|setting| match &setting.default {
        Some(default) => format!("{} = {}", setting.name, written(default)),
        None => setting.name.clone(),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The row of the part `head` as a list, and a table of its settings, which are one kind of `T`.
fn one<T: JsonSchema + 'static>(head: [&str; 2], rows: &[[&str; 2]]) -> Result<ExitCode> {
    let mut list = table(&head);
    for row in rows {
        list.add_row(row);
    }
    show(&list)?;
    let kinds = schema::kinds::<T>();
    let settings = settings(&kinds, head[1]);
    if settings.is_empty() {
        print("\nIt has no settings.\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&[
        "setting",
        "type",
        "range",
        "unit",
        "default",
        "choices",
        "what it is",
    ]);
    for setting in settings {
        add_setting(&mut table, "", "", setting);
        // The settings of whole tasks have pages of their own.
        for kind in setting.inside.iter().filter(|_| setting.inside.len() < 10) {
            let of = kind
                .names
                .first()
                .map_or(String::new(), |name| format!("With {name}: "));
            for inner in &kind.settings {
                add_setting(&mut table, &format!("{}.", setting.name), &of, inner);
            }
        }
    }
    print("\n")?;
    show(&table)
}

fn add_setting(table: &mut Table, place: &str, of: &str, setting: &Setting) {
    let default = match &setting.default {
        Some(default) => written(default),
        None if setting.required => "must be given".into(),
        None => "-".into(),
    };
    let choices: Vec<&str> = setting
        .choices
        .iter()
        .map(|choice| choice.name.as_str())
        .collect();
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    table.add_row([
        format!("{place}{}", setting.name),
        setting.kind.to_string(),
        or_dash(&setting.range),
        or_dash(&setting.unit),
        default,
        if choices.is_empty() {
            "-".into()
        } else {
            choices.join(", ")
        },
        format!("{of}{}", setting.about),
    ]);
}

/// The JSON schema of experiment files.
pub fn print_schema() -> Result<ExitCode> {
    print(&(serde_json::to_string_pretty(&file_schema())? + "\n"))?;
    Ok(ExitCode::SUCCESS)
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

/// One rule: its row as a list, and its settings.
pub fn rule(name: &str) -> Result<ExitCode> {
    let rules = apical::rule::rules();
    let known = rules.iter().find(|info| info.answers_to(name));
    let info = match known {
        Some(info) => *info,
        None => {
            rules[find(
                "rule",
                name,
                &rules.iter().map(|info| info.name).collect::<Vec<_>>(),
            )?]
        }
    };
    let yes = |b: bool| if b { "yes" } else { "no" };
    let (memory, time) = (format!("O({})", info.memory), format!("O({})", info.time));
    let page = match RULES.iter().any(|known| known.name == info.name) {
        true => format!("docs/rules/{}.md", info.name),
        false => "none: it is not one of Apical's".into(),
    };
    let rows = [
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
    ];
    one::<RuleSpec>(["rule", info.name], &rows)
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
