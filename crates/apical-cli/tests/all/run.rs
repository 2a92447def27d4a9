//! `apical run` writes everything a run needs to be read and made again, and obeys its options.

use crate::common::{SHORT, apical, csv, files, finish, program, read, results};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tempfile::tempdir;

#[test]
fn a_run_leaves_settings_environment_metrics_figures_and_checkpoints() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out r")).ok();
    let written = files(&folder.path().join("r"));
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "checkpoints/seed-0000.records",
            "checkpoints/seed-0000.safetensors",
            "checkpoints/seed-0001.records",
            "checkpoints/seed-0001.safetensors",
            "config.toml",
            "environment.json",
            "figure.png",
            "figure.svg",
            "metrics.csv",
            "metrics.parquet",
        ]
    );
    assert!(written["figure.png"].starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(written["figure.png"].ends_with(b"IEND\xaeB`\x82"));
    let svg = String::from_utf8(written["figure.svg"].clone()).unwrap();
    assert!(svg.contains("<svg") && svg.trim_end().ends_with("</svg>"));
    for word in ["Add(4,6): the full local rule", "A_loss", "held-out loss"] {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn the_environment_says_what_was_run() {
    let folder = tempdir().unwrap();
    let out = "it's here";
    let words = SHORT.split_whitespace();
    let rest = ["--seed", "7", "--threads", "1", "--out", out];
    finish(program(folder.path()).args(words).args(rest)).ok();
    let text = read(folder.path().join(out).join("environment.json"));
    let environment: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(environment["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        environment["command"],
        format!(r"apical {SHORT} --seed 7 --threads 1 --out 'it'\''s here'")
    );
    assert_eq!(environment["seeds"], serde_json::json!([7, 2]));
    assert_eq!(environment["threads"], 1);
    assert!(!environment["commit"].as_str().unwrap().is_empty());
    assert!(environment["started"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn the_written_settings_give_the_same_run_again() {
    let folder = tempdir().unwrap();
    let changes = "--set rule.kind=rtrl --set optimizer.kind=adam --set network.units=6 \
        --set monitor=[{quantity=\"loss\",every=50},{quantity=\"W_rec.norm\"}] --seed 3";
    apical(folder.path(), &format!("{SHORT} {changes} --out first")).ok();
    apical(folder.path(), "run first/config.toml --out second").ok();
    let path = |name: &str| folder.path().join(name);
    crate::common::assert_same(&results(&path("first")), &results(&path("second")));
    let config = read(path("first").join("config.toml"));
    for setting in [
        "steps = 1000",
        "seed = 3",
        "seeds = 2",
        "kind = \"rtrl\"",
        "kind = \"adam\"",
        "stretch = 1",
    ] {
        assert!(config.contains(setting), "{setting} is not in {config}");
    }
}

#[test]
fn the_parquet_file_holds_the_values_of_the_csv_file() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out r")).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    // Each seed: a test before the first step, and ten records, two of them with a test.
    assert_eq!(rows.len(), 1 + 2 * 11);
    let file = std::fs::File::open(folder.path().join("r/metrics.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let stored: Vec<_> = reader.get_row_iter(None).unwrap().collect();
    assert_eq!(stored.len(), rows.len() - 1);
    for (row, cells) in stored.into_iter().zip(&rows[1..]) {
        let row = row.unwrap();
        let columns: Vec<_> = row.get_column_iter().collect();
        assert_eq!(columns.len(), rows[0].len());
        for (((name, value), header), cell) in columns.into_iter().zip(&rows[0]).zip(cells) {
            assert_eq!(name, header);
            let text = match value {
                Field::Null => String::new(),
                Field::ULong(number) => number.to_string(),
                Field::Double(number) => format!("{number:?}"),
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(text, *cell, "{name}");
        }
    }
}

#[test]
fn options_take_effect() {
    let folder = tempdir().unwrap();
    let line = "run marschall2019/lags46 --steps 300 --seed 5 --seeds 3 --set evaluate.steps=0 \
        --set monitor=[{quantity=\"loss\",every=150}] --set title=Mine --out r";
    apical(folder.path(), line).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    let places: Vec<String> = rows[1..].iter().map(|row| row[..2].join(" ")).collect();
    assert_eq!(
        places,
        ["5 150", "5 300", "6 150", "6 300", "7 150", "7 300"]
    );
    assert!(read(folder.path().join("r/config.toml")).contains("title = \"Mine\""));
    assert!(
        folder
            .path()
            .join("r/checkpoints/seed-0007.safetensors")
            .exists()
    );

    // The rate of learning changes what is learned, the first seed what is drawn.
    let loss = |extra: &str, out: &str| {
        apical(
            folder.path(),
            &format!("{SHORT} --seeds 1 {extra} --out {out}").replace("--seeds 2 ", ""),
        )
        .ok();
        read(folder.path().join(out).join("metrics.csv"))
    };
    let plain = loss("", "a");
    assert_eq!(plain, loss("--set optimizer.rate=1e-3", "b"));
    assert_ne!(plain, loss("--set optimizer.rate=1e-2", "c"));
    let other = loss("--seed 1", "d");
    assert_ne!(plain.replace("\n0,", "\n1,"), other);
}

#[test]
fn a_changed_rule_leaves_out_what_it_cannot_record_and_says_so() {
    let folder = tempdir().unwrap();
    let small = format!("{SHORT} --set network.units=4");
    let header = |out: &str| csv(folder.path().join(out).join("metrics.csv"))[0][2..].join(" ");
    let exact = "--set rule.jacobian.kind=exact";
    for (set, columns, left_out) in [
        (
            "--set rule.rate=0.02",
            "loss A_loss J_loss held_out_loss",
            "",
        ),
        (
            exact,
            "loss A_loss held_out_loss",
            "`J_loss` of the experiment is",
        ),
        (
            "--set rule.kind=rtrl",
            "loss held_out_loss",
            "`A_loss`, `J_loss` of the experiment are",
        ),
        (
            "--set rule.kind=readout_only",
            "loss held_out_loss",
            "`A_loss`, `J_loss` of the experiment are",
        ),
    ] {
        let ran = apical(folder.path(), &format!("{small} {set} --out r")).ok();
        assert!(header("r").starts_with(columns), "{set}: {}", header("r"));
        let warning = format!("warning: monitor.quantity: {left_out} not recorded");
        assert_eq!(
            ran.err.contains("monitor"),
            !left_out.is_empty(),
            "{}",
            ran.err
        );
        assert!(
            left_out.is_empty() || ran.err.contains(&warning),
            "{}",
            ran.err
        );
        let silent = apical(folder.path(), &format!("{small} {set} --out q --quiet")).ok();
        assert_eq!(silent.err, "");
        assert_eq!(header("q"), header("r"));
        for out in ["r", "q"] {
            std::fs::remove_dir_all(folder.path().join(out)).unwrap();
        }
    }

    // A run from the checkpoints of another, and one that goes on, warn in the same way.
    apical(folder.path(), &format!("{small} --out a")).ok();
    let on = "run --from a --steps 1200 --set rule.jacobian.kind=exact --out b";
    let ran = apical(folder.path(), on).ok();
    assert!(
        ran.err.contains("warning: monitor.quantity: `J_loss`"),
        "{}",
        ran.err
    );
    assert!(header("b").starts_with("loss A_loss held_out_loss"));
    apical(folder.path(), &format!("{small} {exact} --out c")).ok();
    let longer = small.replace("--steps 1000", "--steps 1500");
    let ran = apical(folder.path(), &format!("{longer} {exact} --out c --resume")).ok();
    assert!(
        ran.err.contains("warning: monitor.quantity: `J_loss`"),
        "{}",
        ran.err
    );

    let compare = "compare marschall2019/lags46 --steps 100 --seeds 1 --rules rflo,uoro --out d";
    apical(folder.path(), &format!("{compare} {exact}")).ok();
}

#[test]
fn what_was_asked_for_and_does_not_exist_stays_an_error() {
    let folder = tempdir().unwrap();
    let exact = "--set rule.jacobian.kind=exact";
    let asked = format!("{SHORT} {exact} --set monitor=[{{quantity=J_loss}}] --out r");
    let parts = [
        "monitor.quantity: got `J_loss`, expected one of loss,",
        "A_loss",
    ];
    apical(folder.path(), &asked).fails(1, &parts);

    let text = apical(folder.path(), "list marschall2019/lags46").ok().out;
    let text = text.replace("\"A_loss\"", "\"A_los\"");
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    for set in ["", exact, "--set rule.kind=rtrl"] {
        let ran = apical(
            folder.path(),
            &format!("run mine.toml --steps 100 {set} --out r"),
        );
        ran.fails(1, &["monitor.quantity: got `A_los`, expected one of loss,"]);
        assert!(!folder.path().join("r").exists());
    }
}

#[test]
fn a_quantity_recorded_twice_keeps_both_records() {
    let folder = tempdir().unwrap();
    let monitor = "--set monitor=[{quantity=\"loss\"},{quantity=\"loss\",window=1}]";
    let ran = apical(folder.path(), &format!("{SHORT} {monitor} --out r")).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    assert_eq!(rows[0][..4], ["seed", "step", "loss", "loss_2"]);
    assert!(
        rows[2][2] != rows[2][3] && !rows[2][3].is_empty(),
        "{rows:?}"
    );
    assert!(ran.out.contains("loss_2 "), "{}", ran.out);
}

#[test]
fn progress_goes_to_standard_error_and_the_summary_to_standard_output() {
    let folder = tempdir().unwrap();
    let ran = apical(folder.path(), &format!("{SHORT} --out loud")).ok();
    assert!(ran.err.starts_with("Add(4,6): the full local rule\n"));
    assert!(ran.err.contains("100 %  2000 of 2000 steps"), "{}", ran.err);
    assert!(!ran.err.contains(['\r', '\x1b']), "{}", ran.err);
    for part in [
        "held-out accuracy",
        "2 seeds",
        "bound, knowing both lags",
        "wrote loud",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = apical(folder.path(), &format!("{SHORT} --out silent --quiet")).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let (loud, silent) = (folder.path().join("loud"), folder.path().join("silent"));
    crate::common::assert_same(&results(&loud), &results(&silent));
}

#[test]
fn an_accuracy_is_printed_with_its_chance_level() {
    let folder = tempdir().unwrap();
    let line = |out: &str, name: &str| {
        let found = out.lines().find(|line| line.starts_with(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {out}"))
            .to_string()
    };
    let ran = apical(folder.path(), &format!("{SHORT} --out a")).ok();
    let held_out = line(&ran.out, "held-out accuracy");
    assert!(held_out.ends_with("2 seeds); chance 0.6250"), "{held_out}");
    let xor = "run liu2022/xor --seeds 1 --steps 3600 --set network.units=8 --set batch=8 --set evaluate.steps=3600";
    let recorded = "--set monitor=[{quantity=loss},{quantity=accuracy,every=900}]";
    let ran = apical(folder.path(), &format!("{xor} {recorded} --out b")).ok();
    for name in ["held-out accuracy", "accuracy"] {
        let line = line(&ran.out, name);
        let (_, chance) = line.split_once("; chance ").expect("a chance level");
        let chance: f64 = chance.parse().unwrap();
        assert!((0.5..0.9).contains(&chance), "{line}");
    }
    let squared = format!("{SHORT} --set loss.kind=mean_squared_error --out c");
    assert!(!apical(folder.path(), &squared).ok().out.contains("chance"));
}

#[test]
fn a_squared_error_is_not_compared_with_bounds_in_nats() {
    let folder = tempdir().unwrap();
    let loss = "--set loss.kind=mean_squared_error";
    let ran = apical(folder.path(), &format!("{SHORT} {loss} --out r")).ok();
    assert!(
        ran.out.contains("held-out loss") && !ran.out.contains("nats"),
        "{}",
        ran.out
    );
}

#[test]
fn a_file_of_ones_own_runs_and_names_its_folder() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    let toml = r#"
        steps = 200
        task = { kind = "add", lags = [1, 2] }
        loss = { kind = "softmax_cross_entropy" }
        feedback = { kind = "symmetric" }
        rule = { kind = "readout_only" }
        [evaluate]
        steps = 20
    "#;
    std::fs::write(folder.path().join("mine/first.try.toml"), toml).unwrap();
    for expected in ["runs/first.try", "runs/first.try-2"] {
        let ran = apical(folder.path(), "run mine/first.try.toml --set precision=f32").ok();
        assert!(
            ran.out.contains(&format!("wrote {expected}\n")),
            "{}",
            ran.out
        );
        assert!(folder.path().join(expected).join("metrics.csv").exists());
    }
    let ran = apical(folder.path(), &SHORT.replace("1000", "100")).ok();
    assert!(
        ran.out.contains("wrote runs/marschall2019-lags46\n"),
        "{}",
        ran.out
    );
}

#[test]
fn a_listed_experiment_saved_as_a_file_runs_the_same() {
    let folder = tempdir().unwrap();
    let text = apical(folder.path(), "list marschall2019/lags46").ok().out;
    std::fs::write(folder.path().join("copy.toml"), text).unwrap();
    apical(folder.path(), &format!("{SHORT} --out built-in")).ok();
    let own = SHORT.replace("marschall2019/lags46", "copy.toml");
    apical(folder.path(), &format!("{own} --out own")).ok();
    let path = |name: &str| folder.path().join(name);
    crate::common::assert_same(&results(&path("built-in")), &results(&path("own")));
}

#[test]
fn a_run_keeps_its_settings_whatever_becomes_of_what_its_experiment_extends() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    write(
        "base.toml",
        "extends = \"marschall2019/lags46\"\nnetwork.units = 8\nseeds = 1\nevaluate.steps = 50\n",
    );
    std::fs::create_dir(path("mine")).unwrap();
    write(
        "mine/own.toml",
        "extends = \"../base.toml\"\nsteps = 400\nupdate = { every = 2 }\n",
    );
    apical(folder.path(), "run mine/own.toml --out r").ok();
    let config = read(path("r/config.toml"));
    assert!(
        !config.contains("extends") && config.contains("units = 8"),
        "{config}"
    );
    write("base.toml", "extends = \"gone.toml\"\n");
    let ran = apical(folder.path(), "run mine/own.toml --out never");
    ran.fails(
        1,
        &["extends in mine/../base.toml: cannot read", "gone.toml"],
    );
    apical(folder.path(), "run r/config.toml --out again").ok();
    crate::common::assert_same(&results(&path("r")), &results(&path("again")));
    apical(folder.path(), "run --resume --out r --steps 600").ok();
    apical(folder.path(), "run --from again --steps 600 --out from").ok();
    let metrics = |name: &str| read(path(name).join("metrics.csv"));
    assert_eq!(metrics("r"), {
        apical(folder.path(), "run --resume --out again --steps 600").ok();
        metrics("again")
    });
}

/// A box is recorded every hundred steps; what is in it at the end counts as well.
#[test]
fn a_run_that_ends_between_two_records_says_what_there_was() {
    let folder = tempdir().unwrap();
    let line = |steps: u64, seeds: u64, out: &str| {
        let line = format!(
            "run marschall2019/lags46 --steps {steps} --seeds {seeds} --set evaluate.steps=0 --out {out} \
             --set monitor=[{{quantity=\"loss\"}},{{quantity=\"loss\",every=1}},{{quantity=\"W_rec.norm\"}}]"
        );
        apical(folder.path(), &line).ok()
    };
    let column = |out: &str, name: &str| -> Vec<(u64, f64)> {
        let rows = csv(folder.path().join(out).join("metrics.csv"));
        let at = rows[0].iter().position(|found| found == name).unwrap();
        let cells = rows[1..]
            .iter()
            .map(|row| (row[1].parse().unwrap(), row[at].parse()));
        cells
            .filter_map(|(step, cell)| Some((step, cell.ok()?)))
            .collect()
    };
    for (steps, seeds) in [(60, 2), (99, 1), (7, 1)] {
        let out = format!("r{steps}");
        let ran = line(steps, seeds, &out);
        assert!(!ran.out.contains("NaN"), "{}", ran.out);
        assert!(ran.out.contains("loss, least recorded"), "{}", ran.out);
        let every: Vec<f64> = column(&out, "loss_2")
            .iter()
            .map(|(_, loss)| *loss)
            .collect();
        let mean = every[..steps as usize].iter().sum::<f64>() / steps as f64;
        let loss = column(&out, "loss");
        assert_eq!(loss.len() as u64, seeds);
        assert!(
            loss[0].0 == steps && (loss[0].1 - mean).abs() < 1e-12,
            "{loss:?} {mean}"
        );
        assert_eq!(column(&out, "W_rec.norm").len() as u64, seeds);
    }
    line(150, 1, "r150");
    let every: Vec<f64> = column("r150", "loss_2")
        .iter()
        .map(|(_, loss)| *loss)
        .collect();
    let loss = column("r150", "loss");
    assert_eq!((loss[0].0, loss[1].0), (100, 150));
    let last = every[50..].iter().sum::<f64>() / 100.0;
    assert!((loss[1].1 - last).abs() < 1e-12, "{loss:?} {last}");
    // It is shown and not kept: made longer the run has no trace of it.
    apical(folder.path(), "run --resume --out r150 --steps 300 --quiet").ok();
    line(300, 1, "r300");
    let path = |name: &str| folder.path().join(name);
    crate::common::assert_same(&results(&path("r300")), &results(&path("r150")));
}

#[test]
fn nothing_recorded_and_nothing_tested_is_still_a_run() {
    let folder = tempdir().unwrap();
    let none = "--set monitor=[] --set evaluate.steps=0";
    apical(folder.path(), &format!("{SHORT} {none} --out r")).ok();
    let rows = csv(folder.path().join("r/metrics.csv"));
    assert_eq!(rows.len(), 1);
    assert!(
        folder
            .path()
            .join("r/checkpoints/seed-0001.safetensors")
            .exists()
    );
}

/// A name no Unicode text can hold is still a folder.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"a\xff");
    let words = SHORT.split_whitespace();
    finish(program(folder.path()).args(words).arg("--out").arg(name)).ok();
    assert!(folder.path().join(name).join("metrics.csv").exists());
}
