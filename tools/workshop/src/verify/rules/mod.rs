//! Checks the files of an exercise without building them: [`check_files`].
//!
//! Each rule prevents a mistake that another course has made. A problem says what is expected and
//! what to do.

mod test_suite;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use toml::{Table, Value};

use super::page_section::visible_section;
use super::source_scan::Code;
use super::variant::{self, Variant};
use crate::exercises::exercise::{Exercise, ExerciseFolder};
use crate::exercises::hints::Hints;
use crate::exercises::repository::{Repository, read_text};

/// A hint may contain shorter lines of the solution, such as a brace or a word.
const MIN_SECRET_CHARS: usize = 12;

/// A longer exercise has more than one idea.
const MAX_MINUTES: i64 = 45;

/// The result of the checks.
#[derive(Debug, Default)]
pub struct FileCheck {
    /// What can be built and tested.
    pub variants: Vec<Variant>,
    /// The problems.
    pub problems: Vec<String>,
    /// A remark that is no problem.
    pub note: Option<String>,
}

/// Checks the files of an exercise and of its solution.
pub fn check_files(
    repository: &Repository,
    folder: &ExerciseFolder,
    is_pristine: bool,
) -> FileCheck {
    let mut check = FileCheck::default();
    let dir = folder.path_in(&repository.exercises_dir());
    let solution = folder.path_in(&repository.solutions_dir());
    if !dir.is_dir() {
        check.problems.push(format!(
            "{}: there is no exercise for this solution; add {}, or remove the solution",
            repository.display_path(&solution),
            repository.display_path(&dir)
        ));
        return check;
    }
    let exercise = match Exercise::read(repository, folder) {
        Ok(exercise) => exercise,
        Err(error) => {
            check.problems.push(format!("{error:#}"));
            return check;
        }
    };
    if !solution.is_dir() {
        check.problems.push(format!(
            "{}: the solution of the exercise `{}` is missing",
            repository.display_path(&solution),
            exercise.id
        ));
        return check;
    }
    let (variants, problems) = variant::find_variants(repository, &exercise);
    check.variants = variants;
    let mut checker = FileChecker {
        repository,
        exercise: &exercise,
        check,
    };
    checker.check_description();
    checker.check_page();
    checker.check_manifests();
    checker.check_hints();
    checker.check_stub();
    checker.check_solution();
    checker.check_solutions_tests();
    checker.check_tests();
    checker.check_rules();
    checker.check.problems.extend(problems);
    checker.check_learners_file(is_pristine);
    checker.check
}

struct FileChecker<'a> {
    repository: &'a Repository,
    exercise: &'a Exercise,
    check: FileCheck,
}

