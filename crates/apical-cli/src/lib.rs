//! The command line of Apical: run experiments, reproduce papers, look up what there is.
//!
//! A program that registers rules of its own first, and then calls [`main`], has them in every command.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod check;
mod compare;
mod numbers;
mod progress;
mod reproduce;
mod run;
mod signals;
mod tables;

use std::io::Write;
use std::process::ExitCode;

use apical::shown::escaped;
pub(crate) use apical_runs::files::quoted;
use clap::{Parser, Subcommand};

/// Train recurrent neural networks with rules that are local in space, local in time and online.
#[derive(Parser)]
#[command(name = "apical", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train an experiment: a built-in name or a TOML file.
    Run(run::Arguments),
    /// Let one rule train while others watch, and compare their gradients step by step.
    Compare(compare::Arguments),
    /// Run a whole paper: its figure and a table of its claims.
    Reproduce(reproduce::Arguments),
    /// Check rules: relations between gradients, locality, unbiasedness.
    Check(check::Arguments),
    /// List the built-in experiments.
    List {
        /// Print the TOML of this one, to copy and change.
        experiment: Option<String>,
        /// Print every setting of it, or of a TOML file: with what it extends, and with what it leaves at its default.
        #[arg(long, requires = "experiment")]
        resolved: bool,
    },
    /// Print BibTeX for what an experiment uses: its rule, task, feedback and optimizer.
    Cite {
        /// A built-in name or a TOML file.
        experiment: String,
        /// Change a setting, for example rule.kind=uoro.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Print the JSON schema of experiment files, for editors and other programs.
    Schema,
    /// List the tasks; or say more of one, with its settings.
    Tasks {
        /// Show this one alone.
        task: Option<String>,
    },
    /// List the neurons and their equations; or say more of one, with its settings.
    Neurons {
        /// Show this one alone.
        neuron: Option<String>,
    },
    /// List the learning rules: locality, exactness, cost; or say more of one, with its settings.
    Rules {
        /// Show this one alone.
        rule: Option<String>,
        /// Skip measuring the time of a step.
        #[arg(long)]
        no_timing: bool,
    },
}

/// The version and commit of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(crate) const COMMIT: &str = env!("APICAL_COMMIT");

/// What `apical` does with the arguments of this process.
pub fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        let plain = error.render().to_string();
        if plain.split('\n').all(|line| escaped(line) == line) {
            error.exit();
        }
        // Words that are echoed must not steer the terminal.
        plain.lines().for_each(tell);
        std::process::exit(error.exit_code());
    });
    signals::listen();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Reproduce(arguments) => reproduce::reproduce(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::List {
            experiment,
            resolved,
        } => match experiment {
            Some(name) => tables::experiment(&name, resolved),
            None => tables::experiments(),
        },
        Command::Cite { experiment, set } => tables::cite(&experiment, &set),
        Command::Schema => tables::print_schema(),
        Command::Tasks { task } => match task {
            Some(task) => tables::task(&task),
            None => tables::tasks(),
        },
        Command::Neurons { neuron } => match neuron {
            Some(neuron) => tables::neuron(&neuron),
            None => tables::neurons(),
        },
        Command::Rules { rule, no_timing } => match rule {
            Some(rule) => tables::rule(&rule),
            None => tables::rules(!no_timing),
        },
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            match error.downcast_ref() {
                Some(apical_runs::Error::Stopped) => signals::stopped(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Writes lines to standard output, with what could move the cursor escaped; that nobody reads to the end (`apical rules | head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let lines: Vec<_> = text.split('\n').map(escaped).collect();
    match std::io::stdout().write_all(lines.join("\n").as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe && !signals::hung_up() => {
            Err(anyhow::Error::new(error).context("standard output: cannot be written"))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error, if anybody reads it; what could move the cursor is escaped.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", escaped(line));
}

/// The command line as typed, for records.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("apical".to_string())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
