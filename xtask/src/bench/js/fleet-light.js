'use strict';
// A service under light load: fifty answers of 1.3 KB a second, in five bursts, made of objects that die at once.

const { serve } = require('./common.js');

let count = 0;

function row(i) {
  count++;
  return { id: count, name: 'item ' + (count * 7919) % 10007, price: (count % 977) / 7, tags: ['t' + i, 'in stock'] };
}

function answer() {
  return JSON.stringify(Array.from({ length: 16 }, (_, i) => row(i)).sort((a, b) => a.price - b.price));
}

let length = 0;
setInterval(() => {
  for (let i = 0; i < 10; i++) length += answer().length;
}, 200);
serve(() => length);
