//! `apical reproduce` runs a paper, judges its claims and draws its figure.

mod common;

use std::collections::BTreeSet;

use common::{apical, assert_same, files, read};
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
        assert!(
            ["reproduced", "not reproduced", "inconclusive"].contains(&verdict),
            "{row}"
        );
        assert!(ran.out.contains(verdict), "{verdict}: {}", ran.out);
        assert!(ids.insert(row["id"].as_str().unwrap()), "twice: {row}");
    }
    let written = files(&folder.path().join("paper"));
    assert_eq!(written["claims.json"], text.as_bytes());
    let svg = String::from_utf8(written["figure1d.svg"].clone()).unwrap();
    for words in ["held-out accuracy", "W frozen"] {
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
                "paper: got `marschal2019`, expected",
                "apical reproduce marschall2019",
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

#[cfg(unix)]
#[test]
fn a_stopped_reproduction_leaves_its_folder_empty_for_the_next_try() {
    let folder = tempdir().unwrap();
    let mut command = common::program(folder.path());
    let words = "reproduce marschall2019 --out paper --json claims.json --threads 1";
    command
        .args(words.split_whitespace())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    common::wait_for(&folder.path().join("paper"));
    std::thread::sleep(std::time::Duration::from_millis(100));
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("stopped before the end. Nothing was written"),
        "{said}"
    );
    assert!(files(folder.path()).is_empty());
}
