//! `cargo run -p style`: prints every place that breaks a rule, and fails if there is one.

use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let report = style::check(&root.canonicalize()?)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    println!("{} files, {} findings", report.files, report.findings.len());
    Ok(if report.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
