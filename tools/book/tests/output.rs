//! Tests of `book output`, on a book whose sessions are recorded from small programs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A book with these sessions.
struct Fixture(TempDir);

impl Fixture {
    fn new(sessions: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("book/src/sessions")).unwrap();
        fs::write(folder.path().join("book/sessions.toml"), sessions).unwrap();
        Fixture(folder)
    }

    fn session(&self, file: &str) -> PathBuf {
        self.0.path().join("book/src/sessions").join(file)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.session(file)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_book"));
        command
            .arg("output")
            .arg("--book")
            .arg(self.0.path().join("book"))
            .args(arguments);
        command
    }

    /// Whether the command succeeded, and its standard output and standard error.
    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command(arguments).output().unwrap();
        let output_text =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.success(), output_text)
    }
}

const VERSION: &str = "[[session]]\nfile = 'version.txt'\ncommand = 'cargo --version'\n";

#[test]
fn written_session_passes_the_check() {
    let fixture = Fixture::new(VERSION);

    let (succeeded, output_text) = fixture.run(&[]);
    assert!(
        succeeded && output_text.contains("version.txt: written"),
        "{output_text}"
    );
    let text = fixture.read("version.txt");
    assert!(text.starts_with("$ cargo --version\ncargo 1."), "{text}");

    for arguments in [["--check"].as_slice(), &[]] {
        let (succeeded, output_text) = fixture.run(arguments);
        assert!(
            succeeded && output_text.contains("version.txt: unchanged"),
            "{output_text}"
        );
    }
    assert_eq!(fixture.read("version.txt"), text);
}

#[test]
fn changed_session_fails_the_check_with_diff() {
    let fixture = Fixture::new(VERSION);
    fs::write(
        fixture.session("version.txt"),
        "$ cargo --version\ncargo 0.1\n",
    )
    .unwrap();

    let (succeeded, output_text) = fixture.run(&["--check"]);

    assert!(!succeeded, "{output_text}");
    assert!(
        output_text.contains("\n $ cargo --version\n-cargo 0.1\n+cargo 1."),
        "{output_text}"
    );
    assert!(
        output_text.contains("`cargo run -p book -- output version` updates it"),
        "{output_text}"
    );
    assert_eq!(
        fixture.read("version.txt"),
        "$ cargo --version\ncargo 0.1\n",
        "a check writes nothing"
    );
}

#[test]
fn missing_session_fails_the_check() {
    let (succeeded, output_text) = Fixture::new(VERSION).run(&["--check"]);

    assert!(
        !succeeded && output_text.contains("+$ cargo --version"),
        "{output_text}"
    );
}

#[test]
fn numbers_of_measured_session_are_not_compared() {
    let fixture = Fixture::new(&format!("{VERSION}measured = true\n"));
    fixture.run(&[]);
    let text = fixture.read("version.txt");
    let other = text.replace("cargo 1.", "cargo 987.");
    fs::write(fixture.session("version.txt"), &other).unwrap();

    let (succeeded, output_text) = fixture.run(&["--check"]);
    assert!(succeeded, "{output_text}");
    assert_eq!(fixture.read("version.txt"), other);

    fixture.run(&[]);
    assert_eq!(fixture.read("version.txt"), text);
}

#[test]
fn failed_command_does_not_stop_the_others() {
    let bad = "[[session]]\nfile = 'bad.txt'\ncommand = 'cargo no-such-command'\n";
    let fixture = Fixture::new(&format!("{bad}{VERSION}"));

    let (succeeded, output_text) = fixture.run(&[]);

    assert!(!succeeded, "{output_text}");
    assert!(
        output_text.contains("bad.txt: `cargo no-such-command` failed (exit "),
        "{output_text}"
    );
    assert!(
        output_text.contains("version.txt: written")
            && output_text.contains("1 of 2 sessions failed"),
        "{output_text}"
    );
    assert!(
        !fixture.session("bad.txt").exists(),
        "the output of a failed command must not be written"
    );
}

#[test]
fn missing_program_is_named_in_the_error() {
    let fixture =
        Fixture::new("[[session]]\nfile = 'a.txt'\ncommand = 'no-such-program-anywhere --now'\n");

    let (succeeded, output_text) = fixture.run(&[]);

    assert!(
        !succeeded && output_text.contains("a.txt: cannot start `no-such-program-anywhere`"),
        "{output_text}"
    );
}

