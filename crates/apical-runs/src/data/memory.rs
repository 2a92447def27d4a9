//! Refuse data that do not fit into memory before they are read into it.

use std::path::Path;

use super::broken;
use crate::Result;
use crate::memory::available;

/// Makes room for `count` more numbers of a table.
///
/// # Errors
/// Too little memory for all of them together.
pub(super) fn reserve(path: &Path, rows: &mut Vec<f64>, count: usize) -> Result<()> {
    let bytes = |numbers: usize| numbers.saturating_mul(size_of::<f64>());
    let all = bytes(rows.len().saturating_add(count));
    let more = bytes(count);
    let fits = more as f64 <= available();
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

/// A size in words.
fn size(bytes: usize) -> String {
    match bytes as f64 {
        bytes if bytes < 1e9 => format!("{:.0} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
