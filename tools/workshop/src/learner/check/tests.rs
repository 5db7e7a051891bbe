use super::*;
use crate::app::fixture::{SOLVED, SampleWorkspace};

fn run_check(workspace: &SampleWorkspace) -> (bool, String, String) {
    let (mut output, mut messages) = (Vec::new(), Vec::new());
    let mut options = CheckOptions::default();
    options.argument.exercise = Some("counter".to_owned());
    let is_solved = check(&workspace.app(), &options, &mut output, &mut messages).unwrap();
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
    assert!(output.contains("0 of 2 tests pass"), "{output}");
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
    assert!(output.contains("1 of 2 tests pass"), "{output}");
    assert!(
        !output.contains("is expected"),
        "a wrong answer is no expected failure: {output}"
    );

    workspace.edit(&SOLVED.replace("last + 1", "last +"));
    let (is_solved, output, messages) = run_check(&workspace);
    assert!(!is_solved);
    assert!(
        messages.starts_with("error: expected expression"),
        "{messages}"
    );
    assert!(
        messages.contains("--> exercises/01_chapter/01_counter/src/lib.rs:"),
        "{messages}"
    );
    assert_eq!(output.lines().count(), 1, "expected one sentence: {output}");

    workspace.edit(SOLVED);
    let (is_solved, output, _) = run_check(&workspace);
    assert!(is_solved);
    assert!(
        output.starts_with("✓ All 2 tests pass: Count up is solved."),
        "{output}"
    );
    assert!(output.contains("`cargo workshop diff counter`"), "{output}");
    assert!(
        output.contains("Next     Second (1 minute): read book/src/page.md"),
        "{output}"
    );
    assert_eq!(workspace.text(".workshop/progress"), "counter solved\n");

    workspace.edit(&SOLVED.replace("last + 1", "last + 2"));
    let (is_solved, output, _) = run_check(&workspace);
    assert!(!is_solved, "the exit code is about this check");
    assert!(
        output.contains("`cargo workshop check counter` again"),
        "the exercise is not the current one: {output}"
    );
    assert_eq!(
        workspace.text(".workshop/progress"),
        "counter solved failing\n",
        "a solved exercise stays solved"
    );

    let all = CheckOptions {
        all: true,
        ..CheckOptions::default()
    };
    let check_all = || {
        let mut output = Vec::new();
        let is_solved = check(&workspace.app(), &all, &mut output, &mut Vec::new()).unwrap();
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

    assert!(
        output.contains("\nAnswers to Predict:\nTwo fingers.\n"),
        "{output}"
    );
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
            "git checkout -- exercises/01_chapter/01_counter/tests/counter.rs",
        ),
    ] {
        workspace.remove(&format!("{dir}/{file}"));
        let options = CheckOptions::default();
        let app = App {
            current_dir: workspace.repository().root().join(dir),
            ..workspace.app()
        };
        let error = check(&app, &options, &mut Vec::new(), &mut Vec::new()).unwrap_err();
        let expected = format!("{dir}/{file} is missing. `{restore}` restores it");
        assert_eq!(error.to_string(), expected);

        super::super::list::list(&workspace.app(), &mut Vec::new()).unwrap();
        super::super::reset::reset(&app, &options.argument, &mut Vec::new()).unwrap();
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
fn endless_recursion_is_explained() {
    let workspace = SampleWorkspace::new();
    let endless = "let array = [last; 1000]; next(array[7]) + array[8]";
    workspace.edit(&SOLVED.replace("last + 1", endless));

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert!(output.contains("has overflowed its stack"), "{output}");
    assert!(output.contains("an endless recursion"), "{output}");
}

#[test]
fn hanging_test_is_stopped_and_named() {
    let workspace = SampleWorkspace::new();
    workspace.edit(&SOLVED.replace(
        "last + 1",
        "if last == 1 { loop { std::thread::park() } } last + 1",
    ));
    workspace.set_description("limit_seconds = 1");

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert!(
        output.starts_with("✗ next number is one more\n"),
        "{output}"
    );
    assert!(
        output.contains("This test did not end within 1 s and was stopped."),
        "{output}"
    );
    assert!(
        output.contains("Before that, 1 passed and 0 failed"),
        "{output}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn endless_output_is_stopped_and_named() {
    let workspace = SampleWorkspace::new();
    let endless = "if last == 1 { loop { println!(\"again\") } } last + 1";
    workspace.edit(&SOLVED.replace("last + 1", endless));

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert!(
        output.starts_with("✗ next number is one more\n"),
        "{output}"
    );
    assert!(
        output.contains("used more than 512 MiB of memory and was stopped. Your code prints"),
        "{output}"
    );
}

#[test]
fn huge_messages_are_cut() {
    let workspace = SampleWorkspace::new();
    for (text, cut) in [
        ("x".repeat(1 << 10), "… (a line of 104857600 bytes)"),
        (
            "again\\n".repeat(1 << 7),
            "This test printed more than 4 MiB and was stopped",
        ),
    ] {
        // The second message is too long for all output, so its test is stopped.
        let panic = format!("panic!(\"{{}}\", \"{text}\".repeat(100 << 10))");
        workspace.edit(&SOLVED.replace("last + 1", &panic));

        let (_, output, _) = run_check(&workspace);

        assert!(output.len() < 10_000 && output.contains(cut), "{output}");
    }
}

#[test]
fn call_of_exit_is_no_success() {
    let workspace = SampleWorkspace::new();
    workspace.edit(&SOLVED.replace("last + 1", "std::process::exit(0)"));

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert!(
        output.contains("the tests ended without a result"),
        "{output}"
    );
}

#[test]
fn ignored_tests_prove_nothing() {
    let workspace = SampleWorkspace::new();
    workspace.edit(SOLVED);
    let tests = workspace.text("exercises/01_chapter/01_counter/tests/counter.rs");
    workspace.write(
        "exercises/01_chapter/01_counter/tests/counter.rs",
        &tests.replace("#[test]", "#[test]\n#[ignore]"),
    );

    let (is_solved, output, _) = run_check(&workspace);

    assert!(!is_solved);
    assert!(
        output.contains("some tests are ignored, so this proves nothing"),
        "{output}"
    );
}

#[test]
fn output_and_warnings_come_after_the_result() {
    let workspace = SampleWorkspace::new();
    let printing = SOLVED.replace("last + 1", "println!(\"last is {last}\"); last + 2");
    workspace.edit(&printing);
    let (_, output, _) = run_check(&workspace);
    let (assertion, printed) = (
        output.find("assertion").unwrap(),
        output.find("last is 1").unwrap(),
    );
    assert!(assertion < printed, "{output}");

    workspace.edit(&SOLVED.replace("last + 1", "let unused = 1; last + 1"));
    let (is_solved, output, messages) = run_check(&workspace);
    assert!(is_solved);
    assert!(
        output.contains("warning: unused variable: `unused`"),
        "{output} {messages}"
    );
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

    let error = check(
        &app,
        &CheckOptions::default(),
        &mut Vec::new(),
        &mut Vec::new(),
    )
    .unwrap_err();

    assert!(
        error.to_string().starts_with("Docker is not installed"),
        "{error}"
    );
    assert!(fake.calls().is_empty());
}