impl FileChecker<'_> {
    fn add_problem(&mut self, file: &Path, problem: impl Display) {
        let file = self.repository.display_path(file);
        self.check.problems.push(format!("{file}: {problem}"));
    }

    /// The file's text. A missing file is a problem.
    fn read(&mut self, file: &Path) -> Option<String> {
        let text = read_text(file);
        if let Err(error) = &text {
            let problem = format!("the file must exist, but it cannot be read ({error})");
            self.add_problem(file, problem);
        }
        text.ok()
    }

    fn check_description(&mut self) {
        let exercise = self.exercise;
        if exercise.minutes > MAX_MINUTES {
            let minutes = exercise.minutes;
            let problem = format!(
                "`minutes` is {minutes}, but an exercise may take at most {MAX_MINUTES}; split it"
            );
            self.add_problem(&exercise.dir().join("exercise.toml"), problem);
        }
        let parent = self.repository.exercises_dir();
        let folders = ExerciseFolder::find_all(&parent).unwrap_or_default();
        let mut others = folders.iter().filter(|it| **it != exercise.folder);
        if let Some(other) = others.find(|other| other.id() == exercise.id) {
            let problem = format!(
                "{} has the id `{}` too; choose another id, because the progress uses it",
                self.repository.display_path(&other.path_in(&parent)),
                exercise.id
            );
            self.add_problem(&exercise.dir(), problem);
        }
    }

    /// The section of the page teaches the idea, but does not show the solution.
    fn check_page(&mut self) {
        let exercise = self.exercise;
        let page = exercise.page_file();
        let name = self.repository.display_path(&page);
        let problem = if !page.is_file() {
            format!("`page` leads to {name}, which does not exist; write the page, or name another")
        } else if let Some(anchor) = exercise.page_anchor() {
            let Some(section) = visible_section(&page, anchor) else {
                let problem = format!(
                    "`page` leads to #{anchor}, but {name} has no heading with this anchor; use \
                     lower case and hyphens, as mdBook does"
                );
                return self.add_problem(&exercise.dir().join("exercise.toml"), problem);
            };
            if let Some(line) = find_secret_line(exercise, &section) {
                let problem = format!(
                    "the section #{anchor} contains code of the solution of `{}`: `{line}`; fold \
                     it into <details>",
                    exercise.id
                );
                self.add_problem(&page, problem);
            }
            return;
        } else {
            "`page` must name a heading too, such as `clones/balancer.md#draining`".to_owned()
        };
        self.add_problem(&exercise.dir().join("exercise.toml"), problem);
    }

    fn check_manifests(&mut self) {
        let exercise = self.exercise;
        let manifest = exercise.dir().join("Cargo.toml");
        let solution_manifest = exercise.solution_dir().join("Cargo.toml");
        let (text, solution_text) = (self.read(&manifest), self.read(&solution_manifest));
        let (Some(text), Some(solution_text)) = (text, solution_text) else {
            return;
        };
        let id = &exercise.id;
        let (name, solution_name) = (format!("name = \"{id}\""), format!("name = \"sol_{id}\""));
        if !text.contains(&name) {
            let problem = format!("the package's name must be `{id}`, like the exercise's");
            self.add_problem(&manifest, problem);
        }
        if solution_text != text.replacen(&name, &solution_name, 1) {
            let problem = format!(
                "it may differ from {} only in the name, which must be `sol_{id}`; copy that file \
                 and change the name",
                self.repository.display_path(&manifest)
            );
            self.add_problem(&solution_manifest, problem);
        }
        let table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => return self.add_problem(&manifest, error),
        };
        let library = table.get("lib").and_then(|library| library.get("path"));
        if library.and_then(Value::as_str) != Some("src/lib.rs") {
            let problem = "[lib] must have `path = \"src/lib.rs\"`, so that cargo works in other \
                           folders when a learner deletes this file";
            self.add_problem(&manifest, problem);
        }
        if let Some(name) = find_solution_dependency(&table) {
            let problem = format!("the exercise depends on the solution `{name}`; remove that");
            self.add_problem(&manifest, problem);
        }
    }

    fn check_hints(&mut self) {
        let file = self.exercise.hints_file();
        let Some(text) = self.read(&file) else { return };
        if let Err(error) = Hints::parse(&text) {
            self.add_problem(&file, error);
        }
        if let Some(line) = find_secret_line(self.exercise, &text) {
            let problem =
                format!("a hint contains code of the solution: `{line}`; explain it in words");
            self.add_problem(&file, problem);
        }
    }

    fn check_stub(&mut self) {
        let file = self.exercise.stub_file();
        let Some(text) = self.read(&file) else { return };
        let code = Code::parse(&text);
        for empty in ["todo!()", "todo!(\"\")", "todo!{}", "todo![]"] {
            if let Some(line) = code.line_of(empty) {
                let problem = "this `todo!` has no text; say in a sentence what to do";
                self.add_problem(&file, format!("line {line}: {problem}"));
            }
        }
        if let Some((line, name)) = code.underscore_parameter() {
            let new_name = name.trim_start_matches('_');
            let problem = format!(
                "line {line}: rename `{name}` to `{new_name}`, because learners would keep the \
                 underscore; `#![expect(unused_variables, reason = \"…\")]` avoids the compiler's \
                 warning"
            );
            self.add_problem(&file, problem);
        }
    }

    fn check_solution(&mut self) {
        let exercise = self.exercise;
        let file = exercise.solution_file();
        let Some(text) = self.read(&file) else { return };
        let code = Code::parse(&text);
        for (words, advice) in [
            (&["todo!", "unimplemented!"][..], "finish it"),
            (
                &["#[allow", "#![allow", "#[expect", "#![expect"],
                "remove the cause of the warning",
            ),
            (
                &["#[test]", "#[cfg(test)]", "::test]", "::test("],
                "only the exercise's tests are allowed",
            ),
        ] {
            for word in words {
                if let Some(line) = code.line_of(word) {
                    let problem = format!("a solution must not contain `{word}`; {advice}");
                    self.add_problem(&file, format!("line {line}: {problem}"));
                }
            }
        }
    }

    fn check_learners_file(&mut self, is_pristine: bool) {
        let (source, stub) = (self.exercise.source_file(), self.exercise.stub_file());
        let Some(text) = self.read(&source) else {
            return;
        };
        if read_text(&stub).is_ok_and(|stub| stub == text) {
            return;
        }
        let difference = format!("it differs from {}", self.repository.display_path(&stub));
        if is_pristine {
            let problem = format!(
                "{difference}; `cargo workshop reset {}` restores the stub, or copy the file to \
                 the stub",
                self.exercise.id
            );
            return self.add_problem(&source, problem);
        }
        self.check.note = Some(format!(
            "{}: {difference}. Is it your own work? The verification does not use it.",
            self.repository.display_path(&source)
        ));
    }
}

/// A line of the solution, but not of the stub, that this text contains.
fn find_secret_line(exercise: &Exercise, text: &str) -> Option<String> {
    let read = |file: &Path| read_text(file).unwrap_or_default();
    let (solution, stub) = (read(&exercise.solution_file()), read(&exercise.stub_file()));
    let known: BTreeSet<&str> = stub.lines().map(str::trim).collect();
    let mut lines = solution.lines().map(str::trim);
    let is_secret = |line: &str| line.chars().count() >= MIN_SECRET_CHARS && !known.contains(line);
    let secret = lines.find(|line| is_secret(line) && text.contains(line));
    secret.map(str::to_owned)
}

/// The name of a solution's package among the dependencies of a manifest.
fn find_solution_dependency(table: &Table) -> Option<&str> {
    table.iter().find_map(|(key, value)| {
        let inner = value.as_table()?;
        if !key.ends_with("dependencies") {
            return find_solution_dependency(inner);
        }
        inner.iter().find_map(|(name, dependency)| {
            let package = dependency.get("package").and_then(Value::as_str);
            let package = package.unwrap_or(name);
            package.starts_with("sol_").then_some(package)
        })
    })
}
