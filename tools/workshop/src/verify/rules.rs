//! Checks the files of an exercise without building them: [`check_files`].
//!
//! Each rule prevents a mistake that another course has made. A problem says what is expected and
//! what to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::variant::{self, Variant, VariantKind};
use super::{page_section, source_scan};
use crate::exercises::exercise::{Exercise, ExerciseFolder};
use crate::exercises::hints::Hints;
use crate::exercises::repository::{Repository, read_text};
use crate::exercises::rule_marks;

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
    let mut checker = FileChecker {
        repository,
        check: FileCheck::default(),
    };
    let exercise = folder.path_in(&repository.exercises_dir());
    let solution = folder.path_in(&repository.solutions_dir());
    if !exercise.is_dir() {
        let exercise = repository.display_path(&exercise);
        let problem = format!(
            "there is no exercise for this solution; add {exercise}, or remove the solution"
        );
        checker.add_problem(&solution, &problem);
        return checker.check;
    }
    let exercise = match Exercise::read(repository, folder) {
        Ok(exercise) => exercise,
        Err(error) => {
            checker.check.problems.push(format!("{error:#}"));
            return checker.check;
        }
    };
    if !solution.is_dir() {
        let problem = format!("the solution of the exercise `{}` is missing", exercise.id);
        checker.add_problem(&solution, &problem);
        return checker.check;
    }
    let (variants, problems) = variant::find_variants(repository, &exercise);
    checker.check.variants = variants;
    checker.check_description(&exercise);
    checker.check_page(&exercise);
    checker.check_manifests(&exercise);
    checker.check_hints(&exercise);
    checker.check_stub(&exercise);
    checker.check_solution(&exercise);
    checker.check_tests(&exercise);
    checker.check_rules(&exercise);
    checker.check.problems.extend(problems);
    checker.check.note = checker.check_learners_file(&exercise, is_pristine);
    checker.check
}

struct FileChecker<'a> {
    repository: &'a Repository,
    check: FileCheck,
}

