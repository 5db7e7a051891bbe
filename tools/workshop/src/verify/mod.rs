//! Proves exercises: [`verify`] shows that the stub is red by its `todo!`, the solution green, and every wrong answer rejected with the
//! message that is meant for it.
//!
//! Walk through it as an exercise does: the [`rules`] look at its files, for which they need to know [`code`] from comments. Then each
//! variant of it, which is the stub, the solution or a wrong answer, becomes a package in a [`workspace`] of their own, with the exercise's
//! tests. All are built at once, and each [`variant`] is run and judged. What is found is said in the [`matrix`]. The learner's own file
//! takes no part, so that a solved exercise changes nothing. Left out: whether the exercise teaches anything.

pub mod code;
pub mod matrix;
pub mod rules;
pub mod variant;
pub mod workspace;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::bail;

use crate::desk::Desk;
use crate::exercise::{Exercise, Place};
use crate::paint;
use crate::repository::Repository;
use matrix::Row;
use variant::Variant;

/// How many test programs run at once: they share two cores and the same servers with everything else.
const AT_ONCE: usize = 2;

/// What to verify.
#[derive(Debug)]
pub struct Options {
    /// The exercises.
    pub places: Vec<Place>,
    /// Whether the learners' files have to be untouched.
    pub is_pristine: bool,
}

/// What came of it, in exercises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those of which everything was shown.
    pub proved: usize,
    /// The others.
    pub failed: usize,
}

impl Count {
    /// Whether all is proved, and that is not nothing.
    pub fn is_good(self) -> bool {
        self.failed == 0 && self.proved > 0
    }
}

/// Where all exercises are: those without a solution, and solutions without an exercise, too.
pub fn places(repository: &Repository) -> anyhow::Result<Vec<Place>> {
    let mut places = Place::all(&repository.exercises())?;
    // Without solutions each exercise lacks one, and that is told.
    places.extend(Place::all(&repository.solutions()).unwrap_or_default());
    places.sort();
    places.dedup();
    if places.is_empty() {
        bail!(
            "there is no exercise in {}",
            repository.exercises().display()
        );
    }
    Ok(places)
}

/// Verifies exercises, and prints the matrix.
pub fn verify(
    desk: &Desk,
    options: &Options,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<Count> {
    let rows = examine(desk, options, messages)?;
    let failed = rows.iter().filter(|row| !row.is_proved()).count();
    matrix::print(&rows, desk.paint(), output)?;
    Ok(Count {
        proved: rows.len() - failed,
        failed,
    })
}

fn examine(desk: &Desk, options: &Options, messages: &mut impl Write) -> anyhow::Result<Vec<Row>> {
    let repository = &desk.repository;
    let mut rows = Vec::new();
    let mut variants: Vec<(usize, Exercise, Variant)> = Vec::new();
    for (number, place) in options.places.iter().enumerate() {
        let mut row = Row::new(place.id());
        match rules::check(repository, place, options.is_pristine) {
            rules::Finding::Hopeless(problems) => row.shape.problems = problems,
            rules::Finding::Exercise {
                exercise,
                problems,
                note,
            } => {
                row.shape.problems = problems;
                row.note = note;
                let (of_it, problems) = variant::all(repository, &exercise);
                row.wrong.problems = problems;
                variants.extend(
                    of_it
                        .into_iter()
                        .map(|variant| (number, (*exercise).clone(), variant)),
                );
            }
        }
        rows.push(row);
    }

    let programs = paint::count(variants.len(), "test program");
    writeln!(messages, "building {programs}…")?;
    let built = workspace::build(desk, &variants, messages)?;
    writeln!(messages, "running them…")?;
    let judged = in_parallel(&variants, |(_, exercise, variant)| {
        variant.judge(desk, exercise, &built)
    });
    for ((number, _, variant), problems) in variants.iter().zip(judged) {
        rows[*number].take(variant, problems?);
    }
    Ok(rows)
}

/// Does something with each, some at once; the results are in the order of the things.
fn in_parallel<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(thing) = things.get(number)
                {
                    let result = work(thing);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
