//! `apical reproduce` runs a paper, judges its claims and draws its figure.

use std::collections::BTreeSet;

use crate::common::{apical, assert_same, files, read};
use tempfile::tempdir;

#[test]
fn a_paper_gives_claims_figures_and_records_whatever_the_threads() {
    let folder = tempdir().unwrap();
    let line = "reproduce marschall2019 --quick";
    let ran = apical(
        folder.path(),
        &format!("{line} --json claims.json --out paper"),
    )
    .ok();
    let text = read(folder.path().join("claims.json"));
    let claims: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(claims["paper"], "marschall2019");
    assert_eq!(claims["command"], "apical reproduce marschall2019 --quick");
    let rows = claims["claims"].as_array().unwrap();
    assert!(rows.len() >= 5, "{text}");
    let mut ids = BTreeSet::new();
    for row in rows {
        for key in [
            "id",
            "figure",
            "statement",
            "source",
            "expected",
            "measured",
            "spread",
        ] {
            assert!(!row[key].as_str().unwrap().is_empty(), "{key} of {row}");
        }
        assert!(row["n"].as_u64().unwrap() > 0, "{row}");
        let verdict = row["verdict"].as_str().unwrap();
        let open = verdict.strip_prefix("not testable here (about ");
        let takes = open.and_then(|rest| rest.strip_suffix(" seeds)"));
        let decided = ["reproduced", "not reproduced"].contains(&verdict);
        assert!(
            decided || takes.is_some_and(|n| n.parse::<u64>().is_ok()),
            "{row}"
        );
        let word = verdict.split(" (").next().unwrap();
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
        assert!(ids.insert(row["id"].as_str().unwrap()), "twice: {row}");
    }
    let written = files(&folder.path().join("paper"));
    assert_eq!(written["claims.json"], text.as_bytes());
    let svg = String::from_utf8(written["figure1d.svg"].clone()).unwrap();
    for words in ["first lag known", "strictly local", "W frozen"] {
        assert!(svg.contains(words), "{words}");
    }
    assert!(written["figure1d.png"].starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(written["figure1d.png"].ends_with(b"IEND\xaeB`\x82"));
    assert!(written.contains_key("environment.json") && written.contains_key("lags46.csv"));

    let ran = apical(
        folder.path(),
        &format!("{line} --quiet --threads 1 --json one.json --out one"),
    )
    .ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    assert_eq!(read(folder.path().join("one.json")), text);
    let mut one = files(&folder.path().join("one"));
    let mut all = written;
    for files in [&mut one, &mut all] {
        files.remove("environment.json");
    }
    assert_same(&all, &one);
}

#[test]
fn the_framework_gives_learning_curves_alignments_and_a_command_for_each_number() {
    let folder = tempdir().unwrap();
    let line = "reproduce marschall2020 --quick --json claims.json --out paper";
    let ran = apical(folder.path(), line).ok();
    let text = read(folder.path().join("claims.json"));
    let claims: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(claims["command"], "apical reproduce marschall2020 --quick");
    let rows = claims["claims"].as_array().unwrap();
    assert!(rows.len() >= 30, "{}", rows.len());
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rows.len());
    for id in [
        "add-a1.alignment_does_not_explain",
        "mimic-a05.exact_rules_agree",
        "add-a05.rflo_kernl",
    ] {
        assert!(ids.contains(id), "{id}");
    }
    assert!(ran.out.contains("Held-out loss at the end") && ran.out.contains("R-KF-RTRL"));
    let written = files(&folder.path().join("paper"));
    for name in ["curves", "alignment", "loss-and-alignment"] {
        for kind in ["svg", "png"] {
            assert!(
                written.contains_key(&format!("{name}.{kind}")),
                "{name}.{kind}"
            );
        }
    }
    for name in [
        "results",
        "curves",
        "alignment-add-a1",
        "alignment-mimic-a05",
    ] {
        assert!(written.contains_key(&format!("{name}.csv")), "{name}");
    }
    // A number of the table comes again from its command, shortened as the quick version is.
    let results = read(folder.path().join("paper/results.csv"));
    let row = results
        .lines()
        .find(|row| row.starts_with("add-a05,dni-b,0,"));
    let loss: f64 = row.unwrap().split(',').nth(3).unwrap().parse().unwrap();
    let commands = read(folder.path().join("paper/commands.md"));
    let command = commands
        .lines()
        .find(|row| row.contains("Add(2,4)") && row.contains("DNI-b"));
    let command = command.unwrap().split('`').nth(1).unwrap();
    let line = command.strip_prefix("apical ").unwrap();
    apical(
        folder.path(),
        &format!("{line} --steps 2000 --seeds 1 --out again"),
    )
    .ok();
    let metrics = crate::common::csv(folder.path().join("again/metrics.csv"));
    let column = metrics[0]
        .iter()
        .position(|name| name == "held_out_loss")
        .unwrap();
    let again: f64 = metrics.last().unwrap()[column].parse().unwrap();
    assert_eq!(again, loss);
}

