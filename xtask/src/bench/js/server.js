'use strict';
// Answers with 1.3 KB of JSON, made anew for every request: the garbage of an ordinary service. With an addon as its
// argument it leaks 1 MB/s of native memory.

const http = require('http');
const { serve } = require('./common.js');

let count = 0;

if (process.argv[2]) {
  const library = { exports: {} };
  process.dlopen(library, process.argv[2]);
  setInterval(() => library.exports.leak(100, 100), 10);
}

function row(i) {
  count++;
  return { id: count, name: 'item ' + (count * 7919) % 10007, price: (count % 977) / 7, tags: ['t' + i, 'in stock'] };
}

function answer(request, response) {
  const rows = Array.from({ length: 16 }, (_, i) => row(i)).sort((a, b) => a.price - b.price);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ path: request.url, rows }));
}

const server = http.createServer(answer);
server.listen(0, '127.0.0.1', () => serve(() => '', server.address().port));
