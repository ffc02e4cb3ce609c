'use strict';
// Healthy: mails are sent by a server that is slow for half a minute of each minute. They wait in a queue, which grows
// by 10 MB and is worked off when the server is well again.

const { pace } = require('../harness');

const MINUTE = 60 * 1000;
const began = Date.now();
const queue = [];
let mails = 0;

const slow = () => (Date.now() - began) % MINUTE > MINUTE / 2;

function send() {
  const mail = queue.shift();
  return mail && JSON.stringify(mail);
}

pace(250, () => queue.push({ number: mails++, to: `user${mails}@example.org`, lines: new Array(160).fill(mails) }));
pace(50, send);
pace(700, () => {
  if (!slow()) send();
});
