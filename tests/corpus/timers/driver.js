'use strict';
// Leaks JavaScript heap: each connection sets a heartbeat that nobody clears. Fixed: it is cleared when the connection
// is closed.

const { leaky, pace } = require('../harness');

const HOUR = 3600 * 1000;

function connect() {
  const connection = { opened: Date.now(), inbox: new Array(40).fill(0) };
  const heartbeat = setInterval(() => connection.inbox.push(Date.now()), HOUR);
  setTimeout(() => {
    if (!leaky) clearInterval(heartbeat);
  }, 100);
}

pace(600, connect);
pace(100, () => JSON.parse(JSON.stringify(new Array(200).fill('traffic'))));
