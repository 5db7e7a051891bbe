//! What the chapters' experiments share.
//!
//! An experiment takes [`Settings`] from the command line, prints the facts about the [`machine`]
//! beside its results, and shows each result as a [`Spread`]: a median and a range.

pub mod machine;
mod settings;
mod spread;

pub use settings::Settings;
pub use spread::Spread;
