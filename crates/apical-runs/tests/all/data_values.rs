//! Every row that a run may see is looked at before it begins: what a loss cannot mean is named with its row.

use apical_runs::experiment;

use crate::data::{XY, folder, refused};

/// What loading an experiment on this table says; `changes` may set anything.
fn load(table: &str, settings: &str, changes: &[&str]) -> Result<String, String> {
    let toml = format!(
        "steps = 10\nloss = {{ kind = \"mean_squared_error\" }}\nfeedback = {{ kind = \"symmetric\" }}\n\
         rule = {{ kind = \"rflo\" }}\nnetwork = {{ units = 4 }}\n[task]\nkind = \"data\"\nfile = \"d.csv\"\n{settings}\n"
    );
    let folder = folder(&[("d.csv", table.as_bytes()), ("mine.toml", toml.as_bytes())]);
    let changes: Vec<String> = changes.iter().map(|change| change.to_string()).collect();
    let path = folder.path().join("mine.toml");
    let loaded = experiment::load(path.to_str().unwrap(), &changes).map_err(|e| e.to_string())?;
    Ok(loaded.task.in_words().unwrap())
}

fn says(table: &str, settings: &str, changes: &[&str], parts: &[&str]) {
    let error = load(table, settings, changes).expect_err(table);
    for part in parts {
        assert!(error.contains(part), "{error}\nlacks {part}");
    }
}

/// Ten rows: x, and y unless it is said otherwise for a row.
fn table(y: impl Fn(usize) -> String) -> String {
    let rows: String = (0..10)
        .map(|k| format!("{},{}\n", k as f64 / 10.0, y(k)))
        .collect();
    format!("x,y\n{rows}")
}

const CLASSES: &str = "inputs = [\"x\"]\ntargets = [\"a\", \"b\"]";
const SOFTMAX: &str = "loss.kind=softmax_cross_entropy";
const SIGMOID: &str = "loss.kind=sigmoid_cross_entropy";

/// Ten rows of one-hot targets, but for one row.
fn one_hot(odd: usize, targets: &str) -> String {
    let row = |k: usize| match k {
        k if k == odd => targets.to_string(),
        k => ["1,0", "0,1"][k % 2].to_string(),
    };
    table(row).replacen("x,y", "x,a,b", 1)
}

#[test]
fn targets_are_checked_in_every_row_that_a_run_may_see() {
    // Rows 9 and 10 are held out; the run of ten steps never comes to row 8.
    for odd in [0, 7, 8, 9] {
        let place = format!("d.csv: row {} (line {}), column", odd + 1, odd + 2);
        for (targets, parts) in [
            (
                "-1,0",
                ["`a`: got -1, expected a probability in [0, 1]", "one-hot"],
            ),
            (
                "0,100",
                ["`b`: got 100, expected a probability in [0, 1]", "one-hot"],
            ),
            (
                "0,0",
                ["`a` and column `b`: got targets that sum to 0", "task.mask"],
            ),
            (
                "1,1",
                [
                    "`a` and column `b`: got targets that sum to 2",
                    "sigmoid_cross_entropy",
                ],
            ),
            (
                "0.3,0.3",
                ["sum to 0.6, expected probabilities that sum to 1", "Divide"],
            ),
        ] {
            says(
                &one_hot(odd, targets),
                CLASSES,
                &[SOFTMAX],
                &[&place, parts[0], parts[1]],
            );
        }
        says(
            &one_hot(odd, "-1,1"),
            CLASSES,
            &[SIGMOID],
            &[
                &place,
                "`a`: got -1, expected a probability in [0, 1], as sigmoid_cross_entropy needs",
            ],
        );
        assert!(load(&one_hot(odd, "-1,100"), CLASSES, &[]).is_ok());
    }
    // What is held out matters only if there are tests.
    assert!(load(&one_hot(9, "-1,0"), CLASSES, &[SOFTMAX, "evaluate.steps=0"]).is_ok());
    assert!(load(&one_hot(3, "0.33,0.66"), CLASSES, &[SOFTMAX]).is_ok());
}

#[test]
fn what_does_not_count_may_be_anything() {
    let masked = "inputs = [\"x\"]\ntargets = [\"a\", \"b\"]\nmask = \"m\"";
    for targets in ["0,0", "-1,-1", ",", "NaN,1e39"] {
        let rows: String = (0..10)
            .map(|k| match k {
                3 => format!("0.1,{targets},0\n"),
                _ => "0.1,1,0,1\n".into(),
            })
            .collect();
        let table = format!("x,a,b,m\n{rows}");
        for change in [SOFTMAX, SIGMOID] {
            let told = load(&table, masked, &[change, "precision=f32"]);
            assert_eq!(
                told.unwrap(),
                "10 steps, 1 masked: 8 to train on, 2 for tests"
            );
        }
    }
    let labels = "inputs = [\"x\"]\ntargets = [\"y\"]\nclasses = 2\nmask = \"m\"";
    let table = "x,y,m\n1,0,1\n1,-1,0\n1,,0\n1,1,1\n1,1,1\n";
    assert!(
        load(table, labels, &[SOFTMAX])
            .unwrap()
            .starts_with("5 steps, 2 masked")
    );
}

