// The job page, kept up to date: by server-sent events, or by polling where they do not come through.
//
// Push and poll tell the same story, a job's whole state each time, so it does no harm to miss one or to see one twice.
// Left out: waiting longer after each failed poll, which a page with many viewers should do.

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
  part("reload")?.remove(); // from here on the page does that by itself

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
  // The clone that pushed may have died, or a proxy may hold back the stream. The balancer finds another
  // clone for a plain request, so polling goes on where pushing stopped.
  events.addEventListener("error", () => {
    events.close();
    poll();
  });
}

async function poll() {
  try {
    const answer = await fetch(address, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(5000) });
    if ([401, 403, 404, 410].includes(answer.status)) return; // not ours, or gone: asking again will not help
    if (answer.ok && show(await answer.json())) return;
  } catch {
    // No answer this time. The job does not depend on our asking, so ask again.
  }
  setTimeout(poll, 1000);
}

listen();
