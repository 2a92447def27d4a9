//! `apical run` trains on a file of one's own.

use std::io::Write;
use std::process::Stdio;

use crate::common::{apical, assert_same, csv, files, program, read};
use tempfile::tempdir;

/// y is x delayed by one step, in sessions of different length.
fn table(rows: usize) -> String {
    let mut text = String::from("session,x,y\n");
    let (mut before, mut state) = (0, 7_u32);
    for row in 0..rows {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let x = state >> 31;
        text.push_str(&format!(
            "{},{x},{before}\n",
            row / 40 + (row % 40) / 25 * 1000
        ));
        before = x;
    }
    text
}

const MINE: &str = r#"
steps = 2000
precision = "f32"
loss = { kind = "sigmoid_cross_entropy" }
feedback = { kind = "symmetric" }
rule = { kind = "rflo" }
optimizer = { kind = "sgd", rate = 0.05 }

[task]
kind = "data"
file = "mine.csv"
inputs = ["x"]
targets = ["y"]
trial = "session"

[evaluate]
every = 1000
"#;

#[test]
fn a_file_of_ones_own_is_learned_from_beside_its_experiment() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("project")).unwrap();
    std::fs::write(folder.path().join("project/mine.toml"), MINE).unwrap();
    std::fs::write(folder.path().join("project/mine.csv"), table(800)).unwrap();
    let line = "run project/mine.toml --out r";
    apical(folder.path(), line).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    let column = rows[0].iter().position(|name| name == "held_out_loss");
    let losses = rows[1..]
        .iter()
        .filter_map(|row| row[column.unwrap()].parse::<f64>().ok());
    let losses: Vec<f64> = losses.collect();
    assert!(
        losses.len() == 3 && losses[2] < 0.5 * losses[0],
        "{losses:?}"
    );
    assert!(read(folder.path().join("r/config.toml")).contains("file = \"../project/mine.csv\""));

    // Cut short and resumed it gives the same; with another file in its place it is refused.
    apical(folder.path(), &format!("{line}2 --steps 1000")).ok();
    apical(folder.path(), "run --resume --out r2 --steps 2000").ok();
    let metrics = |run: &str| read(folder.path().join(run).join("metrics.csv"));
    assert_eq!(metrics("r"), metrics("r2"));
    std::fs::write(folder.path().join("project/mine.csv"), table(801)).unwrap();
    apical(folder.path(), "run --resume --out r2 --steps 3000")
        .fails(1, &["other data", "Restore the data file"]);
}

/// The folder from which a run is resumed, that of the data and that of the whole project may change.
#[test]
fn a_run_finds_its_data_again() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mine = MINE.replace("file = \"mine.csv\"", "file = \"data/mine.csv\"");
    std::fs::create_dir_all(path("project/data")).unwrap();
    std::fs::write(path("project/mine.toml"), mine).unwrap();
    std::fs::write(path("project/data/mine.csv"), table(800)).unwrap();
    let metrics = |run: &str| read(path(run).join("metrics.csv"));
    apical(folder.path(), "run project/mine.toml --out whole --quiet").ok();
    let start = |out: &str| {
        let line = format!("run mine.toml --steps 1000 --out {out} --quiet");
        apical(&path("project"), &line).ok();
    };
    // From another folder.
    start("r");
    apical(
        folder.path(),
        "run --resume --out project/r --steps 2000 --quiet",
    )
    .ok();
    assert_eq!(metrics("project/r"), metrics("whole"));
    // With the whole project in another place.
    start("r2");
    std::fs::rename(path("project"), path("moved")).unwrap();
    apical(
        &path("moved/data"),
        "run --resume --out ../r2 --steps 2000 --quiet",
    )
    .ok();
    assert_eq!(metrics("moved/r2"), metrics("whole"));
    // With the data under another name: named, if they are the same.
    std::fs::rename(path("moved"), path("project")).unwrap();
    start("r3");
    std::fs::rename(path("project/data/mine.csv"), path("project/new.csv")).unwrap();
    let resume = "run --resume --out project/r3 --steps 2000 --quiet";
    let ran = apical(folder.path(), resume);
    ran.fails(
        1,
        &[
            "task.file: `",
            "data/mine.csv` is not there",
            "--set task.file=PATH",
        ],
    );
    let before = files(&path("project/r3"));
    std::fs::write(path("other.csv"), table(801)).unwrap();
    let other = apical(
        folder.path(),
        &format!("{resume} --set task.file=other.csv"),
    );
    other.fails(
        1,
        &["task.file: ", "other data", "apical run --from project/r3"],
    );
    assert_same(&before, &files(&path("project/r3")));
    apical(
        folder.path(),
        &format!("{resume} --set task.file=project/new.csv"),
    )
    .ok();
    assert_eq!(metrics("project/r3"), metrics("whole"));
    // It knows the new place from then on.
    apical(
        &path("project"),
        "run --resume --out r3 --steps 2100 --quiet",
    )
    .ok();
}

