//! Inputs of every target, the same on every machine.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use apical_fuzz::draw::Draw;
use apical_fuzz::supervisor::{self, Limits};
use apical_fuzz::targets::{TARGETS, target};

fn fuzz(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_apical-fuzz");
    Command::new(program).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn no_input_panics_aborts_or_hangs() {
    let output = fuzz(&["--inputs", "2e4", "--threads", "1"]);
    assert!(output.status.success(), "{}", out(&output));
    for target in TARGETS {
        let text = out(&output);
        let line = text.lines().find(|line| line.starts_with(target)).unwrap();
        // An engine all of whose inputs are refused at the door looks at nothing.
        assert!(!line.contains(" 0 % accepted"), "{line}");
        assert!(!line.contains("100 % accepted"), "{line}");
    }
}

#[test]
fn an_input_follows_from_its_number_alone() {
    let folder = tempfile::tempdir().unwrap();
    for name in TARGETS {
        let [first, second] = [(), ()].map(|()| target(name, folder.path()).unwrap());
        let inputs = |k| [&first, &second].map(|target| target.input(&mut Draw::new(name, k)));
        let [one, other] = inputs(7);
        assert_eq!(one, other, "{name}");
        assert_ne!(one, inputs(8)[0], "{name}");
        first.run(&one);
        assert_eq!(first.input(&mut Draw::new(name, 7)), one, "{name}");
    }
}

#[test]
fn a_replay_shows_the_input() {
    let output = fuzz(&["--replay", "set:3"]);
    assert!(output.status.success());
    assert!(out(&output).contains(" bytes: "), "{}", out(&output));
    let output = fuzz(&["--replay", "set"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("expected target:number"), "{message}");
    let output = fuzz(&["--target", "sett"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("--target: got sett, expected one of toml"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn a_worker_that_dies_or_hangs_is_told_of_by_its_input() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        time: Duration::from_millis(500),
        memory: 1 << 32,
    };
    // Workers that take up their third input, 7 + 2, and die of it, or do not come back.
    for (end, what) in [
        ("kill -ABRT $$", "ended with signal: 6"),
        ("while :; do :; done", "took more than 500ms"),
    ] {
        let path = folder.path().join("worker");
        let script = format!("#!/bin/sh\nprintf '\\011\\0\\0\\0\\0\\0\\0\\0' > \"$8\"\n{end}\n");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let findings = supervisor::run(Path::new(&path), "csv", 7, 3, limits).unwrap();
        assert_eq!(findings.inputs, 3);
        let [(number, how)] = &findings.faults[..] else {
            panic!("{findings:?}");
        };
        assert_eq!(*number, 9);
        assert!(how.contains(what), "{how}");
    }
}
