//! A run that was stopped, killed or finished goes on as if nothing had happened, or says why it cannot.

use std::path::Path;

use crate::common::{LONG, SHORT, apical, assert_same, checkpoint, files, previous, read, results};
use tempfile::{TempDir, tempdir};

/// The run of [`LONG`], done to its end without a break, and the folder around it.
fn uninterrupted(extra: &str) -> TempDir {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{LONG} {extra} --out whole")).ok();
    folder
}

#[cfg(unix)]
#[test]
fn a_run_stopped_by_ctrl_c_goes_on_with_the_command_it_names() {
    let folder = uninterrupted("");
    let broken = folder.path().join("my run");
    let words = LONG
        .split_whitespace()
        .chain(["--threads", "1", "--out", "my run"]);
    let mut command = crate::common::program(folder.path());
    let child = command
        .args(words)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    crate::common::wait_for(&checkpoint(&broken, 0));
    let output = crate::common::interrupt(child);
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("stopped; go on with: "));
    let line = line.unwrap_or_else(|| panic!("no command in: {said}"));
    assert_eq!(line, "apical run --resume --out 'my run'");
    // What was learned so far is there to look at, and it is not everything.
    let lines = |folder: &Path| read(folder.join("metrics.csv")).lines().count();
    let so_far = lines(&broken);
    assert!(so_far < lines(&folder.path().join("whole")), "{so_far}");

    let mut shell = std::process::Command::new("sh");
    let script = line.replacen("apical", "\"$0\"", 1);
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_apical")])
        .current_dir(folder.path());
    let ran = crate::common::finish(&mut shell).ok();
    assert!(
        ran.err.contains("100 %  120000 of 120000 steps"),
        "{}",
        ran.err
    );
    assert_same(&results(&folder.path().join("whole")), &results(&broken));
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_from_its_checkpoints() {
    use std::os::unix::process::ExitStatusExt;
    for precision in ["f32", "f64"] {
        let extra = format!("--set precision={precision} --threads 1");
        let folder = uninterrupted(&extra);
        let broken = folder.path().join("broken");
        let line = format!("{LONG} {extra} --out broken");
        let mut child = crate::common::program(folder.path())
            .args(line.split_whitespace())
            .spawn()
            .unwrap();
        // With one thread, the first seed is then done and the second under way.
        crate::common::wait_for(&checkpoint(&broken, 1));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!broken.join("metrics.csv").exists());
        apical(folder.path(), "run --resume --out broken --quiet").ok();
        assert_same(&results(&folder.path().join("whole")), &results(&broken));
    }
}

#[test]
fn a_finished_run_made_longer_is_the_long_run() {
    for precision in ["f32", "f64"] {
        let folder = tempdir().unwrap();
        let line = format!("{SHORT} --set precision={precision} --quiet");
        let long = line.replace("--steps 1000", "--steps 2000");
        apical(folder.path(), &format!("{long} --out long")).ok();
        apical(folder.path(), &format!("{line} --out short")).ok();
        let more = "run --resume --out short --quiet --steps 2000";
        apical(folder.path(), more).ok();
        let path = |name: &str| folder.path().join(name);
        assert_same(&results(&path("long")), &results(&path("short")));
        // And one that is done stays as it is.
        let before = files(&path("short"));
        apical(folder.path(), "run --resume --out short --quiet").ok();
        assert_same(&before, &files(&path("short")));
    }
}

#[test]
fn more_seeds_may_be_added() {
    let folder = tempdir().unwrap();
    let more = SHORT.replace("--seeds 2", "--seeds 3");
    apical(folder.path(), &format!("{more} --out more")).ok();
    apical(folder.path(), &format!("{SHORT} --out few")).ok();
    apical(folder.path(), "run --resume --out few --seeds 3").ok();
    let path = |name: &str| folder.path().join(name);
    assert_same(&results(&path("more")), &results(&path("few")));
}

