//! What cannot work is refused with the field, the value, what was expected and what to do, and leaves nothing behind.

use crate::common::{SHORT, apical, assert_same, files, finish, program};
use tempfile::tempdir;

/// A change to a sound experiment, and what the message must say.
const SETTINGS: &[(&str, &[&str])] = &[
    (
        "rule.ratee=1",
        &[
            "rule.ratee: unknown key `ratee`",
            "expected one of",
            "Did you mean `rate`?",
        ],
    ),
    (
        "optimiser.rate=1",
        &["optimiser: unknown key", "Did you mean `optimizer`?"],
    ),
    (
        "rule.jacobian.rat=1",
        &["rule.jacobian.rat: unknown key", "Did you mean `rate`?"],
    ),
    (
        "network.activation=\"relu\"",
        &[
            "network.activation: unknown key",
            "expected one of units, neuron",
            "Remove it.",
        ],
    ),
    (
        "monitor=[{quantty=\"loss\"}]",
        &[
            "monitor[0].quantty: unknown key",
            "Did you mean `quantity`?",
        ],
    ),
    (
        "monitor=[{every=3}]",
        &["monitor[0].quantity: missing", "Add `quantity`"],
    ),
    (
        "network.units=many",
        &[
            "network.units: got string \"many\"",
            "expected a whole number",
            "Change the value",
        ],
    ),
    (
        "network.units=1.5",
        &[
            "network.units: got floating point `1.5`",
            "expected a whole number",
        ],
    ),
    (
        "network.units=-1",
        &[
            "network.units: got integer `-1`",
            "a whole number that is not negative",
        ],
    ),
    (
        "rule.rate=fast",
        &["rule.rate: got string \"fast\"", "expected a number"],
    ),
    (
        "rule.rate=",
        &["rule.rate: got string \"\"", "expected a number"],
    ),
    ("rule=3", &["rule: got integer `3`", "expected a table"]),
    (
        "task.lags=[4]",
        &[
            "task.lags: got a list of length 1",
            "expected a list of 2 numbers",
        ],
    ),
    (
        "task.lags=[4,5",
        &[
            "task.lags: got string \"[4,5\"",
            "expected a list of 2 numbers",
            "In a shell, quote lists and tables: --set 'task.lags=[4, 5]'.",
        ],
    ),
    (
        "network.units=0",
        &["network.units: got 0", "expected at least 1", "Set it to"],
    ),
    (
        "network.units=1000000000000",
        &["network.units: got 1000000000000", "did a digit slip in?"],
    ),
    ("batch=0", &["batch: got 0", "expected at least 1"]),
    (
        "task.lags=[4,5000]",
        &[
            "task.lags: got [4, 5000]",
            "shorter than the run of 1000 steps",
            "raise `steps`",
        ],
    ),
    (
        "task.stretch=0",
        &["task.stretch: got 0", "expected at least 1"],
    ),
    (
        "task.kind=nback",
        &["task.kind: unknown value `nback`", "expected one of add"],
    ),
    (
        "rule.kind=rtlr",
        &["rule.kind: unknown value `rtlr`", "Did you mean `rtrl`?"],
    ),
    ("rule={}", &["rule.kind: missing", "Add `kind`"]),
    (
        "rule.jacobian.kind=none",
        &[
            "rule.jacobian.kind: unknown value `none`",
            "expected one of exact, learned, local",
        ],
    ),
    (
        "network.neuron.kind=rat",
        &[
            "network.neuron.kind: unknown value `rat`",
            "Did you mean `rate`?",
        ],
    ),
    (
        "network.neuron.activation=tahn",
        &[
            "network.neuron.activation: unknown value `tahn`",
            "Did you mean `tanh`?",
        ],
    ),
    (
        "loss.kind=huber",
        &[
            "loss.kind: unknown value `huber`",
            "expected one of softmax_cross_entropy",
        ],
    ),
    (
        "feedback.kind=some",
        &["feedback.kind: unknown value `some`", "expected one of"],
    ),
    (
        "precision=f16",
        &["precision: unknown value `f16`", "Did you mean `f32`?"],
    ),
    (
        "rule.lambda=1.5",
        &["rule.lambda: got 1.5", "expected a number in [0, 1]", "0 "],
    ),
    (
        "rule.kind=bptt",
        &[
            "update: got every step",
            "expected a longer window",
            "Set update",
        ],
    ),
    (
        "update={every=0}",
        &["update.every: got 0", "expected at least 1"],
    ),
    (
        "optimizer.rate=-1",
        &[
            "optimizer.rate: got -1",
            "expected a finite number that is not negative",
        ],
    ),
    (
        "optimizer.rate=nan",
        &["optimizer.rate: got NaN", "expected a finite number"],
    ),
    (
        "optimizer.rate=inf",
        &["optimizer.rate: got inf", "expected a finite number"],
    ),
    ("rule.rate=nan", &["rule.rate: got NaN", "expected"]),
    (
        "network.neuron.alpha=0",
        &["network.neuron.alpha: got 0", "expected a number in (0, 1]"],
    ),
    (
        "network.neuron.alpha=nan",
        &[
            "network.neuron.alpha: got NaN",
            "expected a number in (0, 1]",
        ],
    ),
    (
        "monitor=[{quantity=\"lose\"}]",
        &["monitor.quantity: got `lose`", "expected one of loss"],
    ),
    (
        "monitor=[{quantity=\"loss\",every=0}]",
        &["monitor.every of loss: got 0", "expected between 1 and"],
    ),
    (
        "steps",
        &[
            "--set steps: no `=`, expected key=value",
            "Write for example --set",
        ],
    ),
    ("=3", &["--set =3: an empty key", "Write for example --set"]),
    (
        "steps.x=1",
        &[
            "--set steps.x=1: `steps` is a value, not a table",
            "Write for example --set",
        ],
    ),
];

