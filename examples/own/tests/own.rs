//! Parts of one's own have what those of Apical have: settings, receipts, a place in comparisons and tables.

use std::path::Path;
use std::process::Command;

/// Output and errors of the example's command line, which must succeed or fail as `fine` says.
fn own(folder: &Path, line: &str, fine: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_own"));
    let ran = command
        .current_dir(folder)
        .args(line.split_whitespace())
        .output();
    let ran = ran.unwrap();
    let text = [ran.stdout, ran.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(ran.status.success(), fine, "{line}: {text}");
    text
}

#[test]
fn it_has_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let text = own(folder.path(), "check presynaptic --cases 10", true);
    for words in [
        "a trace for each presynaptic element",
        "local: ",
        "= rflo where slopes never change",
        "is not rflo where they do",
        "= bptt on a trial of one step",
        "saved in mid-trial and resumed",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn it_stands_in_tables_and_comparisons() {
    let folder = tempfile::tempdir().unwrap();
    assert!(own(folder.path(), "rules --no-timing", true).contains("presynaptic"));
    let row = own(folder.path(), "rules presynaptic", true);
    for words in ["it is not one of Apical's", "what is left of a trace"] {
        assert!(row.contains(words), "{words}: {row}");
    }
    let schema = own(folder.path(), "schema", true);
    assert!(schema.contains("\"presynaptic\"") && schema.contains("\"parity\""));
    let line = "compare dendritic/lags46 --steps 300 --seeds 1 --rules rtrl,presynaptic,rflo --train presynaptic --out c";
    let table = own(folder.path(), line, true);
    assert!(table.contains("presynaptic learns"), "{table}");
}

#[test]
fn it_is_run_from_toml_stops_and_goes_on_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("mine.toml"),
        "steps = 2000\nseeds = 1\ntask = { kind = \"add\", lags = [4, 6] }\nloss = { kind = \"softmax_cross_entropy\" }\n\
         rule = { kind = \"presynaptic\", decay = 0.25 }\nnetwork = { neuron = { kind = \"rate\", alpha = 0.5, activation = \"tanh\" } }\n",
    )
    .unwrap();
    own(folder.path(), "run mine.toml --out whole", true);
    let config = std::fs::read_to_string(path("whole/config.toml")).unwrap();
    for words in ["kind = \"presynaptic\"", "decay = 0.25"] {
        assert!(config.contains(words), "{words}: {config}");
    }
    own(
        folder.path(),
        "run mine.toml --steps 1000 --out parts",
        true,
    );
    own(folder.path(), "run --resume --out parts --steps 2000", true);
    let metrics = |run: &str| std::fs::read_to_string(path(run).join("metrics.csv")).unwrap();
    assert_eq!(metrics("parts"), metrics("whole"));
    let refused = own(
        folder.path(),
        "run mine.toml --set rule.decai=0.5 --out bad",
        false,
    );
    assert!(
        refused.contains("decai") && refused.contains("decay"),
        "{refused}"
    );
    let served = "run mine.toml --set network.neuron.kind=two_compartment --out bad";
    assert!(own(folder.path(), served, false).contains("network.neuron"));
    assert!(!path("bad").exists());
}

#[test]
fn a_neuron_has_a_receipt_and_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = own(folder.path(), "check swing rate --cases 20", true);
    for words in [
        "PASS  swing",
        "leak s(t-1)",
        "by finite differences",
        "PASS  rate",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(own(folder.path(), "neurons", true).contains("leak on a sine"));
    let settings = own(folder.path(), "neurons swing", true);
    assert!(
        settings.contains("[0, 1)") && settings.contains("0.5"),
        "{settings}"
    );
    let line = "run dendritic/lags46 --set network.neuron.kind=swing --steps 600 --seeds 1 --out";
    own(
        folder.path(),
        &format!("{line} fine --set precision=f32"),
        true,
    );
    let bad = own(
        folder.path(),
        &format!("{line} bad --set network.neuron.leak=2"),
        false,
    );
    assert!(
        bad.contains("network.neuron.leak: got 2, expected a number in [0, 1)"),
        "{bad}"
    );
}

#[test]
fn a_task_is_run_stopped_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(own(folder.path(), "tasks", true).contains("the parity of the last coins"));
    std::fs::write(
        path("parity.toml"),
        "steps = 3000\ntask = { kind = \"parity\", bits = 2 }\nloss = { kind = \"sigmoid_cross_entropy\" }\n\
         rule = { kind = \"rtrl\" }\noptimizer = { rate = 0.05 }\n",
    )
    .unwrap();
    own(folder.path(), "run parity.toml --out whole", true);
    own(
        folder.path(),
        "run parity.toml --steps 1000 --out parts",
        true,
    );
    own(folder.path(), "run --resume --out parts --steps 3000", true);
    let metrics = |run: &str| std::fs::read_to_string(path(run).join("metrics.csv")).unwrap();
    assert_eq!(metrics("parts"), metrics("whole"));
    let mistyped = own(
        folder.path(),
        "run parity.toml --set task.bit=3 --out bad",
        false,
    );
    assert!(
        mistyped
            .contains("task.bit: unknown key `bit`, expected one of bits. Did you mean `bits`?"),
        "{mistyped}"
    );
    let bad = own(
        folder.path(),
        "run parity.toml --set task.bits=0 --out bad",
        false,
    );
    assert!(
        bad.contains("task.bits: got 0, expected from 1 to 64"),
        "{bad}"
    );
}

/// The pages show these files, word by word, and commands that run.
#[test]
fn the_pages_show_them() {
    for (page, file) in [
        (
            include_str!("../../../docs/how-to/add-a-rule.md"),
            include_str!("../src/rule.rs"),
        ),
        (
            include_str!("../../../docs/how-to/add-a-rule.md"),
            include_str!("../src/main.rs"),
        ),
        (
            include_str!("../../../docs/how-to/add-a-neuron.md"),
            include_str!("../src/neuron.rs"),
        ),
        (
            include_str!("../../../docs/how-to/add-a-task.md"),
            include_str!("../src/task.rs"),
        ),
    ] {
        assert!(page.contains(file));
        let command = "cargo run --release -p own -- ";
        let commands: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix(command))
            .collect();
        assert!(commands.len() > 1);
        let folder = tempfile::tempdir().unwrap();
        for line in commands {
            own(folder.path(), line, true);
        }
    }
}
