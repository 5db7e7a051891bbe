//! Suggests the right spelling for a name that does not exist.

/// The share of equal characters from which on two names count as similar, from 0 to 1.
const MIN_SIMILARITY: f32 = 0.6;

/// `; did you mean X?`, if an existing name is similar to the missing one. Else `; OTHERWISE`.
pub fn did_you_mean<'name>(
    missing: &str,
    existing: impl IntoIterator<Item = &'name str>,
    otherwise: &str,
) -> String {
    let existing: Vec<&str> = existing.into_iter().collect();
    match similar::get_close_matches(missing, &existing, 1, MIN_SIMILARITY).first() {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; {otherwise}"),
    }
}
