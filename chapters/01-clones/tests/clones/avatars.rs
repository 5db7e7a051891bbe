//! Uploads: accepted and rejected pictures, and their response headers.

use std::sync::Arc;

use axum::extract::FromRef;
use ch01_clones::clone::app;
use ch01_clones::clone::avatar::{self, MAX_AVATAR_BYTES};
use ch01_clones::{AvatarStore, MemorySessions, SessionStore};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{TestServer, assert_problem, client, header, log_in, read_head, serve};

pub const PNG: &[u8] = include_bytes!("../../src/demo/pixel.png");

/// One clone with its avatars in `objects`, and the session cookie of a user.
pub async fn clone_with_ada(objects: Arc<dyn ObjectStore>) -> (TestServer, String) {
    let sessions = Arc::new(MemorySessions::new());
    let clone = serve(app::router("clone-1", sessions, AvatarStore::new(objects))).await;
    let cookie = log_in(&clone.url("/login"), "ada", None).await;
    (clone, cookie)
}

pub async fn put(
    clone: &TestServer,
    cookie: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let request = client()
        .put(clone.url("/me/avatar"))
        .header("cookie", cookie);
    request.body(body).send().await.unwrap()
}

pub async fn get(clone: &TestServer, user: &str) -> reqwest::Response {
    let url = clone.url(&format!("/users/{user}/avatar"));
    client().get(url).send().await.unwrap()
}

#[tokio::test]
async fn picture_is_returned_unchanged() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let table: [(&[u8], &str); 5] = [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0 and so on", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a<script>alert(1)</script>", "image/gif"),
    ];
    for (bytes, kind) in table {
        let request = client()
            .put(clone.url("/me/avatar"))
            .header("cookie", &cookie);
        let sent = request
            .header("content-type", "text/html")
            .body(bytes)
            .send()
            .await;
        assert_eq!(sent.unwrap().status(), 204, "{kind}");

        let answer = get(&clone, "ada").await;

        assert_eq!(answer.status(), 200);
        assert_eq!(
            header(&answer, "content-type"),
            kind,
            "the content type must follow from the first bytes"
        );
        assert_eq!(
            header(&answer, "x-content-type-options"),
            "nosniff",
            "without it, a browser may treat a picture as a page"
        );
        assert_eq!(
            header(&answer, "cache-control"),
            "no-cache",
            "without it, a browser keeps showing the old picture"
        );
        assert_eq!(answer.bytes().await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn unknown_picture_format_is_a_415() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let table: [&[u8]; 6] = [
        b"",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<!doctype html>",
        &PNG[..7],
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"GIF88a",
    ];
    for bytes in table {
        let request = client()
            .put(clone.url("/me/avatar"))
            .header("cookie", &cookie);
        let answer = request
            .header("content-type", "image/png")
            .body(bytes)
            .send()
            .await
            .unwrap();
        assert_problem(answer, 415, "PNG, JPEG, WebP or GIF").await;
    }
    assert_problem(get(&clone, "ada").await, 404, "`ada`").await;
}

#[tokio::test]
async fn picture_above_256_kib_is_a_413() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let picture = |size: usize| {
        let mut bytes = PNG.to_vec();
        bytes.resize(size, 0);
        bytes
    };
    assert_eq!(
        put(&clone, &cookie, picture(MAX_AVATAR_BYTES))
            .await
            .status(),
        204
    );

    let larger = picture(MAX_AVATAR_BYTES + 1);
    assert_problem(
        put(&clone, &cookie, larger.clone()).await,
        413,
        "262144 bytes",
    )
    .await;
    // Without `Content-Length`, the clone must count the bytes.
    let pieces = larger
        .chunks(10_000)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let streamed =
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
    assert_problem(put(&clone, &cookie, streamed).await, 413, "262144 bytes").await;

    let kept = get(&clone, "ada").await.bytes().await.unwrap();
    assert_eq!(kept.len(), MAX_AVATAR_BYTES, "a rejected upload was stored");
}

#[tokio::test]
async fn upload_is_refused_before_it_is_sent() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let table = [
        (format!("Cookie: {cookie}\r\n"), 262_145, "413"),
        (String::new(), 100, "401"),
    ];
    for (cookie, length, status) in table {
        let mut stream = TcpStream::connect(clone.addr).await.unwrap();
        let head = format!(
            "PUT /me/avatar HTTP/1.1\r\nHost: a\r\n{cookie}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "the clone asked for a body of which it knew enough:\n{answer}"
        );
    }
}

