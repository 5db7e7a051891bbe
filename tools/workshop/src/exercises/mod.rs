//! The exercises: their files, descriptions and hints, the learner's progress, and their tests.

pub mod exercise;
pub mod exercise_list;
pub mod hints;
pub mod progress;
pub mod repository;
pub mod rule_marks;
pub mod test_run;
pub mod test_suite;
