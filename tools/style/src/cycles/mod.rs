//! The files of a crate depend on each other without a cycle, so that they can be read in order.
//!
//! A file depends on another one if it names an item that the other one defines. A re-export
//! (`pub use`) counts for the file that defines the item. Tests inside of a file are left out.

use std::path::Path;

use crate::finding::Finding;

mod graph;
mod imports;
mod modules;

/// Finds the cycles between the files of the crate whose root is `crate_root`.
///
/// # Errors
/// If a file of the crate cannot be read, or is no Rust.
pub fn check(repository: &Path, crate_root: &Path) -> anyhow::Result<Vec<Finding>> {
    let modules = modules::read(crate_root)?;
    let graph = imports::graph(&modules);
    let cycles = graph::shortest_cycles(&graph);
    let findings = cycles.into_iter().map(|cycle| {
        let name = |path: &Path| {
            path.strip_prefix(repository)
                .unwrap_or(path)
                .display()
                .to_string()
        };
        let steps: Vec<String> = cycle
            .iter()
            .zip(cycle.iter().cycle().skip(1))
            .map(|(from, to)| format!("{} -> {} ({})", name(from), name(to), graph[from][to]))
            .collect();
        Finding {
            file: cycle[0]
                .strip_prefix(repository)
                .unwrap_or(&cycle[0])
                .to_owned(),
            line: 1,
            problem: format!(
                "files depend on each other in a cycle: {}; move what they share to a file of its own",
                steps.join(", ")
            ),
        }
    });
    Ok(findings.collect())
}

#[cfg(test)]
mod tests;
