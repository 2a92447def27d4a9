//! `apical compare`: one rule trains, others watch, and their gradients are compared.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use apical_runs::compare::{Compared, Plan, RULES};
use apical_runs::files::write_atomic;
use apical_runs::folder::RunFolder;
use apical_runs::run::{Environment, write_figure};
use apical_runs::runner::Runner;
use apical_runs::statistics::Spread;
use apical_runs::{Error, experiment, table};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::progress::Meter;
use crate::{COMMIT, VERSION, command_line, numbers, print, quoted, signals, tell};

/// Arguments of `apical compare`.
#[derive(Args)]
pub struct Arguments {
    /// Built-in name (see `apical list`) or TOML file; with --resume, left out.
    #[arg(required_unless_present = "resume")]
    experiment: Option<String>,
    /// Rules that watch: KIND, KIND.KEY=VALUE or KIND.KEY=VALUE+KEY=VALUE, with NAME: in front to name one in tables. Keys are
    /// those of the rule, and `feedback` for its pathway, which is the experiment's unless it says otherwise
    /// [default: rtrl,rflo,uoro,kf_rtrl,r_kf_rtrl,dendritic,f_bptt,e_bptt].
    #[arg(long, value_name = "LIST")]
    rules: Option<String>,
    /// The rule that trains, written as in --rules [default: that of the experiment].
    #[arg(long, value_name = "RULE")]
    train: Option<String>,
    /// Change a setting, for example --set network.units=16; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// First seed.
    #[arg(long, value_parser = numbers::seed)]
    seed: Option<u64>,
    /// Number of seeds: seed, seed + 1, ...
    #[arg(long, value_parser = numbers::whole)]
    seeds: Option<u64>,
    /// Steps of training.
    #[arg(long, value_parser = numbers::whole)]
    steps: Option<u64>,
    /// Two seeds of 2,000 steps, unless --seeds or --steps say otherwise.
    #[arg(long)]
    quick: bool,
    /// Folder for tables and figures [default: a new one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the comparison in --out DIR where it was stopped.
    #[arg(long, requires = "out")]
    resume: bool,
    /// Seeds side by side, 0 for one a processor; results do not depend on it.
    #[arg(long, default_value_t = 0, value_parser = numbers::threads)]
    threads: usize,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

impl Arguments {
    /// The comparison and where its seeds are kept, of a new one or of one to go on with.
    fn prepare(&self) -> Result<(RunFolder, Plan, PathBuf)> {
        let command = command_line();
        if let (true, Some(dir)) = (self.resume, &self.out) {
            let kept = Plan::open(dir, &self.changes())?;
            let plan = self.resumed(&kept)?;
            let folder = RunFolder::hold(dir, &command)?;
            let seeds = plan.go_on(&kept, dir)?;
            return Ok((folder, plan, seeds));
        }
        let name = self.experiment.as_deref().unwrap_or_default();
        let rules = self.rules.as_deref().unwrap_or(RULES);
        let plan = Plan::new(name, &self.changes(), self.train.as_deref(), rules)?;
        let folder = match &self.out {
            Some(dir) => RunFolder::claim(dir, &command)?,
            None => RunFolder::numbered(&format!("{}-compared", stem(name)), &command)?,
        };
        let size = (plan.experiment.seed, plan.experiment.seeds);
        let environment = Environment::now(VERSION, COMMIT, command, size, self.threads);
        let seeds = plan.begin(folder.path(), &environment)?;
        Ok((folder, plan, seeds))
    }

    /// What is asked for now, where what is left out is as it was.
    fn resumed(&self, kept: &Plan) -> Result<Plan> {
        let changes = self.changes();
        let base = match &self.experiment {
            Some(name) => experiment::load(name, &changes)?,
            None => experiment::parse(&experiment::resolved(&kept.experiment)?, &changes)?,
        };
        let train = self.train.as_deref();
        Ok(match &self.rules {
            Some(rules) => Plan::on(base, train, rules)?,
            None => Plan {
                experiment: Plan::trainer(&base, train)?,
                rules: kept.rules.clone(),
            },
        })
    }