impl FileChecker<'_> {
    fn add_problem(&mut self, file: &Path, problem: &str) {
        let file = self.repository.display_path(file);
        self.check.problems.push(format!("{file}: {problem}"));
    }

    /// The file's text. A missing file is a problem.
    fn read(&mut self, file: &Path) -> Option<String> {
        match read_text(file) {
            Ok(text) => Some(text),
            Err(error) => {
                self.add_problem(
                    file,
                    &format!("the file must exist, but it cannot be read ({error})"),
                );
                None
            }
        }
    }

    fn check_description(&mut self, exercise: &Exercise) {
        if !exercise.page_file().is_file() {
            let page = self.repository.display_path(&exercise.page_file());
            let file = exercise.dir().join("exercise.toml");
            self.add_problem(
                &file,
                &format!(
                    "`page` leads to {page}, which does not exist; write the page, or name another"
                ),
            );
        }
        if exercise.minutes > MAX_MINUTES {
            let problem = format!(
                "`minutes` is {}, but an exercise may take at most {MAX_MINUTES}; split it",
                exercise.minutes
            );
            self.add_problem(&exercise.dir().join("exercise.toml"), &problem);
        }
        let folders =
            ExerciseFolder::find_all(&self.repository.exercises_dir()).unwrap_or_default();
        if let Some(other) = folders
            .iter()
            .find(|other| **other != exercise.folder && other.id() == exercise.id)
        {
            let other = self
                .repository
                .display_path(&other.path_in(&self.repository.exercises_dir()));
            self.add_problem(
                &exercise.dir(),
                &format!(
                    "{other} has the id `{}` too; choose another id, because the progress uses it",
                    exercise.id
                ),
            );
        }
    }

    /// The section of the page teaches the idea, but does not show the solution.
    fn check_page(&mut self, exercise: &Exercise) {
        let page = exercise.page_file();
        if !page.is_file() {
            return;
        }
        let description = exercise.dir().join("exercise.toml");
        let Some(anchor) = exercise.page_anchor() else {
            let problem = "`page` must name a heading too, such as `clones/balancer.md#draining`";
            return self.add_problem(&description, problem);
        };
        let Some(section) = page_section::visible_section(&page, anchor) else {
            let page = self.repository.display_path(&page);
            let problem = format!(
                "`page` leads to #{anchor}, but {page} has no heading with this anchor; use \
                 lower case and hyphens, as mdBook does"
            );
            return self.add_problem(&description, &problem);
        };
        if let Some(line) = find_secret_line(exercise, &section) {
            let problem = format!(
                "the section #{anchor} contains code of the solution of `{}`: `{line}`; fold it \
                 into <details>",
                exercise.id
            );
            self.add_problem(&page, &problem);
        }
    }

    fn check_manifests(&mut self, exercise: &Exercise) {
        let (manifest, solution_manifest) = (
            exercise.dir().join("Cargo.toml"),
            exercise.solution_dir().join("Cargo.toml"),
        );
        let (Some(text), Some(solution_text)) =
            (self.read(&manifest), self.read(&solution_manifest))
        else {
            return;
        };
        let id = &exercise.id;
        if !text.contains(&format!("name = \"{id}\"")) {
            self.add_problem(
                &manifest,
                &format!("the package's name must be `{id}`, like the exercise's"),
            );
        }
        let expected = text.replacen(
            &format!("name = \"{id}\""),
            &format!("name = \"sol_{id}\""),
            1,
        );
        if solution_text != expected {
            self.add_problem(
                &solution_manifest,
                &format!(
                    "it may differ from {} only in the name, which must be `sol_{id}`; copy that file and change the name",
                    self.repository.display_path(&manifest)
                ),
            );
        }
        match text.parse::<Table>() {
            Ok(table) => {
                let library = table.get("lib").and_then(|library| library.get("path"));
                if library.and_then(Value::as_str) != Some("src/lib.rs") {
                    let problem = "[lib] must have `path = \"src/lib.rs\"`, so that cargo works \
                                   in other folders when a learner deletes this file";
                    self.add_problem(&manifest, problem);
                }
                if let Some(name) = find_solution_dependency(&table) {
                    self.add_problem(
                        &manifest,
                        &format!("the exercise depends on the solution `{name}`; remove that"),
                    );
                }
            }
            Err(error) => {
                self.add_problem(&manifest, &format!("this is not TOML: {}", error.message()));
            }
        }
    }

    fn check_hints(&mut self, exercise: &Exercise) {
        let file = exercise.hints_file();
        let Some(text) = self.read(&file) else { return };
        if let Err(error) = Hints::parse(&text) {
            self.add_problem(&file, &error);
        }
        if let Some(line) = find_secret_line(exercise, &text) {
            self.add_problem(
                &file,
                &format!("a hint contains code of the solution: `{line}`; explain it in words"),
            );
        }
    }

    fn check_stub(&mut self, exercise: &Exercise) {
        let file = exercise.stub_file();
        let Some(text) = self.read(&file) else { return };
        let code = source_scan::strip_comments_and_strings(&text);
        for empty in ["todo!()", "todo!(\"\")", "todo!{}", "todo![]"] {
            if let Some(line) = source_scan::line_of(&code, empty) {
                self.add_problem(
                    &file,
                    &format!("line {line}: this `todo!` has no text; say in a sentence what to do"),
                );
            }
        }
        if let Some((line, name)) = source_scan::find_underscore_parameter(&code) {
            let name = name.trim_start_matches('_');
            self.add_problem(
                &file,
                &format!(
                    "line {line}: rename `_{name}` to `{name}`, because learners would keep the underscore; \
                     `#![expect(unused_variables, reason = \"…\")]` avoids the compiler's warning"
                ),
            );
        }
    }

    fn check_solution(&mut self, exercise: &Exercise) {
        let file = exercise.solution_file();
        let Some(text) = self.read(&file) else { return };
        let code = source_scan::strip_comments_and_strings(&text);
        let unfinished = ["todo!", "unimplemented!"].map(|word| (word, "finish it"));
        let suppressed = ["#[allow", "#![allow", "#[expect", "#![expect"]
            .map(|word| (word, "remove the cause of the warning"));
        for (word, advice) in unfinished.into_iter().chain(suppressed) {
            if let Some(line) = source_scan::line_of(&code, word) {
                self.add_problem(
                    &file,
                    &format!("line {line}: a solution must not contain `{word}`; {advice}"),
                );
            }
        }
        for word in ["#[test]", "#[cfg(test)]", "::test]", "::test("] {
            if let Some(line) = source_scan::line_of(&code, word) {
                self.add_problem(
                    &file,
                    &format!("line {line}: this is a test (`{word}`); only the exercise's tests are allowed"),
                );
            }
        }
        let folder = &exercise.folder;
        let id = &exercise.id;
        let tests = exercise.solution_dir().join("tests");
        self.check_only_file(&tests, "exercise.rs");
        let file = tests.join("exercise.rs");
        let Some(text) = self.read(&file) else { return };
        let is_code =
            |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(is_code).collect();
        let expected = [
            format!("extern crate sol_{id} as {id};"),
            format!(
                "include!(\"../../../../exercises/{}/{}/tests/{id}.rs\");",
                folder.chapter, folder.name
            ),
        ];
        if lines != expected {
            self.add_problem(
                &file,
                &format!(
                    "a solution uses the exercise's own tests, so the file must contain exactly:\n{}",
                    expected.join("\n")
                ),
            );
        }
    }

    fn check_tests(&mut self, exercise: &Exercise) {
        let file = exercise.test_file();
        self.check_only_file(
            &exercise.dir().join("tests"),
            &format!("{}.rs", exercise.id),
        );
        let Some(text) = self.read(&file) else { return };
        if !text.starts_with("//") || text.starts_with("//!") {
            self.add_problem(
                &file,
                "it must begin with a `//` comment, because the solution's tests cannot include `//!`",
            );
        }
        if !source_scan::has_word(
            &source_scan::strip_comments_and_strings(&text),
            &exercise.id,
        ) {
            self.add_problem(
                &file,
                &format!(
                    "these tests never use the crate `{}`, so they test something else",
                    exercise.id
                ),
            );
        }
    }

    /// Each rule has a test and a wrong answer, and these name only rules that exist.
    fn check_rules(&mut self, exercise: &Exercise) {
        let read = |file: &Path| read_text(file).unwrap_or_default();
        let (stub_file, test_file) = (exercise.stub_file(), exercise.test_file());
        let stub = read(&stub_file);
        if stub.contains("//! ## Predict") && read(&exercise.answer_file()).trim().is_empty() {
            let problem = "it must answer the questions that the stub asks under `## Predict`";
            self.add_problem(&exercise.answer_file(), problem);
        }
        let rules = rule_marks::rules(&stub);
        if rules.is_empty() || !rules.iter().copied().eq(1..=rules.len()) {
            let problem = "the rules must be a list under `## Rules`, with the numbers 1., 2. and \
                           so on";
            return self.add_problem(&stub_file, problem);
        }
        let tests = read(&test_file);
        let tests = rule_marks::marked_tests(&tests);
        let in_tests = tests.iter().flat_map(|(_, rules)| rules.iter().copied());
        let in_tests: BTreeSet<usize> = in_tests.collect();
        let broken_rule = |variant: &Variant| match &variant.kind {
            VariantKind::WrongAnswer { rule, .. } => *rule,
            _ => None,
        };
        let in_wrong = self.check.variants.iter().filter_map(broken_rule);
        let in_wrong: BTreeSet<usize> = in_wrong.collect();
        let wrong_dir = exercise.solution_dir().join("wrong");
        for (place, named, mark, sort) in [
            (&test_file, in_tests, "// Rule N.", "a test"),
            (&wrong_dir, in_wrong, "// Breaks: rule N", "a wrong answer"),
        ] {
            for rule in &rules {
                if !named.contains(rule) {
                    let mark = mark.replace('N', &rule.to_string());
                    let problem = format!("rule {rule} needs {sort} with the comment `{mark}`");
                    self.add_problem(place, &problem);
                }
            }
            if let Some(rule) = named.into_iter().find(|rule| !rules.contains(rule)) {
                let problem = format!(
                    "{sort} names rule {rule}, but the last rule is {}",
                    rules.len()
                );
                self.add_problem(place, &problem);
            }
        }
    }

    /// The folder may contain only this file.
    fn check_only_file(&mut self, folder: &Path, name: &str) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let others: Vec<String> = others.filter(|other| other != name).collect();
        if !others.is_empty() {
            self.add_problem(
                folder,
                &format!(
                    "only {name} is allowed here, but there is also {}",
                    others.join(", ")
                ),
            );
        }
    }

    fn check_learners_file(&mut self, exercise: &Exercise, is_pristine: bool) -> Option<String> {
        let (source, stub) = (exercise.source_file(), exercise.stub_file());
        let text = self.read(&source)?;
        if read_text(&stub).is_ok_and(|stub| stub == text) {
            return None;
        }
        let difference = format!("it differs from {}", self.repository.display_path(&stub));
        if is_pristine {
            let reset = format!(
                "`cargo workshop reset {}` restores the stub, or copy the file to the stub",
                exercise.id
            );
            self.add_problem(&source, &format!("{difference}; {reset}"));
            return None;
        }
        Some(format!(
            "{}: {difference}. Is it your own work? The verification does not use it.",
            self.repository.display_path(&source)
        ))
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
fn find_solution_dependency(table: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = value.as_table()?;
        if !key.ends_with("dependencies") {
            return find_solution_dependency(inner);
        }
        inner.iter().find_map(|(name, dependency)| {
            let package = dependency
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(name);
            package.starts_with("sol_").then(|| package.to_owned())
        })
    })
}
