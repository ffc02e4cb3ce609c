'use strict';
// Leaks JavaScript heap: what `util.aborted` listens with keeps signals alive that will time out in days. Leaky in Node
// 20.5.0, mended in 20.20.2.
// Source: nodejs/node#48951. Right kind: js-heap.

const { aborted } = require('util');
const { pace } = require('../harness');

pace(1200, () => {
  const listener = () => {};
  const signal = AbortSignal.timeout(1e9);
  signal.addEventListener('abort', listener);
  aborted(signal, {});
  signal.removeEventListener('abort', listener);
});
