//! The number of threads changes nothing but the time.

use crate::common::{SHORT, apical, assert_same, results};
use tempfile::tempdir;

#[test]
fn one_thread_and_two_give_the_same_bytes() {
    let folder = tempdir().unwrap();
    let line = SHORT.replace("--seeds 2", "--seeds 3");
    let run = |threads: u32| {
        let out = format!("with-{threads}");
        apical(
            folder.path(),
            &format!("{line} --threads {threads} --out {out}"),
        )
        .ok();
        results(&folder.path().join(out))
    };
    let one = run(1);
    // Settings, metrics twice, figures twice, and three checkpoints with their records.
    assert_eq!(one.len(), 11);
    assert_same(&one, &run(2));
    // More threads than anybody has: no more are started than there are seeds.
    assert_same(&one, &run(100_000));
}
