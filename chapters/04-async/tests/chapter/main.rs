//! Jobs that are lost by nobody, events that reach everybody, and pages that follow their games. One binary for the chapter, since
//! each costs link time.

mod broker;
mod contracts;
mod jobs;
mod notices;
mod pages;
mod processes;
mod progress;
mod queue;
mod support;
