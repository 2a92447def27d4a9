//! Refuse data that do not fit into memory before they are read into it.

use std::path::Path;

use super::broken;
use crate::Result;

/// Makes room for `count` more numbers of a table.
///
/// # Errors
/// Too little memory for all of them together.
pub(super) fn reserve(path: &Path, rows: &mut Vec<f64>, count: usize) -> Result<()> {
    let bytes = |numbers: usize| numbers.saturating_mul(size_of::<f64>());
    let all = bytes(rows.len().saturating_add(count));
    let more = bytes(count);
    let fits = available().is_none_or(|free| more as u64 <= free);
    if fits && rows.try_reserve_exact(count).is_ok() {
        return Ok(());
    }
    let what = format!(
        "the columns that are used need {} of memory or more, expected no more than there is",
        size(all)
    );
    let mend = "Use fewer columns or rows, or a machine with more memory.";
    Err(broken(path, what, mend))
}

/// Bytes that this program may still take, where the system tells.
fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let text = read("/proc/meminfo")?;
    let line = text
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let free = line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024;
    // A container may have less; what it holds of files gives way.
    let most = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    Some(free.min(most.unwrap_or(u64::MAX)))
}

/// A size in words.
fn size(bytes: usize) -> String {
    match bytes as f64 {
        bytes if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
