'use strict';
// Leaks JavaScript heap, slowly: `off` leaves an empty list of callbacks under the event's name.
// Leaky component-emitter 1.2.1, fixed 1.3.1.
// Source: socketio/engine.io-client#552, component/emitter#74. Right kind: js-heap.

const { pace, variant } = require('../harness');
const Emitter = require(`emitter-${variant}`);

const socket = new Emitter();
let sent = 0;

pace(6000, () => {
  const acknowledged = `ack:${sent++}`;
  const done = () => {};
  socket.once(acknowledged, done);
  socket.on(acknowledged, done);
  socket.emit(acknowledged, 1);
  socket.off(acknowledged, done);
});
