// Runs in every document before the application's own scripts: measures what the person at it sees.
// One object, `mmload`, is left on the window; nothing of the application is touched.
(() => {
  if (window.mmload || window !== window.top) return;
  // A first visit is shown a page that offers the desktop application: this person has been here before.
  try { localStorage.setItem("__landingPageSeen__", "true"); } catch { /* no storage on about:blank */ }

  const now = () => performance.now();
  let began = 0, input = null, loads = true, known = new Set();
  let lcp = null, interactions = new Map(), shifts = [], tasks = [];
  let lcpWatch, eventWatch, shiftWatch, taskWatch;

  const watch = (type, options, take) => {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return null;
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
    observer.observe({type, buffered: true, ...options});
    return {flush: () => observer.takeRecords().forEach(take)};
  };
  lcpWatch = watch("largest-contentful-paint", {}, (e) => { lcp = e.startTime; });
  eventWatch = watch("event", {durationThreshold: 16}, (e) => {
    if (e.interactionId && e.startTime >= began) {
      interactions.set(e.interactionId, Math.max(interactions.get(e.interactionId) || 0, e.duration));
    }
  });
  shiftWatch = watch("layout-shift", {}, (e) => {
    if (!e.hadRecentInput && e.startTime >= began) shifts.push([e.startTime, e.value]);
  });
  taskWatch = watch("longtask", {}, (e) => {
    if (e.startTime + e.duration >= began) tasks.push(e.duration);
  });

  for (const type of ["pointerdown", "keydown", "wheel"]) {
    addEventListener(type, (e) => { if (e.isTrusted && input === null) input = e.timeStamp; },
      {capture: true, passive: true});
  }

  // CLS: the worst sum of shifts less than 1 s apart, within 5 s.
  const worstShift = () => {
    let worst = 0, sum = 0, first = 0, last = 0;
    for (const [at, value] of shifts) {
      if (at - last > 1000 || at - first > 5000) { sum = 0; first = at; }
      sum += value; last = at;
      worst = Math.max(worst, sum);
    }
    return worst;
  };

  const isShown = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({checkVisibilityCSS: true});
  };
  // A picture is an <img>, or the background of an element; nothing tells whether a background has come but an image of
  // the same address, which the browser takes from its memory, or waits for with it: no request more.
  const probes = new Map();
  const probe = (address) => {
    if (!probes.has(address)) probes.set(address, Object.assign(new Image(), {src: address}));
    return probes.get(address);
  };
  const picturesOf = (element) => {
    const images = element.tagName === "IMG" ? [element] : [...element.querySelectorAll("img")];
    if (images.length) return images;
    const [, address] = getComputedStyle(element).backgroundImage.match(/^url\("(.*)"\)$/) || [];
    return address ? [probe(address)] : [];
  };
  const hasItsPictures = (element) => {
    const pictures = picturesOf(element);
    return pictures.length > 0 && pictures.every((each) => each.complete && each.naturalWidth > 0);
  };
  const holds = (condition) => {
    if (condition.any.length) return condition.any.some((all) => all.every(holds));
    if (condition.path && !decodeURIComponent(location.pathname).endsWith(condition.path)) return false;
    if (!condition.css) return true;
    let found = [...document.querySelectorAll(condition.css)].filter(isShown);
    if (condition.text) found = found.filter((each) => (each.textContent + (each.value || "")).includes(condition.text));
    if (condition.id) found = found.filter((each) => new RegExp(condition.id).test(each.id));
    if (condition.fresh) return found.every((each) => !known.has(each.id));
    if (condition.first_is_new && found.length && known.has(found[0].id)) return false;
    if (condition.pictures && !found.every(hasItsPictures)) return false;
    return found.length > 0;
  };

  window.mmload = {
    // The person is about to act: `seen` is the CSS of what is on the screen now, for what has to be new.
    arm(seen) {
      for (const each of [eventWatch, shiftWatch, taskWatch]) each?.flush();
      began = now(); input = null; loads = false;
      known = new Set(seen ? [...document.querySelectorAll(seen)].map((each) => each.id) : []);
      interactions = new Map(); shifts = []; tasks = [];
      probes.clear();
    },
    // When all hold: the milliseconds since the person acted, or since the navigation began; else what does not hold.
    until(conditions, patience) {
      const given_up = now() + patience;
      return new Promise((resolve) => {
        const look = () => {
          const missing = conditions.find((each) => !holds(each));
          if (!missing) resolve({ms: now() - (loads ? 0 : input ?? began)});
          else if (now() > given_up) resolve({missing: missing.name});
          else requestAnimationFrame(look);
        };
        look();
      });
    },
    measures() {
      for (const each of [lcpWatch, eventWatch, shiftWatch, taskWatch]) each?.flush();
      const [navigation] = performance.getEntriesByType("navigation");
      return {
        ttfb: loads && navigation && navigation.responseStart > 0 ? navigation.responseStart : null,
        lcp: loads ? lcp : null,
        inp: interactions.size ? Math.max(...interactions.values()) : null,
        cls: worstShift(),
        long_tasks: tasks.length,
        long_task_ms: tasks.reduce((sum, each) => sum + each, 0),
      };
    },
  };
})();
