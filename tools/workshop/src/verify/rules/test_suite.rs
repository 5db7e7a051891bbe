//! Checks the tests of an exercise: their files, and the rules that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::FileChecker;
use crate::exercises::repository::read_text;
use crate::exercises::rule_marks;
use crate::exercises::test_suite::TestSuite;
use crate::verify::source_scan::Code;
use crate::verify::variant::{Variant, VariantKind};

impl FileChecker<'_> {
    /// The tests are one file, or a main file with modules.
    pub(super) fn check_tests(&mut self) {
        let exercise = self.exercise;
        let (file, id) = (exercise.test_file(), &exercise.id);
        let tests_dir = exercise.tests_dir();
        let suite = TestSuite::read(exercise);
        if exercise.has_test_modules() {
            self.check_only_file(&tests_dir, id);
            self.check_modules(&suite);
        } else {
            self.check_only_file(&tests_dir, &format!("{id}.rs"));
        }
        let Some(text) = self.read(&file) else { return };
        if !text.starts_with("//") || text.starts_with("//!") {
            let problem = "it must begin with a `//` comment, because the solution's tests cannot \
                           include `//!`";
            self.add_problem(&file, problem);
        }
        if !Code::parse(&text).has_token(id) {
            let problem =
                format!("these tests never use the crate `{id}`, so they test something else");
            self.add_problem(&file, problem);
        }
    }

    /// Each file in the folder is a module of the main file, and compiles below another module too.
    fn check_modules(&mut self, suite: &TestSuite) {
        let main = &suite.main().path;
        for module in suite.modules() {
            let code = Code::parse(&module.text);
            for path in ["crate::", &format!("{}::", self.exercise.id)] {
                if let Some(line) = code.line_of(path) {
                    let problem = format!(
                        "line {line}: use `super::` instead of `{path}`, and name the crate only in \
                         main.rs; the tests of a wrong answer are a module below another one"
                    );
                    self.add_problem(&module.path, problem);
                }
            }
        }
        let declared = suite.modules().iter().map(|module| &module.path);
        let declared: BTreeSet<_> = declared.chain([main]).collect();
        let folder = main.parent().unwrap_or(main);
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if !declared.contains(&path) {
                let problem = "main.rs does not declare this module, so its tests never run; add \
                               the line `mod NAME;`, or remove the file";
                self.add_problem(&path, problem);
            }
        }
    }

    /// The solution includes the exercise's tests, and has no others.
    pub(super) fn check_solutions_tests(&mut self) {
        let exercise = self.exercise;
        let (folder, id) = (&exercise.folder, &exercise.id);
        let tests = exercise.solution_dir().join("tests");
        self.check_only_file(&tests, "exercise.rs");
        let file = tests.join("exercise.rs");
        let Some(text) = self.read(&file) else { return };
        let is_code =
            |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(is_code).collect();
        let main = exercise.test_file();
        let main = main.strip_prefix(exercise.dir()).unwrap_or(&main);
        let expected = format!(
            "extern crate sol_{id} as {id};\ninclude!(\"../../../../exercises/{}/{}/{}\");",
            folder.chapter,
            folder.name,
            self.repository.display_path(main)
        );
        if lines.join("\n") != expected {
            let problem = "a solution uses the exercise's own tests, so the file must contain \
                           exactly";
            self.add_problem(&file, format!("{problem}:\n{expected}"));
        }
    }

    /// Each rule has a test and a wrong answer, and these name only rules that exist.
    pub(super) fn check_rules(&mut self) {
        let exercise = self.exercise;
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
        let tests = TestSuite::read(exercise).marked_tests();
        let in_tests: BTreeSet<usize> = tests.into_iter().flat_map(|(_, rules)| rules).collect();
        let broken_rule = |variant: &Variant| match &variant.kind {
            VariantKind::WrongAnswer { rule, .. } => *rule,
            _ => None,
        };
        let in_wrong = self.check.variants.iter().filter_map(broken_rule).collect();
        let wrong_dir = exercise.solution_dir().join("wrong");
        for (place, named, mark, sort) in [
            (&test_file, in_tests, "// Rule N.", "a test"),
            (&wrong_dir, in_wrong, "// Breaks: rule N", "a wrong answer"),
        ] {
            for rule in rules.iter().filter(|rule| !named.contains(rule)) {
                let mark = mark.replace('N', &rule.to_string());
                let problem = format!("rule {rule} needs {sort} with the comment `{mark}`");
                self.add_problem(place, problem);
            }
            let last = rules.len();
            if let Some(rule) = named.into_iter().find(|rule| !rules.contains(rule)) {
                let problem = format!("{sort} names rule {rule}, but the last rule is {last}");
                self.add_problem(place, problem);
            }
        }
    }

    /// The folder may contain only this file.
    fn check_only_file(&mut self, folder: &Path, name: &str) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let others = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let others: Vec<String> = others.filter(|other| other != name).collect();
        if !others.is_empty() {
            let others = others.join(", ");
            let problem = format!("only {name} is allowed here, but there is also {others}");
            self.add_problem(folder, problem);
        }
    }
}
