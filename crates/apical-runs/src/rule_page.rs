//! What stands on top of a rule's page: its row of the table, and a figure of it learning beside its controls.

use std::fmt::Write;
use std::sync::atomic::AtomicBool;

use apical::Experiment;
use apical::rule::{COMBINATIONS, RULES, RuleInfo};

use crate::figure::{Colour, Curve, Figure, Panel, Weight};
use crate::record::SeedRecord;
use crate::runner::Runner;
use crate::{Result, experiment};

/// Where the table of a page begins and ends.
pub const BEGIN: &str = "<!-- table: from the program, do not edit -->\n";
/// See [`BEGIN`].
pub const END: &str = "<!-- end of table -->\n";

/// The table on top of a rule's page.
pub fn table(info: &RuleInfo) -> String {
    let yes = |b: bool| if b { "yes" } else { "no" };
    let mut names = format!("`{}`", info.name);
    for other in info.aliases {
        let _ = write!(names, ", also `{other}`");
    }
    let rows = [
        ("`rule.kind`", names),
        ("what it does", info.summary.into()),
        ("source", info.source.into()),
        ("drops", info.drops.into()),
        ("local in space", info.locality.text().into()),
        ("local in time", yes(info.local_in_time).into()),
        ("exact with fixed weights", yes(info.exact).into()),
        ("draws noise", yes(info.stochastic).into()),
        ("memory", format!("O({})", info.memory)),
        ("time a step", format!("O({})", info.time)),
    ];
    let mut text = format!("{BEGIN}| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text + END
}

/// The page with its table renewed; a page without one gets it after its title.
pub fn renew(page: &str, info: &RuleInfo) -> String {
    let table = table(info);
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) => {
            format!("{}{table}{}", &page[..begin], &page[end + END.len()..])
        }
        _ => {
            let (title, rest) = page.split_once('\n').unwrap_or((page, ""));
            format!("{title}\n\n{table}{rest}")
        }
    }
}

/// The combinations of `kind = "combined"` as a table, with their names if they have been published.
pub fn combinations() -> String {
    let mut text = String::from("| eligibility | credit | published as |\n|---|---|---|\n");
    for (eligibility, credit, name) in COMBINATIONS {
        let name = name.unwrap_or("**not published**");
        let _ = writeln!(text, "| {eligibility} | {credit} | {name} |");
    }
    text
}

/// Two coin tosses of the past, in units with a leak: hard enough for the frozen control to fail.
const STREAM: &str = r#"
    steps = 30000
    seeds = 5
    precision = "f32"
    loss = { kind = "softmax_cross_entropy" }
    feedback = { kind = "symmetric" }
    rule = { kind = "readout_only" }
    monitor = [{ quantity = "loss", every = 100, window = 1000 }]
    [task]
    kind = "add"
    lags = [2, 4]
    stretch = 2
    labels = "soft"
    [network]
    units = 32
    neuron = { kind = "rate", alpha = 0.5, activation = "tanh" }
    [optimizer]
    rate = 3e-3
    [evaluate]
    every = 0
    steps = 0
"#;

/// A stimulus to be reported after a delay, in short trials: for rules that learn from whole trials.
const TRIALS: &str = r#"
    steps = 120000
    seeds = 5
    precision = "f32"
    update = "trial"
    loss = { kind = "mean_squared_error" }
    feedback = { kind = "symmetric" }
    rule = { kind = "readout_only" }
    monitor = [{ quantity = "loss", every = 500, window = 5000 }]
    [task]
    kind = "sensorimotor_mapping"
    [network]
    units = 32
    neuron = { kind = "rate", alpha = 0.5, activation = "tanh" }
    [optimizer]
    rate = 3e-3
    clip = 1.0
    [evaluate]
    every = 0
    steps = 0
"#;

/// The experiment of a rule's figure, and settings that suit the rule.
fn experiments(name: &str) -> Result<[Experiment; 3]> {
    let text = text_of(name);
    let own: &[&str] = match name {
        // The readout learns as in the controls, the recurrent layer at a fraction of its rate.
        "miconi" => &[
            "optimizer.rates.W_rec=0.1",
            "optimizer.rates.W_in=0.1",
            "optimizer.rates.b_rec=0.1",
        ],
        "node_perturbation" => &[
            "optimizer.clip=1000",
            "optimizer.rates.W_rec=0.03",
            "optimizer.rates.W_in=0.03",
            "optimizer.rates.b_rec=0.03",
        ],
        "bptt" => &["update={ every = 50 }"],
        "dendritic" => &["feedback.kind=random"],
        "combined" => &["rule.credit={ kind = \"dendritic\" }"],
        "random_gradient" => &["rule.sigma=0.02"],
        _ => &[],
    };
    let with = |kind: &str, more: &[&str]| {
        let mut changes = vec![format!("rule.kind={kind}")];
        changes.extend(more.iter().map(|change| (*change).to_string()));
        experiment::parse(text, &changes)
    };
    Ok([
        with("readout_only", &[])?,
        with("rtrl", &[])?,
        with(name, own)?,
    ])
}

/// The rule learning, between the frozen control and the exact gradient.
///
/// # Errors
/// A name that is not in [`RULES`], or a run that fails.
pub fn figure(name: &str) -> Result<Figure> {
    let experiments = experiments(name)?;
    let runner = Runner {
        threads: 0,
        keep: None,
        stop: &AtomicBool::new(false),
        progress: &(),
    };
    let records = runner.records(&experiments)?;
    let mut curves = Vec::new();
    let looks = [
        ("readout alone", Colour::Grey),
        ("exact (rtrl)", Colour::Black),
        (name, Colour::Blue),
    ];
    for ((label, colour), records) in looks.into_iter().zip(&records) {
        add_curves(&mut curves, label, colour, records);
    }
    let unit = if experiments[0].loss.is_cross_entropy() {
        "cross-entropy (nats)"
    } else {
        "squared error"
    };
    Ok(Figure {
        title: String::new(),
        columns: 1,
        panels: vec![Panel {
            title: format!("{name} on {}", experiments[0].task.info().name),
            x_label: "step".into(),
            y_label: unit.into(),
            curves,
            log_y: text_of(name) == TRIALS,
            ..Panel::default()
        }],
    })
}

/// The experiment of a rule's figure, before its own settings.
fn text_of(name: &str) -> &'static str {
    match name {
        "miconi" | "node_perturbation" => TRIALS,
        _ => STREAM,
    }
}

/// Seeds light, their mean dark.
fn add_curves(curves: &mut Vec<Curve>, label: &str, colour: Colour, records: &[SeedRecord]) {
    let losses: Vec<_> = records
        .iter()
        .filter_map(|record| record.curve("loss"))
        .collect();
    let Some(first) = losses.first() else { return };
    let x: Vec<f64> = first.steps.iter().map(|step| *step as f64).collect();
    let line = |y: Vec<f64>, label: Option<String>, weight| Curve {
        label,
        x: x.clone(),
        y,
        colour,
        weight,
    };
    for loss in &losses {
        curves.push(line(loss.values.clone(), None, Weight::Light));
    }
    let mean = (0..x.len()).map(|k| {
        let values = losses.iter().filter_map(|loss| loss.values.get(k));
        values.sum::<f64>() / losses.len() as f64
    });
    curves.push(line(mean.collect(), Some(label.into()), Weight::Dark));
}

/// Names of all rules, each of which has a page.
pub fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|info| info.name)
}
