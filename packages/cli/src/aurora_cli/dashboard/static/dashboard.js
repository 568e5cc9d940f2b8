"use strict";
// Puts what the server has rendered into its place. Parts are escaped there; nothing here makes HTML of data.

const main = document.getElementById("main");
const said = document.getElementById("said");
const title = document.title;

// What the focus is on, in words that hold after its part was replaced.
function nameOf(element) {
  const form = element.closest("form");
  const about = form ? [...form.querySelectorAll("input[type=hidden]")].map((each) => each.value) : [];
  return [element.tagName, element.name, element.getAttribute("value"), element.getAttribute("href"), ...about].join("\n");
}

const TARGETS = "a[href], button, summary, input:not([type=hidden])";

// A turn of a session, or a piece of an answer, comes behind the others; whoever reads at the end stays there.
function added(id) {
  const turns = document.getElementById("turns");
  if (!turns || !id.startsWith("turn-")) { return null; }
  const place = document.createElement("div");
  place.id = id;
  turns.append(place);
  if (id.endsWith("-end")) { said.textContent = "The answer is complete."; }
  return place;
}

function put(id, html) {
  const place = document.getElementById(id) || added(id);
  if (!place) { location.reload(); return; }          // a task that this page does not have yet
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const typed = [...place.querySelectorAll("input:not([type=hidden])")].filter((each) => each.value)
    .map((each) => [nameOf(each), each.value]);
  const cursor = focused && focused.matches("input") ? [focused.selectionStart, focused.selectionEnd] : null;
  const name = focused ? nameOf(focused) : "";
  const opened = [...place.querySelectorAll("details")].map((each) => each.open);
  place.innerHTML = html;
  place.querySelectorAll("details").forEach((each, at) => { if (at in opened) { each.open = opened[at]; } });
  const targets = [...place.querySelectorAll(TARGETS)];
  for (const [of, value] of typed) {
    const input = targets.find((each) => nameOf(each) === of);
    if (input) { input.value = value; }
  }
  if (!focused) { return; }
  const again = targets.find((each) => nameOf(each) === name);
  if (!again) { place.tabIndex = -1; }                // what had the focus is gone: whoever reads stays at its place
  (again || place).focus({ preventScroll: true });
  if (again && cursor) { again.setSelectionRange(...cursor); }
}

// A part is not replaced under a pressed button, by mouse or space bar, or a selection: what comes meanwhile waits.
let pressed = false;
const waiting = new Map();

function selects(place) {
  const selection = getSelection();
  return place && !selection.isCollapsed && selection.containsNode(place, true);
}

function putWaiting() {
  if (pressed) { return; }
  const page = document.documentElement;
  const atEnd = document.getElementById("turns") && page.scrollTop + page.clientHeight >= page.scrollHeight - 40;
  for (const [id, html] of waiting) {
    if (selects(document.getElementById(id))) { continue; }
    waiting.delete(id);
    put(id, html);
  }
  if (atEnd) { page.scrollTop = page.scrollHeight; }
}

document.addEventListener("pointerdown", () => { pressed = true; });
document.addEventListener("keydown", (event) => { pressed = pressed || event.key === " "; });
for (const kind of ["pointerup", "pointercancel", "keyup", "blur"]) {
  addEventListener(kind, () => setTimeout(() => { pressed = false; putWaiting(); }));
}
document.addEventListener("selectionchange", () => setTimeout(putWaiting));

let asked = document.querySelectorAll(".question").length;

function tellQuestions() {
  const count = document.querySelectorAll(".question").length;
  document.title = (count ? `(${count}) ` : "") + title;
  if (count > asked) { said.textContent = "A question waits for your answer."; }
  asked = count;
}

let pictureDue = 0;

function refreshPicture() {
  const picture = document.querySelector("img.picture");
  if (!picture || pictureDue) { return; }
  pictureDue = setTimeout(() => {
    pictureDue = 0;
    picture.src = picture.src.split("?")[0] + "?" + Date.now();
  }, 5000);
}

// A page that is signed out waits for the answer to that, although its stream ends first.
let leaving = false;

