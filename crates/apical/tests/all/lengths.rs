//! No file of source is over 700 lines and no function over 80, but for those listed here with a reason.

use std::path::{Path, PathBuf};

const LINES_OF_A_FILE: usize = 700;
const LINES_OF_A_FUNCTION: usize = 80;

/// Files that are longer, by the end of their path.
const FILES: &[[&str; 2]] = &[
    [
        "apical-python/src/learner.rs",
        "one Python class: its methods are one block of the binding",
    ],
    [
        "apical/src/learner/mod.rs",
        "the step of learning and what it does to every part, with its tests",
    ],
    [
        "apical/tests/all/errors.rs",
        "a table: every setting of the library with what it refuses",
    ],
    [
        "apical/tests/all/murray2019.rs",
        "one paper's equations written out by hand, figure by figure",
    ],
    [
        "benches/steps/rules.rs",
        "a table: every rule at every size that is timed",
    ],
];

/// Functions that are longer, by the end of the path and their name.
const FUNCTIONS: &[[&str; 3]] = &[
    [
        "apical/src/analysis/comparison.rs",
        "new",
        "every rule that watches is admitted and built as a learner would",
    ],
    [
        "apical/src/check/locality.rs",
        "audit_case",
        "hides each thing a synapse may not see, one after another",
    ],
    [
        "apical/src/check/locality.rs",
        "prepare",
        "hides each thing a synapse may not see, one after another",
    ],
    [
        "apical/src/memory/plan.rs",
        "culprit",
        "a table: each setting with what is left without it",
    ],
    [
        "apical/src/network.rs",
        "new",
        "every part of a network in the order of its random streams",
    ],
    [
        "apical/src/rule/modprop/typed_code.rs",
        "step",
        "one equation, plane after plane, with its scratch memory",
    ],
    [
        "apical/src/task/sequences.rs",
        "add_trial",
        "everything that may be wrong with a trial",
    ],
    [
        "apical-runs/src/checkpoint_file.rs",
        "decode",
        "everything that may be wrong with a file, in its order",
    ],
    [
        "apical-runs/src/data/header.rs",
        "read",
        "everything that may be wrong with a header, in its order",
    ],
    [
        "apical-cli/src/reproduce.rs",
        "reproduce",
        "one command from its arguments to its files",
    ],
    [
        "apical-python/src/gradients.rs",
        "compute",
        "arguments of Python, checked one after another",
    ],
    [
        "apical/tests/all/dendritic.rs",
        "compare",
        "the published script, line by line",
    ],
    [
        "apical/tests/all/errors.rs",
        "a_refused_input_changes_nothing",
        "a table of refusals",
    ],
    [
        "apical/tests/all/errors.rs",
        "optimizers",
        "a table of refusals",
    ],
    [
        "apical/tests/all/errors.rs",
        "rules_and_updates",
        "a table of refusals",
    ],
    [
        "apical/tests/all/errors.rs",
        "tasks_and_monitors",
        "a table of refusals",
    ],
    [
        "apical/tests/all/murray2019_means.rs",
        "mean_change_of_the_loss_has_the_sign_of_the_alignment",
        "one claim, from its networks to its mean",
    ],
    [
        "apical-runs/tests/all/data.rs",
        "bad_digits_are_named",
        "a table of refusals",
    ],
    [
        "apical-runs/tests/all/figure.rs",
        "paper",
        "a figure with everything a figure may have",
    ],
    [
        "apical-cli/tests/all/errors.rs",
        "bad_arguments_are_refused",
        "a table of refusals",
    ],
    [
        "benches/steps/batch.rs",
        "table",
        "a table of what is timed",
    ],
    ["benches/steps/rules.rs", "rows", "a table of what is timed"],
];

/// Every file of source below the folder, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut open = ["crates", "examples", "benches"]
        .map(|name| root.join(name))
        .to_vec();
    let mut found = Vec::new();
    while let Some(next) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let is_source = path.extension().is_some_and(|e| e == "rs" || e == "py");
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if is_source {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Name and lines of every function: of formatted code, up to the brace under its first letter; of Python, as far as it is indented.
fn functions(text: &str, is_rust: bool) -> Vec<(String, usize)> {
    const BEFORE: [&str; 5] = ["pub", "pub(crate)", "pub(super)", "const", "unsafe"];
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let mut words = line
            .split_whitespace()
            .skip_while(|word| BEFORE.contains(word));
        if words.next() != Some(if is_rust { "fn" } else { "def" }) {
            continue;
        }
        let Some(name) = words.next() else { continue };
        let name = name.split(['(', '<']).next().unwrap().to_string();
        let rest = &lines[at + 1..];
        let length = if is_rust {
            let end = format!("{}}}", &line[..indent]);
            let one = line.ends_with('}') || line.ends_with(';');
            if one {
                None
            } else {
                rest.iter().position(|line| **line == end)
            }
        } else {
            // The bracket behind long arguments stands as far left as `def`; what a function says of itself is not counted.
            let inside = |line: &&&str| {
                let inner = line.trim_start();
                inner.is_empty() || inner.starts_with(')') || line.len() - inner.len() > indent
            };
            let body: Vec<&str> = rest.iter().take_while(inside).copied().collect();
            let outside = body.join("\n");
            let outside = outside.split("\"\"\"").step_by(2).flat_map(str::lines);
            outside.count().checked_sub(1)
        };
        found.push((name, length.map_or(1, |length| length + 2)));
    }
    found
}

#[test]
fn files_and_functions_are_short_or_say_why() {
    let (mut files, mut long) = (Vec::new(), Vec::new());
    for (path, text) in sources() {
        if text.lines().count() > LINES_OF_A_FILE {
            files.push(path.clone());
        }
        let is_rust = path.extension().is_some_and(|e| e == "rs");
        let of_file = functions(&text, is_rust).into_iter();
        let over = of_file.filter(|(_, lines)| *lines > LINES_OF_A_FUNCTION);
        long.extend(over.map(|(name, lines)| (path.clone(), name, lines)));
    }
    for path in &files {
        let listed = FILES.iter().any(|[end, _]| path.ends_with(end));
        assert!(
            listed,
            "{} has over {LINES_OF_A_FILE} lines",
            path.display()
        );
    }
    for (path, name, lines) in &long {
        let listed = FUNCTIONS
            .iter()
            .any(|[end, of, _]| path.ends_with(end) && of == name);
        assert!(listed, "{} of {} has {lines} lines", name, path.display());
    }
    // What was mended leaves the lists.
    for [end, _] in FILES {
        assert!(
            files.iter().any(|path| path.ends_with(end)),
            "{end} is short"
        );
    }
    for [end, name, _] in FUNCTIONS {
        let is_long = long
            .iter()
            .any(|(path, of, _)| path.ends_with(end) && of == name);
        assert!(is_long, "{name} of {end} is short");
    }
}

#[test]
fn lines_are_counted() {
    let rust = "impl A {\n    pub fn one(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n\n    fn two() {}\n}\n";
    let expected = [("one".to_string(), 5), ("two".to_string(), 1)];
    assert_eq!(functions(rust, true), expected);
    let python = "def a(x):\n    if x:\n        return 1\n\n    return 2\n\ndef b(): pass\n";
    let of_python = functions(python, false);
    assert_eq!(of_python, [("a".to_string(), 5), ("b".to_string(), 1)]);
}
