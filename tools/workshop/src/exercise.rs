//! One exercise: [`Exercise::read`] understands its `exercise.toml`, and knows where its files lie.
//!
//! An exercise's folder is numbered, for the order in which it is shown; its id is the name without the number and stays the same for
//! ever, for progress is kept under it. Left out: hints and tests, and whether any of this is true of the files
//! ([`verify`](crate::verify) looks).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use toml::{Table, Value};

use crate::repository::Repository;

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
/// How long a run of the tests may take where nothing else is said.
const LIMIT_SECONDS: i64 = 60;

/// Two folder names, such as `01_clones` and `01_round_robin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The chapter's folder.
    pub chapter: String,
    /// The folder in it.
    pub folder: String,
}

/// An exercise, as its `exercise.toml` describes it.
#[derive(Clone, Debug)]
pub struct Exercise {
    /// Its name for ever; also the name of its package, its library and its test file.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// How long it takes.
    pub minutes: i64,
    /// The page of the book to read before, below `book/src`.
    pub page: String,
    /// The servers that its tests need.
    pub services: Vec<String>,
    /// How long a run of its tests may take before it is ended.
    pub limit: Duration,
    /// Where it lies, below `exercises` and `solutions`.
    pub place: Place,
    repository: Repository,
}

impl Place {
    /// All of them below a folder, in the order of their numbers.
    pub fn all(below: &Path) -> anyhow::Result<Vec<Place>> {
        let mut places = Vec::new();
        for chapter in folders(below)? {
            for folder in folders(&below.join(&chapter))? {
                let chapter = chapter.clone();
                places.push(Place { chapter, folder });
            }
        }
        places.sort();
        Ok(places)
    }

    /// The folder's name without its number.
    pub fn id(&self) -> &str {
        without_number(&self.folder).unwrap_or(&self.folder)
    }

    /// The folder itself.
    pub fn below(&self, folder: &Path) -> PathBuf {
        folder.join(&self.chapter).join(&self.folder)
    }
}

/// `round_robin` of `01_round_robin`.
pub fn without_number(folder: &str) -> Option<&str> {
    let (number, name) = folder.split_once('_')?;
    let is_number = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !name.is_empty()).then_some(name)
}

fn folders(below: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(below)
        .with_context(|| format!("the folder {} cannot be read", below.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry =
            entry.with_context(|| format!("the folder {} cannot be read", below.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if without_number(&name).is_some() && entry.path().is_dir() {
            names.push(name);
        }
    }
    Ok(names)
}

impl Exercise {
    /// Reads the description in this place. What is wrong with it is told in a sentence that names the file.
    pub fn read(repository: &Repository, place: &Place) -> anyhow::Result<Exercise> {
        let file = place.below(&repository.exercises()).join("exercise.toml");
        let text = repository.read(&file)?;
        Self::parse(&text, repository, place).with_context(|| repository.name(&file))
    }

    fn parse(text: &str, repository: &Repository, place: &Place) -> anyhow::Result<Exercise> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            anyhow::anyhow!("this is not TOML: {}", error.message())
        })?;
        for key in table.keys() {
            ensure!(
                KEYS.contains(&key.as_str()),
                "there is no key `{key}`; the keys are {}",
                KEYS.join(", ")
            );
        }
        let id = string(&table, "id")?;
        ensure!(
            id == place.id(),
            "`id` has to be the folder's name without its number, `{}`, and is `{id}`",
            place.id()
        );
        let minutes = number(&table, "minutes")?
            .context("`minutes` is missing: how long does it take a learner?")?;
        let limit = number(&table, "limit_seconds")?.unwrap_or(LIMIT_SECONDS);
        Ok(Exercise {
            id,
            title: string(&table, "title")?,
            minutes,
            page: string(&table, "page")?,
            services: services(&table)?,
            limit: Duration::from_secs(limit.unsigned_abs()),
            place: place.clone(),
            repository: repository.clone(),
        })
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.place.below(&self.repository.exercises())
    }

    /// The one file that the learner edits.
    pub fn source(&self) -> PathBuf {
        self.folder().join("src").join("lib.rs")
    }

    /// The only tests there are.
    pub fn tests(&self) -> PathBuf {
        self.folder().join("tests").join(format!("{}.rs", self.id))
    }

    /// Its hints.
    pub fn hints(&self) -> PathBuf {
        self.folder().join("HINTS.md")
    }

    /// The folder of its solution.
    pub fn solution(&self) -> PathBuf {
        self.place.below(&self.repository.solutions())
    }

    /// What [`source`](Self::source) was before anybody touched it.
    pub fn stub(&self) -> PathBuf {
        self.solution().join("stub").join("lib.rs")
    }

    /// The page's file.
    pub fn page_file(&self) -> PathBuf {
        let book = self.repository.root().join("book").join("src");
        self.page
            .split('/')
            .fold(book, |path, part| path.join(part))
    }
}

