//! `apical run --from` goes on from the checkpoints of another run under other settings.

use std::path::Path;

use crate::common::{apical, assert_same, checkpoint, csv, files, previous, read, results};
use tempfile::tempdir;

const PARENT: &str = "run marschall2019/lags46 --steps 1000 --seeds 2 --set network.units=6 --set evaluate.steps=50 \
    --set optimizer.kind=adam --set checkpoint.every=400 --quiet --out a";

fn parent(folder: &Path) {
    apical(folder, PARENT).ok();
}

#[test]
fn what_the_settings_do_not_change_goes_on_as_if_the_run_had_been_longer() {
    let folder = tempdir().unwrap();
    parent(folder.path());
    let before = files(folder.path());
    // Under the settings it had, the new run is the second half of the long one.
    let ran = apical(
        folder.path(),
        "run --from a --steps 2000 --out b --set checkpoint.every=300",
    )
    .ok();
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    apical(
        folder.path(),
        &PARENT
            .replace("1000", "2000")
            .replace("--out a", "--out long"),
    )
    .ok();
    let rows = |run: &str| csv(folder.path().join(run).join("metrics.csv"));
    let late = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        let late = |row: &Vec<String>| row[1].parse::<u64>().is_ok_and(|step| step > 1000);
        rows.into_iter().filter(late).collect()
    };
    let (on, long) = (rows("b"), rows("long"));
    assert_eq!(on[0], long[0]);
    // The first row is a test of what it began with.
    assert!(
        on[1..]
            .iter()
            .all(|row| row[1].parse::<u64>().unwrap() >= 1000)
    );
    assert_eq!(late(on), late(long));
    // Its parents are written down, and stay as they were.
    let environment: serde_json::Value =
        serde_json::from_str(&read(folder.path().join("b/environment.json"))).unwrap();
    for seed in 0..2 {
        let from = &environment["from"][seed];
        assert_eq!(from["seed"], seed);
        assert_eq!(from["step"], 1000);
        assert_eq!(
            from["checkpoint"],
            format!("a/checkpoints/seed-000{seed}.safetensors")
        );
        assert!(from["checksum"].as_str().unwrap().starts_with("crc32:"));
    }
    let mut after = files(folder.path());
    after.retain(|name, _| name.starts_with("a/"));
    assert_same(&before, &after);
    // It needs them no more.
    std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    std::fs::remove_file(checkpoint(&folder.path().join("b"), 0)).unwrap();
    let whole = results(&folder.path().join("b"));
    apical(folder.path(), "run --resume --out b --quiet").ok();
    let left = results(&folder.path().join("b"));
    assert_eq!(whole["metrics.csv"], left["metrics.csv"]);
}

#[test]
fn other_settings_take_effect_and_what_does_not_fit_is_named_once() {
    let folder = tempdir().unwrap();
    parent(folder.path());
    let metrics = |out: &str| read(folder.path().join(out).join("metrics.csv"));
    let cases: [(&str, &[&str]); 7] = [
        ("--set optimizer.rate=1e-4", &[]),
        ("--set rule.rate=1e-3 --set rule.jacobian.rate=1e-3", &[]),
        ("--set optimizer.kind=sgd", &["what the optimizer carries"]),
        ("--set rule.kind=rflo", &["what the rule carries"]),
        ("--set rule.refresh=7", &["what the rule carries"]),
        ("--set task.lags=[2,3]", &["the place in the task"]),
        (
            "--set batch=2 --set rule.kind=rflo",
            &[
                "the activity",
                "what the rule carries",
                "the place in the task",
            ],
        ),
    ];
    for (k, (change, dropped)) in cases.into_iter().enumerate() {
        let out = format!("b{k}");
        let ran = apical(
            folder.path(),
            &format!("run --from a --steps 1500 {change} --out {out}"),
        )
        .ok();
        let warned: Vec<&str> = ran
            .err
            .lines()
            .filter(|line| line.contains("begun anew"))
            .collect();
        assert_eq!(
            warned.len(),
            usize::from(!dropped.is_empty()),
            "{change}: {}",
            ran.err
        );
        for part in dropped {
            assert!(warned[0].contains(part), "{change}: {}", ran.err);
        }
        let named = warned.first().map_or(0, |line| line.split(';').count());
        assert_eq!(named, dropped.len(), "{change}: {}", ran.err);
        assert!(metrics(&out) != metrics("b0") || k == 0, "{change}");
        apical(folder.path(), &format!("run --resume --out {out} --quiet")).ok();
    }
    // One checkpoint is one seed.
    let line = "run --from a/checkpoints/seed-0001.previous.safetensors --steps 1500 --set optimizer.rate=1e-4 --out one";
    apical(folder.path(), line).ok();
    let rows = csv(folder.path().join("one/metrics.csv"));
    assert!(rows[1..].iter().all(|row| row[0] == "1"));
    assert_eq!(rows[1][1], "900");
    assert!(read(folder.path().join("one/environment.json")).contains("\"step\": 800"));
    // Without a name it is called after where it came from.
    let ran = apical(folder.path(), "run --from a --steps 1100").ok();
    assert!(ran.out.contains("wrote runs/a-on\n"), "{}", ran.out);
}

#[test]
fn what_cannot_begin_there_is_refused_and_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    parent(folder.path());
    std::fs::write(folder.path().join("note.txt"), "mine").unwrap();
    std::fs::remove_file(checkpoint(&folder.path().join("a"), 1)).unwrap();
    std::fs::remove_file(previous(&folder.path().join("a"), 1)).unwrap();
    let before = files(folder.path());
    let cases: [(&str, &[&str]); 8] = [
        (
            "--from a --steps 2000",
            &["--from: a has no checkpoint of seed 1", "--seeds"],
        ),
        (
            "--from a --steps 2000 --seeds 4",
            &[
                "--from: a has no checkpoint of seed 1, 2, 3",
                "expected one for each seed",
            ],
        ),
        (
            "--from a --seeds 1",
            &["steps: got 1000, expected more than the 1000", "--steps"],
        ),
        (
            "--from a --seeds 1 --steps 2000 --set network.units=7",
            &["network.units: got 7, expected 6", "without --from"],
        ),
        (
            "--from a --seeds 1 --steps 2000 --set precision=f32",
            &["precision: got f32, expected f64", "without --from"],
        ),
        (
            "--from nowhere --steps 2000",
            &["--from: got nowhere, expected the folder of a run"],
        ),
        ("--from note.txt --steps 2000", &["note.txt", "heckpoint"]),
        (
            "--from a/checkpoints/seed-0000.safetensors --steps 2000 --seed 1",
            &["has no checkpoint of seed 1", "the file is of seed 0"],
        ),
    ];
    for (options, parts) in cases {
        let ran = apical(folder.path(), &format!("run {options} --out new"));
        ran.fails(1, parts);
        assert_same(&before, &files(folder.path()));
        assert!(!folder.path().join("new").exists(), "{options}");
    }
    apical(folder.path(), "run --from a --resume --out new").fails(2, &["--resume"]);
}
