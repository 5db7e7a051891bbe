//! The page of one job: how far it is, and in the end what came out of it.
//!
//! The server renders the state at the moment of the request, so the page is right without any script; `job.js` then
//! keeps it right, by server-sent events or, failing that, by polling. Left out: cancelling a job.

use ch04_async::pages::{Page, Visitor, layout};
use maud::{Markup, html};

/// What the page shows of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    /// The job's id, as in `/jobs/{id}`.
    pub id: &'a str,
    /// What is to be done: "order-export".
    pub name: &'a str,
    /// `queued`, `running`, `done`, `failed` or `dead`.
    pub state: &'a str,
    /// 0 to 100.
    pub progress: u8,
    /// How often a worker has begun.
    pub attempts: u32,
    /// What came out, as text to read: CSV or indented JSON.
    pub result: Option<&'a str>,
}

/// What each state means to whoever waits.
const STATES: [(&str, &str); 5] = [
    (
        "queued",
        "The queue has confirmed the job; no worker has begun it yet.",
    ),
    (
        "running",
        "A worker is at it. Should the worker die, another one begins again.",
    ),
    ("done", "Finished: the result is below the bar."),
    ("failed", "An attempt failed. Another one will follow."),
    (
        "dead",
        "Given up after the last attempt. What went wrong is below the bar.",
    ),
];

/// The page of one job.
pub fn job(job: &JobView<'_>, visitor: Visitor<'_>, made: &str) -> Markup {
    let title = format!("Job: {}", job.name);
    let finished = matches!(job.state, "done" | "dead");
    let body = html! {
        // The script fills in whatever carries a `data-` attribute of these.
        div.panel.narrow data-job=(job.id) data-state=(job.state) {
            div.heading {
                h1 { (title) }
                span.state data-show="state" role="status" { (job.state) }
            }
            label for="progress" { "Progress" }
            progress #progress max="100" value=(job.progress) { (job.progress) " %" }
            p.note {
                "Attempts: " span data-show="attempts" { (job.attempts) } " · Job id: " (job.id)
            }
            @if !finished {
                p data-show="reload" { a href={ "/jobs/" (job.id) } { "Reload" } " this page to see how far it is." }
            }
            pre data-show="result" role="region" tabindex="0" aria-label="Result" hidden[job.result.is_none()] {
                (job.result.unwrap_or_default())
            }
        }
        section.narrow aria-labelledby="states" {
            h2 #states { "What the states mean" }
            dl.states { @for (state, meaning) in STATES { dt { (state) } dd { (meaning) } } }
        }
    };
    let script = (!finished).then_some("/static/job.js");
    layout(
        Page {
            made: Some(made),
            script,
            ..Page::new(&title, visitor)
        },
        body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(state: &str, result: Option<&str>) -> String {
        let view = JobView {
            id: "j-1",
            name: "order-export",
            state,
            progress: 40,
            attempts: 2,
            result,
        };
        job(&view, Visitor::LoggedIn("ada"), "").into_string()
    }

    #[test]
    fn a_waiting_job_says_how_to_see_more_with_and_without_script() {
        let html = rendered("running", None);
        assert!(
            html.contains("src=\"/static/job.js\"") && html.contains("data-job=\"j-1\""),
            "{html}"
        );
        assert!(
            html.contains("value=\"40\"") && html.contains("href=\"/jobs/j-1\""),
            "{html}"
        );
    }

    #[test]
    fn a_finished_job_shows_its_result_and_needs_no_script() {
        let html = rendered("done", Some("order,total\n263,59.97"));
        assert!(
            html.contains("263,59.97") && !html.contains("hidden>"),
            "{html}"
        );
        assert!(
            !html.contains("job.js") && !html.contains("Reload"),
            "{html}"
        );
    }
}
