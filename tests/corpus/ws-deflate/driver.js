'use strict';
// Leaks messages: a client that goes while its message is being compressed never gives its place among the ten
// compressions at once back. When no place is left, all messages to come wait for ever. Leaky ws 7.1.1, fixed 7.1.2.
// Source: websockets/ws#1617, mended by #1618. Right kinds: external, js-heap, native.

const { pace, random, variant } = require('../harness');
const WebSocket = require(`ws-${variant}`);

const TOPICS = ['shares', 'bonds', 'rates', 'metals'];

function prices(topic) {
  return JSON.stringify({ topic, prices: Array.from({ length: 250 }, (_, n) => ({ n, price: random(1e6) })) });
}

function welcome(socket) {
  const tell = () => TOPICS.forEach((topic) => socket.send(prices(topic)));
  const ticker = setInterval(tell, 500);
  socket.on('error', () => {}).on('close', () => clearInterval(ticker));
}

/** Stays until it has read what it came for, or two seconds. */
function visit(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const patience = setTimeout(() => socket.terminate(), 2000);
  let read = 0;
  const wanted = 1 + random(8);
  socket.on('error', () => {}).on('close', () => clearTimeout(patience));
  socket.on('message', () => ++read === wanted && socket.terminate());
}

const server = new WebSocket.Server({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
server.on('connection', welcome).on('listening', () => pace(10, () => visit(server.address().port)));
