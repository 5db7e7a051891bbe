//! The layout that all pages share: head, header, search box and footer.

use maud::{DOCTYPE, Markup, html};

/// The store's name.
pub const STORE_NAME: &str = "Savepoint";

/// The style sheet, served as `/static/style.css`.
pub const STYLE_CSS: &str = include_str!("style.css");

/// The person who looks at the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer<'a> {
    /// Any user: the page is pre-rendered and must not depend on a session.
    Anyone,
    /// A user without a session.
    Anonymous,
    /// The user with this name.
    LoggedIn(&'a str),
}

/// The data of a page that the layout shows.
///
/// ```
/// use ch04_async::prerender::pages::{Page, Viewer, layout};
///
/// let page = Page {
///     render_info: Some("served by clone-2"),
///     ..Page::new("Games", Viewer::Anonymous)
/// };
/// let html = layout(page, maud::html! { h1 { "Games" } }).into_string();
/// assert!(html.contains("served by clone-2"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The title in the browser's tab. The layout adds the store's name.
    pub title: &'a str,
    /// Decides whether the header offers to log in or to log out.
    pub viewer: Viewer<'a>,
    /// How the page was rendered, for the footer: "served by clone-2 · cache hit".
    pub render_info: Option<&'a str>,
    /// The search term, shown in the search box.
    pub search: &'a str,
    /// The path of the page's script, if it has one.
    pub script: Option<&'a str>,
}

impl<'a> Page<'a> {
    /// A page with an empty search box, no script and no render information.
    pub fn new(title: &'a str, viewer: Viewer<'a>) -> Self {
        Self {
            title,
            viewer,
            render_info: None,
            search: "",
            script: None,
        }
    }
}

/// A complete document around `body`.
///
/// No page has inline styles or scripts, so the store can send `Content-Security-Policy:
/// default-src 'self'`. If a template ever forgets to escape a text, the browser still runs no
/// injected script.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers build the body in the call"
)]
pub fn layout(page: Page<'_>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en-GB" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · " (STORE_NAME) }
                link rel="icon" type="image/svg+xml" href="/static/icon.svg";
                link rel="stylesheet" href="/static/style.css";
                @if let Some(src) = page.script { script src=(src) defer {} }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.top {
                    a.brand href="/" { img src="/static/icon.svg" alt="" width="32" height="32"; (STORE_NAME) }
                    form.search action="/games" role="search" {
                        label.hidden for="q" { "Search games by title" }
                        input #q type="search" name="q" value=(page.search) placeholder="Search games" maxlength="100";
                        button { "Search" }
                    }
                    nav aria-label="Main" {
                        a href="/games" { "Games" }
                        a href="/news" { "News" }
                        a href="/orders" { "Orders" }
                        (account(page.viewer))
                    }
                }
                main #content { (body) }
                footer {
                    p { (STORE_NAME) " sells games that do not exist, to show how a store grows." }
                    @if let Some(info) = page.render_info { p.made { b { "How this page was made: " } (info) } }
                }
            }
        }
    }
}

fn account(viewer: Viewer<'_>) -> Markup {
    html! {
        @match viewer {
            Viewer::Anyone => a href="/account" { "Account" },
            Viewer::Anonymous => a href="/login" { "Log in" },
            // Logging out changes state, so it is a POST. Browsers may prefetch a link.
            Viewer::LoggedIn(name) => form.logout method="post" action="/logout" {
                a.who href={ "/users/" (name) "/activity" } { (name) }
                button.quiet { "Log out" }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_searches_are_escaped() {
        let page = Page {
            search: "\"><script>",
            ..Page::new("</title><script>", Viewer::LoggedIn("<b>"))
        };
        let html = layout(page, html! {}).into_string();
        assert!(
            !html.contains("<script") && !html.contains("<b></span>"),
            "{html}"
        );
    }

    #[test]
    fn header_depends_on_viewer() {
        let header = |viewer| layout(Page::new("x", viewer), html! {}).into_string();
        assert!(header(Viewer::Anyone).contains("href=\"/account\""));
        assert!(header(Viewer::Anonymous).contains("href=\"/login\""));
        let ada = header(Viewer::LoggedIn("ada"));
        assert!(ada.contains("ada") && ada.contains("action=\"/logout\""));
    }
}
