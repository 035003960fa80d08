// Explorers and predictions of the published pages. Everything they show is in the page:
// no kernel, no network. The pictures come from the notebooks' stored states.
(() => {
  "use strict";
  const SCROLLS = ".masks-wide, .masks-picture, .masks-scroll, pre, .math, .pst-scrollable-table-container";
  const SVG = "http://www.w3.org/2000/svg";
  const STYLE = `svg { display: block; width: 100%; height: auto;
    font-family: "DejaVu Sans", Verdana, sans-serif; }`;

  function element(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  class Explorer {
    constructor(figure) {
      this.data = JSON.parse(figure.querySelector("script").textContent);
      this.fields = [...figure.querySelectorAll("input, select")];
      this.sentence = figure.querySelector("[role=status]");
      this.place = figure.querySelector(".masks-picture");
      this.scenes = this.data.scenes.map(() => null);
      const form = figure.querySelector("form");
      form.addEventListener("input", () => this.show());
      form.addEventListener("submit", (event) => event.preventDefault());
      form.hidden = false;
      // In a tree of its own: the theme's style sheets need not be asked again at each move.
      this.root = this.place.attachShadow({ mode: "open" });
      this.root.innerHTML = `<style>${STYLE}</style>`;
      this.show();
      figure.explorer = this; // for tests
    }

    // The place of each control's value in its list, and of their combination in the states.
    values() {
      return this.fields.map((field) =>
        field.type === "checkbox" ? Number(field.checked)
        : field.type === "range" ? Number(field.value) : field.selectedIndex);
    }

    show() {
      const { data } = this;
      const values = this.values();
      this.fields.forEach((field, i) => {
        if (field.type !== "range") return;
        const text = JSON.parse(field.dataset.values)[values[i]];
        field.setAttribute("aria-valuetext", text);
        field.nextElementSibling.textContent = text;
      });
      const state = values.reduce((place, value, i) => place * data.sizes[i] + value, 0);
      const [picture, sentence] = data.states[state];
      this.sentence.textContent = data.sentences[sentence];
      this.draw(data.pictures[picture], data.sentences[sentence]);
    }

    draw([number, panels], words) {
      const scene = (this.scenes[number] ??= this.scene(this.data.scenes[number]));
      if (this.shown !== scene) {
        this.shown?.svg.remove();
        this.root.append(scene.svg);
        this.shown = scene;
      }
      scene.svg.setAttribute("aria-label", words);
      panels.forEach(([texts, cells, inks], p) => {
        const written = this.data.texts[texts];
        scene.panels[p].forEach((cell, i) => {
          const face = cells.substr(2 * i, 2);
          const { rect, text, now } = cell;
          if (now.face !== face) {
            rect.setAttribute("fill", this.data.palette[parseInt(face, 16)] || "none");
          }
          if (now.written !== written[i]) text.textContent = written[i];
          if (now.ink !== inks[i]) text.setAttribute("fill", this.data.inks[Number(inks[i])]);
          cell.now = { face, written: written[i], ink: inks[i] };
        });
      });
    }

    // What stands still, and a rectangle and a text for each cell.
    scene({ svg, size, boxes }) {
      const [width, height] = size;
      const root = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
      root.style.maxWidth = `${(width * 4) / 3}px`;
      root.style.minWidth = `${(width * 4) / 3 * 0.7}px`; // smaller, its text could not be read
      root.innerHTML = `<defs>${this.data.glyphs}</defs>${svg.map((i) => this.data.pieces[i]).join("")}`;
      const panels = boxes.map(([x, y, w, h, rows, columns]) => {
        const cells = [];
        const group = element("g", { "text-anchor": "middle", "font-size": this.data.font });
        for (let i = 0; i < rows * columns; i++) {
          const left = x + ((i % columns) * w) / columns;
          const top = y + (Math.floor(i / columns) * h) / rows;
          const place = { x: left, y: top, width: w / columns, height: h / rows };
          const rect = element("rect", { ...place, stroke: "#fff", "stroke-width": 0.72 });
          const text = element("text", {
            x: left + place.width / 2, y: top + place.height / 2 + 0.36 * this.data.font,
          });
          group.append(rect, text);
          cells.push({ rect, text, now: { written: "" } });
        }
        root.append(group);
        return cells;
      });
      return { svg: root, panels };
    }
  }

  // `{name}` in a sentence of the site's replaced by a value.
  const say = (name, values = {}) => {
    return MASKS_WORDS[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  };

  function prediction(box) {
    const cells = [...box.querySelectorAll("td button")];
    const status = box.querySelector("[role=status]");
    const ask = status.textContent;
    const columns = box.querySelectorAll("thead th").length;
    const texts = cells.map((cell) => cell.textContent);
    const masked = (cell) => cell.getAttribute("aria-pressed") === "true";
    const said = (cell) => say(masked(cell) ? "masked" : "kept");
    const paint = (cell, i, right) => {
      const mark = right === undefined ? "" : right ? "✓ " : "✗ ";
      cell.textContent = mark + texts[i];
      const words = [say("you_say", { where: cell.dataset.name, said: said(cell) })];
      if (mark) words.push(say(right ? "right" : "wrong"));
      cell.setAttribute("aria-label", words.join(", "));
    };
    cells.forEach((cell, i) => {
      cell.disabled = false;
      paint(cell, i);
      cell.addEventListener("click", () => {
        cell.setAttribute("aria-pressed", String(!masked(cell)));
        if (status.textContent !== ask) cells.forEach((other, j) => paint(other, j));
        status.textContent = ask;
        paint(cell, i);
      });
      cell.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
        if (step === undefined || !cells[i + step]) return;
        event.preventDefault();
        cells[i + step].focus();
      });
    });
    const check = box.querySelector(".masks-check");
    check.disabled = false;
    check.addEventListener("click", () => {
      const right = cells.map((cell, i) => masked(cell) === (box.dataset.answer[i] === "0"));
      cells.forEach((cell, i) => paint(cell, i, right[i]));
      const wrong = cells[right.indexOf(false)];
      let verdict = say("count", { right: right.filter(Boolean).length, all: right.length });
      if (wrong) {
        const text = texts[cells.indexOf(wrong)];
        const where = [wrong.dataset.where];
        if (!"·?".includes(text)) where.push(say("quoted", { text }));
        verdict += ` ${say("look_again", { where: where.join(", "), said: said(wrong) })}`;
      } else {
        verdict += ` ${say("that_is_it")}`;
      }
      status.textContent = verdict;
    });
  }

  // A table of class `masks-table`: rows can be filtered by their text and sorted by a column.
  function table(place) {
    const rows = [...place.tBodies[0].rows];
    const text = (row, column) => row.cells[column]?.textContent.trim() ?? "";
    const filter = document.createElement("input");
    filter.type = "search";
    const label = document.createElement("label");
    label.append(`${say("filter")} `, filter);
    const choice = document.createElement("select");
    const choices = JSON.parse(place.dataset.choices ?? "[]");
    choice.append(new Option(say("everything"), ""));
    choices.forEach((words, i) => choice.append(new Option(words, i)));
    const chosen = document.createElement("label");
    chosen.append(`${say("choose")} `, choice);
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    const bar = document.createElement("p");
    bar.className = "masks-filter";
    bar.append(...(choices.length ? [chosen] : []), label, count);
    (place.closest(".masks-wide") ?? place).before(bar);
    const show = () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const has = row.textContent.toLowerCase();
        const among = !choice.value || row.dataset.choices.split(" ").includes(choice.value);
        row.hidden = !(among && words.every((word) => has.includes(word)));
        shown += !row.hidden;
      }
      count.textContent = say("rows", { shown, all: rows.length });
    };
    bar.addEventListener("input", show);
    show();
    const headers = [...place.tHead.rows[place.tHead.rows.length - 1].cells];
    const compare = new Intl.Collator(document.documentElement.lang, { numeric: true }).compare;
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.title = say("sort", { column: button.textContent.trim() });
      header.append(button);
      button.addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        rows.sort((a, b) => (down ? -1 : 1) * compare(text(a, column), text(b, column)));
        place.tBodies[0].append(...rows);
      });
    });
  }

  // What scrolls sideways must be reached by keyboard.
  function scrollable() {
    for (const place of document.querySelectorAll(SCROLLS)) {
      if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    }
  }

  function answered(grid) {
    const copy = grid.cloneNode(true);
    copy.querySelectorAll("td button").forEach((cell, i) =>
      cell.setAttribute("aria-pressed", String(grid.dataset.answer[i] === "0")));
    return copy;
  }

  // On paper all that is folded stands at the end, with a number where it was: there, too, a
  // question comes before its answer. The code of Explorers is left out. Afterwards everything is
  // as it was.
  function paper() {
    const article = document.querySelector("article");
    const end = document.createElement("section");
    end.className = "masks-answers";
    const moved = [];
    addEventListener("beforeprint", () => {
      if (!article || moved.length) return;
      const heading = document.createElement("h2");
      heading.textContent = say("answers");
      end.replaceChildren(heading);
      let section = "";
      const found = "h1, h2, h3, h4, details:not(.above-input), .masks-prediction";
      for (const thing of article.querySelectorAll(found)) {
        if (/^H\d$/.test(thing.tagName)) {
          section = [...thing.childNodes].filter((n) => !n.matches?.(".headerlink")).map((n) => n.textContent).join("");
          continue;
        }
        const grid = thing.matches(".masks-prediction");
        const own = !grid && !thing.matches(".hide");
        const what = own ? thing.querySelector("summary").textContent : say("the_answer");
        const number = moved.length + 1;
        const [note, title, place] = ["p", "p", "div"].map((name) => document.createElement(name));
        note.className = "masks-at-the-end";
        note.textContent = say("at_the_end", { what, number });
        title.className = "masks-number";
        title.textContent = own ? `${number} · ${section}` : `${number} · ${section} · ${what}`;
        if (grid) thing.after(note);
        else thing.replaceWith(note);
        thing.open = true;
        place.append(title, grid ? answered(thing) : thing);
        end.append(place);
        moved.push([note, thing]);
      }
      if (moved.length) article.append(end);
    });
    addEventListener("afterprint", () => {
      for (const [note, thing] of moved.splice(0)) {
        thing.open = false;
        if (thing.matches("details")) note.replaceWith(thing);
        else note.remove();
      }
      end.remove();
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".masks-explorer").forEach((figure) => new Explorer(figure));
    document.querySelectorAll(".masks-prediction").forEach(prediction);
    document.querySelectorAll("table.masks-table").forEach(table);
    paper();
    scrollable();
    addEventListener("resize", scrollable);
    document.addEventListener("toggle", scrollable, true); // what is folded has no width yet
  });

  // In a page from a file no other file can be read, so search results come without excerpts.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }
})();
