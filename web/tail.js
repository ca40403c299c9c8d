// tail.js: the Events page. It follows the end; scrolling away or Pause holds new rows back, and they are fetched when it
// follows again, so the page never keeps more than its rows.
(() => {
  const tail = document.querySelector("[data-tail]"), end = document.getElementById("tail-end");
  const jump = document.querySelector("[data-jump]"), count = document.querySelector("[data-jump-count]");
  const button = document.querySelector("[data-pause]"), most = Number(tail.dataset.most);
  const following = document.querySelector("[data-following]"), paused = document.querySelector("[data-paused]");
  let shown = Number(tail.dataset.last); // the newest event that was considered for the rows on the page
  let seen = shown; // the newest that is known to be there
  let held = 0, pausedByButton = false, away = false, fetching = false;

  const toEnd = () => { tail.scrollTop = tail.scrollHeight; };
  const holding = () => pausedByButton || away || fetching;
  const address = (pairs) => `${tail.dataset.rows}${tail.dataset.rows.endsWith("?") ? "" : "&"}${new URLSearchParams(pairs)}`;

  function show() {
    following.hidden = pausedByButton || away;
    paused.hidden = !following.hidden;
    jump.hidden = !(away || (pausedByButton && held));
    count.textContent = held ? `${held} new` : "";
    button.setAttribute("aria-pressed", String(pausedByButton));
  }

  function trim() {
    tail.querySelector("[data-none]")?.remove();
    const rows = tail.querySelectorAll(".ev");
    for (let i = 0; i < rows.length - most; i++) rows[i].remove();
  }

  // Fetch what was held back, and what came while it was fetched.
  async function catchUp() {
    if (fetching) return;
    fetching = true;
    try {
      while (shown < seen && !pausedByButton) {
        const to = seen;
        await htmx.ajax("GET", address({ after: shown, before: to + 1 }), { source: tail, target: "#tail-end", swap: "beforebegin" });
        shown = to;
        trim();
        toEnd();
      }
      held = 0;
    } finally {
      fetching = false;
      show();
      toEnd();
    }
  }

  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    const message = JSON.parse(event.detail.message.data);
    if (!message.last) return;
    if (message.last > seen && holding()) held += message.rows ?? 0;
    seen = Math.max(seen, message.last);
    if (!holding()) return;
    event.preventDefault();
    show();
  });

  document.addEventListener("htmx:ws:after:message:incoming", (event) => {
    const message = JSON.parse(event.detail.message.data);
    if (message.last) {
      shown = Math.max(shown, message.last);
      trim();
      toEnd();
    }
    remember(event.detail.connection);
  });

  // The next connection goes on where the rows on the page end.
  function remember(connection) {
    const url = new URL(connection.url);
    url.searchParams.set("since", shown);
    connection.url = url.href;
  }
  document.addEventListener("htmx:ws:close", (event) => { if (event.detail.connection) remember(event.detail.connection); });

  new IntersectionObserver(([entry]) => {
    away = !entry.isIntersecting;
    if (!away && !pausedByButton) catchUp();
    show();
  }, { root: tail, rootMargin: "0px 0px 40px 0px" }).observe(end);

  jump.addEventListener("click", () => {
    pausedByButton = away = false;
    toEnd();
    catchUp();
  });
  button.addEventListener("click", () => {
    pausedByButton = !pausedByButton;
    if (!pausedByButton) catchUp();
    show();
  });

  const filter = document.querySelector("[data-filter]");
  filter.addEventListener("change", () => filter.requestSubmit());
  filter.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });
  toEnd();
})();
