// The face of show/tokens.py. Python says once what is played (`view`); time runs in here, on this page's clock. Texts
// of models and prompts are set as text, never as HTML. Asks nothing of the kernel, and nothing of any server.

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
const RATES = [
  [2, "× 2", "twice as fast"], [1, "× 1", ""], [0.5, "× 0.5", "slowed to a half"], [0.25, "× 0.25", "slowed to a quarter"],
];
const NEW = "Other replies are here: they are shown from the next start on.";
const READY = "Press Play.";
const STUCK_PX = 3; // whoever scrolls further than this wants to read, not to follow

// One reply: its words, its count and what happened so far. All room is taken from the start, so that nothing moves.
const lane = (track, number, name) => {
  const several = new Set(track.pieces.map((piece) => piece[1])).size > 1 || track.pieces[0][1] === "reasoning";
  const run = (channel) => {
    const words = document.createTextNode("");
    const node = h("div", { class: `run ${channel}` }, several ? h("div", { class: "channel" }, channel) : null,
      h("div", { class: "text", dir: "auto" }, words));
    return { channel, node, words };
  };
  const into = (place, last, [, channel, words]) => {
    if (last?.channel !== channel) place.append((last = run(channel)).node);
    last.words.appendData(words);
    return last;
  };
  const whole = h("div", { class: "whole", "aria-hidden": "true" });
  let last = track.pieces.reduce((before, piece) => into(whole, before, piece), null);
  const live = h("div", { class: "live", "aria-live": "off" });
  const id = `${name}-${number}`;
  const words = h("div", { class: "words", tabindex: "0", role: "region", "aria-labelledby": id },
    h("div", { class: "sheet" }, whole, live));
  const sheet = words.firstChild;
  const total = track.pieces.at(-1)[3];
  const count = h("span", { class: "count" });
  count.style.minWidth = `${2 * String(total).length + track.unit.length + 5}ch`;
  const events = track.events.map(([at, said]) => [at, h("li", {}, said)]);
  let shown, at;

  const clear = () => {
    live.replaceChildren();
    last = null;
    shown = at = words.scrollTop = 0;
    paint(-1);
  };
  const paint = (t) => {
    const follows = Math.abs(words.scrollTop - at) < STUCK_PX;
    const before = shown;
    while (shown < track.pieces.length && track.pieces[shown][0] <= t) last = into(live, last, track.pieces[shown++]);
    count.textContent = `${shown ? track.pieces[shown - 1][3] : 0} of ${total} ${track.unit}`;
    for (const [due, node] of events) node.classList.toggle("due", due > t);
    if (follows && shown > before) {
      words.scrollTop = live.offsetHeight + words.scrollHeight - sheet.offsetHeight - words.clientHeight;
      at = words.scrollTop;
    }
  };
  const node = h("section", { class: "lane", "aria-labelledby": id },
    h("h3", { id, dir: "auto" }, track.model),
    h("div", { class: "facts" }, h("span", { class: "speed" }, track.speed), count),
    words,
    h("ul", { class: "events" }, ...events.map(([, item]) => item)),
    track.note ? h("div", { class: "remark" }, track.note) : null);
  return { node, clear, paint };
};

