//! The image of a program: the program and its shared libraries, nothing else.
//!
//! `ldd` lists the libraries, so the container has the same C library that the program was linked
//! with. The tag is a hash of the content: a rebuilt program gets a new image, and the old image is
//! removed. There are no certificates, time zones, users or shells in the image.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt;
use testcontainers::bollard::query_parameters::{
    CreateImageOptions, ListImagesOptionsBuilder, RemoveImageOptions,
};
use testcontainers::bollard::{Docker, body_full};
use tokio_tar::{Builder, EntryType, Header};
use xxhash_rust::xxh3::Xxh3Default;

use crate::docker::labels::{OWNER, owner_filter};
use crate::docker::{is_missing, lease};
use crate::error::Error;

/// The program's path in its image.
pub(crate) const PROGRAM: &str = "/program";

/// The name of the program's image. Makes the image if it does not exist.
///
/// The caller holds the lock `programs`, so that no other process removes the image.
pub(crate) async fn get(docker: &Docker, program: &Path) -> Result<String, Error> {
    let files = tokio::task::spawn_blocking({
        let program = program.to_owned();
        move || Files::of(&program)
    });
    let files = files.await.expect("reading files does not panic")?;
    let stem = program
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let (repository, tag) = (format!("workshop/{stem}"), files.digest());
    let name = format!("{repository}:{tag}");
    match docker.inspect_image(&name).await {
        Ok(_) => return Ok(name),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(Error::docker(format!("inspect the image {name}"), &error)),
    }
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repository.clone()),
        tag: Some(tag),
        changes: vec![format!("LABEL {OWNER}={}", lease::owner())],
        ..CreateImageOptions::default()
    };
    let archive = files
        .archive()
        .await
        .map_err(|error| program_error(program, error))?;
    let mut steps = docker.create_image(Some(options), Some(body_full(archive.into())), None);
    while let Some(step) = steps.next().await {
        step.map_err(|error| Error::docker(format!("make the image {name}"), &error))?;
    }
    for older in image_names(docker).await? {
        if older != name && older.starts_with(&format!("{repository}:")) {
            remove(docker, &older).await;
        }
    }
    Ok(name)
}

/// Removes the images of all programs of this owner. An image that a container uses stays.
pub(crate) async fn remove_all(docker: &Docker) -> Result<(), Error> {
    for name in image_names(docker).await? {
        remove(docker, &name).await;
    }
    Ok(())
}

async fn image_names(docker: &Docker) -> Result<Vec<String>, Error> {
    let options = ListImagesOptionsBuilder::default()
        .filters(&owner_filter())
        .build();
    let images = docker.list_images(Some(options)).await;
    let images = images.map_err(|error| Error::docker("list images", &error))?;
    Ok(images
        .into_iter()
        .flat_map(|image| image.repo_tags)
        .collect())
}

async fn remove(docker: &Docker, name: &str) {
    // An error means that a container uses the image, or that another process has removed it.
    let _ = docker
        .remove_image(name, None::<RemoveImageOptions>, None)
        .await;
}

/// The files of the image: path and content of each.
struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    fn of(program: &Path) -> Result<Files, Error> {
        if !cfg!(target_os = "linux") {
            return Err(program_error(
                program,
                "it was not built on Linux, and only Linux programs run in a container",
            ));
        }
        let mut files = vec![(PathBuf::from(PROGRAM), read(program)?)];
        for library in shared_libraries(program)? {
            let content = read(&library)?;
            files.push((library, content));
        }
        Ok(Files(files))
    }

    fn digest(&self) -> String {
        let mut hash = Xxh3Default::new();
        for (path, content) in &self.0 {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(content);
        }
        format!("{:032x}", hash.digest128())
    }

    async fn archive(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, content) in &self.0 {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            let inside = path.strip_prefix("/").unwrap_or(path);
            archive
                .append_data(&mut header, inside, content.as_slice())
                .await?;
        }
        archive.into_inner().await
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| program_error(path, error))
}

fn shared_libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let output = Command::new("ldd").arg(program).output();
    let output =
        output.map_err(|error| program_error(program, format!("`ldd` cannot be run: {error}")))?;
    // `ldd` fails for a program without libraries. That is no error here: the list is empty.
    Ok(paths_in_ldd_output(&String::from_utf8_lossy(
        &output.stdout,
    )))
}

/// The files in the output of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)`, or the path alone for
/// the loader. `linux-vdso.so.1` is no file.
fn paths_in_ldd_output(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let file = line.split_once("=>").map_or(line, |(_, file)| file);
        let file = file.split_whitespace().next()?;
        file.starts_with('/').then(|| PathBuf::from(file))
    };
    text.lines().filter_map(path).collect()
}

fn program_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Program {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_output_gives_libraries_and_loader() {
        let printed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let files = [
            "/lib/x86_64-linux-gnu/libgcc_s.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ]
        .map(PathBuf::from);
        assert_eq!(paths_in_ldd_output(printed), files);
        assert!(paths_in_ldd_output("\tstatically linked\n").is_empty());
    }

    #[test]
    fn digest_depends_on_content_and_path() {
        let files = |path: &str, content: &[u8]| {
            Files(vec![(PathBuf::from(path), content.to_vec())]).digest()
        };
        assert_eq!(files("/a", b"1"), files("/a", b"1"));
        assert_ne!(
            files("/a", b"1"),
            files("/a", b"2"),
            "a rebuilt program would run from the old image"
        );
        assert_ne!(
            files("/a", b"1"),
            files("/b", b"1"),
            "the path must be part of the digest"
        );
    }
}
