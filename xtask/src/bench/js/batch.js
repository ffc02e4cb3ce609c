'use strict';
// A fixed amount of work that makes garbage and survivors all the time; each line of input is one portion, answered
// with the CPU time of all threads in microseconds.

const { serve } = require('./common.js');

const KEEP = 100000;
let seed = 1;
const kept = new Map();

function random() {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}

function record(i) {
  return { id: i, text: 'record ' + random(), parts: [random(), random()], next: { at: i } };
}

function portion() {
  for (let i = 0; i < 600000; i++) kept.set(random() % KEEP, record(i));
}

function timed() {
  const before = process.cpuUsage();
  portion();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

timed();
serve(timed);
