//! How much memory the machine can give, and how many runs fit into it side by side.

use std::path::{Path, PathBuf};

use apical::{Experiment, memory};

use crate::Result;

/// Bytes that can still be had: what is free or can be freed, within the limits of the control group and of the process; infinite
/// where the system does not tell.
pub fn available() -> f64 {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let free = read(Path::new("/proc/meminfo")).and_then(|text| meminfo(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let groups = folders(&groups).into_iter();
    let grouped = groups.filter_map(|folder| left_in(&|name| read(&folder.join(name))));
    let limits = read(Path::new("/proc/self/limits")).and_then(|text| address_space(&text));
    let status = read(Path::new("/proc/self/status")).unwrap_or_default();
    let space = limits.map(|most| most - kilobytes(&status, "VmSize:").unwrap_or(0.0));
    let all = free.into_iter().chain(grouped).chain(space);
    all.fold(f64::INFINITY, f64::min).max(0.0)
}

/// Refuses an experiment of which one seed does not fit into the memory there is.
///
/// # Errors
/// The setting that asks for most is named.
pub fn check(experiment: &Experiment) -> Result<()> {
    Ok(experiment.check_memory(available())?)
}

/// As many as `threads`, 0 meaning one a processor, but no more than there is memory for.
pub fn side_by_side<'a>(
    threads: usize,
    experiments: impl IntoIterator<Item = &'a Experiment>,
) -> usize {
    let wanted = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        _ => threads,
    };
    let bytes = |experiment: &Experiment| memory::total(&experiment.needs());
    let largest = experiments.into_iter().map(bytes).fold(1.0, f64::max);
    wanted.min((available() / largest).max(1.0) as usize)
}

fn meminfo(text: &str) -> Option<f64> {
    kilobytes(text, "MemAvailable:")
}

/// The number of kilobytes behind `name`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024.0 * number)
}

/// The soft limit of `ulimit -v`.
fn address_space(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Folders of the control groups this process is in, those around them included.
fn folders(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let root = match kinds {
            "" => Path::new("/sys/fs/cgroup"),
            _ if kinds.split(',').any(|kind| kind == "memory") => {
                Path::new("/sys/fs/cgroup/memory")
            }
            _ => continue,
        };
        let inner = root.join(path.trim_start_matches('/'));
        let around = inner
            .ancestors()
            .take_while(|folder| folder.starts_with(root));
        folders.extend(around.map(Path::to_path_buf));
    }
    folders
}

/// What a control group may still take, if it has a limit; caches of files it gives back.
fn left_in(read: &dyn Fn(&str) -> Option<String>) -> Option<f64> {
    let number = |name: &str| read(name)?.trim().parse::<f64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = read("memory.stat").unwrap_or_default();
    let cached = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "));
    let cached = cached
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0.0);
    Some(limit - (used - cached).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_what_the_system_says() {
        let text = "MemTotal:       24684092 kB\nMemAvailable:   19665908 kB\n";
        assert_eq!(meminfo(text), Some(19_665_908.0 * 1024.0));
        assert_eq!(meminfo("MemTotal: 1 kB\n"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax address space         8192000000           unlimited            bytes     \n";
        assert_eq!(address_space(limits), Some(8_192_000_000.0));
        let none = "Max address space         unlimited            unlimited            bytes\n";
        assert_eq!(address_space(none), None);
    }

    #[test]
    fn groups_of_both_kinds_and_those_around_them_count() {
        let found = folders("4:cpu,memory:/a/b\n3:pids:/c\n0::/d\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b",
            "/sys/fs/cgroup/memory/a",
            "/sys/fs/cgroup/memory",
            "/sys/fs/cgroup/d",
            "/sys/fs/cgroup",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        let files = |name: &str| match name {
            "memory.max" => Some("1000\n".to_string()),
            "memory.current" => Some("700\n".to_string()),
            "memory.stat" => Some("anon 400\ninactive_file 300\n".to_string()),
            _ => None,
        };
        assert_eq!(left_in(&files), Some(600.0));
        let unlimited = |name: &str| (name == "memory.max").then(|| "max\n".to_string());
        assert_eq!(left_in(&unlimited), None);
    }

    #[test]
    fn runs_side_by_side_share_the_memory() {
        let text = crate::experiment::BUILT_IN[0].toml;
        let mut experiment = crate::experiment::parse(text, &[]).unwrap();
        assert_eq!(side_by_side(3, [&experiment]), 3);
        // More than any machine has: they run one after another.
        experiment.network.units = 1 << 20;
        if available().is_finite() {
            assert_eq!(side_by_side(3, [&experiment]), 1);
        }
    }
}
