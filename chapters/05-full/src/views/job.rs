//! The page of one job: its progress, and its result.
//!
//! The server renders the current state. `job.js` then updates the page by server-sent events, or
//! by polling if events do not arrive.

use ch04_async::prerender::pages::{Page, Viewer, layout};
use maud::{Markup, html};

/// The data on the page of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobView<'a> {
    /// The job's id, as in `/jobs/{id}`.
    pub id: &'a str,
    /// The name, such as `order-export`.
    pub name: &'a str,
    /// `queued`, `running`, `done`, `failed` or `dead`.
    pub state: &'a str,
    /// 0 to 100.
    pub progress: u8,
    /// How often a worker has started the job.
    pub attempts: u32,
    /// The result as text: CSV or indented JSON.
    pub result: Option<&'a str>,
}

/// The meaning of each state.
const STATES: [(&str, &str); 5] = [
    (
        "queued",
        "The queue has confirmed the job; no worker has started it yet.",
    ),
    (
        "running",
        "A worker runs the job. If the worker dies, another one starts it again.",
    ),
    ("done", "Finished: the result is below the bar."),
    ("failed", "An attempt failed. The next one will follow."),
    (
        "dead",
        "The last attempt failed. The error is below the bar.",
    ),
];

/// The page of one job.
pub fn job(job: &JobView<'_>, viewer: Viewer<'_>, render_info: &str) -> Markup {
    let title = format!("Job: {}", job.name);
    let finished = matches!(job.state, "done" | "dead");
    let body = html! {
        // The script updates the elements with `data-` attributes.
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
                p data-show="reload" {
                    a href={ "/jobs/" (job.id) } { "Reload" } " this page to see the progress."
                }
            }
            pre data-show="result" role="region" tabindex="0" aria-label="Result"
                hidden[job.result.is_none()] {
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
            render_info: Some(render_info),
            script,
            ..Page::new(&title, viewer)
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
        job(&view, Viewer::LoggedIn("ada"), "").into_string()
    }

    #[test]
    fn unfinished_job_can_be_followed_without_script() {
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
    fn finished_job_shows_its_result_without_script() {
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