export default {
  render({ model, el }) {
    const name = "slmbench-" + crypto.getRandomValues(new Uint32Array(1))[0];
    let view, lanes = [], end = 0, rate = 1;
    let at = 0, playing = false, from, began, frame; // seconds of the recording; of this page's clock in ms

    const tell = (message) => (status.textContent = message);
    const how = () => RATES.find(([value]) => value === rate)[2];
    const place = () => (playing ? Math.min(end, from + ((performance.now() - began) / 1000) * rate) : at);
    const paint = () => {
      clock.textContent = `${at.toFixed(2)} s`;
      for (const one of lanes) one.paint(at || -1);
    };
    const tick = () => {
      at = place();
      paint();
      if (at < end) frame = requestAnimationFrame(tick);
      else stop(ended() + (fresh() ? ` ${NEW}` : ""));
    };
    const fresh = () => view.turn !== model.get("view").turn;
    const stop = (message) => {
      at = place();
      playing = false;
      cancelAnimationFrame(frame);
      toggle.textContent = "Play";
      tell(message);
    };
    const start = () => {
      from = at;
      began = performance.now();
      playing = true;
      toggle.textContent = "Pause";
      tell(`Playing as recorded${how() ? `, ${how()}` : ""}.`);
      frame = requestAnimationFrame(tick);
    };
    const rewind = () => {
      if (playing) stop("");
      if (fresh()) load();
      at = 0;
      for (const one of lanes) one.clear();
      paint();
      toggle.textContent = "Play";
    };
    const press = () => {
      if (playing) {
        stop("");
        paint();
        tell(`Paused at ${at.toFixed(2)} s.`);
      } else if (view.tracks.length || fresh()) {
        if (at >= end) rewind();
        if (view.tracks.length) start();
      }
    };
    const restart = () => {
      rewind();
      tell("Back at the start.");
      toggle.focus({ preventScroll: true }); // so that Space plays
    };
    const pick = (value) => {
      if (playing) {
        from = place();
        began = performance.now();
      }
      rate = value;
      label();
      if (playing) tell(`Playing as recorded${how() ? `, ${how()}` : ""}.`);
    };
    const label = () => (pace.textContent = how() || "as recorded");
    const ended = () => `Done: ${view.tracks.map((t) => `${t.model} after ${t.end.toFixed(2)} s`).join(", ")}.`;

    const keys = (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // whatever Caps Lock says
      let done = true;
      if (key === " " && event.target !== again && !event.target.matches("summary")) event.repeat || press();
      else if (key === "r") event.repeat || restart();
      else if (key === "?") help.open = !help.open;
      else done = false;
      if (done) event.preventDefault();
      // the notebook has keys of its own: r would make this cell a raw one
      if (key !== "Tab") event.stopPropagation();
    };

    const root = h("div", { tabindex: "-1", role: "group", "data-lm-suppress-shortcuts": "true" });
    root.addEventListener("keydown", keys, { capture: true });
    // some browsers press a button when Space comes up, whatever became of it going down
    root.addEventListener("keyup", (event) => event.key === " " && event.target === toggle && event.preventDefault());
    root.addEventListener("click", () => {
      if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
    });
    const heading = h("h2", { dir: "auto" });
    const about = h("div", { class: "about" });
    const toggle = h("button", { type: "button", class: "first", onclick: press }, "Play");
    const again = h("button", { type: "button", onclick: restart }, "Restart");
    const speeds = h("div", { class: "speeds", role: "radiogroup", "aria-label": "Speed" }, ...RATES.map(([value, words, said]) => h("label", {},
      h("input", { type: "radio", name, value, checked: value === rate, "aria-label": said || "true speed", onchange: () => pick(value) }),
      h("span", { "aria-hidden": "true" }, words))));
    const clock = h("span", { class: "clock", role: "timer", "aria-live": "off", "aria-label": "recorded time" });
    const pace = h("span", { class: "pace" });
    const board = h("div", { class: "lanes" });
    const status = h("span", { class: "status", role: "status", "aria-live": "polite" });
    const room = h("div", { class: "room" }, status);
    const help = h("details", { class: "help" }, h("summary", {}, "Keys (?)"));

    const load = () => {
      view = model.get("view");
      root.setAttribute("aria-label", view.title);
      heading.textContent = view.title;
      about.textContent = view.about;
      lanes = view.tracks.map((track, i) => lane(track, i, name));
      board.replaceChildren(...lanes.map((one) => one.node));
      end = Math.max(0, ...view.tracks.map((track) => track.end));
      help.replaceChildren(help.firstChild, ...view.keys.map(([key, what]) => h("div", {}, h("kbd", {}, key), ` ${what}`)));
      room.dataset.longest = lanes.length ? ended() : "";
      toggle.disabled = again.disabled = !lanes.length;
    };
    const wear = () => {
      const { theme, scale } = model.get("view");
      root.className = `slmbench-tokens ${theme} ${scale}`;
    };
    const handed = () => {
      wear();
      if (!fresh()) return;
      if (!playing) {
        rewind();
        tell(lanes.length ? READY : "");
      } else tell(NEW);
    };

    root.append(heading, about,
      h("div", { class: "bar" }, toggle, again, speeds, h("span", { class: "time" }, clock, " ", pace)), board, room, help);
    el.append(root);
    wear();
    load();
    rewind();
    label();
    if (lanes.length) tell(READY);
    model.on("change:view", handed);
    return () => {
      model.off("change:view", handed);
      cancelAnimationFrame(frame);
    };
  },
};
