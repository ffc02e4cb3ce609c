'use strict';
// Healthy: an addon takes blocks of 32 bytes to 64 KB for requests, most for a moment, one in twenty for half a minute:
// what is in use stays about the same after that, while holes between the old blocks keep pages of the arenas. Every
// 40 s other sizes are asked for.

const { addon, pace, random } = require('../harness');
const { take, give } = addon('blocks');

const began = Date.now();
const LEAST = [32, 256, 48, 1024];

function size() {
  const season = Math.floor((Date.now() - began) / 40000) % LEAST.length;
  return LEAST[season] << random(7);
}

pace(400, () => {
  const block = take(size());
  const life = random(20) === 0 ? 20000 + random(20000) : random(300);
  setTimeout(() => give(block), life);
});
pace(100, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
