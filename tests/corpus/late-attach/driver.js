'use strict';
// Leaks JavaScript heap, and was at it for a minute before anybody looked. Healthy: a cache that was full by then, with
// the same traffic.

const { leaky, pace } = require('../harness');

const FULL = 24000;
const answers = new Map();
let asked = 0;

pace(800, () => {
  const id = asked++;
  answers.set(id, { id, body: new Array(50).fill(id) });
  if (!leaky) answers.delete(id - FULL);
});
pace(100, () => JSON.parse(JSON.stringify(new Array(300).fill(asked))));