#[test]
fn bad_settings_are_refused() {
    let folder = tempdir().unwrap();
    for (change, parts) in SETTINGS {
        let words = SHORT
            .split_whitespace()
            .chain(["--out", "r", "--set", change]);
        let ran = finish(program(folder.path()).args(words));
        ran.fails(1, parts);
        assert!(ran.err.starts_with("error: "), "{change}: {}", ran.err);
        assert!(ran.out.is_empty(), "{change}: {}", ran.out);
        assert!(!folder.path().join("r").exists(), "{change}");
    }
}

/// The same of Murray's experiments.
const OF_2019: &[(&str, &str, &[&str])] = &[
    (
        "periodic-200",
        "task.period=5",
        &["task.period: got 5", "at least 10 steps", "time constant"],
    ),
    (
        "interval-150",
        "task.tail=20",
        &["task.tail: got 20", "overlaps the end of the trial"],
    ),
    (
        "periodic-200-dale",
        "network.dale.excitatory=1.0",
        &["network.dale.excitatory: got 1", "between 0 and 1"],
    ),
    (
        "periodic-200-dale",
        "network.dale.excitatory=-0.5",
        &["network.dale.excitatory: got -0.5"],
    ),
    (
        "reach",
        "circuit.exploration=1.5",
        &["circuit.exploration: got 1.5", "a probability in [0, 1]"],
    ),
    (
        "reach",
        "circuit.sequence=[0,0]",
        &["circuit.sequence: got [0, 0]", "leaves the square"],
    ),
    (
        "reach",
        "task.cues=false",
        &["task.cues: got false", "a task.sequence"],
    ),
    (
        "periodic-200",
        "circuit.rate=0.1",
        &["circuit: got a loop circuit for task `periodic`", "reach"],
    ),
    (
        "periodic-200",
        "rule.leak=2.0",
        &["rule.leak: got 2", "a number in (0, 1]"],
    ),
    (
        "periodic-200",
        "rule.input=\"before\"",
        &["rule.input", "before", "current", "previous"],
    ),
];

#[test]
fn bad_settings_of_murray_are_refused() {
    let folder = tempdir().unwrap();
    for (experiment, change, parts) in OF_2019 {
        let line = format!("run murray2019/{experiment} --out r --set {change}");
        let ran = apical(folder.path(), &line);
        ran.fails(1, parts);
        assert!(!folder.path().join("r").exists(), "{change}");
    }
}

