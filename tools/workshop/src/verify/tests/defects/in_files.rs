//! The defects that reading the files finds.

use super::Defect;

/// Reading the files finds these defects.
pub const FILE_DEFECTS: &[Defect] = &[
    (
        "good",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.page("# A page\n<details>\nlast.wrapping_add(1)\n</details>\n# Next\nlast.wrapping_add(1)\n");
            it.stub(
                "//! ## Rules",
                "//! ## Predict\n//!\n//! Why?\n//!\n//! ## Rules",
            );
            it.workspace
                .write(&it.solution("ANSWER.md"), "Therefore.\n");
            let stub = it.workspace.text(&it.solution("stub/lib.rs"));
            it.workspace.write(&it.exercise("src/lib.rs"), &stub);
        },
        &[],
    ),
    (
        "other_tests",
        |it| {
            let own = format!(
                "extern crate sol_{} as x;\n#[test]\nfn it_is_fine() {{}}\n",
                it.id
            );
            it.workspace.write(&it.solution("tests/exercise.rs"), &own);
        },
        &["tests/exercise.rs: a solution uses the exercise's own tests"],
    ),
    (
        "own_tests",
        |it| {
            it.solved("/// The", "#[cfg(test)]\nmod tests {}\n\n/// The");
        },
        &["a solution must not contain `#[cfg(test)]`; only the exercise's tests"],
    ),
    (
        "more_tests",
        |it| {
            it.workspace
                .write(&it.exercise("tests/more.rs"), "// more\n");
        },
        &["only more_tests.rs is allowed here, but there is also more.rs"],
    ),
    ("modules", |it| it.split_tests(), &[]),
    (
        "file_and_modules",
        |it| {
            let text = it.workspace.text(&it.tests());
            it.split_tests();
            it.workspace.write(&it.tests(), &text);
        },
        &["only file_and_modules is allowed here, but there is also file_and_modules.rs"],
    ),
    (
        "undeclared_module",
        |it| {
            it.split_tests();
            it.replace(&it.module("main"), "mod growth;\n", "");
        },
        &["growth.rs: main.rs does not declare this module, so its tests never run"],
    ),
    (
        "module_names_the_crate",
        |it| {
            it.split_tests();
            it.replace(
                &it.module("steps"),
                "super::next",
                "module_names_the_crate::next",
            );
            it.replace(&it.module("growth"), "super::next", "crate::next");
        },
        &[
            "growth.rs: line 3: use `super::` instead of `crate::`",
            "steps.rs: line 3: use `super::` instead of `module_names_the_crate::`",
        ],
    ),
    (
        "solution_includes_a_module",
        |it| {
            it.split_tests();
            it.replace(&it.solution("tests/exercise.rs"), "main.rs", "steps.rs");
        },
        &["/01_solution_includes_a_module/tests/solution_includes_a_module/main.rs\");"],
    ),
    (
        "inner_docs",
        |it| {
            it.replace(&it.tests(), "// The tests", "//! The tests");
        },
        &["it must begin with a `//` comment"],
    ),
    (
        "one_wrong",
        |it| {
            it.workspace.remove(&it.solution("wrong/none.rs"));
        },
        &["at least two wrong answers, but there are 1"],
    ),
    (
        "nameless_wrong",
        |it| it.wrong("// Says:", "// It says:"),
        &["two.rs: the first three lines must be `// Wrong: `"],
    ),
    (
        "wrong_breaks_nothing",
        |it| it.wrong("rule 1", "everything"),
        &["two.rs: the first three lines must be `// Wrong: `"],
    ),
    (
        "wrong_breaks_missing_rule",
        |it| it.wrong("rule 1", "rule 2"),
        &["wrong: a wrong answer names rule 2, but the last rule is 1"],
    ),
    (
        "test_names_missing_rule",
        |it| {
            it.replace(
                &it.tests(),
                "// Rule 1.\n#[test]\nfn any",
                "// Rules 1 and 3.\n#[test]\nfn any",
            );
        },
        &["a test names rule 3, but the last rule is 1"],
    ),
    (
        "unprotected_rule",
        |it| it.stub("one more.\n", "one more.\n//! 2. It is fast.\n"),
        &[
            "rs: rule 2 needs a test with the comment `// Rule 2.`",
            "wrong: rule 2 needs a wrong answer with the comment `// Breaks: rule 2`",
        ],
    ),
    (
        "no_rules",
        |it| it.stub("1. The", "* The"),
        &["the rules must be a list under `## Rules`"],
    ),
    (
        "miscounted_rules",
        |it| it.stub("1. The", "2. The"),
        &["with the numbers 1., 2. and"],
    ),
    (
        "no_answer",
        |it| it.stub("//! ## Rules", "//! ## Predict\n//!\n//! ## Rules"),
        &["ANSWER.md: it must answer the questions"],
    ),
    (
        "silent_todo",
        |it| {
            it.stub("\"return the next number\"", "");
        },
        &["line 12: this `todo!` has no text"],
    ),
    (
        "underscore",
        |it| it.stub("last: u32", "_last: u32"),
        &["line 10: rename `_last` to `last`"],
    ),
    (
        "solution_silences",
        |it| {
            it.solved("/// The", "#[allow(dead_code)]\n/// The");
        },
        &["a solution must not contain `#[allow`"],
    ),
    (
        "solution_is_unfinished",
        |it| {
            it.solved(
                "last + 1",
                "if last > 100 { todo!(\"later\") }\n    last + 1",
            );
        },
        &["a solution must not contain `todo!`; finish it"],
    ),
    (
        "telling_hint",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.replace(
                &it.exercise("HINTS.md"),
                "Add, and",
                "Write `last.wrapping_add(1)`, and",
            );
        },
        &["a hint contains code of the solution: `last.wrapping_add(1)`"],
    ),
    (
        "two_hints",
        |it| {
            it.replace(&it.exercise("HINTS.md"), "Think of fingers.", "");
        },
        &["hint 2 is empty"],
    ),
    (
        "no_page",
        |it| it.description("page.md", "missing.md"),
        &["`page` leads to book/src/missing.md, which does not exist"],
    ),
    (
        "no_heading",
        |it| it.description("#a-page", ""),
        &["`page` must name a heading too"],
    ),
    (
        "other_heading",
        |it| it.description("#a-page", "#another"),
        &["`page` leads to #another, but book/src/page.md has no heading"],
    ),
    (
        "telling_page",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.workspace.write(
                "code.rs",
                "// ANCHOR: a\nlast.wrapping_add(1)\n// ANCHOR_END: a\n",
            );
            it.page("# A page\n## More\n{{#include ../../code.rs:a}}\n");
        },
        &[
            "book/src/telling_page.md: the section #a-page contains code of the solution of `telling_page`: `last.wrapping_add(1)`",
        ],
    ),
    (
        "long",
        |it| it.description("15", "46"),
        &["`minutes` is 46, but an exercise may take at most 45"],
    ),
    (
        "unknown_key",
        |it| it.description("minutes", "hours = 1\nminutes"),
        &["unknown field `hours`"],
    ),
    (
        "no_library_path",
        |it| {
            for file in [it.exercise("Cargo.toml"), it.solution("Cargo.toml")] {
                it.replace(&file, "path = \"src/lib.rs\"\n", "");
            }
        },
        &["[lib] must have `path = \"src/lib.rs\"`"],
    ),
    (
        "other_manifest",
        |it| {
            it.replace(
                &it.solution("Cargo.toml"),
                "[lints]",
                "[features]\nmore = []\n\n[lints]",
            );
        },
        &["it may differ from exercises/01_chapter/01_other_manifest/Cargo.toml only in the name"],
    ),
    (
        "knows_the_solution",
        |it| {
            let dependency = "\n[dev-dependencies]\nx = { package = \"sol_good\", path = \"../../../solutions/01_chapter/01_good\" }\n";
            for file in [it.exercise("Cargo.toml"), it.solution("Cargo.toml")] {
                let text = it.workspace.text(&file) + dependency;
                it.workspace.write(&file, &text);
            }
        },
        &["the exercise depends on the solution `sol_good`; remove that"],
    ),
    (
        "unsolved",
        |it| it.workspace.remove(&it.solution("")),
        &["the solution of the exercise `unsolved` is missing"],
    ),
    (
        "abandoned",
        |it| it.workspace.remove(&it.exercise("")),
        &["there is no exercise for this solution"],
    ),
    (
        "twice",
        |it| {
            it.workspace.write(
                "exercises/02_chapter/07_twice/exercise.toml",
                "id = \"twice\"\n",
            );
        },
        &["exercises/02_chapter/07_twice has the id `twice` too"],
    ),
];
