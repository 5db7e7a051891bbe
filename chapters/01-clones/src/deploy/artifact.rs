//! An immutable artefact: the program and its start arguments, in a folder named by its content.
//!
//! If every server built its own program, the servers would differ: another compiler, another
//! library, a file that a person edited. So a release is built once, named by a hash of all its
//! bytes, and started everywhere. [`Artifact::open`] checks the hash. A container image works the
//! same way, and calls the hash a digest. There are no signatures: a hash proves that nothing has
//! changed, but not who built it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The file name of the program.
const PROGRAM: &str = if cfg!(windows) { "clone.exe" } else { "clone" };

/// The file name of the [`Release`].
const RELEASE: &str = "release.toml";

/// The description of a release, stored beside the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// A name for people, such as `v2`: 1 to 32 of `A-Z a-z 0-9 . _ -`.
    pub version: String,
    /// The clones' arguments, after those of the supervisor.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// A packed release. [`Artifact::open`] checks that it is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    folder: PathBuf,
    release: Release,
    digest: String,
}

/// Why an artefact cannot be packed or opened.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// For example `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// `release.toml` is not valid.
    #[error("`release.toml` in {} is not valid: {reason}", folder.display())]
    Release {
        /// The artefact's folder.
        folder: PathBuf,
        /// The parser's error.
        reason: String,
    },
    /// The version cannot be part of a folder name and of a header.
    #[error(
        "`{0}` cannot be a version; take 1 to 32 of A-Z, a-z, 0-9, `.`, `_` and `-`, such as `v2`"
    )]
    Version(String),
    /// The content has changed after packing.
    #[error("{} has changed after packing: its content is now {found}; pack a new artefact instead of changing this one", folder.display())]
    Changed {
        /// The artefact's folder.
        folder: PathBuf,
        /// The name that fits the current content.
        found: String,
    },
}

impl Artifact {
    /// Packs a program into a new folder in `into`. The same content always gets the same folder.
    pub fn pack(program: &Path, release: &Release, into: &Path) -> Result<Self, ArtifactError> {
        check_version(&release.version)?;
        let text = toml::to_string(release).expect("strings and a list of strings are always TOML");
        let bytes = fs::read(program).map_err(failed("read", program))?;
        let digest = digest(&bytes, &text);
        let artifact = Artifact {
            folder: into.join(format!("{}-{}", release.version, &digest[..12])),
            release: release.clone(),
            digest,
        };
        if artifact.folder.exists() {
            return Artifact::open(&artifact.folder);
        }
        fs::create_dir_all(into).map_err(failed("create", into))?;
        // Write to a temporary folder and rename it, so that no process sees a half artefact.
        let temporary = tempdir_in(into)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = temporary.join(name);
            fs::write(&path, bytes)
                .and_then(|()| make_read_only(&path, name == PROGRAM))
                .map_err(failed("write", &path))
        };
        let written = write(PROGRAM, &bytes).and_then(|()| write(RELEASE, text.as_bytes()));
        let moved = written.and_then(|()| {
            fs::rename(&temporary, &artifact.folder).map_err(failed("create", &artifact.folder))
        });
        if moved.is_err() {
            let _ = fs::remove_dir_all(&temporary);
            // Another process may have packed the same artefact at the same time.
            if artifact.folder.exists() {
                return Artifact::open(&artifact.folder);
            }
        }
        moved.map(|()| artifact)
    }

    /// Opens the artefact in this folder and checks its content.
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        let (program, release) = (folder.join(PROGRAM), folder.join(RELEASE));
        let text = fs::read_to_string(&release).map_err(failed("read", &release))?;
        let bytes = fs::read(&program).map_err(failed("read", &program))?;
        let release: Release = toml::from_str(&text).map_err(|error| ArtifactError::Release {
            folder: folder.to_owned(),
            reason: error.to_string(),
        })?;
        check_version(&release.version)?;
        let digest = digest(&bytes, &text);
        let name = format!("{}-{}", release.version, &digest[..12]);
        if folder.file_name() != Some(name.as_ref()) {
            return Err(ArtifactError::Changed {
                folder: folder.to_owned(),
                found: name,
            });
        }
        Ok(Artifact {
            folder: folder.to_owned(),
            release,
            digest,
        })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of its program.
    pub fn program(&self) -> PathBuf {
        self.folder.join(PROGRAM)
    }

    /// Its version and arguments.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// The SHA-256 of its content, as 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The hash includes the lengths, or a byte could move from one file to the other unnoticed.
