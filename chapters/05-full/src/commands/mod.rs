//! The subcommands of `ch05-full`.

pub mod inspect;
pub mod load;
mod progress;
pub mod role;
mod run_file;
pub mod serve;
