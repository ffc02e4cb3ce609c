'use strict';
// Healthy: a function is memoized by keys of which few are asked for often: all that there are have been seen some day,
// and the cache grows ever more slowly.

const { pace, random } = require('../harness');

const KEYS = 20000;
const memo = new Map();

const zipf = () => Math.floor(Math.exp((random(1e6) / 1e6) * Math.log(KEYS)));

function price(key) {
  if (!memo.has(key)) memo.set(key, { key, table: new Array(60).fill(key) });
  return memo.get(key);
}

pace(4000, () => price(zipf()));
pace(100, () => JSON.parse(JSON.stringify(new Array(200).fill('traffic'))));
