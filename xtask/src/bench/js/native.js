'use strict';
// Native memory, through the addon that it is given. Lines: `pairs N`: answered with nanoseconds of CPU time a pair of
// malloc and free; `storm N`: pairs a microsecond of the wall clock in so many rounds, each of which also leaks; `fill N`:
// the addon's own. With a second argument it leaks 1 MB/s.

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

if (leaks) setInterval(() => leak(100, BYTES), 10);
const words = { pairs, storm, fill: (rounds) => fill(rounds) || 0 };
serve((line) => {
  const [word, number] = line.split(' ');
  return words[word](Number(number));
});
