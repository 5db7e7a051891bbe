//! The defects that running the tests finds.

use super::Defect;
use crate::app::fixture::SOLVED;

/// Running the tests finds these defects. They are few, because each one has to be built.
pub const TEST_DEFECTS: &[Defect] = &[
    (
        "proved",
        |it| {
            it.workspace.write(&it.exercise("src/lib.rs"), SOLVED);
        },
        &[],
    ),
    (
        "modules",
        |it| {
            it.split_tests();
            let rule = "// Rule 2.\n#[test]";
            it.replace(&it.module("growth"), "// Rule 1.\n#[test]", rule);
            it.stub("one more.\n", "one more.\n//! 2. It grows.\n");
            it.add_wrong(
                "shrinks",
                "7 did not grow",
                "if last == 7 { 0 } else { last + 1 }",
            );
            it.replace(&it.solution("wrong/shrinks.rs"), "rule 1", "rule 2");
            it.add_wrong("breaks_another_rule", "2 follows 1", "last + 3");
            it.replace(
                &it.solution("wrong/breaks_another_rule.rs"),
                "rule 1",
                "rule 2",
            );
        },
        &["this for rule 2, but `steps::next_number_is_one_more` does not"],
    ),
    (
        "wrong_crate",
        |it| {
            it.workspace.write(
            &it.tests(),
            "// Tests of something else.\n#[test]\nfn it_adds() {\n    assert_eq!(1 + 1, 2);\n}\n",
        );
        },
        &[
            "these tests never use the crate `wrong_crate`",
            "rule 1 needs a test",
            "the stub must fail",
            "none.rs: this wrong answer must be rejected",
            "two.rs: this wrong answer must be rejected",
        ],
    ),
    (
        "other_crate",
        |it| {
            it.replace(
                &it.tests(),
                "other_crate::next(7)",
                "another_course::next(7)",
            );
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two wrong answers",
            "must compile with the exercise's tests, but it does not:\nerror[E0433]",
            "must compile with the exercise's tests, but it does not:\nerror[E0433]",
        ],
    ),
    (
        "wrong_answers",
        |it| {
            it.replace(
                &it.exercise("exercise.toml"),
                "services",
                "limit_seconds = 2\nservices",
            );
            it.stub("one more.\n", "one more.\n//! 2. It grows.\n");
            it.replace(
                &it.tests(),
                "// Rule 1.\n#[test]\nfn any",
                "// Rule 2.\n#[test]\nfn any",
            );
            let says = "2 follows 1";
            it.add_wrong("breaks_another_rule", says, "last + 3");
            it.add_wrong("accepted", says, "1 + last");
            it.add_wrong("says_something_else", "the sum is odd", "last + 2");
            it.add_wrong(
                "only_prints_it",
                "printed and not asserted",
                "println!(\"printed and not asserted\"); last + 2",
            );
            it.add_wrong("does_not_compile", says, "last + \"2\"");
            it.add_wrong("ends_the_program", says, "std::process::exit(0)");
            it.add_wrong(
                "hangs",
                says,
                "if last == 1 { loop { std::thread::park() } } last + 2",
            );
            it.add_wrong(
                "has_to_hang",
                "did not end within 2 s",
                "if last == 7 { loop { std::thread::park() } } last + 2",
            );
            for name in ["breaks_another_rule", "has_to_hang"] {
                it.replace(
                    &it.solution(&format!("wrong/{name}.rs")),
                    "rule 1",
                    "rule 2",
                );
            }
        },
        &[
            "accepted.rs: this wrong answer must be rejected, but all 2 tests pass",
            "breaks_another_rule.rs: the tests reject this for rule 2, but `next_number_is_one_more` does not",
            "does_not_compile.rs: the file must compile with the exercise's tests, but it does not:\nerror[E0277]",
            "ends_the_program.rs: the tests ended without a result",
            "hangs.rs: next_number_is_one_more did not end within 2 s",
            "only_prints_it.rs: the tests reject this, but without the message \"printed and not asserted\"",
            "says_something_else.rs: the tests reject this, but without the message \"the sum is odd\"",
        ],
    ),
    (
        "already_green",
        |it| {
            it.workspace.write(&it.solution("stub/lib.rs"), SOLVED);
            it.solved("last + 1", "last + 3");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two wrong answers, but there are 0",
            "the stub must fail, but all its 2 tests pass",
            "the solution must pass, but `next_number_is_one_more` fails",
        ],
    ),
    (
        "warning",
        |it| {
            it.stub(
                "#![expect(unused_variables, reason = \"remove this line when you use them\")]",
                "",
            );
            it.solved("last + 1", "let more = 1;\n    last + 1");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "stub/lib.rs: the file must compile without a warning",
            "warning: unused variable: `more`",
        ],
    ),
    (
        "not_compiling",
        |it| {
            it.stub("-> u32", "-> Number");
            it.solved("last + 1", "last +");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "stub/lib.rs: the file must compile with",
            "src/lib.rs: the file must compile with",
        ],
    ),
    (
        "otherwise",
        |it| {
            it.stub("todo!(", "unimplemented!(");
            it.replace(
                &it.tests(),
                "#[test]\nfn any_number",
                "#[test]\n#[ignore]\nfn any_number",
            );
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "has another reason:\nnot implemented: return the next number",
            "no test may be ignored, but 1 are",
        ],
    ),
];
