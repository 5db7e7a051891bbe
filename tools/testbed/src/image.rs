//! Where images come from, and all their names and tags.
//!
//! One that is present is used; else it is pulled; else, where no registry can be reached, it is built from Debian packages. In all
//! three cases the same tests pass on it, because [`Service`] starts servers by their own programs. `WORKSHOP_REGISTRY` puts a
//! registry's address before the names: `WORKSHOP_REGISTRY=mirror.example.org/library cargo workshop images`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::{Stream, StreamExt};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ImportImageOptionsBuilder,
};
use tokio::io::AsyncWriteExt;

use crate::docker::docker;
use crate::error::Error;
use crate::lease;
use crate::service::Service;

/// One image.
#[derive(Clone, Copy)]
struct Image {
    /// The name under which a registry has it.
    pulled: &'static str,
    /// The name that we give it when we build it.
    built: &'static str,
    /// The Debian packages it is built from.
    packages: &'static [&'static str],
}

fn image(service: Service) -> Image {
    match service {
        Service::Postgres => Image {
            pulled: "postgres:17",
            built: "workshop/postgres:17",
            packages: &["postgresql-17"],
        },
        Service::Redis => Image {
            pulled: "redis:8.0",
            built: "workshop/redis:8.0",
            packages: &["redis-server"],
        },
        Service::Memcached => Image {
            pulled: "memcached:1.6",
            built: "workshop/memcached:1.6",
            packages: &["memcached"],
        },
        Service::RabbitMq => Image {
            pulled: "rabbitmq:4.0",
            built: "workshop/rabbitmq:4.0",
            packages: &["rabbitmq-server"],
        },
    }
}

impl Image {
    /// What to ask a registry for.
    fn in_registry(self) -> String {
        let registry = std::env::var("WORKSHOP_REGISTRY").unwrap_or_default();
        match registry.trim_end_matches('/') {
            "" => self.pulled.to_owned(),
            registry => format!("{registry}/{}", self.pulled),
        }
    }

    /// The name of the one that is present, if any is.
    async fn present(self, docker: &Docker) -> Result<Option<String>, Error> {
        for name in [
            self.in_registry(),
            self.pulled.to_owned(),
            self.built.to_owned(),
        ] {
            match docker.inspect_image(&name).await {
                Ok(_) => return Ok(Some(name)),
                Err(DockerError::DockerResponseServerError {
                    status_code: 404, ..
                }) => {}
                Err(error) => {
                    return Err(Error::docker(format!("look for the image {name}"), &error));
                }
            }
        }
        Ok(None)
    }
}

/// The name of an image for this service, which is present when this returns. Getting one may take a minute, and says so.
pub(crate) async fn get(service: Service) -> Result<String, Error> {
    let docker = docker().await?;
    let image = image(service);
    if let Some(name) = image.present(&docker).await? {
        return Ok(name);
    }
    // Only one process gets it; the others find it when they are let in.
    let _lock = lease::lock("images").await?;
    if let Some(name) = image.present(&docker).await? {
        return Ok(name);
    }
    let name = image.in_registry();
    eprintln!("testbed: pulling {name}");
    let Err(pull) = pull(&docker, &name).await else {
        return Ok(name);
    };
    eprintln!(
        "testbed: no registry gives {name}; building {} from Debian packages, about a minute",
        image.built
    );
    match tokio::task::spawn_blocking(move || build(image))
        .await
        .expect("running a program does not panic")
    {
        Ok(()) => Ok(image.built.to_owned()),
        Err(build) if build.contains("No space left") => Err(Error::DiskFull(build)),
        Err(build) => Err(Error::NoImage {
            service,
            image: name,
            pull: pull.to_string(),
            build,
        }),
    }
}

async fn pull(docker: &Docker, name: &str) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::default()
        .from_image(name)
        .build();
    let mut progress = docker.create_image(Some(options), None, None);
    while let Some(step) = progress.next().await {
        step.map_err(|error| Error::docker(format!("pull {name}"), &error))?;
    }
    Ok(())
}

/// Runs the script; the error is its last words.
fn build(image: Image) -> Result<(), String> {
    const SCRIPT: &str = include_str!("../images/build.sh");
    let mut bash = Command::new("bash")
        .args(["-s", "--", image.built])
        .args(image.packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("bash cannot be run: {error}"))?;
    let mut input = bash.stdin.take().expect("it was asked for");
    // If bash has ended early, its last words say why.
    let _ = input.write_all(SCRIPT.as_bytes());
    drop(input);
    let output = bash.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = words.trim().lines().rev().take(3).collect();
    Err(lines.into_iter().rev().collect::<Vec<_>>().join("; "))
}

/// Gets all images, and returns their names.
pub async fn get_all() -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for service in Service::ALL {
        names.push(get(service).await?);
    }
    Ok(names)
}

/// Writes all images into one file, for a classroom without a network. Half a file is never left under this name.
pub async fn save(file: &Path) -> Result<(), Error> {
    let names = get_all().await?;
    let docker = docker().await?;
    let partial = file.with_added_extension("part");
    let written = write(
        docker.export_images(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        &partial,
    )
    .await;
    let written =
        written.and_then(|()| std::fs::rename(&partial, file).map_err(|error| bundle(file, error)));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

async fn write(
    images: impl Stream<Item = Result<bytes::Bytes, DockerError>>,
    path: &Path,
) -> Result<(), Error> {
    let mut file = tokio::fs::File::create(path)
        .await
        .map_err(|error| bundle(path, error))?;
    let mut images = std::pin::pin!(images);
    while let Some(chunk) = images.next().await {
        let chunk = chunk.map_err(|error| Error::docker("export its images", &error))?;
        file.write_all(&chunk)
            .await
            .map_err(|error| bundle(path, error))?;
    }
    file.sync_all().await.map_err(|error| bundle(path, error))
}

/// Loads the images of a file that [`save`] wrote. Fails if one of ours is missing afterwards.
pub async fn load(file: &Path) -> Result<Vec<String>, Error> {
    let docker = docker().await?;
    let opened = tokio::fs::File::open(file)
        .await
        .map_err(|error| bundle(file, error))?;
    let chunks = tokio_util::io::ReaderStream::with_capacity(opened, 1 << 20);
    let mut steps =
        docker.import_image_stream(ImportImageOptionsBuilder::default().build(), chunks, None);
    while let Some(step) = steps.next().await {
        step.map_err(|error| bundle(file, error))?;
    }
    let mut names = Vec::new();
    for service in Service::ALL {
        let name = image(service).present(&docker).await?;
        names.push(name.ok_or_else(|| bundle(file, format!("it has no image for {service}")))?);
    }
    Ok(names)
}

fn bundle(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Bundle {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
