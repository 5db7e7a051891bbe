//! What an exercise's files have to be like: [`check`] reads them, and says of each that is not so what was expected and what to do.
//!
//! These are the rules for which nothing has to be built. Each stands here because another course has had the failure that it prevents.
//! Left out: whether a test is a good one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::code;
use crate::exercise::{Exercise, Place};
use crate::hints::Hints;
use crate::repository::Repository;

/// A line of the solution that is shorter may stand in a hint: a brace, a word.
const TELLING: usize = 12;

/// What was found.
#[derive(Debug)]
pub enum Finding {
    /// Nothing can be built from this.
    Hopeless(Vec<String>),
    /// An exercise, and what is wrong with its files.
    Exercise {
        /// The exercise.
        exercise: Box<Exercise>,
        /// What is wrong.
        problems: Vec<String>,
        /// What is not wrong, but worth a word.
        note: Option<String>,
    },
}

/// Looks at the files of an exercise and of its solution.
pub fn check(repository: &Repository, place: &Place, is_pristine: bool) -> Finding {
    let (exercise, solution) = (
        place.below(&repository.exercises()),
        place.below(&repository.solutions()),
    );
    if !exercise.is_dir() {
        let solution = repository.name(&solution);
        let exercise = repository.name(&exercise);
        return Finding::Hopeless(vec![format!(
            "{solution}: there is no exercise for it; {exercise} has to be there, or this has to go"
        )]);
    }
    let mut rules = Rules {
        repository,
        problems: Vec::new(),
    };
    let exercise = match Exercise::read(repository, place) {
        Ok(exercise) => exercise,
        Err(error) => return Finding::Hopeless(vec![format!("{error:#}")]),
    };
    if !solution.is_dir() {
        let solution = repository.name(&solution);
        return Finding::Hopeless(vec![format!(
            "{solution}: the exercise `{}` needs a solution here",
            exercise.id
        )]);
    }
    rules.description(&exercise);
    rules.manifests(&exercise);
    rules.hints(&exercise);
    rules.stub(&exercise);
    rules.solution(&exercise);
    rules.tests(&exercise);
    let note = rules.learners_file(&exercise, is_pristine);
    Finding::Exercise {
        exercise: Box::new(exercise),
        problems: rules.problems,
        note,
    }
}

struct Rules<'a> {
    repository: &'a Repository,
    problems: Vec<String>,
}

