//! Detects edits: [`FileSnapshot`] compares an exercise's files at two times.
//!
//! It compares modification times and lengths. This works on every file system, also where the
//! system sends no change notifications (mounted drives, WSL 2).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::exercises::exercise::Exercise;

/// The modification time and the length of a file. Both are missing while an editor replaces it.
type FileState = (PathBuf, Option<SystemTime>, u64);

/// The state of all files of an exercise.
#[derive(Debug, PartialEq, Eq)]
pub struct FileSnapshot(Vec<FileState>);

impl FileSnapshot {
    /// The state now.
    pub fn take(exercise: &Exercise) -> Self {
        let dir = exercise.dir();
        let mut files = vec![file_state(&dir.join("Cargo.toml"))];
        for part in ["src", "tests"] {
            add_files(&dir.join(part), &mut files);
        }
        files.sort();
        FileSnapshot(files)
    }
}

fn file_state(path: &Path) -> FileState {
    let metadata = fs::metadata(path).ok();
    let modified = metadata.as_ref().and_then(|it| it.modified().ok());
    let length = metadata.map_or(0, |metadata| metadata.len());
    (path.to_owned(), modified, length)
}

fn add_files(dir: &Path, files: &mut Vec<FileState>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        // Editors create other files next to the source.
        let is_source = path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "sql");
        if path.is_dir() {
            add_files(&path, files);
        } else if is_source {
            files.push(file_state(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::SampleWorkspace;
    use crate::exercises::exercise_list::ExerciseList;

    #[test]
    fn temporary_files_of_editors_are_ignored() {
        let workspace = SampleWorkspace::new();
        let list = ExerciseList::load(&workspace.repository()).unwrap();
        let before = FileSnapshot::take(&list.exercises[0]);

        workspace.write("exercises/01_chapter/01_counter/src/.lib.rs.swp", "x");
        assert_eq!(FileSnapshot::take(&list.exercises[0]), before);

        workspace.write("exercises/01_chapter/01_counter/src/more.rs", "x");
        assert_ne!(FileSnapshot::take(&list.exercises[0]), before);
    }
}
