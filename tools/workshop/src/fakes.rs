//! Stands in for a whole machine in tests: [`Fakes`] is a folder with programs that are short shell scripts, and no other program is found.
//!
//! A script runs in this folder, so that it can leave a file behind (`: > running`) and look for it (`[ -e running ]`). Every call is
//! noted. Left out: Windows, which has no such scripts.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::colour::Colour;
use crate::machine::Machine;

/// A folder of its own, removed in the end.
pub struct Fakes {
    folder: TempDir,
}

/// What the client says where no engine runs, and what it says where one does. The file `running` tells which.
pub const DOCKER: &str = r#"
[ -e running ] || { echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1; }
case "$1" in
version) echo 20.10.24;;
image) [ ! -e images ] || printf 'workshop/rabbitmq:4.0\nworkshop/postgres:17\nmemcached:1.6\nredis:8.0\n';;
esac"#;

impl Fakes {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Fakes { folder }
    }

    /// A machine that has these programs and files only.
    pub fn machine(&self) -> Machine {
        Machine {
            path: self.folder.path().join("bin").into(),
            root: self.folder.path().to_owned(),
            cargo: self.folder.path().join("bin/cargo").into(),
            os: "linux",
            // No test waits that long, unless it has failed.
            patience: Duration::from_mins(1),
            start_patience: Duration::from_mins(1),
            colour: Colour::default(),
            docker_host: None,
        }
    }

    /// Adds a program.
    pub fn program(&self, name: &str, script: &str) {
        self.executable(&format!("bin/{name}"), script);
    }

    /// Puts a program into a package, which a fake `apt-get` may install.
    pub fn package(&self, package: &str, name: &str, script: &str) {
        fs::create_dir_all(self.folder.path().join("packages").join(package)).unwrap();
        self.executable(&format!("packages/{package}/{name}"), script);
    }

    fn executable(&self, path: &str, script: &str) {
        let folder = self.folder.path().display();
        let text = format!("#!/bin/sh\ncd '{folder}'\necho \"${{0##*/}} $*\" >> calls\n{script}\n");
        // The shell writes it, and not we: a test on another thread that starts a program at this moment would hand our open file down to
        // it, and Linux does not run a program that somebody holds open for writing.
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"])
            .arg(self.folder.path().join(path))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(shell.wait().unwrap().success());
    }

    /// Adds a file, by its absolute path.
    pub fn file(&self, path: &str, text: &str) {
        let file = self.machine().file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Removes a file of this folder.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    /// Makes it a Debian where we are root, so that it can be repaired.
    pub fn debian(&self) {
        self.file("/etc/os-release", "ID=debian\n");
        self.program("id", "echo 0");
        self.program("apt-get", "");
    }

    /// All programs that have been run since the last look, with their arguments.
    pub fn calls(&self) -> Vec<String> {
        let file = self.folder.path().join("calls");
        let calls = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        calls
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}
