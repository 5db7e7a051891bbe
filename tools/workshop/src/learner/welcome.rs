//! `cargo workshop` without a subcommand: the learner's position and the next step.

use std::io::{self, Write};

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use crate::terminal::text;

const COMMANDS: &str = "
Commands to type after `cargo workshop`:
  check   test the current exercise      watch   test it after every save
  hint    the next of three hints        diff    your solution and ours
  skip    go on without this exercise    reset   start it again, with a backup
  list    all exercises                  book    read the book in a browser
  test    every test of the repository   doctor  what this machine lacks";

/// What a learner reads who has no open exercise.
pub(super) fn nothing_open(list: &ExerciseList, progress: &Progress) -> &'static str {
    if list.solved_count(progress) == list.exercises.len() {
        "You have solved all exercises. `cargo run -p ch05-full` runs the complete system.\n\
         `cargo workshop reset ID` lets you solve an exercise again."
    } else {
        "Only skipped exercises are left. `cargo workshop list` shows them, and\n\
         `cargo workshop check ID` continues with one."
    }
}

/// Prints the learner's position.
pub fn welcome(app: &App, output: &mut impl Write) -> anyhow::Result<()> {
    let (list, progress) = app.load()?;
    if progress.is_empty() {
        return first_steps(app, &list, output);
    }

    writeln!(output, "{}\n", app.solved_count(&list, &progress))?;
    if let Ok(exercise) = list.select(None, &app.current_dir, &progress) {
        current_exercise(app, exercise, &progress, output)?;
        // In the folder of a solved exercise, the learner may want the next one.
        if progress.of(&exercise.id).state == State::Solved
            && let Some(next) = list.first_open(&progress)
        {
            let (title, file) = (&next.title, app.display_path(&next.source_file()));
            writeln!(output, "         then {title}, in {file}")?;
        }
        writeln!(output, "{COMMANDS}")?;
    } else {
        writeln!(output, "{}", nothing_open(&list, &progress))?;
    }
    Ok(())
}

fn first_steps(app: &App, list: &ExerciseList, output: &mut impl Write) -> anyhow::Result<()> {
    let first = &list.exercises[0];
    let title = app.styles().bold("The scalability workshop");
    let count = text::count(list.exercises.len(), "exercise");
    let minutes = text::minutes(list.total_minutes());
    let (page, file) = (first.page_link(), app.display_path(&first.source_file()));
    writeln!(
        output,
        "{title}: {count}, {minutes}. Start like this:

1  cargo workshop doctor   checks whether this machine has what you need
2  read {page}, then edit {file}
3  cargo workshop check    runs the tests: they fail at first, and pass when you are done

`cargo workshop --help` lists the other commands."
    )?;
    Ok(())
}

fn current_exercise(
    app: &App,
    exercise: &Exercise,
    progress: &Progress,
    output: &mut impl Write,
) -> io::Result<()> {
    let title = app.styles().bold(&exercise.title);
    let (id, minutes) = (&exercise.id, text::minutes(exercise.minutes));
    let page = exercise.page_link();
    let file = app.display_path(&exercise.source_file());
    let progress = progress.of(id);
    let next = match (progress.state, progress.hints) {
        (State::Solved, _) => "it is solved: `cargo workshop diff` compares it with our solution",
        (State::NotStarted, _) => "read the page, open the file, then run `cargo workshop check`",
        (_, 0) => {
            "edit the file, then run `cargo workshop check`; `cargo workshop hint` gives a hint"
        }
        _ => "edit the file, then run `cargo workshop check`",
    };
    writeln!(
        output,
        "Current  {title} ({id}, {minutes})\n         page {page}\n         file {file}\n\
         Next     {next}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;
    use crate::learner::{assert_contains, printed};

    fn welcome_text(checkout: &TempCheckout) -> String {
        printed(|output| welcome(&checkout.app(), output))
    }

    #[test]
    fn new_learner_sees_three_steps() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);
        assert_eq!(
            welcome_text(&checkout),
            "The scalability workshop: 2 exercises, 20 minutes. Start like this:\n\
             \n\
             1  cargo workshop doctor   checks whether this machine has what you need\n\
             2  read book/src/page.md, then edit exercises/01_chapter/01_first/src/lib.rs\n\
             3  cargo workshop check    runs the tests: they fail at first, and pass when you are done\n\
             \n\
             `cargo workshop --help` lists the other commands.\n"
        );
    }

    #[test]
    fn started_learner_sees_the_current_exercise() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);
        checkout.write(".workshop/progress", "first solved\n");

        let printed = welcome_text(&checkout);

        let expected = "██████████░░░░░░░░░░  1 of 2 exercises solved\n\n\
                         Current  About second (second, 10 minutes)\n         page book/src/page.md\n         \
                         file exercises/01_chapter/02_second/src/lib.rs\nNext     read the page";
        assert!(printed.starts_with(expected), "{printed}");
    }

    #[test]
    fn skipped_exercises_are_not_the_end() {
        let checkout = TempCheckout::with_exercises(&["first", "second"]);
        checkout.write(".workshop/progress", "first solved\nsecond skipped\n");
        assert_contains(&welcome_text(&checkout), "Only skipped exercises are left.");

        checkout.write(".workshop/progress", "first solved\nsecond solved\n");
        assert_contains(&welcome_text(&checkout), "You have solved all exercises.");
    }
}
