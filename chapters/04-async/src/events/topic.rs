//! Topics and the patterns that match them, by the rules of AMQP's topic exchanges.

/// Whether `topic` matches `pattern`: `*` stands for one word, `#` for any number of words.
///
/// ```
/// use ch04_async::events::topic::matches;
///
/// assert!(matches("rsvp.*", "rsvp.created"));
/// assert!(!matches("rsvp.*", "rsvp.created.late"));
/// assert!(matches("rsvp.#", "rsvp.created.late"));
/// assert!(matches("#.created", "rsvp.created"));
/// assert!(!matches("order.*", "rsvp.created"));
/// ```
pub fn matches(pattern: &str, topic: &str) -> bool {
    let pattern: Vec<_> = pattern.split('.').collect();
    let topic: Vec<_> = topic.split('.').collect();
    words_match(&pattern, &topic)
}

fn words_match(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern, topic) {
        ([], []) => true,
        (["#", pattern @ ..], _) => {
            (0..=topic.len()).any(|skipped| words_match(pattern, &topic[skipped..]))
        }
        (["*", pattern @ ..], [_, topic @ ..]) => words_match(pattern, topic),
        ([expected, pattern @ ..], [word, topic @ ..]) => {
            expected == word && words_match(pattern, topic)
        }
        _ => false,
    }
}
