//! The contract of the store: what a client may rely on, whatever stands behind the seams.
//!
//! `main.rs` has this file as two modules, so every test in here runs twice: on an embedded store and on one that stands on real servers.

mod avatars;
mod bad_input;
mod games;
mod jobs;
mod operations;
mod orders;
mod pages;
mod rsvp;
mod sessions;

use crate::support::TestStore;

/// A store of one's own: which kind is said by the module that this file is at the moment.
async fn start() -> TestStore {
    if module_path!().contains("on_external_services") {
        Box::pin(TestStore::start_external()).await
    } else {
        Box::pin(TestStore::start()).await
    }
}

/// Snapshots (insta) that both kinds of store have to agree on, so their names do not say which.
mod snapshot {
    use serde_json::Value;

    pub fn json(name: &str, value: &Value) {
        of_both(|| insta::assert_json_snapshot!(name, value));
    }

    pub fn text(name: &str, text: &str) {
        of_both(|| insta::assert_snapshot!(name, text));
    }

    fn of_both(compare: impl FnOnce()) {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(compare);
    }
}
