//! On a full disk a run ends with an error that helps, and every file that was there is still whole.
//!
//! A limit on the size of files stands in for the full disk: its signal, which would end a program, makes writing fail.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use crate::common::{Ran, SHORT, apical, assert_same, checkpoint, files, finish, results};
use tempfile::tempdir;

/// As [`apical`], where no file may grow beyond `blocks` blocks of 512 or, in some shells, 1024 bytes.
fn on_full_disk(folder: &Path, blocks: u32, line: &str) -> Ran {
    let script = format!("ulimit -f {blocks}; exec \"$0\" {line}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_apical")]);
    finish(shell.current_dir(folder))
}

const MEND: &str = "raise the limit (ulimit -f) or choose another --out";

#[test]
fn a_checkpoint_that_finds_no_room_leaves_nothing_of_itself() {
    let folder = tempdir().unwrap();
    let ran = on_full_disk(folder.path(), 8, &format!("{SHORT} --out r --quiet"));
    ran.fails(
        1,
        &[
            "r/checkpoints/seed-0000.safetensors: cannot write this file",
            MEND,
        ],
    );
    let left = files(&folder.path().join("r"));
    let names: Vec<&str> = left.keys().map(String::as_str).collect();
    assert_eq!(names, ["config.toml", "environment.json"]);
    // With room again the run goes on to the end it would have had.
    apical(folder.path(), "run --resume --out r --quiet").ok();
    apical(folder.path(), &format!("{SHORT} --out whole --quiet")).ok();
    let path = |name: &str| folder.path().join(name);
    assert_same(&results(&path("whole")), &results(&path("r")));
}

#[test]
fn what_an_earlier_run_wrote_stays_whole() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    apical(folder.path(), &format!("{SHORT} --out r --quiet")).ok();
    let before = files(&path("r"));
    let ran = on_full_disk(
        folder.path(),
        8,
        "run --resume --out r --quiet --steps 2000",
    );
    ran.fails(1, &["seed-0000.safetensors: cannot write this file", MEND]);
    let mut after = files(&path("r"));
    // The settings know by now that the run is to be longer; nothing else has changed.
    let settings = after.insert("config.toml".into(), before["config.toml"].clone());
    assert!(
        String::from_utf8(settings.unwrap())
            .unwrap()
            .contains("steps = 2000")
    );
    assert_same(&before, &after);
    apical(folder.path(), "run --resume --out r --quiet").ok();
    let long = SHORT.replace("--steps 1000", "--steps 2000");
    apical(folder.path(), &format!("{long} --out long --quiet")).ok();
    assert_same(&results(&path("long")), &results(&path("r")));
}

#[test]
fn a_figure_that_finds_no_room_costs_the_figure_alone() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Checkpoints of 4 units are small, drawings are not.
    let line = format!("{SHORT} --set network.units=4 --quiet");
    let ran = on_full_disk(folder.path(), 64, &format!("{line} --out r"));
    ran.fails(1, &["r/figure.", "cannot write this file", MEND]);
    apical(folder.path(), &format!("{line} --out whole")).ok();
    let (whole, left) = (files(&path("whole")), files(&path("r")));
    assert!(!left.contains_key("figure.png") && checkpoint(&path("r"), 1).exists());
    for name in left.keys().filter(|name| *name != "environment.json") {
        assert!(left[name] == whole[name], "{name}");
    }
    assert!(left.contains_key("metrics.csv") && left.contains_key("metrics.parquet"));
    apical(folder.path(), "run --resume --out r --quiet").ok();
    assert_same(&results(&path("whole")), &results(&path("r")));
}