#[test]
fn unknown_name_is_rejected_with_the_list() {
    let (succeeded, output_text) = Fixture::new(VERSION).run(&["versoin"]);

    assert!(!succeeded, "{output_text}");
    assert!(
        output_text.contains("no session `versoin`") && output_text.contains("version"),
        "{output_text}"
    );
}

#[test]
fn only_named_sessions_are_recorded() {
    let fixture = Fixture::new(&format!(
        "{VERSION}[[session]]\nfile = 'help.txt'\ncommand = 'cargo --help'\n"
    ));

    assert!(fixture.run(&["version.txt"]).0);

    assert!(fixture.session("version.txt").exists() && !fixture.session("help.txt").exists());
}

#[test]
fn replacements_apply_before_the_write() {
    let fixture = Fixture::new(&format!(
        "{VERSION}replace = [{{ pattern = 'cargo [0-9].*', with = 'cargo X' }}]\n"
    ));

    fixture.run(&[]);

    assert_eq!(fixture.read("version.txt"), "$ cargo --version\ncargo X\n");
}

#[cfg(unix)]
mod on_unix {
    use std::io::{BufRead, BufReader};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn hanging_command_is_ended() {
        let fixture = Fixture::new(
            "[[session]]\nfile = 'a.txt'\ncommand = 'sleep 1000'\nlimit_seconds = 1\n",
        );

        let (succeeded, output_text) = fixture.run(&[]);

        assert!(
            !succeeded
                && output_text
                    .contains("a.txt: `sleep 1000` was still running after 1 s and was ended"),
            "{output_text}"
        );
    }

    #[test]
    fn missing_docker_is_a_clear_error() {
        let fixture = Fixture::new(&format!("{VERSION}needs = 'docker'\n"));

        let output = fixture
            .command(&["--check"])
            .env("DOCKER_HOST", "tcp://127.0.0.1:1")
            .output()
            .unwrap();

        let output_text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{output_text}");
        assert!(
            output_text.contains("version.txt: this session needs Docker, which does not answer; `cargo workshop doctor`"),
            "{output_text}"
        );
    }

    #[test]
    fn session_of_a_test_is_not_written() {
        let script = "[ -z \"$RENEW\" ] || echo new > book/src/sessions/a.txt; grep -q new book/src/sessions/a.txt";
        let fixture = Fixture::new(&format!(
            "[[session]]\nfile = 'a.txt'\ncommand = '''sh -c '{script}' '''\nwritten_if = 'RENEW'\n"
        ));
        fs::write(fixture.session("a.txt"), "old\n").unwrap();

        assert!(
            !fixture.run(&["--check"]).0,
            "without the variable, the test must compare and fail"
        );
        assert_eq!(fixture.read("a.txt"), "old\n");
        let (succeeded, output_text) = fixture.run(&[]);
        assert!(
            succeeded && output_text.contains("a.txt: written"),
            "{output_text}"
        );
        assert!(fixture.run(&["--check"]).0);
    }

    /// The terminal's Ctrl-C does not reach the command's own process group.
    #[test]
    fn ctrl_c_ends_command_and_starts_no_other() {
        let hangs =
            "[[session]]\nfile = 'a.txt'\ncommand = 'sh -c \"echo $$ >&2; exec sleep 1000\"'\n";
        let fixture = Fixture::new(&format!("{hangs}{VERSION}"));
        let mut command = fixture.command(&[]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let pid = lines
            .find(|line| line.parse::<u32>().is_ok())
            .expect("the command prints its process id");

        let interrupted = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(interrupted.success());

        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success());
        assert!(
            output.stdout.is_empty(),
            "Ctrl-C must not start the next session: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        let is_there = || {
            Command::new("kill")
                .args(["-0", &pid])
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while is_there() {
            assert!(
                Instant::now() < deadline,
                "process {pid} outlived the command that started it"
            );
        }
        assert!(
            !fixture.session("version.txt").exists(),
            "Ctrl-C must not record the next session"
        );
    }
}
