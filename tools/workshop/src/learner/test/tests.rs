use super::*;

const PLAIN: ColourSupport = ColourSupport {
    stdout: false,
    stderr: false,
};
const COLOURED: ColourSupport = ColourSupport {
    stdout: true,
    stderr: true,
};

#[test]
fn default_members_exclude_the_exercises() {
    let arguments = cargo_arguments(&TestOptions::default(), PLAIN);
    assert_eq!(arguments, ["test", "--no-fail-fast"]);
}

#[test]
fn filtered_runs_skip_the_exercises() {
    let options = |packages: &[&str], arguments: &[&str]| TestOptions {
        packages: packages
            .iter()
            .map(|package| (*package).to_owned())
            .collect(),
        arguments: arguments.iter().map(Into::into).collect(),
        ..TestOptions::default()
    };
    assert!(options(&[], &[]).include_exercises());
    assert!(options(&[], &["--nocapture"]).include_exercises());
    assert!(!options(&[], &["shard"]).include_exercises());
    assert!(!options(&["ch03-cache"], &[]).include_exercises());
}

#[test]
fn packages_and_arguments_are_passed_to_cargo() {
    let options = TestOptions {
        packages: vec!["ch01-clones".into(), "ch02-database".into()],
        arguments: vec!["shard".into()],
        ..TestOptions::default()
    };
    assert_eq!(
        cargo_arguments(&options, COLOURED).join(" ".as_ref()),
        "test --no-fail-fast --package ch01-clones --package ch02-database --color always -- shard --color always"
    );
}

#[test]
fn color_argument_of_the_learner_wins() {
    let options = TestOptions {
        packages: vec![],
        arguments: vec!["--color=never".into()],
        ..TestOptions::default()
    };
    let arguments = cargo_arguments(&options, COLOURED);
    assert_eq!(arguments.last().unwrap(), "--color=never");
}

#[cfg(unix)]
mod with_fake_machine {
    use super::*;
    use crate::exercises::repository::Repository;
    use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};

    const PASSED_RUN: &str = "echo 'running 1 test'; \
        echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s'";

    fn run_with(fake: &FakeMachine, packages: &[&str]) -> (TestSummary, String) {
        let options = TestOptions {
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            arguments: vec![],
            ..TestOptions::default()
        };
        let machine = fake.machine();
        let root = machine.path_of("");
        let app = App {
            machine,
            repository: Repository::new(&root),
            current_dir: root.clone(),
            target_dir: root,
        };
        let mut printed = Vec::new();
        let summary = run_tests(&options, &app, &mut printed, &mut Vec::new()).unwrap();
        summary.print(&mut printed).unwrap();
        (summary, String::from_utf8(printed).unwrap())
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
        let fake = FakeMachine::new();
        fake.program("docker", DOCKER_SCRIPT);
        fake.file("running", "");
        fake.file("images", "");
        fake.program("cargo", &format!("[ $1 != test ] || {{ {PASSED_RUN}; }}"));

        let (summary, printed) = run_with(&fake, &["ch03-cache"]);

        assert!(summary.is_success(), "{printed}");
        let calls = fake.calls();
        let cargo: Vec<&str> = calls
            .iter()
            .filter_map(|call| call.strip_prefix("cargo "))
            .collect();
        assert_eq!(
            cargo,
            [
                "run --package testbed -- up",
                "test --no-fail-fast --package ch03-cache"
            ]
        );
    }

    #[test]
    fn unproved_exercise_is_a_failure() {
        let fake = FakeMachine::new();
        fake.program("docker", DOCKER_SCRIPT);
        fake.file("running", "");
        fake.file("images", "");
        fake.program("cargo", &format!("[ $1 != test ] || {{ {PASSED_RUN}; }}"));
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
