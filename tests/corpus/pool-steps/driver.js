'use strict';
// Healthy: a pool lends buffers of 64 KB and makes as many anew as there are when none is free. At 20, 50 and 80 s more
// are asked for at once, so that it doubles, to 32 MB; it never gives one back to the system, and then needs no more.

const { pace, random } = require('../harness');

const SIZE = 64 * 1024;
const free = [];
let made = 0;

function grow() {
  const more = Math.max(64, made);
  for (let n = 0; n < more; n++) free.push(Buffer.alloc(SIZE, n));
  made += more;
}

function borrow() {
  if (free.length === 0) grow();
  const buffer = free.pop();
  buffer.fill(random(256), 0, 1024);
  setTimeout(() => free.push(buffer), 900 + random(200));
}

let rate = pace(50, borrow);
for (const [second, wanted] of [[20, 110], [50, 220], [80, 450]]) {
  setTimeout(() => {
    clearInterval(rate);
    rate = pace(wanted, borrow);
  }, second * 1000);
}
pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
