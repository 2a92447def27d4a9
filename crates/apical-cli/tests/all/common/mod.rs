//! Run the program in a folder of its own and look at what it says and leaves.
#![allow(dead_code)] // Every test file uses its own part of this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Two seeds of 1000 steps, in a few milliseconds.
pub const SHORT: &str = "run marschall2019/lags46 --steps 1000 --seeds 2 --set evaluate.steps=50";

/// A run that soon has checkpoints and still goes on for a while.
pub const LONG: &str = "run marschall2019/lags46 --steps 60000 --seeds 2 --set network.units=8 \
    --set evaluate.every=10000 --set evaluate.steps=50 --set checkpoint.every=500 --quiet";

/// What a command said and how it ended.
pub struct Ran {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    /// The same, if the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// The error message of a command that failed, which must say all of `parts`.
    #[track_caller]
    pub fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.err);
        let start = self.err.find("error:");
        let message = &self.err[start.unwrap_or_else(|| panic!("no error in: {}", self.err))..];
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

/// The program, to be started in `folder`.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apical"));
    command.current_dir(folder).stdin(Stdio::null());
    command.env_remove("APICAL_MNIST");
    command
}

/// Runs any command to its end.
pub fn finish(command: &mut Command) -> Ran {
    Ran::of(&command.output().unwrap())
}

/// Runs `apical` with the words of `line` in `folder`.
pub fn apical(folder: &Path, line: &str) -> Ran {
    finish(program(folder).args(line.split_whitespace()))
}

/// Every file below `folder` by its path there, with its bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                all.insert(name.to_str().unwrap().into(), std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

/// Everything two runs of the same settings must share: not the command and the time, nor the checkpoint before the last,
/// which depends on when a run was stopped.
pub fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(folder);
    all.remove("environment.json");
    all.retain(|name, _| !name.ends_with(".previous.safetensors"));
    all
}

/// Asserts that two sets of files agree, without printing their bytes.
#[track_caller]
pub fn assert_same(left: &BTreeMap<String, Vec<u8>>, right: &BTreeMap<String, Vec<u8>>) {
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    for (name, bytes) in left {
        assert!(*bytes == right[name], "{name} differs");
    }
}

/// Text of a file.
pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap()
}

/// Waits until there is a file at `path`.
#[track_caller]
pub fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{path:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ctrl-C: the program stops by itself and says so by its code.
#[track_caller]
pub fn interrupt(child: Child) -> Output {
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    output
}

/// The checkpoint of a seed of the run in `folder`.
pub fn checkpoint(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("checkpoints/seed-{seed:04}.safetensors"))
}

/// The checkpoint before the last.
pub fn previous(folder: &Path, seed: u64) -> PathBuf {
    checkpoint(folder, seed).with_extension("previous.safetensors")
}

/// Runs a command that a message names, which begins with `apical`.
#[cfg(unix)]
pub fn obey(folder: &Path, command: &str) -> Ran {
    let script = command.replacen("apical ", "\"$0\" ", 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_apical")]);
    finish(shell.current_dir(folder).env_remove("APICAL_MNIST"))
}

/// Rows of a CSV file without quoted cells; the first is the header.
pub fn csv(path: impl AsRef<Path>) -> Vec<Vec<String>> {
    let text = read(path);
    let rows = text.lines();
    rows.map(|row| row.split(',').map(String::from).collect())
        .collect()
}
