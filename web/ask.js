// ask.js: the chat box. It posts the form, reads the answer as lines of JSON, and writes texts with textContent only.
(() => {
  const form = document.querySelector("[data-ask]"), log = document.querySelector("[data-log]");
  const input = form.elements.text, conversation = form.elements.conversation;
  const send = form.querySelector("[data-send]"), stop = form.querySelector("[data-stop]");
  const status = document.querySelector("[data-chat-status]"), title = document.querySelector("[data-chat-title]");
  const draw = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  let current = null;
  toEnd();

  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || current) return;
    const fields = new URLSearchParams(new FormData(form));
    input.value = "";
    log.querySelector(".hint")?.remove();
    const mine = draw("t-me");
    mine.querySelector("p").textContent = text;
    log.append(mine);
    const answer = new Answer(text);
    log.append(answer.element);
    toEnd();
    ask(answer, fields);
  });

  stop.addEventListener("click", async () => {
    const answer = current;
    if (!answer) return;
    stop.disabled = true;
    const giveUp = setTimeout(() => answer.abort.abort(), 2000); // closing the connection cancels the turn too
    const stopped = answer.run && await fetch(`/v1/runs/${answer.run}`, { method: "DELETE" }).catch(() => null);
    if (!stopped?.ok) answer.abort.abort();
    answer.finished.finally(() => clearTimeout(giveUp));
  });

  class Answer {
    constructor(question) {
      this.question = question;
      this.element = draw("t-it");
      this.text = this.element.querySelector("[data-text]");
      this.caret = this.element.querySelector(".caret");
      this.chips = this.element.querySelector(".chips");
      this.model = this.element.querySelector("[data-model]");
      this.phase = this.element.querySelector("[data-phase]");
      this.tools = new Map();
      this.run = "";
      this.abort = new AbortController();
      this.ended = false;
    }

    say(words) {
      this.phase.querySelector("[data-phase-text]").textContent = words;
    }

    tool(id, name) {
      const chip = draw("t-chip");
      chip.querySelector("b").textContent = name;
      this.tools.set(id, chip);
      this.chips.append(chip);
      this.chips.hidden = false;
      this.say("Using a tool");
    }

    toolDone(id, ok, note) {
      const chip = this.tools.get(id);
      if (!chip) return;
      chip.classList.replace("is-processing", ok ? "is-done" : "is-error");
      chip.querySelector("span:last-child").textContent = note;
      this.say("Thinking");
    }

    end(figures) {
      this.ended = true;
      this.caret.remove();
      this.phase.remove();
      const by = this.element.querySelector(".by");
      for (const figure of figures) by.append(Object.assign(document.createElement("span"), { textContent: figure }));
      if (!figures.length && !this.model.textContent) by.remove();
      if (!this.text.textContent) this.text.parentElement.remove();
      for (const chip of this.tools.values()) chip.classList.replace("is-processing", "is-error");
    }

    fail(message) {
      this.end([]);
      const wrong = draw("t-wrong");
      wrong.querySelector("span").textContent = message;
      this.element.append(wrong);
    }

    stopped() {
      this.end([]);
      this.element.append(draw("t-stopped"));
    }

    take(line) {
      switch (line.t) {
        case "run":
          this.run = line.run;
          belongsTo(line.conversation, this.question);
          break;
        case "model":
          this.model.textContent = line.model;
          this.say("Thinking");
          break;
        case "thinking":
          this.say("Thinking");
          break;
        case "text":
          this.text.append(line.text);
          this.say("Writing");
          break;
        case "tool":
          this.tool(line.id, line.name);
          break;
        case "tool_done":
          this.toolDone(line.id, line.ok, line.note);
          break;
        case "done":
          this.model.textContent = line.model;
          this.text.textContent = line.text;
          this.end(line.by);
          status.textContent = `Answered: ${line.text}`;
          break;
        case "failed":
          if (line.stopped) this.stopped();
          else this.fail(line.message);
          break;
      }
    }
  }

  // The conversation of the chat box: kept in the form for the next turn, and in the address for a reload.
  function belongsTo(id, question) {
    if (!id || conversation.value === id) return;
    conversation.value = id;
    history.replaceState(null, "", `/?conversation=${encodeURIComponent(id)}`);
    title.href = `/events?conversation=${encodeURIComponent(id)}`;
    title.textContent ||= question;
    document.querySelector("[data-chat-new]").hidden = false;
  }

  async function ask(answer, fields) {
    current = answer;
    stop.disabled = false;
    send.hidden = true;
    stop.hidden = false;
    answer.finished = read(answer, fields).catch((error) => {
      if (answer.ended) return;
      if (error.name === "AbortError") answer.stopped();
      else answer.fail(error instanceof Refusal ? error.message : "The connection to Thane was lost before the answer was complete.");
    }).finally(() => {
      current = null;
      send.hidden = false;
      stop.hidden = true;
      if (document.activeElement === document.body || document.activeElement === stop) input.focus();
      toEnd();
    });
  }

  class Refusal extends Error {}

  async function read(answer, fields) {
    const response = await fetch(form.action, {
      method: "POST",
      body: fields,
      headers: { Accept: "application/x-ndjson" },
      signal: answer.abort.signal,
    });
    if (!response.ok) {
      const said = await response.json().catch(() => null);
      throw new Refusal(said?.error?.message ?? `Thane answered ${response.status}.`);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const follow = atEnd();
      for (const line of lines) answer.take(JSON.parse(line));
      if (follow) toEnd();
    }
    if (!answer.ended) answer.fail("The answer ended before it was complete.");
  }
})();
