//! Run inputs one after another in a process that may die of any of them, and say what became of each.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::draw::Draw;
use crate::targets::{self, Target};

/// What a worker says on its standard output when it has ended by itself.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Inputs run.
    pub inputs: u64,
    /// Inputs that were not refused.
    pub accepted: u64,
    /// Inputs at which it panicked, and the message.
    pub panics: Vec<(u64, String)>,
    /// The slowest input.
    pub slowest: u64,
    /// What it took.
    pub took: Duration,
}

/// Where and why the last panic was.
static LAST: Mutex<Option<String>> = Mutex::new(None);

fn listen_to_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut last) = LAST.lock() {
            *last = Some(panic.to_string());
        }
    }));
}

/// Runs the inputs `first`, `first` + 1, … of a target. The one at work stands in the file `progress` all the time.
///
/// # Errors
/// A target that is not there, or a file that cannot be written.
pub fn work(name: &str, first: u64, count: u64, folder: &Path, progress: &Path) -> Result<Report> {
    let target = targets::target(name, folder).with_context(|| unknown(name))?;
    let mut progress = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(progress)?;
    listen_to_panics();
    let mut report = Report::default();
    for number in first..first + count {
        progress.seek(SeekFrom::Start(0))?;
        progress.write_all(&number.to_le_bytes())?;
        let begun = Instant::now();
        match run(&*target, name, number) {
            Ok(accepted) => report.accepted += u64::from(accepted),
            Err(message) => report.panics.push((number, message)),
        }
        let took = begun.elapsed();
        if took > report.took {
            (report.slowest, report.took) = (number, took);
        }
        report.inputs += 1;
    }
    Ok(report)
}

/// Whether an input was accepted, or the panic it led to.
fn run(target: &dyn Target, name: &str, number: u64) -> Result<bool, String> {
    let work = || target.run(&target.input(&mut Draw::new(name, number)));
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let last = LAST.lock().ok().and_then(|mut last| last.take());
        last.unwrap_or_else(|| "a panic without a message".into())
    })
}

/// Runs one input by its name, `target:number`, with the program's own messages; what it is, and whether it was accepted.
///
/// # Errors
/// A name that is none.
pub fn replay(input: &str, folder: &Path) -> Result<(Vec<u8>, bool)> {
    let (name, number) = input
        .split_once(':')
        .with_context(|| format!("{input}: no `:`, expected target:number"))?;
    let target = targets::target(name, folder).with_context(|| unknown(name))?;
    let number = number
        .parse()
        .with_context(|| format!("{number}: expected a whole number"))?;
    let input = target.input(&mut Draw::new(name, number));
    // Before it is run, for it may end the program.
    println!(
        "{} bytes: {}",
        input.len(),
        input[..input.len().min(4000)].escape_ascii()
    );
    let accepted = target.run(&input);
    Ok((input, accepted))
}

fn unknown(name: &str) -> String {
    format!(
        "{name}: no such target, expected one of {}",
        targets::TARGETS.join(", ")
    )
}
