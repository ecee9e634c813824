// The face of show/stage.py: a picture that changes without a flicker, a line of text, and buttons with keys. Texts
// are set as text, never as HTML. Asks nothing of any server.

const h = (tag, props = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const SILENT_MS = 8000;
const SILENT = "The kernel does not answer. Run this cell again.";
const typing = (node) => node?.closest?.(
  "textarea, select, input:not([type=radio], [type=checkbox], [type=button]), [contenteditable=true]",
);

export default {
  render({ model, el }) {
    let drawn = 0, url = null, waiting;

    const root = h("div", {
      class: "slmbench-stage", tabindex: "-1", role: "group", "data-lm-suppress-shortcuts": "true",
    });
    const groups = h("div", { class: "groups" });
    const title = h("div", { class: "title", dir: "auto" });
    const line = h("div", { class: "line", dir: "auto" });
    const bar = h("progress", { "aria-label": "Progress" });
    const said = h("div", { class: "said", role: "status", "aria-live": "polite", dir: "auto" });
    const notes = h("div", { class: "notes" });
    const table = h("table");
    let picture = h("img", { alt: "" });
    const frame = h("div", { class: "frame" }, picture);
    root.append(groups, title, line, bar, frame, said, notes, table);
    el.append(root);

    const press = (id) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { said.textContent = SILENT; }, SILENT_MS);
      model.send({ press: id });
    };

    const button = (what) => {
      const node = h("button", { type: "button", "data-id": what.id });
      node.addEventListener("click", () => press(what.id));
      return node;
    };
    // Buttons stay the nodes they are, so that the one in focus keeps it.
    const buttons = (all) => {
      const names = [...new Set(all.map((one) => one.group))];
      for (const name of names) {
        let group = [...groups.children].find((node) => node.dataset.name === name);
        if (!group) {
          group = h("div", { class: "group", role: "group", "aria-label": name, "data-name": name });
        }
        const place = groups.children[names.indexOf(name)] ?? null;
        if (place !== group) groups.insertBefore(group, place);
        const wanted = all.filter((one) => one.group === name && !one.hidden);
        for (const old of [...group.children]) if (!wanted.some((one) => one.id === old.dataset.id)) old.remove();
        wanted.forEach((one, n) => {
          const node = [...group.children].find((old) => old.dataset.id === one.id) ?? button(one);
          if (group.children[n] !== node) group.insertBefore(node, group.children[n] ?? null);
          const face = `${one.label} ${one.key ? one.shown ?? one.key : ""}`;
          if (node.dataset.face !== face) {
            node.replaceChildren(one.label, ...(one.key ? [" ", h("kbd", {}, one.shown ?? one.key)] : []));
            node.dataset.face = face;
          }
          node.disabled = one.disabled === true;
          if (one.pressed != null) node.setAttribute("aria-pressed", String(one.pressed));
          if (one.key) node.setAttribute("aria-keyshortcuts", one.key);
        });
      }
      for (const group of [...groups.children]) if (!names.includes(group.dataset.name)) group.remove();
    };

    // A picture is shown once it is decoded: no moment without one, and none of another size.
    const show = async (bytes, alt, size) => {
      const mine = ++drawn;
      if (!bytes?.byteLength) return;
      const made = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
      const next = h("img", { alt, width: size[0], height: size[1], src: made, "data-n": mine });
      try {
        await next.decode();
      } catch {
        URL.revokeObjectURL(made);
        return;
      }
      if (mine !== drawn) return URL.revokeObjectURL(made);
      picture.replaceWith(next);
      picture = next;
      if (url) URL.revokeObjectURL(url);
      url = made;
    };

    // The first row is the head, and the first cell of each other one tells whose it is.
    const rows = (all) => {
      const words = JSON.stringify(all);
      table.hidden = !all.length;
      if (table.dataset.words === words) return;
      table.dataset.words = words;
      const cell = (words, row, column) => {
        const scope = row === 0 ? "col" : column === 0 ? "row" : null;
        const kept = words.length <= 24 ? "whole" : "long"; // a short one is not broken into lines
        return h(scope ? "th" : "td", { dir: "auto", class: kept, ...(scope && { scope }) }, words);
      };
      table.replaceChildren(...all.map((row, n) => h("tr", {}, ...row.map((words, at) => cell(words, n, at)))));
    };

    const text = (node, words) => { if (node.textContent !== words) node.textContent = words; };
    const view = () => {
      const now = model.get("view");
      root.dataset.look = now.look;
      root.dataset.scale = now.scale;
      root.classList.toggle("full", now.everywhere);
      if (now.everywhere) {
        const ground = getComputedStyle(root).backgroundColor;
        for (const node of [document.documentElement, document.body]) {
          node.style.setProperty("background", ground, "important");
        }
      }
      root.classList.toggle("words", !now.pictured);
      root.classList.toggle("still", !now.buttons.length);
      frame.hidden = !now.pictured;
      root.setAttribute("aria-label", now.name);
      buttons(now.buttons);
      text(title, now.title);
      title.hidden = !now.title;
      text(line, now.line);
      bar.hidden = now.total == null;
      if (now.total != null) {
        bar.max = Math.max(1, now.total);
        bar.value = Math.min(now.done, now.total);
      }
      text(said, now.said);
      const lines = now.notes.map((words) => h("p", { dir: "auto" }, words));
      if (now.notes.join("\n") !== notes.dataset.words) notes.replaceChildren(...lines);
      notes.dataset.words = now.notes.join("\n");
      rows(now.table);
      picture.alt = now.alt;
      picture.width = now.size[0];
      picture.height = now.size[1];
      clearTimeout(waiting);
    };
    const paint = () => show(model.get("picture"), model.get("view").alt, model.get("view").size);

    let leaving = false; // the kernel of a page that is left takes nothing any more
    const leave = () => { leaving = true; };
    window.addEventListener("beforeunload", leave);
    window.addEventListener("pagehide", leave);

    // A page's picture is drawn for the room that it has there.
    let measuring;
    const watcher = new ResizeObserver(() => {
      clearTimeout(measuring);
      measuring = setTimeout(() => {
        const now = model.get("view"), box = frame.getBoundingClientRect();
        if (leaving || !now.everywhere || !now.pictured || !box.width || !box.height) return;
        model.set("room", [Math.floor(box.width), Math.floor(box.height)]);
        model.save_changes();
      }, 150);
    });
    watcher.observe(frame);

    // A key that is not the page's own goes to another widget that is shown, wherever the focus is.
    const hand = (event) => {
      const others = [...document.querySelectorAll("[data-lm-suppress-shortcuts]")];
      const other = others.find((node) => node !== root && node.checkVisibility());
      const given = new KeyboardEvent("keydown", { key: event.key, bubbles: true, cancelable: true });
      if (other && !other.dispatchEvent(given)) event.preventDefault();
    };

    const keys = (event) => {
      const now = model.get("view");
      const inside = root.contains(event.target);
      if (event.altKey || event.metaKey || event.ctrlKey || event.isComposing || typing(event.target)) return;
      if (!inside && !now.everywhere) return;
      const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const one = now.buttons.find((each) => each.key === key && !each.disabled);
      const elsewhere = !inside && event.target.closest?.("[data-lm-suppress-shortcuts]"); // a widget with keys too
      if (elsewhere && (!one || key.length > 1)) return;
      const onButton = (key === "Space" || key === "Enter") && event.target.matches?.("button, summary, a");
      if (one && !onButton) {
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) press(one.id);
      } else if (inside && key !== "Tab" && !onButton) {
        event.stopPropagation(); // the notebook has keys of its own
      }
      if (!one && now.everywhere && !elsewhere && !onButton) hand(event);
    };
    document.addEventListener("keydown", keys, { capture: true });
    root.addEventListener("click", () => {
      if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
    });

    view();
    paint();
    model.on("change:view", view);
    model.on("change:picture", paint);
    return () => {
      document.removeEventListener("keydown", keys, { capture: true });
      model.off("change:view", view);
      model.off("change:picture", paint);
      window.removeEventListener("beforeunload", leave);
      window.removeEventListener("pagehide", leave);
      watcher.disconnect();
      clearTimeout(measuring);
      clearTimeout(waiting);
      drawn += 1;
      if (url) URL.revokeObjectURL(url);
    };
  },
};
