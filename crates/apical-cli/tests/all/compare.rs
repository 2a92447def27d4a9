//! `apical compare` lets rules watch, compares their gradients, and refuses what cannot be compared.

use crate::common::{apical, assert_same, csv, files, read, results};
use tempfile::tempdir;

const QUICK: &str =
    "compare marschall2019/lags46 --quick --steps 300 --train rtrl.feedback=symmetric";

#[test]
fn rules_are_compared_in_tables_and_figures_whatever_the_threads() {
    let folder = tempdir().unwrap();
    let rules = "exact:rtrl.feedback=symmetric,rflo,rflo,f_bptt.horizon=3+feedback=symmetric,uoro,readout_only";
    let ran = apical(folder.path(), &format!("{QUICK} --rules {rules} --out a")).ok();
    for words in [
        "Add(4,6), rtrl learns: 300 steps, 2 seeds",
        "rflo (2)",
        "exact",
        "warning: readout_only: its gradient was zero",
        "mean alignment ±sd between seeds",
    ] {
        assert!(
            ran.out.contains(words) || ran.err.contains(words),
            "{words}: {} {}",
            ran.out,
            ran.err
        );
    }
    let written = files(&folder.path().join("a"));
    for name in ["alignment", "histogram"] {
        for kind in ["csv", "parquet", "svg", "png"] {
            assert!(
                written.contains_key(&format!("{name}.{kind}")),
                "{name}.{kind}"
            );
        }
    }
    assert!(written.contains_key("config.toml") && written.contains_key("environment.json"));
    let config = read(folder.path().join("a/config.toml"));
    assert!(
        config.contains("kind = \"rtrl\"") && config.contains("steps = 300"),
        "{config}"
    );

    let rows = csv(folder.path().join("a/alignment.csv"));
    assert_eq!(rows[0][..4], ["rule", "with", "seed", "mean"]);
    // 15 pairs, two seeds.
    assert_eq!(rows.len(), 31);
    let mean = |a: &str, b: &str| -> f64 {
        let row = rows.iter().find(|row| row[0] == a && row[1] == b);
        row.unwrap_or_else(|| panic!("{a} {b}"))[3].parse().unwrap()
    };
    assert!(mean("rflo (2)", "rflo") > 1.0 - 1e-12);
    assert_eq!(mean("readout_only", "exact"), 0.0);
    let late = rows
        .iter()
        .find(|row| row[0].starts_with("f_bptt"))
        .unwrap();
    assert_eq!(late[6], "298");

    apical(
        folder.path(),
        &format!("{QUICK} --rules {rules} --out b --threads 1 --quiet"),
    )
    .ok();
    assert_same(
        &results(&folder.path().join("a")),
        &results(&folder.path().join("b")),
    );
}

