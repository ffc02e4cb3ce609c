'use strict';
// Holds so many megabytes of small objects: the argument. Asked `gap`, it says for how many milliseconds a timer of one
// was late at most since it was last asked; asked `committed`, the bytes that V8 has for its heap; asked `snapshot`, for
// how many milliseconds V8's own snapshot took.

const { unlinkSync } = require('fs');
const { getHeapStatistics, writeHeapSnapshot } = require('v8');
const { serve } = require('./common.js');

class Row {
  constructor(id) { this.id = id; this.cell = { value: id, list: [id] }; }
}

// So many take a megabyte, with their places in the table.
const PER_MB = 5200;
const rows = new Map();
for (let id = 0; id < Number(process.argv[2]) * PER_MB; id++) rows.set(id, new Row(id));

let [last, most] = [performance.now(), 0];
function tick() {
  const now = performance.now();
  most = Math.max(most, now - last - 1);
  last = now;
}
setInterval(tick, 1);

function gap() {
  tick();
  const found = most;
  most = 0;
  return found;
}

function snapshot() {
  const start = performance.now();
  unlinkSync(writeHeapSnapshot());
  return performance.now() - start;
}

const answers = { gap, snapshot, committed: () => getHeapStatistics().total_heap_size, rows: () => rows.size };
serve((word) => answers[word]());
