'use strict';
// Leaks JavaScript heap: each call is given up at the end of the process or of its own request, and the signal that
// lives as long as the process keeps an entry for each signal that was made of it. Leaky in Node 20, mended in 24.
// Source: nodejs/node#55351. Right kind: js-heap.

const { pace } = require('../harness');

const shutdown = new AbortController();

function call() {
  const request = new AbortController();
  const signal = AbortSignal.any([shutdown.signal, request.signal]);
  const giveUp = () => {};
  signal.addEventListener('abort', giveUp);
  setTimeout(() => signal.removeEventListener('abort', giveUp), 10);
}

pace(3000, call);
