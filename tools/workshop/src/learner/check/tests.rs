use super::*;
use crate::app::fixture::{SOLVED, SampleWorkspace};
use crate::learner::{assert_contains, list, reset};

fn run_check(workspace: &SampleWorkspace) -> (bool, String, String) {
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let app = workspace.app();
    let is_solved = check(&app, Some("counter"), &mut output, &mut messages).unwrap();
    // Another cargo may be running on this machine. Then ours reports that it waits.
    let is_about_exercise = |line: &&str| !line.contains("Blocking waiting for file lock");
    let messages = String::from_utf8(messages).unwrap();
    let messages = messages
        .split_inclusive('\n')
        .filter(is_about_exercise)
        .collect();
    (is_solved, String::from_utf8(output).unwrap(), messages)
}

fn first_lines(text: &str, count: usize) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.is_empty())
        .take(count)
        .collect()
}

#[test]
fn exercise_goes_from_todo_to_solved() {
    let workspace = SampleWorkspace::new();

    let (is_solved, output, messages) = run_check(&workspace);
    assert!(!is_solved);
    assert_eq!(messages, "", "nothing is printed before the assertion");
    assert_eq!(
        first_lines(&output, 4),
        [
            "✗ next number is one more",
            "  exercises/01_chapter/01_counter/src/lib.rs:12",
            "  not yet implemented: return the next number",
            "This failure is expected: the code compiles, the tests run, and your work starts at this `todo!`."
        ],
        "expected the first test in the file: {output}"
    );
    assert_contains(&output, "0 of 2 tests pass");
    assert_eq!(workspace.text(".workshop/progress"), "counter started\n");

    workspace.edit(&SOLVED.replace("last + 1", "last + 2"));
    let (is_solved, output, _) = run_check(&workspace);
    assert!(!is_solved);
    assert_eq!(
        first_lines(&output, 5),
        [
            "✗ next number is one more",
            "  exercises/01_chapter/01_counter/tests/counter.rs:6",
            "  assertion `left == right` failed: 2 follows 1: do you add one?",
            "    left: 3",
            "   right: 2",
        ]
    );
    assert_contains(&output, "1 of 2 tests pass");
    assert!(!output.contains("is expected"), "{output}");

    workspace.edit(&SOLVED.replace("last + 1", "last +"));
    let (is_solved, output, messages) = run_check(&workspace);
    assert!(!is_solved);
    let error = "error: expected expression";
    assert!(messages.starts_with(error), "{messages}");
    assert_contains(&messages, "--> exercises/01_chapter/01_counter/src/lib.rs:");
    assert_eq!(output.lines().count(), 1, "expected one sentence: {output}");

    workspace.edit(SOLVED);
    let (is_solved, output, _) = run_check(&workspace);
    assert!(is_solved);
    let headline = "✓ All 2 tests pass: Count up is solved.";
    assert!(output.starts_with(headline), "{output}");
    assert_contains(&output, "`cargo workshop diff counter`");
    assert_contains(&output, "Next     Second (1 minute): read book/src/page.md");
    assert_eq!(workspace.text(".workshop/progress"), "counter solved\n");

    workspace.edit(&SOLVED.replace("last + 1", "last + 2"));
    let (is_solved, output, _) = run_check(&workspace);
    assert!(!is_solved, "the exit code is about this check");
    // The exercise is not the current one.
    assert_contains(&output, "`cargo workshop check counter` again");
    assert_eq!(
        workspace.text(".workshop/progress"),
        "counter solved failing\n",
        "a solved exercise stays solved"
    );

    let check_all = || {
        let mut output = Vec::new();
        let is_solved = check_solved(&workspace.app(), &mut output, &mut Vec::new()).unwrap();
        (is_solved, String::from_utf8(output).unwrap())
    };
    let (is_solved, output) = check_all();
    let why = "✗ counter: `cargo workshop check counter` shows why\n0 of 1 solved exercises pass\n";
    assert_eq!((is_solved, output.as_str()), (false, why));

    workspace.edit(SOLVED);
    let passes = "✓ counter\n1 of 1 solved exercises pass\n";
    assert_eq!(check_all(), (true, passes.to_owned()));
    assert_eq!(workspace.text(".workshop/progress"), "counter solved\n");
}

#[test]
fn answers_to_predict_follow_the_solution() {
    let workspace = SampleWorkspace::new();
    workspace.write(
        "solutions/01_chapter/01_counter/ANSWER.md",
        "Two fingers.\n",
    );
    assert!(!run_check(&workspace).1.contains("Two fingers."));

    workspace.edit(SOLVED);
    let (_, output, _) = run_check(&workspace);

    assert_contains(&output, "\nAnswers to Predict:\nTwo fingers.\n");
}

#[test]
fn tests_with_modules_are_checked() {
    let workspace = SampleWorkspace::new();
    workspace.split_tests("01_chapter/01_counter", "counter", 2);
    workspace.edit(&SOLVED.replace("last + 1", "0"));

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert_eq!(
        first_lines(&output, 2),
        [
            "✗ steps: next number is one more",
            "  exercises/01_chapter/01_counter/tests/counter/steps.rs:8",
        ],
        "expected the test of the first rule: {output}"
    );
    workspace.edit(SOLVED);
    assert!(run_check(&workspace).0);
}

