'use strict';
// Sends so many requests to a server on this host: `node requests.js PORT COUNT`.

const http = require('http');

const [port, count] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
let sent = 0;

function next() {
  if (sent === count) return agent.destroy();
  sent += 1;
  http.get({ port, agent, host: '127.0.0.1', path: `/${sent}` }, (answer) => answer.resume().on('end', next));
}
next();
