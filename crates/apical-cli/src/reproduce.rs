//! `apical reproduce`: a whole paper with one command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use apical_papers::claims::{Claim, Claims};
use apical_papers::{Choice, Paper, Report, kept_seeds};
use apical_runs::Error;
use apical_runs::folder::RunFolder;
use apical_runs::run::{Environment, check_writable, write_json};
use apical_runs::runner::Runner;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use crate::progress::Meter;
use crate::{COMMIT, VERSION, command_line, numbers, print, quoted, signals, tell};

/// Arguments of `apical reproduce`.
#[derive(Args)]
pub struct Arguments {
    /// Which paper: marschall2019, marschall2020, murray2019, liu2022.
    paper: String,
    /// Only this figure: murray2019 has 2 (all of 2a, 2b, 2c, 2d, 2s1, 2s2, 2s3), 3, 4 and reference.
    #[arg(long, value_name = "FIGURE")]
    figure: Option<String>,
    /// Only this task: liu2022 has xor, mu, types, taps, pattern, smnist, alignment and cost.
    #[arg(long, value_name = "TASK", conflicts_with = "figure")]
    task: Option<String>,
    /// Fewer seeds and steps, in seconds; verdicts are weaker.
    #[arg(long)]
    quick: bool,
    /// Time to spend, such as 10m or 1h: rows still open then say what they would take, and --resume goes on.
    #[arg(long, value_name = "TIME")]
    budget: Option<String>,
    /// Write the claims as JSON to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder for figures, claims and records [default: a new one under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the reproduction in --out DIR where it was stopped.
    #[arg(long, requires = "out")]
    resume: bool,
    /// Runs side by side, 0 for one a processor; results do not depend on it.
    #[arg(long, default_value_t = 0, value_parser = numbers::threads)]
    threads: usize,
    /// Print nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the command.
pub fn reproduce(arguments: &Arguments) -> Result<ExitCode> {
    let paper = Paper::by_key(&arguments.paper)?;
    let part = match (&arguments.figure, &arguments.task) {
        (Some(figure), _) => Some(paper.part("figure", figure)?),
        (_, Some(task)) => Some(paper.part("task", task)?),
        _ => None,
    };
    let choice = Choice {
        quick: arguments.quick,
        part,
        budget: arguments
            .budget
            .as_deref()
            .map(|text| paper.budget(text))
            .transpose()?,
    };
    let folder = match &arguments.out {
        // A folder that is not there is named by the check of what is kept.
        Some(dir) if arguments.resume => {
            kept_seeds(dir, paper, choice, true)?;
            RunFolder::hold(dir, &command_line())?
        }
        Some(dir) => RunFolder::claim(dir, &command_line())?,
        None => RunFolder::numbered(&arguments.paper, &command_line())?,
    };
    if let Some(warning) = folder.warning() {
        tell(&format!("warning: {warning}"));
    }
    if let Some(json) = &arguments.json
        // Now, not after minutes of computing.
        && let Err(error) = check_writable(json)
    {
        folder.discard();
        return Err(error.into());
    }
    let dir = folder.path().to_path_buf();
    let keep = kept_seeds(&dir, paper, choice, arguments.resume)?;
    let (seeds, steps) = paper.size(choice)?;
    let environment = Environment::now(VERSION, COMMIT, command_line(), seeds, arguments.threads);
    let meter = Meter::new(steps, arguments.quiet);
    let begun = Instant::now();
    let runner = Runner {
        threads: arguments.threads,
        keep: keep.as_deref(),
        stop: signals::heeded(),
        progress: &meter,
    };
    let outcome = paper.reproduce(choice, runner);
    meter.finish();
    if let (Err(Error::Stopped), Some(_)) = (&outcome, &keep) {
        let path = quoted(&dir.to_string_lossy());
        let command = paper.command(choice);
        tell(&format!(
            "stopped; go on with: {command} --resume --out {path}"
        ));
        return Ok(signals::stopped());
    }
    // Only now, so that a quick version that was stopped leaves the folder empty and can be started again.
    let reproduction = outcome?;
    write_json(&dir.join("environment.json"), &environment)?;
    reproduction.write(&dir)?;
    if let Some(json) = &arguments.json {
        write_json(json, &reproduction.claims)?;
    }
    if !arguments.quiet {
        let claims = &reproduction.claims;
        let quick = if arguments.quick { "quick: " } else { "" };
        let mut text = String::new();
        // A part may only report.
        if !claims.claims.is_empty() {
            text.push_str(&claims_table(claims));
            text.push_str(&format!(
                "{quick}{} of {} rows decided\n",
                claims.decided(),
                claims.claims.len()
            ));
        }
        for report in reproduction
            .reports
            .iter()
            .filter(|report| report.on_screen)
        {
            text.push_str(&report_table(report));
        }
        for (name, _) in &reproduction.figures {
            for (word, kind) in [("figure: ", "svg"), ("        ", "png")] {
                let path = dir.join(name).with_extension(kind);
                text.push_str(&format!("{word}{}\n", path.display()));
            }
        }
        text.push_str(&format!("claims: {}\n", dir.join("claims.json").display()));
        for report in &reproduction.reports {
            let path = dir.join(&*report.name).with_extension("md");
            text.push_str(&format!("{}: {}\n", report.title, path.display()));
        }
        text.push_str(&format!(
            "took {:.1} s; again: {}\n",
            begun.elapsed().as_secs_f64(),
            reproduction.claims.command
        ));
        print(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(160);
    }
    table
}

fn report_table(report: &Report) -> String {
    let mut table = table();
    table.set_header(&report.header);
    for row in &report.rows {
        // Stars are for Markdown.
        table.add_row(row.iter().map(|cell| cell.replace("**", "")));
    }
    format!("\n{}\n{table}\n", report.title)
}

fn claims_table(claims: &Claims) -> String {
    let mut table = table();
    table.set_header([
        "claim", "source", "expected", "measured", "spread", "n", "verdict",
    ]);
    for claim in &claims.claims {
        let Claim {
            statement,
            source,
            expected,
            measured,
            spread,
            n,
            verdict,
            ..
        } = claim;
        let cells = [
            statement,
            source,
            expected,
            measured,
            spread,
            &n.to_string(),
            &verdict.text(),
        ];
        table.add_row(cells.map(|cell| cell.to_string()));
    }
    format!("{table}\n")
}
