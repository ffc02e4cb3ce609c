'use strict';
// Leaks JavaScript heap: each request listens for the end of the configuration's life, with a closure that holds what
// it was asked. Fixed: the listener goes with the request.

const { EventEmitter } = require('events');
const { leaky, pace } = require('../harness');

const configuration = new EventEmitter().setMaxListeners(0);
let requests = 0;

function handle() {
  const request = { number: requests++, headers: new Array(80).fill(requests) };
  const changed = () => request.headers.length;
  configuration.on('change', changed);
  setTimeout(() => {
    if (!leaky) configuration.removeListener('change', changed);
  }, 50);
}

pace(400, handle);
pace(150, () => JSON.parse(JSON.stringify(new Array(100).fill({ requests }))));
