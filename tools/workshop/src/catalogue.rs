//! All exercises in their order: [`Catalogue`] finds the one that a learner means.
//!
//! Left out: exercises without a description that can be understood. The learner's commands then say what is wrong with it, for nothing
//! that they could say about progress would be true.

use std::path::Path;

use anyhow::{Context, bail};
use similar::TextDiff;

use crate::exercise::{Exercise, Place};
use crate::progress::{Progress, State};
use crate::repository::Repository;

/// The exercises, in the order in which they are done.
#[derive(Debug)]
pub struct Catalogue {
    /// At least one.
    pub exercises: Vec<Exercise>,
}

impl Catalogue {
    /// Reads all descriptions.
    pub fn load(repository: &Repository) -> anyhow::Result<Catalogue> {
        let folder = repository.exercises();
        if !folder.is_dir() {
            bail!(
                "there is no folder exercises/ in {}. `git status` shows what is missing there, `git checkout -- exercises solutions` \
                 brings it back",
                repository.root().display()
            );
        }
        let places = Place::all(&folder)?;
        let exercises: anyhow::Result<Vec<Exercise>> = places
            .iter()
            .map(|place| Exercise::read(repository, place))
            .collect();
        let exercises = exercises?;
        if exercises.is_empty() {
            bail!("there is no exercise in {}", folder.display());
        }
        Ok(Catalogue { exercises })
    }

    /// The exercise that is meant: the named one; else the one in whose folder the learner stands; else the first one to do.
    pub fn choose(
        &self,
        name: Option<&str>,
        stands_in: &Path,
        progress: &Progress,
    ) -> anyhow::Result<&Exercise> {
        if let Some(name) = name {
            return self.find(name);
        }
        self.at(stands_in)
            .or_else(|| self.current(progress))
            .context("every exercise is solved or skipped, so say which one you mean: `cargo workshop list` names them")
    }

    /// The exercise with this id; or with this folder's name; or one that this path leads to.
    pub fn find(&self, name: &str) -> anyhow::Result<&Exercise> {
        let parts: Vec<&str> = name
            .split(['/', '\\'])
            .filter(|part| !part.is_empty())
            .collect();
        let is_meant = |exercise: &&Exercise| {
            let Place { chapter, folder } = &exercise.place;
            let alone =
                parts.as_slice() == [exercise.id.as_str()] || parts.as_slice() == [folder.as_str()];
            alone
                || parts
                    .windows(2)
                    .any(|pair| pair == [chapter.as_str(), folder.as_str()])
        };
        if let Some(exercise) = self.exercises.iter().find(is_meant) {
            return Ok(exercise);
        }
        let wanted = parts.last().copied().unwrap_or_default();
        if let Some(near) = nearest(
            wanted,
            self.exercises.iter().map(|exercise| exercise.id.as_str()),
        ) {
            bail!("there is no exercise `{name}`. Did you mean `{near}`?");
        }
        let ids: Vec<&str> = self
            .exercises
            .iter()
            .map(|exercise| exercise.id.as_str())
            .collect();
        bail!(
            "there is no exercise `{name}`. There are: {}",
            ids.join(", ")
        )
    }

    /// The one in whose folder somebody stands, of the exercise or of its solution.
    fn at(&self, stands_in: &Path) -> Option<&Exercise> {
        // Both sides without symbolic links: a temporary folder of macOS is one.
        let stands_in = stands_in.canonicalize().ok()?;
        let is_in = |folder: &Path| {
            folder
                .canonicalize()
                .is_ok_and(|folder| stands_in.starts_with(folder))
        };
        let mut exercises = self.exercises.iter();
        exercises.find(|exercise| is_in(&exercise.folder()) || is_in(&exercise.solution()))
    }

    /// The first that is neither solved nor skipped.
    pub fn current(&self, progress: &Progress) -> Option<&Exercise> {
        let is_open = |exercise: &&Exercise| {
            matches!(
                progress.entry(&exercise.id).state,
                State::Fresh | State::Started
            )
        };
        self.exercises.iter().find(is_open)
    }

