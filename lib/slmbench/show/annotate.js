// The face of show/annotate.py. Python says what is shown (`view`) and saves; what is chosen stays in here, and in
// `draft`, until then. Texts of models and prompts are set as text, never as HTML. Asks nothing of any server.

const h = (tag, props = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
};
const text = (words, className, tag = "div") => h(tag, { class: className, dir: "auto" }, words);
const typing = (node) => node?.matches?.("textarea, input[type=text]");
const LETTERS = [..."abcdefghijklmnopqrst"]; // of aspects; u is undo
const SILENT_MS = 8000;
const SILENT = "The kernel does not answer. Run this cell again, with the same name: what was saved is there.";
const DOUBLE_MS = 400; // the second click of a double click is nobody's wish to judge the next reply

export default {
  render({ model, el }) {
    const name = "slmbench-" + crypto.getRandomValues(new Uint32Array(1))[0];
    let view, draft, busy, since, hidden, away, waiting;

    // All keys and clicks end in one of these.
    const tell = (message) => (status.textContent = message);
    const send = (what, more = {}) => {
      if (busy) return;
      busy = true;
      root.setAttribute("aria-busy", "true");
      if (what === "save") tell("Saving …");
      clearTimeout(waiting);
      waiting = setTimeout(() => tell(SILENT), SILENT_MS);
      model.send({ do: what, turn: view.turn, draft, ...more });
    };
    const save = (clicked) => {
      if (clicked && chosen() == null && performance.now() - since < DOUBLE_MS) return;
      send("save", { spent_s: (performance.now() - since - away) / 1000 });
    };
    const chosen = () => (view.task === "pair" ? draft.choice : draft.score);
    const change = (more) => {
      draft = { ...draft, ...more };
      model.set("draft", { ...draft, turn: view.turn });
      model.save_changes();
      const picked = view.options.find((option) => option.value === chosen());
      picks.textContent = picked ? `Chosen: ${picked.label}` : "Nothing chosen yet.";
      tell("");
    };
    const choose = (option) => {
      change(view.task === "pair" ? { choice: option.value } : { score: option.value });
      for (const radio of root.querySelectorAll("input[type=radio]")) radio.checked = radio.value === String(option.value);
    };

    const tick = (key, plain) => plain && view.phase === "judge" && view.ticks
      && root.querySelectorAll("input[type=checkbox]")[LETTERS.indexOf(key)];

    const keys = (event) => {
      if (event.altKey || event.metaKey || event.isComposing) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // whatever Caps Lock says
      const inText = typing(event.target);
      const onButton = event.target.matches("button, summary");
      const plain = !event.ctrlKey && !inText;
      const option = view.phase === "judge" && plain && view.options.find((o) => o.key === key);
      let done = true;
      if (key === "Enter" && event.ctrlKey && view.phase === "judge") event.repeat || save();
      else if (key === "Escape" && inText && view.phase === "judge") root.focus();
      else if (key === "Enter" && view.phase === "name" && !onButton) begin();
      else if (key === "Enter" && plain && !onButton && view.phase === "judge") event.repeat || save();
      else if (option) choose(option);
      else if (tick(key, plain)) event.repeat || tick(key, plain).click();
      else if (key === "u" && plain && view.phase !== "name") event.repeat || send("undo");
      else if (key === "?" && plain) help.open = !help.open;
      else done = false;
      if (done) event.preventDefault();
      // the notebook has keys of its own: a would insert a cell, 1 would make this one a heading
      if (key !== "Tab") event.stopPropagation();
    };

    const root = h("div", {
      class: "slmbench-annotate", tabindex: "-1", role: "group", "data-lm-suppress-shortcuts": "true",
    });
    root.addEventListener("keydown", keys, { capture: true });
    root.addEventListener("click", () => {
      if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
    });
    const main = h("div", { class: "main" });
    const status = h("div", { class: "status", role: "status", "aria-live": "polite" });
    const picks = h("div", { class: "picks", "aria-live": "polite" });
    const help = h("details", { class: "help" }, h("summary", {}, "Keys (?)"));
    const begin = () => send("begin", { name: root.querySelector("input[type=text]").value });
    const button = (label, call, className) => h("button", { type: "button", class: className, onclick: call }, label);

    const reply = (side) => h("section", { class: "reply" },
      h("h3", { id: `${name}-${side.label}` }, side.label),
      h("div", { class: "words", tabindex: "0", role: "region", "aria-labelledby": `${name}-${side.label}` },
        side.text ? text(side.text) : text("The model replied with nothing.", "remark")),
      side.cut ? text("Ended here by the token limit, not by the model.", "remark") : null);

    const pages = {
      name: () => [
        h("h2", {}, view.title),
        text(view.about, "about"),
        h("label", {}, "Your name, or a made-up one ",
          h("input", { type: "text", maxlength: "40", autocomplete: "off", value: view.annotator })),
        h("div", { class: "buttons" }, button("Start (Enter)", begin, "first")),
      ],
      judge: () => [
        h("div", { class: "top" },
          h("h2", { tabindex: "-1" }, view.title),
          h("span", { class: "count" }, view.count),
          h("progress", { max: view.n, value: view.done, "aria-label": view.count })),
        h("div", { class: "material" },
          h("section", { class: "prompt" }, h("h3", {}, "Prompt"), text(view.prompt, "words short")),
          h("div", { class: "replies" }, ...view.replies.map(reply))),
        h("div", { class: "verdict" },
          h("fieldset", {}, h("legend", { dir: "auto" }, view.question), ...view.options.map((option) =>
            h("label", { class: "option" },
              h("input", {
                type: "radio", name, value: option.value, checked: option.value === chosen(),
                onchange: () => choose(option),
              }),
              h("b", {}, option.label), option.anchor ? text(option.anchor, "anchor", "span") : null,
              h("kbd", { "aria-hidden": "true" }, option.key)))),
          view.aspects.length ? h("fieldset", {}, h("legend", {}, view.ticks ? "What the reply has" : "What a good reply has"),
            ...view.aspects.map((aspect, i) => view.ticks
              ? h("label", { class: "option" },
                  h("input", {
                    type: "checkbox", checked: draft.aspects[i],
                    onchange: (event) => change({ aspects: draft.aspects.map((old, j) => (j === i ? event.target.checked : old)) }),
                  }),
                  text(aspect, "", "span"),
                  i < LETTERS.length ? h("kbd", { "aria-hidden": "true" }, LETTERS[i]) : null)
              : text("· " + aspect))) : null,
          h("label", { class: "note" }, "Note (optional; Ctrl+Enter saves)", note()),
          picks,
          h("div", { class: "buttons" },
            button("Save and next (Enter)", () => save(true), "first"), button("Undo (u)", () => send("undo")))),
      ],
      done: () => [
        h("h2", { tabindex: "-1" }, view.title),
        text(view.about, "about"),
        view.rows.length ? h("table", {}, h("thead", {}, h("tr", {}, ...view.columns.map((c) => h("th", { scope: "col" }, c)))),
          h("tbody", {}, ...view.rows.map((row) => h("tr", {}, ...row.map((cell) => text(cell, "", "td")))))) : null,
        picture(),
        h("div", { class: "buttons" }, button("Undo (u)", () => send("undo"))),
      ],
    };
    const note = () => {
      const area = h("textarea", { rows: "2", maxlength: "4000", dir: "auto" });
      area.value = draft.note;
      area.addEventListener("input", () => change({ note: area.value }));
      return area;
    };
    const picture = () => {
      const bytes = model.get("picture");
      if (!bytes?.byteLength) return h("div", { class: "picture" });
      const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
      return h("div", { class: "picture" }, h("img", { src: url, alt: view.alt, onload: () => URL.revokeObjectURL(url) }));
    };
    const drawn = () => root.querySelector(".picture")?.replaceWith(picture());

    const show = () => {
      const had = root.contains(document.activeElement);
      const fresh = view?.turn !== model.get("view").turn;
      view = model.get("view");
      busy = false;
      clearTimeout(waiting);
      root.removeAttribute("aria-busy");
      root.setAttribute("aria-label", view.title);
      if (fresh) {
        const kept = model.get("draft");
        draft = kept.turn === view.turn ? { ...kept } : { ...view.draft };
        since = performance.now();
        away = 0;
        main.replaceChildren(...pages[view.phase]().filter((node) => node != null));
        main.className = `main ${view.phase} ${view.task}`;
        help.replaceChildren(help.firstChild, ...view.keys.map(([key, what]) => h("div", {}, h("kbd", {}, key), ` ${what}`)));
        if (view.phase === "judge") change({});
        if (had) (root.querySelector("h2[tabindex]") ?? root).focus({ preventScroll: true });
      }
      tell(view.message);
    };
    const seen = () => {
      if (document.hidden) hidden = performance.now();
      else if (hidden) away += performance.now() - Math.max(hidden, since);
    };

    root.append(main, status, help);
    el.append(root);
    show();
    model.on("change:view", show);
    model.on("change:picture", drawn);
    document.addEventListener("visibilitychange", seen);
    return () => {
      model.off("change:view", show);
      model.off("change:picture", drawn);
      document.removeEventListener("visibilitychange", seen);
    };
  },
};
