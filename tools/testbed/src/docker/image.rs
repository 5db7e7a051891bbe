//! The images of the servers: their names, and where they come from.
//!
//! A local image is used if there is one. Otherwise it is pulled, and if no registry is reachable,
//! it is built from Debian packages. All three work, because [`Service`] starts the server's
//! program directly. `WORKSHOP_REGISTRY` puts a registry in front of the names:
//! `WORKSHOP_REGISTRY=mirror.example.org/library cargo workshop images`.

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

use crate::docker::{self, is_missing, lease};
use crate::error::Error;
use crate::service::{ProxyKind, Service};

/// One image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    /// The server's name, for messages.
    server: &'static str,
    /// Its name in a registry. Empty if there is no such image, so that it is built.
    pulled: &'static str,
    /// The name that the testbed gives it after building it.
    built: &'static str,
    /// The Debian packages it is built from.
    packages: &'static [&'static str],
}

/// All images: those of the services and of the proxies.
fn all() -> impl Iterator<Item = Image> {
    let services = Service::ALL.map(image).into_iter();
    services.chain(ProxyKind::ALL.map(proxy_image))
}

/// The image of a service.
pub(crate) fn image(service: Service) -> Image {
    match service {
        Service::Postgres => Image {
            server: "PostgreSQL",
            pulled: "postgres:17",
            built: "workshop/postgres:17",
            packages: &["postgresql-17"],
        },
        Service::Redis => Image {
            server: "Redis",
            pulled: "redis:8.0",
            built: "workshop/redis:8.0",
            packages: &["redis-server"],
        },
        Service::Memcached => Image {
            server: "Memcached",
            pulled: "memcached:1.6",
            built: "workshop/memcached:1.6",
            packages: &["memcached"],
        },
        Service::RabbitMq => Image {
            server: "RabbitMQ",
            pulled: "rabbitmq:4.0",
            built: "workshop/rabbitmq:4.0",
            packages: &["rabbitmq-server"],
        },
    }
}

/// The image of a proxy.
pub(crate) fn proxy_image(kind: ProxyKind) -> Image {
    match kind {
        ProxyKind::HaProxy => Image {
            server: "HAProxy",
            pulled: "haproxy:3.0",
            built: "workshop/haproxy:3.0",
            packages: &["haproxy"],
        },
        ProxyKind::Nginx => Image {
            server: "nginx",
            pulled: "nginx:1.26",
            built: "workshop/nginx:1.26",
            packages: &["nginx-light"],
        },
    }
}

/// The image of PostgreSQL under Patroni, with etcd. [`get_all`] does not get it: it is large, and
/// one test and one experiment use it. No publisher offers an image with these three.
pub(crate) fn patroni_image() -> Image {
    Image {
        server: "PostgreSQL under Patroni",
        pulled: NOT_PUBLISHED,
        built: "workshop/patroni:4.0",
        packages: &["postgresql-17", "patroni", "python3-etcd", "etcd-server"],
    }
}

const NOT_PUBLISHED: &str = "";

impl Image {
    /// The name with the registry in front of it, if one is set. `None` if there is no such image.
    fn name_in_registry(self) -> Option<String> {
        let registry = std::env::var("WORKSHOP_REGISTRY").unwrap_or_default();
        match (self.pulled, registry.trim_end_matches('/')) {
            (NOT_PUBLISHED, _) => None,
            (pulled, "") => Some(pulled.to_owned()),
            (pulled, registry) => Some(format!("{registry}/{pulled}")),
        }
    }

    /// The name of the local image, if there is one.
    async fn local_name(self, docker: &Docker) -> Result<Option<String>, Error> {
        let pulled = self.name_in_registry().into_iter();
        let pulled = pulled.chain([self.pulled.to_owned()]);
        let names = pulled.filter(|name| name != NOT_PUBLISHED);
        for name in names.chain([self.built.to_owned()]) {
            match docker.inspect_image(&name).await {
                Ok(_) => return Ok(Some(name)),
                Err(error) if is_missing(&error) => {}
                Err(error) => {
                    return Err(Error::docker(format!("inspect the image {name}"), &error));
                }
            }
        }
        Ok(None)
    }
}

