//! A rule of one's own has what the rules of Apical have: settings, a receipt, a place in comparisons and tables.

use std::path::Path;
use std::process::Command;

/// Output and errors of the example's command line, which must succeed or fail as `fine` says.
fn own(folder: &Path, line: &str, fine: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_own-rule"));
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
    assert!(row.contains("it is not one of Apical's"), "{row}");
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

/// The page shows this program, word by word.
#[test]
fn the_page_shows_it() {
    let page = include_str!("../../../docs/how-to/add-a-rule.md");
    assert!(page.contains(include_str!("../src/main.rs")));
    let command = "cargo run --release -p own-rule -- ";
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix(command))
        .collect();
    assert_eq!(commands.len(), 4);
    let folder = tempfile::tempdir().unwrap();
    for line in commands {
        own(folder.path(), line, true);
    }
}