#[test]
fn a_task_with_trials_resets_the_watching_rules_and_may_have_bptt() {
    let folder = tempdir().unwrap();
    let line = "compare marschall2019/lags46 --steps 400 --seeds 1 --set task.kind=delayed_match \
        --set loss.kind=mean_squared_error --set feedback.kind=symmetric --set update=trial --train rtrl \
        --rules rtrl,bptt,e_bptt.horizon=500,rflo --out a";
    apical(folder.path(), line).ok();
    let rows = csv(folder.path().join("a/alignment.csv"));
    let mean = |a: &str, b: &str| -> f64 {
        let row = rows.iter().find(|row| row[0].starts_with(a) && row[1] == b);
        row.unwrap()[3].parse().unwrap()
    };
    assert!(
        mean("bptt", "rtrl") > 1.0 - 1e-9,
        "{}",
        mean("bptt", "rtrl")
    );
    assert!(mean("e_bptt", "bptt") > 1.0 - 1e-9);
    assert!(mean("rflo", "bptt") < 0.999);
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_computed() {
    let folder = tempdir().unwrap();
    let cases: [(&str, &[&str]); 12] = [
        (
            "--rules rtrl,rlfo",
            &[
                "--rules rlfo",
                "unknown value `rlfo`",
                "Did you mean `rflo`?",
            ],
        ),
        ("--rules rtrl", &["rules: got 1 of them", "at least 2"]),
        (
            "--rules rtrl,bptt",
            &["--rules bptt", "endless stream", "use rtrl"],
        ),
        (
            "--rules rtrl,node_perturbation",
            &["--rules node_perturbation", "perturbs the network"],
        ),
        (
            "--rules rtrl,rflo.rate=1",
            &["--rules rflo.rate=1", "rule.rate"],
        ),
        (
            "--rules rtrl,f_bptt.horizn=3",
            &["rule.horizn", "Did you mean `horizon`?"],
        ),
        (
            "--rules rtrl,f_bptt.horizon=0",
            &["--rules f_bptt.horizon=0", "rule.horizon", "got 0"],
        ),
        (
            "--rules rtrl,rflo.feedback=rndom",
            &["feedback.kind", "Did you mean `random`?"],
        ),
        (
            "--rules rtrl,,rflo",
            &["nothing there", "Write for example rflo"],
        ),
        (
            "--rules rtrl,rflo --train rtlr",
            &["--train rtlr", "Did you mean `rtrl`?"],
        ),
        ("--rules rtrl,rflo --steps 0", &["steps", "at least 1"]),
        (
            "--rules rflo,rtrl --set rule.kind=rflo --set network.output_feedback.kind=gaussian",
            &["network.output_feedback", "expected none, because `rtrl`"],
        ),
    ];
    for (options, parts) in cases {
        let line = format!("compare marschall2019/lags46 {options} --out new");
        let ran = apical(folder.path(), &line);
        ran.fails(1, parts);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        assert!(files(folder.path()).is_empty(), "{line}");
    }
    apical(folder.path(), "compare marschall2019/lags4 --quick").fails(
        1,
        &["neither a built-in experiment nor a file", "Did you mean"],
    );
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/note.txt"), "mine").unwrap();
    apical(folder.path(), &format!("{QUICK} --out full")).fails(1, &["not empty", "another --out"]);
}

#[cfg(unix)]
#[test]
fn a_stopped_comparison_goes_on_to_the_same_bytes() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let line = "compare marschall2019/lags46 --seeds 3 --steps 6000 --rules rtrl,rflo,f_bptt,uoro,e_bptt \
        --set checkpoint.every=1000 --train rtrl --quiet --out";
    apical(folder.path(), &format!("{line} whole")).ok();
    let start = |line: &str| {
        let mut command = crate::common::program(folder.path());
        command.args(line.split_whitespace());
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Waits until so many seeds are kept, done or not.
    let kept = |count: usize| {
        let begun = std::time::Instant::now();
        let is_whole =
            |entry: &std::fs::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
        let seeds = || std::fs::read_dir(path("a/seeds"));
        while seeds().map_or(0, |seeds| seeds.flatten().filter(is_whole).count()) < count {
            assert!(begun.elapsed().as_secs() < 60);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    let child = start(&format!("{line} a --threads 1"));
    kept(2);
    let said = String::from_utf8(crate::common::interrupt(child).stderr).unwrap();
    assert!(
        said.contains("stopped; go on with: apical compare --resume --out a"),
        "{said}"
    );
    assert!(!path("a/alignment.csv").exists());
    // Nothing is changed by what does not go on with it.
    let before = files(&path("a"));
    let cases: [(&str, &[&str]); 7] = [
        (
            "--steps 7000",
            &["steps: got 7000, expected 6000", "Leave --steps out"],
        ),
        ("--seeds 2", &["seeds: got 2, expected at least 3"]),
        ("--seed 1", &["seed: got 1, expected 0"]),
        (
            "--set network.units=8",
            &["network.units: got 8, expected 32"],
        ),
        ("--train rflo", &["rule", "rflo"]),
        (
            "--rules rtrl,rflo",
            &["--rules: got rtrl,rflo, expected rtrl,rflo,f_bptt"],
        ),
        ("--rules rtrl,rtlr", &["Did you mean `rtrl`?"]),
    ];
    for (options, parts) in cases {
        let ran = apical(
            folder.path(),
            &format!("compare --resume --out a {options}"),
        );
        ran.fails(1, parts);
        assert_same(&before, &files(&path("a")));
    }
    // A kill loses no more than the steps since a seed was last kept.
    let mut child = start("compare --resume --out a --threads 1 --quiet");
    kept(3);
    child.kill().unwrap();
    child.wait().unwrap();
    apical(folder.path(), &format!("{line} a --resume --threads 2")).ok();
    assert_same(&results(&path("whole")), &results(&path("a")));
    // What is done is not trained again, and more seeds are only added.
    apical(folder.path(), "compare --resume --out a --seeds 4 --quiet").ok();
    let more = line.replace("--seeds 3", "--seeds 4");
    apical(folder.path(), &format!("{more} more")).ok();
    assert_same(&results(&path("more")), &results(&path("a")));
}

#[test]
fn only_comparisons_go_on_as_comparisons() {
    let folder = tempdir().unwrap();
    let run = format!("{} --out r --quiet", crate::common::SHORT);
    apical(folder.path(), &run).ok();
    apical(folder.path(), "compare --resume --out r")
        .fails(1, &["holds no rules.toml", "apical run --resume --out DIR"]);
    apical(folder.path(), "compare --resume --out none").fails(1, &["none holds no config.toml"]);
    apical(folder.path(), "compare --out r").fails(2, &["<EXPERIMENT>"]);
    let line = format!("{QUICK} --rules rtrl,rflo --quiet --out c");
    apical(folder.path(), &line).ok();
    let (name, _) = files(&folder.path().join("c/seeds")).pop_first().unwrap();
    std::fs::write(folder.path().join("c/seeds").join(&name), "no checkpoint").unwrap();
    apical(folder.path(), "compare --resume --out c").fails(1, &[&name]);
}
