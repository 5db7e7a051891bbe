//! All exercises in their order: [`ExerciseList`] finds the one that a learner means.

use std::path::Path;

use anyhow::{Context, bail};
use similar::TextDiff;

use super::exercise::{Exercise, ExerciseFolder};
use super::progress::{Progress, State};
use super::repository::Repository;

/// The exercises, in the order in which a learner does them.
#[derive(Debug)]
pub struct ExerciseList {
    /// At least one exercise.
    pub exercises: Vec<Exercise>,
}

impl ExerciseList {
    /// Reads all descriptions. One wrong description is an error, because then nothing that a
    /// command says about the progress would be true.
    pub fn load(repository: &Repository) -> anyhow::Result<ExerciseList> {
        let dir = repository.exercises_dir();
        if !dir.is_dir() {
            bail!(
                "the folder exercises/ is missing in {}. `git checkout -- exercises solutions` \
                 restores it",
                repository.root().display()
            );
        }
        let exercises: anyhow::Result<Vec<Exercise>> = ExerciseFolder::find_all(&dir)?
            .iter()
            .map(|folder| Exercise::read(repository, folder))
            .collect();
        let exercises = exercises?;
        if exercises.is_empty() {
            bail!("there is no exercise in {}", dir.display());
        }
        Ok(ExerciseList { exercises })
    }

    /// The named exercise, else the one of the current folder, else the first open one.
    pub fn select(
        &self,
        name: Option<&str>,
        current_dir: &Path,
        progress: &Progress,
    ) -> anyhow::Result<&Exercise> {
        if let Some(name) = name {
            return self.find(name);
        }
        self.at(current_dir)
            .or_else(|| self.first_open(progress))
            .context(
                "every exercise is solved or skipped. Name the one that you mean; \
                 `cargo workshop list` shows all",
            )
    }

    /// Finds an exercise by its id, its folder's name or a path in its folder.
    pub fn find(&self, name: &str) -> anyhow::Result<&Exercise> {
        let parts: Vec<&str> = name
            .split(['/', '\\'])
            .filter(|part| !part.is_empty())
            .collect();
        let matches = |exercise: &&Exercise| {
            let folder = &exercise.folder;
            let path = [folder.chapter.as_str(), folder.name.as_str()];
            match parts.as_slice() {
                [name] => *name == exercise.id || *name == folder.name,
                parts => parts.windows(2).any(|pair| pair == path),
            }
        };
        if let Some(exercise) = self.exercises.iter().find(matches) {
            return Ok(exercise);
        }
        let wanted = parts.last().copied().unwrap_or_default();
        let ids: Vec<&str> = self.exercises.iter().map(|it| it.id.as_str()).collect();
        bail!(
            "there is no exercise `{name}`. {}",
            suggestion(wanted, &ids)
        )
    }

    /// The exercise whose folder, or whose solution's folder, contains this one.
    fn at(&self, current_dir: &Path) -> Option<&Exercise> {
        // Resolves symbolic links on both sides: the temporary folder of macOS is one.
        let current_dir = current_dir.canonicalize().ok()?;
        let contains_it = |dir: &Path| {
            dir.canonicalize()
                .is_ok_and(|dir| current_dir.starts_with(dir))
        };
        let mut exercises = self.exercises.iter();
        exercises.find(|it| contains_it(&it.dir()) || contains_it(&it.solution_dir()))
    }

    /// The first exercise that is neither solved nor skipped.
    pub fn first_open(&self, progress: &Progress) -> Option<&Exercise> {
        let is_open = |exercise: &&Exercise| {
            let state = progress.of(&exercise.id).state;
            matches!(state, State::NotStarted | State::Started)
        };
        self.exercises.iter().find(is_open)
    }

    /// How many exercises are solved.
    pub fn solved_count(&self, progress: &Progress) -> usize {
        let is_solved = |exercise: &&Exercise| progress.of(&exercise.id).state == State::Solved;
        self.exercises.iter().filter(is_solved).count()
    }

    /// How many minutes all exercises need.
    pub fn total_minutes(&self) -> i64 {
        self.exercises.iter().map(|exercise| exercise.minutes).sum()
    }
}