#[test]
fn a_figure_alone_gives_its_claims_whatever_the_threads() {
    let folder = tempdir().unwrap();
    let line = "reproduce murray2019 --figure 2d --quick";
    apical(
        folder.path(),
        &format!("{line} --json claims.json --out figure"),
    )
    .ok();
    let text = read(folder.path().join("claims.json"));
    let claims: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(claims["command"], format!("apical {line}"));
    let rows = claims["claims"].as_array().unwrap();
    // Four claims, each at the printed rates and at those of the search.
    assert_eq!(rows.len(), 8, "{text}");
    assert!(rows.iter().all(|row| row["figure"] == "2d"), "{text}");
    let written = files(&folder.path().join("figure"));
    for name in ["figure2.svg", "figure2.png", "grid.md", "periodic.csv"] {
        assert!(written.contains_key(name), "{name}");
    }
    assert!(!written.contains_key("figure3.svg"));
    apical(
        folder.path(),
        &format!("{line} --quiet --threads 1 --json one.json --out one"),
    )
    .ok();
    assert_eq!(read(folder.path().join("one.json")), text);
}

#[test]
fn every_figure_of_2019_has_claims_and_is_drawn() {
    let folder = tempdir().unwrap();
    let line = "reproduce murray2019 --quick --json claims.json --out paper";
    let ran = apical(folder.path(), line).ok();
    let text = read(folder.path().join("claims.json"));
    let claims: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = claims["claims"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for row in rows {
        assert!(ids.insert(row["id"].as_str().unwrap()), "twice: {row}");
        assert!(row["n"].as_u64().unwrap() > 0, "{row}");
    }
    for figure in [
        "2a",
        "2b",
        "2c",
        "2d",
        "2s1",
        "2s2",
        "2s3",
        "3",
        "4",
        "reference",
    ] {
        assert!(rows.iter().any(|row| row["figure"] == figure), "{figure}");
    }
    let written = files(&folder.path().join("paper"));
    for name in ["figure2", "figure2-supplements", "figure3", "figure4"] {
        assert!(written.contains_key(&format!("{name}.png")), "{name}");
    }
    // The rule of the search stands beside what it chose.
    assert!(ran.out.contains("least median"), "{}", ran.out);
}

#[test]
fn figures_that_do_not_exist_are_refused() {
    let folder = tempdir().unwrap();
    for (line, parts) in [
        (
            "murray2019 --figure 5",
            &["--figure: got `5`, expected one of 2, 2a, 2b"][..],
        ),
        (
            "murray2019 --figure 2s4",
            &["--figure: got `2s4`", "Did you mean `2s"],
        ),
        (
            "marschall2019 --figure 1d",
            &[
                "--figure: got `1d`, expected no part",
                "Leave --figure out.",
            ],
        ),
    ] {
        apical(folder.path(), &format!("reproduce {line} --out new")).fails(1, parts);
        assert!(!folder.path().join("new").exists(), "{line}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_anything_is_computed() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/note.txt"), "mine").unwrap();
    let before = files(folder.path());
    let cases: [(&str, &[&str]); 5] = [
        (
            "marschall2019 --quick --out full",
            &["full: already exists and is not empty", "another --out"],
        ),
        (
            "marschall2019 --quick --out full/note.txt",
            &["is a file", "another --out"],
        ),
        (
            "marschall2019 --quick --out new --json no/where.json",
            &["no/where.json: cannot write", "its folder exists"],
        ),
        (
            "marschall2019 --quick --out new --json full",
            &["full: cannot write", "folder"],
        ),
        (
            "marschal2019 --out new",
            &[
                "paper: got `marschal2019`, expected one of marschall2019, marschall2020, murray2019",
                "Did you mean `marschall2019`?",
            ],
        ),
    ];
    for (line, parts) in cases {
        let ran = apical(folder.path(), &format!("reproduce {line}"));
        ran.fails(1, parts);
        assert_eq!(
            ran.err.lines().count(),
            1,
            "computed before refusing: {}",
            ran.err
        );
        assert_same(&before, &files(folder.path()));
        assert!(!folder.path().join("new").exists(), "{line}");
    }
}

/// Three seconds suffice for no row; what they gave is kept and found by the next call.
#[test]
fn a_budget_is_kept_and_the_next_call_goes_on() {
    let folder = tempdir().unwrap();
    let seeds = || files(&folder.path().join("paper/seeds")).len();
    let begun = std::time::Instant::now();
    let ran = apical(
        folder.path(),
        "reproduce marschall2019 --budget 3s --threads 1 --out paper",
    )
    .ok();
    assert!(begun.elapsed().as_secs() < 60);
    assert!(ran.out.contains("0 of 33 rows decided"), "{}", ran.out);
    assert!(ran.out.contains("not testable here"), "{}", ran.out);
    let claims = read(folder.path().join("paper/claims.json"));
    assert!(claims.contains("not testable here (more time)"), "{claims}");
    let first = seeds();
    assert!(first > 1);
    let again = "reproduce marschall2019 --resume --budget 3s --threads 1 --quiet --out paper";
    apical(folder.path(), again).ok();
    assert!(seeds() > first);
    for (line, parts) in [
        (
            "marschall2019 --budget 0s",
            ["--budget: got no time", "--budget 10m"],
        ),
        (
            "marschall2019 --budget soon",
            ["--budget: got `soon`, expected a time", "10m"],
        ),
        (
            "marschall2019 --budget 10",
            ["--budget: got `10`, expected a time", "10m"],
        ),
        (
            "marschall2020 --budget 1h",
            [
                "--budget: expected a paper whose rows are judged in turn (marschall2019, murray2019)",
                "Leave",
            ],
        ),
    ] {
        apical(folder.path(), &format!("reproduce {line} --out new")).fails(1, &parts);
        assert!(!folder.path().join("new").exists(), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_stopped_quick_reproduction_leaves_its_folder_empty_for_the_next_try() {
    let folder = tempdir().unwrap();
    let mut command = crate::common::program(folder.path());
    let words = "reproduce marschall2019 --quick --out paper --json claims.json --threads 1";
    command
        .args(words.split_whitespace())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    crate::common::wait_for(&folder.path().join("paper"));
    std::thread::sleep(std::time::Duration::from_millis(100));
    let output = crate::common::interrupt(child);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("stopped before the end. Nothing was written"),
        "{said}"
    );
    assert!(files(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn a_stopped_reproduction_names_the_command_that_goes_on_and_finds_what_was_kept() {
    let folder = tempdir().unwrap();
    let words = "reproduce marschall2020 --threads 1 --out paper".split_whitespace();
    let mut command = crate::common::program(folder.path());
    let child = command
        .args(words)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let seeds = folder.path().join("paper/seeds");
    crate::common::wait_for(&seeds.join("command.txt"));
    let is_seed = |name: &String| name.ends_with(".safetensors");
    while !files(&seeds).keys().any(is_seed) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = crate::common::interrupt(child);
    let said = String::from_utf8(output.stderr).unwrap();
    let line = "stopped; go on with: apical reproduce marschall2020 --resume --out paper";
    assert!(said.contains(line), "{said}");
    let kept = files(folder.path());

    let again = "reproduce marschall2020 --out paper";
    apical(folder.path(), again).fails(1, &["paper: already exists and is not empty", "--resume"]);
    let cases = [
        (
            "reproduce murray2019 --resume --out paper",
            "--resume: got `apical reproduce murray2019`, expected `apical reproduce marschall2020`",
        ),
        (
            "reproduce marschall2020 --quick --resume --out paper",
            "--resume: got a quick version",
        ),
        (
            "reproduce marschall2020 --resume --out nowhere",
            "nowhere/seeds/command.txt does not exist",
        ),
    ];
    for (line, reason) in cases {
        apical(folder.path(), line).fails(1, &[reason]);
    }
    assert_same(&kept, &files(folder.path()));
    apical(folder.path(), "reproduce marschall2020 --resume").fails(2, &["--out"]);
}
