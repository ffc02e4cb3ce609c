'use strict';
// Leaks sockets: a server never ends the connections of clients that have gone quiet, and its clients open new ones.
// Fixed: it ends them after a second.

const net = require('net');
const { leaky, pace } = require('../harness');

const server = net.createServer((socket) => {
  socket.on('error', () => {}).resume().write('hello\n');
  if (!leaky) setTimeout(() => socket.end(), 1000);
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  pace(2.5, () => net.connect(port, '127.0.0.1').on('error', () => {}).resume());
});
pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
