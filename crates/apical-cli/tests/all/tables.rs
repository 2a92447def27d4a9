//! The tables show everything there is.

use crate::common::apical;
use apical::neuron::NEURONS;
use apical::rule::{COMBINATIONS, RULES};
use apical::task::TASKS;
use apical_runs::experiment::{BUILT_IN, BuiltIn, resolved};
use tempfile::tempdir;

/// The first words of the rows of a table.
fn first_column(line: &str) -> Vec<String> {
    let folder = tempdir().unwrap();
    let ran = apical(folder.path(), line).ok();
    assert_eq!(ran.err, "");
    let rows = ran.out.lines().filter(|row| row.starts_with(' '));
    let cells = rows.filter(|row| !row.starts_with("  "));
    let words = cells.filter_map(|row| row.split_whitespace().next());
    words.skip(1).map(String::from).collect()
}

#[test]
fn every_name_has_its_row() {
    let built_in: Vec<&str> = BUILT_IN.iter().map(|e| e.name).collect();
    assert_eq!(first_column("list"), built_in);
    let tasks: Vec<&str> = TASKS.iter().map(|task| task.name).collect();
    assert_eq!(first_column("tasks"), tasks);
    let neurons: Vec<&str> = NEURONS.iter().map(|neuron| neuron.name).collect();
    assert_eq!(first_column("neurons"), neurons);
    let rules: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    let shown = first_column("rules --no-timing");
    assert_eq!(shown[..rules.len()], rules);
    // After the rules, the head and the rows of their combinations.
    assert_eq!(shown.len(), rules.len() + 1 + COMBINATIONS.len());
}

#[test]
fn rules_are_timed_unless_told_otherwise() {
    let folder = tempdir().unwrap();
    let timed = apical(folder.path(), "rules").ok().out;
    assert_eq!(timed.matches(" us ").count(), RULES.len(), "{timed}");
    let untimed = apical(folder.path(), "rules --no-timing").ok().out;
    assert_eq!(untimed.matches(" us ").count(), 0, "{untimed}");
}

#[test]
fn list_prints_the_file_of_an_experiment_as_it_is() {
    let folder = tempdir().unwrap();
    for built_in in BUILT_IN {
        let ran = apical(folder.path(), &format!("list {}", built_in.name)).ok();
        assert_eq!(ran.out, built_in.toml);
    }
    let ran = apical(folder.path(), "list marschall2019/lag46");
    ran.fails(
        1,
        &[
            "marschall2019/lag46",
            "Did you mean `marschall2019/lags46`?",
        ],
    );
}

#[test]
fn every_setting_of_an_experiment_is_shown_if_asked_for() {
    let folder = tempdir().unwrap();
    let name = "marschall2019/lags59-frozen";
    let all = apical(folder.path(), &format!("list {name} --resolved"))
        .ok()
        .out;
    let settings = BuiltIn::find(name).unwrap().settings().unwrap();
    assert_eq!(all, resolved(&settings).unwrap());
    assert!(all.contains("label_activation") && !all.contains("extends"));
    // The same of a file, which extends what the built-in one does.
    let text = apical(folder.path(), &format!("list {name}")).ok().out;
    assert!(text.starts_with("extends = \"marschall2019/lags59\"\n"));
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    let file = apical(folder.path(), "list mine.toml --resolved").ok().out;
    assert_eq!(file, all);
    let ran = apical(folder.path(), "list mine.toml");
    ran.fails(1, &["`mine.toml` is a file", "--resolved"]);
    let ran = apical(folder.path(), "list --resolved");
    ran.fails(2, &["<EXPERIMENT>"]);
}

