'use strict';
// Healthy: an addon takes blocks of 280 bytes to 24 KB for requests, most for a moment, one in eight for half a minute:
// what is in use stays about the same after that. Every 40 s the sizes are a little different, so that the holes which
// old blocks leave do not suit the new ones.

const { addon, pace, random } = require('../harness');
const { take, give } = addon('blocks');

const began = Date.now();
const LEAST = [300, 340, 280, 370];

function size() {
  const season = Math.floor((Date.now() - began) / 40000) % LEAST.length;
  return LEAST[season] << random(7);
}

pace(400, () => {
  const block = take(size());
  const life = random(8) === 0 ? 20000 + random(20000) : random(300);
  setTimeout(() => give(block), life);
});
pace(100, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
