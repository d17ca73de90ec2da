// Renews the page as soon as the owner has decided, and copies the return code.

const standing = document.getElementById("standing");
const { request, state } = standing.dataset;
const POLL = 10_000;

function follow() {
  const source = new EventSource(`/requests/${request}/events`);
  source.addEventListener("changed", (event) => {
    if (event.data === state) return;
    source.close();
    location.reload();
  });
  source.addEventListener("error", () => {
    // The browser tries again by itself unless it was refused; then the page asks in the old way.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), POLL);
  });
}

if (state === "waiting" || state === "away") {
  if ("EventSource" in window) follow();
  else setTimeout(() => location.reload(), POLL);
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
