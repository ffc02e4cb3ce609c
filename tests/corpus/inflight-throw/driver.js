'use strict';
// Leaks JavaScript heap: the entry of a request whose work never ends stays in the map of requests. inflight 1.0.6,
// which is deprecated and has no mended release.
// Source: isaacs/inflight-DEPRECATED-DO-NOT-USE#1, #18. Right kind: js-heap.

const inflight = require('inflight');
const { pace } = require('../harness');

let requests = 0;

pace(1500, () => {
  const first = inflight(`GET /item/${requests++}`, () => {});
  const ends = requests % 2 === 1;
  if (first && ends) setImmediate(() => first(null, {}));
});
