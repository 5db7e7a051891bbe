//! `cargo workshop reset`: restores an exercise's stub.
//!
//! This command overwrites the learner's file, so it saves a backup first. The learner may delete
//! the backups.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::progress::{ExerciseProgress, Progress};
use crate::exercises::repository::read_text;

/// Resets one exercise.
pub fn reset(app: &App, name: Option<&str>, output: &mut impl Write) -> anyhow::Result<()> {
    let repository = &app.repository;
    let (exercise, _) = app.select(name)?;
    let source_file = exercise.source_file();
    let source_path = repository.display_path(&source_file);
    let stub = repository.read(&exercise.stub_file())?;

    let source = match fs::read(&source_file) {
        Ok(source) => Some(source),
        // The learner has removed the file, and wants it back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {source_path}")),
    };
    if read_text(&source_file).is_ok_and(|text| text == stub) {
        writeln!(output, "{source_path} is the stub already.")?;
    } else {
        if let Some(source) = source {
            let backup = save_backup(app, &exercise, &source)?;
            let backup = repository.display_path(&backup);
            writeln!(output, "Your code is saved in {backup}.")?;
        }
        repository.write(&source_file, &stub)?;
        writeln!(output, "{source_path} is the stub again.")?;
    }
    Progress::update(repository, &exercise.id, |exercise| {
        *exercise = ExerciseProgress::default();
    })?;
    writeln!(
        output,
        "Next: `cargo workshop check {}`. Its tests fail until you solve it.",
        exercise.id
    )?;
    Ok(())
}

/// Saves a backup in a new folder.
fn save_backup(app: &App, exercise: &Exercise, text: &[u8]) -> anyhow::Result<PathBuf> {
    let backups = app
        .repository
        .learner_dir()
        .join("backup")
        .join(&exercise.id);
    let write = || -> io::Result<PathBuf> {
        fs::create_dir_all(&backups)?;
        let mut number = 1;
        loop {
            let dir = backups.join(format!("{number}"));
            match fs::create_dir(&dir) {
                Ok(()) => {
                    let file = dir.join("lib.rs");
                    return fs::write(&file, text).map(|()| file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    };
    write().with_context(|| {
        format!(
            "cannot save a backup of your file in {}, so your file was not replaced",
            app.repository.display_path(&backups)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::{STUB, SampleWorkspace};
    use crate::learner::{assert_contains, printed};

    const SOURCE: &str = "exercises/01_chapter/01_counter/src/lib.rs";

    fn run_reset(workspace: &SampleWorkspace) -> String {
        printed(|output| reset(&workspace.app(), Some("counter"), output))
    }

    #[test]
    fn reset_saves_a_backup_of_every_attempt() {
        let workspace = SampleWorkspace::new();
        workspace.write(
            ".workshop/progress",
            "counter solved hints=2\nsecond started\n",
        );
        for (attempt, number) in [("// my first attempt", 1), ("// my second", 2)] {
            workspace.edit(attempt);

            let text = run_reset(&workspace);

            let copy = format!(".workshop/backup/counter/{number}/lib.rs");
            assert_contains(&text, &copy);
            assert_eq!(workspace.text(&copy), attempt);
            assert_eq!(workspace.text(SOURCE), STUB);
        }
        assert_eq!(workspace.text(".workshop/progress"), "second started\n");
    }

    #[test]
    fn unchanged_stub_needs_no_backup() {
        let workspace = SampleWorkspace::new();
        assert_contains(&run_reset(&workspace), "is the stub already");

        workspace.remove(SOURCE);
        run_reset(&workspace);

        assert_eq!(workspace.text(SOURCE), STUB);
        assert!(!workspace.has(".workshop/backup"));
    }

    #[test]
    fn failed_backup_prevents_the_reset() {
        let workspace = SampleWorkspace::new();
        workspace.edit("// mine");
        workspace.write(".workshop/backup", "a file where a folder has to be");

        let error = reset(&workspace.app(), None, &mut Vec::new()).unwrap_err();

        assert_contains(&error.to_string(), "your file was not replaced");
        assert_eq!(workspace.text(SOURCE), "// mine");
    }
}
