//! Starts programs that end together with this one: [`ChildGroup`].
//!
//! Each program has a process group of its own, which contains the processes that it starts. So
//! Ctrl-C and `kill` reach only this process, and it passes the signal on.

use std::io;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The process groups that run now.
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running program and the processes that it started. Dropping this kills them.
#[derive(Debug)]
pub struct ChildGroup(Child);

impl ChildGroup {
    /// Starts a program.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        {
            signals::install_handler();
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
        // Locked until the program is in the list, so that no signal misses it.
        let mut running = running();
        let child = command.spawn()?;
        running.push(child.id());
        Ok(ChildGroup(child))
    }
}

impl Deref for ChildGroup {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for ChildGroup {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            #[cfg(unix)]
            signals::send(self.0.id(), rustix::process::Signal::KILL);
            // Without process groups, only the program itself ends.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
        running().retain(|id| *id != self.0.id());
    }
}

#[cfg(unix)]
mod signals {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::Once;
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::low_level;

    fn group(id: u32) -> Option<Pid> {
        Pid::from_raw(id.cast_signed())
    }

    /// Sends a signal to a process group. A group that has ended needs none.
    pub(super) fn send(id: u32, signal: Signal) {
        let _ = group(id).map(|group| kill_process_group(group, signal));
    }

    /// From now on, a signal that ends this process ends the running groups first.
    pub(super) fn install_handler() {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
                let Ok((mut reader, writer)) = UnixStream::pair() else {
                    continue;
                };
                if low_level::pipe::register(signal, writer).is_ok() {
                    thread::spawn(move || {
                        let _ = reader.read(&mut [0]);
                        // Stays locked: the main thread starts nothing and reports no failure.
                        let running = super::running();
                        end_groups(&running);
                        let _ = low_level::emulate_default_handler(signal);
                    });
                }
            }
        });
    }

    /// Asks all groups to end, and kills those that still run a second later.
    fn end_groups(running: &[u32]) {
        let send_all = |signal| {
            for id in running {
                send(*id, signal);
            }
        };
        send_all(Signal::TERM);
        let is_running =
            |id: &u32| group(*id).is_some_and(|it| test_kill_process_group(it).is_ok());
        for _ in 0..50 {
            if !running.iter().any(is_running) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        send_all(Signal::KILL);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::env;
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;
    use std::process::Stdio;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    const PIPE: &str = "WORKSHOP_CHILD_GROUP_TEST";

    /// The child process of the test below, which waits for a grandchild and a great-grandchild.
    #[test]
    fn child_process() {
        if let Ok(pipe) = env::var(PIPE) {
            let script = format!("exec 3>'{pipe}'; sleep 600 & trap '' TERM; wait; wait");
            let mut group = ChildGroup::spawn(Command::new("sh").args(["-c", &script])).unwrap();
            group.wait().unwrap();
        }
    }

    fn make_pipe(path: &Path) {
        let status = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(status.success());
    }

    /// The pipe ends when no process is left that could write to it.
    fn assert_all_end(mut pipe: File) {
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(pipe.read_to_end(&mut Vec::new())));
        let end = ended.recv_timeout(Duration::from_mins(1));
        end.expect("a process that the child started still runs")
            .unwrap();
    }

    #[test]
    fn signals_end_all_descendants() {
        for signal in [Signal::TERM, Signal::INT] {
            let dir = tempfile::tempdir().unwrap();
            let pipe = dir.path().join("pipe");
            make_pipe(&pipe);
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "run::child_group::tests::child_process"])
                .env(PIPE, &pipe)
                // The reader of this binary's output must not count the child's tests.
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            // Waits until the grandchild opens the pipe.
            let reader = File::open(&pipe).unwrap();

            kill_process(Pid::from_child(&child), signal).unwrap();

            assert_all_end(reader);
            assert!(!child.wait().unwrap().success());
        }
    }

    #[test]
    fn dropped_group_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        make_pipe(&pipe);
        let script = format!("exec 3>'{}'; sleep 600", pipe.display());
        let group = ChildGroup::spawn(Command::new("sh").args(["-c", &script])).unwrap();
        let reader = File::open(&pipe).unwrap();

        drop(group);

        assert_all_end(reader);
    }
}
