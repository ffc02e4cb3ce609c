'use strict';
// Healthy: thumbnails are cached as buffers, 40 MB of them; the cache is full after a minute, and evicts from then on.

const { pace, random } = require('../harness');

const FULL = 40 * 1024 * 1024;
const thumbnails = new Map();
let bytes = 0;

function evict() {
  const [oldest, thumbnail] = thumbnails.entries().next().value;
  thumbnails.delete(oldest);
  bytes -= thumbnail.length;
}

pace(40, () => {
  const thumbnail = Buffer.alloc(8 * 1024 + random(16 * 1024), 1);
  thumbnails.set(Symbol('thumbnail'), thumbnail);
  bytes += thumbnail.length;
  while (bytes > FULL) evict();
});
