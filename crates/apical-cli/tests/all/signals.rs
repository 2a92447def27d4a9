//! Signals save what can be saved, end the rest at once, and show in the exit code.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{LONG, apical, assert_same, checkpoint, program, results, wait_for};
use tempfile::tempdir;

fn start(folder: &Path, line: &str) -> Child {
    let mut command = program(folder);
    command.args(line.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &id]).status();
    assert!(sent.unwrap().success());
}

/// How the program ended, and how long after it was asked to.
fn ended(child: Child) -> (Output, Duration) {
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    (output, asked.elapsed())
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_signal_that_asks_to_stop_saves_first_and_says_its_name() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    apical(folder.path(), &format!("{LONG} --out whole")).ok();
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let child = start(folder.path(), &format!("{LONG} --out {signal}"));
        wait_for(&checkpoint(&path(signal), 1));
        send(&child, signal);
        let (output, _) = ended(child);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(&format!("SIG{signal}")), "{said}");
        assert!(said.contains("go on with: apical run --resume"), "{said}");
        apical(
            folder.path(),
            &format!("run --resume --quiet --out {signal}"),
        )
        .ok();
        assert_same(&results(&path("whole")), &results(&path(signal)));
    }
}

#[test]
fn a_signal_that_comes_twice_together_is_one_request() {
    let folder = tempdir().unwrap();
    // `timeout` signals the program and then its group.
    let child = start(folder.path(), &format!("{LONG} --out twice"));
    wait_for(&checkpoint(&folder.path().join("twice"), 1));
    send(&child, "TERM");
    send(&child, "TERM");
    let (output, _) = ended(child);
    assert_eq!(output.status.code(), Some(143));
    assert!(said(&output).contains("go on with"), "{}", said(&output));
}

#[test]
fn a_hangup_is_ignored_where_the_run_was_started_to_ignore_it() {
    let folder = tempdir().unwrap();
    let script = format!("trap '' HUP; exec \"$0\" {LONG} --out r");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_apical")]);
    let child = shell.current_dir(folder.path()).spawn().unwrap();
    wait_for(&checkpoint(&folder.path().join("r"), 1));
    send(&child, "HUP");
    assert_eq!(ended(child).0.status.code(), Some(0));
    assert!(folder.path().join("r/metrics.csv").exists());
}

#[test]
fn checks_and_what_saves_nothing_stop_soon() {
    let folder = tempdir().unwrap();
    for (line, code, signal) in [
        ("check uoro --draws 1e9", 130, "INT"),
        ("check rtrl --cases 1e6", 143, "TERM"),
        ("check node_perturbation --draws 1e9", 129, "HUP"),
        ("reproduce marschall2019 --quick --out q", 130, "INT"),
    ] {
        let child = start(folder.path(), line);
        std::thread::sleep(Duration::from_millis(400));
        send(&child, signal);
        let (output, late) = ended(child);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains("stopped"), "{line}: {said}");
        assert!(late < Duration::from_secs(5), "{line}: {late:?}");
    }
}

/// A pipe that nobody writes to stands in for data that take long to read.
#[test]
fn before_anything_is_begun_a_signal_ends_at_once() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("slow.toml");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let child = start(folder.path(), "run slow.toml --out r");
    std::thread::sleep(Duration::from_millis(300));
    send(&child, "TERM");
    let (output, late) = ended(child);
    assert_eq!(output.status.code(), Some(143));
    assert!(said(&output).contains("stopped on SIGTERM; nothing was begun"));
    assert!(late < Duration::from_secs(5) && !folder.path().join("r").exists());
}

/// Networks so large that to draw a start takes longer than the whole test may.
#[test]
fn seeds_whose_turn_has_not_come_are_not_begun_to_be_saved() {
    let folder = tempdir().unwrap();
    let line = "run marschall2019/lags46 --seeds 500 --threads 1 --set network.units=200 --out r";
    let child = start(folder.path(), line);
    wait_for(&folder.path().join("r/checkpoints"));
    std::thread::sleep(Duration::from_millis(300));
    send(&child, "TERM");
    let (output, late) = ended(child);
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    assert!(late < Duration::from_secs(5), "{late:?}");
    let kept = std::fs::read_dir(folder.path().join("r/checkpoints")).unwrap();
    assert!(kept.count() < 10);
    // They are trained when the run goes on.
    let child = start(folder.path(), "run --resume --out r --threads 1");
    std::thread::sleep(Duration::from_millis(600));
    send(&child, "TERM");
    assert_eq!(ended(child).0.status.code(), Some(143));
}
