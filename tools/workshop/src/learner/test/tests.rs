use super::*;

fn options(packages: &[&str], arguments: &[&str]) -> TestOptions {
    TestOptions {
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        arguments: arguments.iter().map(Into::into).collect(),
        ..TestOptions::default()
    }
}

#[test]
fn options_become_arguments_of_cargo() {
    // packages, arguments, whether there are colours; cargo's arguments
    for (packages, arguments, colour, expected) in [
        (&[][..], &[][..], false, "test --no-fail-fast"),
        (
            &["ch01-clones", "ch02-database"],
            &["shard"],
            true,
            "test --no-fail-fast --package ch01-clones --package ch02-database --color always \
             -- shard --color always",
        ),
        (
            &[],
            &["--color=never"],
            true,
            "test --no-fail-fast --color always -- --color=never",
        ),
    ] {
        let colour = ColourSupport {
            stdout: colour,
            stderr: colour,
        };
        let arguments = cargo_arguments(&options(packages, arguments), colour);
        assert_eq!(arguments.join(" ".as_ref()), expected);
    }
}

#[test]
fn filtered_runs_skip_the_exercises() {
    assert!(options(&[], &[]).include_exercises());
    assert!(options(&[], &["--nocapture"]).include_exercises());
    assert!(!options(&[], &["shard"]).include_exercises());
    assert!(!options(&["ch03-cache"], &[]).include_exercises());
}

#[cfg(unix)]
mod with_fake_machine {
    use super::*;
    use crate::exercises::repository::Repository;
    use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};

    const PASSED_RUN: &str = "echo 'running 1 test'; \
        echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s'";

    fn run_with(fake: &FakeMachine, packages: &[&str]) -> (TestSummary, String) {
        run(&options(packages, &[]), fake)
    }

    fn run(options: &TestOptions, fake: &FakeMachine) -> (TestSummary, String) {
        let machine = fake.machine();
        let root = machine.path_of("");
        let app = App {
            machine,
            repository: Repository::new(&root),
            current_dir: root.clone(),
            target_dir: root,
        };
        let mut printed = Vec::new();
        let summary = run_tests(options, &app, &mut printed, &mut Vec::new()).unwrap();
        summary.print(&mut printed).unwrap();
        (summary, String::from_utf8(printed).unwrap())
    }

    /// A machine with servers and passing tests.
    fn with_servers() -> FakeMachine {
        let fake = FakeMachine::new();
        fake.program("docker", DOCKER_SCRIPT);
        fake.file("running", "");
        fake.file("images", "");
        fake.program("cargo", &format!("[ $1 != test ] || {{ {PASSED_RUN}; }}"));
        fake
    }

    #[test]
    fn tests_without_servers_ignore_docker() {
        let fake = FakeMachine::new();
        fake.program("cargo", PASSED_RUN);

        let (summary, printed) = run_with(&fake, &["loadgen"]);

        assert!(summary.is_success(), "{printed}");
        assert_eq!(
            fake.calls(),
            ["cargo test --no-fail-fast --package loadgen"]
        );
    }

    #[test]
    fn servers_start_before_the_tests() {
        let fake = with_servers();

        let (summary, printed) = run_with(&fake, &["ch03-cache"]);

        assert!(summary.is_success(), "{printed}");
        let mut calls = fake.calls();
        calls.retain(|call| call.starts_with("cargo "));
        let expected = [
            "cargo run --package testbed -- up",
            "cargo test --no-fail-fast --package ch03-cache",
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn unproved_exercise_is_a_failure() {
        let fake = with_servers();
        fake.file(
            "exercises/01_clones/01_round_robin/exercise.toml",
            "id = \"robin\"",
        );

        let (summary, printed) = run_with(&fake, &[]);

        assert!(!summary.is_success());
        assert!(printed.contains("round_robin   files ✗"), "{printed}");
        assert!(printed.ends_with("\n1 passed, 1 failed\n"), "{printed}");
    }

    #[test]
    fn pristine_run_rejects_a_solved_exercise() {
        let fake = with_servers();
        let exercise = "exercises/01_clones/01_round_robin";
        fake.file(
            &format!("{exercise}/exercise.toml"),
            "id = 'round_robin'\ntitle = 'x'\nminutes = 20\npage = 'x.md#x'\nservices = []\n",
        );
        fake.file(&format!("{exercise}/src/lib.rs"), "// solved");
        fake.file("solutions/01_clones/01_round_robin/ANSWER.md", "");
        let printed_with = |pristine| {
            let options = TestOptions {
                pristine,
                ..TestOptions::default()
            };
            run(&options, &fake).1
        };

        let reset = "`cargo workshop reset round_robin` restores the stub";
        let (printed, pristine) = (printed_with(false), printed_with(true));
        assert!(!printed.contains(reset), "{printed}");
        assert!(pristine.contains(reset), "{pristine}");
    }

    #[test]
    fn without_docker_no_test_runs() {
        let fake = FakeMachine::new();
        fake.program("cargo", PASSED_RUN);

        let (summary, printed) = run_with(&fake, &[]);

        assert!(!summary.is_success());
        assert!(printed.contains("Docker is not installed"), "{printed}");
        assert!(printed.ends_with("\n0 passed, 1 failed\n"), "{printed}");
        assert!(
            fake.calls().is_empty(),
            "cargo ran before the check for Docker"
        );
    }
}
