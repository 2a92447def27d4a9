//! `apical check`: the receipt of each rule, as text or JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use anyhow::{Context, Result, bail};
use apical::check::{
    Measured, NeuronReceipt, Receipt, STANDARD_ERRORS, Settings, TimeVerdict, Verdict,
    neuron_receipt, receipt,
};
use apical::neuron::NeuronSpec;
use apical::rule::{Locality, RuleSpec};
use apical::shown::shown;
use apical_runs::experiment::suggestion;
use serde::Serialize;

use crate::{COMMIT, VERSION, command_line, numbers, print, signals, tell};

/// What to check.
#[derive(clap::Args)]
pub struct Arguments {
    /// Rules or neurons to check; all rules if none is named.
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Random networks for each relation.
    #[arg(long, default_value_t = Settings::default().cases, value_parser = numbers::whole)]
    cases: u64,
    /// Seed of the first network; the next ones follow.
    #[arg(long, default_value_t = Settings::default().seed, value_parser = numbers::whole)]
    seed: u64,
    /// Draws of noise for each stochastic rule and network.
    #[arg(long, default_value_t = Settings::default().draws, value_parser = numbers::whole)]
    draws: u64,
    /// Print JSON instead, or with a file name write it there too.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    json: Option<String>,
}

/// Everything as it stands in the JSON.
#[derive(Serialize)]
struct Report<'a> {
    version: &'a str,
    commit: &'a str,
    command: String,
    settings: Settings,
    passed: bool,
    rules: &'a [Receipt],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    neurons: &'a [NeuronReceipt],
}

/// Checks the rules; the exit code is 1 if one fails.
pub fn check(arguments: &Arguments) -> Result<ExitCode> {
    let settings = Settings {
        seed: arguments.seed,
        cases: arguments.cases,
        draws: arguments.draws,
    };
    settings.check()?;
    let (names, neurons) = apart(&arguments.rules);
    let rules = match arguments.rules.is_empty() {
        true => all()?,
        false => named(&names)?,
    };
    let quiet = arguments.json.as_deref() == Some("-");
    if !quiet {
        print(&heading(&settings))?;
    }
    let mut receipts = Vec::new();
    let outcome = each(&rules, &settings, signals::heeded(), |receipt| {
        if !quiet {
            print(&text(&receipt))?;
        }
        receipts.push(receipt);
        Ok(())
    });
    if let Err(Stopped) = outcome? {
        tell(&format!(
            "stopped after {} of {} rules; nothing was written",
            receipts.len(),
            rules.len()
        ));
        return Ok(signals::stopped());
    }
    let mut units = Vec::new();
    for neuron in &neurons {
        let receipt = match neuron_receipt(neuron, &settings, signals::heeded()) {
            Err(apical::Error::Stopped) => return Ok(signals::stopped()),
            receipt => receipt?,
        };
        if !quiet {
            print(&neuron_text(&receipt))?;
        }
        units.push(receipt);
    }
    if !quiet && !receipts.is_empty() {
        print(&summary(&receipts))?;
    }
    let passed = receipts.iter().all(|receipt| receipt.passed) && units.iter().all(|r| r.passed);
    if let Some(file) = &arguments.json {
        let report = Report {
            version: VERSION,
            commit: COMMIT,
            command: command_line(),
            settings,
            passed,
            rules: &receipts,
            neurons: &units,
        };
        let json = serde_json::to_string_pretty(&report)? + "\n";
        if quiet {
            print(&json)?;
        } else {
            std::fs::write(Path::new(file), json)
                .with_context(|| format!("{file}: the receipt cannot be written"))?;
        }
    }
    Ok(ExitCode::from(u8::from(!passed)))
}

/// Names that are not those of neurons, and the neurons.
fn apart(names: &[String]) -> (Vec<String>, Vec<NeuronSpec>) {
    let (mut rules, mut neurons) = (Vec::new(), Vec::new());
    for name in names {
        match NeuronSpec::by_name(name) {
            Ok(neuron) => neurons.push(neuron),
            Err(_) => rules.push(name.clone()),
        }
    }
    (rules, neurons)
}

/// Every rule there is.
fn all() -> Result<Vec<RuleSpec>> {
    let rules = apical::rule::rules().into_iter();
    let rules = rules.map(|info| RuleSpec::by_name(info.name));
    Ok(rules.collect::<Result<_, _>>()?)
}

