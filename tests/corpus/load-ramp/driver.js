'use strict';
// Healthy: more and more clients connect for 100 s, each served with the same few kilobytes; then they stay.

const net = require('net');
const { pace } = require('../harness');

const MOST = 400;
const sessions = new Map();

const server = net.createServer((socket) => {
  sessions.set(socket, { basket: new Array(2000).fill(0), page: 'x'.repeat(1000) });
  socket.on('data', (data) => socket.write(data)).on('error', () => {}).on('close', () => sessions.delete(socket));
});

server.listen(0, '127.0.0.1', () => {
  const clients = [];
  const connect = () => clients.push(net.connect(server.address().port, '127.0.0.1').resume());
  pace(4, () => clients.length < MOST && connect());
  pace(100, () => clients.length > 0 && clients[Date.now() % clients.length].write('ping'));
});