fn string(table: &Table, key: &str) -> anyhow::Result<String> {
    match table.get(key) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(value) => {
            bail!("`{key}` has to be a text in quotes that is not empty, and is {value}")
        }
        None => bail!("`{key}` is missing"),
    }
}

fn number(table: &Table, key: &str) -> anyhow::Result<Option<i64>> {
    match table.get(key) {
        Some(Value::Integer(number)) if *number > 0 => Ok(Some(*number)),
        Some(value) => bail!("`{key}` has to be a whole number above 0, and is {value}"),
        None => Ok(None),
    }
}

fn services(table: &Table) -> anyhow::Result<Vec<String>> {
    let Some(value) = table.get("services") else {
        bail!("`services` is missing; `services = []` says that no server is needed");
    };
    let known = |value: &Value| -> anyhow::Result<String> {
        let name = value.as_str().unwrap_or_default();
        ensure!(
            SERVICES.contains(&name),
            "there is no service {value}; the services are {}",
            SERVICES.join(", ")
        );
        Ok(name.to_owned())
    };
    let list = value
        .as_array()
        .context("`services` has to be a list such as [\"redis\"]")?;
    list.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id = \"round_robin\"\ntitle = \"Take turns\"\nminutes = 15\npage = \"clones/index.md\"\nservices = []\n";

    fn parsed(text: &str) -> Result<Exercise, String> {
        let place = Place {
            chapter: "01_clones".to_owned(),
            folder: "01_round_robin".to_owned(),
        };
        Exercise::parse(text, &Repository::at("/w"), &place).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_description_is_understood() {
        let exercise = parsed(GOOD).unwrap();
        assert_eq!(
            (exercise.id.as_str(), exercise.minutes),
            ("round_robin", 15)
        );
        assert_eq!(
            exercise.limit,
            Duration::from_mins(1),
            "the limit where none is given"
        );
        assert_eq!(
            exercise.page_file(),
            Path::new("/w/book/src/clones/index.md")
        );
        assert_eq!(
            exercise.tests(),
            Path::new("/w/exercises/01_clones/01_round_robin/tests/round_robin.rs")
        );
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        for (good, bad, complaint) in [
            (
                "round_robin",
                "robin",
                "without its number, `round_robin`, and is `robin`",
            ),
            ("title = \"Take turns\"\n", "", "`title` is missing"),
            ("\"Take turns\"", "\" \"", "`title` has to be a text"),
            (
                "minutes = 15",
                "minutes = 0",
                "`minutes` has to be a whole number above 0, and is 0",
            ),
            ("minutes = 15", "minutes = \"15\"", "and is \"15\""),
            ("minutes = 15\n", "", "`minutes` is missing"),
            (
                "[]",
                "[\"redi\"]",
                "there is no service \"redi\"; the services are postgres",
            ),
            ("[]", "\"redis\"", "has to be a list"),
            (
                "services = []\n",
                "",
                "`services = []` says that no server is needed",
            ),
            (
                "services",
                "Services",
                "there is no key `Services`; the keys are id",
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
