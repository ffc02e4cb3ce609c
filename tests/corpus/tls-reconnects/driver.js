'use strict';
// Healthy: clients connect by TLS with a shared key, say a word, and go: native memory for each, and back.

const tls = require('tls');
const { paceAsync } = require('../harness');

const shared = { psk: Buffer.alloc(32, 7), identity: 'client' };
const common = { ciphers: 'PSK', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
const server = tls.createServer({ ...common, pskCallback: () => shared.psk, pskIdentityHint: 'here' }, (socket) => {
  socket.on('error', () => {}).end('hello');
});

function visit(port) {
  const options = { ...common, port, host: '127.0.0.1', pskCallback: () => shared, checkServerIdentity: () => {} };
  return new Promise((done, failed) => tls.connect(options).on('error', failed).on('close', done).resume());
}

server.listen(0, '127.0.0.1', () => paceAsync(30, 4, () => visit(server.address().port)));
