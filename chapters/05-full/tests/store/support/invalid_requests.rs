//! Invalid requests, each with the expected status and a part of the expected detail.

use serde_json::json;

/// A request with one error.
pub struct InvalidRequest {
    pub method: &'static str,
    pub path: String,
    pub content_type: &'static str,
    pub body: String,
    pub status: u16,
    /// A part of the problem document's detail.
    pub detail: &'static str,
}

fn json_body(
    method: &'static str,
    path: impl Into<String>,
    body: &str,
    status: u16,
    detail: &'static str,
) -> InvalidRequest {
    InvalidRequest {
        method,
        path: path.into(),
        content_type: "application/json",
        body: body.to_owned(),
        status,
        detail,
    }
}

fn get(path: impl Into<String>, status: u16, detail: &'static str) -> InvalidRequest {
    json_body("GET", path, "", status, detail)
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub fn invalid_requests() -> Vec<InvalidRequest> {
    let order = |body: &str, status, detail| json_body("POST", "/orders", body, status, detail);
    let change = |body: &str, status, detail| json_body("PATCH", "/games/7", body, status, detail);
    let review =
        |body: &str, status, detail| json_body("POST", "/games/7/reviews", body, status, detail);
    let login = |body: &str, status, detail| json_body("POST", "/login", body, status, detail);
    let long = |n: usize| "x".repeat(n);
    vec![
        // Unknown ids, paths and methods.
        get("/games/999999", 404, "there is no game 999999"),
        get("/games/-1", 404, "there is no game -1"),
        get("/games/9223372036854775807", 404, "there is no game"),
        get("/games/9223372036854775808", 400, "path does not fit"),
        get("/games/seven", 400, "path does not fit"),
        get("/games/7.5", 400, "path does not fit"),
        get("/games/+7", 400, "`+7` is written `7`"),
        get("/games/%2B7", 400, "`+7` is written `7`"),
        get("/games/007", 400, "`007` is written `7`"),
        get("/users/Ada/friends", 400, "cannot be a user name"),
        get("/users/ada/friends?after=%00", 400, "cannot be a user name"),
        get("/users/ada/activity?before=7", 400, "`before`"),
        get("/users/ada/activity?before=1.jobs-1", 400, "`before`"),
        get("/users/ada/activity?of=enemies", 400, "friends"),
        get(
            "/users/bob/activity?of=friends",
            404,
            "leave `of=friends` out",
        ),
        get("/news?before=x", 400, "query"),
        get("/news/Nonesuch", 400, "a slug has"),
        get("/news/nonesuch", 404, "there is no article `nonesuch`"),
        get("/orders/01", 400, "`01` is written `1`"),
        json_body(
            "DELETE",
            "/games/7/reviews/+1",
            "",
            400,
            "`+1` is written `1`",
        ),
        get("/games/%00", 400, "path does not fit"),
        get("/games/%ff", 400, "path does not fit"),
        get("/games/7/", 404, "nothing at"),
        get("/orders/999999", 404, "no order"),
        get("/orders/-9223372036854775808", 404, "no order"),
        get("/orders?id=one", 400, "does not fit"),
        get("/orders?before=x", 400, "does not fit"),
        get("/jobs/7", 400, "path does not fit"),
        get("/jobs/00000000-0000-7000-8000-000000000000", 404, "no job"),
        get("/nothing/here", 404, "nothing at `/nothing/here`"),
        json_body("DELETE", "/games/7", "", 405, "Allow"),
        json_body("PUT", "/orders", "{}", 405, "Allow"),
        get("/work?job=order-export", 405, "Allow"),
        json_body("BREW", "/games/7", "", 405, "Allow"),
        json_body("DELETE", "/games/7/reviews/999999", "", 404, "no review"),
        json_body("DELETE", "/games/8/reviews/50", "", 404, "no review"),
        json_body(
            "PATCH",
            "/games/999999",
            r#"{"price_cents":1}"#,
            404,
            "no game",
        ),
        json_body(
            "POST",
            "/games/999999/reviews",
            r#"{"stars":5,"text":"x"}"#,
            404,
            "no game",
        ),
        // Parameters.
        get("/games?page=0", 400, "counted from 1"),
        get("/games?page=-1", 400, "does not fit"),
        get("/games?page=4294967295", 400, "counted from 1"),
        get("/games?page=99999999999999", 400, "does not fit"),
        get("/games?page=1&page=2", 400, "does not fit"),
        get(
            format!("/games?q={}", long(101)),
            400,
            "`q` has up to 100 characters",
        ),
        get(
            format!("/games?q={}", long(50_001)),
            400,
            "`q` has up to 100 characters",
        ),
        get(
            format!("/games?genre={}", long(101)),
            400,
            "`genre` has up to 100",
        ),
        get("/games?q=%00", 400, "`q` has a control character"),
        get("/games?q=a%0Ab", 400, "`q` has a control character"),
        get("/games?genre=rpg", 400, "no genre `rpg`"),
        get("/games?genre=%7F", 400, "`genre` has a control character"),
        json_body("POST", "/work", "", 400, "does not fit"),
        json_body("POST", "/work?job=", "", 422, "the jobs are"),
        json_body("POST", "/work?job=rm%20-rf", "", 422, "the jobs are"),
        // Invalid JSON, or JSON of another shape.
        order("{", 400, "not JSON"),
        order("", 400, "not JSON"),
        order("[]", 422, "not of the shape"),
        order("null", 422, "not of the shape"),
        order(&"[".repeat(20_000), 422, "not of the shape"),
        order(r#"{"game_id":7}"#, 422, "quantity"),
        order(r#"{"game_id":"7","quantity":1}"#, 422, "game_id"),
        order(r#"{"game_id":7,"quantity":1.5}"#, 422, "quantity"),
        order(r#"{"game_id":7,"quantity":1,"gift":true}"#, 422, "gift"),
        order(
            r#"{"game_id":7,"quantity":1,"quantity":2}"#,
            422,
            "quantity",
        ),
        order(
            "{\"game_id\":7,\"quantity\":1,\"\u{0}\":1}",
            400,
            "not JSON",
        ),
        // The right shape with invalid values.
        order(
            r#"{"game_id":7,"quantity":0}"#,
            422,
            "`quantity` is 1 to 100",
        ),
        order(
            r#"{"game_id":7,"quantity":101}"#,
            422,
            "`quantity` is 1 to 100",
        ),
        order(r#"{"game_id":7,"quantity":-1}"#, 422, "quantity"),
        order(r#"{"game_id":7,"quantity":4294967296}"#, 422, "quantity"),
        order(r#"{"game_id":999999,"quantity":1}"#, 422, "no game 999999"),
        change("{}", 422, "nothing to change"),
        change(r#"{"price_cents":-1}"#, 422, "`price_cents` is 0 to"),
        change(r#"{"price_cents":1000001}"#, 422, "`price_cents` is 0 to"),
        change(r#"{"price_cents":1e400}"#, 400, "not JSON"),
        change(r#"{"price_cents":"free"}"#, 422, "price_cents"),
        change(r#"{"description":""}"#, 422, "`description` has 1 to"),
        change(r#"{"description":" \n "}"#, 422, "`description` has 1 to"),
        change(
            r#"{"description":"a\u0000b"}"#,
            422,
            "`description` is plain text",
        ),
        change(
            &json!({ "description": long(5_001) }).to_string(),
            422,
            "`description` has 1 to",
        ),
        change(r#"{"price_cents":null}"#, 422, "null"),
        change(r#"{"title":"Mine"}"#, 422, "title"),
        review(r#"{"stars":0,"text":"x"}"#, 422, "`stars` is 1 to 5"),
        review(r#"{"stars":6,"text":"x"}"#, 422, "`stars` is 1 to 5"),
        review(r#"{"stars":1.5,"text":"x"}"#, 422, "stars"),
        review(r#"{"stars":"5","text":"x"}"#, 422, "stars"),
        review(r#"{"stars":256,"text":"x"}"#, 422, "stars"),
        review(r#"{"stars":5,"text":"   "}"#, 422, "`text` has 1 to"),
        review(
            r#"{"stars":5,"text":"\u001b[31mred"}"#,
            422,
            "`text` is plain text",
        ),
        review(
            &json!({ "stars": 5, "text": long(2_001) }).to_string(),
            422,
            "`text` has 1 to",
        ),
        login(r#"{"user":""}"#, 422, "user name"),
        login(r#"{"user":"Ada Lovelace"}"#, 422, "user name"),
        login(r#"{"user":"../../etc/passwd"}"#, 422, "user name"),
        login(r#"{"user":"a\u0000b"}"#, 422, "user name"),
        login(&json!({ "user": long(33) }).to_string(), 422, "user name"),
        // A body that is too large.
        order(
            &json!({ "game_id": 7, "quantity": 1, "x": long(70_000) }).to_string(),
            413,
            "larger than",
        ),
        // Another content type.
        InvalidRequest {
            content_type: "text/plain",
            ..order(r#"{"game_id":7,"quantity":1}"#, 415, "application/json")
        },
        InvalidRequest {
            content_type: "application/x-www-form-urlencoded",
            ..order("game_id=7&quantity=many", 422, "quantity")
        },
        // Static files that do not exist.
        get("/static/no.css", 404, "nothing at"),
        get("/static/games/7", 404, "named by their game"),
        get("/static/games/007.html", 404, "named by their game"),
        get("/static/games/+7.html", 404, "named by their game"),
        get("/static/art/007/cover.svg", 400, "`007` is written `7`"),
        get("/static/games/7.htm", 404, "named by their game"),
        get(
            "/static/games/..%2F..%2Fstore.db",
            404,
            "named by their game",
        ),
        get(
            "/static/games/%2e%2e%2f%2e%2e%2fetc%2fpasswd.html",
            404,
            "named by their game",
        ),
        get("/static/games/999999.html", 404, "no game"),
        get("/static/art/7/..%2Fcover.svg", 404, "images are"),
        get("/static/art/7/cover.png", 404, "images are"),
        get("/static/art/x/cover.svg", 400, "path does not fit"),
    ]
}
