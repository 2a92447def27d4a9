//! A folder belongs to one run at a time, and a run that was killed leaves nothing in the way.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::common::{
    LONG, SHORT, apical, assert_same, files, obey, program, read, results, wait_for,
};
use tempfile::tempdir;

fn start(folder: &Path, line: &str) -> Child {
    let mut command = program(folder);
    command.args(line.split_whitespace()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Rounds of the race below; hundreds by hand, with `APICAL_RACES=300`.
fn rounds() -> u64 {
    let rounds = std::env::var("APICAL_RACES").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

#[test]
fn of_two_starts_on_one_folder_one_runs_and_the_other_hears_of_it() {
    let folder = tempdir().unwrap();
    let line =
        |rate: &str, out: &str| format!("{SHORT} --quiet --set rule.rate={rate} --out {out}");
    let rates = ["0.01", "0.00001"];
    let alone = rates.map(|rate| {
        apical(folder.path(), &line(rate, rate)).ok();
        results(&folder.path().join(rate))
    });
    for round in 0..rounds() {
        let out = format!("r{round}");
        let started = rates.map(|rate| start(folder.path(), &line(rate, &out)));
        let ended = started.map(|child| child.wait_with_output().unwrap());
        let won: Vec<usize> = (0..2).filter(|k| ended[*k].status.success()).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let said = String::from_utf8_lossy(&ended[1 - won[0]].stderr).into_owned();
        let known = ["in use by process", "is not empty"];
        assert!(known.iter().any(|part| said.contains(part)), "{said}");
        let left = folder.path().join(&out);
        assert_same(&alone[won[0]], &results(&left));
        let environment = read(left.join("environment.json"));
        assert!(
            environment.contains(&format!("rule.rate={}", rates[won[0]])),
            "{environment}"
        );
    }
}

#[test]
fn starts_without_a_name_take_folders_of_their_own() {
    let folder = tempdir().unwrap();
    let line = format!("{SHORT} --quiet");
    let started: Vec<Child> = (0..4).map(|_| start(folder.path(), &line)).collect();
    for child in started {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let runs = folder.path().join("runs");
    let whole = results(&runs.join("marschall2019-lags46"));
    for k in 2..=4 {
        assert_same(
            &whole,
            &results(&runs.join(format!("marschall2019-lags46-{k}"))),
        );
    }
}

#[test]
fn a_folder_in_use_is_refused_to_all_and_a_killed_run_holds_nothing() {
    let folder = tempdir().unwrap();
    let line = format!("{LONG} --steps 100000000 --out r").replace("--steps 60000 ", "");
    let mut child = start(folder.path(), &line);
    wait_for(&folder.path().join("r/config.toml"));
    for other in [
        format!("{SHORT} --out r"),
        "run --resume --out r".into(),
        "compare marschall2019/lags46 --quick --out r".into(),
        "reproduce marschall2019 --quick --out r".into(),
    ] {
        let ran = apical(folder.path(), &other);
        let holder = format!("r: in use by process {} on ", child.id());
        ran.fails(
            1,
            &[
                &holder,
                &format!("`apical {line}"),
                "Wait until it ends, or choose another --out",
            ],
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What a kill leaves of files half written is swept by the next, and nothing else is.
    let half = folder
        .path()
        .join("r/checkpoints/.seed-0000.safetensors.1-2.tmp");
    fs::write(&half, "half").unwrap();
    fs::write(folder.path().join("r/.notes"), "mine").unwrap();
    let child = start(folder.path(), "run --resume --out r --quiet");
    let saved = folder.path().join("r/checkpoints/seed-0000.safetensors");
    let before = fs::read(&saved).ok();
    // Until it trains, a signal ends it at once.
    while half.exists() || fs::read(&saved).ok() == before {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    crate::common::interrupt(child);
    assert!(folder.path().join("r/.notes").exists());
    assert!(!folder.path().join("r/.lock").exists());
}

#[test]
fn a_start_that_was_killed_before_its_settings_says_how_to_go_on() {
    let folder = tempdir().unwrap();
    let broken = folder.path().join("broken");
    fs::create_dir(&broken).unwrap();
    let command = format!("apical {SHORT} --out broken");
    fs::write(
        broken.join(".lock"),
        format!("process: 1\ncommand: {command}\n"),
    )
    .unwrap();
    fs::write(broken.join(".config.toml.1-0.tmp"), "steps").unwrap();
    let ran = apical(folder.path(), "run --resume --out broken");
    ran.fails(
        1,
        &[
            "broken holds no config.toml",
            &format!("start again with: {command}"),
        ],
    );
    obey(folder.path(), &command).ok();
    apical(folder.path(), &format!("{SHORT} --out whole")).ok();
    assert_same(&results(&folder.path().join("whole")), &results(&broken));
    // With something of worth in it, it is for the user to take it away.
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join(".lock"), "").unwrap();
    fs::write(other.join("note.txt"), "mine").unwrap();
    let before = files(&other).remove("note.txt");
    apical(folder.path(), &format!("{SHORT} --out other"))
        .fails(1, &["killed before", "remove the folder"]);
    assert_eq!(files(&other).remove("note.txt"), before);
}
