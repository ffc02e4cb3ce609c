'use strict';
// Native memory, through the addon that it is given. Lines: `pairs N`: answered with nanoseconds of CPU time a pair of
// malloc and free; `storm N`: pairs a microsecond of the wall clock in so many rounds, each of which also leaks; `fill N`:
// the addon's own; `pace S`: for so many seconds the same as `storm`, answered with when how many pairs were done,
// nanoseconds of the monotonic clock. With a second argument it leaks 1 MB/s.

const { serve } = require('./common.js');

const [, , addon, leaks] = process.argv;
const library = { exports: {} };
process.dlopen(library, addon);
const { churn, fill, leak } = library.exports;
const BYTES = 100;
const PAIRS = 5000;

function pairs(count) {
  const before = process.cpuUsage();
  churn(count, BYTES);
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000 / count;
}

function storm(rounds) {
  const before = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) {
    churn(PAIRS, BYTES);
    leak(1, BYTES);
  }
  return rounds * PAIRS * 1000 / Number(process.hrtime.bigint() - before);
}

function pace(seconds) {
  const [few, every, end] = [500, 200000n, process.hrtime.bigint() + BigInt(seconds) * 1000000000n];
  const told = [];
  for (let done = 0, last = 0n, now = 0n; now < end; done += few) {
    churn(few, BYTES);
    if (done % PAIRS === 0) leak(1, BYTES);
    now = process.hrtime.bigint();
    if (now - last >= every) {
      told.push(`${now}:${done + few}`);
      last = now;
    }
  }
  return told.join(' ');
}

if (leaks) setInterval(() => leak(100, BYTES), 10);
const words = { pairs, storm, pace, fill: (rounds) => fill(rounds) || 0 };
serve((line) => {
  const [word, number] = line.split(' ');
  return words[word](Number(number));
});
