
// The viewer: panes that show one part of one picture, as the original and both codecs have it.
function view(pictures) {
  const stage = byId("stage");
  const figures = [...stage.querySelectorAll("figure")];
  const MOST = 16; // times as large as the picture is
  let shown = 0;
  let scale = 0; // pixels of the screen for one of the picture; 0: as large as the pane
  let centre = [0.5, 0.5]; // of what is shown, as shares of the picture

  const pane = () => figures.find((figure) => !figure.hidden).querySelector(".pane").getBoundingClientRect();
  const size = () => [pictures[shown].width, pictures[shown].height];
  const room = () => [pane().width, pane().height];
  const fitting = () => Math.min(...room().map((length, axis) => length / size()[axis]));

  function draw() {
    if (!room().every((length) => length > 0)) return; // not laid out
    const now = scale || fitting();
    const where = room().map((length, axis) => {
      const whole = size()[axis] * now;
      const half = Math.min(0.5, length / whole / 2);
      centre[axis] = Math.max(half, Math.min(1 - half, centre[axis]));
      return length / 2 - centre[axis] * whole;
    });
    stage.style.setProperty("--x", `${where[0]}px`);
    stage.style.setProperty("--y", `${where[1]}px`);
    stage.style.setProperty("--scale", now);
    stage.classList.toggle("zoomed", scale > 0);
    stage.classList.toggle("near", now * devicePixelRatio >= 2);
    byId("zoom").textContent = `${Math.round(100 * now)} %`;
  }

  // Zoom so that the point of the screen, the middle of the pane unless given, stays where it is.
  function zoom(factor, x, y) {
    const box = pane();
    const from = scale || fitting();
    const to = Math.min(Math.max(MOST, fitting()), from * factor);
    const off = [x === undefined ? 0 : x - box.left - box.width / 2, y === undefined ? 0 : y - box.top - box.height / 2];
    centre = centre.map((share, axis) => share + (off[axis] * (1 / from - 1 / to)) / size()[axis]);
    scale = to <= fitting() ? 0 : to;
    draw();
  }

  function move(x, y) {
    const now = scale || fitting();
    centre = [centre[0] - x / now / size()[0], centre[1] - y / now / size()[1]];
    draw();
  }

  function fit() {
    scale = 0;
    draw();
  }

  function slide(share) {
    byId("split").value = share;
    stage.style.setProperty("--split", `${byId("split").value}%`);
  }

  // Which view is on the left, and which on the right; side by side all three are there.
  function place() {
    const beside = byId("beside").checked;
    const sides = [byId("left").selectedIndex, byId("right").selectedIndex];
    stage.classList.toggle("beside", beside);
    byId("sides").hidden = beside;
    figures.forEach((figure, i) => {
      figure.hidden = !beside && !sides.includes(i);
      figure.classList.toggle("left", !beside && i === sides[0] && sides[0] !== sides[1]);
    });
    draw();
  }

  function show(number) {
    shown = (number + pictures.length) % pictures.length;
    const picture = pictures[shown];
    byId("picture").selectedIndex = shown;
    stage.style.setProperty("--shape", `${picture.width} / ${picture.height}`);
    picture.views.forEach((one, i) => {
      const image = figures[i].querySelector("img");
      image.src = `data:image/avif;base64,${one.avif}`;
      image.alt = `${picture.name}, ${one.caption}`;
      figures[i].querySelector("figcaption").textContent = one.caption;
      for (const side of ["left", "right"]) byId(side).options[i].textContent = one.caption;
    });
    centre = [0.5, 0.5];
    scale = 0;
    place();
  }

  // One pointer moves, two zoom.
  const pointers = new Map();
  const spread = () => {
    const [one, other] = [...pointers.values()];
    return Math.hypot(one[0] - other[0], one[1] - other[1]);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.target === byId("handle")) return;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = pointers.size === 2 ? spread() : 0;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (before) zoom(spread() / before, event.clientX, event.clientY);
    else move(event.clientX - last[0], event.clientY - last[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== stage) return; // the page scrolls
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });

  const handle = byId("handle");
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    const box = stage.getBoundingClientRect();
    if (handle.hasPointerCapture(event.pointerId)) slide((100 * (event.clientX - box.left)) / box.width);
  });

  const STEP = 60;
  const keys = {
    "+": () => zoom(1.5),
    "=": () => zoom(1.5),
    "-": () => zoom(1 / 1.5),
    "0": fit,
    ArrowLeft: () => move(STEP, 0),
    ArrowRight: () => move(-STEP, 0),
    ArrowUp: () => move(0, STEP),
    ArrowDown: () => move(0, -STEP),
    "[": () => slide(Number(byId("split").value) - 5),
    "]": () => slide(Number(byId("split").value) + 5),
    n: () => show(shown + 1),
    p: () => show(shown - 1),
    b: () => byId("beside").click(),
  };
  stage.addEventListener("keydown", (event) => {
    const key = keys[event.key];
    if (!key || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    key();
  });

  byId("picture").append(...pictures.map((picture) => new Option(picture.name)));
  for (const [side, chosen] of [["left", 1], ["right", 2]]) {
    byId(side).append(...figures.map(() => new Option()));
    byId(side).selectedIndex = chosen;
    byId(side).addEventListener("change", place);
  }
  byId("picture").addEventListener("change", () => show(byId("picture").selectedIndex));
  byId("split").addEventListener("input", () => slide(byId("split").value));
  byId("beside").addEventListener("change", place);
  byId("previous").addEventListener("click", () => show(shown - 1));
  byId("next").addEventListener("click", () => show(shown + 1));
  byId("in").addEventListener("click", () => zoom(1.5));
  byId("out").addEventListener("click", () => zoom(1 / 1.5));
  byId("fit").addEventListener("click", fit);
  for (const button of document.querySelectorAll("[data-picture]")) {
    button.addEventListener("click", () => {
      show(Number(button.dataset.picture));
      byId("viewer").scrollIntoView({ block: "start" });
    });
  }
  addEventListener("resize", draw);
  slide(50);
  show(0);
}

if (DATA.pictures.length) view(DATA.pictures);
