//! The login page.
//!
//! Left out: passwords. The workshop is about where a session lives once somebody is logged in, so a name is enough; a
//! real store would leave the proof of identity to a library or a provider.

use ch04_async::pages::{Page, Visitor, layout};
use maud::{Markup, html};

/// The form that logs a customer in. `next` is the path to return to afterwards; whoever redirects there must check that
/// it is a path on this store, since it came from the address bar.
pub fn login(next: Option<&str>, visitor: Visitor<'_>, made: &str) -> Markup {
    let body = html! {
        form.panel.narrow method="post" action="/login" {
            h1 { "Log in" }
            @if let Some(next) = next { input type="hidden" name="next" value=(next); }
            label for="user" { "Your name" }
            // Browsers compile the pattern with the `v` flag, under which a bare hyphen at the end of a class is an error.
            input #user name="user" required maxlength="32" pattern="[a-z0-9][a-z0-9_\\-]{0,31}" autocomplete="username"
                autocapitalize="none" spellcheck="false" aria-describedby="rule";
            p.note #rule {
                "Small letters, digits, - and _; at most 32. "
                "Any name will do, since passwords are not what this workshop teaches."
            }
            button.primary { "Log in" }
        }
    };
    layout(
        Page {
            made: Some(made),
            ..Page::new("Log in", visitor)
        },
        body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_kept_in_the_form() {
        let html = |next| login(next, Visitor::Anonymous, "").into_string();
        assert!(html(Some("/games/7")).contains("name=\"next\" value=\"/games/7\""));
        assert!(!html(None).contains("name=\"next\""));
    }
}
