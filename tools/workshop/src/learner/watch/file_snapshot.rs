//! Detects edits: [`FileSnapshot`] compares an exercise's files at two times.
//!
//! It compares modification times and lengths. This works on every file system, also where the
//! system sends no change notifications (mounted drives, WSL 2).

use std::ffi::OsStr;
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
        if path.is_dir() {
            add_files(&path, files);
        } else if is_source(&path) {
            files.push(file_state(&path));
        }
    }
}

/// Whether the name is one of a Rust or SQL file. Editors create other files next to the source,
/// such as `.#lib.rs`, `#lib.rs#`, `.lib.rs.swp` and `lib.rs~`.
fn is_source(path: &Path) -> bool {
    let has_extension = |wanted| path.extension().is_some_and(|it| it == wanted);
    let is_name_char = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    (has_extension("rs") || has_extension("sql")) && stem.chars().all(is_name_char)
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

        for name in [
            ".#lib.rs",               // Emacs: a lock
            "#lib.rs#",               // Emacs: a save in between
            "lib.rs~",                // Emacs, gedit: the version before
            ".lib.rs.swp",            // Vim, nano: a lock
            "4913",                   // Vim: whether the folder is writable
            "lib.rs___jb_tmp___",     // JetBrains: the text before it replaces the file
            ".lib.rs",                // atomic savers
            "lib.tmp.rs",             // atomic savers
            ".goutputstream-X2Y3.rs", // GNOME: the text before it replaces the file
        ] {
            workspace.write(&format!("exercises/01_chapter/01_counter/src/{name}"), "x");
            let now = FileSnapshot::take(&list.exercises[0]);
            assert_eq!(now, before, "{name} is taken for a save");
        }

        for name in ["more.rs", "sub/deep_1.rs", "0001_create-table.sql"] {
            let before = FileSnapshot::take(&list.exercises[0]);
            workspace.write(&format!("exercises/01_chapter/01_counter/src/{name}"), "x");
            let now = FileSnapshot::take(&list.exercises[0]);
            assert_ne!(now, before, "{name} is not seen");
        }
    }
}
