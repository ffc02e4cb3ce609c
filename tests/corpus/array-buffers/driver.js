'use strict';
// Leaks array buffers: of the pictures that are worked on, half a megabyte each, one in six is kept. Fixed: all go, and
// what is seen is churn of big buffers.

const { leaky, pace } = require('../harness');

const kept = [];
let pictures = 0;

pace(4, () => {
  const pixels = new Uint8Array(512 * 1024).fill(pictures++);
  if (leaky && pictures % 6 === 0) kept.push(pixels.buffer);
});
pace(300, () => JSON.parse(JSON.stringify(new Array(80).fill(pictures))));
