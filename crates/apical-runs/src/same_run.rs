//! Whether a run may go on from what an earlier one has left: the same settings, the same data.

use std::collections::BTreeMap;
use std::path::Path;

use apical::snapshot::{Snapshot, StateIo};
use apical::{Experiment, Precision, Scalar, Streams};

use crate::{Error, Result, data_paths, files, settings};

/// The settings that decide what happens up to a step: not how long, how many or how often saved.
pub(crate) fn comparable(experiment: &Experiment) -> Result<String> {
    let mut same = experiment.clone();
    (same.steps, same.seed, same.seeds) = (0, 0, 1);
    same.title.clear();
    same.checkpoint = Default::default();
    data_paths::leave_out(&mut same.task);
    settings::resolved(&same)
}

/// Refuses to go on with `experiment` where `path` holds another; the first setting that differs is named.
pub(crate) fn same_settings(path: &Path, kept: &str, experiment: &Experiment) -> Result<()> {
    let new = comparable(experiment)?;
    // Read and written again it has the settings that came later, and paths of data are left out.
    let kept = match settings::parse_unchecked(kept, &[]) {
        Ok(kept) => comparable(&kept)?,
        Err(_) => kept.into(),
    };
    if kept == new {
        return Ok(());
    }
    let (kept, new) = (settings::leaves(&kept), settings::leaves(&new));
    let differs = |key: &&String| kept.get(*key) != new.get(*key);
    let key = new.keys().chain(kept.keys()).find(differs);
    let key = key.map_or("experiment", String::as_str);
    let value = |of: &BTreeMap<String, String>| of.get(key).map_or("nothing".into(), String::clone);
    // A setting that is gone, or one that decides which weights there are, cannot be changed on the way.
    let on_the_way = new
        .get(key)
        .filter(|_| key != "network.units" && key != "precision");
    let go_on = match (on_the_way, run_of(path)) {
        (Some(value), Some(run)) => format!(
            "go on from its checkpoints as a new run (apical run --from {} --set {} --out NEW), ",
            files::quoted(&run.to_string_lossy()),
            files::quoted(&format!("{key}={value}"))
        ),
        _ => String::new(),
    };
    Err(Error::Config {
        field: key.into(),
        what: format!(
            "got {}, expected {} as in {}",
            value(&new),
            value(&kept),
            path.display()
        ),
        mend: format!(
            "Resume with the settings of the run, {go_on}or choose another --out for a new one."
        ),
    })
}

/// Refuses to go on from `snapshot` with other data than it was made with, in the folder `run`.
pub(crate) fn same_data(
    experiment: &Experiment,
    seed: u64,
    snapshot: &Snapshot,
    run: &Path,
) -> Result<()> {
    let restored = match experiment.precision {
        Precision::F32 => restore_task::<f32>(experiment, seed, snapshot),
        Precision::F64 => restore_task::<f64>(experiment, seed, snapshot),
    };
    restored.map_err(|error| match error {
        apical::Error::Snapshot { what, mend } if what.contains("other data") => Error::Config {
            field: "task.file".into(),
            what: format!("{}: {what}", run.display()),
            mend: format!(
                "{mend} A run on the new data can go on from its checkpoints: apical run --from {} --out NEW",
                files::quoted(&run.to_string_lossy())
            ),
        },
        other => other.into(),
    })
}

fn restore_task<T: Scalar>(
    experiment: &Experiment,
    seed: u64,
    snapshot: &Snapshot,
) -> apical::Result<()> {
    let (batch, steps, streams) = (experiment.batch, experiment.steps, Streams::new(seed));
    let mut task = experiment
        .task
        .build::<T>(batch, steps, &streams, "train")?;
    StateIo::restore(snapshot).scope("task", |io| task.state(io))
}

/// The folder of the run to which a file belongs: its settings or one of its checkpoints.
pub(crate) fn run_of(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    [folder, folder.parent()?]
        .into_iter()
        .find(|folder| folder.join("config.toml").exists())
}
