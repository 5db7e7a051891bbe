//! The contract of the store with its clients. It does not depend on the services.
//!
//! `main.rs` includes this file as two modules, so every test runs twice: on embedded services
//! and on external ones.

mod avatars;
mod bad_input;
mod consistency;
mod games;
mod jobs;
mod operations;
mod orders;
mod pages;
mod rsvp;
mod sessions;
mod social;

use crate::support::TestStore;

/// Starts a new store. The name of the current module decides which kind.
async fn start() -> TestStore {
    if module_path!().contains("on_external_services") {
        Box::pin(TestStore::start_external()).await
    } else {
        Box::pin(TestStore::start()).await
    }
}

/// Snapshots (insta) with the same name for both kinds of store.
mod snapshot {
    use serde_json::Value;

    pub fn json(name: &str, value: &Value) {
        without_module_name(|| insta::assert_json_snapshot!(name, value));
    }

    pub fn text(name: &str, text: &str) {
        without_module_name(|| insta::assert_snapshot!(name, text));
    }

    fn without_module_name(compare: impl FnOnce()) {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(compare);
    }
}
