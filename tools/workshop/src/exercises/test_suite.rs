//! The source of an exercise's tests: [`TestSuite::read`].
//!
//! The tests are one file, or a folder with a `main.rs` and its modules. In both cases they become
//! one test binary.

use std::path::PathBuf;

use super::exercise::Exercise;
use super::repository::read_text;
use super::rule_marks;

/// The tests of an exercise: the main file, then its modules in the order of their rules.
#[derive(Debug)]
pub struct TestSuite {
    files: Vec<TestFile>,
}

/// A file of the tests.
#[derive(Debug)]
pub struct TestFile {
    /// The name of the module; `None` for the main file.
    pub module: Option<String>,
    /// The path.
    pub path: PathBuf,
    /// The text. It is empty if the file cannot be read, which the compiler explains.
    pub text: String,
}

impl TestSuite {
    /// Reads all files.
    pub fn read(exercise: &Exercise) -> Self {
        let main = exercise.test_file();
        let read = |module, path: PathBuf| TestFile {
            module,
            text: read_text(&path).unwrap_or_default(),
            path,
        };
        let mut files = vec![read(None, main.clone())];
        if exercise.has_test_modules() {
            let modules = declared_modules(&files[0].text).into_iter();
            let modules = modules.map(|module| {
                let path = main.with_file_name(format!("{module}.rs"));
                read(Some(module), path)
            });
            files.extend(modules);
            // Not the order of the declarations: rustfmt sorts these by name.
            files[1..].sort_by_key(TestFile::first_rule);
        }
        TestSuite { files }
    }

    /// The main file, which is the only one that names the exercise's crate.
    pub fn main(&self) -> &TestFile {
        &self.files[0]
    }

    /// The other files.
    pub fn modules(&self) -> &[TestFile] {
        &self.files[1..]
    }

    /// All tests under the names that the test binary prints, each with the rules that the comment
    /// above it names. Their order is the author's teaching order.
    pub fn marked_tests(&self) -> Vec<(String, Vec<usize>)> {
        let tests_of = |file: &TestFile| -> Vec<(String, Vec<usize>)> {
            let tests = rule_marks::marked_tests(&file.text).into_iter();
            let full_name = |test: &str| match &file.module {
                None => test.to_owned(),
                Some(module) => format!("{module}::{test}"),
            };
            tests
                .map(|(test, rules)| (full_name(test), rules))
                .collect()
        };
        self.files.iter().flat_map(tests_of).collect()
    }

    /// The tests whose comments name this rule.
    pub fn tests_of_rule(&self, rule: usize) -> Vec<String> {
        let mut tests = self.marked_tests();
        tests.retain(|(_, rules)| rules.contains(&rule));
        tests.into_iter().map(|(test, _)| test).collect()
    }
}

impl TestFile {
    /// The smallest rule that a test names.
    fn first_rule(&self) -> usize {
        let tests = rule_marks::marked_tests(&self.text).into_iter();
        let rules = tests.flat_map(|(_, rules)| rules);
        rules.min().unwrap_or(usize::MAX)
    }
}

/// The names in lines such as `mod support;`.
fn declared_modules(main: &str) -> Vec<String> {
    let names = main.lines().filter_map(|line| {
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
        Some(name.to_owned())
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::SampleWorkspace;
    use crate::exercises::exercise_list::ExerciseList;

    fn suite(workspace: &SampleWorkspace) -> TestSuite {
        let list = ExerciseList::load(&workspace.repository()).unwrap();
        TestSuite::read(&list.exercises[0])
    }

    #[test]
    fn tests_of_modules_have_full_names() {
        let workspace = SampleWorkspace::new();
        let names = |suite: TestSuite| -> Vec<String> {
            let tests = suite.marked_tests().into_iter();
            tests.map(|(test, _)| test).collect()
        };
        assert_eq!(
            names(suite(&workspace)),
            ["next_number_is_one_more", "any_number_grows"]
        );

        workspace.split_tests("01_chapter/01_counter", "counter", 2);

        let split = suite(&workspace);
        assert_eq!(split.modules().len(), 2);
        assert_eq!(split.tests_of_rule(2), ["growth::any_number_grows"]);
        assert_eq!(
            names(split),
            ["steps::next_number_is_one_more", "growth::any_number_grows"],
            "the order is that of the rules"
        );
    }
}
