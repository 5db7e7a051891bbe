//! `cargo workshop list`: all exercises, and how far the learner is with each.
//!
//! Left out: what they are about, which the book's pages tell.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::paint::{self, Paint};
use crate::progress::{Entry, Progress, State};

/// Prints the list.
pub fn run() -> anyhow::Result<ExitCode> {
    list(&Desk::here(), &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(desk: &Desk, output: &mut impl Write) -> anyhow::Result<()> {
    let catalogue = Catalogue::load(&desk.repository)?;
    let progress = Progress::load(&desk.repository)?;
    let paint = desk.paint();
    let at_hand = catalogue
        .current(&progress)
        .map(|exercise| exercise.id.as_str());
    let widest = |text: fn(&crate::exercise::Exercise) -> &str| {
        let widths = catalogue
            .exercises
            .iter()
            .map(|exercise| text(exercise).chars().count());
        widths.max().unwrap_or_default()
    };
    let (id_width, title_width) = (
        widest(|exercise| &exercise.id),
        widest(|exercise| &exercise.title),
    );

    let mut chapter = "";
    for exercise in &catalogue.exercises {
        if chapter != exercise.place.chapter {
            chapter = &exercise.place.chapter;
            writeln!(output, "{}", paint.bold(chapter))?;
        }
        let entry = progress.entry(&exercise.id);
        let line = format!(
            "  {} {:id_width$}  {:title_width$}  {:>3} min  {}",
            mark(entry, at_hand == Some(&exercise.id), paint),
            exercise.id,
            exercise.title,
            exercise.minutes,
            state(entry)
        );
        writeln!(output, "{}", line.trim_end())?;
    }

    let (done, all) = (catalogue.solved(&progress), catalogue.exercises.len());
    let minutes = catalogue
        .exercises
        .iter()
        .map(|exercise| exercise.minutes)
        .sum();
    let all_minutes = paint::minutes(minutes);
    writeln!(
        output,
        "\n{}  {done} of {all} exercises solved, {all_minutes} in all",
        paint::bar(paint, done, all)
    )?;
    writeln!(
        output,
        "{}",
        paint.dim("✓ solved   ▸ at hand   · begun   – skipped")
    )?;
    output.flush()?;
    Ok(())
}

fn mark(entry: Entry, is_at_hand: bool, paint: Paint) -> String {
    match entry.state {
        State::Solved => paint.green("✓"),
        State::Skipped => paint.dim("–"),
        _ if is_at_hand => paint.bold("▸"),
        State::Started => "·".to_owned(),
        State::Fresh => " ".to_owned(),
    }
}

fn state(entry: Entry) -> String {
    let state = match entry.state {
        State::Fresh => "",
        State::Started => "begun",
        State::Solved => "solved",
        State::Skipped => "skipped",
    };
    match entry.hints {
        0 => state.to_owned(),
        hints => format!("{state}, {}", paint::count(hints, "hint")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn every_exercise_is_listed_with_what_is_known_of_it() {
        let folder = Folder::with_exercises(&["first", "second", "third", "longest_of_all"]);
        folder.write(
            ".workshop/progress",
            "first solved hints=1\nsecond skipped\nlongest_of_all started hints=3\n",
        );
        let mut output = Vec::new();

        list(&folder.desk(), &mut output).unwrap();

        assert_eq!(
            String::from_utf8(output).unwrap(),
            "01_chapter\n  \
               ✓ first           About first            10 min  solved, 1 hint\n  \
               – second          About second           10 min  skipped\n  \
               ▸ third           About third            10 min\n  \
               · longest_of_all  About longest_of_all   10 min  begun, 3 hints\n\
             \n\
             █████░░░░░░░░░░░░░░░  1 of 4 exercises solved, 40 minutes in all\n\
             ✓ solved   ▸ at hand   · begun   – skipped\n"
        );
    }
}
