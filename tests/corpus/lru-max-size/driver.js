'use strict';
// Leaks JavaScript heap: a cache that is limited by size alone, not by number, takes what it evicts out of its books
// but not out of its lists. Leaky lru-cache 7.8.0, fixed 7.8.2.
// Source: isaacs/node-lru-cache#227. Right kind: js-heap.

const { pace, random, variant } = require('../harness');
const LRUCache = require(`lru-cache-${variant}`);

const pages = new LRUCache({ maxSize: 4 * 1024 * 1024, sizeCalculation: (page) => page.html.length });
let visits = 0;

function render(path) {
  const items = Array.from({ length: 20 + random(20) }, (_, n) => `<li id="${n}">${path}: ${random(1e6)}</li>`);
  return { path, html: items.join('\n') };
}

pace(250, () => {
  const path = `/article/${visits++}`;
  pages.set(path, render(path));
  pages.get(`/article/${Math.max(0, visits - random(100))}`);
});
