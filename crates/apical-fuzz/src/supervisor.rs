//! Share inputs out among worker processes, outlive them, and put together what they found.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::worker::Report;

/// What holds of each input.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time, of a processor where it can be told.
    pub time: Duration,
    /// Most memory, in bytes, where the system has `ulimit -v`.
    pub memory: u64,
}

/// What came of the inputs of a target.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Inputs run.
    pub inputs: u64,
    /// Inputs that were not refused.
    pub accepted: u64,
    /// Inputs that panicked, aborted or took too long, and how.
    pub faults: Vec<(u64, String)>,
    /// The slowest input that ended.
    pub slowest: u64,
    /// What it took.
    pub took: Duration,
}

impl Findings {
    /// Takes in what another worker found.
    pub fn join(&mut self, other: Self) {
        self.inputs += other.inputs;
        self.accepted += other.accepted;
        self.faults.extend(other.faults);
        if other.took > self.took {
            (self.slowest, self.took) = (other.slowest, other.took);
        }
    }
}

impl From<Report> for Findings {
    fn from(report: Report) -> Self {
        Self {
            inputs: report.inputs,
            accepted: report.accepted,
            faults: report.panics,
            slowest: report.slowest,
            took: report.took,
        }
    }
}

/// Between two looks at a worker.
const LOOK: Duration = Duration::from_millis(20);

/// Runs the inputs `first`, `first` + 1, … of a target in one worker after another; `program` is this one.
///
/// # Errors
/// A worker that cannot be started.
pub fn run(
    program: &Path,
    target: &str,
    first: u64,
    count: u64,
    limits: Limits,
) -> Result<Findings> {
    let folder = folder()?;
    let mut findings = Findings::default();
    let (mut next, end) = (first, first + count);
    while next < end {
        let progress = folder.path().join("progress");
        // One that dies before its first input is told from one that dies of it.
        fs::write(&progress, u64::MAX.to_le_bytes())?;
        let place = (folder.path(), &*progress);
        let child = start(program, target, next, end - next, place, limits)?;
        let (ending, at) = watch(child, &progress, limits)?;
        let fault = match ending {
            Ending::Report(report) => {
                findings.join(report.into());
                break;
            }
            Ending::Fault(what) if at == u64::MAX => {
                anyhow::bail!("{target}: the worker {what} before its first input")
            }
            Ending::Fault(what) => what,
        };
        findings.inputs += at + 1 - next;
        findings.faults.push((at, fault));
        next = at + 1;
    }
    Ok(findings)
}

/// How a worker ended.
enum Ending {
    /// By itself.
    Report(Report),
    /// By an input, and what was said.
    Fault(String),
}

/// A folder for files, in memory where there is one.
///
/// # Errors
/// No folder can be made.
pub fn folder() -> Result<tempfile::TempDir> {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    tempfile::Builder::new()
        .prefix("apical-fuzz-")
        .tempdir_in(place)
        .context("a folder for files")
}

fn start(
    program: &Path,
    target: &str,
    first: u64,
    count: u64,
    (folder, progress): (&Path, &Path),
    limits: Limits,
) -> Result<Child> {
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        // macOS has no such limit, and goes on without.
        let script = r#"ulimit -v "$0" 2>/dev/null; ulimit -c 0; exec "$@""#;
        shell
            .args(["-c", script])
            .arg((limits.memory / 1024).to_string())
            .arg(program);
        shell
    } else {
        Command::new(program)
    };
    command.args([
        "--target",
        target,
        "--seed",
        &first.to_string(),
        "--inputs",
        &count.to_string(),
    ]);
    command
        .arg("--worker")
        .arg(progress)
        .arg("--folder")
        .arg(folder);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.with_context(|| format!("{} cannot be started", program.display()))
}

/// Waits for the end of a worker: how it ended, and the input it was at.
fn watch(mut child: Child, progress: &Path, limits: Limits) -> Result<(Ending, u64)> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    // Pipes are emptied all the time: a full one would look like a hang.
    let out = std::thread::spawn(move || all(out));
    let err = std::thread::spawn(move || all(err));
    let at = || -> u64 {
        let bytes = fs::read(progress).unwrap_or_default();
        bytes
            .first_chunk()
            .map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    };
    let (mut last, mut since, mut hangs) = (at(), Clock::read(&child), false);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let now = at();
        if now != last {
            (last, since) = (now, Clock::read(&child));
        } else if !hangs && since.passed(&child) > limits.time {
            hangs = true;
            child.kill()?;
        }
        std::thread::sleep(LOOK);
    };
    let (out, err) = (
        out.join().unwrap_or_default(),
        err.join().unwrap_or_default(),
    );
    let ending = if hangs {
        Ending::Fault(format!("took more than {:?}", limits.time))
    } else if status.success() {
        match serde_json::from_str(&out) {
            Ok(report) => Ending::Report(report),
            Err(_) => Ending::Fault(format!("said {out:?}")),
        }
    } else {
        let said = err.lines().rfind(|line| !line.is_empty());
        Ending::Fault(format!("ended with {status}: {}", said.unwrap_or_default()))
    };
    Ok((ending, at()))
}

/// The time of a worker: that of processors where it can be read, for machines are shared.
struct Clock {
    begun: Instant,
    processor: Option<Duration>,
}

impl Clock {
    /// One that waits for something takes no time of processors; it is let wait so many times as long.
    const PATIENCE: u32 = 20;

    fn read(child: &Child) -> Self {
        Self {
            begun: Instant::now(),
            processor: processor_time(child.id()),
        }
    }

    /// Time since then.
    fn passed(&self, child: &Child) -> Duration {
        let elapsed = self.begun.elapsed();
        match (self.processor, processor_time(child.id())) {
            (Some(then), Some(now)) => now.saturating_sub(then).max(elapsed / Self::PATIENCE),
            _ => elapsed,
        }
    }
}

/// Time of processors a process has taken, on Linux.
fn processor_time(id: u32) -> Option<Duration> {
    /// A tick of the counts, on every machine.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything.
    let (_, counts) = stat.rsplit_once(')')?;
    let mut counts = counts
        .split_whitespace()
        .skip(11)
        .map(|n| n.parse::<u32>().ok());
    Some(TICK * (counts.next()?? + counts.next()??))
}

fn all(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What was said before an error counts.
        let _ = stream.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
