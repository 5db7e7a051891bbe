//! One exercise: [`Exercise::read`] reads its `exercise.toml`, and the methods return its paths.
//!
//! A number before the folder's name sets the order. The exercise's id is the name without the
//! number. An id never changes, because the learner's progress uses it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

use super::repository::Repository;

/// The servers that an exercise may need.
const SERVICES: [&str; 4] = ["postgres", "redis", "memcached", "rabbitmq"];
const KEYS: [&str; 6] = [
    "id",
    "title",
    "minutes",
    "page",
    "services",
    "limit_seconds",
];
const DEFAULT_LIMIT_SECONDS: i64 = 60;

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
    /// The id, which is also the name of the package, its library and its test file.
    pub id: String,
    /// The title.
    pub title: String,
    /// How many minutes a learner needs.
    pub minutes: i64,
    /// The page of the book to read first, relative to `book/src`, and its heading:
    /// `clones/balancer.md#draining`.
    pub page: String,
    /// The servers that the tests need.
    pub services: Vec<String>,
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
    let read = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if without_number(&name).is_some() && entry.path().is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    };
    read().with_context(|| format!("cannot read the folder {}", parent.display()))
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
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            anyhow::anyhow!("this is not TOML: {}", error.message())
        })?;
        for key in table.keys() {
            ensure!(
                KEYS.contains(&key.as_str()),
                "unknown key `{key}`; the keys are {}",
                KEYS.join(", ")
            );
        }
        let id = string(&table, "id")?;
        ensure!(
            id == folder.id(),
            "`id` must be the folder's name without its number, `{}`, but it is `{id}`",
            folder.id()
        );
        let minutes = number(&table, "minutes")?
            .context("`minutes` is missing: how long does a learner need?")?;
        let limit = number(&table, "limit_seconds")?.unwrap_or(DEFAULT_LIMIT_SECONDS);
        Ok(Exercise {
            id,
            title: string(&table, "title")?,
            minutes,
            page: string(&table, "page")?,
            services: services(&table)?,
            time_limit: Duration::from_secs(limit.unsigned_abs()),
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

    /// The file with the tests.
    pub fn test_file(&self) -> PathBuf {
        self.dir().join("tests").join(format!("{}.rs", self.id))
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

fn string(table: &Table, key: &str) -> anyhow::Result<String> {
    match table.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(value) => bail!("`{key}` must be a non-empty string, but it is {value}"),
        None => bail!("`{key}` is missing"),
    }
}

fn number(table: &Table, key: &str) -> anyhow::Result<Option<i64>> {
    match table.get(key) {
        Some(Value::Integer(number)) if *number > 0 => Ok(Some(*number)),
        Some(value) => bail!("`{key}` must be a whole number above 0, but it is {value}"),
        None => Ok(None),
    }
}

fn services(table: &Table) -> anyhow::Result<Vec<String>> {
    let Some(value) = table.get("services") else {
        bail!("`services` is missing; write `services = []` if the tests need no server");
    };
    let service = |value: &Value| -> anyhow::Result<String> {
        let name = value.as_str().unwrap_or_default();
        ensure!(
            SERVICES.contains(&name),
            "unknown service {value}; the services are {}",
            SERVICES.join(", ")
        );
        Ok(name.to_owned())
    };
    let list = value
        .as_array()
        .context("`services` must be a list such as [\"redis\"]")?;
    list.iter().map(service).collect()
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
        assert_eq!(
            (exercise.id.as_str(), exercise.minutes),
            ("round_robin", 15)
        );
        assert_eq!(
            exercise.time_limit,
            Duration::from_mins(1),
            "the default limit"
        );
        assert_eq!(
            exercise.page_file(),
            Path::new("/w/book/src/clones/index.md")
        );
        assert_eq!(exercise.page_anchor(), Some("turns"));
        assert_eq!(exercise.page_link(), "book/src/clones/index.md#turns");
        assert_eq!(
            exercise.test_file(),
            Path::new("/w/exercises/01_clones/01_round_robin/tests/round_robin.rs")
        );
    }

    #[test]
    fn wrong_descriptions_are_explained() {
        for (good, bad, complaint) in [
            (
                "round_robin",
                "robin",
                "without its number, `round_robin`, but it is `robin`",
            ),
            ("title = \"Take turns\"\n", "", "`title` is missing"),
            (
                "\"Take turns\"",
                "\" \"",
                "`title` must be a non-empty string",
            ),
            (
                "minutes = 15",
                "minutes = 0",
                "`minutes` must be a whole number above 0, but it is 0",
            ),
            ("minutes = 15", "minutes = \"15\"", "but it is \"15\""),
            ("minutes = 15\n", "", "`minutes` is missing"),
            (
                "[]",
                "[\"redi\"]",
                "unknown service \"redi\"; the services are postgres",
            ),
            ("[]", "\"redis\"", "must be a list"),
            (
                "services = []\n",
                "",
                "write `services = []` if the tests need no server",
            ),
            (
                "services",
                "Services",
                "unknown key `Services`; the keys are id",
            ),
            ("id = ", "id ", "this is not TOML"),
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
