'use strict';
// Leaks handles: each call of a worker brings a port for the reply, and nobody closes it; an open port is never
// collected, on either side. Fixed: it is closed with the reply.

const { MessageChannel, Worker, isMainThread, parentPort } = require('worker_threads');
const { leaky, pace } = require('../harness');

function call(worker, question) {
  const { port1, port2 } = new MessageChannel();
  port1.once('message', () => {
    if (!leaky) port1.close();
  });
  worker.postMessage({ question, reply: port2 }, [port2]);
}

if (isMainThread) {
  const worker = new Worker(__filename);
  let questions = 0;
  pace(80, () => call(worker, { number: questions++, words: new Array(50).fill('word') }));
} else {
  parentPort.on('message', ({ question, reply }) => reply.postMessage({ answer: question.words.length }));
}
