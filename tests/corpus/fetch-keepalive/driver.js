'use strict';
// Leaks JavaScript heap: each response leaves a listener on its socket, which lives on. Leaky node-fetch 3.1.0, fixed
// 3.3.2.
// Source: node-fetch/node-fetch#1295, #1446, mended by #1474. Right kind: js-heap.

const http = require('http');
const { paceAsync, variant } = require('../harness');

const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const half = Buffer.alloc(2048, 'x');
const server = http.createServer((_, response) => {
  response.write(half);
  response.end(half);
});
server.keepAliveTimeout = 0;

server.listen(0, '127.0.0.1', async () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  const { default: fetch } = await import(require.resolve(`node-fetch-${variant}`));
  paceAsync(120, 4, async () => (await fetch(url, { agent })).text());
});
