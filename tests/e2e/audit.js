// What a machine can say about a page's looks: a function for Playwright's evaluate, which returns what is wrong.
// Contrast and target sizes are those of WCAG 2.2: 4.5:1 (3:1 for large text), 24 px, or 44 px under a finger.
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] >= 1) break;
    }
    return layers.reduceRight((below, top) => over(top, below), [255, 255, 255]);
  };
  // In the tree, text stands on the last box of its node.
  const surface = (element) => {
    if (!(element instanceof SVGElement)) return background(element);
    const below = background(element.ownerSVGElement);
    if (element.matches(".inside")) return over(rgba(getComputedStyle(element.previousElementSibling).fill), below);
    const node = element.closest("a");
    const fill = node && !node.matches(".tn-service") ? [...node.querySelectorAll(".bx")].pop() : null;
    const colour = fill ? getComputedStyle(fill).fill : "none";
    return colour === "none" ? below : over(rgba(colour), below);
  };
  const seen = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const named = (element) => `${element.tagName}.${element.className.baseVal ?? element.className}`;

  const contrast = new Set(), small = new Set(), targets = new Set(), nameless = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || !seen(element) || element.closest(".vh,.skip,symbol,title,option,optgroup")) continue;
    if (element.getBoundingClientRect().width < 2) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize), below = surface(element);
    const ink = over(rgba(element instanceof SVGElement ? style.fill : style.color), below);
    const [light, dark] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 600);
    if (ratio < (large ? 3 : 4.5)) contrast.add(`${named(element)} ${ratio.toFixed(2)}`);
    if (!(element instanceof SVGElement) && size < 11) small.add(`${named(element)} ${size} px`);
  }

  const least = matchMedia("(pointer:coarse)").matches ? 43.5 : 23.5;
  for (const element of document.querySelectorAll("a[href],button,input:not([type=hidden]),select,textarea,summary")) {
    if (!seen(element) || element.closest(".skip,svg")) continue;
    const label = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent || element.title;
    if (!label.trim()) nameless.push(element.outerHTML.slice(0, 90));
    // A link in a line of text, and a field inside a larger frame, are as large as what they stand in (2.5.8).
    const target = element.closest("label,.ask") ?? element;
    if (element.matches(".turn-t a,.card-h a.meta,.lnk,.tc")) continue;
    const after = getComputedStyle(element, "::after");
    const reach = after.position === "absolute" && after.content !== "none" ? parseFloat(after.height) : 0;
    const height = Math.max(target.getBoundingClientRect().height, reach || 0);
    if (height < least) targets.add(`${named(element)} ${Math.round(height)} px`);
  }

  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return {
    contrast: [...contrast],
    small: [...small],
    targets: [...targets],
    nameless,
    doubled: ids.filter((id, i) => ids.indexOf(id) !== i),
    overflow: document.documentElement.scrollWidth > innerWidth,
    headings: [...document.querySelectorAll("h1")].length,
  };
}
