// thane.js: what every page needs and HTML cannot do: theme, times that go on, the state of the live link, errors of actions.
(() => {
  const root = document.documentElement, body = document.body, themes = ["auto", "light", "dark"];

  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-theme-toggle]");
    if (toggle) {
      const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
      document.cookie = `thane_theme=${next};path=/;max-age=31536000;samesite=lax`;
      root.dataset.theme = next;
      toggle.setAttribute("aria-label", `Theme: ${next}`);
    }
    if (event.target.closest("[data-dismiss]")) event.target.closest(".note").hidden = true;
    const expand = event.target.closest("[data-expand]");
    if (expand) {
      const rows = [...expand.closest("section").querySelectorAll("details")];
      const open = rows.some((row) => !row.open);
      rows.forEach((row) => { row.open = open; });
      expand.textContent = open ? "Close all" : "Expand all";
    }
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const text = copy.closest(".ev-x, .curl").querySelector(copy.dataset.copy).textContent;
      navigator.clipboard?.writeText(text).then(() => {
        copy.classList.add("copied");
        setTimeout(() => copy.classList.remove("copied"), 1200);
      });
    }
  });

  // Times that go on by themselves: data-run, data-brief, data-age and data-until hold a moment in epoch seconds by the
  // server's clock. The words are those of thane/http/dashboard/words.py.
  let offset = Number(body.dataset.now) - Date.now() / 1000;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  const age = (s) => (s >= 86400 ? `${Math.floor(s / 86400)} d` : s >= 3600 ? `${Math.floor(s / 3600)} h`
    : s >= 60 ? `${Math.floor(s / 60)} min` : `${Math.floor(s)} s`);
  const elapsed = (s) => (s < 60 ? `${(Math.floor(s * 10) / 10).toFixed(1)} s`
    : s < 3600 ? `${Math.floor(s / 60)} min ${two(s % 60)} s` : `${Math.floor(s / 3600)} h ${two((s % 3600) / 60)} min`);
  const brief = (s) => (s < 10 ? elapsed(s) : age(s));
  const forms = { run: [elapsed, 1], brief: [brief, 1], age: [age, 1], until: [age, -1] };
  const ticking = Object.keys(forms).map((form) => `[data-${form}]`).join();
  const tick = () => {
    if (document.hidden || body.dataset.link === "down") return;
    const now = Date.now() / 1000 + offset;
    for (const element of document.querySelectorAll(ticking)) {
      for (const form in forms) {
        if (!(form in element.dataset)) continue;
        const [say, way] = forms[form];
        const words = say(Math.max(0, way * (now - element.dataset[form])));
        if (element.textContent !== words) element.textContent = words;
      }
    }
  };
  setInterval(tick, 1000);

  // The live link. A page that is hidden closes its link on purpose and is told everything when it is seen again.
  let truth = Date.now(), leaving = false;
  const lost = document.getElementById("lost");
  const link = (state) => {
    body.dataset.link = state;
    lost.hidden = state !== "down";
    if (state === "down") lost.querySelector("[data-truth]").textContent = new Date(truth).toLocaleTimeString();
  };
  addEventListener("pagehide", () => { leaving = true; });
  addEventListener("pageshow", () => { leaving = false; });
  // All scripts have run by then, in whatever order they arrived: htmx knows its extension, and nobody misses a message.
  document.addEventListener("DOMContentLoaded", () => {
    const live = document.getElementById("live");
    if (!live) return;
    htmx.process(live);
    htmx.trigger(live, "ready");
  });
  document.addEventListener("htmx:ws:after:connection", () => link("up"));
  document.addEventListener("htmx:ws:close", () => { if (!leaving) link(document.hidden ? "wait" : "down"); });
  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    truth = Date.now();
    offset = JSON.parse(event.detail.message.data).now - truth / 1000;
  });

  // An action that failed is said once, where it can be read. A turn that had ended before its stop is no failure.
  const problem = document.getElementById("problem");
  window.thane = {
    problem(text) {
      problem.querySelector("p").textContent = text;
      problem.hidden = false;
    },
  };
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.request.method === "DELETE" && ctx.response.status === 404) return;
    window.thane.problem(`The request was refused: ${ctx.response.status} ${ctx.response.raw.statusText}.`);
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx) window.thane.problem("Thane could not be reached. Nothing was changed.");
  });
})();
