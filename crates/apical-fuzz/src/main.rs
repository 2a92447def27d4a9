//! The command line: how many inputs, for which targets, from which number on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use apical_fuzz::supervisor::{self, Findings, Limits};
use apical_fuzz::targets::TARGETS;
use apical_fuzz::worker;
use clap::Parser;

/// Hand mutated input to everything of Apical that reads any.
#[derive(Parser)]
struct Options {
    /// Inputs in all, for example 1e5.
    #[arg(long, default_value = "1e5", value_parser = count)]
    inputs: u64,
    /// The only target; all of them by default.
    #[arg(long)]
    target: Option<String>,
    /// Number of the first input of each target.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run one input again, for example csv:17, and show it.
    #[arg(long)]
    replay: Option<String>,
    /// Workers at a time; as many as processors by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Most memory of a worker, in GB.
    #[arg(long, default_value_t = 4.0)]
    memory: f64,
    /// Longest time of an input, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Where a worker writes which input it is at.
    #[arg(long, hide = true)]
    worker: Option<PathBuf>,
    /// Where a worker puts its files.
    #[arg(long, hide = true)]
    folder: Option<PathBuf>,
}

fn count(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(count) if (1.0..=1e15).contains(&count) => Ok(count as u64),
        _ => Err("expected a number of inputs, for example 1e5".into()),
    }
}

/// Faults of one target that are listed; the others are like them.
const LISTED: usize = 10;
/// Inputs of one worker: what it reports is not lost for long.
const SHARE: u64 = 20_000;

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if let (Some(progress), Some(folder)) = (&options.worker, &options.folder) {
        let target = options.target.as_deref().unwrap_or_default();
        let report = worker::work(target, options.seed, options.inputs, folder, progress)?;
        println!("{}", serde_json::to_string(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(input) = &options.replay {
        let folder = supervisor::folder()?;
        let (_, accepted) = worker::replay(input, folder.path())?;
        println!("{}", if accepted { "accepted" } else { "refused" });
        return Ok(ExitCode::SUCCESS);
    }
    let targets = match &options.target {
        None => TARGETS.to_vec(),
        Some(target) if TARGETS.contains(&target.as_str()) => vec![target.as_str()],
        Some(target) => bail!(
            "--target: got {target}, expected one of {}",
            TARGETS.join(", ")
        ),
    };
    let begun = Instant::now();
    let (mut inputs, mut faults) = (0, 0);
    let each = options.inputs.div_ceil(targets.len() as u64);
    for target in targets {
        let findings = run(target, each, &options)?;
        inputs += findings.inputs;
        faults += findings.faults.len();
        tell(target, &findings);
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{inputs} inputs in {seconds:.1} s, {faults} faults");
    Ok(if faults == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All inputs of a target, in shares.
fn run(target: &str, inputs: u64, options: &Options) -> Result<Findings> {
    let program = std::env::current_exe().context("the path of this program")?;
    let limits = Limits {
        time: Duration::from_secs_f64(options.seconds),
        memory: (options.memory * 1e9) as u64,
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(processors).max(1);
    let share = inputs.div_ceil(threads as u64).min(SHARE);
    let shares: Vec<(u64, u64)> = (0..inputs.div_ceil(share))
        .map(|k| (options.seed + k * share, share.min(inputs - k * share)))
        .collect();
    let mut all = Findings::default();
    for together in shares.chunks(threads) {
        let found: Vec<Result<Findings>> = std::thread::scope(|scope| {
            let work = |(first, count): &(u64, u64)| {
                let (first, count, program) = (*first, *count, &program);
                scope.spawn(move || supervisor::run(program, target, first, count, limits))
            };
            let workers: Vec<_> = together.iter().map(work).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Findings>>| {
                worker
                    .join()
                    .unwrap_or_else(|_| bail!("the thread of a worker panicked"))
            };
            workers.into_iter().map(join).collect()
        });
        for found in found {
            all.join(found?);
        }
    }
    Ok(all)
}

fn tell(target: &str, findings: &Findings) {
    println!(
        "{target:<10} {:>9} inputs, {:>3.0} % accepted, {:>4} faults, slowest {:.0} ms ({target}:{})",
        findings.inputs,
        100.0 * findings.accepted as f64 / findings.inputs.max(1) as f64,
        findings.faults.len(),
        1e3 * findings.took.as_secs_f64(),
        findings.slowest,
    );
    for (number, what) in findings.faults.iter().take(LISTED) {
        println!("  {target}:{number} {}", what.replace('\n', " "));
        println!("    cargo run --release -p apical-fuzz -- --replay {target}:{number}");
    }
}
