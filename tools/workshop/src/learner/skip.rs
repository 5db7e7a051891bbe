//! `cargo workshop skip`: continues without an exercise, or without all that come before one.
//!
//! A skipped exercise stays in the list, and `check` can still solve it.

use std::io::Write;

use super::ExerciseArgument;
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::progress::{Progress, State};

/// The arguments of `cargo workshop skip`.
#[derive(Debug, Default, clap::Args)]
pub struct SkipOptions {
    #[command(flatten)]
    argument: ExerciseArgument,
    /// Skips every open exercise before this one, for example because you know the earlier ideas
    #[arg(long, value_name = "ID", conflicts_with = "exercise")]
    before: Option<String>,
}

/// Skips exercises.
pub fn skip(app: &App, options: &SkipOptions, output: &mut impl Write) -> anyhow::Result<()> {
    let Some(before) = &options.before else {
        let (exercise, _) = app.select(options.argument.name())?;
        return skip_one(app, &exercise, output);
    };
    let (list, progress) = app.load()?;
    let end = list.find(before)?;
    let earlier = list.exercises.iter().take_while(|it| it.id != end.id);
    for exercise in earlier {
        let state = progress.of(&exercise.id).state;
        if matches!(state, State::NotStarted | State::Started) {
            mark(app, exercise, output)?;
        }
    }
    print_next(app, output)
}

/// Skips one exercise, unless it is solved.
pub(super) fn skip_one(
    app: &App,
    exercise: &Exercise,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let progress = Progress::load(&app.repository)?;
    if progress.of(&exercise.id).state == State::Solved {
        let title = &exercise.title;
        writeln!(output, "{title} is solved already, so it was not skipped.")?;
        return Ok(());
    }
    mark(app, exercise, output)?;
    print_next(app, output)
}

fn mark(app: &App, exercise: &Exercise, output: &mut impl Write) -> anyhow::Result<()> {
    Progress::update(&app.repository, &exercise.id, |exercise| {
        exercise.state = State::Skipped;
    })?;
    let (title, id) = (&exercise.title, &exercise.id);
    writeln!(
        output,
        "{title} is skipped; `cargo workshop check {id}` continues with it."
    )?;
    Ok(())
}

fn print_next(app: &App, output: &mut impl Write) -> anyhow::Result<()> {
    let (list, progress) = app.load()?;
    match list.first_open(&progress) {
        Some(next) => {
            let file = app.display_path(&next.source_file());
            writeln!(output, "Next: {}, in {file}", next.title)?;
        }
        None => writeln!(output, "No open exercise is left.")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    fn run_skip(checkout: &TempCheckout) -> String {
        let mut output = Vec::new();
        skip(&checkout.app(), &SkipOptions::default(), &mut output).unwrap();
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
        let checkout = TempCheckout::with_exercises(&["first", "second", "third"]);
        checkout.write(".workshop/progress", "first solved\n");
        let mut options = SkipOptions::default();

        options.argument.exercise = Some("first".to_owned());
        skip(&checkout.app(), &options, &mut Vec::new()).unwrap();
        assert_eq!(checkout.text(".workshop/progress"), "first solved\n");

        options.before = Some("third".to_owned());
        skip(&checkout.app(), &options, &mut Vec::new()).unwrap();
        assert_eq!(
            checkout.text(".workshop/progress"),
            "first solved\nsecond skipped\n"
        );
    }
}