#[test]
fn help_and_version_are_there_for_every_command() {
    let folder = tempdir().unwrap();
    let help = apical(folder.path(), "--help").ok().out;
    for command in [
        "run",
        "reproduce",
        "list",
        "schema",
        "tasks",
        "neurons",
        "rules",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let own = apical(folder.path(), &format!("{command} --help")).ok().out;
        assert!(own.contains(&format!("Usage: apical {command}")), "{own}");
    }
    let version = apical(folder.path(), "--version").ok().out;
    assert_eq!(version, concat!("apical ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// What `apical rules | head -0` does: the reader leaves before the first word.
#[cfg(unix)]
#[test]
fn a_reader_who_leaves_early_is_no_error() {
    let folder = tempdir().unwrap();
    let run = format!("{} --out r 2>&1", crate::common::SHORT);
    for line in [
        "list",
        "list marschall2019/lags46",
        "tasks",
        "neurons",
        "rules --no-timing",
        &run,
    ] {
        // Sleeping makes sure that the pipe is closed when the program writes.
        let script = format!("(sleep 0.2; \"$0\" {line}; echo $? > code) | true");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_apical")]);
        let ran = crate::common::finish(shell.current_dir(folder.path())).ok();
        assert_eq!(ran.err, "", "{line}");
        crate::common::wait_for(&folder.path().join("code"));
        assert_eq!(
            crate::common::read(folder.path().join("code")),
            "0\n",
            "{line}"
        );
        std::fs::remove_file(folder.path().join("code")).unwrap();
    }
    assert!(folder.path().join("r/metrics.csv").exists());
}

#[test]
fn an_experiment_says_what_to_cite() {
    let folder = tempdir().unwrap();
    let line = "cite marschall2019/lags46 --set rule.kind=uoro --set optimizer.kind=adam";
    let text = apical(folder.path(), line).ok().out;
    for key in ["kingma2015", "lillicrap2016", "marschall2020", "tallec2017"] {
        assert_eq!(
            text.matches(&format!("{{{key},")).count(),
            1,
            "{key}: {text}"
        );
    }
    apical(folder.path(), "cite marschall2019/lags45").fails(1, &["neither a built-in experiment"]);
}

#[test]
fn the_schema_in_the_repository_is_the_programs() {
    let folder = tempdir().unwrap();
    let printed = apical(folder.path(), "schema").ok().out;
    let kept = include_str!("../../../../schema/experiment.schema.json");
    assert!(
        printed == kept,
        "run `apical schema > schema/experiment.schema.json`"
    );
    let schema: serde_json::Value = serde_json::from_str(kept).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
}

#[test]
fn one_part_is_shown_with_all_of_its_settings() {
    let folder = tempdir().unwrap();
    let wide = |line: &str| apical(folder.path(), line).ok().out;
    let rule = wide("rules three_factor");
    for words in ["rflo", "leak", "(0, 1]", "input", "current, previous"] {
        assert!(rule.contains(words), "{words}: {rule}");
    }
    let dendritic = wide("rules dendritic");
    for words in [
        "normalize",
        "none, power",
        "jacobian.rate",
        "With learned: ",
        "1048576",
        "steps",
    ] {
        assert!(dendritic.contains(words), "{words}: {dendritic}");
    }
    assert!(wide("rules rtrl").contains("It has no settings."));
    let neuron = wide("neurons voltage");
    for words in ["s(t) = ", "leak", "[0, 1)", "0.9", "relu, softplus"] {
        assert!(neuron.contains(words), "{words}: {neuron}");
    }
    let task = wide("tasks data");
    for words in ["must be given", "list of texts", "[0, 1)", "0.2"] {
        assert!(task.contains(words), "{words}: {task}");
    }
    for (line, parts) in [
        (
            "rules rflow",
            &[
                "rule: there is no `rflow`, expected one of dendritic",
                "Did you mean `rflo`?",
            ][..],
        ),
        (
            "tasks flipflop",
            &["task: there is no `flipflop`", "Did you mean `flip_flop`?"],
        ),
        (
            "neurons volt",
            &[
                "neuron: there is no `volt`",
                "`apical neurons` describes them.",
            ],
        ),
    ] {
        apical(folder.path(), line).fails(1, parts);
    }
    // Every part has its page of settings.
    for info in RULES {
        wide(&format!("rules {}", info.name));
    }
}
