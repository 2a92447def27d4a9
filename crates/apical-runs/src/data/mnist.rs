//! Where the files of MNIST lie on this machine.

use std::path::{Path, PathBuf};

use apical::task::TaskSpec;
use toml::Table;

use crate::settings::parse_table;

/// Images and labels, plain or gzipped: those to train on or else those for tests; or what is missing, in words.
///
/// They are looked for in the folder that the variable APICAL_MNIST names, else in `mnist` and `../shared/data/mnist`.
pub fn find() -> std::result::Result<(PathBuf, PathBuf), String> {
    let folders = folders();
    for folder in &folders {
        for name in ["train", "t10k"] {
            let file = |kind: &str| {
                let path = folder.join(format!("{name}-{kind}-ubyte"));
                let zipped = path.with_extension("gz");
                [zipped, path].into_iter().find(|path| path.exists())
            };
            match (file("images-idx3"), file("labels-idx1")) {
                (Some(images), Some(labels)) => return Ok((images, labels)),
                (Some(images), None) => {
                    let images = images.display();
                    return Err(format!(
                        "beside {images} there are no labels, expected {name}-labels-idx1-ubyte.gz"
                    ));
                }
                _ => {}
            }
        }
    }
    let places: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(format!(
        "there are no files of MNIST in {}, expected train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz (or t10k)",
        places.join(" or ")
    ))
}

fn folders() -> Vec<PathBuf> {
    match std::env::var_os("APICAL_MNIST") {
        Some(folder) => vec![folder.into()],
        None => vec!["mnist".into(), "../shared/data/mnist".into()],
    }
}

/// `changes` to a built-in experiment, after those that say where its digits are; the same where it needs none, where `changes`
/// say it, or where there are none.
pub(crate) fn changes(table: &Table, changes: &[String]) -> Vec<String> {
    // Nearly all experiments; reading their settings twice would be for nothing.
    let kind = table.get("task").and_then(|task| task.get("kind"));
    if kind.and_then(|kind| kind.as_str()) != Some("sequential_mnist") {
        return changes.to_vec();
    }
    let task = parse_table(table.clone(), changes).map(|experiment| experiment.task);
    let unchanged = parse_table(table.clone(), &[]).map(|experiment| experiment.task);
    let found = match (task, unchanged) {
        (Ok(TaskSpec::SequentialMnist(task)), Ok(TaskSpec::SequentialMnist(written)))
            if (&task.images, &task.labels) == (&written.images, &written.labels) =>
        {
            find().ok()
        }
        _ => None,
    };
    let Some((images, labels)) = found else {
        return changes.to_vec();
    };
    let text = |path: &Path| format!("{:?}", path.display().to_string());
    let own = [
        format!("task.images={}", text(&images)),
        format!("task.labels={}", text(&labels)),
    ];
    own.into_iter().chain(changes.iter().cloned()).collect()
}
