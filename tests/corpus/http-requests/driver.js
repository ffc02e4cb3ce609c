'use strict';
// An HTTP server under steady load. Leaky: each answered request is kept for statistics that nobody asks for. Fixed:
// only numbers are.

const http = require('http');
const { leaky, paceAsync } = require('../harness');

const answered = [];
const statistics = { count: 0, bytes: 0 };
const page = JSON.stringify(Array.from({ length: 60 }, (_, n) => ({ n, name: `item ${n}` })));

const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(page);
  statistics.count++;
  statistics.bytes += page.length;
  if (leaky) answered.push({ url: request.url, headers: request.rawHeaders, items: JSON.parse(page).slice(0, 12) });
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

function get(port) {
  return new Promise((done, failed) => {
    const headers = { 'x-request-id': Math.random(), 'x-user': 'someone' };
    const request = http.get({ port, agent, headers, path: `/?${statistics.count}` }, (response) => response.resume().on('end', done));
    request.on('error', failed);
  });
}

server.listen(0, '127.0.0.1', () => paceAsync(200, 4, () => get(server.address().port)));
