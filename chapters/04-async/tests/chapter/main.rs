//! Jobs that are lost by nobody, and pages that follow their games. One binary for the chapter, since each costs link time.

mod jobs;
mod pages;
mod queue;