/// The rules of these names, each once.
fn named(names: &[String]) -> Result<Vec<RuleSpec>> {
    let mut rules: Vec<RuleSpec> = Vec::new();
    for name in names {
        let Ok(rule) = RuleSpec::by_name(name) else {
            let rules = apical::rule::rules().into_iter();
            let names = rules.clone().map(|info| info.name);
            let aliases = rules.flat_map(|info| info.aliases.iter().copied());
            let known: Vec<&str> = names.chain(aliases).collect();
            let mend = suggestion(name, &known, "`apical rules` lists them.");
            bail!(
                "rule: there is no `{}`, expected one of {}. {mend}",
                shown(name),
                known.join(", ")
            );
        };
        if !rules
            .iter()
            .any(|known| known.info().name == rule.info().name)
        {
            rules.push(rule);
        }
    }
    Ok(rules)
}

/// Not all rules were checked.
struct Stopped;

/// Checks every rule on all cores until `stop` is set; `done` gets the receipts in the order of `rules`.
fn each(
    rules: &[RuleSpec],
    settings: &Settings,
    stop: &AtomicBool,
    mut done: impl FnMut(Receipt) -> Result<()>,
) -> Result<Result<(), Stopped>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.min(rules.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, rule)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    rules.get(index).map(|rule| (index, rule))
                } {
                    let result = receipt(rule, settings, stop);
                    if matches!(result, Err(apical::Error::Stopped))
                        || sender.send((index, result)).is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (index, result) in results {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&due) {
                let rule = rules[due].info().name;
                done(result.with_context(|| format!("{rule}: cannot be checked"))?)?;
                due += 1;
            }
        }
        Ok(if due < rules.len() {
            Err(Stopped)
        } else {
            Ok(())
        })
    })
}

fn heading(settings: &Settings) -> String {
    let Settings { seed, cases, draws } = *settings;
    let last = seed.wrapping_add(cases - 1);
    format!(
        "{cases} random networks a relation (seeds {seed} to {last}), {draws} draws of noise, 64 bits\n\
         --cases 1 --seed S repeats the network with seed S\n"
    )
}

/// Width of the sentences, so that the numbers stand in columns.
const WIDTH: usize = 86;

/// The receipt of one rule.
fn text(receipt: &Receipt) -> String {
    let mut out = String::new();
    let rule = &receipt.rule;
    let mut line = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line("");
    line(&format!("{}  {}", verdict(receipt.passed), rule.name));
    line(&format!("  is      {}", rule.summary));
    line(&format!("  drops   {}", rule.drops));
    for (k, locality) in receipt.locality.iter().enumerate() {
        let head = if k == 0 { "space" } else { "" };
        for (k, text) in space(locality).iter().enumerate() {
            line(&format!("  {:6}  {text}", if k == 0 { head } else { "" }));
        }
    }
    line(&format!("  time    {}", time(&receipt.time)));
    let head = |what: &str, numbers: &str| format!("  {what:WIDTH$}  {numbers}");
    let (hold, not): (Vec<&Measured>, Vec<&Measured>) =
        receipt.relations.iter().partition(|r| r.holds);
    if !hold.is_empty() {
        line(&head("relations", "  largest    bound  at seed"));
        hold.iter().for_each(|r| line(&relation(r)));
    }
    if !not.is_empty() {
        line(&head(
            "negative controls: must not agree",
            "   median    bound  smallest",
        ));
        not.iter().for_each(|r| line(&relation(r)));
    }
    for (k, mean) in receipt.unbiased.iter().enumerate() {
        if k == 0 {
            line(&format!("  mean over {} draws of noise", mean.draws));
        }
        let mark = mark(mean.passed);
        line(&format!("{mark}   {}", mean.case));
        line(&format!(
            "      share of the exact gradient {:.3} ± {:.3} (must be 1 within {STANDARD_ERRORS} standard errors; with noise of \
             variance 1/3 it misses by {:.0})",
            mean.share, mean.standard_error, mean.control
        ));
        line(&format!(
            "      {} elements: the worst is {:.2} standard errors away (at most {:.2}), rms {:.2} (near 1)",
            mean.elements, mean.worst, mean.bound, mean.rms
        ));
    }
    out
}

/// The receipt of one neuron.
fn neuron_text(receipt: &NeuronReceipt) -> String {
    let NeuronReceipt {
        neuron,
        relations,
        passed,
    } = receipt;
    let head = format!(
        "\n{}  {}\n  is      {}, {}\n  {:WIDTH$}    largest    bound  at seed\n",
        verdict(*passed),
        neuron.name,
        neuron.summary,
        neuron.equation,
        "relations"
    );
    let rows = relations.iter().map(|r| relation(r) + "\n");
    head + &rows.collect::<String>()
}

fn verdict(passed: bool) -> &'static str {
    if passed { "PASS" } else { "FAIL" }
}

/// In front of a line: nothing, or what the eye should find.
fn mark(passed: bool) -> &'static str {
    if passed { " " } else { "X" }
}