#[test]
fn missing_files_are_named() {
    let workspace = SampleWorkspace::new();
    let dir = "exercises/01_chapter/01_counter";
    workspace.write(".workshop/progress", "counter solved\nsecond solved\n");
    for (file, restore) in [
        ("src/lib.rs", "cargo workshop reset counter"),
        (
            "tests/counter.rs",
            "git checkout -- exercises/01_chapter/01_counter/tests",
        ),
    ] {
        workspace.remove(&format!("{dir}/{file}"));
        let app = App {
            current_dir: workspace.repository().root().join(dir),
            ..workspace.app()
        };
        let error = check(&app, None, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        let expected = format!("{dir}/{file} is missing. `{restore}` restores it");
        assert_eq!(error.to_string(), expected);

        list::list(&workspace.app(), &mut Vec::new()).unwrap();
        reset::reset(&app, None, &mut Vec::new()).unwrap();
        assert!(workspace.has(&format!("{dir}/src/lib.rs")));
    }
}

#[test]
fn deleted_source_breaks_no_other_exercise() {
    let workspace = SampleWorkspace::new();
    workspace.add_counter("02_chapter/01_other", "other");
    let manifest = workspace.text("Cargo.toml");
    let members = "\"exercises/02_chapter/01_other\", \"exercises/*/01_counter\"";
    workspace.write(
        "Cargo.toml",
        &manifest.replace("\"exercises/*/01_counter\"", members),
    );
    workspace.remove("exercises/02_chapter/01_other/src/lib.rs");
    workspace.edit(SOLVED);

    let (is_solved, output, messages) = run_check(&workspace);

    assert!(is_solved, "{output} {messages}");
}

#[test]
fn two_checks_at_once_agree() {
    let workspace = SampleWorkspace::new();
    workspace.edit(SOLVED);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(run_check(&workspace).0));
        }
    });
    assert_eq!(workspace.text(".workshop/progress"), "counter solved\n");
}

#[test]
fn failures_without_an_assertion_are_explained() {
    let workspace = SampleWorkspace::new();
    let hang = "if last == 1 { loop { std::thread::park() } } last + 1";
    let recurse = "let array = [last; 1000]; next(array[7]) + array[8]";
    let print = "if last == 1 { loop { println!(\"again\") } } last + 1";
    let long_line = "panic!(\"{}\", \"x\".repeat(100 << 20))";
    let many_lines = "panic!(\"{}\", \"again\\n\".repeat(100 << 17))";
    let crash = "✗ the tests ended without a result\n";
    let first_test = "✗ next number is one more\n";
    let memory = "used more than 512 MiB of memory and was stopped. Your code prints";
    for (code, limit, start, explanations) in [
        (
            hang,
            1,
            first_test,
            [
                "This test did not end within 1 s and was stopped.",
                "Before that, 1 passed and 0 failed",
            ],
        ),
        (
            recurse,
            60,
            crash,
            ["has overflowed its stack", "an endless recursion"],
        ),
        ("std::process::exit(0)", 60, crash, ["because of `exit`"; 2]),
        (print, 60, first_test, [memory; 2]),
        (long_line, 60, "✗ ", ["… (a line of 104857600 bytes)"; 2]),
        // This is too long for all output.
        (
            many_lines,
            60,
            "✗ ",
            ["This test printed more than 4 MiB and was stopped"; 2],
        ),
    ] {
        if code == print && !cfg!(target_os = "linux") {
            // Other systems have no memory limit.
            continue;
        }
        workspace.edit(&SOLVED.replace("last + 1", code));
        workspace.set_description(&format!("limit_seconds = {limit}"));

        let (is_solved, output, _) = run_check(&workspace);

        assert!(!is_solved, "{code}");
        assert!(output.starts_with(start), "{code}: {output}");
        assert!(output.len() < 10_000, "{code}: too long");
        for explanation in explanations {
            assert_contains(&output, explanation);
        }
    }
}

#[test]
fn ignored_tests_prove_nothing() {
    let workspace = SampleWorkspace::new();
    workspace.edit(SOLVED);
    let path = "exercises/01_chapter/01_counter/tests/counter.rs";
    let tests = workspace.text(path);
    workspace.write(path, &tests.replace("#[test]", "#[test]\n#[ignore]"));

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert_contains(&output, "some tests are ignored, so this proves nothing");
}

#[test]
fn output_and_warnings_come_after_the_result() {
    let workspace = SampleWorkspace::new();
    let printing = SOLVED.replace("last + 1", "println!(\"last is {last}\"); last + 2");
    workspace.edit(&printing);
    let (_, output, _) = run_check(&workspace);
    let (before, _) = output.split_once("last is 1").unwrap();
    assert_contains(before, "assertion");

    workspace.edit(&SOLVED.replace("last + 1", "let unused = 1; last + 1"));
    let (is_solved, output, _) = run_check(&workspace);
    assert!(is_solved);
    assert_contains(&output, "warning: unused variable: `unused`");
}

#[cfg(unix)]
#[test]
fn missing_docker_is_reported_before_the_build() {
    let workspace = SampleWorkspace::new();
    workspace.set_description("services = [\"redis\"]");
    let fake = crate::run::machine::fake::FakeMachine::new();
    let app = App {
        machine: fake.machine(),
        ..workspace.app()
    };

    let error = check(&app, None, &mut Vec::new(), &mut Vec::new()).unwrap_err();

    assert_contains(&error.to_string(), "Docker is not installed");
    assert!(fake.calls().is_empty());
}
