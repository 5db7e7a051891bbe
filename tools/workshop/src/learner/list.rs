//! `cargo workshop list`: all exercises, and the learner's progress in each.

use std::io::Write;

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::progress::{ExerciseProgress, State};
use crate::terminal::style::Styles;
use crate::terminal::text;

/// Prints the list.
pub fn list(app: &App, output: &mut impl Write) -> anyhow::Result<()> {
    let (list, progress) = app.load()?;
    let styles = app.styles();
    let current = list.first_open(&progress).map(|exercise| &exercise.id);
    let column_width = |text: fn(&Exercise) -> &str| {
        let widths = list.exercises.iter().map(|it| text(it).chars().count());
        widths.max().unwrap_or_default()
    };
    let id_width = column_width(|exercise| &exercise.id);
    let title_width = column_width(|exercise| &exercise.title);

    let mut chapter = "";
    for exercise in &list.exercises {
        if chapter != exercise.folder.chapter {
            chapter = &exercise.folder.chapter;
            writeln!(output, "{}", styles.bold(chapter))?;
        }
        let exercise_progress = progress.of(&exercise.id);
        let is_current = current == Some(&exercise.id);
        let line = format!(
            "  {} {:id_width$}  {:title_width$}  {:>3} min  {}",
            mark(exercise_progress, is_current, styles),
            exercise.id,
            exercise.title,
            exercise.minutes,
            describe(exercise_progress)
        );
        writeln!(output, "{}", line.trim_end())?;
    }

    let solved = app.solved_count(&list, &progress);
    let minutes = text::minutes(list.total_minutes());
    let legend = styles.dim("✓ solved   ✗ fails now   ▸ current   · started   – skipped");
    writeln!(output, "\n{solved}, {minutes} in total\n{legend}")?;
    Ok(())
}

fn mark(progress: ExerciseProgress, is_current: bool, styles: Styles) -> String {
    match progress.state {
        State::Solved if progress.is_failing => styles.error("✗"),
        State::Solved => styles.success("✓"),
        State::Skipped => styles.dim("–"),
        _ if is_current => styles.bold("▸"),
        State::Started => "·".to_owned(),
        State::NotStarted => " ".to_owned(),
    }
}

fn describe(progress: ExerciseProgress) -> String {
    let state = match progress.state {
        State::NotStarted => "",
        State::Started => "started",
        State::Solved if progress.is_failing => "solved, but its last check failed",
        State::Solved => "solved",
        State::Skipped => "skipped",
    };
    match progress.hints {
        0 => state.to_owned(),
        hints => format!("{state}, {}", text::count(hints, "hint")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;
    use crate::learner::printed;

    #[test]
    fn every_exercise_is_listed_with_its_state() {
        let checkout =
            TempCheckout::with_exercises(&["first", "second", "third", "longest_of_all", "red"]);
        checkout.write(
            ".workshop/progress",
            "first solved hints=1\nsecond skipped\nlongest_of_all started hints=3\nred solved failing\n",
        );

        assert_eq!(
            printed(|output| list(&checkout.app(), output)),
            "01_chapter\n  \
               ✓ first           About first            10 min  solved, 1 hint\n  \
               – second          About second           10 min  skipped\n  \
               ▸ third           About third            10 min\n  \
               · longest_of_all  About longest_of_all   10 min  started, 3 hints\n  \
               ✗ red             About red              10 min  solved, but its last check failed\n\
             \n\
             ████████░░░░░░░░░░░░  2 of 5 exercises solved, 50 minutes in total\n\
             ✓ solved   ✗ fails now   ▸ current   · started   – skipped\n"
        );
    }
}
