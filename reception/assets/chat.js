// Answers questions on the first page without leaving it. Without this script the form works as an ordinary form.

const form = document.getElementById("ask");
const field = document.getElementById("question");
const log = document.getElementById("log");
const button = form.querySelector("button");

/** Events of a text/event-stream body: name and data, as they come. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      const name = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (name) yield { name, data };
    }
  }
}

/** A place in the log for one question and its answer. */
function exchange(question) {
  const place = document.createElement("article");
  place.className = "exchange";
  const asked = document.createElement("p");
  const who = document.createElement("span");
  asked.className = "asked";
  who.className = "hush";
  who.textContent = "You asked:";
  asked.append(who, " ", question);
  place.append(asked);
  log.append(place);
  return place;
}

function say(place, text) {
  const line = document.createElement("p");
  line.className = "lead";
  line.textContent = text;
  place.append(line);
}

/** Shows the answer; false when the question has to be sent again or otherwise. */
async function answer(place, body) {
  const response = await fetch("/chat", { method: "POST", body, headers: { Accept: "text/event-stream" } });
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After")) || 5;
    say(place, `That was a little too often. Please ask again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`);
    return false;
  }
  if (response.status === 413) {
    say(place, "That is longer than I can take in. Please shorten it.");
    return false;
  }
  if (response.status === 403) {
    say(place, "This page takes no questions at this address, and trying again will not help. Please tell its owner.");
    return false;
  }
  if (!response.ok) throw new Error(String(response.status));
  let whole = false;
  for await (const { name, data } of events(response.body)) {
    if (name === "done") whole = true;
    // What comes from this page's own server is escaped and sanitised there.
    else place.insertAdjacentHTML("beforeend", data);
  }
  if (!whole) throw new Error("cut short");
  return true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = field.value.trim();
  if (!question || button.getAttribute("aria-disabled") === "true") return;
  const body = new URLSearchParams({ question });
  const place = exchange(question);
  button.setAttribute("aria-disabled", "true");
  try {
    if (await answer(place, body)) field.value = "";
  } catch {
    say(place, "I could not be reached just now. Please try again.");
  } finally {
    button.removeAttribute("aria-disabled");
    field.focus();
    place.scrollIntoView({ block: "nearest" });
  }
});
