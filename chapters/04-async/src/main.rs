//! The demonstration of this chapter.

fn main() {}
