//! The store's pages as HTML: the layout that all pages share, and the small pieces that several of them use.
//!
//! They are plain functions from data to markup, so a page can be made in a clone for one request, or by a publisher in
//! advance for everybody: the page does not know which. What can be rendered in advance is the product page
//! ([`game_page`]), since it depends on the game alone; the pages about a visitor live in `ch05-full`. The pages explain
//! themselves: the footer tells how each was made.
//!
//! Left out: JavaScript (forms and links do), translations, and a template language (maud checks the markup as Rust,
//! and escapes whatever a customer typed).

pub mod art;
mod game;

use maud::{DOCTYPE, Markup, html};

pub use game::game_page;

/// The store's name.
pub const SHOP: &str = "Savepoint";

/// The one style sheet, served as `/static/style.css`.
pub const STYLE_CSS: &str = include_str!("style.css");

/// Who looks at the page, as far as whoever makes the page knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor<'a> {
    /// Anybody: the page is made in advance and the same for all, so it must not depend on a session.
    Unknown,
    /// Somebody without a session.
    Anonymous,
    /// The customer with this name.
    LoggedIn(&'a str),
}

/// What the layout needs to know about a page.
///
/// ```
/// use ch04_async::pages::{Page, Visitor, layout};
///
/// let page = Page { made: Some("served by clone-2"), ..Page::new("Games", Visitor::Anonymous) };
/// let html = layout(page, maud::html! { h1 { "Games" } }).into_string();
/// assert!(html.contains("served by clone-2"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The title in the browser's tab; the store's name is added.
    pub title: &'a str,
    /// Decides what the header offers: logging in, or out.
    pub visitor: Visitor<'a>,
    /// How this page was made, for the footer: "served by clone-2 · cache hit".
    pub made: Option<&'a str>,
    /// What the visitor searched for, to stand in the search box again.
    pub search: &'a str,
    /// Path of a script on this store, if the page has one.
    pub script: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// A page with an empty search box, no script, and nothing to say about how it was made.
    pub fn new(title: &'a str, visitor: Visitor<'a>) -> Self {
        Self {
            title,
            visitor,
            made: None,
            search: "",
            script: None,
        }
    }
}

/// A whole document around `body`.
///
/// There is no inline style and no inline script in any page, so that the store can send
/// `Content-Security-Policy: default-src 'self'`: should an escape ever be forgotten, the browser still runs nothing.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a body is built where it is passed and used once"
)]
pub fn layout(page: Page<'_>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · " (SHOP) }
                link rel="icon" type="image/svg+xml" href="/static/icon.svg";
                link rel="stylesheet" href="/static/style.css";
                @if let Some(src) = page.script { script src=(src) defer {} }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src="/static/icon.svg" alt="" width="32" height="32"; (SHOP) }
                    form.search action="/games" role="search" {
                        label.hidden for="q" { "Search games by title" }
                        input #q type="search" name="q" value=(page.search) placeholder="Search games" maxlength="100";
                        button { "Search" }
                    }
                    nav aria-label="Main" {
                        a href="/games" { "Games" }
                        a href="/orders" { "Orders" }
                        (account(page.visitor))
                    }
                }
                main #content { (body) }
                footer {
                    p { (SHOP) " sells games that do not exist, to show how a store grows." }
                    @if let Some(made) = page.made { p.made { b { "How this page was made: " } (made) } }
                }
            }
        }
    }
}

fn account(visitor: Visitor<'_>) -> Markup {
    html! {
        @match visitor {
            Visitor::Unknown => a href="/account" { "Account" },
            Visitor::Anonymous => a href="/login" { "Log in" },
            // Logging out changes something, so it is a POST: a link would be followed by every prefetching browser.
            Visitor::LoggedIn(name) => form.logout method="post" action="/logout" {
                span.who { (name) }
                button.quiet { "Log out" }
            },
        }
    }
}

/// Cents as a person reads them.
///
/// ```
/// assert_eq!(ch04_async::pages::price(1999), "$19.99");
/// assert_eq!(ch04_async::pages::price(1_234_567), "$12,345.67");
/// ```
pub fn price(cents: i64) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    let mut dollars = (cents / 100).to_string();
    // From the right, a comma before every third digit but the first.
    for at in (1..dollars.len())
        .rev()
        .filter(|at| (dollars.len() - at) % 3 == 0)
        .collect::<Vec<_>>()
    {
        dollars.insert(at, ',');
    }
    format!("{sign}${dollars}.{:02}", cents % 100)
}

/// A rating as five stars, with the number for whoever cannot see them.
pub fn stars(rating: Option<f64>) -> Markup {
    let Some(rating) = rating else {
        return html! { span.unrated { "No reviews yet" } };
    };
    let full = (rating.round() as usize).min(5);
    html! {
        span.stars aria-hidden="true" { (&"★★★★★"[..full * 3]) span.off { (&"★★★★★"[full * 3..]) } }
        span.hidden { (format!("{rating:.1} of 5 stars")) }
    }
}

/// A word with a capital, for genres in headings and buttons.
///
/// ```
/// assert_eq!(ch04_async::pages::capital("role-playing"), "Role-playing");
/// ```
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_has_two_digits_of_cents_and_commas_between_thousands() {
        for (cents, text) in [
            (0, "$0.00"),
            (5, "$0.05"),
            (1999, "$19.99"),
            (99_999, "$999.99"),
            (1_234_567, "$12,345.67"),
            (100_000_000, "$1,000,000.00"),
            (-250, "-$2.50"),
            (i64::MIN, "-$92,233,720,368,547,758.08"),
        ] {
            assert_eq!(price(cents), text);
        }
    }

    #[test]
    fn every_rating_shows_five_stars() {
        for (rating, full) in [(1.0, 1), (4.4, 4), (4.5, 5), (5.0, 5), (0.0, 0), (9.0, 5)] {
            let html = stars(Some(rating)).into_string();
            let (lit, dim) = html
                .split_once("class=\"off\"")
                .expect("the dim stars have their own span");
            assert_eq!(
                (lit.matches('★').count(), dim.matches('★').count()),
                (full, 5 - full),
                "{html}"
            );
        }
    }

    #[test]
    fn titles_and_searches_are_escaped() {
        let page = Page {
            search: "\"><script>",
            ..Page::new("</title><script>", Visitor::LoggedIn("<b>"))
        };
        let html = layout(page, html! {}).into_string();
        assert!(
            !html.contains("<script") && !html.contains("<b></span>"),
            "{html}"
        );
    }

    #[test]
    fn each_visitor_is_offered_what_they_can_do() {
        let header = |visitor| layout(Page::new("x", visitor), html! {}).into_string();
        assert!(header(Visitor::Unknown).contains("href=\"/account\""));
        assert!(header(Visitor::Anonymous).contains("href=\"/login\""));
        let ada = header(Visitor::LoggedIn("ada"));
        assert!(ada.contains("ada") && ada.contains("action=\"/logout\""));
    }
}
