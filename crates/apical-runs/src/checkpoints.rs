//! The last two checkpoints of a seed: which there are, which can be used, and what to do about one that cannot.

use std::path::{Path, PathBuf};

use apical::Experiment;
use apical::snapshot::{Array, Snapshot};

use crate::records_file::{self, RecordsFile, beside};
use crate::same_run::same_settings;
use crate::{Error, Result, checkpoint_file, files};

/// Name of the array in which a checkpoint says how far its records go.
const RECORDS: &str = "records";
/// How many times its start a loss may be where training has not begun to diverge: more is not undone by a lower rate.
const GROWN: f64 = 100.0;
/// How large a weight may be there.
const LARGE: f64 = 1e6;

/// The checkpoint before the one at `path`.
pub(crate) fn previous(path: &Path) -> PathBuf {
    path.with_extension("previous.safetensors")
}

/// The newest checkpoint there is: that at `path`, or the one before if a kill or a user took that away.
pub(crate) fn newest(path: &Path) -> Option<PathBuf> {
    [path.to_path_buf(), previous(path)]
        .into_iter()
        .find(|path| path.exists())
}

/// Writes a checkpoint; that at `path` becomes the one before, if it is to be kept.
///
/// # Errors
/// As [`checkpoint_file::write`].
pub(crate) fn write(path: &Path, snapshot: &Snapshot, keep: bool) -> Result<()> {
    let bytes = checkpoint_file::encode(path, snapshot)?;
    if keep {
        files::write_keeping(path, &previous(path), &bytes)
    } else {
        files::write_atomic(path, &bytes)
    }
}

/// Says in `snapshot` how far the records go.
pub(crate) fn note(snapshot: &mut Snapshot, records: &RecordsFile) {
    let note = Array::U64(records.note().to_vec());
    snapshot.arrays.insert(RECORDS.into(), note);
}

/// How far the records go of which `snapshot` knows; `None` if they are all inside.
pub(crate) fn noted(snapshot: &Snapshot) -> Option<[u64; 2]> {
    match snapshot.arrays.get(RECORDS)? {
        Array::U64(note) => note.as_slice().try_into().ok(),
        _ => None,
    }
}

/// The file of records for the checkpoint at `path`, which may be the one before.
pub(crate) fn records(path: &Path) -> PathBuf {
    let stem = path.with_extension("");
    if stem.extension().is_some_and(|end| end == "previous") {
        beside(&stem)
    } else {
        beside(path)
    }
}

/// The checkpoint at `path`, if it belongs to this seed of this experiment; its records are looked at and not kept.
///
/// # Errors
/// A file that cannot be used, with the checkpoint to use in its place, if there is one.
pub(crate) fn read(path: &Path, experiment: &Experiment, seed: u64) -> Result<Snapshot> {
    read_one(path, experiment, seed).map_err(|error| {
        let before = previous(path);
        let step = read_one(&before, experiment, seed)
            .ok()
            .map(|snapshot| step(&snapshot));
        match step {
            Some(step) => error.of_checkpoint(&format!(
                "Remove it to go on from the checkpoint before it, {} at step {step}: rm {}",
                before.display(),
                files::quoted(&path.to_string_lossy())
            )),
            None => checkpoint_file::anew(path, error),
        }
    })
}

fn read_one(path: &Path, experiment: &Experiment, seed: u64) -> Result<Snapshot> {
    let snapshot = checkpoint_file::read(path)?;
    let text = |name: &str| snapshot.texts.get(name).map_or("", String::as_str);
    same_settings(path, text("experiment"), experiment)?;
    if text("seed") != seed.to_string() {
        return Err(Error::Config {
            field: path.display().to_string(),
            what: format!("holds seed {}, expected {seed}", text("seed")),
            mend: "Put the file back under its own name, or remove it to train this seed anew."
                .into(),
        });
    }
    if let Some(note) = noted(&snapshot) {
        // Whatever is wrong with its records, the checkpoint is what has to go.
        records_file::load(&records(path), note).map_err(|error| match error {
            Error::CheckpointDamaged { what, mend, .. } => Error::CheckpointDamaged {
                path: path.into(),
                what,
                mend,
            },
            other => other,
        })?;
    }
    Ok(snapshot)
}

/// Steps learned when a checkpoint was written.
pub(crate) fn step(snapshot: &Snapshot) -> u64 {
    match snapshot.arrays.get("learner.step") {
        Some(Array::U64(step)) => step.first().copied().unwrap_or(0),
        _ => 0,
    }
}

/// Whether training had begun to diverge: the loss, or its moving average, is above a hundred times that of the first looks, or a
/// weight or a number of the rule is above a million.
pub(crate) fn is_past(snapshot: &Snapshot) -> bool {
    let losses = |name: &str| match snapshot.arrays.get(name) {
        Some(Array::F64(losses)) => losses.as_slice(),
        _ => &[],
    };
    let (now, looks) = (losses("learner.losses"), losses("learner.health.losses"));
    let has_grown = match (now, looks) {
        ([last, ..], [first, average]) => last.max(*average) > GROWN * first && *first > 0.0,
        _ => false,
    };
    let huge = |array: &Array| match array {
        Array::F32(values) => values.iter().any(|v| f64::from(v.abs()) > LARGE),
        Array::F64(values) => values.iter().any(|v| v.abs() > LARGE),
        Array::U64(_) => false,
    };
    let of_rule = snapshot.arrays.range("learner.rule.".to_string()..);
    let mut of_rule = of_rule.take_while(|(name, _)| name.starts_with("learner.rule."));
    let weights = ["learner.weights", "learner.readout"].map(|name| snapshot.arrays.get(name));
    has_grown || weights.into_iter().flatten().any(huge) || of_rule.any(|(_, array)| huge(array))
}

/// The newest checkpoint of a seed from before training began to diverge, with its contents.
pub(crate) fn before_divergence(path: &Path) -> Option<(PathBuf, Snapshot)> {
    [path.to_path_buf(), previous(path)]
        .into_iter()
        .filter_map(|path| checkpoint_file::read(&path).ok().map(|found| (path, found)))
        .find(|(_, found)| !is_past(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(last: f64, first: f64, weight: f64) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut put = |name: &str, values: &[f64]| {
            let array = Array::F64(values.to_vec());
            snapshot.arrays.insert(name.into(), array);
        };
        put("learner.losses", &[last, 0.5]);
        put("learner.health.losses", &[first, first]);
        put("learner.rule.A", &[0.1, -weight]);
        snapshot
    }

    #[test]
    fn a_loss_or_a_number_far_too_large_is_past_the_divergence() {
        assert!(!is_past(&snapshot(90.0, 1.0, 9e5)));
        assert!(is_past(&snapshot(200.0, 1.0, 0.0)));
        assert!(is_past(&snapshot(1.0, 1.0, 2e6)));
        // A start at which no step counted tells nothing.
        assert!(!is_past(&snapshot(200.0, 0.0, 0.0)));
        assert!(!is_past(&Snapshot::default()));
    }

    #[test]
    fn the_names_beside_a_checkpoint_are_those_of_its_seed() {
        let path = Path::new("a.b/seed-0001.safetensors");
        let before = previous(path);
        assert_eq!(before, Path::new("a.b/seed-0001.previous.safetensors"));
        for path in [path, &before] {
            assert_eq!(records(path), Path::new("a.b/seed-0001.records"));
        }
    }
}
