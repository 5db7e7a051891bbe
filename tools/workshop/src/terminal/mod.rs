//! How text looks in a terminal: styles, the progress bar, and words for counts and times.

pub mod colour;
pub mod progress_bar;
pub mod style;
pub mod text;
