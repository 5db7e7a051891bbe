//! `cargo workshop verify`: verifies exercises, for authors and for CI.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{VerifyCounts, VerifyOptions, find_folders, verify};
use crate::app::{App, exit_code};
use crate::exercises::exercise::{Exercise, ExerciseFolder};
use crate::exercises::exercise_list::suggestion;
use crate::setup::test_servers;

/// The arguments of `cargo workshop verify`.
#[derive(Debug, Default, clap::Args)]
pub struct VerifyArguments {
    /// Only these exercises, by their ids. The default is all
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Fails if a learner's file in exercises/ differs from the stub
    #[arg(long)]
    pristine: bool,
}

/// Verifies. The exit code is 0 only if there is an exercise and all are proved.
pub fn run(arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let app = App::detect();
    let (mut output, mut messages) = (io::stdout(), io::stderr());
    let folders = select(&app, &arguments.ids)?;
    if folders.iter().any(|folder| needs_servers(&app, folder)) {
        test_servers::start_servers(&app.machine, &mut messages)?;
    }
    let options = VerifyOptions {
        folders,
        is_pristine: arguments.pristine,
    };
    let counts = verify(&app, &options, &mut output, &mut messages)?;
    writeln!(output, "{} proved, {} failed", counts.proved, counts.failed)?;
    output.flush()?;
    Ok(exit_code(counts.is_success()))
}

/// Verifies all exercises for `cargo workshop test`, which has started the servers.
pub fn verify_all(
    app: &App,
    is_pristine: bool,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<VerifyCounts> {
    let options = VerifyOptions {
        folders: find_folders(&app.repository)?,
        is_pristine,
    };
    verify(app, &options, output, messages)
}

fn select(app: &App, ids: &[String]) -> anyhow::Result<Vec<ExerciseFolder>> {
    let all = find_folders(&app.repository)?;
    let all_ids: Vec<&str> = all.iter().map(ExerciseFolder::id).collect();
    if let Some(id) = ids.iter().find(|id| !all_ids.contains(&id.as_str())) {
        anyhow::bail!("there is no exercise `{id}`. {}", suggestion(id, &all_ids));
    }
    let is_selected =
        |folder: &ExerciseFolder| ids.is_empty() || ids.iter().any(|id| id == folder.id());
    Ok(all.into_iter().filter(is_selected).collect())
}

/// An unreadable description needs no server. The verification reports it.
fn needs_servers(app: &App, folder: &ExerciseFolder) -> bool {
    Exercise::read(&app.repository, folder).is_ok_and(|exercise| !exercise.services.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    #[test]
    fn exercises_are_selected_by_id() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);
        let selected = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            select(&checkout.app(), &ids).map(|folders| {
                folders
                    .iter()
                    .map(|folder| folder.id().to_owned())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(selected(&[]).unwrap(), ["first", "second"]);
        assert_eq!(selected(&["second"]).unwrap(), ["second"]);
        assert!(
            selected(&["secnd"])
                .unwrap_err()
                .to_string()
                .ends_with("Did you mean `second`?")
        );
    }
}
