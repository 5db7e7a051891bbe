//! Small formatting functions that several pages use.

use maud::{Markup, html};

/// A price in dollars and cents.
///
/// ```
/// assert_eq!(ch04_async::prerender::pages::price(1999), "$19.99");
/// assert_eq!(ch04_async::prerender::pages::price(1_234_567), "$12,345.67");
/// ```
pub fn price(cents: i64) -> String {
    let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
    let mut dollars = (cents / 100).to_string();
    // A comma before every third digit from the right, but not before the first digit.
    for at in (1..dollars.len())
        .rev()
        .filter(|at| (dollars.len() - at) % 3 == 0)
        .collect::<Vec<_>>()
    {
        dollars.insert(at, ',');
    }
    format!("{sign}${dollars}.{:02}", cents % 100)
}

/// A rating as five stars, and as a number for screen readers.
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

/// A word with a capital first letter, for genres in headings and buttons.
///
/// ```
/// assert_eq!(ch04_async::prerender::pages::capitalize("role-playing"), "Role-playing");
/// ```
pub fn capitalize(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_shows_cents_and_thousands_commas() {
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
                .expect("a span with the class `off` holds the unlit stars");
            assert_eq!(
                (lit.matches('★').count(), dim.matches('★').count()),
                (full, 5 - full),
                "{html}"
            );
        }
    }
}