    /// How many are solved.
    pub fn solved(&self, progress: &Progress) -> usize {
        let is_solved = |exercise: &&Exercise| progress.entry(&exercise.id).state == State::Solved;
        self.exercises.iter().filter(is_solved).count()
    }
}

/// The name that somebody who wrote `wanted` most likely meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| {
        if !wanted.is_empty() && (name.contains(wanted) || wanted.contains(name)) {
            1.0
        } else {
            TextDiff::from_chars(wanted, name).ratio()
        }
    };
    let best = names
        .map(|name| (likeness(name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.6)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    fn found(name: &str) -> Result<String, String> {
        let folder = Folder::with_exercises(&["round_robin", "shared_session"]);
        let catalogue = Catalogue::load(&folder.repository()).unwrap();
        let found = catalogue.find(name).map(|exercise| exercise.id.clone());
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn an_exercise_is_found_by_every_name_that_it_has() {
        for name in [
            "shared_session",
            "02_shared_session",
            "01_chapter/02_shared_session",
            "exercises/01_chapter/02_shared_session",
            "./exercises/01_chapter/02_shared_session/",
            "exercises\\01_chapter\\02_shared_session\\src\\lib.rs",
        ] {
            assert_eq!(found(name).as_deref(), Ok("shared_session"), "{name}");
        }
    }

    #[test]
    fn a_slip_is_understood_and_a_guess_gets_the_list() {
        for slip in [
            "shared_sesion",
            "session",
            "shared-session",
            "01_shared_session",
            "Shared_Session",
        ] {
            let error = found(slip).unwrap_err();
            assert!(error.ends_with("Did you mean `shared_session`?"), "{error}");
        }
        let error = found("quantum").unwrap_err();
        assert!(
            error.ends_with("There are: round_robin, shared_session"),
            "{error}"
        );
    }

    #[test]
    fn without_a_name_it_is_the_one_at_hand() {
        let folder = Folder::with_exercises(&["first", "second", "third"]);
        let catalogue = Catalogue::load(&folder.repository()).unwrap();
        let root = folder.repository().root().to_owned();
        let chosen = |stands_in: &str| {
            let progress = Progress::load(&folder.repository()).unwrap();
            catalogue
                .choose(None, &root.join(stands_in), &progress)
                .map(|exercise| exercise.id.clone())
        };

        assert_eq!(chosen("").unwrap(), "first");
        folder.write(".workshop/progress", "first solved\nsecond skipped\n");
        assert_eq!(chosen("").unwrap(), "third");
        folder.write("exercises/01_chapter/01_first/src/lib.rs", "");
        folder.write("solutions/01_chapter/02_second/src/lib.rs", "");
        assert_eq!(
            chosen("exercises/01_chapter/01_first/src").unwrap(),
            "first"
        );
        assert_eq!(chosen("solutions/01_chapter/02_second").unwrap(), "second");

        folder.write(
            ".workshop/progress",
            "first solved\nsecond skipped\nthird solved\n",
        );
        let error = chosen("").unwrap_err().to_string();
        assert!(
            error.starts_with("every exercise is solved or skipped"),
            "{error}"
        );
    }

    #[test]
    fn a_checkout_without_exercises_and_a_broken_description_are_told() {
        let empty = Folder::new();
        let error = Catalogue::load(&empty.repository())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no folder exercises/"), "{error}");

        let folder = Folder::with_exercises(&["first"]);
        folder.write(
            "exercises/01_chapter/01_first/exercise.toml",
            "id = \"second\"",
        );
        let error = format!("{:#}", Catalogue::load(&folder.repository()).unwrap_err());
        assert!(
            error.starts_with("exercises/01_chapter/01_first/exercise.toml: `id` has to be"),
            "{error}"
        );
    }
}
