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

/// What is killed, and how it goes on.
const KINDS: [[&str; 2]; 12] = [
    [
        "run marschall2019/lags46 --steps 30000 --seeds 3 --set network.units=8 --set evaluate.every=3000 \
         --set evaluate.steps=50 --set checkpoint.every=300",
        RUN,
    ],
    ["run mine.toml", RUN],
    [
        "run tasks/delayed_match --steps 20000 --seeds 2 --set network.units=8 --set evaluate.every=2000 \
         --set evaluate.steps=50 --set checkpoint.every=250",
        RUN,
    ],
    [
        "run --from parent --steps 20000 --set optimizer.rate=3e-4",
        RUN,
    ],
    [
        "run marschall2019/lags46 --steps 20000 --seeds 2 --set network.units=4 --set rule.kind=uoro \
         --set monitor=[{quantity=\"loss\",every=1}] --set evaluate.steps=0 --set checkpoint.every=100",
        RUN,
    ],
    [
        "run liu2022/xor --steps 20000 --seeds 2 --set network.units=12 --set batch=2 --set evaluate.every=10000 \
         --set evaluate.steps=2100 --set checkpoint.every=300",
        RUN,
    ],
    [
        "run murray2019/sequence --steps 30000 --seeds 2 --set network.units=12 --set evaluate.steps=0 \
         --set checkpoint.every=300",
        RUN,
    ],
    [
        "run tasks/mimic --steps 6000 --seeds 2 --set rule.kind=force --set network.sparsity.density=0.5 \
         --set evaluate.steps=0 --set checkpoint.every=300",
        RUN,
    ],
    [
        "run murray2019/periodic-200-bptt --steps 20000 --seeds 2 --set network.units=12 --set checkpoint.every=500",
        RUN,
    ],
    [
        "compare tasks/flip_flop --quick --set network.units=8",
        "compare --resume",
    ],
    [
        "compare marschall2020/add46 --quick --set network.units=8 --set batch=2",
        "compare --resume",
    ],
    [
        "reproduce marschall2019",
        "reproduce marschall2019 --resume",
    ],
];
const RUN: &str = "run --resume";

/// Kills of each kind; hundreds by hand, with `APICAL_KILLS=25`, a reproduction of minutes among them.
fn kills() -> Option<u64> {
    std::env::var("APICAL_KILLS").ok()?.parse().ok()
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

/// Goes on in `broken`, or starts where a kill came before there was anything.
fn go_on(folder: &Path, line: &str, further: &str) {
    let ran = apical(folder, &format!("{further} --out broken --quiet"));
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
    let mut count = 0;
    for [kind, further] in KINDS {
        let long = kind.starts_with("reproduce");
        if long && kills().is_none() {
            continue;
        }
        let begun = std::time::Instant::now();
        apical(folder.path(), &format!("{kind} --quiet --out whole")).ok();
        let takes = begun.elapsed().as_millis() as u64;
        let whole = results(&path("whole"));
        let mut left = kills().unwrap_or(4);
        while left > 0 {
            // Of what takes minutes all kills hit a single one.
            let round = if long { left } else { left.min(1 + random(4)) };
            left -= round;
            for _ in 0..round {
                // A kill may come before there is anything to go on with, or before files are read.
                let line = match path("broken/environment.json").exists() {
                    true => further,
                    false => kind,
                };
                let line = format!("{line} --quiet --out broken");
                killed(folder.path(), &line, random(2 * takes / round));
                count += 1;
            }
            go_on(
                folder.path(),
                &format!("{kind} --quiet --out broken"),
                further,
            );
            assert_same(&whole, &results(&path("broken")));
            std::fs::remove_dir_all(path("broken")).unwrap();
        }
        std::fs::remove_dir_all(path("whole")).unwrap();
        eprintln!("{count} kills, the last of {kind}");
    }
}
