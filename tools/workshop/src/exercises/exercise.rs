//! One exercise: [`Exercise::read`] reads its `exercise.toml`, and the methods return its paths.
//!
//! A number before the folder's name sets the order. The exercise's id is the name without the
//! number. An id never changes, because the learner's progress uses it.

use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::repository::Repository;

/// The content of `exercise.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    id: String,
    title: String,
    minutes: NonZeroU16,
    page: String,
    services: Vec<Service>,
    limit_seconds: Option<NonZeroU16>,
}

/// A server that the tests of an exercise need.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Service {
    Postgres,
    Redis,
    Memcached,
    RabbitMq,
}

/// The folder of an exercise below `exercises` and `solutions`, such as
/// `01_clones/01_round_robin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExerciseFolder {
    /// The chapter's folder.
    pub chapter: String,
    /// The exercise's folder in the chapter's folder.
    pub name: String,
}

/// An exercise, as its `exercise.toml` describes it.
#[derive(Clone, Debug)]
pub struct Exercise {
    /// The id, which is also the name of the package, its library and its test binary.
    pub id: String,
    /// The title.
    pub title: String,
    /// How many minutes a learner needs.
    pub minutes: i64,
    /// The page of the book to read first, relative to `book/src`, and its heading:
    /// `clones/balancer.md#draining`.
    pub page: String,
    /// The servers that the tests need.
    pub services: Vec<Service>,
    /// How long a run of the tests may take.
    pub time_limit: Duration,
    /// The folder.
    pub folder: ExerciseFolder,
    repository: Repository,
}

impl ExerciseFolder {
    /// All exercise folders in `exercises` or `solutions`, in the order of their numbers.
    pub fn find_all(parent: &Path) -> anyhow::Result<Vec<ExerciseFolder>> {
        let mut folders = Vec::new();
        for chapter in numbered_folders(parent)? {
            for name in numbered_folders(&parent.join(&chapter))? {
                let chapter = chapter.clone();
                folders.push(ExerciseFolder { chapter, name });
            }
        }
        folders.sort();
        Ok(folders)
    }

    /// The folder's name without its number.
    pub fn id(&self) -> &str {
        without_number(&self.name).unwrap_or(&self.name)
    }

    /// The folder's path below `exercises` or `solutions`.
    pub fn path_in(&self, parent: &Path) -> PathBuf {
        parent.join(&self.chapter).join(&self.name)
    }
}

/// `round_robin` for `01_round_robin`; `None` for a name without a number.
pub fn without_number(folder: &str) -> Option<&str> {
    let (number, name) = folder.split_once('_')?;
    let is_number = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then_some(name)
}

fn numbered_folders(parent: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(parent);
    let entries =
        entries.with_context(|| format!("cannot read the folder {}", parent.display()))?;
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names
        .filter(|name| without_number(name).is_some())
        .collect())
}

impl Exercise {
    /// Reads an exercise's description. An error names the file.
    pub fn read(repository: &Repository, folder: &ExerciseFolder) -> anyhow::Result<Exercise> {
        let file = folder
            .path_in(&repository.exercises_dir())
            .join("exercise.toml");
        let text = repository.read(&file)?;
        Self::parse(&text, repository, folder).with_context(|| repository.display_path(&file))
    }

    fn parse(
        text: &str,
        repository: &Repository,
        folder: &ExerciseFolder,
    ) -> anyhow::Result<Exercise> {
        let description: Description = toml::from_str(text)?;
        let (id, expected) = (description.id, folder.id());
        ensure!(
            id == expected,
            "`id` must be the folder's name without its number, `{expected}`, but it is `{id}`"
        );
        ensure!(!description.title.trim().is_empty(), "`title` is empty");
        let limit = description.limit_seconds.map_or(60, NonZeroU16::get);
        Ok(Exercise {
            id,
            title: description.title,
            minutes: description.minutes.get().into(),
            page: description.page,
            services: description.services,
            time_limit: Duration::from_secs(limit.into()),
            folder: folder.clone(),
            repository: repository.clone(),
        })
    }

    /// The exercise's folder.
    pub fn dir(&self) -> PathBuf {
        self.folder.path_in(&self.repository.exercises_dir())
    }

    /// The file that the learner edits.
    pub fn source_file(&self) -> PathBuf {
        self.dir().join("src").join("lib.rs")
    }

    /// The folder with the tests.
    pub fn tests_dir(&self) -> PathBuf {
        self.dir().join("tests")
    }

