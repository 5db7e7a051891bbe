//! `cargo workshop skip`: continues without an exercise.
//!
//! A skipped exercise stays in the list, and `check` can still solve it.

use std::io::{self, Write};
use std::process::ExitCode;

use super::ExerciseArgument;
use crate::app::App;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};

/// Skips one exercise.
pub fn run(argument: &ExerciseArgument) -> anyhow::Result<ExitCode> {
    skip(&App::detect(), argument, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn skip(app: &App, argument: &ExerciseArgument, output: &mut impl Write) -> anyhow::Result<()> {
    let repository = &app.repository;
    let list = ExerciseList::load(repository)?;
    let progress = Progress::load(repository)?;
    let exercise = list.select(argument.exercise.as_deref(), &app.current_dir, &progress)?;
    if progress.of(&exercise.id).state == State::Solved {
        writeln!(
            output,
            "{} is solved already, so it was not skipped.",
            exercise.title
        )?;
        return Ok(());
    }
    let progress = Progress::update(repository, &exercise.id, |exercise| {
        exercise.state = State::Skipped;
    })?;
    writeln!(
        output,
        "{} is skipped; `cargo workshop check {}` continues with it.",
        exercise.title, exercise.id
    )?;
    match list.first_open(&progress) {
        Some(next) => writeln!(
            output,
            "Next: {}, in {}",
            next.title,
            repository.display_path(&next.source_file())
        )?,
        None => writeln!(output, "No open exercise is left.")?,
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    fn run_skip(checkout: &TempCheckout) -> String {
        let mut output = Vec::new();
        skip(&checkout.app(), &ExerciseArgument::default(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn skipped_exercise_is_not_current() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);

        let printed = run_skip(&checkout);
        assert!(printed.starts_with("About first is skipped"), "{printed}");
        assert!(
            printed.ends_with("Next: About second, in exercises/01_chapter/02_second/src/lib.rs\n"),
            "{printed}"
        );

        assert!(run_skip(&checkout).ends_with("No open exercise is left.\n"));
        assert_eq!(
            checkout.text(".workshop/progress"),
            "first skipped\nsecond skipped\n"
        );
    }

    #[test]
    fn solved_exercise_stays_solved() {
        let checkout = TempCheckout::with_exercises(&["first"]);
        checkout.write(".workshop/progress", "first solved\n");
        let argument = ExerciseArgument {
            exercise: Some("first".to_owned()),
        };

        skip(&checkout.app(), &argument, &mut Vec::new()).unwrap();

        assert_eq!(checkout.text(".workshop/progress"), "first solved\n");
    }
}
