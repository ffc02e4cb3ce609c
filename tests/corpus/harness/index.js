'use strict';
// What every driver shares: which variant is asked for, and a steady pace. Says `ready`; ends when its standard input
// does, so that no driver outlives whoever started it.

const [, , variant] = process.argv;

/** The variant that is asked for; every one but `leaky` is healthy. */
exports.variant = variant;
exports.leaky = variant === 'leaky';

/** Runs `work` `rate` times a second, in slices of 20 ms. What is more than a quarter of a second late is left out. */
exports.pace = function pace(rate, work) {
  let due = 0;
  let last = Date.now();
  return setInterval(() => {
    const now = Date.now();
    due = Math.min(due + ((now - last) * rate) / 1000, Math.max(1, rate / 4));
    last = now;
    for (; due >= 1; due--) work();
  }, 20);
};

/** Runs the asynchronous `work` at most `rate` times a second, on so many lanes at once. Failures are part of life. */
exports.paceAsync = function paceAsync(rate, lanes, work) {
  const every = (lanes * 1000) / rate;
  async function lane() {
    const began = Date.now();
    await Promise.resolve().then(work).catch(() => {});
    setTimeout(lane, Math.max(0, began + every - Date.now()));
  }
  for (let n = 0; n < lanes; n++) lane();
};

/** A number from 0 below `n`, the same series in every run. */
let state = 1;
exports.random = function random(n) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};

/** The compiled addon of that name: `cargo xtask evaluate --record` puts them there. */
exports.addon = (name) => require(`${process.env.MEMWATCH_ADDONS}/${name}.node`);

if (process.stdin && isMainThread()) {
  process.stdin.resume().on('end', () => process.exit(0));
  console.log('ready');
}

/** Node 10 has no `worker_threads`. */
function isMainThread() {
  try {
    return require('worker_threads').isMainThread;
  } catch {
    return true;
  }
}
