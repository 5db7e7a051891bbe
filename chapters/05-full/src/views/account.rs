//! The login page. It asks for a name and no password: the workshop teaches sessions, not identity.

use ch04_async::prerender::pages::{Page, Viewer, layout};
use maud::{Markup, html};

/// The login form. `next` is the path to return to after the login.
///
/// `next` comes from the URL. The handler that redirects must check that it is a path of this
/// store.
pub fn login(next: Option<&str>, viewer: Viewer<'_>, render_info: &str) -> Markup {
    let body = html! {
        form.panel.narrow method="post" action="/login" {
            h1 { "Log in" }
            @if let Some(next) = next { input type="hidden" name="next" value=(next); }
            label for="user" { "Your name" }
            // Browsers compile the pattern with the `v` flag, which requires the escape of `-`.
            input #user name="user" required maxlength="32" pattern="[a-z0-9][a-z0-9_\\-]{0,31}"
                autocomplete="username" autocapitalize="none" spellcheck="false"
                aria-describedby="rule";
            p.note #rule {
                "Lower-case letters, digits, - and _; at most 32. "
                "Any name works: the workshop does not teach passwords."
            }
            button.primary { "Log in" }
        }
    };
    layout(
        Page {
            render_info: Some(render_info),
            ..Page::new("Log in", viewer)
        },
        body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_keeps_the_return_path() {
        let html = |next| login(next, Viewer::Anonymous, "").into_string();
        assert!(html(Some("/games/7")).contains("name=\"next\" value=\"/games/7\""));
        assert!(!html(None).contains("name=\"next\""));
    }
}
