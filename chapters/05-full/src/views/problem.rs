//! The error page.

use ch04_async::prerender::pages::{Page, Viewer, layout};
use maud::{Markup, html};

/// The page of an error. Shows the `title` and the `detail` of the problem document (RFC 9457).
pub fn problem(status: u16, title: &str, detail: &str, viewer: Viewer<'_>) -> Markup {
    let body = html! {
        div.panel.narrow {
            p.kicker { "Status " (status) }
            h1 { (title) }
            p { (detail) }
            a.button.primary href="/" { "Back to the shop" }
        }
    };
    layout(Page::new(title, viewer), body)
}
