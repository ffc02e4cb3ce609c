'use strict';
// Leaks JavaScript heap under a load that comes and goes every 40 s, beside a cache that is full soon: an audit trail
// is kept. Fixed: the trail is of bounded length; load and cache are the same.

const { leaky, pace, random } = require('../harness');

const TRAIL = 2000;
const CACHE = 8000;
const began = Date.now();
const sessions = [];
const cache = new Map();
const trail = [];

const load = () => 1 + 0.6 * Math.sin((2 * Math.PI * (Date.now() - began)) / 40000);

function remember(key) {
  cache.delete(key);
  cache.set(key, { key, page: new Array(60).fill(key) });
  if (cache.size > CACHE) cache.delete(cache.keys().next().value);
}

pace(50, () => {
  const wanted = 8000 * load();
  for (let n = 0; n < 100 && sessions.length < wanted; n++) sessions.push({ id: n, basket: new Array(50).fill(n) });
  for (let n = 0; n < 100 && sessions.length > wanted; n++) sessions.shift();
});
pace(400, () => remember(random(20000)));
pace(600, () => {
  trail.push({ at: Date.now(), who: random(5000), what: new Array(20).fill(1.5) });
  if (!leaky && trail.length > TRAIL) trail.shift();
});
