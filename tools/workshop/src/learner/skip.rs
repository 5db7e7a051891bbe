//! `cargo workshop skip`: continues without an exercise, or without all that come before one.
//!
//! A skipped exercise stays in the list, and `check` can still solve it.

use std::io::Write;

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::progress::{Progress, State};

/// Skips one exercise.
pub fn skip(app: &App, name: Option<&str>, output: &mut impl Write) -> anyhow::Result<()> {
    let (exercise, _) = app.select(name)?;
    skip_one(app, &exercise, output)
}

/// Skips every open exercise before this one.
pub fn skip_before(app: &App, name: &str, output: &mut impl Write) -> anyhow::Result<()> {
    let (list, progress) = app.load()?;
    let end = list.find(name)?;
    for exercise in list.exercises.iter().take_while(|it| it.id != end.id) {
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
    use crate::learner::printed;

    #[test]
    fn skipped_exercise_is_not_current() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);
        let run_skip = || printed(|output| skip(&checkout.app(), None, output));

        assert_eq!(
            run_skip(),
            "About first is skipped; `cargo workshop check first` continues with it.\n\
             Next: About second, in exercises/01_chapter/02_second/src/lib.rs\n"
        );
        assert!(run_skip().ends_with("No open exercise is left.\n"));
        let progress = "first skipped\nsecond skipped\n";
        assert_eq!(checkout.text(".workshop/progress"), progress);
    }

    #[test]
    fn solved_exercise_stays_solved() {
        let checkout = TempCheckout::with_exercises(&["first", "second", "third"]);
        checkout.write(".workshop/progress", "first solved\n");

        skip(&checkout.app(), Some("first"), &mut Vec::new()).unwrap();
        assert_eq!(checkout.text(".workshop/progress"), "first solved\n");

        skip_before(&checkout.app(), "third", &mut Vec::new()).unwrap();
        let progress = "first solved\nsecond skipped\n";
        assert_eq!(checkout.text(".workshop/progress"), progress);
    }
}