// Browsers keep few connections to a server: a page that nobody sees gives its own back.
function follow(address) {
  let after = main.dataset.after;
  let events = null;
  let lost = false;
  function open() {
    events = new EventSource(address + "?after=" + after);
    events.addEventListener("parts", (event) => {
      after = event.lastEventId;
      for (const [id, html] of Object.entries(JSON.parse(event.data))) { waiting.set(id, html); }
      putWaiting();
      tellQuestions();
      refreshPicture();
    });
    events.addEventListener("reload", () => { if (!leaving) { location.reload(); } });
    events.onerror = () => {
      lost = true;
      said.textContent = "The connection to Aurora is lost; this page tries again.";
      if (events.readyState === EventSource.CLOSED) { setTimeout(() => { if (!document.hidden) { open(); } }, 5000); }
    };
    events.onopen = () => {
      if (lost) { said.textContent = ""; }
      lost = false;
    };
  }
  document.addEventListener("visibilitychange", () => {
    events.close();
    if (!document.hidden) { open(); }
  });
  open();
}

if (main.dataset.stream) {
  tellQuestions();
  follow(main.dataset.stream);
}

// The rest of a task's page is as it was when it was loaded; whoever reads there is not moved. It has a place of its own,
// since the end may come right after the answer to what ended it.
function tellEnd() {
  const again = document.createElement("a");
  again.href = location.pathname;
  again.textContent = "Load the page again for what came of the task.";
  document.getElementById("over").replaceChildren("The output has ended. ", again);
}

// Output comes from its beginning each time: a page that is seen again fills its log anew.
function fill(log) {
  let events = null;
  let over = false;
  function open() {
    events = new EventSource(log.dataset.log);
    events.addEventListener("anew", () => { log.textContent = ""; });
    events.addEventListener("text", (event) => {
      const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
      log.append(JSON.parse(event.data));
      if (atEnd) { log.scrollTop = log.scrollHeight; }
    });
    events.addEventListener("end", () => {
      over = true;
      events.close();
      if ("open" in log.dataset) { tellEnd(); }
    });
  }
  document.addEventListener("visibilitychange", () => {
    events.close();
    if (!document.hidden && !over) { open(); }
  });
  open();
}

const log = document.getElementById("log");
if (log) { fill(log); }

// Comments on the lines of a change: a line is a button, and its comment a field below it.
function comment(line) {
  const name = "line-" + line.dataset.line;
  let field = document.querySelector(`textarea[name="${name}"]`);
  if (!field) {
    field = document.createElement("textarea");
    field.name = name;
    field.rows = 2;
    field.setAttribute("aria-label", "Comment on the line: " + line.textContent);
    line.after(field);
  }
  field.focus();
}

document.addEventListener("click", (event) => {
  const line = event.target.closest("[data-line]");
  if (line && getSelection().isCollapsed) { comment(line); }
});

document.addEventListener("keydown", (event) => {
  const line = event.target.closest("[data-line]");
  if (!line) { return; }
  const lines = [...document.querySelectorAll("[data-line]")];
  const other = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Enter" || event.key === " ") { comment(line); } else if (other) {
    const next = lines[lines.indexOf(line) + other];
    if (next) { line.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  } else { return; }
  event.preventDefault();
});

// Escape leads back from a comment to its line, and takes away an empty one.
document.addEventListener("keydown", (event) => {
  const line = event.key === "Escape" && event.target.previousElementSibling;
  if (!line || !line.matches("[data-line]")) { return; }
  if (!event.target.value.trim()) { event.target.remove(); }
  line.focus();
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form.say");
  if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) { form.requestSubmit(form.elements.do); }
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  leaving = "leadsOn" in form.dataset;
  if (form.method !== "post" || leaving) { return; }
  event.preventDefault();
  const button = event.submitter;
  if (button.dataset.sure && !confirm(button.dataset.sure)) { return; }
  const body = new URLSearchParams(new FormData(form, button));
  said.textContent = "…";
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
    if (answer.status === 401 && answer.headers.get("content-type").includes("html")) {
      location.reload();                               // the session is over: the page says how to sign in
      return;
    }
    const found = answer.ok ? await answer.json() : { said: "Not done: " + (await answer.text()), done: false };
    said.textContent = found.said;
    if (found.done && form.classList.contains("say")) { form.elements.text.value = ""; }
  } catch {
    said.textContent = "Not done: the connection to Aurora is lost.";
  }
});