    /// The file with the tests, or the main file if they have modules.
    pub fn test_file(&self) -> PathBuf {
        if self.has_test_modules() {
            self.test_modules_dir().join("main.rs")
        } else {
            self.tests_dir().join(format!("{}.rs", self.id))
        }
    }

    /// Whether the tests are a folder with a main file and modules.
    pub fn has_test_modules(&self) -> bool {
        self.test_modules_dir().is_dir()
    }

    fn test_modules_dir(&self) -> PathBuf {
        self.tests_dir().join(&self.id)
    }

    /// The file with the hints.
    pub fn hints_file(&self) -> PathBuf {
        self.dir().join("HINTS.md")
    }

    /// The solution's folder.
    pub fn solution_dir(&self) -> PathBuf {
        self.folder.path_in(&self.repository.solutions_dir())
    }

    /// The solution of [`source_file`](Self::source_file).
    pub fn solution_file(&self) -> PathBuf {
        self.solution_dir().join("src").join("lib.rs")
    }

    /// The original text of [`source_file`](Self::source_file).
    pub fn stub_file(&self) -> PathBuf {
        self.solution_dir().join("stub").join("lib.rs")
    }

    /// The file with the answers to the questions under `## Predict`.
    pub fn answer_file(&self) -> PathBuf {
        self.solution_dir().join("ANSWER.md")
    }

    /// The file of the book's page.
    pub fn page_file(&self) -> PathBuf {
        let book = self.repository.root().join("book").join("src");
        let page = self.page.split('#').next().unwrap_or_default();
        page.split('/').fold(book, |path, part| path.join(part))
    }

    /// The anchor of the page's heading.
    pub fn page_anchor(&self) -> Option<&str> {
        self.page.split_once('#').map(|(_, anchor)| anchor)
    }

    /// The page for messages: relative to the root, with the heading.
    pub fn page_link(&self) -> String {
        format!("book/src/{}", self.page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id = \"round_robin\"\ntitle = \"Take turns\"\nminutes = 15\npage = \"clones/index.md#turns\"\nservices = []\n";

    fn parsed(text: &str) -> Result<Exercise, String> {
        let folder = ExerciseFolder {
            chapter: "01_clones".to_owned(),
            name: "01_round_robin".to_owned(),
        };
        Exercise::parse(text, &Repository::new("/w"), &folder).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn description_is_parsed() {
        let exercise = parsed(GOOD).unwrap();
        assert_eq!((&*exercise.id, exercise.minutes), ("round_robin", 15));
        assert_eq!(exercise.time_limit, Duration::from_mins(1), "the default");
        let page = Path::new("/w/book/src/clones/index.md");
        assert_eq!(exercise.page_file(), page);
        assert_eq!(exercise.page_anchor(), Some("turns"));
        assert_eq!(exercise.page_link(), "book/src/clones/index.md#turns");
        let tests = "/w/exercises/01_clones/01_round_robin/tests/round_robin.rs";
        assert_eq!(exercise.test_file(), Path::new(tests));
    }

    #[test]
    fn wrong_descriptions_are_explained() {
        for (good, bad, complaint) in [
            (
                "round_robin",
                "robin",
                "its number, `round_robin`, but it is `robin`",
            ),
            ("title = \"Take turns\"\n", "", "missing field `title`"),
            ("\"Take turns\"", "\" \"", "`title` is empty"),
            ("minutes = 15", "minutes = 0", "line 3"),
            (
                "minutes = 15",
                "minutes = \"15\"",
                "invalid type: string \"15\"",
            ),
            ("minutes = 15\n", "", "missing field `minutes`"),
            (
                "[]",
                "[\"redi\"]",
                "unknown variant `redi`, expected one of `postgres`",
            ),
            ("[]", "\"redis\"", "expected a sequence"),
            ("services = []\n", "", "missing field `services`"),
            (
                "services",
                "Services",
                "unknown field `Services`, expected one of `id`",
            ),
            ("id = ", "id ", "TOML parse error"),
        ] {
            let error = parsed(&GOOD.replace(good, bad)).unwrap_err();
            assert!(error.contains(complaint), "{bad}: {error}");
        }
    }

    #[test]
    fn only_numbered_folders_are_exercises() {
        assert_eq!(without_number("01_round_robin"), Some("round_robin"));
        for other in [
            "target",
            "1_round_robin",
            "01-round-robin",
            "01_",
            "README.md",
        ] {
            assert_eq!(without_number(other), None, "{other}");
        }
    }
}
