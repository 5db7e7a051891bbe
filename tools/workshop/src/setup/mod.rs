//! Prepares this machine: finds out what is missing, installs it, and starts the servers.
//!
//! [`doctor`] and [`server_commands`] are commands. [`test_servers`] prepares a run of tests.

pub mod docker;
pub mod docker_engine;
pub mod doctor;
pub mod images;
pub mod install;
pub mod logged_command;
pub mod next_step;
pub mod operating_system;
pub mod requirements;
pub mod server_commands;
pub mod test_servers;

/// What a function prints if it succeeds, else its error.
#[cfg(all(test, unix))]
fn printed<T>(run: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<T>) -> Result<String, String> {
    let mut output = Vec::new();
    match run(&mut output) {
        Ok(_) => Ok(String::from_utf8(output).unwrap()),
        Err(error) => Err(format!("{error:#}")),
    }
}