fn digest(program: &[u8], release: &str) -> String {
    let mut hash = Sha256::new();
    for part in [program, release.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .fold(String::new(), |mut digits, byte| {
            write!(digits, "{byte:02x}").expect("writing to a String cannot fail");
            digits
        })
}

fn check_version(version: &str) -> Result<(), ArtifactError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_version = (1..=32).contains(&version.len())
        && version.bytes().all(is_allowed)
        && !version.starts_with('.');
    is_version
        .then_some(())
        .ok_or_else(|| ArtifactError::Version(version.chars().take(40).collect()))
}

/// Protects a file against accidental changes.
fn make_read_only(path: &Path, is_program: bool) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    #[cfg(unix)]
    std::os::unix::fs::PermissionsExt::set_mode(
        &mut permissions,
        if is_program { 0o555 } else { 0o444 },
    );
    #[cfg(not(unix))]
    {
        let _ = is_program;
        permissions.set_readonly(true);
    }
    fs::set_permissions(path, permissions)
}

fn tempdir_in(into: &Path) -> Result<PathBuf, ArtifactError> {
    let folder = into.join(format!(".packing-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&folder).map_err(failed("create", &folder))?;
    Ok(folder)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::File {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release {
            version: version.to_owned(),
            arguments: Vec::new(),
        }
    }

    /// A folder with a program in it.
    fn folder_with_program() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "the code").unwrap();
        (folder, program)
    }

    #[test]
    fn name_depends_on_content() {
        let (folder, program) = folder_with_program();
        let pack = |release: &Release| Artifact::pack(&program, release, folder.path()).unwrap();
        let first = pack(&release("v1"));
        assert_eq!(pack(&release("v1")), first);
        assert_eq!(Artifact::open(first.folder()).unwrap(), first);

        let mut other = release("v1");
        other.arguments.push("--verbose".to_owned());
        assert_ne!(
            pack(&other).digest(),
            first.digest(),
            "do the arguments change the digest?"
        );
        fs::write(&program, "the Code").unwrap();
        assert_ne!(
            pack(&release("v1")).digest(),
            first.digest(),
            "does every byte change the digest?"
        );
    }

    #[test]
    fn concurrent_packing_makes_one_artefact() {
        let (folder, program) = folder_with_program();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Artifact::pack(&program, &release("v1"), folder.path()).unwrap());
            }
        });
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "the program, and one artefact"
        );
    }

    #[test]
    fn changed_artefact_is_not_opened() {
        let (folder, program) = folder_with_program();
        for file in [PROGRAM, RELEASE] {
            let artifact = Artifact::pack(&program, &release("v1"), folder.path()).unwrap();
            let path = artifact.folder().join(file);
            assert!(fs::metadata(&path).unwrap().permissions().readonly());
            fs::remove_file(&path).unwrap();
            fs::write(&path, "version = 'v1'\n").unwrap();
            let error = Artifact::open(artifact.folder()).unwrap_err();
            assert!(
                matches!(error, ArtifactError::Changed { .. }),
                "{file}: {error}"
            );
            fs::remove_dir_all(artifact.folder()).unwrap();
        }
    }

    #[test]
    fn version_that_is_no_plain_word_is_rejected() {
        let (folder, program) = folder_with_program();
        for wrong in ["", "../v1", "v 1", ".v1", "v1/..", &"v".repeat(33)] {
            let error = Artifact::pack(&program, &release(wrong), folder.path()).unwrap_err();
            assert!(
                matches!(error, ArtifactError::Version(_)),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn failed_packing_leaves_no_files() {
        let (folder, program) = folder_with_program();
        let missing = Artifact::pack(
            &folder.path().join("nothing"),
            &release("v1"),
            folder.path(),
        );
        assert!(missing.unwrap_err().to_string().contains("cannot read"));
        let into_a_file = Artifact::pack(&program, &release("v1"), &program);
        assert!(
            into_a_file
                .unwrap_err()
                .to_string()
                .contains("cannot create")
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