/// Were the settings kept only at the end, a kill on the way would leave checkpoints beyond the end of their run.
#[cfg(unix)]
#[test]
fn a_longer_run_that_is_killed_still_knows_that_it_is_longer() {
    let folder = uninterrupted("");
    let short = LONG.replace("--steps 60000", "--steps 10000");
    apical(folder.path(), &format!("{short} --out broken")).ok();
    let broken = folder.path().join("broken");
    let before = std::fs::read(checkpoint(&broken, 0)).unwrap();
    let line = "run --resume --out broken --quiet --steps 60000 --threads 1";
    let mut child = crate::common::program(folder.path())
        .args(line.split_whitespace())
        .spawn()
        .unwrap();
    // It has no name for an instant while it becomes the one before.
    while std::fs::read(checkpoint(&broken, 0)).map_or(true, |now| now == before) {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    apical(folder.path(), "run --resume --out broken --quiet").ok();
    assert_same(&results(&folder.path().join("whole")), &results(&broken));
}

#[test]
fn changed_settings_are_refused_by_name_and_nothing_changes() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out r --quiet")).ok();
    let before = files(folder.path());
    let cases: [(&str, &[&str]); 10] = [
        (
            "--set optimizer.rate=0.5",
            &["optimizer.rate: got 0.5, expected 0.001"],
        ),
        (
            "--set rule.jacobian.rate=0.5",
            &["rule.jacobian.rate: got 0.5, expected 0.01"],
        ),
        (
            "--set rule.timing=scripts2018",
            &["rule.timing: got \"scripts2018\", expected \"corrected\""],
        ),
        (
            "--set optimizer.clip=1.0",
            &["optimizer.clip: got 1.0, expected nothing"],
        ),
        (
            "--set network.units=33",
            &["network.units: got 33, expected 32"],
        ),
        (
            "--set evaluate.every=100",
            &["evaluate.every: got 100, expected 500"],
        ),
        (
            "--set precision=f32",
            &["precision: got \"f32\", expected \"f64\""],
        ),
        (
            "--steps 900",
            &["steps: got 900, expected at least 1000", "--steps"],
        ),
        (
            "--seeds 1",
            &["seeds: got 1, expected at least 2", "--seeds"],
        ),
        ("--seed 1", &["seed: got 1, expected 0", "--seed"]),
    ];
    for (change, parts) in cases {
        let ran = apical(
            folder.path(),
            &format!("run --resume --out r --quiet {change}"),
        );
        ran.fails(1, parts);
        ran.fails(1, &["config.toml", "choose another --out"]);
        if change.contains("rate") {
            ran.fails(1, &[&format!("apical run --from r {change} --out NEW")]);
        }
        assert_same(&before, &files(folder.path()));
    }
    let other = apical(
        folder.path(),
        "run marschall2019/lags35 --resume --out r --quiet --set evaluate.steps=50",
    );
    other.fails(1, &["task.lags: got [3, 5], expected [4, 6]"]);
    assert_same(&before, &files(folder.path()));
}

#[test]
fn settings_that_change_no_step_may_change() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out r --quiet")).ok();
    let line = "run --resume --out r --quiet --set title=Better --set checkpoint.every=10";
    apical(folder.path(), line).ok();
    let config = read(folder.path().join("r/config.toml"));
    assert!(config.contains("title = \"Better\"") && config.contains("every = 10\n"));
}

#[test]
fn a_damaged_checkpoint_is_refused_and_nothing_changes() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out r --quiet")).ok();
    let path = checkpoint(&folder.path().join("r"), 1);
    let sound = std::fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "half",
            sound[..sound.len() / 2].to_vec(),
            "truncated checkpoint",
        ),
        (
            "one byte short",
            sound[..sound.len() - 1].to_vec(),
            "truncated checkpoint",
        ),
        ("empty", Vec::new(), "truncated checkpoint"),
        ("a weight", flipped(sound.len() / 2), "damaged checkpoint"),
        (
            "the last number",
            flipped(sound.len() - 1),
            "damaged checkpoint",
        ),
        (
            "another file",
            b"seed,step,loss\n0,1,2\n".to_vec(),
            "not an Apical checkpoint",
        ),
    ];
    for (what, bytes, expected) in cases {
        std::fs::write(&path, bytes).unwrap();
        let before = files(folder.path());
        for more in ["", "--steps 2000"] {
            let line = format!("run --resume --out r --quiet {more}");
            let ran = apical(folder.path(), &line);
            ran.fails(
                1,
                &["r/checkpoints/seed-0001.safetensors", expected, "expected"],
            );
            ran.fails(
                1,
                &["Remove it to train this seed anew: rm r/checkpoints/seed-0001.safetensors"],
            );
            let after = files(folder.path());
            assert_eq!(
                before.keys().collect::<Vec<_>>(),
                after.keys().collect::<Vec<_>>()
            );
            assert!(before == after, "{what} {more}");
        }
    }
    // Without the file that seed is trained anew, to the same end.
    std::fs::remove_file(&path).unwrap();
    apical(folder.path(), "run --resume --out r --quiet").ok();
    assert!(std::fs::read(&path).unwrap() == sound);
    // The checkpoint of another seed would be learned twice.
    std::fs::copy(checkpoint(&folder.path().join("r"), 0), &path).unwrap();
    let ran = apical(folder.path(), "run --resume --out r --quiet");
    ran.fails(1, &["seed-0001.safetensors", "holds seed 0, expected 1"]);
}