#[tokio::test]
async fn upload_without_login_is_a_401() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let answer = client()
        .put(clone.url("/me/avatar"))
        .body(PNG)
        .send()
        .await
        .unwrap();
    assert_problem(answer, 401, "`POST /login`").await;
    assert_problem(
        put(&clone, "session=made-up", PNG).await,
        401,
        "`POST /login`",
    )
    .await;

    let bob = log_in(&clone.url("/login"), "bob", None).await;
    assert_eq!(put(&clone, &bob, PNG).await.status(), 204);

    assert_eq!(get(&clone, "bob").await.status(), 200);
    assert_eq!(
        get(&clone, "ada").await.status(),
        404,
        "an upload changed the picture of another user"
    );
    assert_eq!(put(&clone, &cookie, "GIF89a").await.status(), 204);
    assert_eq!(
        header(&get(&clone, "bob").await, "content-type"),
        "image/png"
    );
}

#[tokio::test]
async fn invalid_user_in_path_is_a_400() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), PNG).unwrap();
    let avatars = folder.path().join("avatars");
    std::fs::create_dir(&avatars).unwrap();
    let (clone, _cookie) = clone_with_ada(Arc::new(
        LocalFileSystem::new_with_prefix(&avatars).unwrap(),
    ))
    .await;
    for id in [
        "Ada",
        "..%2Fsecret",
        "..%2F..%2Fsecret",
        "a%00",
        "%ff",
        "a%20b",
        "caf%C3%A9",
    ] {
        assert_problem(get(&clone, id).await, 400, "path").await;
    }
    assert_problem(get(&clone, "nobody").await, 404, "`nobody`").await;
}

#[tokio::test]
async fn unchanged_picture_is_a_304() {
    let (clone, cookie) = clone_with_ada(Arc::new(InMemory::new())).await;
    let ask = async |tag: &str| {
        let request = client()
            .get(clone.url("/users/ada/avatar"))
            .header("if-none-match", tag);
        request.send().await.unwrap()
    };
    put(&clone, &cookie, PNG).await;
    let first = header(&get(&clone, "ada").await, "etag").to_owned();
    assert!(
        first.starts_with('"') && first.ends_with('"'),
        "{first} is no strong tag"
    );

    for tag in [
        first.clone(),
        format!("W/{first}"),
        format!("\"other\", {first}"),
        "*".to_owned(),
    ] {
        let answer = ask(&tag).await;
        assert_eq!(answer.status(), 304, "{tag}");
        assert_eq!(header(&answer, "etag"), first);
        assert_eq!(header(&answer, "cache-control"), "no-cache");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    assert_eq!(ask("\"other\"").await.status(), 200);

    put(&clone, &cookie, PNG).await;
    assert_eq!(
        ask(&first).await.status(),
        304,
        "the same bytes must have the same ETag"
    );
    put(&clone, &cookie, "GIF89a").await;
    let answer = ask(&first).await;
    assert_eq!(answer.status(), 200, "a new picture has a new tag");
    assert_ne!(header(&answer, "etag"), first);
}

#[test]
fn the_routes_describe_themselves() {
    #[derive(Clone)]
    struct State;
    impl FromRef<State> for Arc<dyn SessionStore> {
        fn from_ref(_: &State) -> Self {
            Arc::new(MemorySessions::new())
        }
    }
    impl FromRef<State> for AvatarStore {
        fn from_ref(_: &State) -> Self {
            AvatarStore::new(Arc::new(InMemory::new()))
        }
    }
    let routes = avatar::routes::<State>().into_openapi();
    let described = serde_json::to_value(&routes).unwrap();
    let of = |pointer: &str| described.pointer(pointer).unwrap().as_object().unwrap();
    assert_eq!(
        of("/paths").keys().collect::<Vec<_>>(),
        ["/me/avatar", "/users/{id}/avatar"]
    );
    let kinds = ["image/gif", "image/jpeg", "image/png", "image/webp"];
    for content in [
        "~1me~1avatar/put/requestBody",
        "~1users~1{id}~1avatar/get/responses/200",
    ] {
        let content = of(&format!("/paths/{content}/content"));
        let mut described: Vec<&String> = content.keys().collect();
        described.sort();
        assert_eq!(described, kinds);
    }
}
