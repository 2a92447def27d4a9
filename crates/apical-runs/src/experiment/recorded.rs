//! Leave out what an experiment records and the changes of a command line take away, and say so.

use apical::Experiment;
use apical::monitor::MonitorSpec;
use serde::Deserialize;
use toml::Table;

use crate::memory;

/// Removes the quantities of `experiment` that the file `table` records and the changed settings lack; the warning that names them.
///
/// What a change asks for, and what the file itself could not record, stays and is refused where the experiment is checked.
pub(super) fn leave_out(experiment: &mut Experiment, table: &Table) -> Option<String> {
    let monitor = Vec::<MonitorSpec>::deserialize(table.get("monitor")?.clone()).ok()?;
    if monitor != experiment.monitor {
        return None;
    }
    let mut left_out = lost(experiment)?;
    if left_out.is_empty() {
        return None;
    }
    let never = never(table.clone(), experiment).unwrap_or_default();
    left_out.retain(|quantity| !never.contains(quantity));
    experiment
        .monitor
        .retain(|monitor| !left_out.contains(&monitor.quantity));
    let names: Vec<String> = left_out.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "monitor.quantity: {} of the experiment {} not recorded, as the changed settings have no such quantity. Record another with --set monitor=[{{quantity=\"loss\"}}].",
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" }
        )
    })
}

/// What the file could not record itself; `None` where that cannot be found out.
fn never(file: Table, changed: &Experiment) -> Option<Vec<String>> {
    let mut before: Experiment = file.try_into().ok()?;
    if before.task.info().name == changed.task.info().name {
        // With its data, which the file only names.
        before.task = changed.task.clone();
    }
    // It may be too large for this machine, and be changed for that very reason.
    memory::check(&before).ok()?;
    lost(&before)
}

/// What is to be recorded and does not exist; `None` where the settings make no learner.
fn lost(experiment: &Experiment) -> Option<Vec<String>> {
    let learner = experiment.learner_without_start::<f32>(experiment.seed);
    let learner = learner.ok()?;
    let quantities = experiment.monitor.iter().map(|monitor| &monitor.quantity);
    let lost = quantities.filter(|quantity| learner.find(quantity).is_err());
    Some(lost.cloned().collect())
}
