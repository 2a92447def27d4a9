//! Renews the table on top of every page of docs/rules and draws every rule, or those named, learning.
//!
//! `cargo run --release -p apical-runs --example rule_pages [RULE..]`

use std::path::Path;

use apical::rule::RULES;
use apical_runs::{files, rule_page};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for info in RULES {
        let page = docs.join("rules").join(info.name).with_extension("md");
        let text = std::fs::read_to_string(&page).unwrap_or(format!("# {}\n\n", info.name));
        files::write_atomic(&page, rule_page::renew(&text, info).as_bytes())?;
        if wanted.is_empty() || wanted.iter().any(|name| name == info.name) {
            let begun = std::time::Instant::now();
            let figure = rule_page::figure(info.name)?;
            let path = docs.join("figures/rules").join(info.name);
            files::write_atomic(path.with_extension("png"), &figure.to_png()?)?;
            println!("{}: {:.1} s", info.name, begun.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
