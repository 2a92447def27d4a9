//! `apical check` says what it found, in words and in JSON, and ends accordingly.

use crate::common::apical;
use serde_json::Value;

/// Few networks: what is measured is tested in the library.
const FEW: &str = "--cases 8 --draws 1000";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_rule_passes_and_its_receipt_says_what_was_found() {
    let ran = apical(folder().path(), &format!("check rflo uoro eprop {FEW}")).ok();
    for part in [
        "8 random networks a relation (seeds 0 to 7), 1000 draws of noise",
        "PASS  rflo\n",
        "  drops   the influence that travels through other units\n",
        "synapses keep their update, bit by bit, whatever happens elsewhere",
        "  time    local: nothing owed when a trial ends",
        "= rtrl without recurrent weights",
        "negative controls: must not agree",
        "is not rtrl with recurrent weights",
        "PASS  uoro\n",
        "share of the exact gradient ",
        "\nPASS  2 rules, ",
    ] {
        assert!(ran.out.contains(part), "`{part}` is not in:\n{}", ran.out);
    }
    // Another name of a rule already asked for does not bring it again; nothing else was asked for.
    assert_eq!(ran.out.matches("PASS  ").count(), 3);
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 160),
        "{}",
        ran.out
    );
}

#[test]
fn all_rules_are_checked_by_default() {
    let ran = apical(folder().path(), &format!("check {FEW} --seed 5 --json")).ok();
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let names: Vec<&str> = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|receipt| receipt["rule"]["name"].as_str().unwrap())
        .collect();
    let known: Vec<&str> = apical::rule::RULES.iter().map(|info| info.name).collect();
    assert_eq!(names, known);
    assert_eq!(report["passed"], true);
    assert_eq!(report["settings"]["seed"], 5);
    assert_eq!(report["settings"]["cases"], 8);
    for receipt in report["rules"].as_array().unwrap() {
        let relations = receipt["relations"].as_array().unwrap();
        assert!(!relations.is_empty(), "{receipt}");
        for relation in relations {
            assert_eq!(relation["passed"], true, "{relation}");
            assert!(relation["largest"].is_number(), "{relation}");
            assert!(relation["nearest"].as_str().unwrap().starts_with("seed "));
        }
        assert!(receipt["locality"][0]["declared"].is_string());
        assert!(receipt["time"]["kept"][2].is_number());
    }
}

#[test]
fn the_json_goes_where_it_is_told() {
    let folder = folder();
    let ran = apical(
        folder.path(),
        &format!("check rtrl {FEW} --json=receipt.json"),
    )
    .ok();
    assert!(ran.out.contains("PASS  rtrl"), "{}", ran.out);
    let text = std::fs::read_to_string(folder.path().join("receipt.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let command = report["command"].as_str().unwrap();
    assert_eq!(
        command,
        format!("apical check rtrl {FEW} --json=receipt.json")
    );
    let ran = apical(
        folder.path(),
        &format!("check rtrl {FEW} --json=no/such/folder.json"),
    );
    ran.fails(1, &["no/such/folder.json: the receipt cannot be written"]);
}

#[test]
fn the_same_seed_gives_the_same_receipt() {
    let receipt = |seed: u64| {
        let line = format!("check kf_rtrl {FEW} --seed {seed}");
        apical(folder().path(), &line).ok().out
    };
    assert_eq!(receipt(3), receipt(3));
    assert_ne!(receipt(3), receipt(4));
}

#[test]
fn one_network_is_described() {
    let ran = apical(folder().path(), "check rflo --seed 99 --cases 1");
    assert!(ran.out.contains("\n      seed 99: "), "{}", ran.out);
}

/// With so few draws the control, whose noise is too small, cannot be told from the exact gradient: no pass.
#[test]
fn what_cannot_be_shown_is_not_passed() {
    let ran = apical(folder().path(), "check uoro --cases 2 --draws 100");
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.out.contains("FAIL  uoro\n"), "{}", ran.out);
    assert!(ran.out.contains("\nX   seed "), "{}", ran.out);
    assert!(ran.out.contains("\nFAIL  1 of 1 rule, "), "{}", ran.out);
    assert!(ran.err.is_empty(), "{}", ran.err);
}

#[test]
fn mistakes_are_named() {
    let folder = folder();
    let fails = |line: &str, parts: &[&str]| apical(folder.path(), line).fails(1, parts);
    fails(
        "check rtlr",
        &[
            "rule: there is no `rtlr`, expected one of dendritic,",
            "Did you mean `rtrl`?",
        ],
    );
    fails("check xyzzy", &["`xyzzy`", "`apical rules` lists them."]);
    fails(
        "check rflo --cases 0",
        &["cases: got 0, expected at least 1"],
    );
    fails(
        "check rflo --draws 7",
        &["draws: got 7, expected at least 100"],
    );
    let ran = apical(folder.path(), "check rflo --seed -1");
    assert_eq!(ran.code, Some(2));
}