#[test]
fn numbers_that_32_bits_cannot_hold_are_named_as_they_stand() {
    for odd in [1, 9] {
        let target = table(|k| if k == odd { "-1e39".into() } else { "1".into() });
        let place = format!("d.csv: row {} (line {}), column", odd + 1, odd + 2);
        let parts = [
            &place,
            "`y`: got -1e39, expected at most 3.4e38",
            "precision = \"f64\"",
        ];
        says(&target, XY, &["precision=f32"], &parts);
        let input = target.replacen("x,y", "y,x", 1);
        says(&input, XY, &["precision=f32"], &[&place, "`x`: got -1e39"]);
        assert!(load(&target, XY, &[]).is_ok());
    }
}

#[test]
fn a_part_in_which_nothing_counts_is_refused() {
    let masked = "inputs = [\"x\"]\ntargets = [\"y\"]\nmask = \"m\"";
    let with = |weight: &dyn Fn(usize) -> u8| {
        let table = table(|k| format!("1,{}", weight(k)));
        table.replacen("x,y", "x,y,m", 1)
    };
    says(
        &with(&|_| 0),
        masked,
        &[],
        &[
            "task.mask: got weight 0 at every step of the training part",
            "row 1 (line 2) to row 8 (line 9)",
            "Nothing would be learned",
        ],
    );
    let tests = with(&|k| u8::from(k < 8));
    says(
        &tests,
        masked,
        &[],
        &[
            "the held-out part",
            "row 9 (line 10)",
            "(column `m`)",
            "evaluate.steps = 0",
        ],
    );
    assert!(load(&tests, masked, &["evaluate.steps=0"]).is_ok());
    let late = with(&|k| u8::from(k != 8));
    says(
        &late,
        masked,
        &["evaluate.steps=1"],
        &[
            "evaluate.steps: got 1",
            "the first 1 held out have weight 0",
        ],
    );
    assert!(load(&late, masked, &["evaluate.steps=2"]).is_ok());
}

#[test]
fn labels_without_classes_are_recognised() {
    let labels = table(|k| (k % 3).to_string());
    says(
        &labels,
        XY,
        &[SOFTMAX],
        &[
            "task.targets: got labels up to 2 in",
            "d.csv: row 1 (line 2), column `y`",
            "Set task.classes = 3.",
        ],
    );
    says(
        &labels,
        XY,
        &[SIGMOID],
        &[
            "row 3 (line 4), column `y`: got 2",
            "set task.classes = 3 and loss.kind = \"softmax_cross_entropy\".",
        ],
    );
    let classes = format!("{XY}\nclasses = 3");
    assert!(load(&labels, &classes, &[SOFTMAX]).is_ok());
    let from_one = table(|k| (1 + k % 3).to_string());
    says(
        &from_one,
        &classes,
        &[SOFTMAX],
        &["row 3 (line 4), column `y`: got 3", "labels count from 0"],
    );
}

#[test]
fn trials_are_told_and_ids_that_cannot_be_meant_are_refused() {
    let settings = format!("{XY}\ntrial = \"s\"");
    let with = |id: &dyn Fn(usize) -> String| {
        let rows: String = (0..40).map(|k| format!("{},{k},{k}\n", id(k))).collect();
        format!("s,x,y\n{rows}")
    };
    let told = |id: &dyn Fn(usize) -> String| load(&with(id), &settings, &[]).unwrap();
    assert_eq!(
        told(&|k| (k / 8).to_string()),
        "5 trials of 8 steps: 4 to train on, 1 for tests"
    );
    assert_eq!(
        told(&|k| (k / 15).to_string()),
        "3 trials of 10 to 15 steps: 2 to train on, 1 for tests"
    );
    // The same numbers are the same ids, however they are written.
    let same = |k: usize| format!("{}{}", k / 8, ["", ".0", "e0"][k % 3]);
    assert!(told(&same).starts_with("5 trials of 8 steps"));
    for (id, parts) in [
        (
            &(|k: usize| (k % 4).to_string()) as &dyn Fn(usize) -> String,
            [
                "row 5 (line 6), column `s`: the id of an earlier trial comes back",
                "Sort the rows",
            ],
        ),
        (
            &|k| u8::from(k % 8 == 0).to_string(),
            ["row 9 (line 10)", "cumsum()"],
        ),
        (
            &|k| (k / 10 % 2).to_string(),
            ["row 21 (line 22)", "Put the rows of a trial together"],
        ),
        (
            &|k| {
                if k % 8 == 0 {
                    format!("S{k}")
                } else {
                    String::new()
                }
            },
            [
                "row 2 (line 3), column `s`: got an empty cell, expected the id of a trial",
                "ffill()",
            ],
        ),
        (
            &|k| format!("{:.2}", k as f64 / 100.0),
            ["40 trials of 1 step", "leave it out for one stream"],
        ),
    ] {
        refused(with(id).as_bytes(), "d.csv", &settings, &parts);
    }
    says(
        &with(&|_| "1".into()),
        &settings,
        &[],
        &["task.test: got 0.2 of 1 trial of 40 steps"],
    );
}