#[test]
fn a_file_that_does_not_do_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), MINE).unwrap();
    let path = folder.path().join("mine.csv");
    let sound = table(80);
    for (text, parts) in [
        (
            sound.replacen("\n0,", "\n0,1,", 1),
            ["mine.csv: row 1 (line 2): got 4 cells", "expected 3"],
        ),
        (
            format!("{sound}9,,0\n"),
            [
                "row 81 (line 82), column `x`: got an empty cell",
                "Fill the gap",
            ],
        ),
        (
            format!("{sound}9,NaN,0\n"),
            ["row 81 (line 82), column `x`: got NaN", "Fill the gap"],
        ),
        (
            sound.replace("session", "seson"),
            ["task.trial: no column `session`", "Did you mean `seson`?"],
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let ran = apical(folder.path(), "run mine.toml --out r");
        ran.fails(1, &parts);
        assert!(ran.err.starts_with("error: ") && ran.out.is_empty());
        assert!(!folder.path().join("r").exists());
    }
    std::fs::remove_file(path).unwrap();
    let ran = apical(folder.path(), "run mine.toml --out r");
    ran.fails(1, &["task.file: `mine.csv` is not there"]);
    let mnist =
        "run marschall2019/lags46 --set task.kind=sequential_mnist --set rule.kind=rflo --out r";
    let ran = apical(folder.path(), mnist);
    ran.fails(
        1,
        &[
            "task.images: `mnist/train-images-idx3-ubyte.gz` is not there",
            "cvdf-datasets/mnist",
        ],
    );
    assert!(!folder.path().join("r").exists());
}

#[test]
fn rows_are_checked_before_a_folder_is_made() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), MINE).unwrap();
    let path = folder.path().join("mine.csv");
    // The last session is held out: a run of two steps never sees it, its test does.
    let sound = table(80);
    let broken = format!("{sound}9,0,-1\n");
    std::fs::write(&path, &broken).unwrap();
    let place = "mine.csv: row 81 (line 82), column `y`: got -1, expected a probability in [0, 1]";
    for line in [
        "run mine.toml --steps 2 --out r",
        "compare mine.toml --rules rflo,uoro --steps 2 --out r",
    ] {
        apical(folder.path(), line).fails(1, &[place]);
        assert!(!folder.path().join("r").exists(), "{line}");
    }
    // Mended, it runs in the same place, and says what it found.
    std::fs::write(&path, &sound).unwrap();
    let ran = apical(folder.path(), "run mine.toml --steps 20 --out r").ok();
    assert!(
        ran.err
            .contains("4 trials of 15 to 25 steps: 3 to train on, 1 for tests"),
        "{}",
        ran.err
    );
}

#[test]
fn a_loss_is_that_of_the_steps_that_count() {
    let folder = tempdir().unwrap();
    // Chance on two classes: ln 2, however few of the steps count.
    let line = "run liu2022/xor --set rule.kind=readout_only --steps 900 --seeds 1 --set batch=4 --set evaluate.steps=900 --out r";
    apical(folder.path(), line).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    let column = rows[0]
        .iter()
        .position(|name| name == "held_out_loss")
        .unwrap();
    let loss: f64 = rows.last().unwrap()[column].parse().unwrap();
    assert!((0.5..1.0).contains(&loss), "{loss}");
    let short = line
        .replace("steps=900", "steps=100")
        .replace("--out r", "--out s");
    apical(folder.path(), &short).fails(1, &["evaluate.steps: got 100", "have weight 0"]);
}

#[test]
fn data_come_from_standard_input() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), MINE).unwrap();
    std::fs::write(folder.path().join("mine.csv"), table(400)).unwrap();
    let piped = |words: &str| {
        let mut command = program(folder.path());
        command
            .args(words.split_whitespace())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(table(400).as_bytes()).unwrap();
        drop(input);
        let ended = child.wait_with_output().unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    };
    apical(
        folder.path(),
        "run mine.toml --steps 200 --set evaluate.every=100 --out file",
    )
    .ok();
    piped("run mine.toml --steps 100 --set evaluate.every=100 --set task.file=- --out pipe");
    piped("run --resume --out pipe --steps 200");
    let metrics = |run: &str| read(folder.path().join(run).join("metrics.csv"));
    assert_eq!(metrics("file"), metrics("pipe"));
    let none = apical(folder.path(), "run mine.toml --set task.file=- --out none");
    none.fails(1, &["standard input: no header"]);
}