impl Rules<'_> {
    fn wrong(&mut self, file: &Path, what: &str) {
        self.problems
            .push(format!("{}: {what}", self.repository.name(file)));
    }

    /// The file's text. If there is none, that is a problem.
    fn text(&mut self, file: &Path) -> Option<String> {
        match fs::read_to_string(file) {
            Ok(text) => Some(text.replace("\r\n", "\n")),
            Err(error) => {
                self.wrong(
                    file,
                    &format!("it has to be there, and cannot be read ({error})"),
                );
                None
            }
        }
    }

    fn description(&mut self, exercise: &Exercise) {
        if !exercise.page_file().is_file() {
            let page = self.repository.name(&exercise.page_file());
            let file = exercise.folder().join("exercise.toml");
            self.wrong(
                &file,
                &format!(
                    "`page` leads to {page}, which is not there; write the page, or name another"
                ),
            );
        }
        let places = Place::all(&self.repository.exercises()).unwrap_or_default();
        if let Some(other) = places
            .iter()
            .find(|other| **other != exercise.place && other.id() == exercise.id)
        {
            let other = self
                .repository
                .name(&other.below(&self.repository.exercises()));
            self.wrong(
                &exercise.folder(),
                &format!(
                    "the id `{}` is {other}'s too; progress is kept by id, so give it another",
                    exercise.id
                ),
            );
        }
    }

    fn manifests(&mut self, exercise: &Exercise) {
        let (mine, theirs) = (
            exercise.folder().join("Cargo.toml"),
            exercise.solution().join("Cargo.toml"),
        );
        let (Some(text), Some(their_text)) = (self.text(&mine), self.text(&theirs)) else {
            return;
        };
        let id = &exercise.id;
        if !text.contains(&format!("name = \"{id}\"")) {
            self.wrong(
                &mine,
                &format!("the package has to be called `{id}`, like the exercise"),
            );
        }
        let expected = text.replacen(
            &format!("name = \"{id}\""),
            &format!("name = \"sol_{id}\""),
            1,
        );
        if their_text != expected {
            self.wrong(
                &theirs,
                &format!(
                    "it may differ from {} in the name alone, which has to be `sol_{id}`; copy it, and change that",
                    self.repository.name(&mine)
                ),
            );
        }
        match text.parse::<Table>() {
            Ok(table) => {
                if let Some(name) = solution_among_dependencies(&table) {
                    self.wrong(
                        &mine,
                        &format!("the exercise depends on the solution `{name}`; remove that"),
                    );
                }
            }
            Err(error) => self.wrong(&mine, &format!("this is not TOML: {}", error.message())),
        }
    }

    fn hints(&mut self, exercise: &Exercise) {
        let file = exercise.hints();
        let Some(text) = self.text(&file) else { return };
        if let Err(error) = Hints::parse(&text) {
            self.wrong(&file, &error);
        }
        let read = |file: &Path| fs::read_to_string(file).unwrap_or_default();
        let (solution, stub) = (
            read(&exercise.solution().join("src").join("lib.rs")),
            read(&exercise.stub()),
        );
        let known: BTreeSet<&str> = stub.lines().map(str::trim).collect();
        let mut secret = solution
            .lines()
            .map(str::trim)
            .filter(|line| line.chars().count() >= TELLING && !known.contains(line));
        if let Some(line) = secret.find(|line| text.contains(line)) {
            self.wrong(
                &file,
                &format!("a hint gives the code away: `{line}` is a line of the solution; say it in words"),
            );
        }
    }

    fn stub(&mut self, exercise: &Exercise) {
        let file = exercise.stub();
        let Some(text) = self.text(&file) else { return };
        let code = code::blank(&text);
        for empty in ["todo!()", "todo!(\"\")", "todo!{}", "todo![]"] {
            if let Some(line) = code::line_of(&code, empty) {
                self.wrong(
                    &file,
                    &format!("line {line}: this `todo!` says nothing; it has to say what to do, in a sentence"),
                );
            }
        }
        if let Some((line, name)) = code::underscored(&code) {
            let name = name.trim_start_matches('_');
            self.wrong(
                &file,
                &format!(
                    "line {line}: `_{name}` has to be called `{name}`, for learners would leave the underscore; \
                     `#![expect(unused_variables, reason = \"…\")]` keeps the compiler quiet meanwhile"
                ),
            );
        }
    }

    fn solution(&mut self, exercise: &Exercise) {
        let file = exercise.solution().join("src").join("lib.rs");
        let Some(text) = self.text(&file) else { return };
        let code = code::blank(&text);
        let unfinished = ["todo!", "unimplemented!"].map(|word| (word, "it has to be finished"));
        let silencing = ["#[allow", "#![allow", "#[expect", "#![expect"]
            .map(|word| (word, "the compiler has to be content without"));
        for (word, why) in unfinished.into_iter().chain(silencing) {
            if let Some(line) = code::line_of(&code, word) {
                self.wrong(
                    &file,
                    &format!("line {line}: a solution has no `{word}`; {why}"),
                );
            }
        }
        for word in ["#[test]", "#[cfg(test)]", "::test]", "::test("] {
            if let Some(line) = code::line_of(&code, word) {
                self.wrong(
                    &file,
                    &format!("line {line}: here is a test (`{word}`); the exercise's tests are the only ones"),
                );
            }
        }
        let place = &exercise.place;
        let id = &exercise.id;
        let tests = exercise.solution().join("tests");
        self.only(&tests, "exercise.rs");
        let file = tests.join("exercise.rs");
        let Some(text) = self.text(&file) else { return };
        let says =
            |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(says).collect();
        let expected = [
            format!("extern crate sol_{id} as {id};"),
            format!(
                "include!(\"../../../../exercises/{}/{}/tests/{id}.rs\");",
                place.chapter, place.folder
            ),
        ];
        if lines != expected {
            self.wrong(
                &file,
                &format!(
                    "a solution is judged by the exercise's own tests, so this has to be exactly:\n{}",
                    expected.join("\n")
                ),
            );
        }
    }

    fn tests(&mut self, exercise: &Exercise) {
        let file = exercise.tests();
        self.only(
            &exercise.folder().join("tests"),
            &format!("{}.rs", exercise.id),
        );
        let Some(text) = self.text(&file) else { return };
        if !text.starts_with("//") || text.starts_with("//!") {
            self.wrong(
                &file,
                "it has to begin with a comment of two slashes: `//!` cannot be included into the solution's tests",
            );
        }
        if !code::has_word(&code::blank(&text), &exercise.id) {
            self.wrong(
                &file,
                &format!(
                    "these tests never name the crate `{}`, so they test something else",
                    exercise.id
                ),
            );
        }
    }

    /// A folder with one file in it.
    fn only(&mut self, folder: &Path, name: &str) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let others: Vec<String> = others.filter(|other| other != name).collect();
        if !others.is_empty() {
            self.wrong(
                folder,
                &format!(
                    "only {name} belongs here, and here is also {}",
                    others.join(", ")
                ),
            );
        }
    }

    fn learners_file(&mut self, exercise: &Exercise, is_pristine: bool) -> Option<String> {
        let (source, stub) = (exercise.source(), exercise.stub());
        let mine = self.text(&source)?;
        if fs::read_to_string(&stub).is_ok_and(|stub| stub.replace("\r\n", "\n") == mine) {
            return None;
        }
        let what = format!("it is not {}", self.repository.name(&stub));
        if is_pristine {
            let reset = format!(
                "`cargo workshop reset {}` puts the stub back, or copy it to the stub",
                exercise.id
            );
            self.wrong(&source, &format!("{what}; {reset}"));
            return None;
        }
        Some(format!(
            "{}: {what}. Is it your own work? It took no part in this.",
            self.repository.name(&source)
        ))
    }
}

/// The name of a solution's package that something in this manifest depends on.
fn solution_among_dependencies(table: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let inner = value.as_table()?;
        if !key.ends_with("dependencies") {
            return solution_among_dependencies(inner);
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
