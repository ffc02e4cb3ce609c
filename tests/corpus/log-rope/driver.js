'use strict';
// Leaks JavaScript heap: a log is one string that is appended to, a rope of small pieces. Fixed: it is written away at
// 256 KB.

const { leaky, pace, random } = require('../harness');

const FULL = 256 * 1024;
let log = '';
let lines = 0;

pace(5000, () => {
  log += `${lines++} GET /item/${random(1000)} ${random(500)} ms\n`;
  if (!leaky && log.length > FULL) log = '';
});
