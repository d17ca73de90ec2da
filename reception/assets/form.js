// Shows how much room is left in a field, and sends a form once.

const bytes = new TextEncoder();

for (const field of document.querySelectorAll("[data-limit]")) {
  const limit = Number(field.dataset.limit);
  const left = document.createElement("span");
  left.className = "left";
  document.getElementById(field.getAttribute("aria-describedby"))?.prepend(left);
  const count = () => {
    const room = limit - bytes.encode(field.value).length;
    left.textContent = room < limit / 5 ? (room < 0 ? `${-room} too many` : `${room} left`) : "";
    left.classList.toggle("fault", room < 0);
  };
  field.addEventListener("input", count);
  count();
}

const form = document.querySelector("form[data-once]");
form?.addEventListener("submit", (event) => {
  const button = form.querySelector("button");
  if (button.getAttribute("aria-disabled") === "true") event.preventDefault();
  button.setAttribute("aria-disabled", "true");
});
// A page that comes back from the browser's memory can be sent again.
addEventListener("pageshow", () => form?.querySelector("button").removeAttribute("aria-disabled"));

document.querySelector("[aria-invalid=true]")?.focus();
