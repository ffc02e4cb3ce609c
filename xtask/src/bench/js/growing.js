'use strict';
// Keeps what it makes: 200 kB a second of objects and strings, and as much of buffers, beside garbage of an ordinary
// service. After half an hour it holds 720 MB.

const { serve } = require('./common.js');

const kept = [];
let count = 0;

function row() {
  count++;
  return { id: count, name: 'item ' + count, tags: ['a' + (count % 7), 'b' + (count % 11)] };
}

function work() {
  for (let i = 0; i < 100; i++) JSON.stringify(Array.from({ length: 16 }, row));
  kept.push(Array.from({ length: 100 }, row), Buffer.alloc(20000, count));
}

setInterval(work, 100);
serve(() => kept.length);
