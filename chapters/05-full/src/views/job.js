// Updates the job page by server-sent events, or by polling if events do not arrive.
//
// Each event and each poll has the whole state of the job, so a lost or a repeated one does no harm.
// Left out: exponential back-off between failed polls.

"use strict";

const panel = document.querySelector("[data-job]");
const address = "/jobs/" + encodeURIComponent(panel.dataset.job);
const part = (name) => panel.querySelector(`[data-show="${name}"]`);

// Shows a job and returns whether it is finished. Everything goes in as text, never as HTML.
function show(job) {
  panel.dataset.state = job.state;
  part("state").textContent = job.state;
  part("attempts").textContent = job.attempts;
  panel.querySelector("progress").value = job.progress;
  part("reload")?.remove(); // the script updates the page from now on

  const finished = job.state === "done" || job.state === "dead";
  if (finished && job.result !== null && job.result !== undefined) {
    const text = typeof job.result === "string" ? job.result : JSON.stringify(job.result, null, 2);
    part("result").textContent = text;
    part("result").hidden = false;
  }
  return finished;
}

function listen() {
  const events = new EventSource(address + "/events");
  events.addEventListener("job", (event) => {
    if (show(JSON.parse(event.data))) events.close();
  });
  // The clone may have died, or a proxy may buffer the stream. A poll is a new request, which the
  // balancer can send to another clone.
  events.addEventListener("error", () => {
    events.close();
    poll();
  });
}

async function poll() {
  try {
    const response = await fetch(address, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(5000),
    });
    // Another customer's job, or no job: another poll gets the same response.
    if ([401, 403, 404, 410].includes(response.status)) return;
    if (response.ok && show(await response.json())) return;
  } catch {
    // No response. The job runs anyway, so poll again.
  }
  setTimeout(poll, 1000);
}

listen();
