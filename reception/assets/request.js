// Renews the page as soon as the request stands otherwise, and copies the return code.

const standing = document.getElementById("standing");
const { request, state } = standing.dataset;
const POLL = 10_000;

const written = document.getElementById("answer");

// The page may be the answer to a form: its address is asked for anew, so that no form is sent twice.
function renew() {
  location.replace(`/requests/${request}`);
}

// Words that were typed are never thrown away.
function turn() {
  if (written?.value) document.getElementById("turned").hidden = false;
  else renew();
}

function follow() {
  const source = new EventSource(`/requests/${request}/events`);
  source.addEventListener("changed", (event) => {
    // A question that was shown can be read and answered whether or not it would be shown now.
    if (event.data === state || (written && ["away", "withheld"].includes(event.data))) return;
    source.close();
    turn();
  });
  source.addEventListener("error", () => {
    // The browser tries again by itself unless it was refused; then the page asks in the old way.
    if (source.readyState === EventSource.CLOSED) poll();
  });
}

function poll() {
  if (!written) setTimeout(renew, POLL);
}

const open = ["waiting", "question", "unproven", "away", "kept", "kept-perhaps", "kept-for-another", "paused", "withheld"];
if (open.includes(state) && !document.querySelector(".mine")) {
  if ("EventSource" in window) follow();
  else poll();
}

const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById("code").textContent);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Please copy it by hand";
    }
  });
}