    fn changes(&self) -> Vec<String> {
        let mut changes = self.changes.clone();
        let quick = |number: u64| self.quick.then_some(number);
        let short = [
            ("seed", self.seed),
            ("seeds", self.seeds.or(quick(2))),
            ("steps", self.steps.or(quick(2_000))),
        ];
        for (key, value) in short {
            changes.extend(value.map(|value| format!("{key}={value}")));
        }
        changes
    }
}

/// Runs the command.
pub fn compare(arguments: &Arguments) -> Result<ExitCode> {
    let (folder, plan, seeds) = arguments.prepare()?;
    let dir = folder.path();
    if let Some(warning) = folder.warning() {
        tell(&format!("warning: {warning}"));
    }
    let meter = Meter::new(plan.total_steps(), arguments.quiet);
    let outcome = plan.run(Runner {
        threads: arguments.threads,
        keep: Some(&seeds),
        stop: signals::heeded(),
        progress: &meter,
    });
    meter.finish();
    if let Err(Error::Stopped) = outcome {
        let path = quoted(&dir.to_string_lossy());
        tell(&format!(
            "stopped; go on with: apical compare --resume --out {path}"
        ));
        return Ok(signals::stopped());
    }
    let compared = outcome?;
    write_table(&dir.join("alignment"), &compared.table())?;
    write_table(&dir.join("histogram"), &compared.histogram_table())?;
    let title = title(&plan);
    write_figure(&dir.join("alignment"), &compared.figure(&title))?;
    write_figure(&dir.join("histogram"), &compared.histograms(&title))?;
    if !arguments.quiet {
        warn(&compared);
        let mut text = format!("{title}\n{}\n", pairs(&compared));
        text.push_str(&caption(&compared));
        text.push_str(&format!("wrote {}\n", dir.display()));
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A built-in name or the file without its ending, as part of the name of a folder.
fn stem(experiment: &str) -> String {
    let name = experiment.strip_suffix(".toml").unwrap_or(experiment);
    match experiment.ends_with(".toml") {
        true => name.rsplit('/').next().unwrap_or(name).into(),
        false => name.replace('/', "-"),
    }
}

fn title(plan: &Plan) -> String {
    let experiment = &plan.experiment;
    let rule = experiment.rule.info().name;
    let seeds = match experiment.seeds {
        1 => format!("seed {}", experiment.seed),
        seeds => format!("{seeds} seeds"),
    };
    let what = match experiment.title.split_once(':') {
        Some((task, _)) => task,
        None => &experiment.title,
    };
    let what = if what.is_empty() {
        experiment.task.info().name
    } else {
        what
    };
    format!("{what}, {rule} learns: {} steps, {seeds}", experiment.steps)
}

fn write_table(path: &std::path::Path, table: &table::Table) -> Result<()> {
    write_atomic(path.with_extension("csv"), &table.to_csv()?)?;
    write_atomic(path.with_extension("parquet"), &table.to_parquet()?)?;
    Ok(())
}

/// Gradients that could not be compared.
fn warn(compared: &Compared) {
    for (index, label) in compared.labels.iter().enumerate() {
        let pairs = compared
            .pairs()
            .filter(|(a, b)| *a == index || *b == index)
            .map(|(a, b)| compared.pooled(a, b));
        let pairs: Vec<_> = pairs.collect();
        if pairs.iter().all(|pair| pair.broken() > 0) {
            let least = pairs.iter().map(|pair| pair.broken()).min().unwrap_or(0);
            tell(&format!(
                "warning: {label}: its gradient was not finite in {least} comparisons, which are left out."
            ));
        }
        if pairs.iter().all(|pair| pair.count() == 0) {
            tell(&format!(
                "warning: {label}: nothing was compared; run more steps than its horizon."
            ));
        } else if pairs.iter().all(|pair| pair.silent() == pair.count()) {
            tell(&format!(
                "warning: {label}: its gradient was zero at every step, so it aligns with nothing."
            ));
        }
    }
}

/// The lower triangle.
fn pairs(compared: &Compared) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(160);
    }
    let last = compared.labels.len() - 1;
    let header = compared.labels[..last].iter().map(String::as_str);
    table.set_header(std::iter::once("").chain(header));
    for row in 1..=last {
        let mut cells = vec![compared.labels[row].clone()];
        for column in 0..row {
            let spread = Spread::of(&compared.means(row, column));
            let over_steps = compared.pooled(row, column).deviation();
            let mean = format!("{:.2}", spread.mean);
            cells.push(match spread.n {
                1 => format!("{mean} ({over_steps:.2})"),
                _ => format!("{mean} ±{:.2} ({over_steps:.2})", spread.deviation),
            });
        }
        table.add_row(cells);
    }
    table
}

fn caption(compared: &Compared) -> String {
    let what = match compared.seeds.len() {
        1 => "mean alignment (sd over steps)",
        _ => "mean alignment ±sd between seeds (sd over steps, all seeds)",
    };
    format!("{what} of the gradients of recurrent, input and bias weights\n")
}
