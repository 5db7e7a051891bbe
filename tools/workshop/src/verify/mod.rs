//! Verifies exercises: [`verify`] proves that each stub fails because of its `todo!`, each solution
//! passes, and each wrong answer is rejected with the intended message.
//!
//! First, [`rules`] checks the files of an exercise. Then each [`variant`] (the stub, the solution
//! and each wrong answer) becomes a package in a [`generated_workspace`], with the exercise's
//! tests. Cargo builds all of them at once, and their tests run. The learner's own file is not
//! used, so a solved exercise changes nothing.

pub mod command;
pub mod generated_workspace;
pub mod page_section;
pub mod report;
pub mod rules;
pub mod source_scan;
pub mod variant;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::bail;

use crate::app::App;
use crate::exercises::exercise::ExerciseFolder;
use crate::exercises::repository::Repository;
use crate::terminal::text;
use generated_workspace::GeneratedWorkspace;
use report::Row;
use variant::Variant;

/// How many test binaries run at once that keep the processor busy.
const MAX_COMPUTING: usize = 2;
/// How many test binaries run at once beside them that mostly wait for servers.
const MAX_WAITING: usize = 3;

/// What to verify.
#[derive(Debug)]
pub struct VerifyOptions {
    /// The exercises.
    pub folders: Vec<ExerciseFolder>,
    /// Whether the learner's files must be the stubs.
    pub is_pristine: bool,
}

/// The result, in exercises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyCounts {
    /// Proved exercises.
    pub proved: usize,
    /// The other exercises.
    pub failed: usize,
}

impl VerifyCounts {
    /// Whether there are exercises and all are proved.
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.proved > 0
    }
}

/// The folders of all exercises and all solutions, also of those without a counterpart.
pub fn find_folders(repository: &Repository) -> anyhow::Result<Vec<ExerciseFolder>> {
    let mut folders = ExerciseFolder::find_all(&repository.exercises_dir())?;
    // Without this folder, every exercise lacks its solution, which `rules` reports.
    folders.extend(ExerciseFolder::find_all(&repository.solutions_dir()).unwrap_or_default());
    folders.sort();
    folders.dedup();
    if folders.is_empty() {
        bail!(
            "there is no exercise in {}",
            repository.exercises_dir().display()
        );
    }
    Ok(folders)
}

/// Verifies exercises, and prints the report.
pub fn verify(
    app: &App,
    options: &VerifyOptions,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<VerifyCounts> {
    let rows = verify_rows(app, options, messages)?;
    report::print(&rows, app.styles(), output)?;
    let proved = rows.iter().filter(|row| row.is_proved()).count();
    Ok(VerifyCounts {
        proved,
        failed: rows.len() - proved,
    })
}

fn verify_rows(
    app: &App,
    options: &VerifyOptions,
    messages: &mut impl Write,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    // Each variant with the index of its row.
    let mut variants: Vec<(usize, Variant)> = Vec::new();
    for (index, folder) in options.folders.iter().enumerate() {
        let mut row = Row::new(folder.id());
        let check = rules::check_files(&app.repository, folder, options.is_pristine);
        row.file_problems = check.problems;
        row.note = check.note;
        variants.extend(check.variants.into_iter().map(|variant| (index, variant)));
        rows.push(row);
    }

    let count = text::count(variants.len(), "variant");
    writeln!(messages, "building {count} of the exercises…")?;
    let all: Vec<&Variant> = variants.iter().map(|(_, variant)| variant).collect();
    let workspace = GeneratedWorkspace::new(app);
    let build = workspace.build(app, &all, messages)?;
    writeln!(messages, "running them…")?;
    let verify = |(index, variant): &(usize, Variant)| {
        let problems = variant.verify(app, &build);
        (*index, variant.clone(), problems)
    };
    let (waiting, computing): (Vec<_>, Vec<_>) = variants
        .into_iter()
        .partition(|(_, variant)| !variant.exercise.services.is_empty());
    let results = thread::scope(|scope| {
        let results = scope.spawn(|| in_parallel(MAX_WAITING, &waiting, verify));
        let mut all = in_parallel(MAX_COMPUTING, &computing, verify);
        all.extend(results.join().expect("a verification panicked"));
        all
    });
    for (index, variant, problems) in results {
        rows[index].add(&variant, problems?);
    }
    Ok(rows)
}

/// Runs `work` on each item, `count` at once. The results have the order of the items.
fn in_parallel<T: Sync, R: Send>(
    count: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run_worker = || {
        let mut results = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            results.push((index, work(item)));
        }
        results
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(run_worker)).collect();
        let workers = workers.into_iter();
        workers
            .flat_map(|worker| worker.join().expect("a verification panicked"))
            .collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