#[test]
fn bad_arguments_are_refused() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("full")).unwrap();
    std::fs::write(folder.path().join("full/note.txt"), "mine").unwrap();
    let before = files(folder.path());
    let lags46 = "run marschall2019/lags46";
    let cases: [(&str, i32, &[&str]); 18] = [
        (
            "run marschall2019/lags64 --out r",
            1,
            &[
                "`marschall2019/lags64` is neither",
                "Did you mean `marschall2019/lags46`?",
            ],
        ),
        (
            "run nothing-like-it --out r",
            1,
            &["`nothing-like-it` is neither", "`apical list`"],
        ),
        (
            "run missing.toml --out r",
            1,
            &["missing.toml: cannot read", "Check the spelling"],
        ),
        (
            "run full --out r",
            1,
            &["`full` is a folder, expected a TOML file", "--resume"],
        ),
        ("run --out r", 2, &["<EXPERIMENT>"]),
        ("rum", 2, &["rum", "run"]),
        (
            &format!("{lags46} --out r --steps 0"),
            1,
            &["steps: got 0", "expected at least 1", "Set it"],
        ),
        (
            &format!("{lags46} --out r --seeds 0"),
            1,
            &["seeds: got 0", "expected at least 1", "Set it"],
        ),
        (
            &format!("{lags46} --out r --seeds 900000000000"),
            1,
            &[
                "seeds: got 900000000000",
                "expected at most 1000000",
                "did a digit slip in?",
            ],
        ),
        (
            &format!("{lags46} --out r --seed 18446744073709551615"),
            2,
            &["--seed", "18446744073709551615", "not in 0.."],
        ),
        (
            &format!("{lags46} --out r --steps 1.5e0"),
            2,
            &["--steps", "1.5e0", "not a whole number"],
        ),
        (
            &format!("{lags46} --out r --threads many"),
            2,
            &["--threads", "many"],
        ),
        (
            &format!("{SHORT} --out full"),
            1,
            &[
                "full: already exists and is not empty",
                "expected a new or an empty folder",
                "Choose another",
            ],
        ),
        (
            &format!("{SHORT} --out full/note.txt"),
            1,
            &[
                "full/note.txt: already exists and is a file",
                "Choose another",
            ],
        ),
        (
            &format!("{SHORT} --out full/note.txt/r"),
            1,
            &[
                "full/note.txt/r: cannot create this folder",
                "a file where a folder is needed",
            ],
        ),
        (
            "reproduce hebb1949 --out r",
            1,
            &["paper: got `hebb1949`", "expected one of marschall2019"],
        ),
        ("list nothing", 1, &["`nothing` is neither"]),
        (&format!("{lags46} --set"), 2, &["--set"]),
    ];
    for (line, code, parts) in cases {
        let ran = apical(folder.path(), line);
        ran.fails(code, parts);
        assert!(ran.err.starts_with("error: "), "{line}: {}", ran.err);
        assert!(ran.out.is_empty(), "{line}: {}", ran.out);
        assert_same(&before, &files(folder.path()));
        assert!(!folder.path().join("r").exists(), "{line}");
    }
}

#[test]
fn bad_files_are_refused() {
    let folder = tempdir().unwrap();
    let sound = apical(folder.path(), "list marschall2019/lags46").ok().out;
    let path = folder.path().join("mine.toml");
    let cases: [(&str, Vec<u8>, &[&str]); 7] = [
        (
            "syntax",
            sound.replacen("seeds = 20", "seeds = = 20", 1).into(),
            &["mine.toml", "line 3", "Mend the file"],
        ),
        (
            "open table",
            sound.replacen("[task]", "[task", 1).into(),
            &["mine.toml", "line 6", "Mend the file"],
        ),
        (
            "key twice",
            format!("steps = 1\n{sound}").into(),
            &["mine.toml", "line 3", "Mend the file"],
        ),
        (
            "no text",
            b"\xff\xfe\x00".to_vec(),
            &["mine.toml", "not a text file, expected TOML"],
        ),
        ("empty", Vec::new(), &["steps: missing", "Add `steps`"]),
        (
            "mistyped key",
            sound
                .replacen("label_activation", "label_activaton", 1)
                .into(),
            &["rule.label_activaton", "Did you mean `label_activation`?"],
        ),
        (
            "wrong type",
            sound.replacen("units = 32", "units = \"32\"", 1).into(),
            &[
                "network.units: got string \"32\"",
                "expected a whole number",
            ],
        ),
    ];
    for (what, bytes, parts) in cases {
        assert_ne!(bytes, sound.as_bytes(), "{what}");
        std::fs::write(&path, &bytes).unwrap();
        let ran = apical(folder.path(), "run mine.toml --out r");
        ran.fails(1, parts);
        assert!(ran.err.starts_with("error: "), "{what}: {}", ran.err);
        assert!(!folder.path().join("r").exists(), "{what}");
    }
}

/// A limit on memory stands in for what no machine could hold.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_into_the_memory_is_refused() {
    let folder = tempdir().unwrap();
    let short = "run marschall2019/lags46 --steps 10 --seeds 1";
    for (command, parts) in [
        (
            format!("{short} --set network.units=40000"),
            [
                "network.units: got 40000, expected what fits into",
                "Use fewer units",
            ],
        ),
        (
            format!("{short} --set network.units=3000 --set rule.kind=rtrl"),
            [
                "with the rule `rtrl` this needs about",
                "or a rule that keeps less",
            ],
        ),
        (
            format!("{short} --set network.units=500 --set batch=100000"),
            [
                "batch: got 100000, expected what fits into",
                "Use a smaller batch",
            ],
        ),
        (
            format!("{short} --set rule.kind=f_bptt --set rule.horizon=1000000000"),
            [
                "rule.horizon: got 1000000000, expected what fits into",
                "Set it lower",
            ],
        ),
        (
            "run tasks/mimic --set task.units=65536".into(),
            [
                "task.units: got 65536, expected what fits into",
                "Set it lower",
            ],
        ),
        (
            "run tasks/flip_flop --set task.bits=1000000 --set network.units=500".into(),
            [
                "task.bits: got 1000000, expected what fits into",
                "Set it lower",
            ],
        ),
        (
            "run tasks/copy --set task.length=800000000 --set steps=2000000000".into(),
            ["of memory there is", "did a digit slip in?"],
        ),
        (
            "compare marschall2020/add-a1 --steps 10 --rules rtrl,f_bptt.horizon=1000000".into(),
            ["of memory there is", "did a digit slip in?"],
        ),
    ] {
        let script = format!("ulimit -v 8000000; exec \"$0\" {command} --out r");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_apical")]);
        let ran = finish(shell.current_dir(folder.path()));
        ran.fails(1, &parts);
        assert!(files(folder.path()).is_empty(), "{command}");
    }
}