/// The name of this image on this machine. Pulls or builds it if necessary, which may take a
/// minute, and says so on the standard error.
pub(crate) async fn get(image: Image) -> Result<String, Error> {
    let docker = docker::client().await?;
    if let Some(name) = image.local_name(&docker).await? {
        return Ok(name);
    }
    // One process gets the image; the others wait here and then find it.
    let _lock = lease::lock("images").await?;
    if let Some(name) = image.local_name(&docker).await? {
        return Ok(name);
    }
    let mut pull_error = "there is no such image in a registry".to_owned();
    if let Some(name) = image.name_in_registry() {
        eprintln!("testbed: pulling {name}");
        match pull(&docker, &name).await {
            Ok(()) => return Ok(name),
            Err(error) => pull_error = error.to_string(),
        }
        eprintln!("testbed: pulling {name} failed");
    }
    eprintln!(
        "testbed: building {} from Debian packages, some minutes at most",
        image.built
    );
    match tokio::task::spawn_blocking(move || build(image))
        .await
        .expect("`build` returns its errors and does not panic")
    {
        Ok(()) => Ok(image.built.to_owned()),
        Err(build) if build.contains("No space left") => Err(Error::DiskFull(build)),
        Err(build) => Err(Error::NoImage {
            server: image.server,
            image: image
                .name_in_registry()
                .unwrap_or_else(|| image.built.to_owned()),
            pull: pull_error,
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

/// Runs the build script. The error holds the last lines of its standard error.
fn build(image: Image) -> Result<(), String> {
    const SCRIPT: &str = include_str!("../../images/build.sh");
    let mut bash = Command::new("bash")
        .args(["-s", "--", image.built])
        .args(image.packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("bash cannot be run: {error}"))?;
    let mut input = bash.stdin.take().expect("stdin is piped above");
    // If bash ends early, its standard error says why.
    let _ = input.write_all(SCRIPT.as_bytes());
    drop(input);
    let output = bash.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.trim().lines().rev().take(3).collect();
    Err(lines.into_iter().rev().collect::<Vec<_>>().join("; "))
}

/// Gets all images, and returns their names.
pub async fn get_all() -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for image in all() {
        names.push(get(image).await?);
    }
    Ok(names)
}

/// Writes all images into one file, for machines without a network. The file appears under this
/// name only when it is complete.
pub async fn save(file: &Path) -> Result<(), Error> {
    let names = get_all().await?;
    let docker = docker::client().await?;
    let partial = file.with_added_extension("part");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let written = write(docker.export_images(&names), &partial).await;
    let renamed = written
        .and_then(|()| std::fs::rename(&partial, file).map_err(|error| bundle_error(file, error)));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    renamed
}

async fn write(
    images: impl Stream<Item = Result<bytes::Bytes, DockerError>>,
    path: &Path,
) -> Result<(), Error> {
    let mut file = tokio::fs::File::create(path)
        .await
        .map_err(|error| bundle_error(path, error))?;
    let mut images = std::pin::pin!(images);
    while let Some(chunk) = images.next().await {
        let chunk = chunk.map_err(|error| Error::docker("export its images", &error))?;
        file.write_all(&chunk)
            .await
            .map_err(|error| bundle_error(path, error))?;
    }
    file.sync_all()
        .await
        .map_err(|error| bundle_error(path, error))
}

/// Loads the images of a file that [`save`] wrote, and returns their names. Fails if one is
/// missing.
pub async fn load(file: &Path) -> Result<Vec<String>, Error> {
    let docker = docker::client().await?;
    let opened = tokio::fs::File::open(file)
        .await
        .map_err(|error| bundle_error(file, error))?;
    let chunks = tokio_util::io::ReaderStream::with_capacity(opened, 1 << 20);
    let options = ImportImageOptionsBuilder::default().build();
    let mut steps = docker.import_image_stream(options, chunks, None);
    while let Some(step) = steps.next().await {
        step.map_err(|error| bundle_error(file, error))?;
    }
    let mut names = Vec::new();
    for image in all() {
        let name = image.local_name(&docker).await?;
        let missing = || bundle_error(file, format!("it has no image for {}", image.server));
        names.push(name.ok_or_else(missing)?);
    }
    Ok(names)
}

fn bundle_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Bundle {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
