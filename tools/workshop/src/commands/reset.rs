//! `cargo workshop reset`: puts an exercise's stub back, to begin anew.
//!
//! This is the one command that overwrites what a learner has written, so it keeps a copy of that first, and says where. Left out: the
//! copies' end; they are small, and theirs to remove.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::check::Options;
use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::progress::{Entry, Progress};

/// Resets one exercise.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    reset(&Desk::here(), options, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn reset(desk: &Desk, options: &Options, output: &mut impl Write) -> anyhow::Result<()> {
    let repository = &desk.repository;
    let catalogue = Catalogue::load(repository)?;
    let progress = Progress::load(repository)?;
    let exercise = catalogue.choose(options.exercise.as_deref(), &desk.stands_in, &progress)?;
    let source = exercise.source();
    let stub = repository.read(&exercise.stub())?;

    let mine = match fs::read(&source) {
        Ok(mine) => Some(mine),
        // They have removed it, and want it back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error)
                .with_context(|| format!("{} cannot be read", repository.name(&source)));
        }
    };
    if mine.as_deref() == Some(stub.as_bytes()) {
        writeln!(
            output,
            "{} is as it was in the beginning; nothing had to be replaced.",
            repository.name(&source)
        )?;
    } else {
        if let Some(mine) = mine {
            let copy = keep(desk, exercise, &mine)?;
            writeln!(
                output,
                "What you had written is kept in {}.",
                repository.name(&copy)
            )?;
        }
        repository.write(&source, &stub)?;
        writeln!(output, "{} is the stub again.", repository.name(&source))?;
    }
    Progress::change(repository, &exercise.id, |entry| *entry = Entry::default())?;
    writeln!(
        output,
        "Next: `cargo workshop check {}` is red again, as it should be.",
        exercise.id
    )?;
    output.flush()?;
    Ok(())
}

/// Writes a copy to a place where nothing is yet.
fn keep(desk: &Desk, exercise: &Exercise, text: &[u8]) -> anyhow::Result<PathBuf> {
    let backup = desk.repository.private().join("backup").join(&exercise.id);
    let write = || -> io::Result<PathBuf> {
        fs::create_dir_all(&backup)?;
        let mut number = 1;
        loop {
            let copy = backup.join(format!("{number}")).join("lib.rs");
            match fs::create_dir(backup.join(format!("{number}"))) {
                Ok(()) => return fs::write(&copy, text).map(|()| copy),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    };
    write().with_context(|| {
        format!(
            "no copy of your file could be kept in {}, so nothing was replaced",
            desk.repository.name(&backup)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, STUB};

    const SOURCE: &str = "exercises/01_chapter/01_counter/src/lib.rs";

    fn told(fixture: &Fixture) -> Result<String, String> {
        let mut output = Vec::new();
        let options = Options {
            exercise: Some("counter".to_owned()),
        };
        let done = reset(&fixture.desk(), &options, &mut output);
        done.map(|()| String::from_utf8(output).unwrap())
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn every_attempt_is_kept_before_the_stub_comes_back() {
        let fixture = Fixture::new();
        fixture.write(
            ".workshop/progress",
            "counter solved hints=2\nsecond started\n",
        );
        for (attempt, number) in [("// my first attempt", 1), ("// my second", 2)] {
            fixture.edit(attempt);

            let said = told(&fixture).unwrap();

            let copy = format!(".workshop/backup/counter/{number}/lib.rs");
            assert!(said.contains(&copy), "{said}");
            assert_eq!(fixture.text(&copy), attempt);
            assert_eq!(fixture.text(SOURCE), STUB);
        }
        assert_eq!(fixture.text(".workshop/progress"), "second started\n");
    }

    #[test]
    fn an_untouched_stub_needs_no_copy_and_a_lost_one_comes_back() {
        let fixture = Fixture::new();
        assert!(
            told(&fixture)
                .unwrap()
                .contains("is as it was in the beginning")
        );

        fixture.remove(SOURCE);
        told(&fixture).unwrap();

        assert_eq!(fixture.text(SOURCE), STUB);
        assert!(!fixture.has(".workshop/backup"));
    }

    #[test]
    fn what_cannot_be_kept_is_not_replaced() {
        let fixture = Fixture::new();
        fixture.edit("// mine");
        fixture.write(".workshop/backup", "a file where a folder has to be");

        let error = told(&fixture).unwrap_err();

        assert!(error.contains("nothing was replaced"), "{error}");
        assert_eq!(fixture.text(SOURCE), "// mine");
    }
}
