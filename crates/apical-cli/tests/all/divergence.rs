//! A training that diverges keeps its metrics, says what is at fault, and names a command that goes on from before.

use crate::common::{apical, csv, files};
use tempfile::tempdir;

/// A loss that grows without bound within a few steps.
const DIVERGING: &str = "run marschall2019/lags46 --steps 200 --seeds 1 --quiet --out r \
    --set loss.kind=mean_squared_error --set network.neuron.activation=identity \
    --set evaluate.every=0 --set monitor=[{quantity=\"loss\",every=1}]";

/// The step before which `message` says that training diverged.
fn diverged_at(message: &str) -> u64 {
    let (_, rest) = message.split_once("diverged at step ").unwrap();
    rest.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_run_that_diverges_says_where_and_keeps_its_metrics() {
    let folder = tempdir().unwrap();
    let line = format!("{DIVERGING} --set optimizer.rate=0.2");
    let ran = apical(folder.path(), &line);
    ran.fails(
        1,
        &[
            "1 of 1 seeds diverged",
            "seed 0",
            "the loss is not finite",
            "last finite loss",
        ],
    );
    ran.fails(
        1,
        &[
            "Lower `optimizer.rate`",
            "No checkpoint was written before.",
        ],
    );
    let rows = csv(folder.path().join("r/metrics.csv"));
    // Steps of the message count from 0: all before it were learned and recorded.
    assert_eq!(rows.len() as u64, 1 + diverged_at(&ran.err));
    let losses: Vec<f64> = rows[1..]
        .iter()
        .map(|row| row[2].parse().unwrap())
        .collect();
    assert!(losses.len() > 2 && losses.iter().all(|loss| loss.is_finite()));
    let written = files(&folder.path().join("r"));
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "config.toml",
            "environment.json",
            "figure.png",
            "figure.svg",
            "metrics.csv",
            "metrics.parquet"
        ]
    );
}

/// The command that a message names, obeyed.
#[cfg(unix)]
#[track_caller]
fn advised(folder: &std::path::Path, message: &str) -> crate::common::Ran {
    let (_, command) = message.rsplit_once(": apical ").unwrap();
    crate::common::obey(folder, &format!("apical {}", command.trim()))
}

#[cfg(unix)]
#[test]
fn a_run_that_diverges_names_the_command_that_goes_on_from_before() {
    let folder = tempdir().unwrap();
    let sound = "run marschall2019/lags46 --steps 100 --seeds 1 --quiet --out base --set rule.kind=rflo \
        --set feedback.kind=symmetric --set loss.kind=mean_squared_error --set evaluate.every=0 \
        --set monitor=[{quantity=\"loss\",every=1}]";
    apical(folder.path(), sound).ok();
    let line = "run --from base --steps 2000 --quiet --set optimizer.rate=50 --set checkpoint.every=500 --out r";
    let ran = apical(folder.path(), line);
    ran.fails(
        1,
        &[
            "Lower `optimizer.rate` (it is 50)",
            "apical run --from r/checkpoints/seed-0000.",
        ],
    );
    ran.fails(1, &["--steps 2000 --set optimizer.rate=", "--out r-2"]);
    // Going on from the last checkpoint comes to the same end, and says so again.
    let again = apical(folder.path(), "run --resume --out r --quiet");
    assert_eq!(again.err, ran.err);
    let on = advised(folder.path(), &ran.err).ok();
    assert!(on.out.contains("wrote r-2"), "{}", on.out);
    // What it began with was sound: a loss like that of the start.
    let rows = csv(folder.path().join("r-2/metrics.csv"));
    let loss: f64 = rows[1][2].parse().unwrap();
    let start: f64 = csv(folder.path().join("r/metrics.csv"))[1][2]
        .parse()
        .unwrap();
    assert!(loss < 1e7 * start.max(1.0), "{loss} {start}");
    // The folder of the run does as well, and chooses by itself.
    apical(
        folder.path(),
        "run --from r --set optimizer.rate=1e-3 --out r-3 --quiet",
    )
    .ok();
}

/// What is at fault is named: a rate of the rule, the gain of the start, a row of the data.
#[cfg(unix)]
#[test]
fn a_run_that_diverges_says_what_is_at_fault() {
    let folder = tempdir().unwrap();
    let rows = (0..200).map(|k| format!("{},{}\n", k % 7, if k == 41 { "1e200" } else { "0.5" }));
    let data = format!("x,y\n{}", rows.collect::<String>());
    std::fs::write(folder.path().join("d.csv"), data).unwrap();
    let mine = r#"
        steps = 400
        loss = { kind = "mean_squared_error" }
        feedback = { kind = "symmetric" }
        rule = { kind = "rflo" }
        task = { kind = "data", file = "d.csv", inputs = ["x"], targets = ["y"] }
        checkpoint = { every = 10 }
        evaluate = { steps = 0 }
    "#;
    std::fs::write(folder.path().join("mine.toml"), mine).unwrap();
    let exploding = "--set network.recurrent.gain=3.0 --set loss.kind=mean_squared_error \
        --set network.neuron.activation=identity";
    let cases: [(&str, &str, &[&str]); 4] = [
        (
            "bounded-A",
            "run marschall2019/lags46 --set rule.rate=50.0",
            &["A grew", "Lower `rule.rate` (it is 50)", "--set rule.rate="],
        ),
        (
            "bounded-J",
            "run marschall2019/lags46 --set rule.jacobian.rate=20.0",
            &[
                "J grew",
                "Lower `rule.jacobian.rate` (it is 20)",
                "--set rule.jacobian.rate=",
            ],
        ),
        (
            "gain",
            &format!("run marschall2019/lags46 {exploding}"),
            &[
                "before it learns anything: lower `network.recurrent.gain` (it is 3)",
                "No checkpoint was written before.",
            ],
        ),
        (
            "data",
            "run mine.toml",
            &[
                "Row 42 of `d.csv` has 1e200 as a target",
                "--from data/checkpoints/seed-0000.safetensors --steps",
            ],
        ),
    ];
    for (out, line, parts) in cases {
        let line = format!(
            "{line} --seeds 1 --set checkpoint.every=10 --set evaluate.steps=0 --quiet --out {out}"
        );
        let ran = apical(
            folder.path(),
            &line.replace(
                "run marschall2019/lags46",
                "run marschall2019/lags46 --steps 4000",
            ),
        );
        ran.fails(1, parts);
        assert!(csv(folder.path().join(out).join("metrics.csv"))[0].contains(&"loss".to_string()));
        // The data are to be mended first; a start that no longer explodes may still learn too fast.
        if out.starts_with("bounded") {
            advised(folder.path(), &ran.err).ok();
        }
    }
}

#[test]
fn a_rate_far_too_large_is_no_crash() {
    let folder = tempdir().unwrap();
    let line = format!("{DIVERGING} --set optimizer.rate=1e6 --set precision=f32");
    let ran = apical(folder.path(), &line.replace("--seeds 1", "--seeds 3"));
    ran.fails(
        1,
        &["3 of 3 seeds diverged", "seed 0: training diverged at step"],
    );
}