#[test]
fn names_and_values_cannot_steer_the_terminal() {
    let folder = tempdir().unwrap();
    let evil = "a\x1b[31m\u{202e}\nb\x07";
    let file = format!("{evil}.toml");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path(&file), "steps = \"\u{202e}\" # \x1b[2J\n").unwrap();
    std::fs::write(path("x.toml"), "\"k\u{202e}\" = 1\nbatch = 1").unwrap();
    let words =
        |words: &[&str]| -> Vec<String> { words.iter().map(|word| word.to_string()).collect() };
    let set = |change: &str| words(&["run", "marschall2019/lags46", "--out", "r", "--set", change]);
    let rules = format!("{evil},rtrl");
    for (line, code) in [
        (words(&["run", evil]), 1),
        (words(&["run", &file]), 1),
        (words(&["run", "x.toml"]), 1),
        (words(&["run", "--resume", "--out", evil]), 1),
        (words(&["check", evil]), 1),
        (words(&["rules", evil]), 1),
        (words(&["reproduce", evil]), 1),
        (
            words(&["compare", "marschall2019/lags46", "--rules", &rules]),
            1,
        ),
        (words(&["run", "marschall2019/lags46", "--steps", evil]), 2),
        (words(&[evil]), 2),
        (set(&format!("task.kind={evil}")), 1),
        (set(&format!("{evil}=1")), 1),
        (set(&format!("network.units={evil}")), 1),
        (set(&format!("rule={{kind={evil}}}")), 1),
    ] {
        let ran = finish(program(folder.path()).args(&line));
        assert_eq!(ran.code, Some(code), "{line:?}: {}", ran.err);
        for said in [&ran.err, &ran.out] {
            let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!said.contains(hidden), "{line:?}: {said:?}");
        }
        if code == 1 {
            assert_eq!(ran.err.lines().count(), 1, "{line:?}: {}", ran.err);
        }
    }
    // A title and a folder are told on the way.
    let mut line = set(&format!("title={}", evil.replace('\n', " ")));
    line.extend(words(&["--steps", "10", "--seeds", "1"]));
    line[3] = evil.into();
    let ran = finish(program(folder.path()).args(&line)).ok();
    assert!(!(ran.err + &ran.out).contains(['\x1b', '\x07', '\u{202e}']));
}

#[test]
fn long_echoes_are_cut() {
    let folder = tempdir().unwrap();
    let long = "x".repeat(100_000);
    std::fs::write(folder.path().join("long.toml"), format!("steps = = {long}")).unwrap();
    let set = |change: String| -> Vec<String> {
        let line = "run marschall2019/lags46 --out r --set";
        line.split(' ').map(String::from).chain([change]).collect()
    };
    let words = |a: &str, b: &str| vec![a.to_string(), b.to_string()];
    for line in [
        words("run", "long.toml"),
        words("rules", &long),
        words("check", &long),
        set(format!("task.kind={long}")),
        set(format!("{long}=1")),
        set(long.clone()),
        set(format!("network.units={long}")),
        set(format!("network.units=\"{long}\"")),
    ] {
        let ran = finish(program(folder.path()).args(&line));
        ran.fails(1, &["…"]);
        assert!(ran.err.len() < 3_000, "{} bytes", ran.err.len());
    }
}

#[test]
fn whole_numbers_are_read_as_written_by_hand() {
    let folder = tempdir().unwrap();
    let line = "run marschall2019/lags46 --quiet --set network.units=4 --set evaluate.steps=1e1";
    let by_hand = format!("{line} --steps 1e3 --seeds 2e0 --threads 1e0 --out a");
    apical(folder.path(), &by_hand).ok();
    let by_change = format!("{line} --set steps=1_000 --set seeds=2.0 --out b");
    apical(folder.path(), &by_change).ok();
    let results = |name: &str| crate::common::results(&folder.path().join(name));
    assert_same(&results("a"), &results("b"));
    apical(
        folder.path(),
        "check rflo --cases 1e1 --draws 1_000 --seed 0",
    )
    .ok();
}