fn relation(measured: &Measured) -> String {
    let seed = measured.nearest.split(':').next().unwrap_or_default();
    let seed = seed.trim_start_matches("seed ");
    let bound = short(measured.bound);
    let (number, last) = if measured.holds {
        (measured.largest, seed.to_string())
    } else {
        (
            measured.median,
            format!("{} (seed {seed})", short(measured.smallest)),
        )
    };
    let sign = if measured.holds { "<=" } else { "> " };
    let mut line = format!(
        "{}   {:WIDTH$} {:>9} {sign} {bound:>5}  {last}",
        mark(measured.passed),
        measured.says,
        short(number)
    );
    if !measured.passed || measured.cases == 1 {
        let _ = write!(line, "\n      {}", measured.nearest);
    }
    line
}

/// A number in few characters.
fn short(number: f64) -> String {
    if number == 0.0 {
        "0".into()
    } else if (0.01..100.0).contains(&number) {
        format!("{number:.2}")
    } else if number == 10f64.powi(number.log10().round() as i32) {
        format!("{number:.0e}")
    } else {
        format!("{number:.1e}")
    }
}

/// The verdict on what a synapse sees, in a line or two.
fn space(verdict: &Verdict) -> Vec<String> {
    let Verdict {
        synapses,
        synapse,
        dendrite,
        ..
    } = verdict;
    let settings = match verdict.settings.as_str() {
        "" => String::new(),
        words => format!(", with {words}"),
    };
    let declared = match verdict.declared {
        Locality::Synapse => "local",
        Locality::Dendrite => "local through own synapses",
        Locality::Network => "not local",
    };
    let wrong = if verdict.passed { "" } else { "X but " };
    let head = format!("{declared}{settings}: {wrong}");
    let keep = "synapses keep their update, bit by bit, whatever happens elsewhere";
    let mut lines = Vec::new();
    match verdict.declared {
        _ if verdict.is_trivial() => lines.push(format!(
            "{head}none of {synapses} recurrent synapses is ever updated: nothing to audit"
        )),
        Locality::Synapse => lines.push(format!("{head}{synapse} of {synapses} {keep}")),
        Locality::Dendrite => {
            lines.push(format!("{head}{dendrite} of {synapses} {keep},"));
            lines.push(format!(
                "given what is sent ({synapse} of {synapses} if not): rates of all units;"
            ));
            lines.push(verdict.channels.join("; "));
        }
        Locality::Network => {
            let uses: Vec<&str> = verdict.uses.iter().map(|hidden| hidden.text()).collect();
            let names = verdict.memory.iter();
            let names: Vec<&str> = names.map(|n| n.rsplit('.').next().unwrap_or(n)).collect();
            let memory = match names.as_slice() {
                [] => String::new(),
                [a, b, c, _, ..] => format!(" ({a}, {b}, {c}, ...)"),
                names => format!(" ({})", names.join(", ")),
            };
            lines.push(format!(
                "{head}{} of {synapses} synapses change their update with what happens elsewhere,",
                synapses - dendrite
            ));
            lines.push(format!("in {}{memory}", uses.join(", ")));
        }
    }
    lines
}

/// The verdict on time.
fn time(verdict: &TimeVerdict) -> String {
    let declared = match verdict.declared_local {
        true => "local",
        false => "not local",
    };
    let wrong = if verdict.passed { "" } else { "X but " };
    let owed = match (verdict.owing, verdict.at_the_end) {
        (0, _) => "nothing owed when a trial ends".into(),
        (_, true) => "all is paid when a trial ends, as rewards are".into(),
        (owing, _) => format!(
            "owes gradient at {owing} of {} ends of trials",
            verdict.endings
        ),
    };
    let [_, after_10, after_1000] = verdict.kept;
    let longer = match verdict.kept_for_longer {
        Some([.., longer]) => format!(", {longer} with twice the horizon"),
        None => String::new(),
    };
    format!(
        "{declared}: {wrong}{owed}; keeps {after_10} numbers after 10 steps, {after_1000} after 1000{longer}"
    )
}

fn summary(receipts: &[Receipt]) -> String {
    let failed: Vec<&str> = receipts
        .iter()
        .filter(|r| !r.passed)
        .map(|r| r.rule.name)
        .collect();
    let relations = receipts.iter().map(|r| r.relations.len()).sum::<usize>();
    let synapses: u64 = receipts
        .iter()
        .flat_map(|r| &r.locality)
        .map(|l| l.synapses)
        .sum();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let counted = format!(
        "{} rule{}, {relations} relations, {synapses} synapses audited",
        receipts.len(),
        plural(receipts.len())
    );
    match failed.as_slice() {
        [] => format!("\nPASS  {counted}\n"),
        failed => format!(
            "\nFAIL  {} of {counted}: {}\n",
            failed.len(),
            failed.join(", ")
        ),
    }
}
