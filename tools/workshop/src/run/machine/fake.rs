//! A test double for a whole machine: [`FakeMachine`] is a folder with shell scripts as programs.
//!
//! No other program is found. A script runs in this folder, so it can create a file
//! (`: > running`) and look for it (`[ -e running ]`). Every call is recorded. Windows is left
//! out, because it has no such scripts.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::Machine;
use crate::terminal::colour::ColourSupport;

/// A temporary folder that plays the role of a machine.
pub struct FakeMachine {
    dir: TempDir,
}

/// A `docker` program. The engine runs if the file `running` exists, and the images are present if
/// the file `images` exists.
pub const DOCKER_SCRIPT: &str = r#"
if [ ! -e running ]; then
  echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' >&2
  exit 1
fi
case "$1" in
version) echo 20.10.24;;
image)
  [ ! -e images ] ||
    printf 'workshop/rabbitmq:4.0\nworkshop/postgres:17\nmemcached:1.6\nredis:8.0\n'
  ;;
esac"#;

impl FakeMachine {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        FakeMachine { dir }
    }

    /// A machine that has only these programs and files.
    pub fn machine(&self) -> Machine {
        Machine {
            search_path: self.dir.path().join("bin").into(),
            root: self.dir.path().to_owned(),
            cargo: self.dir.path().join("bin/cargo").into(),
            os: "linux",
            // Only a failing test waits so long.
            command_timeout: Duration::from_mins(1),
            docker_start_timeout: Duration::from_mins(1),
            colour: ColourSupport::default(),
            is_terminal: false,
            docker_host: None,
        }
    }

    /// Adds a program.
    pub fn program(&self, name: &str, script: &str) {
        self.write_script(&format!("bin/{name}"), script);
    }

    /// Adds a program to a package, which a fake `apt-get` may install.
    pub fn package(&self, package: &str, name: &str, script: &str) {
        fs::create_dir_all(self.dir.path().join("packages").join(package)).unwrap();
        self.write_script(&format!("packages/{package}/{name}"), script);
    }

    fn write_script(&self, path: &str, script: &str) {
        let dir = self.dir.path().display();
        let text = format!("#!/bin/sh\ncd '{dir}'\necho \"${{0##*/}} $*\" >> calls\n{script}\n");
        // A shell writes the file. If this process wrote it, a program that another test starts at
        // this moment would inherit the open file, and Linux does not run a file that is open for
        // writing.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"])
            .arg(self.dir.path().join(path))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        assert!(shell.wait().unwrap().success());
    }

    /// Adds a file, by its absolute path on this machine.
    pub fn file(&self, path: &str, text: &str) {
        let file = self.machine().path_of(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.dir.path().join(path)).unwrap();
    }

    /// Makes this machine a Debian where the user is root.
    pub fn debian(&self) {
        self.file("/etc/os-release", "ID=debian\n");
        self.program("id", "echo 0");
        self.program("apt-get", "");
    }

    /// The programs that ran since the last call of this function, with their arguments.
    pub fn calls(&self) -> Vec<String> {
        let file = self.dir.path().join("calls");
        let calls = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        let lines = calls.lines().map(|line| line.trim_end().to_owned());
        lines.collect()
    }
}
