'use strict';
// Allocates. `DEPTH COUNT` is answered after so many arrays of 600 kB below so many functions, `gc DEPTH COUNT` after so
// many young collections, `work` with the microseconds of CPU time that half a gigabyte of small objects took.

const { serve } = require('./common.js');

const MEGABYTES = 500;
const BYTES_OF_ONE = 96;
const PER_STEP = (1e6 * 5) / BYTES_OF_ONE;
let sink;

function below(depth) {
  if (depth > 1) return below(depth - 1) + 1;
  sink = new Array(75000);
  return 1;
}

function large(depth, count) {
  for (let i = 0; i < count; i++) below(depth);
  return count;
}

function collect(depth) {
  if (depth > 1) return collect(depth - 1) + 1;
  global.gc({ type: 'minor' });
  return 1;
}

function collections(depth, count) {
  for (let i = 0; i < count; i++) collect(depth);
  return count;
}

function step() {
  const rows = new Array(64);
  for (let i = 0; i < PER_STEP; i++) rows[i & 63] = { i, next: [i] };
  sink = rows;
}

function work() {
  const before = process.cpuUsage();
  for (let megabytes = 0; megabytes < MEGABYTES; megabytes += 5) step();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

work();
serve((line) => {
  const words = line.split(' ');
  if (line === 'work') return work();
  return words[0] === 'gc' ? collections(...words.slice(1).map(Number)) : large(...words.map(Number));
});
