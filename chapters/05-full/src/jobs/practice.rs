//! `doSomething`: a job for trying things out. It reports progress five times and has no other effect.

use std::time::Duration;

use async_trait::async_trait;
use ch04_async::{JobHandler, JobMessage, Progress};
use serde_json::{Value, json};

pub(super) struct Practice;

#[async_trait]
impl JobHandler for Practice {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        for percent in [20, 40, 60, 80, 100] {
            // Long enough for a person to see it move.
            tokio::time::sleep(Duration::from_millis(200)).await;
            progress.set(percent).await;
        }
        Ok(json!({ "did": "something" }))
    }
}
