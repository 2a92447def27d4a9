//! Every command in the README and the documents runs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lines of all ```sh blocks of a document.
fn commands(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect()
}

/// Runs the commands of a document one after another in one new folder, as a reader would.
fn run_all(document: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_apical");
    let mut run = 0;
    for command in commands(document) {
        // The tests cannot run themselves, examples have tests of their own, and a whole paper takes minutes: it is run quickly.
        if command.starts_with("cargo run --release -p own") {
            run += 1;
            continue;
        }
        if ["cargo test", "cargo bench", "cargo install"]
            .iter()
            .any(|other| command.starts_with(other))
        {
            continue;
        }
        let mut line = command.replace("cargo run --release --", "apical");
        assert!(
            line.starts_with("apical "),
            "{document}: what is `{command}`?"
        );
        if line.contains(" reproduce ") && !line.contains("--quick") {
            line.push_str(" --quick");
        }
        // Many seeds of a built-in experiment are for the reader's patience, not for a test.
        if line.contains("--seeds 100") {
            line.push_str(" --steps 500");
        }
        let line = line.replacen("apical", &format!("'{binary}'"), 1);
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(&folder)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{document}: `{command}` failed:\n{stderr}"
        );
        run += 1;
    }
    run
}

#[test]
fn readme_commands_run() {
    assert!(run_all("README.md") >= 12);
}

#[test]
fn result_commands_run() {
    assert!(run_all("docs/results/marschall2019.md") >= 1);
    assert!(run_all("docs/results/dendritic.md") >= 1);
    assert!(run_all("docs/results/README.md") >= 1);
    assert!(run_all("docs/is-apical-for-you.md") >= 2);
}

/// The pages of the tasks, one a task.
fn task_pages() -> Vec<String> {
    let names = apical::task::TASKS.iter().map(|task| task.name);
    let names = names.chain(["README"]);
    names.map(|name| format!("docs/tasks/{name}.md")).collect()
}

#[test]
fn every_task_has_its_page_and_its_commands_run() {
    for page in task_pages() {
        let run = run_all(&page);
        // The files of MNIST do not come with the program.
        assert!(run > 0 || page.ends_with("sequential_mnist.md"), "{page}");
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        assert!(
            page.ends_with("README.md") || text.contains("**Loss:**"),
            "{page}"
        );
    }
    let index = std::fs::read_to_string(root().join("docs/tasks/README.md")).unwrap();
    for task in apical::task::TASKS {
        assert!(
            index.contains(&format!("({}.md)", task.name)),
            "{}",
            task.name
        );
    }
    let pages = std::fs::read_dir(root().join("docs/tasks")).unwrap();
    assert_eq!(pages.count(), task_pages().len());
}

/// The pages of the rules, one a rule.
fn rule_pages() -> Vec<String> {
    let names = apical::rule::RULES.iter().map(|rule| rule.name);
    let names = names.chain(["README"]);
    names.map(|name| format!("docs/rules/{name}.md")).collect()
}

#[test]
fn every_rule_has_its_page_with_the_table_of_the_program_and_its_commands_run() {
    for page in rule_pages() {
        let run = run_all(&page);
        assert!(run >= 2 || page.ends_with("README.md"), "{page}");
    }
    for info in apical::rule::RULES {
        let page = root().join(format!("docs/rules/{}.md", info.name));
        let text = std::fs::read_to_string(page).unwrap();
        let table = apical_runs::rule_page::table(info);
        let how = "run `cargo run --release -p apical-runs --example rule_pages`";
        assert!(
            text.contains(&table),
            "{}: the table is not the program's; {how}",
            info.name
        );
        let figure = root().join(format!("docs/figures/rules/{}.png", info.name));
        assert!(figure.exists(), "{}: no figure; {how}", info.name);
        for part in [
            "## Equations",
            "## Receipts",
            "## When to use it",
            "## Learning",
        ] {
            assert!(text.contains(part), "{}: {part}", info.name);
        }
    }
    let pages = std::fs::read_dir(root().join("docs/rules")).unwrap();
    assert_eq!(pages.count(), rule_pages().len());
}

#[test]
fn the_page_of_the_neurons_lists_them_and_its_commands_run() {
    assert!(run_all("docs/neurons.md") >= 3);
    let text = std::fs::read_to_string(root().join("docs/neurons.md")).unwrap();
    for info in apical::neuron::NEURONS {
        let row = format!("| `{}` | {}, {} |", info.name, info.states, info.currents);
        assert!(text.contains(&row), "{row}");
    }
    for kind in apical::schema::kinds::<apical::neuron::NeuronSpec>() {
        for setting in &kind.settings {
            assert!(
                text.contains(&format!("`{} = ", setting.name)),
                "{setting:?}"
            );
        }
    }
}

#[test]
fn results_of_2020_run() {
    assert!(run_all("docs/results/marschall2020.md") >= 3);
}

#[test]
fn results_of_murray_run() {
    assert!(run_all("docs/results/murray2019.md") >= 3);
}

#[test]
fn results_of_liu_2022_run() {
    assert!(run_all("docs/results/liu2022.md") >= 2);
}

#[test]
fn how_to_commands_run() {
    let mut commands = 0;
    for document in how_to() {
        let run = run_all(&document);
        assert!(run >= 1, "{document} has no command");
        commands += run;
    }
    assert!(commands >= 4);
}

/// The documents of docs/how-to.
fn how_to() -> Vec<String> {
    let folder = std::fs::read_dir(root().join("docs/how-to")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md"));
    pages.map(|name| format!("docs/how-to/{name}")).collect()
}

#[test]
fn continuous_integration_runs_the_test_command_of_the_readme() {
    let lines = commands("README.md");
    let tests: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("cargo test"))
        .collect();
    let script = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert_eq!(tests.len(), 1);
    assert!(script.lines().any(|line| line == tests[0]), "{tests:?}");
}

#[test]
fn links_lead_somewhere() {
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/results/README.md",
        "docs/results/dendritic.md",
        "docs/results/marschall2019.md",
        "docs/results/marschall2020.md",
        "docs/results/murray2019.md",
        "docs/results/liu2022.md",
        "docs/speed.md",
        "docs/python.md",
        "docs/neurons.md",
        "docs/is-apical-for-you.md",
    ];
    let documents = documents.into_iter().map(String::from);
    for document in documents
        .chain(task_pages())
        .chain(rule_pages())
        .chain(how_to())
    {
        let text = std::fs::read_to_string(root().join(&document)).unwrap();
        let folder = root().join(&document).parent().unwrap().to_path_buf();
        for link in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            assert!(
                link.starts_with("http") || folder.join(link).exists(),
                "{document}: {link}"
            );
        }
    }
}
