"use strict";
// Puts what the server has rendered into its place. Parts are escaped there; nothing here makes HTML of data.

const main = document.getElementById("main");
const said = document.getElementById("said");

function put(id, html) {
  const place = document.getElementById(id);
  if (!place) { location.reload(); return; }          // a task that this page does not have yet
  if (place.contains(document.activeElement) && document.activeElement.matches("input")) { return; }
  place.innerHTML = html;
}

function refreshPicture() {
  const picture = document.querySelector("img.picture");
  if (picture) { picture.src = picture.src.split("?")[0] + "?" + Date.now(); }
}

if (main.dataset.stream) {
  let due = 0;
  const events = new EventSource(main.dataset.stream + "?after=" + main.dataset.after);
  events.addEventListener("parts", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) { put(id, html); }
    clearTimeout(due);
    due = setTimeout(refreshPicture, 2000);
  });
  events.addEventListener("reload", () => location.reload());
  events.onerror = () => { said.textContent = "The connection to Aurora is lost; this page tries again."; };
  events.onopen = () => { said.textContent = ""; };
}

const log = document.getElementById("log");
if (log) {
  const events = new EventSource(log.dataset.log);
  events.addEventListener("anew", () => { log.textContent = ""; });
  events.addEventListener("text", (event) => {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    log.append(JSON.parse(event.data));
    if (atEnd) { log.scrollTop = log.scrollHeight; }
  });
  events.addEventListener("end", () => events.close());
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post") { return; }
  event.preventDefault();
  const button = event.submitter;
  if (button.dataset.sure && !confirm(button.dataset.sure)) { return; }
  const body = new URLSearchParams(new FormData(form, button));
  const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
  said.textContent = answer.ok ? (await answer.json()).said : "Not done: " + (await answer.text());
  if (document.activeElement) { document.activeElement.blur(); }
});
