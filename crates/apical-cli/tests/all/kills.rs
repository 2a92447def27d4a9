//! Runs of many kinds are killed at random instants, again and again, and come to the bytes of a run that was not.
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use crate::common::{apical, assert_same, obey, program, results};
use tempfile::tempdir;

const DATA: &str = r#"
steps = 30000
seeds = 2
precision = "f32"
loss = { kind = "mean_squared_error" }
feedback = { kind = "symmetric" }
rule = { kind = "rflo" }
optimizer = { kind = "adam", rate = 0.001 }
network = { units = 8 }
checkpoint = { every = 700 }
[task]
kind = "data"
file = "d.csv"
inputs = ["x"]
targets = ["y"]
[evaluate]
every = 1000
steps = 50
"#;

const KINDS: [&str; 5] = [
    "run marschall2019/lags46 --steps 30000 --seeds 3 --set network.units=8 --set evaluate.every=3000 \
     --set evaluate.steps=50 --set checkpoint.every=300",
    "run mine.toml",
    "run tasks/delayed_match --steps 20000 --seeds 2 --set network.units=8 --set evaluate.every=2000 \
     --set evaluate.steps=50 --set checkpoint.every=250",
    "run --from parent --steps 20000 --set optimizer.rate=3e-4",
    "run marschall2019/lags46 --steps 20000 --seeds 2 --set network.units=4 --set rule.kind=uoro \
     --set monitor=[{quantity=\"loss\",every=1}] --set evaluate.steps=0 --set checkpoint.every=100",
];

/// Kills of each kind; hundreds by hand, with `APICAL_KILLS=60`.
fn kills() -> u64 {
    let kills = std::env::var("APICAL_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

/// Starts `line` and kills it after some milliseconds; whether it came to its end before.
fn killed(folder: &Path, line: &str, after: u64) -> bool {
    let mut command = program(folder);
    command
        .args(line.split_whitespace())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(after));
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// Goes on with the run in `broken`, or starts it where a kill came before there was one.
fn go_on(folder: &Path, line: &str) {
    let ran = apical(folder, "run --resume --out broken --quiet");
    if ran.code == Some(0) {
        return;
    }
    assert!(ran.err.contains("holds no config.toml"), "{}", ran.err);
    match ran.err.split_once("start again with: ") {
        Some((_, command)) => obey(folder, command.trim()).ok(),
        None => apical(folder, line).ok(),
    };
}

#[test]
fn runs_killed_anywhere_come_to_the_same_end() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rows = (0..500).map(|k| {
        format!(
            "{:.3},{:.3}\n",
            (k as f64 * 0.3).sin(),
            (k as f64 * 0.3).cos()
        )
    });
    std::fs::write(path("d.csv"), format!("x,y\n{}", rows.collect::<String>())).unwrap();
    std::fs::write(path("mine.toml"), DATA).unwrap();
    let parent = "run marschall2019/lags46 --steps 3000 --seeds 2 --set network.units=8 \
        --set evaluate.steps=50 --set evaluate.every=1000 --set checkpoint.every=300 --out parent";
    apical(folder.path(), &format!("{parent} --quiet")).ok();
    let mut state = 11_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below.max(1)
    };
    for kind in KINDS {
        let begun = std::time::Instant::now();
        apical(folder.path(), &format!("{kind} --quiet --out whole")).ok();
        let takes = begun.elapsed().as_millis() as u64;
        let whole = results(&path("whole"));
        for _ in 0..kills() {
            let line = format!("{kind} --quiet --out broken");
            let ended = killed(folder.path(), &line, random(takes));
            // A kill while it goes on as well, now and then before its files are read.
            if !ended && path("broken/config.toml").exists() {
                killed(
                    folder.path(),
                    "run --resume --out broken --quiet",
                    random(takes / 2),
                );
            }
            go_on(folder.path(), &line);
            assert_same(&whole, &results(&path("broken")));
            std::fs::remove_dir_all(path("broken")).unwrap();
        }
        std::fs::remove_dir_all(path("whole")).unwrap();
    }
}
