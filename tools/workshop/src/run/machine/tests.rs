use super::fake::FakeMachine;
use super::*;

#[test]
fn hanging_program_is_killed() {
    let fake = FakeMachine::new();
    fake.program("docker", "echo half an answer; exec /bin/sleep 600");
    let mut machine = fake.machine();
    machine.command_timeout = Duration::from_millis(50);

    let result = machine.run("docker", &["version"]);

    assert!(
        matches!(result, CommandResult::TimedOut),
        "the time limit had no effect: {result:?}"
    );
}

#[test]
fn long_output_is_captured_completely() {
    let fake = FakeMachine::new();
    fake.program(
        "docker",
        "i=0; while [ $i -lt 20000 ]; do echo image:tag; i=$((i+1)); done",
    );

    let stdout = fake
        .machine()
        .stdout_of("docker", &["image", "ls"])
        .unwrap();

    assert_eq!(stdout.lines().count(), 20_000);
}

#[test]
fn missing_program_is_not_found() {
    let machine = FakeMachine::new().machine();

    assert!(matches!(
        machine.run("docker", &[]),
        CommandResult::NotFound
    ));
    assert!(!machine.has_program("docker"));
}
