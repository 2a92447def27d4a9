//! Paths of data in settings: found from the folder of the experiment, kept so that a run finds them from anywhere.

use std::path::Path;

use apical::Experiment;
use apical::task::TaskSpec;
use toml::{Table, Value};

use crate::{Result, settings};

/// Calls `visit` with every path that `task`, or any task inside of it, names.
fn each(task: &mut TaskSpec, visit: &mut dyn FnMut(&mut String)) {
    match task {
        TaskSpec::Data(spec) => visit(&mut spec.file),
        TaskSpec::SequentialMnist(spec) => {
            let tests = [&mut spec.test_images, &mut spec.test_labels];
            let all = [Some(&mut spec.images), Some(&mut spec.labels)];
            let all = all.into_iter().chain(tests.map(Option::as_mut));
            all.flatten().for_each(visit);
        }
        TaskSpec::MultiTask(spec) => spec.tasks.iter_mut().for_each(|task| each(task, visit)),
        TaskSpec::Embedded(spec) => each(&mut spec.task, visit),
        _ => {}
    }
}

/// Settings of a task that say where its data are.
const NAMES: [&str; 5] = ["file", "images", "labels", "test_images", "test_labels"];

/// Completes the paths of the task in `table`, the settings of one file, where there is such a file in its `folder`.
///
/// Others are meant from the current folder.
pub(crate) fn complete(table: &mut Table, folder: &Path) {
    if let Some(Value::Table(task)) = table.get_mut("task") {
        complete_task(task, folder);
    }
}

fn complete_task(task: &mut Table, folder: &Path) {
    for (key, value) in task.iter_mut() {
        match value {
            Value::String(path) if NAMES.contains(&&**key) && !path.is_empty() => {
                let there = folder.join(&*path);
                if let (true, Some(there)) = (there.exists(), there.to_str()) {
                    *path = there.into();
                }
            }
            Value::Table(inner) if key == "task" => complete_task(inner, folder),
            Value::Array(list) if key == "tasks" => {
                let inner = list.iter_mut().filter_map(Value::as_table_mut);
                inner.for_each(|task| complete_task(task, folder));
            }
            _ => {}
        }
    }
}

/// The experiment as its run keeps it: every setting, and relative paths of data as they are from `folder`.
///
/// A run moved together with its data, or resumed from another folder, then still finds them.
pub(crate) fn resolved_in(folder: &Path, experiment: &Experiment) -> Result<String> {
    let mut kept = experiment.clone();
    each(&mut kept.task, &mut |path| {
        if let Some(from_there) = from(folder, path) {
            *path = from_there;
        }
    });
    settings::resolved(&kept)
}

/// A relative `path` as it is from `folder`; whole where the two share nothing.
fn from(folder: &Path, path: &str) -> Option<String> {
    // So it was completed when the run went on.
    if let Ok(rest) = Path::new(path).strip_prefix(folder) {
        return rest.to_str().map(String::from);
    }
    if path.is_empty() || Path::new(path).is_absolute() {
        return None;
    }
    // Links may lead anywhere: what is above a folder is known of its real place alone.
    let (folder, file) = (
        folder.canonicalize().ok()?,
        Path::new(path).canonicalize().ok()?,
    );
    let shared = folder
        .components()
        .zip(file.components())
        .take_while(|(a, b)| a == b)
        .count();
    if shared < 2 {
        return file.to_str().map(String::from);
    }
    let mut relative: std::path::PathBuf = folder.components().skip(shared).map(|_| "..").collect();
    relative.extend(file.components().skip(shared));
    relative.to_str().map(String::from)
}

/// Those of `changes` that say where data are.
pub(crate) fn among(changes: &[String]) -> Vec<String> {
    let names_data = |change: &&String| {
        let key = change.split('=').next().unwrap_or_default().trim();
        let last = key.rsplit('.').next().unwrap_or_default();
        key.starts_with("task.") && NAMES.contains(&last)
    };
    changes.iter().filter(names_data).cloned().collect()
}

/// Leaves the paths out: what the data are, a fingerprint in each checkpoint tells.
pub(crate) fn leave_out(task: &mut TaskSpec) {
    each(task, &mut String::clear);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_as_it_is_from_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in ["data", "runs/a"] {
            std::fs::create_dir_all(root.join(inner)).unwrap();
        }
        std::fs::write(root.join("data/d.csv"), "x\n").unwrap();
        let current = std::env::current_dir().unwrap();
        let up = current
            .components()
            .skip(1)
            .map(|_| "../")
            .collect::<String>();
        let path = format!(
            "{up}{}",
            root.join("data/d.csv")
                .to_str()
                .unwrap()
                .trim_start_matches('/')
        );
        assert_eq!(
            from(&root.join("runs/a"), &path).unwrap(),
            "../../data/d.csv"
        );
        assert_eq!(from(&root.join("data"), &path).unwrap(), "d.csv");
        assert_eq!(
            from(
                &root.join("runs"),
                root.join("data/d.csv").to_str().unwrap()
            ),
            None
        );
        let completed = root.join("runs/a").join("../../data/d.csv");
        let kept = from(&root.join("runs/a"), completed.to_str().unwrap());
        assert_eq!(kept.unwrap(), "../../data/d.csv");
        assert_eq!(from(&root, "missing.csv"), None);
        // Nothing shared but the root of all.
        let far = from(Path::new("/proc"), &path).unwrap();
        assert!(Path::new(&far).is_absolute(), "{far}");
    }
}