/// Damage in the checkpoint or in the records it counts on, and the command that the message names.
#[cfg(unix)]
#[test]
fn a_damaged_checkpoint_names_the_one_before_it() {
    let folder = uninterrupted("");
    let whole = results(&folder.path().join("whole"));
    let run = folder.path().join("whole");
    let (last, before) = (checkpoint(&run, 1), previous(&run, 1));
    let records = last.with_extension("records");
    let sound = [&last, &before, &records].map(|path| std::fs::read(path).unwrap());
    let spoil = |path: &Path, at: usize| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[at] ^= 0x10;
        std::fs::write(path, bytes).unwrap();
    };
    let back = "to go on from the checkpoint before it, whole/checkpoints/seed-0001.previous.safetensors at step 59500: \
        rm whole/checkpoints/seed-0001.safetensors";
    let anew = "to train this seed anew: rm whole/checkpoints/seed-0001.safetensors";
    let half = |path: &Path| spoil(path, std::fs::metadata(path).unwrap().len() as usize / 2);
    let end = |path: &Path| spoil(path, std::fs::metadata(path).unwrap().len() as usize - 1);
    let cases: [(&dyn Fn(), &str); 4] = [
        (&|| half(&last), back),
        // The last record is not of the checkpoint before.
        (&|| end(&records), back),
        (&|| half(&records), anew),
        (
            &|| [&last, &before].into_iter().for_each(|path| half(path)),
            anew,
        ),
    ];
    for (damage, mend) in cases {
        damage();
        let ran = apical(folder.path(), "run --resume --out whole --quiet");
        ran.fails(1, &["damaged checkpoint", mend]);
        let (_, command) = ran.err.split_once("rm ").unwrap();
        crate::common::obey(folder.path(), &format!("rm {}", command.trim())).ok();
        if mend == anew {
            // What is damaged is refused one by one.
            let again = apical(folder.path(), "run --resume --out whole --quiet");
            again.fails(
                1,
                &["seed-0001.previous.safetensors", "to train this seed anew"],
            );
            std::fs::remove_file(&before).unwrap();
        }
        apical(folder.path(), "run --resume --out whole --quiet").ok();
        assert_same(&whole, &results(&run));
        for (path, bytes) in [&last, &before, &records].into_iter().zip(&sound) {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// Checkpoints once held all records inside.
#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let folder = tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run-of-0.1.0");
    let old = folder.path().join("old");
    std::fs::create_dir_all(old.join("checkpoints")).unwrap();
    for name in [
        "config.toml",
        "environment.json",
        "checkpoints/seed-0000.safetensors",
    ] {
        std::fs::copy(from.join(name), old.join(name)).unwrap();
    }
    let more = "--steps 1000 --quiet --set checkpoint.every=200";
    apical(folder.path(), &format!("run --resume --out old {more}")).ok();
    let line = "run marschall2019/lags46 --seeds 1 --set network.units=3 --set evaluate.steps=50 --set evaluate.every=200";
    apical(folder.path(), &format!("{line} {more} --out new")).ok();
    let path = |name: &str| folder.path().join(name);
    assert_same(&results(&path("new")), &results(&path("old")));
    let begun = "--steps 1000 --quiet --set optimizer.rate=1e-4";
    apical(
        folder.path(),
        &format!("run --from {} {begun} --out on", from.display()),
    )
    .ok();
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for out in ["empty", "missing"] {
        let ran = apical(folder.path(), &format!("run --resume --out {out}"));
        ran.fails(
            1,
            &[
                out,
                "holds no config.toml",
                "expected the folder of an earlier run",
                "--resume",
            ],
        );
    }
    assert!(files(folder.path()).is_empty() && !folder.path().join("missing").exists());
    let ran = apical(folder.path(), "run --resume");
    ran.fails(2, &["--out"]);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_anew() {
    let folder = tempdir().unwrap();
    apical(folder.path(), &format!("{SHORT} --out whole")).ok();
    std::fs::create_dir(folder.path().join("broken")).unwrap();
    for name in ["config.toml", "environment.json"] {
        let (from, to) = (folder.path().join("whole"), folder.path().join("broken"));
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    apical(folder.path(), "run --resume --out broken").ok();
    let path = |name: &str| folder.path().join(name);
    assert_same(&results(&path("whole")), &results(&path("broken")));
}