/// What to write after an unknown name: the most similar id, or all ids.
pub fn suggestion(wanted: &str, ids: &[&str]) -> String {
    let similarity = |id: &str| {
        if !wanted.is_empty() && (id.contains(wanted) || wanted.contains(id)) {
            1.0
        } else {
            TextDiff::from_chars(wanted, id).ratio()
        }
    };
    let best = ids
        .iter()
        .map(|id| (similarity(id), id))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((similarity, id)) if similarity > 0.6 => format!("Did you mean `{id}`?"),
        _ => format!("The exercises are: {}", ids.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    fn found(name: &str) -> Result<String, String> {
        let checkout = TempCheckout::with_exercises(&["round_robin", "shared_session"]);
        let list = ExerciseList::load(&checkout.repository()).unwrap();
        let found = list.find(name).map(|exercise| exercise.id.clone());
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn exercise_is_found_by_id_and_path() {
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
    fn unknown_name_gets_a_suggestion() {
        for typo in [
            "shared_sesion",
            "session",
            "shared-session",
            "01_shared_session",
            "Shared_Session",
        ] {
            let error = found(typo).unwrap_err();
            assert!(error.ends_with("Did you mean `shared_session`?"), "{error}");
        }
        let error = found("quantum").unwrap_err();
        assert!(
            error.ends_with("The exercises are: round_robin, shared_session"),
            "{error}"
        );
    }

    #[test]
    fn pages_quote_the_descriptions() {
        let repository = Repository::detect();
        let list = ExerciseList::load(&repository).unwrap();
        let read = |path: &str| repository.read(&repository.root().join(path)).unwrap();
        let (page, readme) = (read("book/src/exercises.md"), read("exercises/README.md"));
        for exercise in &list.exercises {
            let row = |text: &str| {
                let id = format!("`{}`", exercise.id);
                let row = text
                    .lines()
                    .find(|line| line.starts_with('|') && line.contains(&id));
                row.unwrap_or_else(|| panic!("a page has no row for {id}"))
                    .to_owned()
            };
            let minutes = format!("| {} |", exercise.minutes);
            let file = exercise.page.split('#').next().unwrap();
            let link = format!("]({file}");
            assert!(row(&page).contains(&minutes) && row(&page).contains(&link));
            assert!(row(&readme).contains(&minutes), "{}", row(&readme));
        }
        let total = format!("exercises take {} minutes", list.total_minutes());
        let guide = read("book/src/how-to-use.md").replace('\n', " ");
        assert!(guide.contains(&total), "`{total}` is not in how-to-use.md");
        for (chapter, page) in [
            ("01_clones", "clones"),
            ("02_database", "database"),
            ("03_cache", "cache"),
            ("04_async", "async"),
        ] {
            let of_chapter = list
                .exercises
                .iter()
                .filter(|it| it.folder.chapter == chapter);
            let minutes: i64 = of_chapter.map(|it| it.minutes).sum();
            let text = read(&format!("book/src/{page}/index.md"));
            let is_quoted = ["take", "takes"]
                .iter()
                .any(|verb| text.contains(&format!("{verb} {minutes} more")));
            assert!(is_quoted, "{page}/index.md must say `{minutes} more`");
        }
    }

    #[test]
    fn default_is_the_current_folder_or_first_open() {
        let checkout = TempCheckout::with_exercises(&["first", "second", "third"]);
        let list = ExerciseList::load(&checkout.repository()).unwrap();
        let root = checkout.repository().root().to_owned();
        let chosen = |current_dir: &str| {
            let progress = Progress::load(&checkout.repository()).unwrap();
            list.select(None, &root.join(current_dir), &progress)
                .map(|exercise| exercise.id.clone())
        };

        assert_eq!(chosen("").unwrap(), "first");
        checkout.write(".workshop/progress", "first solved\nsecond skipped\n");
        assert_eq!(chosen("").unwrap(), "third");
        checkout.write("exercises/01_chapter/01_first/src/lib.rs", "");
        checkout.write("solutions/01_chapter/02_second/src/lib.rs", "");
        assert_eq!(
            chosen("exercises/01_chapter/01_first/src").unwrap(),
            "first"
        );
        assert_eq!(chosen("solutions/01_chapter/02_second").unwrap(), "second");

        checkout.write(
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
    fn missing_and_wrong_descriptions_are_errors() {
        let empty = TempCheckout::new();
        let error = ExerciseList::load(&empty.repository())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the folder exercises/ is missing"),
            "{error}"
        );

        let checkout = TempCheckout::with_exercises(&["first"]);
        checkout.write(
            "exercises/01_chapter/01_first/exercise.toml",
            "id = \"second\"",
        );
        let error = format!(
            "{:#}",
            ExerciseList::load(&checkout.repository()).unwrap_err()
        );
        assert!(
            error.starts_with("exercises/01_chapter/01_first/exercise.toml: TOML parse error"),
            "{error}"
        );
    }
}
