// Packs the blocks of a deck into slides, where it can be measured what fits, and lets reveal.js
// turn them.
(() => {
  "use strict";
  const WIDTH = 1280;
  const HEIGHT = 720;
  const SMALLEST = 0.75; // a slide may shrink to this before its blocks are torn apart
  const LARGEST = 1.6; // and a picture alone may grow to this

  function slide(blocks) {
    const made = document.createElement("div");
    made.className = "slide";
    made.append(...blocks);
    return made;
  }

  // The tallest things to watch: what is asked and answered stands beside them.
  function beside(blocks) {
    const result = [];
    while (blocks.length) {
      const block = blocks.shift();
      if (block.dataset.kind !== "explorer") {
        result.push(block);
        continue;
      }
      const words = [];
      while (result.at(-1)?.dataset.kind === "text" && words.length < 3) words.unshift(result.pop());
      while (blocks[0]?.dataset.later !== undefined) {
        blocks[0].classList.add("fragment");
        words.push(blocks.shift());
      }
      const both = document.createElement("div");
      both.className = "beside";
      both.dataset.kind = "explorer";
      const left = document.createElement("div");
      left.append(...words);
      both.append(left, block);
      result.push(both);
    }
    return result;
  }

  // Room for the longest sentence: the slide must not jump.
  function reserve(place) {
    for (const { explorer } of place.querySelectorAll(".masks-explorer")) {
      const { sentence, data } = explorer;
      const now = sentence.textContent;
      const longest = [...data.sentences].sort((a, b) => b.length - a.length).slice(0, 4);
      const heights = longest.map((text) => {
        sentence.textContent = text;
        return sentence.offsetHeight;
      });
      sentence.parentElement.style.minHeight = `${Math.max(...heights) + 1}px`;
      sentence.textContent = now;
    }
  }

  // How much worse it is to turn the slide between two blocks than between others.
  function torn(before, after) {
    const kind = after.dataset.kind;
    if (before.dataset.kind === "code" && kind === "output") return 2;
    if (before.matches(":has(> blockquote)")) return 0.2;
    if (kind === "explorer" || kind === "output") return 1;
    if (after.dataset.later !== undefined) return 0.3;
    if (kind === "code" && before.dataset.kind === "text") return 0.5;
    return 0;
  }

  // Where to turn: the blocks of each slide, least bad in all.
  function packed(blocks, heights, room) {
    const best = [{ cost: 0 }];
    for (let end = 1; end <= blocks.length; end++) {
      best[end] = { cost: Infinity };
      let full = 0;
      for (let start = end - 1; start >= 0; start--) {
        full += heights[start];
        const scale = Math.min(1, room / full);
        if (scale < SMALLEST && start < end - 1) break;
        const empty = Math.max(0, 1 - full / room);
        const cut = start ? torn(blocks[start - 1], blocks[start]) : 0;
        const cost = best[start].cost + 1 + empty ** 2 + 9 * (1 - scale) + cut;
        if (cost < best[end].cost) best[end] = { cost, start };
      }
    }
    const result = [];
    for (let end = blocks.length; end > 0; end = best[end].start) {
      result.unshift(blocks.slice(best[end].start, end));
    }
    return result;
  }

  // Make a slide that is too high fit, and let a picture use what room there is.
  function fit(made, place) {
    place.append(made);
    const blocks = [...made.children].slice(1);
    const figures = [...made.querySelectorAll(".masks-explorer, .masks-plot, .masks-prediction")]
      .map((e) => e.closest(".beside > *, .slide > *"));
    const others = blocks.flatMap((b) => (b.matches(".beside") ? [...b.children] : b))
      .filter((b) => !figures.includes(b));
    const inner = made.querySelectorAll(".masks-picture, .masks-scroll, .masks-wide");
    const fits = () => made.offsetHeight <= HEIGHT
      && [made, ...inner].every((e) => e.scrollWidth <= e.clientWidth);
    const zoom = (some, to) => some.forEach((block) => { block.style.zoom = to.toFixed(2); });
    for (let small = 1; small >= SMALLEST - 0.01; small -= 0.05) {
      zoom(others, small);
      for (let large = figures.length ? LARGEST : small; large >= small - 0.01; large -= 0.1) {
        zoom(figures, large);
        reserve(made);
        if (fits()) return;
      }
    }
    // A long table or a long listing: it scrolls in its slide.
    const last = blocks.at(-1);
    last.style.zoom = "";
    last.classList.add("scroll");
    last.tabIndex = 0;
    last.style.maxHeight = `${last.offsetHeight - (made.offsetHeight - HEIGHT)}px`;
  }

  const names = new Map();
  function unique(name) {
    names.set(name, (names.get(name) ?? 0) + 1);
    return names.get(name) > 1 ? `${name}-${names.get(name)}` : name;
  }

  function slides(part, place) {
    const [heading, ...rest] = part.children;
    const blocks = beside(rest);
    const whole = slide([heading, ...blocks]);
    place.append(whole);
    reserve(whole);
    for (const both of whole.querySelectorAll(".beside")) {
      // What does not fit beside an Explorer follows it.
      const left = both.firstElementChild;
      if (left.offsetHeight <= HEIGHT) continue;
      const later = [...left.querySelectorAll("[data-later]")];
      later.forEach((block) => block.classList.remove("fragment"));
      both.after(...later);
    }
    blocks.splice(0, Infinity, ...[...whole.children].slice(1));
    const top = (block) => block.getBoundingClientRect().top;
    const style = getComputedStyle(whole);
    const room = HEIGHT - parseFloat(style.paddingBottom) - (top(blocks[0]) - top(whole));
    const end = whole.getBoundingClientRect().bottom - parseFloat(style.paddingBottom);
    const ends = [...blocks.slice(1).map(top), end];
    const heights = blocks.map((block, i) => ends[i] - top(block));
    whole.remove();
    return packed(blocks, heights, room).map((shown, i) => {
      const title = i ? document.createElement("div") : heading;
      if (i) {
        title.className = "again";
        title.append(...heading.cloneNode(true).childNodes);
      }
      // Turning the slide shows its first block: only what comes later needs a key press.
      shown.slice(1).forEach((b) => b.dataset.later !== undefined && b.classList.add("fragment"));
      const made = slide([title, ...shown]);
      fit(made, place);
      const section = document.createElement("section");
      section.id = unique(part.dataset.name);
      section.append(made);
      return section;
    });
  }

  // Keys belong to what has the focus, but for those of a presenter's remote control, and Escape.
  function keys(deck) {
    addEventListener("keydown", (event) => {
      const turn = { PageDown: "next", PageUp: "prev" }[event.key];
      const inside = event.target.closest?.(".slide");
      if (!turn && !(event.key === "Escape" && inside)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      document.activeElement.blur();
      if (turn) deck[turn]();
    }, true);
  }

  document.addEventListener("DOMContentLoaded", async () => {
    const main = document.querySelector("main");
    document.body.classList.add("turning");
    const made = [...main.children].flatMap((part) => slides(part, main));
    const root = document.createElement("div");
    root.className = "reveal";
    const place = document.createElement("div");
    place.className = "slides";
    place.append(...made);
    root.append(place);
    main.replaceWith(root);
    const deck = new Reveal(root, {
      width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, slideNumber: "c/t",
      transition: "none", backgroundTransition: "none",
      keyboardCondition: (event) => !event.target.closest(".slide"),
    });
    keys(deck);
    await deck.initialize();
    root.deck = deck; // for tests
    document.body.dataset.ready = made.length;
  });
})();
